"""acquire folder: labels, splits, failures, resume."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import InputError
from goldpan.store.workspace import Workspace


def test_class_folders_become_labels(ws: Workspace, photos: Path) -> None:
    report = goldpan.acquire_folder(ws, folder=photos)
    rows = ws.images.to_table().to_pylist()
    assert [row["id"] for row in rows][:2] == ["cat/0.png", "cat/1.png"]
    assert [row["label"] for row in rows] == ["cat"] * 4 + ["dog"] * 4 + ["eel"] * 4
    assert (rows[1]["width"], rows[1]["height"], rows[1]["format"]) == (32, 25, "PNG")
    assert len(rows[0]["sha256"]) == 64
    assert (report.rows_in, report.rows_out, report.failed) == (12, 12, 0)


def test_split_folders_become_splits(ws: Workspace, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    shutil.move(photos, tmp_path / "tree" / "train")
    goldpan.acquire_folder(ws, folder=tmp_path / "tree")
    row = ws.images.to_table(limit=1).to_pylist()[0]
    assert (row["split"], row["label"]) == ("train", "cat")


def test_a_pattern_takes_columns_from_names(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "p" / "n01440764_great_white.shark.jpg")
    goldpan.acquire_folder(ws, folder=tmp_path / "p", label_pattern=r"(?P<wnid>n\d{8})_(?P<label>.+)")
    row = ws.images.to_table().to_pylist()[0]
    assert row["label"] == "great_white.shark"
    assert row["extra"] == '{"wnid": "n01440764"}'


@pytest.mark.parametrize("pattern", ["(", "no groups"])
def test_a_bad_pattern_is_one_sentence(ws: Workspace, photos: Path, pattern: str) -> None:
    with pytest.raises(InputError, match="label pattern"):
        goldpan.acquire_folder(ws, folder=photos, label_pattern=pattern)


def test_a_bad_file_is_a_row_and_never_a_stop(ws: Workspace, photos: Path) -> None:
    (photos / "cat" / "broken.jpg").write_bytes(b"PK\x03\x04 a zip in disguise")
    (photos / "dog" / "empty.png").touch()
    whole = (photos / "dog" / "0.png").read_bytes()
    (photos / "eel" / "short.png").write_bytes(whole[: len(whole) // 2])
    report = goldpan.acquire_folder(ws, folder=photos)
    assert (report.rows_in, report.rows_out, report.failed) == (15, 12, 3)
    failures = {row["id"]: row["reason"] for row in ws.failures.to_table().to_pylist()}
    assert failures == {
        "cat/broken.jpg": "not_an_image",
        "dog/empty.png": "empty_file",
        "eel/short.png": "truncated",
    }


def test_the_same_command_again_does_nothing(ws: Workspace, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"nothing")
    first = goldpan.acquire_folder(ws, folder=photos)
    version = ws.images.version
    again = goldpan.acquire_folder(ws, folder=photos)
    assert ws.images.version == version
    assert again.already_done == 12
    assert (again.rows_in, again.rows_out, again.failures) == (first.rows_in, first.rows_out, first.failures)


def test_new_files_are_added(ws: Workspace, photos: Path) -> None:
    goldpan.acquire_folder(ws, folder=photos)
    Image.new("RGB", (20, 20)).save(photos / "cat" / "new.png")
    assert goldpan.acquire_folder(ws, folder=photos).rows_out == 13
    assert ws.images.count() == 13


def test_a_mended_file_comes_in_on_retry(ws: Workspace, photos: Path) -> None:
    bad = photos / "cat" / "bad.png"
    bad.write_bytes(b"nothing")
    goldpan.acquire_folder(ws, folder=photos)
    Image.new("RGB", (20, 20)).save(bad)
    assert goldpan.acquire_folder(ws, folder=photos).failed == 1
    assert goldpan.acquire_folder(ws, folder=photos, retry_failures=True).failed == 0
    assert ws.failures.count() == 0


def test_one_reason_is_retried_and_the_others_are_left(ws: Workspace, photos: Path) -> None:
    (photos / "a.png").write_bytes(b"nothing")
    (photos / "b.png").touch()
    goldpan.acquire_folder(ws, folder=photos)
    Image.new("RGB", (20, 20)).save(photos / "a.png")
    for _ in range(2):
        report = goldpan.acquire_folder(ws, folder=photos, retry=["not_an_image", "truncated"])
        assert (report.rows_in, report.rows_out, report.failures) == (14, 13, {"empty_file": 1})
    goldpan.acquire_folder(ws, folder=photos, retry=["all"])
    assert ws.failures.to_table(columns=["id", "attempts"]).to_pylist() == [{"id": "b.png", "attempts": 2}]
    with pytest.raises(InputError, match="Did you mean 'truncated'"):
        goldpan.acquire_folder(ws, folder=photos, retry=["truncate"])


def test_two_sources_with_the_same_names(ws: Workspace, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    goldpan.acquire_folder(ws, folder=photos)
    clash = goldpan.acquire_folder(ws, folder=other)
    assert clash.failures == {"duplicate_id": 12}
    assert goldpan.acquire_folder(ws, folder=other).failures == {"duplicate_id": 12}
    assert ws.failures.count() == 12
    assert goldpan.acquire_folder(ws, folder=other, id_prefix="b/").rows_out == 12
    assert ws.images.count() == 24


def test_copies_survive_the_folder(ws: Workspace, photos: Path) -> None:
    original = (photos / "cat" / "0.png").read_bytes()
    goldpan.acquire_folder(ws, folder=photos, copy_bytes=True)
    shutil.rmtree(photos)
    row = ws.images.to_table("id = 'cat/0.png'").to_pylist()[0]
    assert ws.blobs.read(row["uri"]) == original


def test_the_pixel_cap_is_the_users(ws: Workspace, photos: Path) -> None:
    report = goldpan.acquire_folder(ws, folder=photos, max_pixels=32 * 25)
    assert report.failures == {"too_many_pixels": 6}


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_nothing_there_is_one_sentence(ws: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=name):
        goldpan.acquire_folder(ws, folder=tmp_path / name)


def test_hidden_and_other_files_are_passed_over(ws: Workspace, photos: Path) -> None:
    (photos / ".hidden.png").write_bytes(b"x")
    (photos / "notes.txt").write_text("x")
    (photos / ".git").mkdir()
    Image.new("RGB", (20, 20)).save(photos / ".git" / "a.png")
    assert goldpan.acquire_folder(ws, folder=photos).rows_in == 12


def test_runs_are_recorded(ws: Workspace, photos: Path) -> None:
    goldpan.acquire_folder(ws, folder=photos)
    with pytest.raises(InputError):
        goldpan.acquire_folder(ws, folder=photos / "none")
    done, failed = ws.runs.all()
    assert (done.stage, done.status, done.rows_out) == ("acquire folder", "done", 12)
    assert done.outputs["images"] == 1
    assert failed.status == "failed"
    assert "none" in failed.detail


def test_oriented_sizes_are_recorded(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / "p" / "turned.jpg", exif=exif)
    goldpan.acquire_folder(ws, folder=tmp_path / "p")
    row = ws.images.to_table().to_pylist()[0]
    assert (row["width"], row["height"]) == (20, 40)


def test_names_that_do_not_fit_the_pattern_are_counted(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a_1", "b_2", "odd"):
        Image.new("RGB", (20, 20)).save(tmp_path / "p" / f"{name}.png")
    report = goldpan.acquire_folder(ws, folder=tmp_path / "p", label_pattern=r"(?P<label>\w)_(?P<n>\d)")
    assert report.outputs["note"] == "1 of 3 names do not fit the label pattern"
