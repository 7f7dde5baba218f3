"""acquire table, webdataset and openimages."""

import io
import json
import os
import tarfile
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import goldpan
from goldpan.core.errors import FormatError, InputError
from goldpan.store.workspace import Workspace

HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl", ".lance"])
def test_a_table_lists_files_with_columns(ws: Workspace, photos: Path, suffix: str) -> None:
    table = pa.table(
        {
            "file_name": ["cat/0.png", "dog/1.png", "none.png", ""],
            "title": ["a cat, black", "a dog", "x", "y"],
            "license": ["CC0-1.0", None, None, None],
            "stars": [5, 4, 3, 2],
        }
    )
    path = photos / f"list{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".lance":
        lance.write_dataset(table, str(path))
    elif suffix == ".jsonl":
        table.to_pandas().to_json(path, orient="records", lines=True)
    else:
        table.to_pandas().to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)
    report = goldpan.acquire_table(ws, table=path, caption_column="title")
    rows = ws.images.to_table().to_pylist()
    assert [row["caption"] for row in rows] == ["a cat, black", "a dog"]
    assert rows[0]["license"] == "CC0-1.0"
    assert json.loads(rows[0]["extra"]) == {"stars": "5" if suffix in (".csv", ".tsv") else 5}
    assert report.failures == {"missing_file": 1, "bad_row": 1}


def test_a_column_that_is_not_there_names_those_that_are(ws: Workspace, photos: Path) -> None:
    (photos / "list.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="a, b"):
        goldpan.acquire_table(ws, table=photos / "list.csv")
    with pytest.raises(InputError, match="'title'"):
        goldpan.acquire_table(ws, table=photos / "list.csv", path_column="a", caption_column="title")
    with pytest.raises(InputError, match="name one of the lists"):
        goldpan.acquire_table(ws, table=photos)


def test_what_is_no_file_is_a_failure_and_is_not_waited_for(ws: Workspace, photos: Path) -> None:
    os.mkfifo(photos / "pipe")
    pq.write_table(
        pa.table({"path": ["pipe", "/dev/zero", "cat", "x" * 5000, "a\0b", "cat/0.png"]}), photos / "list.parquet"
    )
    report = goldpan.acquire_table(ws, table=photos / "list.parquet")
    assert (report.rows_in, report.rows_out, sum(report.failures.values())) == (6, 1, 5)


def test_ids_that_repeat_are_failures(ws: Workspace, photos: Path) -> None:
    (photos / "list.csv").write_text("id,path\nx,cat/0.png\nx,cat/1.png\nx,cat/2.png\n")
    for _ in range(2):
        report = goldpan.acquire_table(ws, table=photos / "list.csv", id_column="id")
        assert (report.rows_in, report.rows_out, report.failures) == (3, 1, {"duplicate_id": 2})
    assert ws.failures.count() == 2


def test_a_parquet_that_is_none(ws: Workspace, photos: Path) -> None:
    (photos / "list.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(FormatError, match=r"list\.parquet"):
        goldpan.acquire_table(ws, table=photos / "list.parquet")


def write_shard(path: Path, mode: str = "w") -> bytes:
    rng = np.random.default_rng(0)
    with tarfile.open(path, mode) as tar:
        for i in range(3):
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (20, 20, 3), np.uint8)).save(buffer, "PNG")
            parts = {"png": buffer.getvalue(), "txt": f"caption {i}".encode(), "json": b'{"license": "CC0", "n": 1}'}
            for suffix, data in parts.items():
                info = tarfile.TarInfo(f"part/{i:03}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz")])
def test_a_webdataset_shard(ws: Workspace, tmp_path: Path, name: str, mode: str) -> None:
    last = write_shard(tmp_path / name, mode)
    goldpan.acquire_webdataset(ws, shards=[tmp_path / name])
    rows = ws.images.to_table().to_pylist()
    assert [row["id"] for row in rows] == ["part/000", "part/001", "part/002"]
    assert [row["caption"] for row in rows] == ["caption 0", "caption 1", "caption 2"]
    assert rows[0]["license"] == "CC0"
    assert ws.blobs.read(rows[2]["uri"]) == last
    # An uncompressed shard is read in place; a compressed one cannot be, so its images are stored.
    assert ws.blobs.table.count() == (0 if mode == "w" else 3)
    assert goldpan.acquire_webdataset(ws, shards=[tmp_path]).already_done == 3


def test_a_shard_that_is_none(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    write_shard(tmp_path / "b.tar")
    for _ in range(2):
        report = goldpan.acquire_webdataset(ws, shards=[tmp_path])
        assert (report.rows_in, report.rows_out, report.failures) == (4, 3, {"truncated": 1})
    assert "not a readable tar" in ws.failures.to_table().to_pylist()[0]["detail"]
    with pytest.raises(InputError, match=r"No \.tar"):
        (tmp_path / "none").mkdir()
        goldpan.acquire_webdataset(ws, shards=[tmp_path / "none"])


@pytest.fixture
def openimages(tmp_path: Path) -> Path:
    root = tmp_path / "oi"
    (root / "images").mkdir(parents=True)
    for key, size in {"000026e7ee790996": (200, 100), "000062a39995e348": (64, 64), "0000unlisted": (50, 50)}.items():
        Image.new("RGB", size, "red").save(root / "images" / f"{key}.jpg")
    (root / "list.txt").write_text("train/000026e7ee790996\ntrain/000062a39995e348\ntrain/0000nofile\n")
    (root / "classes.csv").write_text("/m/07j7r,Tree\n/m/015p6,Bird\n")
    (root / "boxes.csv").write_text(
        "\n".join(
            [
                HEADER,
                "000026e7ee790996,freeform,/m/07j7r,1,0.071905,0.545346,0.206591,0.991306,0,1,1,0,0",
                "000026e7ee790996,freeform,/m/015p6,1,0.0,0.079,0.0,1.0,0,0,0,0,0",
                "000026e7ee790996,freeform,/m/015p6,0.5,0.0,1.0,0.0,1.0,0,0,0,0,0",
                "000062a39995e348,freeform,/m/015p6,1,0.25,0.5,0.25,1.0,0,0,0,1,0",
                "000062a39995e348,freeform,/m/015p6,1,0.5,0.25,0.25,1.0,0,0,0,0,0",
                "0000unlisted,freeform,/m/015p6,1,0,1,0,1,0,0,0,0,0",
                "0000nofile,freeform,/m/015p6,1,0,1,0,1,0,0,0,0,0",
            ]
        )
    )
    return root


def test_open_images_boxes_become_crops(ws: Workspace, openimages: Path) -> None:
    report = goldpan.acquire_openimages(
        ws,
        boxes=openimages / "boxes.csv",
        images=openimages / "images",
        image_list=openimages / "list.txt",
        class_descriptions=openimages / "classes.csv",
    )
    rows = ws.images.to_table().to_pylist()
    assert [row["id"] for row in rows] == ["000026e7ee790996_0", "000062a39995e348_0"]
    # Truncated pixel sides, as the original cuts: int(200 * 0.071905) = 14, int(100 * 0.991306) = 99 ...
    assert rows[0]["box"] == [14, 20, 109, 99]
    assert (rows[0]["width"], rows[0]["height"]) == (95, 79)
    assert (rows[0]["label"], rows[0]["parent_id"]) == ("Tree", "000026e7ee790996")
    extra = json.loads(rows[0]["extra"])
    assert (extra["LabelName"], extra["IsGroupOf"], extra["IsTruncated"]) == ("/m/07j7r", 1, 1)
    assert rows[1]["box"] == [16, 16, 32, 64]  # 16 pixels wide: just large enough
    assert report.failures == {"box_too_small": 1, "filtered": 1, "bad_box": 1, "image_not_found": 1}
    assert (report.rows_in, report.rows_out, report.mishaps) == (6, 2, 2)
    assert report.details["images_listed"] == 3


def test_open_images_flags_filter_when_asked(ws: Workspace, openimages: Path) -> None:
    goldpan.acquire_openimages(
        ws, boxes=openimages / "boxes.csv", images=openimages / "images", exclude=["IsGroupOf", "IsDepiction"]
    )
    assert ws.images.to_table()["id"].to_pylist() == ["0000unlisted_0"]
    reasons = {row["id"]: row["detail"] for row in ws.failures.to_table("reason = 'filtered'").to_pylist()}
    assert reasons["000026e7ee790996_0"] == "IsGroupOf is set"
    with pytest.raises(InputError, match="IsFunny"):
        goldpan.acquire_openimages(
            ws, boxes=openimages / "boxes.csv", images=openimages / "images", exclude=["IsFunny"]
        )


def test_a_box_file_without_the_columns(ws: Workspace, openimages: Path) -> None:
    (openimages / "boxes.csv").write_text("ImageID,LabelName\na,b\n")
    with pytest.raises(InputError, match="lacks the columns XMin"):
        goldpan.acquire_openimages(ws, boxes=openimages / "boxes.csv", images=openimages / "images")


def test_an_image_id_cannot_lead_out_of_the_folder(ws: Workspace, openimages: Path) -> None:
    Image.new("RGB", (50, 50)).save(openimages / "secret.jpg")
    (openimages / "boxes.csv").write_text(f"{HEADER}\n../secret,x,/m/1,1,0,1,0,1,0,0,0,0,0\n")
    report = goldpan.acquire_openimages(ws, boxes=openimages / "boxes.csv", images=openimages / "images")
    assert report.failures == {"image_not_found": 1}


def test_a_broken_photo_with_a_bad_box_counts_each_box_once(ws: Workspace, openimages: Path) -> None:
    (openimages / "images" / "bad.jpg").write_bytes(b"no image")
    (openimages / "boxes.csv").write_text(f"{HEADER}\nbad,x,/m/1,1,0,1,0,1,0,0,0,0,0\nbad,x,/m/1,1,,1,0,1,0,0,0,0,0\n")
    for _ in range(2):
        report = goldpan.acquire_openimages(ws, boxes=openimages / "boxes.csv", images=openimages / "images")
        assert (report.rows_in, report.rows_out, report.failed) == (2, 0, 2)


def test_csv_texts_stay_texts(ws: Workspace, photos: Path) -> None:
    lines = ["path,label", "cat/0.png,01", *(f"gone{i}.png,7" for i in range(2000)), "cat/1.png,dog"]
    (photos / "list.CSV").write_text("\n".join(lines))
    goldpan.acquire_table(ws, table=photos / "list.CSV")
    assert ws.images.to_table()["label"].to_pylist() == ["01", "dog"]


def test_names_that_are_no_text_are_rows(ws: Workspace, photos: Path) -> None:
    import os

    (photos / os.fsdecode(b"bad\xff.png")).write_bytes((photos / "cat" / "0.png").read_bytes())
    report = goldpan.acquire_folder(ws, folder=photos)
    assert (report.rows_out, report.failures) == (12, {"bad_row": 1})
