"""How the command line speaks: progress and reports on stderr, data on stdout."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from goldpan.cli.live import Drawn, Lines
from goldpan.cli.main import EXIT_ITEM_FAILURES
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Show:
    """Flags of every command that does work."""

    json: Annotated[bool, Parameter(negative=())] = False
    "Print the report as JSON on stdout."

    quiet: Annotated[bool, Parameter(negative=(), alias="-q")] = False
    "Show no progress."

    max_failures: str = "0"
    "Exit with 3 when more items than this fail: a number, or a share such as 1%."

    def __post_init__(self) -> None:
        """Check the limit before any work is done."""
        self._allowed(0)

    def progress(self) -> Progress:
        """Return what draws the progress on this terminal, or writes a line now and then elsewhere."""
        if self.quiet:
            return Silent()
        return Drawn() if sys.stderr.isatty() else Lines()

    def report(self, report: Report) -> int:
        """Print a report; return the exit code."""
        self.write(report)
        return self.code(report)

    def write(self, report: Report) -> None:
        """Print a report, as JSON on stdout or as lines on stderr."""
        if self.json:
            write_json(report.as_dict())
        else:
            sys.stderr.write("\n".join(report_lines(report)) + "\n")

    def code(self, report: Report) -> int:
        """Return the exit code of a report."""
        return EXIT_ITEM_FAILURES if report.mishaps > self._allowed(report.rows_in) else 0

    def _allowed(self, rows: int) -> float:
        number = self.max_failures.removesuffix("%")
        if not re.fullmatch(r"\d+(\.\d+)?", number):
            raise InputError(f"--max-failures {self.max_failures!r} is neither a number nor a share such as 1%.")
        value = float(number)
        return rows * value / 100 if number != self.max_failures else value


def write_json(value: Any) -> None:
    """Write one JSON document on stdout."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def report_lines(report: Report) -> list[str]:
    """Return a report as the lines a person reads."""
    if "nothing_to_do" in report.details:
        return [f"{report.stage}: nothing to do, {report.details['nothing_to_do']}"]
    rate = (report.rows_out - report.already_done) / report.seconds if report.seconds > 0 else 0.0
    known = f" ({report.already_done:,} already there)" if report.already_done else ""
    lines = [
        f"{report.stage}: {report.rows_in:,} in, {report.rows_out:,} out{known}, {report.failed:,} failed, "
        f"{report.seconds:.1f} s, {rate:,.0f} rows/s"
    ]
    lines += [f"  failed: {count:,} {reason}" for reason, count in sorted(report.failures.items())]
    lines += [f"  {name}: {what}" for name, what in report.outputs.items()]
    lines += [f"  next: {step}" for step in report.next_steps]
    return lines
