"""Every verb while its requests are turned away: the command asks again, and people see nothing of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from api_server_proxy import ApiServerProxy, Fault, Seen
from cluster import LiveCluster, Workspaces
from spoken import BOTH_WAYS
from terminals import Terminal, Terminals, terminals

from moorage_cli.people.model import Exit
from moorage_dev.kubeconfigs import Endpoint
from moorage_dev.processes import Service

#: Makes the terminal of a user for one way; a fixture.
terminal = pytest.fixture(terminals, name="terminal")

#: Who changes things, and who says yes to them.
MEMBERS = {"alice": "moorage-edit", "bob": "moorage-approver"}
#: How often each request is turned away.
TIMES = 2
_BODY = b'{"kind":"Status","status":"Failure","reason":"TooManyRequests","message":"storage is (re)initializing"}'


class Doorkeeper:
    """Turns away the first tries of each request, and counts all of them."""

    def __init__(self) -> None:
        self.tries: Counter[tuple[str, str, bytes]] = Counter()

    def __call__(self, seen: Seen) -> Fault | None:
        """What a proxy answers in the place of the server."""
        request = (seen.method, seen.target, seen.body)
        self.tries[request] += 1
        if self.tries[request] % (TIMES + 1):
            return Fault(429, _BODY, headers=(("Retry-After", "0"),))
        return None


Behind = Callable[[str, Terminal], tuple[Terminal, Doorkeeper]]


@pytest.fixture
def behind(cluster: LiveCluster, tmp_path: Path) -> Iterator[Behind]:
    """The same terminal behind a doorkeeper of its own."""
    with ExitStack() as proxies:

        def make(way: str, plain: Terminal) -> tuple[Terminal, Doorkeeper]:
            server = plain.environ["MOORAGE_URL"] if way == "rest" else cluster.endpoint.server
            proxy = proxies.enter_context(closing(ApiServerProxy(Endpoint(server, cluster.endpoint.ca))))
            proxy.fault = keeper = Doorkeeper()
            environ = {name: value.replace(server, proxy.url) for name, value in plain.environ.items()}
            if way != "rest":
                known = Path(plain.environ["KUBECONFIG"])
                config = tmp_path / f"behind-{known.name}"
                config.write_text(known.read_text(encoding="utf-8").replace(server, proxy.url), encoding="utf-8")
                environ = {"KUBECONFIG": str(config)}
            return Terminal(environ, plain.flags, plain.capsys), keeper

        yield make


@pytest.mark.parametrize("way", ["token", "rest"])
def test_every_verb_asks_again_when_it_is_turned_away(
    operator: Service, workspace: Workspaces, terminal: Terminals, behind: Behind, way: str
) -> None:
    space = workspace("staging", members=MEMBERS)
    space.create_environment("production", approvals={"required": 1}, enforcement="Warn")
    plain = {user: terminal(way, space, user) for user in MEMBERS}
    turned = {user: behind(way, one) for user, one in plain.items()}
    for words in (
        ("deploy", "staging", "web", "1"),
        ("deploy", "staging", "web", "2"),
        ("deploy", "production", "web", "1"),
        ("freeze", "sale", "-m", "black friday", "--until", "2999-01-01", "--app", "ledger"),
        ("wait", "staging", "web"),
    ):
        assert plain["alice"](*words)[0] == Exit.DONE, words

    for verb, said in BOTH_WAYS.items():
        if verb == "unlock":
            assert plain["alice"]("lock", *said.done, "-m", "stocktaking")[0] == Exit.DONE
        ask, keeper = turned[said.user]
        keeper.tries.clear()
        code, _, err = ask(verb, *said.done)
        assert code == Exit.DONE, (verb, err)
        assert keeper.tries, verb
        assert all(tries % (TIMES + 1) == 0 for tries in keeper.tries.values()), (verb, keeper.tries)
        assert "busy" not in err, (verb, err)
        if verb == "lock":
            # What follows shall not be refused.
            assert plain["alice"]("unlock", said.done[0])[0] == Exit.DONE
