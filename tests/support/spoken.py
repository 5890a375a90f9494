"""What is said with each command where both ways are compared: once so that it is done, once so that it is not."""

from dataclasses import dataclass
from typing import Final

from moorage_cli.people.model import Exit


@dataclass(frozen=True, slots=True)
class Said:
    """The words after one verb.

    Attributes:
        done: something that it does.
        refused: something that it does not do.
        code: the exit code of that.
        user: who says both.
        rows: its answer has forms, so JSON is asked for.
    """

    done: tuple[str, ...]
    refused: tuple[str, ...]
    code: Exit
    user: str = "alice"
    rows: bool = True


_UNKNOWN: Final = ("qa", "web", "2")

#: Everything that a person does in a workspace, by kubeconfig or by REST.
BOTH_WAYS: Final = {
    "get": Said(("staging",), ("qa",), Exit.NOT_FOUND),
    "environments": Said((), ("--namespase", "x"), Exit.USAGE),
    "matrix": Said((), ("--namespase", "x"), Exit.USAGE),
    "history": Said(("staging", "web", "--by", "alice"), ("qa",), Exit.NOT_FOUND),
    "at": Said(("staging", "0s"), ("staging", "soon"), Exit.USAGE),
    "diff": Said(("staging", "production"), ("staging", "qa"), Exit.NOT_FOUND),
    "deploy": Said(("staging", "web", "3", "-m", "new"), ("staging", "web", "3", "--expected", "9"), Exit.CONFLICT),
    "promote": Said(("production", "web", "--from", "staging"), ("production", "web"), Exit.USAGE),
    "undo": Said(("staging", "web", "--yes"), ("staging", "web", "--to", "never-there"), Exit.CONFLICT),
    "undeploy": Said(("staging", "web", "--yes"), ("staging", "nothing", "--yes"), Exit.NOT_FOUND),
    "lock": Said(("production", "-m", "stocktaking"), ("qa", "-m", "stocktaking"), Exit.NOT_FOUND, rows=False),
    "unlock": Said(("staging",), ("production",), Exit.NOT_FOUND, rows=False),
    "wait": Said(("staging", "web"), ("staging", "nothing", "--timeout", "0"), Exit.TIMEOUT, rows=False),
    "explain": Said(("production", "web", "2"), _UNKNOWN, Exit.NOT_FOUND),
    "approve": Said(("production", "web", "2", "-m", "seen"), _UNKNOWN, Exit.NOT_FOUND, user="bob"),
    "reject": Said(("production", "web", "2", "-m", "no"), _UNKNOWN, Exit.NOT_FOUND, user="bob"),
    "freeze": Said(
        ("rest", "-m", "holiday", "--until", "2999-01-01"),
        ("rest", "-m", "holiday", "--from", "2001-01-02", "--until", "2001-01-01"),
        Exit.USAGE,
        rows=False,
    ),
    "freezes": Said((), ("--namespase", "x"), Exit.USAGE),
    "unfreeze": Said(("sale", "--yes"), ("rest", "--yes"), Exit.NOT_FOUND, rows=False),
    "status": Said((), ("--namespase", "x"), Exit.USAGE),
}

#: The others, and why they have one way.
ONE_WAY: Final = {
    "completion": "asks no cluster",
    "version": "asks no cluster",
    "crds": "asks no cluster",
    "operator": "is a process of the cluster",
    "api": "is the other way",
    "import": "reads objects of other tools, which REST does not have",
    "preflight": "looks at what an administrator has installed",
    "verify": "reads the history itself, not what the facade says of it",
    "export": "reads the history itself, not what the facade says of it",
}
