"""A spec to an index, and an index folder back to an index."""

from __future__ import annotations

import json
from pathlib import Path

from goldpan.core.catalog import Catalog
from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Metric, parse_metric
from goldpan.search.engines.protocol import Index
from goldpan.search.engines.spec import parse_spec

CATALOG = Catalog(
    "index engine",
    {
        "flat": "goldpan.search.engines.flat:Flat",
        "faiss": "goldpan.search.engines.faiss:Faiss",
        "hnswlib": "goldpan.search.engines.hnswlib:Hnswlib",
        "lance": "goldpan.search.engines.lance:Lance",
        "panner": "goldpan.search.engines.panner:Panner",
        "scann": "goldpan.search.engines.scann:Scann",
        "svs": "goldpan.search.engines.svs:Svs",
        "usearch": "goldpan.search.engines.usearch:Usearch",
        "reduced": "goldpan.search.engines.reduced:Reduced",
    },
    group="goldpan.engines",
)
RECORD = "goldpan.json"


def open_index(spec: str, *, dim: int, metric: str | Metric, threads: int | None = None, seed: int = 0) -> Index:
    """Return an empty index.

    Args:
        spec: ``kind[:name][@option=value,...]``, see `goldpan.search.engines.spec`; an entry point of the group
            ``goldpan.engines`` may add kinds: a callable ``(spec, dim, metric, threads, seed) -> Index``.
        dim: values a row (bytes a row for hamming).
        metric: how near is measured.
        threads: how many it may use; the processors of this machine where None.
        seed: of whatever is random in it.

    Raises:
        UnknownName: no engine of that kind.
        InputError: an option is unknown or out of range, or the engine does not know the metric.
        MissingExtra: its package is not installed.
    """
    parsed, found = parse_spec(spec), parse_metric(metric)
    index: Index = CATALOG.load(parsed.kind)(parsed, dim, found, threads, seed)
    if found not in index.traits.metrics:
        known = ", ".join(sorted(index.traits.metrics))
        raise InputError(f"{spec} does not answer in {found}; it knows: {known}.")
    return index


def save_index(index: Index, folder: Path) -> None:
    """Write an index into a folder of its own that does not exist yet or is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; name a new folder for the index.")
    index.save(folder)
    record = {"engine": index.spec, "dim": index.dim, "metric": str(index.metric), "rows": index.n}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def load_index(folder: Path, *, threads: int | None = None) -> Index:
    """Return the index that `save_index` wrote.

    Raises:
        FormatError: the folder holds none.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        index = open_index(record["engine"], dim=record["dim"], metric=record["metric"], threads=threads)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(folder, f"it is no index folder ({RECORD}: {error}).") from error
    index.load(folder)
    return index
