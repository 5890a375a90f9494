"""`moorage import`: running releases become ordinary changes by the importing user, and the past becomes claims."""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from moorage_cli.importing import found as finding
from moorage_cli.importing import git_log
from moorage_cli.importing import past as pasts
from moorage_cli.importing.found import FoundError
from moorage_cli.importing.git_log import GitError
from moorage_cli.importing.past import Key, PastError
from moorage_cli.importing.patience import Patience
from moorage_cli.importing.plan import Planned, Step, planned
from moorage_cli.importing.writing import Written, compare, known_hashes, write
from moorage_cli.people import shell
from moorage_cli.people.cluster import ClusterRegister, said
from moorage_cli.people.model import Change, Exit, TroubleError, to_json
from moorage_cli.people.output import Form
from moorage_cli.people.shell import Context, Kubeconfig, Namespace, Output, app, moment_of, run
from moorage_cli.people.ways import Where, cluster
from moorage_cli.replay import Line, ReplayError, lines_of
from moorage_cli.verification import Verification, removable
from moorage_crds import names
from moorage_crds.clock import SystemClock
from moorage_crds.kinds import deployment
from moorage_crds.moments import parse
from moorage_crds.objects import RawObject, metadata
from moorage_crds.store import ResourceStore, TransientError

_KEYS: Final = ("step", "environment", "app", "release", "active", "changes")


class Source(StrEnum):
    """Where what runs now, or ran before, is known."""

    CSV = "csv"
    GIT = "git"
    RECORDS = "records"
    ARGOCD = "argocd"
    FLUX = "flux"
    HELM = "helm"
    KUBECTL = "kubectl"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        history: bring the past along, too.
        present: make what is active now active here.
    """

    source: Source
    file: Path | None
    environment: str | None
    origins: tuple[str, ...]
    named: str
    path: str | None
    release: str | None
    history: bool
    present: bool
    until: str | None
    yes: bool


@dataclass(slots=True)
class Material:
    """What was read: the present, and the past as records that can be read more than once."""

    found: Mapping[Key, str] = field(default_factory=dict)
    past: Mapping[Key, int] = field(default_factory=dict)
    latest: Mapping[Key, str] = field(default_factory=dict)
    records: Any = None


@app.command("import")
def import_(
    source: Annotated[Source, typer.Argument(help="what to read", show_default=False)],
    file: Annotated[
        Path | None, typer.Argument(help="of csv and records; of git its folder", show_default=False)
    ] = None,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="where what runs there belongs")
    ] = None,
    origin: Annotated[list[str] | None, typer.Option("--from", help="Namespace to look at; repeat it")] = None,
    named: Annotated[str | None, typer.Option("--source", help="how the history names where it comes from")] = None,
    path: Annotated[str | None, typer.Option(help="of git: envs/{environment}/{app}.yaml")] = None,
    release: Annotated[str | None, typer.Option(help="of git: expression whose group is the release")] = None,
    history: Annotated[bool, typer.Option("--history", help="of csv and git: bring the past along as claims")] = False,
    until: Annotated[str | None, typer.Option(help="of csv and git: only the past before this moment")] = None,
    present: Annotated[bool, typer.Option("--present/--no-present", help="deploy what is active now")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do it; without it the plan is shown")] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TABLE,
) -> None:
    """Bring what runs elsewhere, and its past, into a workspace. Shows a plan; --yes carries it out."""
    called = named or (file.name if file else str(source))
    origins = tuple(origin or ())
    asked = Asked(
        source=source,
        file=file,
        environment=environment,
        origins=origins,
        named=called,
        path=path,
        release=release,
        history=history or source is Source.RECORDS,
        present=present,
        until=until,
        yes=yes,
    )
    shell.complete(_import(asked, Where(None, namespace, kubeconfig, context), output))


async def _import(asked: Asked, where: Where, output: Form) -> None:
    async with cluster(where, importing=True) as (store, namespace):
        register = ClusterRegister(store, namespace)
        try:
            material = await _read(asked, store, namespace)
            await _check(store, namespace, material)
            there = {one.environment: one.active for one in await register.places()}
            rows = planned(material.found if asked.present else {}, material.past, there)
            if not asked.yes:
                shell.write([_row(one) for one in rows], output, narrow=_KEYS, name="app")
                sys.stderr.write("this is the plan, nothing was changed; --yes carries it out\n")
                return
            await _carry_out(asked, store, namespace, material, rows)
        except (PastError, FoundError, ReplayError, GitError) as error:
            raise TroubleError(Exit.USAGE, str(error)) from error


def _row(one: Planned) -> dict[str, Any]:
    return {key: to_json(getattr(one, key)) for key in _KEYS} | {"step": str(one.step)}


# --- reading


async def _read(asked: Asked, store: ResourceStore, namespace: str) -> Material:
    if asked.source in {Source.CSV, Source.GIT, Source.RECORDS}:
        if asked.file is None:
            raise TroubleError(Exit.USAGE, f"which file? Say moorage import {asked.source} FILE")
        if asked.source is Source.RECORDS:
            return _of_export(asked.file, namespace)
        return _of_changes(asked, _changes(asked, asked.file), namespace)
    found = await said(finding.read(store, str(asked.source), asked.environment, asked.origins))
    return Material(found=found)


def _changes(asked: Asked, file: Path) -> Iterator[Line]:
    if asked.source is Source.CSV:
        return lines_of(file)
    pattern = git_log.pattern_of(asked.path or "", asked.release)
    return git_log.lines_of(git_log.log_of(file), pattern)


def _of_changes(asked: Asked, changes: Iterator[Line], namespace: str) -> Material:
    bound = moment_of(asked.until) if asked.until else None
    lines = (line for line in changes if bound is None or line.at < bound)
    past = pasts.past_of(lines, now=SystemClock().now())
    if not asked.history:
        return Material(found=past.standing())
    return Material(
        found=past.standing(),
        past={key: len(known) for key, known in past.chains.items()},
        latest={key: known[-1].at.isoformat() for key, known in past.chains.items()},
        records=partial(pasts.records_of, past, namespace=namespace, source=asked.named),
    )


def _of_export(file: Path, namespace: str) -> Material:
    """An export is checked as `moorage verify --file` does it before anything of it is written."""
    broken: list[str] = []
    verification = Verification(
        found=lambda flaws: broken.append(f"record {flaws[0].sequence} of {flaws[0].binding} {flaws[0].what}"),
        progress=lambda _: None,
        tip=lambda _: None,
        removable=removable(SystemClock().now(), days=90, max_records=10_000),
    )
    verification.of_file(_objects(file))
    if broken:
        message = f"{file} is not a whole history: {broken[0]} (moorage verify --file {file} names all)"
        raise PastError(message)
    records = partial(_restored, file, namespace)
    counts = Counter((str(raw["spec"]["environment"]), str(raw["spec"]["app"])) for raw in records())
    return Material(found=pasts.standing_of(records()), past=counts, records=records)


def _restored(file: Path, namespace: str) -> Iterator[RawObject]:
    return pasts.restored(_objects(file), namespace=namespace)


def _objects(file: Path) -> Iterator[RawObject]:
    try:
        with file.open("rb") as source:
            yield from map(_object, source)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise PastError(message) from error
    except ValueError as error:
        message = f"{file} is not an export (JSON Lines, as moorage export writes them): {error}"
        raise PastError(message) from error


def _object(line: bytes) -> RawObject:
    found = orjson.loads(line)
    if not isinstance(found, dict):
        message = f"{line[:40]!r} is not an object"
        raise ValueError(message)  # noqa: TRY004 — one kind of error for every line that is not one of an export
    return found


# --- checking


async def _check(store: ResourceStore, namespace: str, material: Material) -> None:
    """The past ends before the first change that the API server stamped, and nobody imports a chain that lives."""
    if material.records is None:
        return
    pages = store.pages(names.DEPLOYMENTS, namespace=shell.namespace_name(namespace))
    living = [deployment.from_object(raw) async for page in pages for raw in page.items]
    uids = {one.uid for one in living}
    for one in living:
        newest = material.latest.get((one.environment, one.app))
        if newest is not None and parse(newest) > parse(one.created_at):
            message = (
                f"{one.app} is in {one.environment} since {one.created_at}, and the past ends before that: "
                f"say --until {one.created_at}"
            )
            raise PastError(message)
    # Claims stand in chains of their own; only an export can bring the chain of a Deployment.
    for raw in material.records() if uids and not material.latest else ():
        if str(metadata(raw).get("name"))[:36] in uids:
            message = f"{metadata(raw).get('name')} is a record of a Deployment that lives here: nothing to import"
            raise PastError(message)


# --- doing


async def _carry_out(
    asked: Asked, store: ResourceStore, namespace: str, material: Material, rows: Sequence[Planned]
) -> None:
    register, patience = ClusterRegister(store, namespace), Patience(_tell)
    for one in rows:
        if one.step is Step.CREATE:
            await _patiently(patience, partial(_create_environment, register, one.environment))
    written = Written()
    if material.records is not None:
        known = await said(patience.ask(partial(known_hashes, store, namespace)))
        compare(material.records(), known)
        written = await said(write(store, material.records(), known, patience=patience, progress=_tell))
    deploys = [one for one in rows if one.step is Step.DEPLOY]
    for one in deploys:
        change = Change(one.environment, str(one.app), one.release, reason=f"imported from {asked.named}")
        await _patiently(patience, partial(register.change, change))
    kept = sum(one.step is Step.KEEP for one in rows)
    sys.stdout.write(
        f"{written.made} records imported, {written.there} were there, {len(deploys)} releases deployed"
        + (f", {kept} kept because another release is active" if kept else "")
        + "\n"
    )


async def _create_environment(register: ClusterRegister, environment: str) -> None:
    """Make one. It may be there already, by a request whose answer was lost."""
    try:
        await register.create_environment(environment, dry_run=False)
    except TroubleError as error:
        if error.code is not Exit.CONFLICT:
            raise


async def _patiently(patience: Patience, request: Callable[[], Awaitable[object]]) -> None:
    """One step by the register, tried again as one request is.

    Raises:
        TroubleError: it is refused, or the cluster was silent for too long.
    """

    async def tried() -> None:
        try:
            await request()
        except TroubleError as error:
            if isinstance(error.__cause__, TransientError):
                raise error.__cause__ from None
            raise

    await said(patience.ask(tried))


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


run_import = partial(run, "import")
