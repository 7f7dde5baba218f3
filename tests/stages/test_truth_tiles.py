"""A truth in tiles: the answers of one search, bit by bit, wherever the tiles were searched."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from goldpan.compute.executor import LocalExecutor
from goldpan.compute.ray import RayExecutor
from goldpan.core.errors import ArrayError, InputError
from goldpan.core.progress import Silent
from goldpan.core.records import Metric
from goldpan.formats.vectors import open_vectors, write_vectors
from goldpan.search.exact import exact_search
from goldpan.stages.truth import tiles
from goldpan.stages.truth.config import TruthConfig
from goldpan.stages.truth.holdout import sides_of
from goldpan.stages.truth.run import truth
from goldpan.stages.truth.tiles import search_tiles


@pytest.fixture
def files(tmp_path):
    """A base of 900 rows, many of them equal, and 130 queries."""
    rows = np.random.default_rng(0).integers(-2, 3, (1030, 6)).astype(np.float32)
    for name, part in (("base", rows[:900]), ("queries", rows[900:])):
        write_vectors(tmp_path / f"{name}.fvecs", [part], dim=6, dtype=np.float32)
    return {"base": str(tmp_path / "base.fvecs"), "queries": str(tmp_path / "queries.fvecs")}


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_QUERIES", 50)
    monkeypatch.setattr(tiles, "TILE_ROWS", 170)


class Counting(LocalExecutor):
    """Counts the items, and stops after some."""

    def __init__(self, stop_after=None):
        super().__init__(2)
        self.count, self.stop_after = 0, stop_after

    def map(self, function, items):
        for result in super().map(function, items):
            if self.count == self.stop_after:
                raise KeyboardInterrupt
            self.count += 1
            yield result


def in_tiles(config, executor):
    table = open_vectors(config.base)
    return search_tiles(config, Metric(config.metric), sides_of(config, table), executor, Silent())


def same(found, expected):
    np.testing.assert_array_equal(found.neighbors.ids, expected.neighbors.ids)
    np.testing.assert_array_equal(found.neighbors.scores, expected.neighbors.scores)
    np.testing.assert_array_equal(found.next_scores, expected.next_scores)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2", "sqeuclidean"])
@pytest.mark.parametrize("k", [1, 12, 200, 899, 900])
def test_tiles_give_the_answers_of_one_search(tmp_path, files, small_tiles, metric, k):
    executor = Counting()
    found, resumed = in_tiles(TruthConfig(**files, metric=metric, k=k, output=tmp_path / "t.h5"), executor)
    same(found, exact_search(open_vectors(files["base"]), open_vectors(files["queries"]), k, metric))
    assert (executor.count, resumed) == (3 * 6, 0)


def test_bits_and_rows_held_out(tmp_path, small_tiles):
    bits = np.random.default_rng(1).integers(0, 4, (700, 3), np.uint8)
    np.save(tmp_path / "bits.npy", bits)
    config = TruthConfig(base=str(tmp_path / "bits.npy"), hold_out=60, metric="hamming", k=9, output=tmp_path / "t.h5")
    sides = sides_of(config, open_vectors(config.base))
    same(in_tiles(config, Counting())[0], exact_search(sides.base, sides.queries, 9, "hamming"))


def test_a_killed_run_loses_only_the_tiles_under_way(tmp_path, files, small_tiles):
    config = TruthConfig(**files, metric="l2", k=12, output=tmp_path / "t.h5")
    with pytest.raises(KeyboardInterrupt):
        in_tiles(config, Counting(stop_after=8))
    again = Counting()
    found, resumed = in_tiles(config, again)
    assert resumed == 50  # the first range of queries was finished, six tiles
    assert again.count <= 18 - 8
    same(found, exact_search(open_vectors(files["base"]), open_vectors(files["queries"]), 12, "l2"))
    third = Counting()
    assert in_tiles(config, third)[1] == 130
    assert third.count == 0


def test_other_files_and_folders_that_are_not_shared_are_named(tmp_path, files):
    config = TruthConfig(**files, metric="l2", k=12, output=tmp_path / "t.h5")
    work = tiles.TileSearch(config, Metric.L2, (50, 170), "0123456789ab")
    with pytest.raises(InputError, match=r"base\.fvecs or the queries have another size or time on .*; share one copy"):
        work(tiles.Tile(range(10), range(20)))
    missing = config.model_copy(update={"base": str(tmp_path / "elsewhere.fvecs")})
    with pytest.raises(InputError, match=r"does not see the files .* There is no file .*elsewhere\.fvecs"):
        tiles.TileSearch(missing, Metric.L2, (50, 170), "0123456789ab")(tiles.Tile(range(10), range(20)))
    unshared = tiles.TileSearch(config, Metric.L2, (50, 170), tiles._key(config, (50, 170)))
    with pytest.raises(InputError, match=r"does not see .*\.t\.h5\..*\.parts; write t\.h5 into a folder that all"):
        unshared(tiles.Tile(range(10), range(20)))


@dataclass
class Dying:
    """Searches tiles; the process that comes to a tile late enough kills itself once."""

    work: Callable[[tiles.Tile], tiles.Tile]
    marker: Path

    def __call__(self, tile):
        if tile.queries.start >= 50 and not self.marker.exists():
            self.marker.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(tile)


class Losing(RayExecutor):
    """A cluster that loses a worker in the middle of the run."""

    marker: Path

    def map(self, function, items):
        return super().map(Dying(function, self.marker), items)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_bits(tmp_path, files, small_tiles, ray_cluster):
    config = TruthConfig(**files, metric="l2", k=12, output=tmp_path / "t.h5")
    executor = Losing()
    executor.marker = tmp_path / "died"
    found, _ = in_tiles(config, executor)
    same(found, exact_search(open_vectors(files["base"]), open_vectors(files["queries"]), 12, "l2"))
    assert executor.marker.read_text() != str(os.getpid())


@pytest.mark.slow
def test_truth_on_a_cluster(tmp_path, files, ray_cluster, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, more in (("local", {}), ("ray", {"executor": "ray"})):
        truth(base="base.fvecs", queries="queries.fvecs", metric="l2", k=10, output=Path(f"{name}.ibin"), **more)
    assert Path("local.ibin").read_bytes() == Path("ray.ibin").read_bytes()
    assert not list(tmp_path.glob(".*"))
    local, ray = (json.loads(Path(f"{name}.ibin.json").read_text()) for name in ("local", "ray"))
    assert {key for key in local if local[key] != ray[key]} <= {
        "output", "survivors", "seconds", "queries_per_second", "row_pairs_per_second"
    }  # fmt: skip


@pytest.mark.slow
def test_a_bad_row_on_a_cluster_is_named(tmp_path, ray_cluster):
    rows = np.ones((300, 4), np.float32)
    rows[217, 2] = np.nan
    np.save(tmp_path / "base.npy", rows)
    np.save(tmp_path / "queries.npy", rows[:5])
    with pytest.raises(ArrayError, match=r"base has NaN or infinite values, the first in row 217\."):
        truth(base=str(tmp_path / "base.npy"), queries=str(tmp_path / "queries.npy"), metric="ip", k=3,
              output=tmp_path / "t.ivecs", executor="ray")  # fmt: skip
