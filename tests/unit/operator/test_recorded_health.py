"""What real controllers wrote while real pods rolled, judged again: see tests/node/test_health.py."""

from dataclasses import replace

import pytest
from rolling import BAD, Pod, judged, recorded, sequence_of

from moorage_crds.kinds.target import TARGET_KINDS

#: How a release without an image ends.
ENDS = {
    "deployments.apps": "Failed",
    "statefulsets.apps": "Progressing",
    "daemonsets.apps": "Progressing",
}


@pytest.mark.parametrize("resource", ENDS, ids=TARGET_KINDS.get)
def test_a_release_is_healthy_in_the_end_and_never_before_its_pods_are(resource: str) -> None:
    phases = judged(resource, recorded(resource))

    assert {at: said[-1] for at, said in phases.items()} == {
        1: "Healthy",
        2: "Healthy",
        BAD: ENDS[resource],
        4: "Healthy",
    }
    assert "Healthy" not in phases[BAD]
    # Of the first one the beginning may have been missed.
    assert all(said[0] == "Progressing" for at, said in phases.items() if at > 1)


@pytest.mark.parametrize("resource", ENDS, ids=TARGET_KINDS.get)
def test_a_status_that_does_not_fit_its_pods_is_noticed(resource: str) -> None:
    versions = recorded(resource)
    last = next(number for number, one in enumerate(versions) if sequence_of(one.raw) == BAD) - 1
    assert judged(resource, versions[: last + 1])[2][-1] == "Healthy"

    for pods in ((), (Pod("1", ready=True),), (Pod("2", ready=False),)):
        lie = replace(versions[last], pods=pods)
        with pytest.raises(AssertionError):
            judged(resource, [*versions[:last], lie])
