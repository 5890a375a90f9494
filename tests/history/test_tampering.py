"""`moorage verify` finds what somebody did to the history behind the API server's back, and passes what is whole.

One cluster for all: twelve chains that the operator recorded, beside a history of 10,000 records. Each of the twelve is
tampered with in another way, straight in etcd.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cluster import ADMIN, GROUP_PATH, LiveCluster, Workspace, Workspaces
from etcd import Etcd
from services import Operators
from waiting import eventually

from moorage_dev.bench.etcd import put_all
from moorage_dev.bench.population import World, whole_second

Object = dict[str, Any]

RELEASES = ("v1", "v2", "v3", "v4", "v5")
#: Deployments of ten records each.
BULK = 1000
#: How much more memory 10,000 records may take than 60, in MiB. Kept in memory they alone would take 60.
ROOM = 24


class Chain:
    """One recorded chain, and somebody who can write etcd."""

    def __init__(self, shop: Workspace, elsewhere: Workspace, app: str) -> None:
        self.shop = shop
        self.elsewhere = elsewhere
        self.name = f"production.{app}"
        self.uid = str(shop.create_deployment("production", app, RELEASES[0], user="alice")["metadata"]["uid"])
        self._etcd = Etcd(shop.cluster.control_plane)
        for number, release in enumerate(RELEASES[1:]):
            shop.set_release(self.name, release, user=("bob", "alice")[number % 2])

    @property
    def recorded(self) -> bool:
        """Every change has its record, and the status counts it."""
        status = (self.shop.get("deployments", self.name) or {}).get("status") or {}
        return bool(status.get("recordedSequence") == len(RELEASES))

    def record_name(self, sequence: int) -> str:
        return f"{self.uid}-{sequence:08d}"

    def read(self, sequence: int) -> Object:
        """A record as it is stored."""
        found = self.shop.get("deploymentrecords", self.record_name(sequence))
        assert found is not None
        del found["metadata"]["resourceVersion"]
        return found

    def put(self, body: Object) -> None:
        """Store a record under the name and Namespace that it says."""
        meta = body["metadata"]
        key = f"/registry/moorage.dev/deploymentrecords/{meta['namespace']}/{meta['name']}"
        put_all(self.shop.cluster.control_plane.etcd(), [(key, json.dumps(body).encode())])

    def edit(self, sequence: int, change: Callable[[Object], object]) -> None:
        self._etcd.edit("deploymentrecords", self.shop.namespace, self.record_name(sequence), change)

    def edit_deployment(self, change: Callable[[Object], object]) -> None:
        self._etcd.edit("deployments", self.shop.namespace, self.name, change)

    def remove(self, *sequences: int) -> None:
        for sequence in sequences:
            self._etcd.remove("deploymentrecords", self.shop.namespace, self.record_name(sequence))


def rehash(spec: Object) -> None:
    """Make a record's own hash right again."""
    content = {key: value for key, value in spec.items() if key != "hash"}
    spec["hash"] = hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def edit_a_field(chain: Chain) -> None:
    chain.edit(3, lambda stored: stored["spec"].update(by="mallory"))


def remove_a_record(chain: Chain) -> None:
    chain.remove(3)


def swap_the_contents(chain: Chain) -> None:
    second, third = chain.read(2), chain.read(3)
    chain.put(second | {"spec": third["spec"]})
    chain.put(third | {"spec": second["spec"]})


def insert_a_record(chain: Chain) -> None:
    last = chain.read(5)
    last["metadata"] |= {"name": chain.record_name(6), "uid": last["metadata"]["uid"][::-1]}
    spec = last["spec"]
    spec |= {"sequence": 6, "previousRelease": "v5", "release": "evil", "previousHash": spec["hash"]}
    rehash(spec)
    chain.put(last)


def cut_off_the_tip(chain: Chain) -> None:
    chain.remove(5)


def cut_off_the_head(chain: Chain) -> None:
    chain.remove(1, 2)


def edit_a_hash(chain: Chain) -> None:
    chain.edit(3, lambda stored: stored["spec"].update(hash="0" * 64))


def edit_the_labels(chain: Chain) -> None:
    chain.edit(3, lambda stored: stored["metadata"]["labels"].update({"moorage.dev/app": "another"}))


def move_to_another_namespace(chain: Chain) -> None:
    for sequence in range(1, 6):
        body = chain.read(sequence)
        chain.remove(sequence)
        body["metadata"]["namespace"] = chain.elsewhere.namespace
        chain.put(body)


def give_another_number(chain: Chain) -> None:
    last = chain.read(5)
    chain.remove(5)
    last["metadata"]["name"] = chain.record_name(7)
    last["spec"]["sequence"] = 7
    rehash(last["spec"])
    chain.put(last)


def rewrite_the_status(chain: Chain) -> None:
    chain.edit_deployment(lambda stored: stored["status"]["history"].update(tipHash="0" * 64))


def rewrite_everything(chain: Chain) -> None:
    """Another user in the third record and in the log; all hashes from there on, and the status, follow."""
    bodies = [chain.read(sequence) for sequence in range(1, 6)]
    bodies[2]["spec"]["by"] = "mallory"
    for before, body in pairwise(bodies):
        body["spec"]["previousHash"] = before["spec"]["hash"]
        rehash(body["spec"])
        chain.put(body)

    def follow(stored: Object) -> None:
        stored["changeLog"]["entries"][2]["by"] = "mallory"
        stored["status"]["history"]["tipHash"] = bodies[-1]["spec"]["hash"]

    chain.edit_deployment(follow)


@dataclass(frozen=True, slots=True)
class Finding:
    """What verify must say first of one way of tampering.

    Attributes:
        link: record that is named.
        what: what is said of it.
        moved: the chain is found in the other Namespace.
    """

    link: str
    what: str
    moved: bool = False


TAMPERINGS: dict[Callable[[Chain], None], Finding] = {
    edit_a_field: Finding("record 3", "was edited"),
    remove_a_record: Finding("record 3", "is missing"),
    swap_the_contents: Finding("record 2", "says another Deployment or number than its name"),
    insert_a_record: Finding("record 6", "is a record of a change that its Deployment does not know"),
    cut_off_the_tip: Finding("record 5", "is missing"),
    cut_off_the_head: Finding("record 1", "to 2 are missing"),
    edit_a_hash: Finding("record 3", "was edited"),
    edit_the_labels: Finding("record 3", "carries labels that differ from its content"),
    move_to_another_namespace: Finding("record 1", "does not name the beginning of its chain", moved=True),
    give_another_number: Finding("record 5", "to 6 are missing"),
    rewrite_the_status: Finding("record 5", "is not the record that the status of its Deployment names as the newest"),
    rewrite_everything: Finding("record 5", "is not the record that the anchor names"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command; `peak` is the memory that it took, MiB."""

    code: int
    out: str
    err: str
    peak: float

    def about(self, uid: str) -> list[str]:
        """What it says of one chain."""
        return [line for line in self.out.splitlines() if f" {uid}: " in line]


def verify(cluster: LiveCluster, *arguments: str | Path) -> Run:
    """Run `moorage verify`."""
    return moorage(cluster, "verify", *arguments)


def moorage(cluster: LiveCluster, *arguments: str | Path) -> Run:
    """Run a command as the administrator."""
    kubeconfig = cluster.kubeconfig("admin", cluster.token(ADMIN))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MOORAGE_")}
    out, err = kubeconfig.with_suffix(".out"), kubeconfig.with_suffix(".err")
    with out.open("wb") as stdout, err.open("wb") as stderr:
        child = subprocess.Popen(
            [Path(sys.executable).parent / "moorage", *arguments],
            env={**clean, "MOORAGE_KUBECONFIG": str(kubeconfig)},
            stdout=stdout,
            stderr=stderr,
        )
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Run(child.returncode, out.read_text(), err.read_text(), usage.ru_maxrss / 1024)


@dataclass(frozen=True, slots=True)
class Scene:
    """The chains, and what was said: of few records, of many, and after the tampering."""

    chains: dict[str, Chain]
    small: Run
    exported_few: Run
    clean: Run
    exported_many: Run
    tampered: Run
    anchored: Run


@pytest.fixture(scope="module")
def scene(own_cluster: LiveCluster) -> Scene:
    operators = Operators(own_cluster)
    operators.ensure()
    make = Workspaces(own_cluster)
    shop, elsewhere = make("production"), make("production")
    chains = {act.__name__: Chain(shop, elsewhere, act.__name__.replace("_", "-")) for act in TAMPERINGS}
    for chain in chains.values():
        eventually(lambda chain=chain: chain.recorded)
    # It would write a missing record again if the log still has its entry.
    operators.stop()
    small, exported_few = verify(own_cluster), moorage(own_cluster, "export")
    # The API server would take in every single object as an event; from a list it has them at once.
    own_cluster.control_plane.kill_api_server()
    put_all(own_cluster.control_plane.etcd(), World(BULK, whole_second()).stored())
    own_cluster.control_plane.restart_api_server()
    for plural, count in {"deployments": 1012, "deploymentrecords": 10_060}.items():
        eventually(lambda plural=plural, count=count: _has(own_cluster, plural, count), timeout=60)
    anchor = own_cluster.folder / "tips.jsonl"
    clean, exported_many = verify(own_cluster, "--write-anchor", anchor), moorage(own_cluster, "export")
    for act in TAMPERINGS:
        act(chains[act.__name__])
    tampered, anchored = verify(own_cluster), verify(own_cluster, "--anchor", anchor)
    return Scene(chains, small, exported_few, clean, exported_many, tampered, anchored)


def _has(cluster: LiveCluster, plural: str, count: int) -> bool:
    """The API server has all of a kind in its cache; until then its pages may end in a timeout."""
    answer = cluster.raw("GET", f"{GROUP_PATH}/{plural}?limit=1")
    return answer.status == 200 and answer.json()["metadata"].get("remainingItemCount") == count - 1


def test_ten_thousand_whole_records_are_verified_with_progress(scene: Scene, figures: Callable[[str], None]) -> None:
    few, many = scene.small, scene.clean
    assert (few.code, few.out) == (0, "60 records in 12 chains: all whole\n"), few.err
    assert (many.code, many.out) == (0, "10060 records in 1012 chains: all whole\n"), many.err
    told = [line for line in many.err.splitlines() if " records in " in line]
    assert [line.split()[0] for line in told] == [str(number * 1000) for number in range(1, 11)]
    figures(f"peak memory {few.peak:.0f} MiB for 60 records, {many.peak:.0f} MiB for 10,060")
    assert many.peak < few.peak + ROOM


def test_an_export_takes_no_more_memory_for_a_longer_history(scene: Scene, figures: Callable[[str], None]) -> None:
    few, many = scene.exported_few, scene.exported_many
    assert [(run.code, len(run.out.splitlines())) for run in (few, many)] == [(0, 60), (0, 10_060)]
    figures(f"peak memory {few.peak:.0f} MiB for 60 records, {many.peak:.0f} MiB for 10,060")
    assert many.peak < few.peak + ROOM


@pytest.mark.parametrize("act", TAMPERINGS, ids=lambda act: act.__name__)
def test_the_first_bad_link_is_named(scene: Scene, act: Callable[[Chain], None]) -> None:
    chain, finding = scene.chains[act.__name__], TAMPERINGS[act]
    namespace = (chain.elsewhere if finding.moved else chain.shop).namespace
    (line,) = scene.anchored.about(chain.uid)
    assert line.startswith(f"BROKEN {namespace}/{chain.name} {chain.uid}: {finding.link} {finding.what}")


def test_nothing_but_the_tampered_chains_is_broken(scene: Scene) -> None:
    assert scene.anchored.code == 1
    assert scene.anchored.out.splitlines()[-1].endswith(": 12 broken")
    assert scene.anchored.out.count("BROKEN ") == len(TAMPERINGS)


def test_only_an_anchor_shows_that_chain_log_and_status_were_rewritten(scene: Scene) -> None:
    assert scene.tampered.code == 1
    assert scene.tampered.out.splitlines()[-1].endswith(": 11 broken")
    assert scene.tampered.about(scene.chains["rewrite_everything"].uid) == []
