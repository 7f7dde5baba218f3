"""What a matcher finds."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Matches(NamedTuple):
    """Pairs of a row and a query that holds for it, by row and then by query.

    Attributes:
        rows: ``(m,)`` int64, numbers of texts.
        queries: ``(m,)`` int32, numbers of queries.
    """

    rows: NDArray[np.int64]
    queries: NDArray[np.int32]


class Matcher(Protocol):
    """Tells which texts satisfy which of its queries."""

    def match(self, texts: pa.Array) -> Matches:
        """Return the matches in an Arrow array of texts; nulls match nothing. May be called from many threads."""
        ...
