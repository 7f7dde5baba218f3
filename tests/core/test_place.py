"""Paths of buckets: the pure part of any, and what is done with objects on a real S3 server."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.config import Config
from goldpan.core.errors import InputError, RemoteError
from goldpan.core.place import Place, RemotePath, is_url, on_disk, place


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://bucket/ws", RemotePath("s3://bucket/ws")),
        ("s3://bucket/ws/", RemotePath("s3://bucket/ws")),
        (Path("s3://bucket/ws"), RemotePath("s3://bucket/ws")),
        ("file:///data/a%20b", Path("/data/a b")),
        ("ws", Path("ws")),
        ("run:2/base", Path("run:2/base")),
        ("/data/a://b", Path("/data/a://b")),
    ],
)
def test_an_address_leads_to_a_place(address: str | Path, found: Path) -> None:
    assert place(address) == found
    assert type(place(address)) is type(found)


def test_a_path_in_a_bucket_keeps_both_slashes() -> None:
    path = place("s3://bucket/ws") / "vectors" / "phash_8.lance"
    assert str(path) == f"{path}" == "s3://bucket/ws/vectors/phash_8.lance"
    assert (path.name, path.stem, str(path.parent)) == ("phash_8.lance", "phash_8", "s3://bucket/ws/vectors")
    assert str(path.relative_to(place("s3://bucket/ws"))) == "vectors/phash_8.lance"
    assert pickle.loads(pickle.dumps(path)) == path == path.resolve() == path.absolute()
    assert is_url(str(path))
    assert not is_url("/data/s3://x")


@pytest.mark.parametrize("use", [open, np.load, lambda path: path.read_text() and path.open()], ids=lambda use: "use")
def test_what_opens_files_says_that_there_is_none(use: object, bucket: str) -> None:
    (place(bucket) / "a.npy").write_bytes(b"x")
    with pytest.raises(InputError, match="copy it here first"):
        use(place(bucket) / "a.npy")


def test_a_field_for_files_refuses_a_bucket() -> None:
    class Fields(Config):
        here: Path = Path()
        anywhere: Place = Path()

    assert str(Fields(anywhere="s3://bucket/x").anywhere) == "s3://bucket/x"
    assert Fields(anywhere=Path("s3://bucket/x")).model_dump(mode="json")["anywhere"] == "s3://bucket/x"
    with pytest.raises(InputError, match=r"here: s3://bucket/x is in a bucket"):
        Fields(here="s3://bucket/x")


def test_objects_are_written_listed_and_removed(bucket: str) -> None:
    root = place(bucket) / "ws"
    assert not root.exists()
    assert [*root.iterdir()] == [*root.rglob("*")] == []
    (root / "a.txt").write_bytes(b"one")
    (root / "deep" / "b.txt").write_bytes("zwölf".encode())
    assert (root / "deep" / "b.txt").read_text() == "zwölf"
    assert root.is_dir()
    assert not root.is_file()
    assert (root / "a.txt").is_file()
    assert (root / "a.txt").stat().st_size == 3
    assert (root / "a.txt").stat().st_mtime_ns > 0
    assert {path.name for path in root.iterdir()} == {"a.txt", "deep"}
    assert [str(path.relative_to(root)) for path in root.rglob("*")] == ["a.txt", "deep/b.txt"]
    (root / "a.txt").unlink()
    (root / "a.txt").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (root / "a.txt").read_bytes()


def test_an_object_is_created_once(bucket: str) -> None:
    path = place(bucket) / "once"
    assert path.create(b"first")
    assert not path.create(b"second")
    assert path.read_bytes() == b"first"


def test_files_and_folders_come_and_go(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 1000)
    (place(bucket) / "f" / "a").upload(tmp_path / "a")
    with on_disk(place(bucket) / "f") as folder:
        assert folder.name == "f"
        assert (folder / "a").read_bytes() == (tmp_path / "a").read_bytes()
    assert not folder.exists()
    with on_disk(tmp_path) as folder:
        assert folder == tmp_path


def test_a_scheme_that_nobody_knows() -> None:
    with pytest.raises(InputError, match="gold://"):
        (place("gold://a") / "b").read_bytes()


def test_a_client_that_is_not_installed_is_named() -> None:
    script = "import sys; sys.modules['s3fs'] = None; from goldpan.cli.main import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", script, "status", "s3://b/ws"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "goldpan: s3fs is not installed; type: pip install 'goldpan[s3]'\n")


def test_other_stores_of_fsspec() -> None:
    path = place("memory://place/a")
    assert path.create(b"1")
    assert not path.create(b"2")
    assert [*path.parent.iterdir()] == [path]
    assert path.read_bytes() == b"1"


def test_a_bucket_that_is_not_there(bucket: str) -> None:
    for ask in (lambda path: path.read_bytes(), lambda path: path.create(b""), lambda path: path.write_bytes(b"")):
        with pytest.raises(RemoteError, match=r"s3://no-such-bucket/x: there is no such bucket"):
            ask(place("s3://no-such-bucket/x"))
