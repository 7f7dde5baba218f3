"""The circuit breaker: opens, tries once, and closes or gives up for longer each time."""

from goldpan.fetch.breaker import FAILURES, Breaker


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(30.0)
    for _ in range(FAILURES):
        breaker.badly(now)
    return breaker


def test_closed_until_so_many_fail_in_a_row() -> None:
    breaker = Breaker(30.0)
    for _ in range(5):
        for _ in range(FAILURES - 1):
            breaker.badly(0.0)
        assert breaker.allowed(0.0, 2) == 2
        breaker.well()


def test_open_rests_then_tries_one() -> None:
    breaker = opened(100.0)
    assert [breaker.allowed(now, 2) for now in (100.0, 129.9, 130.0)] == [0, 0, 1]
    assert not breaker.gave_up(110.0)


def test_what_was_under_way_is_no_probe() -> None:
    breaker = opened(100.0)
    breaker.badly(101.0)
    assert breaker.allowed(130.0, 2) == 1
    assert not breaker.gave_up(101.0)


def test_a_probe_decides() -> None:
    breaker = opened()
    breaker.well()
    assert breaker.allowed(1.0, 2) == 2

    breaker, now, rests = opened(), 30.0, []
    for _ in range(8):
        breaker.badly(now)
        assert breaker.gave_up(now)
        rests.append(breaker.rests_until - now)
        now = breaker.rests_until
        assert not breaker.gave_up(now)
        assert breaker.allowed(now, 2) == 1
    assert rests == [30, 60, 120, 240, 480, 900, 900, 900]
