"""A truth in tiles, ranges of queries by ranges of base rows, for machines that share a file system.

The nearest rows of parts of a base merge to those of the base, so tiles are searched in any place and order, and the
answers are those of one search, bit by bit. What is finished is kept tile by tile, by whoever finished it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError, StageError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric, Neighbors
from goldpan.formats.protocol import Address
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.search.exact import ExactResult, exact_search
from goldpan.search.merge import merge_neighbors
from goldpan.search.readers import RowRange, as_reader
from goldpan.stages.truth.config import TruthConfig
from goldpan.stages.truth.holdout import Sides, sides_of
from goldpan.stages.truth.parts import Parts, exact_parts, joined, key_of

TILE_QUERIES = 8192
TILE_ROWS = 1 << 17  # with 512 dimensions about ten seconds of a processor, which reads 30 MB/s meanwhile
_PATIENCE = 60.0  # seconds until a file that another machine wrote is seen here


class Tile(NamedTuple):
    """Queries, and rows of the base; both by their numbers."""

    queries: range
    rows: range


@dataclass(frozen=True)
class TileSearch:
    """Searches tiles, wherever it is called, and keeps their answers in the folder of the parts.

    Attributes:
        config: with absolute paths.
        metric: of the answers.
        shape: queries and rows a tile.
        key: of the parts; tells whether a machine sees the same files.
    """

    config: TruthConfig
    metric: Metric
    shape: tuple[int, int]
    key: str

    def __call__(self, tile: Tile) -> Tile:
        """Search a tile, unless its answers are there.

        Raises:
            InputError: this machine sees other files.
        """
        sides = _opened(self.config, self.shape, self.key)
        parts = exact_parts(parse_address(self.config.output).path, self.key)
        if not parts.folder.is_dir():
            raise InputError(
                f"{os.uname().nodename} does not see {parts.folder}; write {self.config.output.name} into a folder "
                "that all machines of the cluster share."
            )
        tiles = parts.within(tile.queries.start)
        if tiles.load(tile.rows.start) is None:
            found = exact_search(
                RowRange(sides.base, tile.rows),
                sides.queries,
                min(_length(self.config, sides), len(tile.rows)),
                _as_merged(self.metric),
                only=tile.queries,
                workers=1,
                memory_bytes=self.config.memory_mb << 20,
            )
            neighbors = Neighbors(found.neighbors.ids + tile.rows.start, found.neighbors.scores)
            tiles.save(tile.rows.start, replace(found, neighbors=neighbors))
        return tile


def search_tiles(
    config: TruthConfig, metric: Metric, sides: Sides, executor: Executor, progress: Progress
) -> tuple[ExactResult, int]:
    """Answer all queries; return the answers, and how many queries were answered already.

    Raises:
        InputError: a machine sees other files than this one, or not the folder of the output.
        StageError: a task lost its machine again and again, or what another machine wrote is not seen here.
    """
    config, shape = _absolute(config), (TILE_QUERIES, TILE_ROWS)
    work = TileSearch(config, metric, shape, _key(config, shape))
    parts = parts_of(config)
    shards = _ranges(sides.base.n, shape[1])
    spans = _ranges(as_reader(sides.queries, "queries").n, shape[0])
    found = {span.start: part for span in spans if (part := parts.load(span.start)) is not None}
    resumed = sum(len(part.survivors) for part in found.values())
    asked = [Tile(span, rows) for span in spans if span.start not in found for rows in shards]
    there = {(span.start, start) for span in spans for start in parts.within(span.start).starts()}
    missing = [tile for tile in asked if (tile.queries.start, tile.rows.start) not in there]
    progress.start("tiles", len(asked))
    progress.advance(len(asked) - len(missing))
    done = executor.map(work, _into(parts.folder, missing)) if missing else iter(())
    best: ExactResult | None = None
    for tile in asked:
        start = tile.queries.start
        if (start, tile.rows.start) not in there:
            next(done)
            progress.advance(1)
        part = _load(parts.within(start), tile.rows.start)
        best = part if best is None else _merged(best, part, _length(config, sides), metric)
        if tile.rows == shards[-1]:
            found[start] = _cut(best, config.k, sides.base.n, metric)
            parts.save(start, found[start])
            parts.within(start).remove()
            best = None
    deque(done, 0)  # ends the map
    progress.finish()
    return joined([found[span.start] for span in spans]), resumed


def _into(folder: Path, tiles: list[Tile]) -> Iterator[Tile]:
    """Make the folder when the first tile is asked for, so that a cluster that is not there leaves none."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from tiles


def parts_of(config: TruthConfig) -> Parts[ExactResult]:
    """Return where finished ranges of queries are kept; within each, its tiles."""
    config = _absolute(config)
    return exact_parts(parse_address(config.output).path, _key(config, (TILE_QUERIES, TILE_ROWS)))


def _key(config: TruthConfig, shape: tuple[int, int]) -> str:
    settings = ["tiles", shape, config.deciding(but={"output"})]
    return key_of(settings, (config.base, config.queries))


def _absolute(config: TruthConfig) -> TruthConfig:
    """Name files as every machine knows them."""

    def whole(address: str | Path) -> str:
        where = parse_address(address)
        return str(Address(where.path.resolve(), where.key))

    queries = None if config.queries is None else whole(config.queries)
    return config.model_copy(
        update={"base": whole(config.base), "queries": queries, "output": Path(whole(config.output))}
    )


def _ranges(n: int, step: int) -> list[range]:
    return [range(start, min(n, start + step)) for start in range(0, n, step)]


@lru_cache(1)
def _opened(config: TruthConfig, shape: tuple[int, int], key: str) -> Sides:
    """Open both sides on this machine, once for all its tiles, and look that they are what the others see."""
    host = os.uname().nodename
    try:
        sides = sides_of(config, open_vectors(config.base))
        seen = _key(config, shape)
    except InputError as error:
        raise InputError(f"{host} does not see the files that this machine sees: {error}") from error
    if seen != key:
        raise InputError(f"{config.base} or the queries have another size or time on {host}; share one copy.")
    return sides


def _length(config: TruthConfig, sides: Sides) -> int:
    """Return how many rows a query are found: one more than asked, to see a tie across the last rank."""
    return min(config.k + 1, sides.base.n)


def _as_merged(metric: Metric) -> Metric:
    return Metric.SQEUCLIDEAN if metric is Metric.L2 else metric  # two squares can have one root


def _load(tiles: Parts[ExactResult], start: int) -> ExactResult:
    """Read what another machine wrote, which a shared file system may show late."""
    until = time.monotonic() + _PATIENCE
    while (part := tiles.load(start)) is None:
        if time.monotonic() > until:
            raise StageError(f"A tile was written into {tiles.folder} and is not seen here; share that folder.")
        time.sleep(0.1)
    return part


def _merged(left: ExactResult, right: ExactResult, length: int, metric: Metric) -> ExactResult:
    """Join the answers of disjoint rows; kernels of several kinds are all named."""
    neighbors = merge_neighbors([left.neighbors, right.neighbors], length, _as_merged(metric))
    return replace(
        left,
        neighbors=neighbors,
        survivors=left.survivors + right.survivors,
        fallbacks=left.fallbacks | right.fallbacks,
        kernels=", ".join(sorted({*left.kernels.split(", "), *right.kernels.split(", ")})),
    )


def _cut(found: ExactResult, k: int, base_rows: int, metric: Metric) -> ExactResult:
    """Tell the row after the last rank apart from the answers."""
    ids, scores = found.neighbors
    scores = np.sqrt(scores) if metric is Metric.L2 else scores
    following = scores[:, k] if k < base_rows else np.full(len(ids), np.nan)
    return replace(found, neighbors=Neighbors(ids[:, :k], scores[:, :k]), next_scores=following)
