"""Bytes behind a uri: files, slices of files, stored copies."""

import hashlib
from pathlib import Path

import pytest

from goldpan.core.errors import ImageError, Reason
from goldpan.store.blobs import Blobs, blob_uri, slice_uri


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
