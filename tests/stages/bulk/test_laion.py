"""Shards and indexes come into the folder that readers look for, whatever they were called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.core.records import Report
from goldpan.formats.vectors import open_vectors
from goldpan.stages.acquire.bulk.laion import acquire_laion
from tests.hostile import HostileServer
from tests.stages.bulk.helpers import names, npy, parquet, reasons
from tests.stages.bulk.shelf import Shelf


@pytest.fixture
def laion() -> dict[str, bytes]:
    """Return two parts of embeddings with their metadata, by path."""
    rows = {"0000": 50, "0001": 30}
    vectors = {f"/img_emb/img_emb_{part}.npy": npy(count) for part, count in rows.items()}
    return vectors | {f"/meta/metadata_{part}.parquet": parquet(count) for part, count in rows.items()}


def get(server: HostileServer, output: Path, **kinds: str) -> Report:
    urls = {kind: [server.url("shelf", path)] for kind, path in kinds.items()}
    return acquire_laion(output=output, allow_private=True, retries=0, **urls)


def test_the_folder_reads_as_the_files_were(tmp_path: Path, laion: dict[str, bytes]) -> None:
    with Shelf(laion).open() as server:
        report = get(
            server, tmp_path, img_emb="/img_emb/img_emb_{0000..0001}.npy", metadata="/meta/metadata_{0..1..1}.parquet"
        )
        assert reasons(report) == dict.fromkeys(
            ("metadata/metadata_0.parquet", "metadata/metadata_1.parquet"), "not_found"
        )
        report = get(
            server,
            tmp_path,
            img_emb="/img_emb/img_emb_{0000..0001}.npy",
            metadata="/meta/metadata_{0000..0001}.parquet",
        )
    assert (report.rows_in, report.already_done, report.failures) == (4, 2, {})
    assert report.outputs[f"{tmp_path}:img_emb"] == "80 x 8 float16, metadata caption"
    reader = open_vectors(tmp_path)
    assert (reader.n, reader.columns) == (80, ("caption",))
    whole = np.concatenate([np.load(tmp_path / f"img_emb/img_emb_{n:04d}.npy") for n in (0, 1)])
    np.testing.assert_array_equal(reader.read(0, 80), whole)


def test_shards_with_names_of_their_own_are_numbered(tmp_path: Path) -> None:
    shelf = Shelf({f"/{name}/e.npy": npy(n + 1, n) for n, name in enumerate("xyz")})
    shelf.files |= {f"/part-{n}-of-3.snappy.parquet": parquet(n + 1, n) for n in range(3)}
    with shelf.open() as server:
        report = get(server, tmp_path, text_emb="/{x,y,z}/e.npy", metadata="/part-{0..2}-of-3.snappy.parquet")
    assert report.outputs[f"{tmp_path}:text_emb"] == "6 x 8 float16, metadata caption"
    assert names(tmp_path) == {f"text_emb/text_emb_{n}.npy" for n in range(3)} | {
        f"metadata/metadata_{n}.parquet" for n in range(3)
    }


def test_indexes_are_a_file_or_a_folder(tmp_path: Path) -> None:
    shelf = Shelf({f"/knn.index0{n}": bytes([n]) for n in range(3)} | {"/text/knn.index": b"t"})
    with shelf.open() as server:
        get(server, tmp_path, image_index="/knn.index{00..02}", text_index="/text/knn.index")
    assert names(tmp_path) == {*(f"image.index/knn.index0{n}" for n in range(3)), "text.index"}


def test_metadata_of_other_vectors_are_noticed(tmp_path: Path, laion: dict[str, bytes]) -> None:
    laion["/meta/metadata_0001.parquet"] = parquet(29)
    with Shelf(laion).open() as server:
        report = get(
            server,
            tmp_path,
            img_emb="/img_emb/img_emb_{0000..0001}.npy",
            metadata="/meta/metadata_{0000..0001}.parquet",
        )
    assert report.outputs[f"{tmp_path}:img_emb"].startswith("cannot be read as they are: ")
    assert "29 rows; img_emb_0001.npy has 30" in report.outputs[f"{tmp_path}:img_emb"]


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Nothing is named; add --img-emb"):
        acquire_laion(output=tmp_path)
    with pytest.raises(InputError, match=r"--img-emb takes files that end in \.npy, not a\.parquet"):
        acquire_laion(output=tmp_path, img_emb=["https://h.example/a.parquet"])
