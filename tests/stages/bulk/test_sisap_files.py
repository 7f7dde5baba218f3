"""The files of the challenges: by their names, of the sizes and sums that were published."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.protocol import Address
from goldpan.stages.acquire.bulk import sisap
from goldpan.stages.acquire.bulk.sisap import acquire_sisap, listed_sizes, published
from tests.stages.bulk.helpers import names, reasons
from tests.stages.bulk.shelf import Shelf

BASE, QUERIES = "laion2B-en-clip768v2-n=300K.h5", "public-queries-10k-clip768v2.h5"
GOLD = "laion2B-en-public-gold-standard-v2-300K-F64-IEEE754.h5"


def test_the_lists_are_those_that_were_published() -> None:
    years = published()
    assert {year: len(listed) for year, listed in years.items()} == {2023: 45, 2024: 11, 2025: 5, 2026: 10}
    for name, said in (years[2023] | years[2024]).items():
        assert said["url"].endswith(f"/{name}")
        assert len(said["md5"]) == 32
    # 100,000 and 300,000 rows of 768 float16; 10,000 queries in float32; golds of 100 and 1,000 ids and distances.
    for size, nbytes in (("147M", 153_602_048), ("440M", 460_802_048), ("30M", 30_722_048), ("7.7M", 8_002_048)):
        assert listed_sizes(size).least <= nbytes <= listed_sizes(size).most
    assert listed_sizes("783K") == (782 * 1024 + 1, 783 * 1024)
    assert listed_sizes("1.3G").most - listed_sizes("1.3G").least < 0.1 * 2**30
    assert years[2023]["laion2B-en-clip768v2-n=300K.h5"]["size"] == "440M"


@pytest.fixture
def small() -> Shelf:
    """Return a shelf with small files of the published names."""
    rows = np.random.default_rng(0).standard_normal((40, 768)).astype(np.float32)
    gold = np.argsort(-rows[30:] @ rows[:30].T, axis=1)[:, :10] + 1
    tables = {BASE: ("emb", rows[:30].astype(np.float16)), QUERIES: ("emb", rows[30:]), GOLD: ("knns", gold)}
    files = {}
    for name, (key, values) in tables.items():
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file[key] = values
        files[f"/m/{name}"] = stream.getvalue()
    return Shelf(files)


def test_a_year_s_files_open_as_a_benchmark(tmp_path: Path, small: Shelf) -> None:
    said = {path[3:]: {"size": len(data), "md5": hashlib.md5(data).hexdigest()} for path, data in small.files.items()}
    (tmp_path / "ours.json").write_text(json.dumps(said))
    with small.open() as server:
        fields = {"year": 2023, "size": "300K", "base_url": server.url("shelf", "/m/"), "allow_private": True}
        fields |= {"manifest": tmp_path / "ours.json", "output": tmp_path / "o"}
        report = acquire_sisap(**fields)
        assert (names(tmp_path / "o"), report.failures) == ({BASE, QUERIES, GOLD}, {})
        found = open_benchmark(Address(tmp_path / "o", "clip768-300K-public"))
        assert (found.base.n, found.queries.n, found.truth.ids.shape) == (30, 10, (10, 10))
        assert acquire_sisap(**fields).already_done == 3


def test_files_of_another_size_or_sum_are_none(tmp_path: Path, small: Shelf) -> None:
    with small.open() as server:
        base = server.url("shelf", "/m")
        report = acquire_sisap(year=2023, size="300K", base_url=base, allow_private=True, output=tmp_path)
    assert reasons(report) == dict.fromkeys((BASE, QUERIES, GOLD), "wrong_hash")
    details = {failed["name"]: failed["detail"] for failed in report.details["failed_files"]}
    assert "expected is d238b4b037c32bae41e497f95dffa895" in details[BASE]
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({"year": 2023, "data": "hamming", "size": "10M"}, ["amazonaws.com", "amazonaws.com", "ingeotec.mx"]),
        ({"year": 2023, "size": "10M", "private": True}, ["amazonaws.com", "ingeotec.mx", "ingeotec.mx"]),
        ({"year": 2024, "size": "10M"}, ["amazonaws.com", "sisap2024-data", "sisap2024-data"]),
        ({"year": 2024, "size": "100M", "private": True}, ["amazonaws.com", "sisap2024-data", "epsilon=0.2.h5"]),
        ({"year": 2025, "data": "gooaq"}, ["/benchmark-dev-gooaq.h5", "/allknn-benchmark-dev-gooaq.h5"]),
        ({"year": 2026, "data": "llama-dev"}, ["llama-dev/llama-dev.h5", "llama-dev/config.json"]),
    ],
)
def test_what_belongs_together(fields: dict[str, object], urls: list[str]) -> None:
    chosen = sisap._chosen(sisap.SisapConfig(output=Path("o"), **fields))
    assert len(chosen) == len(urls)
    for said, part in zip(chosen.values(), urls, strict=True):
        assert part in said["url"]


def test_what_is_not_known_is_suggested(tmp_path: Path) -> None:
    for fields, said in (
        ({"year": 2022}, "Known: 2023, 2024, 2025, 2026"),
        ({"year": 2023}, "Unknown SISAP data 'clip768-SIZE-public'"),
        ({"year": 2023, "size": "200K"}, "clip768-300K-public"),
        ({"year": 2025, "data": "pubmed"}, "Did you mean 'pubmed23'"),
    ):
        with pytest.raises(InputError, match=said):
            acquire_sisap(**fields, output=tmp_path)
