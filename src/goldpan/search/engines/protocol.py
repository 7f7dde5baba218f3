"""What every index engine looks like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from goldpan.core.records import Ids, Metric, Neighbors
from goldpan.search.readers import VectorSource


@dataclass(frozen=True, slots=True)
class Traits:
    """What an engine can do.

    Attributes:
        metrics: the metrics it answers in.
        exact: its answers are the true neighbors.
        adds: takes rows after `build`.
        removes: forgets rows by id.
        consolidates: has a `consolidate` that mends what removals left.
        ladder: for each search parameter the values worth trying, from fast to thorough.
    """

    metrics: frozenset[Metric]
    exact: bool = False
    adds: bool = False
    removes: bool = False
    consolidates: bool = False
    ladder: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


class Index(Protocol):
    """An index over vectors of one dimension and metric, made empty by `open_index`.

    None of its methods changes an array it is given. Packed bits are uint8 rows of the metric hamming.

    Attributes:
        spec: what made it.
        metric: how near is measured.
        dim: values a row.
        traits: what it can do.
    """

    spec: str
    metric: Metric
    dim: int
    traits: Traits

    @property
    def n(self) -> int:
        """Number of rows that can be found."""

    def build(self, base: VectorSource, ids: Ids | None = None) -> None:
        """Train on and hold all rows; `ids` names them, their row numbers where None."""

    def add(self, rows: NDArray[Any], ids: Ids) -> None:
        """Hold more rows, ``(m, dim)``, under ids ``(m,)`` int64 that are not in use.

        Raises:
            InputError: the engine cannot, or an id is in use.
        """

    def remove(self, ids: Ids) -> None:
        """Forget the rows of these ids.

        Raises:
            InputError: the engine cannot, or an id is not there.
        """

    def consolidate(self) -> None:
        """Mend what removals left behind; nothing where there is nothing to mend."""

    def search(self, queries: NDArray[Any], k: int, **parameters: float) -> Neighbors:
        """Return k neighbors a query, best first; ids -1 and scores nan where fewer were found.

        Args:
            queries: ``(m, dim)``.
            k: how many.
            **parameters: names of `traits.ladder`; the engine's defaults where left out.
        """

    def save(self, folder: Path) -> None:
        """Write the index into an existing empty folder; `save_index` adds what `load_index` needs."""

    def load(self, folder: Path) -> None:
        """Take the place of what `save` wrote."""

    def memory_bytes(self) -> int:
        """Return the bytes the index holds in memory, as the engine counts them."""
