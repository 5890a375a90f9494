"""What real controllers wrote, judged again: see tests/node/test_health.py, and tests/engines for Argo CD and Flux."""

from dataclasses import replace

import bringing
import pytest
from rolling import BAD, Pod, judged, recorded, sequence_of

from moorage_crds.kinds.target import TARGET_KINDS

#: What rolled → how a release without an image ends.
ENDS = {
    ("deployments.apps", ""): "Failed",
    ("statefulsets.apps", ""): "Progressing",
    ("daemonsets.apps", ""): "Progressing",
    ("rollouts.argoproj.io", "canary"): "Degraded",
    ("rollouts.argoproj.io", "blue-green"): "Degraded",
}


def _title(case: object) -> str:
    return TARGET_KINDS.get(str(case), str(case))


@pytest.mark.parametrize(("resource", "story"), ENDS, ids=_title)
def test_a_release_is_healthy_in_the_end_and_never_before_its_pods_are(resource: str, story: str) -> None:
    phases = judged(resource, recorded(resource, story))

    assert {at: said[-1] for at, said in phases.items()} == {
        1: "Healthy",
        2: "Healthy",
        BAD: ENDS[resource, story],
        4: "Healthy",
    }
    assert "Healthy" not in phases[BAD]
    # Of the first one the beginning may have been missed.
    assert all(said[0] == "Progressing" for at, said in phases.items() if at > 1)


@pytest.mark.parametrize(("resource", "story"), ENDS, ids=_title)
def test_a_status_that_does_not_fit_its_pods_is_noticed(resource: str, story: str) -> None:
    versions = recorded(resource, story)
    last = next(number for number, one in enumerate(versions) if sequence_of(one.raw) == BAD) - 1
    assert judged(resource, versions[: last + 1])[2][-1] == "Healthy"

    for pods in ((), (Pod("1", ready=True),), (Pod("2", ready=False),)):
        lie = replace(versions[last], pods=pods)
        with pytest.raises(AssertionError):
            judged(resource, [*versions[:last], lie])


#: Release and health, in their order: what Argo CD and Flux said while the workload that they brought rolled.
SAID = {
    ("applications.argoproj.io", ""): [
        ("web-1", "Progressing"),
        ("web-1", "Healthy"),
        ("web-2", "Progressing"),
        ("web-2", "Healthy"),
        ("web-3", "Progressing"),
        ("web-3", "Degraded"),
        ("web-2", "Progressing"),
        ("web-2", "Healthy"),
    ],
    # The API server refused web-2, and Argo CD called it synced.
    ("applications.argoproj.io", "refused"): [
        ("web-1", "Progressing"),
        ("web-1", "Healthy"),
        ("web-2", "Progressing"),
        ("web-2", "Failed"),
        ("web-2", "Progressing"),
        ("web-3", "Progressing"),
        ("web-3", "Healthy"),
    ],
    ("helmreleases.helm.toolkit.fluxcd.io", ""): [
        ("web-1", "Progressing"),
        ("web-1", "Healthy"),
        ("web-2", "Progressing"),
        ("web-2", "Healthy"),
    ],
    # It takes the release from a ConfigMap: while it begins, the workload has the old one.
    ("kustomizations.kustomize.toolkit.fluxcd.io", ""): [
        ("web-1", "Healthy"),
        ("web-1", "Progressing"),
        ("web-2", "Progressing"),
        ("web-2", "Healthy"),
    ],
}


@pytest.mark.parametrize(("resource", "story"), SAID, ids=_title)
def test_what_a_tool_brought_is_healthy_when_its_workload_is(resource: str, story: str) -> None:
    versions = recorded(resource, story)

    assert bringing.judged(resource, versions) == SAID[resource, story]
    with pytest.raises(AssertionError):
        bringing.judged(resource, [*versions[:-1], replace(versions[-1], pods=(Pod("web-2", ready=False),))])
