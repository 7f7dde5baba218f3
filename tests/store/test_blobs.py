"""Bytes behind a uri: files, slices of files, stored copies."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import ImageError, Reason
from goldpan.store.blobs import Blobs, blob_uri, row_uri, slice_uri


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs.lance"))


def test_a_copy_is_stored_once(blobs: Blobs) -> None:
    data = b"\x00gold"
    key = hashlib.sha256(data).hexdigest()
    blobs.put({key: data})
    blobs.put({key: data})
    assert blobs.table.count() == 1
    assert blobs.read(blob_uri(key)) == data


def test_small_and_large_copies_side_by_side(blobs: Blobs) -> None:
    copies = [bytes([number]) * size for number, size in enumerate([3, 2 << 20, 1 << 20, 5, 3 << 20])]
    stored = {hashlib.sha256(data).hexdigest(): data for data in copies}
    blobs.put(stored)
    assert {key: blobs.read(blob_uri(key)) for key in stored} == stored


def test_a_missing_blob_is_a_reason(blobs: Blobs) -> None:
    with pytest.raises(ImageError) as caught:
        blobs.read(blob_uri("0" * 64))
    assert caught.value.reason == Reason.MISSING_FILE


def test_a_plain_file_is_a_path(blobs: Blobs, tmp_path: Path) -> None:
    assert blobs.read(str(tmp_path / "a#b.jpg")) == tmp_path / "a#b.jpg"


def test_a_slice_is_read_and_a_short_file_noticed(blobs: Blobs, tmp_path: Path) -> None:
    shard = tmp_path / "a.tar"
    shard.write_bytes(b"0123456789")
    assert blobs.read(slice_uri(shard, 2, 3)) == b"234"
    with pytest.raises(ImageError, match="truncated"):
        blobs.read(slice_uri(shard, 8, 5))
    with pytest.raises(ImageError, match="missing_file"):
        blobs.read(slice_uri(tmp_path / "none.tar", 0, 1))


def test_a_row_of_a_parquet_file(blobs: Blobs, tmp_path: Path) -> None:
    path, keys = tmp_path / "00000.parquet", [f"{number:09d}" for number in range(250)]
    images = [None if number == 7 else number.to_bytes(2, "big") * 50 for number in range(250)]
    pq.write_table(pa.table({"key": keys, "jpg": pa.array(images, pa.binary())}), path, row_group_size=100)
    assert [blobs.read(row_uri(path, key)) for key in keys if key != keys[7]] == [image for image in images if image]
    for wrong in (row_uri(path, keys[7]), row_uri(path, "7"), row_uri(tmp_path / "1.parquet", keys[0])):
        with pytest.raises(ImageError, match="missing_file"):
            blobs.read(wrong)
    pq.write_table(pa.table({"key": keys[:1], "png": [b"other"]}), path)
    assert blobs.read(row_uri(path, keys[0])) == b"other", "a file that is written anew is read anew"
    pq.write_table(pa.table({"id": [1]}), path)
    with pytest.raises(ImageError, match="no column of images"):
        blobs.read(row_uri(path, keys[0]))
    path.write_bytes(b"PAR1")
    with pytest.raises(ImageError, match="unreadable_file"):
        blobs.read(row_uri(path, keys[0]))
