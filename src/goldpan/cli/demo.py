"""`goldpan demo`: the whole path on 1,797 real handwritten digits that scikit-learn ships; offline, under a minute."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from goldpan.cli.show import report_lines
from goldpan.core.errors import StageError
from goldpan.core.records import Report
from goldpan.store.workspace import Workspace

_ENCODERS = ("pixels:8", "phash:8")
_ASKED = ("3/0013.png", "8/0018.png", "9/0019.png")


def demo(output: Path = Path("goldpan-demo"), /) -> int:
    """Make a workspace, embeddings, a search, exact truth, a published benchmark and a report, and check it all.

    Parameters
    ----------
    output:
        The folder to make it in; running again goes on where it was.
    """
    from goldpan.web.report import write_report

    started = time.perf_counter()
    told = _Told()
    digits = output / "digits"
    write_digits(digits)
    _say(f"1,797 handwritten digits (UCI, from scikit-learn) as PNG files in {digits}\n")
    ws = _stages(output, digits, told)
    answers = _searches(ws, told)
    findings = _benchmark(ws, output, told)
    seconds = time.perf_counter() - started
    page = output / "report.html"
    write_report(page, ws, answers, findings, told.commands, output / "release", seconds)
    _say(_closing(output, page, seconds))
    return 0


class _Told:
    """Says each command before it runs, as a user would type it, and remembers it for the report."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def __call__(self, command: str) -> None:
        self.commands.append(command)
        _say(f"$ {command}")


def _stages(output: Path, digits: Path, told: _Told) -> Workspace:
    from goldpan.stages.acquire.folder import STAGE as acquire_folder
    from goldpan.stages.embed.run import STAGE as embed

    told(f"goldpan init {output}/ws")
    ws = Workspace(output / "ws", create=True)
    told(f"goldpan acquire folder {output}/ws {digits}")
    _show(acquire_folder(ws, folder=digits))
    for encoder in _ENCODERS:
        told(f"goldpan embed {output}/ws --encoder {encoder}")
        _show(embed(ws, encoder=encoder))
    return ws


def _searches(ws: Workspace, told: _Told) -> list[Any]:
    from goldpan.stages.search.config import SearchConfig
    from goldpan.stages.search.run import run

    answers = []
    for key in _ASKED:
        told(f"goldpan search {ws.path} --id {key} --encoder {_ENCODERS[0]} -k 6")
        answers.append(run(ws, SearchConfig(id=key, encoder=_ENCODERS[0], k=6)))
        _say("  " + " ".join(hit.id for hit in answers[-1].hits))
    return answers


def _benchmark(ws: Workspace, output: Path, told: _Told) -> list[Any]:
    from goldpan.formats.convert import convert
    from goldpan.stages.bench.run import STAGE as bench_make
    from goldpan.stages.truth.run import truth
    from goldpan.stages.verify.run import verify

    release = output / "release"
    told(
        f"goldpan bench make {ws.path} --encoder {_ENCODERS[0]} --queries 200 --learn 100 --k 10 "
        f"--group-by sha256 -o {release}"
    )
    fields: dict[str, Any] = {"encoder": _ENCODERS[0], "queries": 200, "learn": 100, "k": 10, "group_by": "sha256"}
    _show(bench_make(ws, output=release, **fields))
    told(f"goldpan truth {release}/base.fvecs {release}/queries.fvecs --metric l2 -k 10 -o {output}/truth.ivecs")
    _show(truth(base=str(release / "base.fvecs"), queries=str(release / "queries.fvecs"), metric="l2", k=10,
                output=output / "truth.ivecs"))  # fmt: skip
    told(f"goldpan convert {release}/base.fvecs {output}/base.fbin")
    convert(release / "base.fvecs", output / "base.fbin")
    told(f"goldpan verify {release}")
    findings = verify(release)
    for finding in findings:
        _say(f"  {finding.verdict:<6} {finding.check}: {finding.detail}")
    if any(finding.verdict == "failed" for finding in findings):
        raise StageError(f"The demo's own release {release} does not verify; please report this.")
    return findings


def write_digits(folder: Path) -> None:
    """Write scikit-learn's digits (8 x 8, 17 gray levels) as PNG files, enlarged to 64 x 64, one folder a digit."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True, exist_ok=True)
    for i, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(digit) / f"{i:04}.png"
        if not path.exists():
            gray = np.rint(pixels * (255 / 16)).astype(np.uint8)
            Image.fromarray(gray).resize((64, 64), Image.Resampling.NEAREST).save(path)


def _closing(output: Path, page: Path, seconds: float) -> str:
    return f"""
Made in {seconds:.0f} s:
  {page}   what was found, with pictures: open it in a browser
  {output}/ws            a workspace: images, vectors, runs
  {output}/release       a vector-search benchmark with exact ground truth, ready to publish

Try next, on your own photos:
  goldpan init ws && goldpan acquire folder ws PHOTOS
  goldpan embed ws --encoder phash:8          (or onnx:DIR, clip:ViT-B-32/openai, timm:resnet50 ...)
  goldpan search ws --image PHOTO.jpg --html found.html
  goldpan bench make ws --encoder phash:8 --queries 100 -o release
"""


def _show(report: Report) -> None:
    lines = [line for line in report_lines(report) if "next:" not in line]
    _say("\n".join(f"  {line}" for line in lines))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
