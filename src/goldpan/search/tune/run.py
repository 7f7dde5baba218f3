"""Tuning: build candidates on some rows, keep the promising, build those in full, and prove what is promised."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from goldpan.core.errors import InputError, MissingExtra, UnknownName
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Ids, Metric, parse_metric
from goldpan.search.engines.adapter import Adapter
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.protocol import Index
from goldpan.search.engines.spec import EngineSpec, parse_spec
from goldpan.search.exact import exact_search
from goldpan.search.readers import VectorReader, VectorSource, as_reader
from goldpan.search.tune.candidates import Planned, plan
from goldpan.search.tune.goal import Goal, NothingFits
from goldpan.search.tune.judging import choose_settings, middle, note
from goldpan.search.tune.measured import Measured, megabytes, nearest
from goldpan.search.tune.memory import expected_bytes
from goldpan.search.tune.sample import Sides, held_out, some_rows, split_questions
from goldpan.search.tune.settings import Questions, fastest

_GAIN = 1.1  # another candidate is built in full if it promises so much more
_MOST_FULL = 3
_SAMPLE_SHARE, _SAMPLE_LEAST, _SAMPLE_MOST = 16, 4_000, 20_000
_PROBE_QUERIES = 500
_BUILD_GROWTH = 1.1
_CHANCE = 0.05  # so far below the target on the sample a candidate is not worth building in full


@dataclass(frozen=True, slots=True)
class Tuned:
    """An index that does what was asked.

    Attributes:
        index: holds all rows, those that served as queries too; searches with `parameters` where none are given.
        spec: of the index, without the search parameters.
        parameters: for ``index.search(queries, k, **parameters)``.
        chosen: its row of the table.
        measurements: all that was measured, in the order in which it was.
        seconds: what tuning and building took together.
    """

    index: Index
    spec: str
    parameters: dict[str, float]
    chosen: Measured
    measurements: list[Measured]
    seconds: float


def tune_index(
    base: VectorSource,
    *,
    queries: NDArray[Any] | None = None,
    metric: str | Metric = Metric.IP,
    goal: Goal | None = None,
    specs: list[str] | None = None,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Choose, by measuring, the fastest index that keeps a budget, and build it.

    Candidates are built on a sample of the rows first; those that promise most are built in full. Half of the queries
    choose the search parameters, the other half judge: on these the lower confidence bound of the mean recall, against
    exact neighbors, must reach the goal. Without queries, rows of the base are held out in their place and added to
    the index in the end.

    Args:
        base: ``(n, dim)`` array or reader.
        queries: ``(m, dim)``; a few hundred at least, like those that will be asked.
        metric: how near is measured.
        goal: the budget; recall .95 at k=10 where None.
        specs: candidates in the place of `goldpan.search.tune.candidates.CANDIDATES`.
        threads: how many an index may use; all processors where None.
        seed: of what is random.
        progress: told in candidates.

    Raises:
        NothingFits: no candidate keeps the budget; the message says which comes nearest.
        ArrayError: base and queries do not go together.
        InputError: there are too few rows or queries, or a spec is none.

    Example:
        >>>         >>> rows = np.random.default_rng(0).standard_normal((2000, 8), dtype=np.float32)
        >>> tuned = tune_index(rows, metric="l2", goal=Goal(k=5, min_recall=0.9), specs=["flat"])
        >>> tuned.spec, tuned.index.n, tuned.chosen.recall
        ('flat', 2000, 1.0)
    """
    return _Tuning(base, queries, parse_metric(metric), goal or Goal(), threads, seed, progress).run(specs)


class _Tuning:
    """One run: what is the same for all candidates, and what was measured so far."""

    def __init__(
        self,
        base: VectorSource,
        queries: NDArray[Any] | None,
        metric: Metric,
        goal: Goal,
        threads: int | None,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self.began = time.perf_counter()
        self.table = as_reader(base, "base")
        self.metric, self.goal, self.threads, self.seed = metric, goal, threads, seed
        self.progress = progress or Silent()
        self.sides: Sides = held_out(self.table, queries, seed)
        if goal.k >= self.sides.base.n:
            raise InputError(f"k must be less than the {self.sides.base.n} rows of the base, not {goal.k}.")
        asked = self._questions(self.sides.base, self.sides.queries, self.sides.ids)
        self.explore, self.judge = split_questions(asked, seed)
        self.measured: list[Measured] = []
        self.speed_error = 1.0  # speed of the last full index over what its sample promised

    def run(self, specs: list[str] | None) -> Tuned:
        n, dim = self.sides.base.n, self.table.dim
        for spec in specs or ():
            self._opened(spec)  # what was named and cannot be is said before any work
        lines = (
            [Planned(spec, spec, 0.5, expected_bytes(spec, n, dim)) for spec in specs]
            if specs
            else list(plan(n, self._sample_size(), dim, self.metric, self.goal))
        )
        promising = self._probe(lines)
        best: tuple[Measured, Index] | None = None
        for built, (promise, line, build_s) in enumerate(promising):
            if best is not None and self._enough(best[0], promise, build_s, built):
                break
            row, index = self._full(line)
            if row.qps and promise > 0:
                self.speed_error = row.qps / promise
            if row.verdict == "kept" and (best is None or self._better(row, best[0])):
                best = row, index
            del index
        if best is None:
            raise NothingFits(nearest(self.measured), self.measured)
        return self._finished(*best)

    def _questions(self, base: VectorReader, queries: NDArray[Any], ids: Ids | None = None) -> Questions:
        found = exact_search(base, queries, self.goal.k, self.metric, workers=self.threads).neighbors
        return Questions(queries, found.ids if ids is None else ids[found.ids], self.goal.confidence)

    def _sample_size(self) -> int:
        """Return how many rows candidates are tried on: all where a sample would save little."""
        n = self.sides.base.n
        size = min(_SAMPLE_MOST, max(_SAMPLE_LEAST, n // _SAMPLE_SHARE))
        return size if 2 * size < n else n

    def _probe(self, lines: list[Planned]) -> list[tuple[float, Planned, float]]:
        """Build what can fit on a sample; return the candidates with promised speed and build time, best first."""
        size = self._sample_size()
        self.progress.start("candidates", len(lines))
        rows = some_rows(self.sides.base, size, self.seed) if size < self.sides.base.n else None
        asked = self.explore
        if rows is not None:
            asked = self._questions(as_reader(rows, "sample"), asked.rows[:_PROBE_QUERIES])
        found: list[tuple[float, Planned, float]] = []
        for line in lines:
            if found and self.goal.seconds is not None and self._spent() > self.goal.seconds / 2:
                self.measured.append(Measured(line.spec, bytes=line.bytes, verdict="no time was left to try it"))
                continue
            promise = self._promise(line, rows, asked)
            if promise is not None:
                found.append((promise[0], line, promise[1]))
            self.progress.advance()
        self.progress.finish()
        return sorted(found, key=lambda item: -item[0])

    def _promise(self, line: Planned, rows: NDArray[Any] | None, asked: Questions) -> tuple[float, float] | None:
        """Return queries a second and seconds to build, as the sample promises; None for what is out."""
        row = Measured(line.spec, bytes=line.bytes)
        self.measured.append(row)
        limit = self.goal.max_memory
        if limit is not None and line.bytes > 1.05 * limit:
            row.verdict = f"would take {megabytes(line.bytes)}, more than {megabytes(limit)}"
            return None
        try:
            index = self._opened(line.probe)
        except (MissingExtra, UnknownName, InputError) as error:
            row.verdict = str(error)
            return None
        if rows is None:  # so few rows that a sample saves nothing
            row.verdict = "built in full at once"
            return 0.0 if line.growth == 1.0 else 1.0, 0.0
        row.stage, row.rows = "sample", len(rows)
        target = self.goal.min_recall
        started = time.perf_counter()
        try:
            index.build(rows)
            row.build_s = time.perf_counter() - started
            trial, tried = fastest(index, asked, target) if target is not None else middle(index, asked)
        except InputError as error:  # an engine that cannot work on such rows
            row.verdict = str(error)
            return None
        row.tried = [one.as_dict() for one in tried]
        shown = trial or max(tried, key=lambda one: one.recall)
        note(row, shown)
        if trial is None and target is not None and shown.recall < target - _CHANCE:
            row.verdict = f"reaches a recall of {shown.recall:.3f} on a sample"
            return None
        larger = self.sides.base.n / len(rows)
        row.verdict = "promising"
        return shown.qps * larger**-line.growth * (1.0 if trial else 1e-3), row.build_s * larger**_BUILD_GROWTH

    def _spent(self) -> float:
        return time.perf_counter() - self.began

    def _opened(self, spec: str) -> Index:
        return open_index(spec, dim=self.table.dim, metric=self.metric, threads=self.threads, seed=self.seed)

    def _enough(self, best: Measured, promise: float, build_s: float, built: int) -> bool:
        """Tell whether to stop with what there is."""
        if self.goal.min_recall is None and (best.recall or 0.0) < 1:
            promise = float("inf")  # the most thorough is wanted, whatever its speed
        late = self.goal.seconds is not None and self._spent() + build_s > self.goal.seconds
        return late or built >= _MOST_FULL or promise * self.speed_error < _GAIN * (best.qps or 0.0)

    def _better(self, row: Measured, than: Measured) -> bool:
        """Compare two that do what was asked: the faster; where only a latency was asked, the more thorough."""
        if self.goal.min_recall is None:
            return (row.recall or 0.0) > (than.recall or 0.0)
        return (row.qps or 0.0) > (than.qps or 0.0)

    def _full(self, line: Planned) -> tuple[Measured, Index]:
        """Build a candidate on all rows, find its settings and judge them."""
        row = Measured(line.spec, stage="full", rows=self.sides.base.n)
        self.measured.append(row)
        self.progress.start(line.spec, None)
        index = self._opened(line.spec)
        started = time.perf_counter()
        try:
            index.build(self.sides.base, self.sides.ids)
        except InputError as error:  # an engine that cannot work on such rows
            row.verdict = str(error)
            return row, index
        row.build_s = time.perf_counter() - started
        row.bytes = int(index.memory_bytes() * self.table.n / index.n)
        limit = self.goal.max_memory
        if limit is not None and row.bytes > limit:
            row.verdict = f"takes {megabytes(row.bytes)}, more than {megabytes(limit)}"
        else:
            choose_settings(index, row, self.goal, self.explore, self.judge)
        self.progress.finish()
        return row, index

    def _finished(self, row: Measured, index: Index) -> Tuned:
        """Add the rows that were held out; where the index takes none, build it again with them."""
        row.verdict = "chosen"
        if self.sides.held is not None:
            if index.traits.adds:
                index.add(self.sides.queries, self.sides.held)
            else:
                index = self._opened(row.spec)
                index.build(self.table)
        _use_by_default(index, row.parameters)
        row.bytes, row.rows = index.memory_bytes(), index.n
        return Tuned(index, row.spec, row.parameters, row, self.measured, self._spent())


def _use_by_default(index: Index, parameters: dict[str, float]) -> None:
    """Make the search parameters part of the spec, so that they are the defaults, here and after loading."""
    spec = parse_spec(index.spec)
    settings = {name: int(value) for name, value in parameters.items()}
    index.spec = str(EngineSpec(spec.kind, spec.name, spec.options | settings))
    if isinstance(index, Adapter):
        index.options.update(settings)
