"""`moorage verify`, `moorage export`, `moorage preflight`: they read a cluster (or a file) and change nothing in it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, TypeVar

import orjson

from moorage_cli.busy import Busy
from moorage_cli.config import ExportSettings, Format, PreflightSettings, VerifySettings, to_utc
from moorage_cli.export import Choice, NoWorkspaceError
from moorage_cli.export import export as write_records
from moorage_cli.preflight import Check
from moorage_cli.preflight import preflight as all_checks
from moorage_cli.verification import Report, Verification, removable
from moorage_crds.anchors import Tip, to_tip
from moorage_crds.chain import Flaw
from moorage_crds.clock import SystemClock
from moorage_crds.identifiers import AppId, EnvironmentSlug
from moorage_crds.kube.client import Client, KubernetesStore
from moorage_crds.kube.paths import COMMAND_CALLS
from moorage_crds.kube.patience import Patience
from moorage_crds.kube.session import ClusterConfigError, connect
from moorage_crds.names import MANAGER_OPERATOR
from moorage_crds.objects import RawObject
from moorage_crds.process.settings import ClusterSettings, load
from moorage_crds.process.telemetry import configure_logging
from moorage_crds.store import GoneError, StoreError

ResultT = TypeVar("ResultT")


class InputError(Exception):
    """A file is not what it should be. The text is one sentence."""


def verify(argv: list[str]) -> int:
    """`moorage verify`: 0 if every chain is whole, 1 if one is broken, 2 if it could not be checked."""
    settings = load(VerifySettings, argv, prog="moorage verify")
    return _run("moorage verify", settings, lambda: _verify(settings))


async def _verify(settings: VerifySettings) -> int:
    with _tips_to(settings.write_anchor) as keep:
        verification = Verification(
            found=_print_flaws,
            progress=_progress,
            tip=keep,
            removable=removable(
                SystemClock().now(), days=settings.retention_days, max_records=settings.retention_max_records
            ),
            anchors=_anchors(settings.anchor),
        )
        if settings.file is not None:
            report = verification.of_file(_lines(settings.file))
        else:
            async with _cluster(settings) as store:
                report = await verification.of_cluster(store)
    sys.stdout.write(_summary(report))
    return 1 if report.broken else 0


def _print_flaws(flaws: list[Flaw]) -> None:
    first = flaws[0]
    where = f"{first.namespace}/{first.binding or '?'}"
    which = f"record {first.sequence}" if first.sequence else "the chain"
    more = f" (and {len(flaws) - 1} more in this chain)" if len(flaws) > 1 else ""
    sys.stdout.write(f"BROKEN {where} {first.chain}: {which} {first.what}{more}\n")


def _summary(report: Report) -> str:
    state = f"{report.broken} broken" if report.broken else "all whole"
    notes = "".join(f"; {count} {note}" for note, count in sorted(report.notes.items()))
    claimed = f"; {report.imported} records were imported: no API server here saw them" if report.imported else ""
    return f"{report.records} records in {report.chains} chains: {state}{notes}{claimed}\n"


def _anchors(path: Path | None) -> dict[str, Tip]:
    if path is None:
        return {}
    anchors: dict[str, Tip] = {}
    for raw in _lines(path):
        try:
            tip = to_tip(raw)
        except TypeError as error:
            message = f"{path} is not an anchor file (`moorage verify --write-anchor` makes one)"
            raise InputError(message) from error
        anchors[tip.uid] = tip
    return anchors


def _lines(path: Path) -> Iterator[RawObject]:
    try:
        with path.open("rb") as source:
            yield from (_object(path, number, line) for number, line in enumerate(source, 1) if line.strip())
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise InputError(message) from error


def _object(path: Path, number: int, line: bytes) -> RawObject:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        message = f"{path}, line {number}: not a JSON object"
        raise InputError(message)
    return found


@contextmanager
def _tips_to(path: Path | None) -> Iterator[Callable[[Tip], None]]:
    if path is None:
        yield lambda _: None
        return
    with _written(path) as out:
        yield lambda tip: _ignore(out.write(orjson.dumps(asdict(tip)).decode() + "\n"))


def _ignore(_: object) -> None:
    return


def export(argv: list[str]) -> int:
    """`moorage export`: 0 if everything was written, 2 if not."""
    settings = load(ExportSettings, argv, prog="moorage export")
    return _run("moorage export", settings, lambda: _export(settings))


async def _export(settings: ExportSettings) -> int:
    choice = Choice(
        workspace=settings.workspace,
        environment=EnvironmentSlug.parse(settings.environment) if settings.environment else None,
        app=AppId.parse(settings.app) if settings.app else None,
        since=to_utc(settings.since),
        until=to_utc(settings.until),
    )
    async with _cluster(settings) as store:
        with _written(settings.output) as out:
            count = await write_records(store, choice, out=out, form=_format(settings), progress=_progress)
    _progress(f"{count} records written" + (f" to {settings.output}" if settings.output else ""))
    return 0


def _format(settings: ExportSettings) -> Format:
    if settings.format is not None:
        return settings.format
    is_csv = settings.output is not None and settings.output.suffix.lower() == ".csv"
    return Format.CSV if is_csv else Format.JSONL


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears under its name only when it is complete.

    What is there and no regular file (a pipe, a device, /dev/stdout) is written to: replacing it would take it away.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
    elif path.exists() and not path.is_file():
        with _opened(path, shown=path) as out:
            yield out
    else:
        # Where a link leads to, so that the link stays one.
        target = path.resolve()
        part = target.with_name(target.name + ".part")
        unfinished = _opened(part, shown=path)
        try:
            with unfinished as out:
                yield out
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _opened(path: Path, *, shown: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        message = f"cannot write {shown}: {error.strerror}"
        raise InputError(message) from error


def preflight(argv: list[str]) -> int:
    """`moorage preflight`: 0 if all that is needed is there, 1 if not or not to be seen, 2 if there is no answer."""
    settings = load(PreflightSettings, argv, prog="moorage preflight")
    return _run("moorage preflight", settings, lambda: _preflight(settings))


async def _preflight(settings: PreflightSettings) -> int:
    checks: list[Check] = []
    async with _cluster(settings) as store:
        async for check in all_checks(store, store, process=settings.process, namespace=settings.namespace):
            checks.append(check)
    width = max(len(check.subject) for check in checks)
    for check in checks:
        sys.stdout.write(f"{check.verdict:<9} {check.subject:<{width}}  {check.consequence}".rstrip() + "\n")
    return 1 if any(check.fails for check in checks) else 0


@asynccontextmanager
async def _cluster(settings: ClusterSettings) -> AsyncIterator[KubernetesStore]:
    async with (
        connect(settings.kubeconfig) as cluster,
        Client(cluster, calls=COMMAND_CALLS, field_manager=MANAGER_OPERATOR, limit=4) as client,
    ):
        yield client.store.with_patience(Patience(Busy("the cluster").sleep))


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _run(prog: str, settings: ClusterSettings, act: Callable[[], Coroutine[Any, Any, int]]) -> int:
    configure_logging(settings.log_level, prog.rsplit(" ", maxsplit=1)[-1])
    try:
        return asyncio.run(act())
    except GoneError:
        sentence = "the list became too old while it was read; try again, or read a part of it"
    except (ClusterConfigError, InputError, NoWorkspaceError) as error:
        sentence = str(error)
    except StoreError as error:
        sentence = f"the cluster does not answer as it should: {error}"
    except BrokenPipeError:
        # The reader of our output has closed it; nothing more can be written there, not even at exit.
        sys.stdout = None
        return 2
    sys.stderr.write(f"{prog}: {sentence}\n")
    return 2
