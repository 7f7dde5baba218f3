"""Sparse search: what dense float64 says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from goldpan.core.errors import ArrayError, InputError
from goldpan.search import sparse
from goldpan.search.sparse import sparse_search
from goldpan.search.synthetic import open_dataset


class Rows:
    def __init__(self, table: csr_array) -> None:
        self.table = csr_array(table)
        self.n, self.dim = table.shape

    def read(self, start: int, stop: int) -> csr_array:
        return self.table[start:stop]


def test_answers_are_those_of_dense_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "_BASE_ROWS", 97)
    monkeypatch.setattr(sparse, "_QUERY_ROWS", 7)
    data = open_dataset("I", n=500, n_queries=20, dim=300)
    base = data.base.tolil()
    base[300] = base[5]  # a tie across blocks
    found = sparse_search(Rows(base.tocsr()), Rows(data.queries), 12)
    scores = data.queries.toarray().astype(np.float64) @ base.toarray().astype(np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :12]
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, order, axis=1))
    assert (found.ids == order).mean() > 0.99  # sums of the other order may swap near ties
    part = sparse_search(Rows(base.tocsr()), Rows(data.queries), 12, only=range(5, 9))
    np.testing.assert_array_equal(part.ids, found.ids[5:9])


def test_rows_without_a_common_term_still_fill_the_answer() -> None:
    found = sparse_search(Rows(csr_array(np.eye(4))), Rows(csr_array(np.eye(4)[:1])), 3)
    assert found.ids.tolist() == [[0, 1, 2]]


def test_what_does_not_fit_is_said() -> None:
    rows = Rows(csr_array(np.eye(4)))
    with pytest.raises(InputError, match="1 to 4"):
        sparse_search(rows, rows, 5)
    with pytest.raises(ArrayError, match="3 columns"):
        sparse_search(rows, Rows(csr_array(np.eye(3))), 1)
