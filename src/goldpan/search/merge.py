"""Exact answers while rows come and go: lists of buckets of rows, found once, merged and filtered at every step.

The trick is that of the streaming benchmark of Aguerrebere et al. ("Locally-adaptive quantization for streaming vector
search", arXiv 2402.02044): the nearest rows of a bucket do not depend on which of them are live, so they are found
once, and a step costs a filter. Here lists are longer than k, every list knows how far it reaches, and a query whose
answer would lie beyond the reach of a list has that one list made anew, from the live rows of that one bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Floats, Ids, Metric, Neighbors, parse_metric
from goldpan.search.exact import exact_search
from goldpan.search.readers import VectorSource, as_reader
from goldpan.search.tags import IdsLike, Tags

_BUCKETS = 16
_SEARCHED_ROWS = 1 << 17  # rows of several buckets in one search
Flags = NDArray[np.bool_]


def merge_neighbors(parts: Sequence[Neighbors], k: int, metric: str | Metric) -> Neighbors:
    """Return the k nearest of several exact lists of the same queries over disjoint rows; ties to the lower id.

    Merging is associative: lists of parts of a base, k deep each, merge to the list of the base in any grouping. Lists
    of l2 are best merged as sqeuclidean, since two squares can have one root.

    Args:
        parts: ``(n_queries, k_i)`` each; ids -1 are skipped.
        k: how many to keep; where there are fewer, ids are -1 and scores nan.
        metric: tells whether higher scores are nearer.
    """
    sign = 1.0 if parse_metric(metric).is_similarity else -1.0
    ids = np.hstack([part.ids for part in parts])
    keys = np.where(ids >= 0, sign * np.hstack([part.scores for part in parts]), -np.inf)
    order = np.lexsort((ids, -keys), axis=1)[:, :k]
    best, scores = np.full((len(ids), k), -1), np.full((len(ids), k), np.nan)
    width = order.shape[1]
    best[:, :width] = np.take_along_axis(ids, order, axis=1)
    scores[:, :width] = sign * np.take_along_axis(keys, order, axis=1)
    return Neighbors(best, np.where(best >= 0, scores, np.nan))


class _Found(NamedTuple):
    """The best live rows of some queries: tags, -1 where there is none, and keys, higher is nearer."""

    tags: Ids
    keys: Floats


class BucketedTruth:
    """The exact neighbors of fixed queries among the rows that are live now.

    No row is live at first. Answers are tags: `insert` makes rows live under their own numbers, `replace` lets a tag
    stand for another row (big-ann runbooks). Ties go to the lower tag, as `exact_search` over the live rows has it.
    Lists take ``16 * n_queries * n / bucket_rows * (k + reserve)`` bytes.

    Args:
        base: ``(n, d)`` array or reader: all rows that can ever be live.
        queries: ``(n_queries, d)``.
        k: neighbors a query.
        metric: as `exact_search`.
        bucket_rows: consecutive rows a bucket; a sixteenth of the base where None. A bucket is held in memory.
        reserve: how many neighbors beyond k a list has, so that deletes need nothing found anew; k where None.
        workers: threads; the processors of this machine where None.
        progress: told in base rows while the lists are found.

    Raises:
        ArrayError: shapes or dtypes do not fit, or a value is NaN or infinite.
        InputError: k, the size of a bucket or the reserve is out of range.

    Example:
        >>> import numpy as np
        >>> truth = BucketedTruth(np.arange(9.0)[:, None], np.array([[4.0]]), k=2, metric="l2")
        >>> truth.insert(range(3, 9))
        >>> truth.delete([4])
        >>> truth.current().ids
        array([[3, 5]])
    """

    def __init__(
        self,
        base: VectorSource,
        queries: VectorSource,
        k: int,
        metric: str | Metric = Metric.IP,
        bucket_rows: int | None = None,
        reserve: int | None = None,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._base, reader = as_reader(base, "base"), as_reader(queries, "queries")
        self.k, self.metric, self.n = k, parse_metric(metric), self._base.n
        self._queries, self._workers = reader.read(0, reader.n), workers
        self._bucket_rows = max(k, -(-self.n // _BUCKETS)) if bucket_rows is None else bucket_rows
        self._depth = k + (k if reserve is None else reserve)
        if k < 1 or self._bucket_rows < 1 or self._depth < k:
            raise InputError(f"k is {k}, a bucket {bucket_rows} rows, the reserve {reserve}: 1, 1 and 0 are the least.")
        self._starts = np.arange(0, self.n, self._bucket_rows)
        self._tags = Tags(self.n)
        self.relisted = 0  # lists made anew so far
        self._make_lists(progress or Silent())

    @property
    def live(self) -> Flags:
        """Which rows of the base are live, ``(n,)``."""
        return self._tags.live

    def insert(self, ids: IdsLike) -> None:
        """Make rows live under their own numbers.

        Raises:
            InputError: an id is no row of the base, or live already.
        """
        self._touch(self._tags.insert(ids))

    def delete(self, tags: IdsLike) -> None:
        """Take tags away, and with them the rows they stand for.

        Raises:
            InputError: a tag is not live.
        """
        self._tags.delete(tags)

    def replace(self, tags: IdsLike, ids: IdsLike) -> None:
        """Let live tags stand for other rows.

        Raises:
            InputError: a tag is not live, a row is live already, or there are not as many of the one as of the other.
        """
        self._touch(self._tags.replace(tags, ids))

    def current(self) -> Neighbors:
        """Return the k nearest live rows of every query, by tag; -1 and nan where fewer are live."""
        everyone = np.arange(len(self._queries))
        found = self._pick(everyone)
        unsure = self._unsure(found)
        again = np.flatnonzero(unsure.any(axis=1))
        if len(again):
            self._relist(unsure)
            self._sort(again)
            for whole, part in zip(found, self._pick(again), strict=True):
                whole[again] = part
        scores = found.keys if self.metric.is_similarity else 0.0 - found.keys
        scores = np.sqrt(scores) if self.metric is Metric.L2 else scores
        return Neighbors(found.tags, np.where(found.tags >= 0, scores, np.nan))

    def _touch(self, rows: Ids) -> None:
        """Trust no list of live rows whose bucket other rows have joined."""
        touched = np.unique(rows // self._bucket_rows)
        self._last_keys[:, touched] = np.where(self._of_live[:, touched], np.inf, self._last_keys[:, touched])

    def _make_lists(self, progress: Progress) -> None:
        """List every bucket: its nearest rows, dead or alive, and where the list ends."""
        shape = (len(self._queries), len(self._starts), min(self._depth, self._bucket_rows))
        self._ids, self._keys = np.full(shape, self.n), np.full(shape, -np.inf)
        self._last_keys, self._last_tags = np.full(shape[:2], -np.inf), np.full(shape[:2], -1)
        self._of_live = np.zeros(shape[:2], bool)  # lists of rows that were live: useless once others come
        progress.start("lists of buckets", self.n)
        for bucket, start in enumerate(self._starts.tolist()):
            rows = np.arange(start, min(self.n, start + self._bucket_rows))
            self._list(rows, np.arange(shape[0]), np.array([bucket]), np.ones((shape[0], 1), bool))
            progress.advance(len(rows))
        progress.finish()
        self._sorted_ids, self._sorted_keys = (np.empty((shape[0], shape[1] * shape[2]), t) for t in (np.int64, float))
        self._sort(np.arange(shape[0]))

    def _relist(self, unsure: Flags) -> None:
        """Make the lists of these pairs of (query, bucket) anew from the live rows, several buckets in one search."""
        step = max(1, _SEARCHED_ROWS // self._bucket_rows)
        wanted = np.flatnonzero(unsure.any(axis=0))
        for start in range(0, len(wanted), step):
            buckets = wanted[start : start + step]
            queries = np.flatnonzero(unsure[:, buckets].any(axis=1))
            tags = np.concatenate([self._tags.of_rows[self._span(bucket)] for bucket in buckets])
            rows = np.concatenate([np.arange(self.n)[self._span(bucket)] for bucket in buckets])[tags >= 0]
            self._list(rows, queries, buckets, unsure[np.ix_(queries, buckets)])
        # A list of all rows, in the order of their numbers, stays good whoever comes and goes.
        some_dead = ~np.logical_and.reduceat(self.live, self._starts)
        stale = some_dead | np.logical_or.reduceat(self._tags.moved, self._starts)
        self._of_live = np.where(unsure, stale, self._of_live)
        self.relisted += int(unsure.sum())

    def _list(self, rows: Ids, queries: Ids, buckets: Ids, pairs: Flags) -> None:
        """Find the nearest of some rows of some buckets, and keep them as the lists of `pairs`, (queries, buckets).

        One list of all these rows, cut by bucket, is a list of each bucket that reaches as far as the one.
        """
        number = rows // self._bucket_rows
        block = np.concatenate([self._read(bucket)[rows[number == bucket] % self._bucket_rows] for bucket in buckets])
        tags = np.where(self._tags.of_rows[rows] >= 0, self._tags.of_rows[rows], rows)
        if self._tags.moved[rows].any():
            order = np.argsort(tags)
            rows, tags, block = rows[order], tags[order], block[order]
        depth = min(self._depth, len(rows))
        metric = Metric.SQEUCLIDEAN if self.metric is Metric.L2 else self.metric  # roots would make ties
        found = exact_search(block, self._queries[queries], depth, metric, workers=self._workers).neighbors
        ids, keys = rows[found.ids], found.scores if metric.is_similarity else 0.0 - found.scores
        whole = depth == len(rows)
        for column, bucket in enumerate(buckets.tolist()):
            who, width = np.flatnonzero(pairs[:, column]), min(depth, self._ids.shape[2])
            inside = ids[who] // self._bucket_rows == bucket
            order = np.argsort(~inside, axis=1, kind="stable")[:, :width]
            kept = np.take_along_axis(inside, order, axis=1)
            at = queries[who], bucket
            self._ids[at], self._keys[at] = self.n, -np.inf
            self._ids[*at, :width] = np.where(kept, np.take_along_axis(ids[who], order, axis=1), self.n)
            self._keys[*at, :width] = np.where(kept, np.take_along_axis(keys[who], order, axis=1), -np.inf)
            self._last_keys[at] = -np.inf if whole else keys[who, -1]
            self._last_tags[at] = np.iinfo(np.int64).max if whole else tags[found.ids[who, -1]]

    def _span(self, bucket: int) -> slice:
        start = int(self._starts[bucket])
        return slice(start, min(self.n, start + self._bucket_rows))

    def _read(self, bucket: int) -> NDArray[Any]:
        span = self._span(bucket)
        return self._base.read(span.start, span.stop)

    def _sort(self, queries: Ids) -> None:
        """Put the lists of all buckets into one, nearest first, ties by lower row: the order they are in."""
        ids, keys = (lists[queries].reshape(len(queries), -1) for lists in (self._ids, self._keys))
        order = np.argsort(-keys, axis=1, kind="stable")
        self._sorted_ids[queries] = np.take_along_axis(ids, order, axis=1)
        self._sorted_keys[queries] = np.take_along_axis(keys, order, axis=1)

    def _pick(self, queries: Ids) -> _Found:
        """Return the first k live rows of the lists; where many are dead, look further on."""
        found = _Found(np.full((len(queries), self.k), -1), np.full((len(queries), self.k), -np.inf))
        moved = bool(self._tags.moved.any())
        open_, width = np.arange(len(queries)), 0
        while len(open_):
            width = min(self._sorted_ids.shape[1], max(3 * self.k, 3 * width))
            rows = queries[open_] if len(open_) < len(self._queries) else slice(None)
            keys = self._sorted_keys[rows, :width]
            tags = self._tags.of_rows[self._sorted_ids[rows, :width]]
            if moved:  # the lists have ties in the order of rows, which is not that of tags now
                keys = np.where(tags >= 0, keys, -np.inf)
                order = np.lexsort((tags, -keys), axis=1)
                last = self._sorted_keys[rows, width - 1]
                keys, tags = np.take_along_axis(keys, order, axis=1), np.take_along_axis(tags, order, axis=1)
            rank = np.cumsum(tags >= 0, axis=1)
            full = rank[:, -1] >= self.k
            if moved and width >= self.k:
                full &= keys[:, self.k - 1] > last
            done = full | (width == self._sorted_ids.shape[1])
            query, column = np.nonzero((tags >= 0) & (rank <= self.k) & done[:, None])
            place = open_[query], rank[query, column] - 1
            found.tags[place], found.keys[place] = tags[query, column], keys[query, column]
            open_ = open_[~done]
        return found

    def _unsure(self, found: _Found) -> Flags:
        """Tell which lists, (queries, buckets), end before the k-th answer and leave out rows that may be live."""
        ends, last = found.keys[:, -1:], np.where(found.tags[:, -1:] >= 0, found.tags[:, -1:], np.iinfo(np.int64).max)
        tied = self._last_keys == ends
        # Rows left out of a list of the whole bucket have higher numbers; their tags may be anything once moved.
        moved = np.logical_or.reduceat(self._tags.moved, self._starts) & ~self._of_live
        beyond = (self._last_keys > ends) | (tied & np.isfinite(ends) & ((self._last_tags < last) | moved))
        return np.asarray(beyond & np.logical_or.reduceat(self.live, self._starts), bool)
