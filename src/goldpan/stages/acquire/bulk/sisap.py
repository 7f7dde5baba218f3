"""`goldpan acquire sisap`: the files of the SISAP indexing challenges by their published names, sizes and MD5 sums.

``sisap.json`` holds the lists: those of the challenges' pages for 2023 and 2024 (``dataset-files-md5.txt``,
``-size.txt`` and ``-urls.txt``), and what the baselines of 2025 and 2026 fetch from the hub, which tells size and
SHA-256 itself.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from goldpan.core.errors import UnknownName
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.sisap_benchmark import sisap_files
from goldpan.stages.acquire.bulk.config import SisapConfig
from goldpan.stages.acquire.bulk.run import bring
from goldpan.stages.acquire.bulk.sources import find
from goldpan.stages.acquire.bulk.wanted import Expected, Sizes, Wanted
from goldpan.stages.stage import make_config

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
Listed = dict[str, dict[str, str]]


def run_sisap(config: SisapConfig, progress: Progress | None = None) -> Report:
    """Bring the files of a SISAP challenge that belong together: base, queries and gold, as bench sisap reads them.

    Raises:
        InputError: no such year, data or size, or the disk has not the room.
    """
    wanted = [
        Wanted(name, url, _expected(said).over(there))
        for name, said in _chosen(config).items()
        for url, there in find([_url(config, name, said)], []).items()
    ]
    report = bring("acquire sisap", wanted, config, progress or Silent())
    if not report.failures:
        report.next_steps.append(f"goldpan bench sisap --year {config.year} --task ... --data {config.output}")
    return report


def acquire_sisap(**fields: Any) -> Report:
    """Bring files of a SISAP challenge; the fields are those of `SisapConfig`.

    Example:
        ``goldpan.acquire_sisap(year=2023, size="300K", output="sisap23")``
    """
    return run_sisap(make_config(SisapConfig, fields))


@cache
def published() -> dict[int, Listed]:
    """Return what each year published: name -> url, and where they are known md5 and size, or data."""
    text = files("goldpan.stages.acquire.bulk").joinpath("sisap.json").read_text("utf-8")
    return {int(year): listed for year, listed in json.loads(text).items()}


def listed_sizes(text: str) -> Sizes:
    """Return the bytes that a size such as ``147M`` of `ls -h` stands for: units of 1,024, rounded up.

    Below 10 there is one decimal: ``7.7M`` is more than 7.6 and at most 7.7 times 2**20 bytes.
    """
    number, unit = float(text[:-1]), _UNITS[text[-1]]
    step = 0.1 if "." in text else 1.0
    return Sizes(math.floor(round(number - step, 1) * unit) + 1, math.floor(number * unit))


def _chosen(config: SisapConfig) -> Listed:
    """Return the files of a year that belong together."""
    listed = published().get(config.year)
    if listed is None:
        raise UnknownName("year of SISAP", str(config.year), map(str, published()))
    names = sorted({said["data"] for said in listed.values() if "data" in said})
    if names:
        if config.data not in names:
            raise UnknownName("SISAP data", config.data, names, "Name it with --data.")
        return {name: said for name, said in listed.items() if said["data"] == config.data}
    return _of_size(config, listed)


def _of_size(config: SisapConfig, listed: Listed) -> Listed:
    """Return base, queries and gold of one size, as the reader of the benchmark would choose them."""
    sets = sisap_files(map(Path, listed))
    name = f"{config.data}-{config.size or 'SIZE'}-{'private' if config.private else 'public'}"
    if name not in sets:
        raise UnknownName("SISAP data", name, sets, "Choose with --data, --size and --private.")
    _, *paths = sets[name]
    return {path.name: listed[path.name] for path in paths}


def _url(config: SisapConfig, name: str, said: dict[str, str]) -> str:
    return said["url"] if config.base_url is None else f"{config.base_url.rstrip('/')}/{name}"


def _expected(said: dict[str, str]) -> Expected:
    return Expected(listed_sizes(said["size"]) if "size" in said else None, md5=said.get("md5"))
