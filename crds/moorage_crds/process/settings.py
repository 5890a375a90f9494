"""Settings that both processes and the commands share, and how settings are read: flags over `MOORAGE_*` variables.

The processes and the administrators' commands never read a plain `KUBECONFIG`: it is often somebody's production. The
commands of every day do (`moorage_cli.people.ways`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from moorage_crds import patterns

SettingsT = TypeVar("SettingsT", bound=BaseModel)

ENV_PREFIX = "MOORAGE_"
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class ClusterSettings(BaseSettings):
    """Which cluster, and how much to say about it."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", env_ignore_empty=True)

    kubeconfig: Path | None = Field(
        default=None,
        description="kubeconfig of the cluster; without it the service account of the pod is used",
    )
    log_level: LogLevel = Field(default="INFO", description="how much is logged")


class InstallationSettings(ClusterSettings):
    """Where in the cluster Moorage itself runs."""

    namespace: str = Field(
        default="moorage-system",
        pattern=patterns.whole(patterns.SLUG),
        max_length=63,
        description="the Namespace that Moorage itself runs in (Lease)",
    )


class ProcessSettings(InstallationSettings):
    """What both long-running processes need."""

    bind_host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 — a pod listens on all of its addresses
    metrics_port: int = Field(default=9090, ge=1, le=65535, description="port of /metrics")


def load(cls: type[SettingsT], argv: Sequence[str], *, prog: str) -> SettingsT:
    """Read settings from flags, then from the environment, then defaults.

    Raises:
        SystemExit: 2, after one sentence per mistake on standard error that names flag and variable; 0 after --help.
    """
    parser = argparse.ArgumentParser(prog=prog, description=cls.__doc__, allow_abbrev=False)
    for name, field in cls.model_fields.items():
        choices = f" (one of {', '.join(get_args(field.annotation))})" if name == "log_level" else ""
        value = field.get_default(call_default_factory=True)
        default = "" if value in (None, ()) else f" [default: {_shown(value)}]"
        parser.add_argument(
            _flag(name),
            dest=name,
            metavar=_metavar(name, field.annotation),
            default=argparse.SUPPRESS,
            help=f"{field.description or ''}{choices}{default} ({ENV_PREFIX}{name.upper()})".replace("%", "%%"),
        )
    given = vars(parser.parse_args(list(argv)))
    try:
        return cls(**given)
    except ValidationError as error:
        for mistake in error.errors():
            sys.stderr.write(f"{prog}: {_sentence(mistake, given)}\n")
        raise SystemExit(2) from None
    except ValueError as error:  # pydantic-settings: a list or object in a variable that is not JSON
        sys.stderr.write(f"{prog}: {error}\n")
        raise SystemExit(2) from None


def _shown(default: Any) -> str:
    """A default as it is typed."""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _metavar(name: str, annotation: Any) -> str:
    """What stands for a value in the help: what it has to be, where the type says so."""
    kinds = {annotation, *get_args(annotation)}
    if Path in kinds:
        return "FILE"
    if kinds & {int, float}:
        return "NUMBER"
    return name.rpartition("_")[2].upper()


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _sentence(mistake: Any, given: dict[str, Any]) -> str:
    name = str(mistake["loc"][0]) if mistake["loc"] else ""
    if not name:
        return str(mistake["msg"])
    source = _flag(name) if name in given else f"{ENV_PREFIX}{name.upper()}"
    value = mistake["input"] if not isinstance(mistake["input"], dict) else ""
    said = str(mistake["msg"]).removeprefix("Value error, ")
    return f"setting {source}={value!s}: {said[:1].lower()}{said[1:]}"


def describe(settings: BaseModel) -> dict[str, Any]:
    """All settings for the log at start; secrets are masked."""
    return {
        name: "***" if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump(mode="json").items()
    }
