"""retrieve embed: captions to vectors, a part a file, in the folders of clip-retrieval."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import FormatError, InputError
from goldpan.encoders.loading import load_encoder
from goldpan.formats.alone import alone_at
from goldpan.formats.vectors import open_vectors
from tests.web.serve.colors import NAMES, write_encoder


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    return write_encoder(tmp_path)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Four files of captions, of several kinds, sorted by their names; one caption is missing."""
    folder = tmp_path / "pool"
    folder.mkdir()
    for number in range(3):
        names = [f"{number} {name}" for name in NAMES]
        columns = {"url": [f"http://a/{name}" for name in names], "TEXT": [*names, None][1:], "n": range(len(names))}
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", row_group_size=4)
    (folder / "3.jsonl").write_text('{"caption": "a red", "n": 1}\nno JSON\n{"caption": "a lime", "late": "x"}\n')
    return folder


def run(pool: Path, encoder: str, folder: Path, **fields: Any) -> goldpan.Report:
    report = goldpan.embed_captions(metadata=[pool], encoder=encoder, folder=folder, **fields)
    assert report.rows_in == report.rows_out + report.failed
    return report


def stamps(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("[!.]*.*")}


def test_a_part_a_file(pool: Path, encoder: str, tmp_path: Path) -> None:
    report = run(pool, encoder, tmp_path / "out")
    assert (report.rows_in, report.rows_out, report.failures) == (33, 32, {"bad_row": 1})
    assert sorted(stamps(tmp_path / "out")) == sorted(
        f"{part}/{name}"
        for number in range(4)
        for part, name in (
            ("text_emb", f"text_emb_000{number}.npy"),
            ("metadata", f"metadata_000{number}.parquet"),
            ("stats", f"000{number}.json"),
        )
    )
    vectors = np.load(tmp_path / "out/text_emb/text_emb_0001.npy")
    expected = load_encoder(encoder).encode_text([*[f"1 {name}" for name in NAMES][1:], "black"])
    np.testing.assert_array_equal(vectors, expected.astype(np.float16))
    metadata = pq.read_table(tmp_path / "out/metadata/metadata_0001.parquet")
    assert metadata.to_pylist() == pq.read_table(pool / "1.parquet").to_pylist()
    assert pq.read_table(tmp_path / "out/metadata/metadata_0003.parquet").to_pylist() == [
        {"caption": "a red", "n": 1, "late": None}, {"caption": "a lime", "n": None, "late": "x"},
    ]  # fmt: skip
    stats = json.loads((tmp_path / "out/stats/0003.json").read_text())
    assert (stats["sample_count"], stats["unreadable"]) == (2, 1)
    assert stats["end_time"] - stats["start_time"] == pytest.approx(stats["total_duration"])


def test_the_folder_is_read_as_one_array_with_metadata(pool: Path, encoder: str, tmp_path: Path) -> None:
    run(pool, encoder, tmp_path / "out")
    reader = open_vectors(tmp_path / "out")
    assert (reader.n, reader.dim, reader.dtype) == (32, 12, np.float16)
    assert set(reader.columns) == {"url", "TEXT", "n", "caption", "late"}
    rows = pa.concat_tables(reader.metadata()).to_pylist()
    assert (rows[10]["TEXT"], rows[30]["caption"]) == ("1 lime", "a red")


def test_the_same_again_does_nothing(pool: Path, encoder: str, tmp_path: Path) -> None:
    run(pool, encoder, tmp_path / "out")
    before = stamps(tmp_path / "out")
    again = run(pool, encoder, tmp_path / "out")
    assert (again.already_done, again.failures) == (32, {"bad_row": 1})
    assert stamps(tmp_path / "out") == before


def test_jobs_share_the_parts_and_their_numbers(pool: Path, encoder: str, tmp_path: Path) -> None:
    run(pool, encoder, tmp_path / "alone")
    for job, rows in ((2, 10), (0, 10 + 2), (1, 10)):
        assert run(pool, encoder, tmp_path / "out", job_index=job, total_jobs=3).rows_out == rows
    assert stamps(tmp_path / "out").keys() == stamps(tmp_path / "alone").keys()
    for path in (tmp_path / "alone").rglob("*.npy"):
        same = tmp_path / "out" / path.relative_to(tmp_path / "alone")
        assert same.read_bytes() == path.read_bytes()
    again = run(pool, encoder, tmp_path / "out", total_jobs=1)
    assert again.already_done == 32


def test_parts_that_are_not_whole_or_whose_file_changed_are_made_again(
    pool: Path, encoder: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(pool, encoder, out)
    before = stamps(out)
    (out / "stats/0000.json").unlink()
    (out / "text_emb/text_emb_0001.npy").unlink()
    pq.write_table(pa.table({"caption": ["a blue"]}), pool / "2.parquet")
    report = run(pool, encoder, out)
    assert (report.rows_out, report.already_done) == (23, 2)
    assert {name for name, stamp in stamps(out).items() if before[name] == stamp} == {
        "text_emb/text_emb_0003.npy", "metadata/metadata_0003.parquet", "stats/0003.json",
    }  # fmt: skip
    assert np.load(out / "text_emb/text_emb_0002.npy").shape == (1, 12)


def test_one_run_at_a_time_makes_a_part_and_removes_what_killed_ones_left(
    pool: Path, encoder: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    half = out / "text_emb" / ".text_emb_0001.npy.0123abcd.tmp"
    half.parent.mkdir(parents=True)
    half.touch()
    with alone_at(out / "stats/0001.json"), pytest.raises(InputError, match=r"Another run writes to .*0001\.json"):
        run(pool, encoder, out)
    report = run(pool, encoder, out)
    assert (report.rows_out, report.already_done) == (32, 10)
    assert not half.exists()


def test_a_file_that_comes_between_the_others_moves_their_numbers(pool: Path, encoder: str, tmp_path: Path) -> None:
    run(pool, encoder, tmp_path / "out")
    pq.write_table(pa.table({"caption": ["a blue"]}), pool / "0a.parquet")
    report = run(pool, encoder, tmp_path / "out")
    assert (report.rows_out, report.already_done) == (33, 10)
    run(pool, encoder, tmp_path / "new")
    for path in (tmp_path / "new").rglob("*.npy"):
        assert (tmp_path / "out" / path.relative_to(tmp_path / "new")).read_bytes() == path.read_bytes()


def test_vectors_of_several_settings_are_never_in_one_folder(pool: Path, encoder: str, tmp_path: Path) -> None:
    run(pool, encoder, tmp_path / "out")
    with pytest.raises(InputError, match=r"text_emb_0000\.npy was made with dtype = float16, not float32"):
        run(pool, encoder, tmp_path / "out", dtype="float32")
    run(pool, encoder, tmp_path / "wide", dtype="float32")
    assert np.load(tmp_path / "wide/text_emb/text_emb_0000.npy").dtype == np.float32


def test_a_file_that_breaks_off_leaves_no_part(pool: Path, encoder: str, tmp_path: Path) -> None:
    (pool / "4.json").write_text('[{"caption": "a red"}, {"capt')
    with pytest.raises(FormatError, match=r"4\.json at row"):
        run(pool, encoder, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("[!.]*0004*"))
    (pool / "4.json").unlink()
    assert run(pool, encoder, tmp_path / "out").already_done == 32


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"encoder": "pixels:2"}, "encodes images only"),
        ({"column": "words"}, "no column 'words' for --column"),
        ({"job_index": 2, "total_jobs": 2}, "jobs count from 0 to 1"),
        ({"metadata": ["none.parquet"]}, "There is no file"),
    ],
)
def test_what_cannot_be_is_said(pool: Path, encoder: str, tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        goldpan.embed_captions(**{"metadata": [pool], "encoder": encoder, "folder": tmp_path / "out"} | fields)


def test_real_captions_have_the_vectors_of_their_texts(shared: Path, tmp_path: Path) -> None:
    table = pq.read_table(shared / "data/captions/laion_10000.parquet", columns=["URL", "TEXT"]).slice(0, 300)
    pq.write_table(table, tmp_path / "captions.parquet")
    spec = f"onnx:{shared / 'models/dual-encoder'}"
    run(tmp_path / "captions.parquet", spec, tmp_path / "out", batch_size=64)
    vectors = np.load(tmp_path / "out/text_emb/text_emb_0000.npy").astype(np.float32)
    expected = load_encoder(spec).encode_text(table["TEXT"].to_pylist()[100:110])
    np.testing.assert_allclose(vectors[100:110], expected, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
