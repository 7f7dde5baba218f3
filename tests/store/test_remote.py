"""Workspaces in a bucket, on a real S3 server: tables, rights, images, journal, and what can go wrong."""

import hashlib
import http.server
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.ceph import Ceph

from goldpan.core import leases, remote
from goldpan.core.errors import ImageError, InputError, Reason, RemoteError, StageError, WorkspaceError
from goldpan.core.place import place
from goldpan.store.blobs import Blobs, blob_uri
from goldpan.store.overview import overview
from goldpan.store.schemas import vectors_schema
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace

SCHEMA = pa.schema([("id", pa.string()), ("size", pa.int64())])


@pytest.fixture
def ws(bucket: str) -> Workspace:
    return Workspace(f"{bucket}/deep/ws", create=True)


def rows(start: int, stop: int) -> pa.Table:
    return pa.table({"id": [f"k{i}" for i in range(start, stop)], "size": list(range(start, stop))}, schema=SCHEMA)


def test_a_workspace_is_made_once_and_opened_again(ws: Workspace) -> None:
    assert str(ws.path).startswith("s3://")
    ws.images.append_rows([{"id": "a"}])
    again = Workspace(str(ws.path), create=True)
    assert again.images.count() == 1
    assert Workspace(Path(str(ws.path))).images.count() == 1  # a slash is lost, and found again
    assert overview(again)["tables"]["images"] == {"rows": 1, "version": 1}


def test_a_prefix_with_other_things_is_not_made_a_workspace(bucket: str) -> None:
    (place(bucket) / "photos" / "a.jpg").write_bytes(b"x")
    with pytest.raises(WorkspaceError, match="is not a goldpan workspace"):
        Workspace(f"{bucket}/photos", create=True)
    with pytest.raises(WorkspaceError, match=f"goldpan init {bucket}/photos"):
        Workspace(f"{bucket}/photos")


def test_tables_are_as_on_disk(ws: Workspace) -> None:
    table = Table(f"{ws.path}/things.lance", SCHEMA, "things")
    assert (table.exists, table.version, table.count(), table.to_table().num_rows) == (False, 0, 0, 0)
    for start in range(0, 70, 2):
        table.append(rows(start, start + 2))
    table.delete("size = 3")
    table.compact()
    expected = [size for size in range(70) if size != 3]
    assert table.to_table()["size"].to_pylist() == expected
    assert [batch.num_rows for batch in table.scan(["size"], "size >= 10", 16)] == [16, 16, 16, 12]
    with pytest.raises(InputError, match=r"Cannot read things with the predicate 'colour = 1'.*id, size"):
        table.to_table("colour = 1")


def test_vectors_are_found_by_name(ws: Workspace) -> None:
    assert ws.vector_names() == []
    schema = vectors_schema(4, "float32", {"encoder": "toy"})
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8, dtype=np.float32)), 4)
    ws.vectors_table("toy").append(pa.table([["a", "b"], vectors], schema=schema))
    assert ws.vector_names() == ["toy"]
    assert ws.vectors("toy").array.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


WRITER = """
import sys
import pyarrow as pa
from goldpan.store.tables import Table
uri, name = sys.argv[1:]
table = Table(uri, pa.schema([("id", pa.string()), ("size", pa.int64())]), "things")
for i in range(5):
    table.append_rows([{"id": f"{name}-{i}", "size": i}])
"""


def test_processes_that_create_and_append_at_once_lose_nothing(ws: Workspace) -> None:
    uri = f"{ws.path}/things.lance"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, uri, str(i)]) for i in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = Table(uri, SCHEMA, "things").to_table()["id"].to_pylist()
    assert sorted(found) == sorted(f"{name}-{i}" for name in range(3) for i in range(5))


def test_one_run_writes_at_a_time(ws: Workspace) -> None:
    with ws.writing("vectors/toy"):
        with ws.writing("vectors/other"):
            ws.images.append_rows([{"id": "a"}])
        again = Workspace(str(ws.path))
        with pytest.raises(WorkspaceError, match="Another run is writing vectors/toy"), again.writing("vectors/toy"):
            pass


def test_who_lost_the_right_writes_nothing(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with ws.writing("vectors/toy"):
        ws.images.append_rows([{"id": "a"}])
        monkeypatch.setattr(leases, "_SURE_S", -1.0)
        for write in (lambda: ws.images.append_rows([{"id": "b"}]), lambda: ws.images.delete("id = 'a'")):
            with pytest.raises(StageError, match="The right to write was lost"):
                write()
    assert ws.images.to_table(columns=["id"])["id"].to_pylist() == ["a"]


def test_blobs_are_read_without_a_search_each(ws: Workspace, ceph: Ceph) -> None:
    contents = {hashlib.sha256(data).hexdigest(): data for data in (bytes([i]) * 1000 for i in range(50))}
    ws.blobs.put(contents)
    ws.blobs.put(contents)
    assert ws.blobs.table.count() == 50
    before = ceph.requests()
    assert {key: ws.blobs.read(blob_uri(key)) for key in contents} == contents
    assert ceph.requests() - before < 60
    late = hashlib.sha256(b"late").hexdigest()
    Workspace(str(ws.path)).blobs.put({late: b"late"})
    assert ws.blobs.read(blob_uri(late)) == b"late"
    for wrong in ("0" * 64, "none"):
        with pytest.raises(ImageError, match="missing_file"):
            ws.blobs.read(blob_uri(wrong))


def test_images_are_read_where_they_are(bucket: str, tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "blobs.lance"))
    (place(bucket) / "photo 100%.jpg").write_bytes(b"0123456789")
    (place(bucket) / "empty.jpg").write_bytes(b"")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(__file__, "test.py")
    with tarfile.open(tmp_path / "a.tar") as tar:
        member = tar.getmembers()[0]
    (place(bucket) / "a.tar").upload(tmp_path / "a.tar")
    assert blobs.read(f"{bucket}/photo 100%.jpg") == b"0123456789"
    assert blobs.read(f"{bucket}/a.tar#{member.offset_data}+{member.size}") == Path(__file__).read_bytes()
    for uri, reason in {
        f"{bucket}/none.jpg": Reason.MISSING_FILE,
        f"{bucket}/empty.jpg": Reason.EMPTY_FILE,
        f"{bucket}/photo 100%.jpg#8+5": Reason.TRUNCATED,
        "s3://no-such-bucket/a.jpg": Reason.NOT_FOUND,
        "gold://a/b.jpg": Reason.SCHEME_NOT_ALLOWED,
        "local:///etc/hostname": Reason.SCHEME_NOT_ALLOWED,
    }.items():
        with pytest.raises(ImageError) as caught:
            blobs.read(uri)
        assert caught.value.reason is reason, uri
    with pytest.raises(ImageError, match="too_many_bytes"):
        blobs.read(f"{bucket}/photo 100%.jpg", max_bytes=9)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a.jpg").write_bytes(b"0123456789")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_images_are_read_from_the_web(web: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    blobs = Blobs(str(tmp_path / "blobs.lance"))
    assert blobs.read(f"{web}/a.jpg") == b"0123456789"
    with pytest.raises(ImageError, match="too_many_bytes"):
        blobs.read(f"{web}/a.jpg", max_bytes=9)
    with pytest.raises(ImageError, match="missing_file"):
        blobs.read(f"{web}/none.jpg")


def test_a_journal_needs_a_database_elsewhere(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=f"goldpan init {ws.path} --journal postgresql://HOST/DATABASE"):
        _ = ws.journal
    for url, problem in {
        "postgresql://pan:secret@localhost/pan": "must not hold a password",
        "nonsense": "no address of a database",
        f"sqlite:///{tmp_path}/none/journal.sqlite": "cannot be opened",
    }.items():
        with pytest.raises(InputError, match=problem) as caught:
            ws.keep_journal(url)
        assert "secret" not in str(caught.value)
    for _ in range(2):
        ws.keep_journal(f"sqlite:///{tmp_path}/journal.sqlite")
    journal = Workspace(str(ws.path)).journal
    journal.append("vote", "a", {})
    assert journal.count() == 1
    journal.close()
    with pytest.raises(WorkspaceError, match="decisions stay where they are"):
        ws.keep_journal(f"sqlite:///{tmp_path}/other.sqlite")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set variables of the environment, and have the clients of S3 look at them anew."""

    def forget() -> None:
        remote.file_system.cache_clear()
        remote._lance.cache_clear()

    def change(**variables: str | None) -> None:
        for name, value in variables.items():
            monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
        forget()

    yield change
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the server refuses the credentials; set AWS_ACCESS_KEY_ID"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "the server refuses the credentials; set AWS_ACCESS_KEY_ID"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "no credentials were found; set AWS"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "the server cannot be reached; look at the network"),
    ],
    ids=["secret", "key", "nothing", "server"],
)
def test_what_goes_wrong_is_one_sentence(
    variables: dict[str, str | None], sentence: str, ws: Workspace, fresh: Callable[..., None]
) -> None:
    ws.images.append_rows([{"id": "a"}])
    fresh(**variables)
    with pytest.raises(RemoteError, match=sentence):
        Workspace(str(ws.path))
    table = Table(f"{ws.path}/images.lance", SCHEMA, "images")
    with pytest.raises(RemoteError) as caught:
        table.count()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_credentials_of_a_file_are_used(ws: Workspace, ceph: Ceph, tmp_path: Path, fresh: Callable[..., None]) -> None:
    ws.images.append_rows([{"id": "a"}])
    keys = f"aws_access_key_id = pan\naws_secret_access_key = {ceph.environment()['AWS_SECRET_ACCESS_KEY']}\n"
    (tmp_path / "credentials").write_text(f"[gold]\n{keys}")
    (tmp_path / "config").write_text(f"[profile gold]\nregion = eu-west-1\nendpoint_url = {ceph.url}\n")
    gone = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"))
    files = {"AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_CONFIG_FILE": "config"}
    fresh(**gone, **{name: str(tmp_path / file) for name, file in files.items()}, AWS_PROFILE="gold")
    assert Workspace(str(ws.path)).images.count() == 1


def test_a_server_that_says_nothing_is_not_waited_for(
    ws: Workspace, fresh: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fresh(AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(remote, "TIMEOUT_S", 0.3)
        with pytest.raises(RemoteError, match="did not answer within"):
            Workspace(str(ws.path))
        with pytest.raises(RemoteError, match="did not answer within"):
            (ws.path / "x").create(b"y")


def test_where_tables_cannot_be(tmp_path: Path) -> None:
    for url in ("memory://ws", "ftp://host/ws", "https://host/ws"):
        with pytest.raises(InputError, match="Tables are kept in a folder, or at s3://"):
            Workspace(url, create=True)
    assert Workspace(f"file://{tmp_path}/ws", create=True).path == tmp_path / "ws"
