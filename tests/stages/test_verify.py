"""verify: finds every planted fault, and nothing in a sound release."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.formats.sums import write_sums
from goldpan.search.duplicates import hash_rows
from goldpan.store.workspace import Workspace


@pytest.fixture
def release(filled: Workspace, tmp_path: Path) -> Path:
    out = tmp_path / "release"
    goldpan.bench_make(filled, encoder="toy", output=out, queries=30, learn=20, k=10, group_by="parent_id")
    return out


def failed(release: Path) -> dict[str, str]:
    return {finding.check: finding.detail for finding in goldpan.verify(release) if finding.verdict == "failed"}


def rows_of(path: Path, dtype: str = "float32") -> np.ndarray:
    raw = np.fromfile(path, np.int32)
    return raw.reshape(-1, raw[0] + 1)[:, 1:].view(dtype).copy()


def write_rows(path: Path, rows: np.ndarray) -> None:
    heads = np.full((len(rows), 1), rows.shape[1], np.int32)
    np.hstack([heads, rows.view(np.int32)]).tofile(path)


def test_a_sound_release_passes(release: Path) -> None:
    findings = goldpan.verify(release)
    assert {finding.verdict for finding in findings} == {"ok"}
    checks = " ".join(finding.check for finding in findings)
    for word in ("files", "header", "values", "duplicates", "apart", "truth", "recomputed"):
        assert word in checks


def test_a_changed_file_is_named(release: Path) -> None:
    with (release / "base.fvecs").open("r+b") as file:
        file.seek(6)
        file.write(b"\x00")
    (release / "README.md").unlink()
    (release / "new.txt").write_text("x")
    details = [f"{finding.verdict} {finding.detail}" for finding in goldpan.verify(release) if finding.check == "files"]
    assert "failed changed: base.fvecs" in details
    assert "failed missing: README.md" in details
    assert "note not in SHA256SUMS: new.txt" in details


def swap_two_neighbors(release: Path) -> None:
    truth = rows_of(release / "gtruth.ivecs", "int32")
    truth[17, [3, 4]] = truth[17, [4, 3]]
    write_rows(release / "gtruth.ivecs", truth)


def miss_a_neighbor(release: Path) -> None:
    truth = rows_of(release / "learn_gtruth.ivecs", "int32")
    truth[5, 9] = next(i for i in range(200) if i not in truth[5])
    write_rows(release / "learn_gtruth.ivecs", truth)


def repeat_a_neighbor(release: Path) -> None:
    truth = rows_of(release / "gtruth.ivecs", "int32")
    truth[2, 1] = truth[2, 0]
    write_rows(release / "gtruth.ivecs", truth)


def count_from_one(release: Path) -> None:
    write_rows(release / "gtruth.ivecs", rows_of(release / "gtruth.ivecs", "int32") + 1)


def id_out_of_range(release: Path) -> None:
    truth = rows_of(release / "gtruth.ivecs", "int32")
    truth[0, 0] = 100_000
    write_rows(release / "gtruth.ivecs", truth)


def lose_a_row(release: Path) -> None:
    write_rows(release / "gtruth.ivecs", rows_of(release / "gtruth.ivecs", "int32")[:-1])


def query_in_base(release: Path) -> None:
    queries = rows_of(release / "queries.fvecs")
    queries[3] = rows_of(release / "base.fvecs")[42]
    write_rows(release / "queries.fvecs", queries)


def not_a_number(release: Path) -> None:
    base = rows_of(release / "base.fvecs")
    base[7, 2] = np.nan
    write_rows(release / "base.fvecs", base)


def not_unit(release: Path) -> None:
    base = rows_of(release / "base.fvecs")
    base[7] *= 1.5
    write_rows(release / "base.fvecs", base)


def cut_short(release: Path) -> None:
    path = release / "base.fvecs"
    path.write_bytes(path.read_bytes()[:-7])


def same_parent(release: Path) -> None:
    path = release / "metadata" / "queries.parquet"
    table = pq.read_table(path)
    other = pq.read_table(release / "metadata" / "base.parquet")["parent_id"][0].as_py()
    column = pa.array([other, *table["parent_id"].to_pylist()[1:]])
    pq.write_table(table.set_column(table.column_names.index("parent_id"), "parent_id", column), path)


def shorter_metadata(release: Path) -> None:
    path = release / "metadata" / "base.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)


@pytest.mark.parametrize(
    ("fault", "check", "detail"),
    [
        (swap_two_neighbors, "queries truth recomputed", "the first is query 17"),
        (miss_a_neighbor, "learn truth recomputed", "the first is query 5"),
        (repeat_a_neighbor, "queries truth", "an id twice, the first is row 2"),
        (count_from_one, "queries truth recomputed", "other neighbors"),
        (id_out_of_range, "queries truth", "ids outside"),
        (lose_a_row, "queries truth", "29 rows of truth for 30 vectors"),
        (query_in_base, "queries and base apart", "row 3 = row 42"),
        (not_a_number, "base values", "1 rows hold NaN"),
        (not_unit, "base values", "not of unit length"),
        (cut_short, "files", "base.fvecs"),
        (same_parent, "queries and base by parent_id", "1 values of parent_id are in both"),
        (shorter_metadata, "base header", "another number of rows"),
    ],
)
def test_a_planted_fault_is_found(release: Path, fault: Callable[[Path], None], check: str, detail: str) -> None:
    fault(release)
    write_sums(release)  # the sums fit again: only the content can tell
    assert detail in failed(release).get(check, "")


def test_ties_may_be_in_any_order(filled: Workspace, tmp_path: Path) -> None:
    from tests.stages.conftest import add_vectors

    ids, _ = filled.vectors("toy")
    add_vectors(filled, "ties", ids.tolist(), np.eye(16, dtype=np.float32)[np.arange(300) % 16], "cosine")
    goldpan.bench_make(filled, encoder="ties", output=tmp_path / "r", queries=10, k=10)
    truth = rows_of(tmp_path / "r" / "gtruth.ivecs", "int32")
    write_rows(tmp_path / "r" / "gtruth.ivecs", np.ascontiguousarray(truth[:, ::-1]))
    write_sums(tmp_path / "r")
    assert "queries truth recomputed" not in failed(tmp_path / "r")


def test_a_plain_folder_without_manifest_is_checked_too(release: Path) -> None:
    for name in ("release.json", "SHA256SUMS", "croissant.json", "README.md"):
        (release / name).unlink()
    assert {finding.verdict for finding in goldpan.verify(release, metric="ip")} == {"ok"}


def test_a_broken_manifest_is_one_sentence(release: Path) -> None:
    (release / "release.json").write_text(json.dumps({"title": "x"}))
    with pytest.raises(goldpan.InputError, match="not a release manifest: description: Field required") as caught:
        goldpan.verify(release)
    assert "\n" not in str(caught.value)


def test_without_a_metric_none_is_assumed(release: Path) -> None:
    for name in ("release.json", "benchmark.json", "SHA256SUMS"):
        (release / name).unlink(missing_ok=True)
    with pytest.raises(goldpan.InputError, match="add --metric ip, cosine"):
        goldpan.verify(release)


def test_a_missing_file_leaves_the_other_findings(release: Path) -> None:
    (release / "gtruth.ivecs").unlink()
    details = [finding.detail for finding in goldpan.verify(release) if finding.verdict == "failed"]
    assert "missing: gtruth.ivecs" in details
    assert len(details) > 1


@pytest.mark.parametrize("name", ["metadata/base.parquet", "base.fvecs"])
def test_a_named_file_outside_the_sums_is_found(release: Path, name: str) -> None:
    lines = (release / "SHA256SUMS").read_text().splitlines(keepends=True)
    (release / "SHA256SUMS").write_text("".join(line for line in lines if not line.endswith(f"  {name}\n")))
    assert f"{name}, which is not in SHA256SUMS" in failed(release)["files"]


def test_missing_metadata_is_found(release: Path) -> None:
    (release / "metadata" / "base.parquet").unlink()
    write_sums(release)
    assert "metadata/base.parquet, which is missing" in failed(release)["files"]


def test_two_metrics_in_one_release_are_found(release: Path) -> None:
    card = {"layout": "fvecs", "metric": "hamming", "files": {}}
    card["files"] = {"base": "base.fvecs", "queries": "queries.fvecs", "truth": "gtruth.ivecs"}
    (release / "benchmark.json").write_text(json.dumps(card))
    assert "benchmark.json says hamming" in failed(release)["metric"]


def test_what_is_no_release_is_an_input_error(tmp_path: Path, release: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(goldpan.InputError, match="no benchmark"):
            goldpan.verify(folder)
    with pytest.raises(goldpan.InputError, match="metric"):
        goldpan.verify(release, metric="manhattan")
    with pytest.raises(goldpan.InputError, match="sample"):
        goldpan.verify(release, sample=0)


def test_equal_rows_hash_alike_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    block = rng.standard_normal((50_000, 5)).astype(np.float32)
    assert len(np.unique(hash_rows(block))) == 50_000
    zeros = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]], np.float32)
    hashes = hash_rows(zeros)
    assert hashes[0] == hashes[1] != hashes[2]
    bits = rng.integers(0, 256, (1000, 7), np.uint8)
    assert len(np.unique(hash_rows(bits))) == len(np.unique(bits, axis=0))


@pytest.mark.parametrize("text", [b"no line of sha256sum\n", b"\xff\xfe\x00bin", b"0" * 64 + b"  ../outside\n"])
def test_sums_that_are_none_are_a_finding(release: Path, text: bytes) -> None:
    (release / "SHA256SUMS").write_bytes(text)
    found = failed(release)
    assert list(found) == ["files"]
    assert "SHA256SUMS" in found["files"]


@pytest.mark.parametrize("keep", [0, 100, -3])
def test_damaged_metadata_are_a_finding(release: Path, keep: int) -> None:
    path = release / "metadata" / "queries.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    (release / "SHA256SUMS").unlink()
    found = failed(release)
    assert list(found) == ["queries metadata"]
    assert "queries.parquet: no whole Parquet file" in found["queries metadata"]


@pytest.mark.parametrize("layout", ["fbin", "ann-benchmarks", "sisap", "npy", "parquet"])
def test_stored_distances_are_held_against_the_vectors(filled: Workspace, tmp_path: Path, layout: str) -> None:
    out = tmp_path / "release"
    goldpan.bench_make(filled, encoder="toy", output=out, queries=30, k=10, layout=layout, group_by="parent_id")
    findings = {finding.check: finding for finding in goldpan.verify(out)}
    assert findings["queries distances"].verdict == "ok"
    assert "those of 30 sampled queries agree with float64" in findings["queries distances"].detail
    (out / "SHA256SUMS").unlink()
    spoil_a_distance(out, layout)
    assert failed(out)["queries distances"].endswith("the first is query 4")


def spoil_a_distance(release: Path, layout: str) -> None:
    import h5py

    if layout == "fbin":
        with (release / "gtruth.ibin").open("r+b") as file:
            file.seek(8 + 4 * 300 + 4 * (4 * 10 + 3))
            file.write(np.float32(0.123).tobytes())
    elif layout in ("ann-benchmarks", "sisap"):
        key = "distances" if layout == "ann-benchmarks" else "dists"
        for path in release.glob("*.h*5"):
            with h5py.File(path, "r+") as file:
                if key in file:
                    file[key][4, 3] += 0.01
    elif layout == "npy":
        values = np.load(release / "gtruth_distances.npy")
        values[4, 3] += 0.01
        np.save(release / "gtruth_distances.npy", values)
    else:
        path = next(path for path in release.glob("*.parquet") if "distances" in pq.read_schema(path).names)
        table = pq.read_table(path)
        values = np.array(table["distances"].to_pylist())
        values[4, 3] += 0.01
        column = pa.array(values.tolist(), table.schema.field("distances").type)
        pq.write_table(table.set_column(table.column_names.index("distances"), "distances", column), path)
