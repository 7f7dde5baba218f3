"""What an engine cannot do is one sentence that names it."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.search.engines.loading import open_index
from goldpan.search.engines.spec import parse_spec

ROWS = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("spec", "rows", "package", "match"),
    [
        ("scann", 3, "scann", "scann cannot hold these rows: .*training data size"),
        ("usearch@connectivity=99999999", 40, "usearch", "cannot hold these rows: Out of memory"),
        ("faiss:IVF99,Flat", 40, "faiss", "cannot train: .*Number of training points"),
    ],
)
def test_what_an_engine_raises_while_it_builds_names_it(spec: str, rows: int, package: str, match: str) -> None:
    pytest.importorskip(package)
    index = open_index(spec, dim=16, metric="l2", threads=1)
    with pytest.raises(InputError, match=match) as caught:
        index.build(ROWS[:rows])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", ["hnswlib:fast", "usearch:fast", "scann:fast"])
def test_a_name_where_an_engine_has_one_index_is_refused(spec: str) -> None:
    pytest.importorskip(spec.partition(":")[0])
    with pytest.raises(InputError, match="leave out ':fast'"):
        open_index(spec, dim=16, metric="l2")


def test_an_unknown_factory_string_is_said_to_be_one() -> None:
    with pytest.raises(InputError, match="faiss cannot make it for 16 dimensions"):
        open_index("faiss:Blah32", dim=16, metric="l2")
    with pytest.raises(InputError, match="takes a binary index, such as faiss:BFlat"):
        open_index("faiss:HNSW32", dim=16, metric="hamming")


def test_an_option_is_named_once() -> None:
    with pytest.raises(InputError, match="names M twice"):
        parse_spec("hnswlib@M=16,M=17")


@pytest.mark.parametrize("spec", ["flat", "faiss:Flat"])
def test_an_id_to_remove_that_comes_twice_is_named(spec: str) -> None:
    index = open_index(spec, dim=16, metric="l2")
    index.build(ROWS)
    with pytest.raises(InputError, match="id 3 comes twice"):
        index.remove(np.array([3, 3]))
    assert index.n == 40
