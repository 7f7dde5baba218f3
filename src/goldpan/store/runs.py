"""What ran, when, on what: two rows a run (started, then done or failed), never changed afterwards."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from goldpan import __version__
from goldpan.core.records import Report
from goldpan.store.schemas import RUNS
from goldpan.store.tables import Table

if TYPE_CHECKING:
    from goldpan.core.config import Config


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as `goldpan log` shows it; `status` is done, failed, or unfinished (killed, or still running)."""

    run_id: str
    stage: str
    status: str
    started_at: datetime
    config: dict[str, Any]
    digest: str
    code_version: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    rows_in: int | None
    rows_out: int | None
    already_done: int | None
    failed: int | None
    seconds: float | None
    detail: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"started_at": self.started_at.isoformat()}


class Runs:
    """The `runs` table."""

    def __init__(self, uri: str) -> None:
        self.table = Table(uri, RUNS, "runs")

    def start(self, stage: str, config: Config, inputs: dict[str, int]) -> str:
        """Write that a run begins; return its id."""
        run_id = uuid.uuid4().hex
        self._write(
            run_id=run_id,
            stage=stage,
            status="started",
            digest=config.digest(),
            config=config.model_dump_json(),
            code_version=__version__,
            inputs=json.dumps(inputs),
        )
        return run_id

    def done(self, run_id: str, report: Report, outputs: dict[str, int]) -> None:
        """Write that a run ended well, with its counts."""
        self._write(
            run_id=run_id,
            stage=report.stage,
            status="done",
            outputs=json.dumps(outputs),
            rows_in=report.rows_in,
            rows_out=report.rows_out,
            already_done=report.already_done,
            failed=report.failed,
            seconds=report.seconds,
            detail=json.dumps(report.as_dict(), default=str),
        )

    def failed(self, run_id: str, stage: str, error: BaseException, seconds: float) -> None:
        """Write that a run stopped, and why."""
        message = str(error) or type(error).__name__
        self._write(run_id=run_id, stage=stage, status="failed", seconds=seconds, detail=message)

    def has_done(self, stage: str, config: Config, inputs: dict[str, int]) -> bool:
        """True where a run of `stage` with this configuration, code and these table versions ended well."""
        digest = config.digest()
        return any(
            (run.stage, run.status, run.digest, run.inputs, run.code_version)
            == (stage, "done", digest, inputs, __version__)
            for run in self.all()
        )

    def all(self) -> list[RunRecord]:
        """Return every run, oldest first."""
        rows = self.table.to_table().to_pylist()
        ends = {row["run_id"]: row for row in rows if row["status"] != "started"}
        return [_record(row, ends.get(row["run_id"])) for row in rows if row["status"] == "started"]

    def _write(self, **fields: Any) -> None:
        self.table.append_rows([{"at": datetime.now(UTC), **fields}])


def _record(start: dict[str, Any], end: dict[str, Any] | None) -> RunRecord:
    last = end or {}
    return RunRecord(
        run_id=start["run_id"],
        stage=start["stage"],
        status=last.get("status", "unfinished"),
        started_at=start["at"],
        config=json.loads(start["config"]),
        digest=start["digest"],
        code_version=start["code_version"],
        inputs=json.loads(start["inputs"] or "{}"),
        outputs=json.loads(last.get("outputs") or "{}"),
        rows_in=last.get("rows_in"),
        rows_out=last.get("rows_out"),
        already_done=last.get("already_done"),
        failed=last.get("failed"),
        seconds=last.get("seconds"),
        detail=last.get("detail"),
    )
