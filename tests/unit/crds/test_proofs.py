"""When a cache is known to have missed nothing."""

import pytest
from fixed_clock import FixedClock

from moorage_crds.kube.proofs import CATCHING_UP_SECONDS, Proofs


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def test_a_list_proves_what_was_there_when_it_began(clock: FixedClock) -> None:
    proofs = Proofs(clock)
    clock.advance(40)
    began = clock.monotonic()
    clock.advance(7)

    proofs.listed(began)

    assert proofs.seconds() == 7


def test_a_watch_proves_something_by_beginning_and_nothing_by_staying_open(clock: FixedClock) -> None:
    proofs = Proofs(clock)
    clock.advance(20)

    proofs.opened()
    at_once = proofs.seconds()
    clock.advance(CATCHING_UP_SECONDS)
    caught_up = proofs.seconds()
    clock.advance(60)

    assert (at_once, caught_up, proofs.seconds()) == (20, CATCHING_UP_SECONDS, 60 + CATCHING_UP_SECONDS)


def test_watches_that_begin_again_and_again_never_catch_up(clock: FixedClock) -> None:
    proofs = Proofs(clock)
    for _ in range(100):
        clock.advance(CATCHING_UP_SECONDS / 2)
        proofs.opened()

    assert proofs.seconds() == pytest.approx(100 * CATCHING_UP_SECONDS / 2)
