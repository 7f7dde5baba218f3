"""The failures table: kept by stage and scope, retried with their attempts."""

from pathlib import Path

from goldpan.core.errors import Reason
from goldpan.store.failures import Failure
from goldpan.store.workspace import Workspace


def test_failures_belong_to_a_stage_and_a_scope(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "ws", create=True)
    here, there = ws.failures_of("embed", "phash_8"), ws.failures_of("embed", "it's")
    here.add([Failure("a", Reason.TRUNCATED, "x"), Failure("b", Reason.CORRUPT, "y")])
    there.add([Failure("a", Reason.NO_TEXT, "z")])
    assert here.reasons() == {"a": "truncated", "b": "corrupt"}
    assert there.reasons() == {"a": "no_text"}


def test_a_retry_counts_the_attempts(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "ws", create=True)
    failures = ws.failures_of("acquire", "folder:x")
    failures.add([Failure("a", Reason.TRUNCATED, "x")])
    for attempt in (2, 3):
        failures = ws.failures_of("acquire", "folder:x")
        failures.forget(list(failures.reasons()))
        assert failures.reasons() == {}
        failures.add([Failure("a", Reason.TRUNCATED, "x")])
        assert ws.failures.to_table().to_pylist()[0]["attempts"] == attempt
