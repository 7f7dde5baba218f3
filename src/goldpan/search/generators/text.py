"""Real text: the source lines of Python's own standard library, as TF-IDF reduced by SVD."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.search.generators.protocol import Drawn, Span

_WORDS = re.compile(r"[A-Za-z]{2,}")
_FEWEST_WORDS = 3
_FIT_ROWS = 20_000


class SourceLines:
    """Unit vectors of distinct source lines with three words or more: TF-IDF of words and pairs, then SVD.

    The SVD is of 20,000 of the lines; all are projected on it. Rows are a seeded shuffle of the lines: first the
    base, then queries, then learn. Equal for a given Python, scikit-learn and machine.

    Args:
        seed: of the shuffle and of the SVD.
        dim: values a row.
        rows: rows of base, queries and learn.

    Raises:
        InputError: there are fewer lines.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, seed: int, dim: int, rows: tuple[int, int, int]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.dim = dim
        lines = source_lines()
        if sum(rows) > len(lines):
            raise InputError(f"The standard library here has {len(lines)} such lines; ask for fewer than {sum(rows)}.")
        order = np.random.default_rng([seed, 121]).permutation(len(lines))[: sum(rows)]
        tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True, dtype=np.float32)
        self._terms: Any = tfidf.fit_transform([lines[number] for number in order])
        self._svd: Any = TruncatedSVD(dim, n_iter=2, random_state=seed).fit(self._terms[:_FIT_ROWS])
        self._first = {"base": 0, "queries": rows[0], "learn": rows[0] + rows[1]}

    def draw(self, rng: np.random.Generator, span: Span) -> Drawn:
        """Project the lines of the span."""
        first = self._first[span.part]
        rows: NDArray[Any] = self._svd.transform(self._terms[first + span.rows.start : first + span.rows.stop])
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return Drawn(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0).astype(np.float32), None)


def source_lines() -> list[str]:
    """Return the distinct lines of the standard library's sources, by file name and place."""
    root = Path(sysconfig.get_path("stdlib"))
    found: dict[str, None] = {}
    for path in sorted(root.rglob("*.py")):
        if "site-packages" in path.parts:
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if len(_WORDS.findall(line)) >= _FEWEST_WORDS:
                found[line.strip()] = None
    return list(found)
