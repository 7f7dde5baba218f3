"""`goldpan verify`."""

from __future__ import annotations

import sys
from typing import Any

from goldpan.cli.show import write_json
from goldpan.cli.verb import JSON, config_from, shaped
from goldpan.stages.verify.finding import Verdict
from goldpan.stages.verify.run import VerifyConfig, run

_MARKS = {Verdict.OK: "ok    ", Verdict.NOTE: "note  ", Verdict.FAILED: "FAILED"}


def _verify(*values: Any, json: bool = False, **fields: Any) -> int:
    """Check a release: sums, headers, values, duplicates, leakage, truth. Exits with 1 if a check fails."""
    findings = run(config_from(VerifyConfig, ["release"], values, fields))
    failed = sum(finding.verdict is Verdict.FAILED for finding in findings)
    if json:
        write_json({"ok": not failed, "findings": [finding.as_dict() for finding in findings]})
    else:
        for finding in findings:
            sys.stdout.write(f"{_MARKS[finding.verdict]}  {finding.check}: {finding.detail}\n")
        sys.stdout.write("verified\n" if not failed else f"{failed} checks FAILED\n")
    return 1 if failed else 0


verify = shaped(_verify, VerifyConfig, ["release"], last=[JSON])
