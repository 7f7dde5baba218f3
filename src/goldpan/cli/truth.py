"""`goldpan truth`: exact neighbors; and graph, range, derive and compare below it."""

from __future__ import annotations

import sys
from typing import Any

from cyclopts import App

from goldpan.cli.main import EXIT_FAILED
from goldpan.cli.show import Show
from goldpan.cli.verb import DEFAULT_SHOW, SHOW, config_command, config_from, shaped
from goldpan.core.config import Config
from goldpan.core.records import Report
from goldpan.stages.truth.compare import CompareConfig, comparison_lines, run_compare
from goldpan.stages.truth.config import TruthConfig
from goldpan.stages.truth.derive import DeriveConfig, run_derive
from goldpan.stages.truth.graph import GraphConfig, run_graph
from goldpan.stages.truth.run import run
from goldpan.stages.truth.within import RangeConfig, run_range


def _compared(model: type[Config], work: Any, *positional: str, short: dict[str, str] | None = None) -> Any:
    """Return a command that prints the comparison of its report, and exits with 1 if more than ties differ."""

    def command(*values: Any, show: Show = DEFAULT_SHOW, **fields: Any) -> int:
        report: Report = work(config_from(model, positional, values, fields), show.progress())
        code = show.report(report)
        compared = report.details.get("comparison")
        if compared is not None and not show.json:
            sys.stdout.write("\n".join(comparison_lines(compared)) + "\n")
        return code if compared is None or compared["agrees"] else EXIT_FAILED

    return shaped(command, model, positional, short, last=[SHOW], doc=work.__doc__)


_OUTPUT = {"output": "-o"}

app = App(name="truth", help="Compute exact nearest neighbors between two sets of vectors, and what follows from them.")
app.default(config_command(TruthConfig, run, "base", "queries", short=_OUTPUT))
app.command(config_command(GraphConfig, run_graph, "base", short=_OUTPUT), name="graph")
app.command(config_command(RangeConfig, run_range, "base", "queries", short=_OUTPUT), name="range")
app.command(_compared(DeriveConfig, run_derive, "source", short=_OUTPUT), name="derive")
app.command(_compared(CompareConfig, run_compare, "first", "second"), name="compare")
