"""The real command line on workspaces in a bucket of a real S3 server."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.place import place
from goldpan.core.remote import file_system
from goldpan.stages.acquire.table import STAGE as acquire_table
from goldpan.stages.embed.run import STAGE as embed
from goldpan.store.workspace import Workspace
from tests.ceph import KEYS
from tests.fetch.serving import serve
from tests.hostile import Ask
from tests.journeys.conftest import Shell
from tests.ray_head import RayHead


@pytest.fixture
def photos(shared: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sorted((shared / "data/imagenet1k").iterdir())[:60]:
        shutil.copy(photo, folder)
    return folder


@pytest.mark.slow
def test_from_photos_to_a_release_in_a_bucket(goldpan: Shell, bucket: str, photos: Path) -> None:
    ws, release = f"{bucket}/ws", f"{bucket}/releases/gold"
    assert f"goldpan acquire folder {ws} FOLDER" in goldpan("init", ws).stderr
    assert goldpan.json("acquire", "folder", ws, photos, "--copy-bytes")["rows_out"] == 60
    assert goldpan.json("embed", ws, "--encoder", "phash:8")["rows_out"] == 60
    assert goldpan.json("embed", ws, "--encoder", "phash:8")["already_done"] == 60
    status = goldpan.json("status", ws)
    assert status["path"] == ws
    assert status["tables"]["vectors/phash_8"]["rows"] == status["tables"]["blobs"]["rows"] == 60
    first = min(photo.name for photo in photos.iterdir())
    assert goldpan.json("search", ws, "--id", first, "-k", 3)["results"][0]["id"] == first
    table = f"{ws}/vectors/phash_8.lance"
    assert goldpan.json("truth", table, "--hold-out", 5, "-k", 5, "-o", "truth.ivecs")["rows_out"] == 5
    made = goldpan.json("bench", "make", ws, "--encoder", "phash:8", "--queries", 10, "--k", 5, "-o", release)
    assert release in made["outputs"]
    assert goldpan.json("verify", release)["ok"]
    goldpan("publish", release, "--layout", "npy", "-o", f"{release}-npy")
    goldpan("convert", table, f"{bucket}/phash.bvecs")
    assert (place(bucket) / "phash.bvecs").stat().st_size == 60 * (4 + 8)
    assert [run["status"] for run in goldpan.json("log", ws)] == ["done"] * 4
    for text in ("secret", "AWS_"):
        assert text not in json.dumps([status, made, goldpan.json("log", ws)])


def test_images_stay_in_their_bucket(bucket: str, photos: Path, tmp_path: Path) -> None:
    names = sorted(photo.name for photo in photos.iterdir())[:10]
    for name in names:
        (place(bucket) / "photos" / name).upload(photos / name)
    addresses = [f"{bucket}/photos/{name}" for name in names] + [f"{bucket}/photos/none.jpg", "https://host/a.jpg"]
    (tmp_path / "list.csv").write_text("\n".join(["path", *addresses]))
    ws = Workspace(tmp_path / "ws", create=True)
    acquired = acquire_table(ws, table=tmp_path / "list.csv")
    assert (acquired.rows_out, acquired.failures) == (10, {"missing_file": 2})
    assert embed(ws, encoder="phash:8").rows_out == 10
    (place(bucket) / "photos" / names[0]).unlink()
    (place(bucket) / "photos" / names[1]).write_bytes(b"no image")
    assert embed(ws, encoder="phash:8", name="later").failures == {"missing_file": 1, "not_an_image": 1}


def test_parts_run_at_once(goldpan: Shell, bucket: str, photos: Path) -> None:
    ws = f"{bucket}/ws"
    goldpan("init", ws)
    goldpan("acquire", "folder", ws, photos)
    words = ("embed", ws, "--encoder", "phash:8", "--batch-size", 4)
    parts = [goldpan.start(*words, "--shard", f"{i}/2") for i in range(2)]
    assert [part.wait() for part in parts] == [0, 0]
    vectors = Workspace(ws).vectors("phash:8")
    assert sorted(vectors.ids) == sorted(photo.name for photo in photos.iterdir())


def test_what_goes_wrong_is_one_sentence(goldpan: Shell, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = f"{bucket}/ws"
    goldpan("init", ws)
    words = (("status", ws), ("acquire", "folder", ws, Path(__file__).parent), ("init", f"{ws}2"))
    may_read = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]}, "Action": ["s3:*"]}
    name = bucket.removeprefix("s3://")
    resources = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    policy = {"Version": "2012-10-17", "Statement": [may_read | {"Resource": resources}]}
    file_system("s3").call_s3("put_bucket_policy", Bucket=name, Policy=json.dumps(policy))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["reader"])
    goldpan(*words[0])
    for write in words[1:]:
        said = goldpan(*write, code=2).stderr
        assert said.count("\n") == 1
        assert "access is denied" in said
    assert "there is no such bucket" in goldpan("init", "s3://no-such-bucket/ws", code=2).stderr


@pytest.mark.slow
def test_embed_survives_kill_9(goldpan: Shell, bucket: str, shared: Path) -> None:
    encoder = f"onnx:{shared}/models/dual-encoder"
    for ws in ("calm", f"{bucket}/storm"):
        goldpan("init", ws)
        goldpan("acquire", "folder", ws, shared / "data/imagenet1k")
    goldpan("embed", "calm", "--encoder", encoder)
    rng = random.Random(4)
    killed = 0
    for _ in range(5):
        process = goldpan.start("embed", f"{bucket}/storm", "--encoder", encoder)
        time.sleep(rng.uniform(1.0, 9.0))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    goldpan("embed", f"{bucket}/storm", "--encoder", encoder)
    calm, storm = Workspace(goldpan.folder / "calm").vectors(encoder), Workspace(f"{bucket}/storm").vectors(encoder)
    np.testing.assert_array_equal(calm.ids, storm.ids)
    np.testing.assert_array_equal(calm.array, storm.array)


@pytest.mark.slow
def test_workers_of_a_cluster_open_the_same_bucket(
    goldpan: Shell, bucket: str, photos: Path, ray_head: RayHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [path.read_bytes() for path in sorted(photos.iterdir())]

    async def numbered(ask: Ask) -> None:
        await ask.reply(files[int(ask.path[1:3])] + ask.path.encode(), content_type="image/jpeg")

    for name, value in ray_head.environment.items():
        monkeypatch.setenv(name, value)
    tables = {}
    with serve(web=numbered) as server:
        (goldpan.folder / "list.txt").write_text("".join(f"{server.url('web')}{n:02}.jpg\n" for n in range(50)))
        reach = ("--allow-private", "--ports", server.port, "--per-host", 8)
        for path, spread in (f"{bucket}/ws", ("--executor", "ray", "--address", ray_head.address)), ("calm", ()):
            goldpan("init", path)
            goldpan("acquire", "folder", path, photos, "--copy-bytes", *spread)
            goldpan("acquire", "urls", path, "list.txt", *reach, *spread)
            assert goldpan.json("embed", path, "--encoder", "phash:8", "-b", 16, *spread)["rows_out"] == 110
            ws = Workspace(path if spread else goldpan.folder / path)
            columns = {"images": ["id", "uri", "width", "source"], "blobs": ["sha256"], "vectors/phash_8": None}
            read = {name: ws.tables()[name].to_table(columns=kept) for name, kept in columns.items()}
            tables[path] = {name: table.sort_by(table.column_names[0]) for name, table in read.items()}
    for name, table in tables[f"{bucket}/ws"].items():
        assert table.equals(tables["calm"][name]), name
    assert not list((place(bucket) / "ws" / ".staged").rglob("*"))
