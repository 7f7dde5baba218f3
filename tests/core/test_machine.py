import gc

import pytest

from goldpan.core.machine import few_collections


def test_the_collector_is_as_before_after_the_block() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(ZeroDivisionError), few_collections():
        assert gc.isenabled()
        assert gc.get_threshold()[0] >= 10_000
        assert gc.get_freeze_count() > before[1]
        raise ZeroDivisionError
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_what_somebody_else_set_stays() -> None:
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(123_456)
    frozen = gc.get_freeze_count()
    try:
        with few_collections():
            assert gc.get_threshold()[0] == 123_456
        assert gc.get_threshold()[0] == 123_456
        assert gc.get_freeze_count() >= frozen
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
