"""`goldpan bench sisap`."""

from __future__ import annotations

import sys
from typing import Any

from goldpan.cli.show import Show
from goldpan.cli.verb import DEFAULT_SHOW, SHOW, config_from, shaped
from goldpan.stages.experiment.tables import Table
from goldpan.stages.sisap.config import SisapConfig
from goldpan.stages.sisap.run import run


def _sisap(*, show: Show = DEFAULT_SHOW, **fields: Any) -> int:
    report = run(config_from(SisapConfig, [], [], fields), show.progress())
    show.write(report)
    results = report.details["results"]
    if results and not show.json:
        columns = tuple(dict.fromkeys(name for row in results for name in row if name != "file"))
        table = Table("scores", report.details["task"], columns, [tuple(map(row.get, columns)) for row in results])
        sys.stdout.write(table.text())
    return show.code(report)


sisap = shaped(_sisap, SisapConfig, short={"output": "-o", "engine": "-e"}, last=[SHOW], doc=run.__doc__)
