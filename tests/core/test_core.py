"""Words: arrays checked at the door, names with suggestions, configurations with digests, records that add up."""

from importlib import metadata

import numpy as np
import pytest
from pydantic import Field

from goldpan.core.arrays import bad_rows, check_vectors, unit_rows
from goldpan.core.catalog import Catalog
from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import ArrayError, FormatError, InputError, MissingExtra, Reason, UnknownName
from goldpan.core.records import Metric, Report, parse_metric


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8"])
def test_good_vectors_are_not_copied(dtype: str) -> None:
    array = np.ones((3, 4), dtype)
    array.flags.writeable = False
    assert check_vectors(array) is array


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(3), "2 axes"),
        (np.zeros((2, 3), complex), "complex128"),
        (np.zeros((2, 3), object), "object"),
        (np.array([[0.0, 1], [np.nan, 1], [1, np.inf]]), "2 rows with NaN or infinite values, the first is row 1"),
    ],
)
def test_bad_vectors_are_one_sentence(array: np.ndarray, said: str) -> None:
    with pytest.raises(ArrayError, match=said):
        check_vectors(array)


def test_a_wrong_dimension_names_both() -> None:
    with pytest.raises(ArrayError, match="queries has 3 dimensions, expected 4"):
        check_vectors(np.zeros((2, 3)), name="queries", dim=4)


def test_bad_rows_are_found_in_every_chunk() -> None:
    array = np.zeros((300_000, 64), np.float32)
    array[[0, 131_072, 299_999], 5] = np.nan
    assert bad_rows(array).tolist() == [0, 131_072, 299_999]
    assert bad_rows(np.zeros((3, 2), np.uint8)).tolist() == []


def test_unit_rows_follow_the_rule_for_zeros() -> None:
    rows = unit_rows(np.array([[3.0, 4, 0, 0], [0, 0, 0, 0], [1e-30, 0, 0, 0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8, 0, 0], [0.5] * 4, [1, 0, 0, 0]], rtol=1e-6)
    assert rows.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "metric"),
    [("IP", "ip"), ("angular", "cosine"), ("euclidean", "l2"), ("sql2", "sqeuclidean"), ("l2", "l2")],
)
def test_metrics_have_aliases(name: str, metric: str) -> None:
    assert parse_metric(name) == metric


def test_an_unknown_metric_suggests() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'cosine'"):
        parse_metric("cosin")
    assert Metric.IP.is_similarity
    assert not Metric.HAMMING.is_similarity


class Settings(Config):
    size: int = Field(3, ge=1)
    workers: int | None = runtime_field(None, "how many")


def test_the_digest_leaves_out_how_work_is_done() -> None:
    assert Settings().digest() == Settings(workers=9).digest()
    assert Settings().digest() != Settings(size=4).digest()
    assert Settings(workers=9).deciding() == {"size": 3}
    assert Settings().deciding(but={"size"}) == {}
    with pytest.raises(ValueError, match="frozen"):
        Settings().size = 5
    with pytest.raises(ValueError, match="colour"):
        Settings(colour="red")


def test_a_catalog_loads_on_use_and_suggests() -> None:
    catalog = Catalog("thing", {"path": "pathlib:Path", "broken": "nowhere.at.all:X"})
    from pathlib import Path

    assert catalog.load("path") is Path
    with pytest.raises(UnknownName, match="Did you mean 'path'"):
        catalog.load("paht")


def test_two_owners_of_a_name_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("path", "other.package:Path", "goldpan.things")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point])
    with pytest.raises(InputError, match=r"pathlib:Path and by other\.package:Path"):
        Catalog("thing", {"path": "pathlib:Path"}, "goldpan.things").entries()
    assert Catalog("thing", {"other": "pathlib:Path"}, "goldpan.things").entries()["path"] == "other.package:Path"


def test_errors_say_where_and_what_next() -> None:
    assert "pip install 'goldpan[torch]'" in str(MissingExtra("timm", "torch"))
    assert str(FormatError("a.fvecs", "cut", row=3, offset=12)) == "a.fvecs at row 3 (byte 12): cut"


def test_reports_add_up() -> None:
    report = Report("x", rows_in=10, rows_out=6, failures={"truncated": 1, "box_too_small": 3})
    assert (report.failed, report.mishaps) == (4, 1)
    assert report.as_dict()["failed"] == 4
    assert Reason.FILTERED.by_rule
