"""A set of whole numbers kept as the ranges they form, so that its memory is that of the ranges alone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class LiveRanges:
    """Which tags of a stream are live.

    A range is half open, ``start <= tag < end``. Neighboring ranges melt together, so a range of live tags always
    lies within one of those kept.

    Attributes:
        count: how many tags are live.
    """

    def __init__(self) -> None:
        self.count = 0
        self._starts: list[int] = []
        self._ends: list[int] = []

    def first_live(self, start: int, end: int) -> int | None:
        """Return the lowest live tag of a range, or None where there is none."""
        place = bisect_right(self._ends, start)
        if place == len(self._starts) or self._starts[place] >= end:
            return None
        return max(start, self._starts[place])

    def first_dead(self, start: int, end: int) -> int | None:
        """Return the lowest tag of a range that is not live, or None where all are."""
        place = bisect_right(self._ends, start)
        if place == len(self._starts) or self._starts[place] > start:
            return start
        return None if self._ends[place] >= end else self._ends[place]

    def add(self, start: int, end: int) -> None:
        """Make a range live of which no tag was."""
        low, high = bisect_left(self._ends, start), bisect_right(self._starts, end)
        self.count += end - start
        if low < high:  # ranges that touch this one
            start, end = min(start, self._starts[low]), max(end, self._ends[high - 1])
        self._starts[low:high], self._ends[low:high] = [start], [end]

    def remove(self, start: int, end: int) -> None:
        """Make a range dead of which every tag was live."""
        place = bisect_right(self._ends, start)
        left = (self._starts[place], start)
        right = (end, self._ends[place])
        rest = [part for part in (left, right) if part[0] < part[1]]
        self.count -= end - start
        self._starts[place : place + 1] = [part[0] for part in rest]
        self._ends[place : place + 1] = [part[1] for part in rest]
