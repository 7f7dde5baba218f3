"""Files of the hub, which a program of its own is asked for, and of whatever fsspec opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from goldpan.core.errors import InputError
from goldpan.stages.acquire.bulk.files import acquire_files
from tests.stages.bulk.helpers import names, npy, parquet
from tests.stages.bulk.hub import hub

FILES = {
    "data/metadata_0.parquet": parquet(9),
    "data/metadata_1.parquet": parquet(5, 1),
    "data/deep/metadata_2.parquet": parquet(5, 2),
    "img_emb/img_emb_0.npy": npy(9),
    "config.json": b"{}",
}


def goldpan(endpoint: str, home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "goldpan", "acquire", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_files_of_the_hub_by_a_glob(tmp_path: Path) -> None:
    with hub("owner/name", FILES) as (endpoint, asked):
        words = ("files", "hf://datasets/owner/name/data/*.parquet", "-o", tmp_path / "o", "--json", "-q")
        done = goldpan(endpoint, tmp_path, *words)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert (report["rows_in"], report["failed"]) == (2, 0)
        assert {f"data/{name}": (tmp_path / "o" / name).read_bytes() for name in names(tmp_path / "o")} == {
            name: FILES[name] for name in ("data/metadata_0.parquet", "data/metadata_1.parquet")
        }
        assert {path.name for path in (tmp_path / "o").iterdir() if path.is_dir()} == set()
        asked.clear()
        assert json.loads(goldpan(endpoint, tmp_path, *words).stdout)["already_done"] == 2
        assert not [path for path in asked if "/resolve/" in path]


def test_one_file_of_the_hub_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    files = dict(FILES)
    with hub("owner/name", files) as (endpoint, _):
        words = ("laion", "--img-emb", "hf://datasets/owner/name@main/img_emb/img_emb_{0..0}.npy", "-o", tmp_path / "o")
        assert "9 x 8 float16" in goldpan(endpoint, tmp_path, *words).stderr
        done = goldpan(endpoint, tmp_path, "files", "hf://datasets/owner/name/c{onfig,}.json", "-o", tmp_path / "o")
        assert done.returncode == 3
        assert "2 in, 1 out, 1 failed" in done.stderr and "1 not_found" in done.stderr
        for url, said in (
            ("hf://datasets/owner/name/none/*.npy", "names no file of the data set"),
            ("hf://datasets/owner/nobody/a.npy", "cannot be had from the hub (RepositoryNotFoundError"),
            ("hf://owner/name/a.npy", "it looks like hf://datasets/OWNER/NAME/PATH"),
        ):
            done = goldpan(endpoint, tmp_path, "files", url, "-o", tmp_path / "o")
            assert (done.returncode, said in done.stderr) == (2, True), done.stderr
            assert done.stderr.count("\n") == 1, done.stderr


def test_no_hub_is_one_sentence(tmp_path: Path) -> None:
    done = goldpan("http://127.0.0.1:9", tmp_path, "files", "hf://datasets/owner/name/*.npy", "-o", tmp_path / "o")
    assert done.returncode == 2
    assert done.stderr.startswith("goldpan: hf://datasets/owner/name/*.npy cannot be had from the hub (ConnectError")
    assert done.stderr.count("\n") == 1


def test_files_of_another_disk(tmp_path: Path) -> None:
    for name, data in FILES.items():
        (tmp_path / "mirror" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / name).write_bytes(data)
    mirror = f"file://{tmp_path}/mirror"
    report = acquire_files(urls=[f"{mirror}/data/*.parquet", f"{mirror}/config.json"], output=tmp_path / "o")
    assert names(tmp_path / "o") == {"metadata_0.parquet", "metadata_1.parquet", "config.json"}
    assert report.details["bytes"] == sum(len(FILES[f"data/metadata_{n}.parquet"]) for n in (0, 1)) + 2
    with pytest.raises(InputError, match="names no file; look at what is there"):
        acquire_files(urls=[f"{mirror}/*.npy"], output=tmp_path / "o")


@pytest.mark.parametrize("changed", [False, True])
def test_a_part_of_another_disk_is_gone_on_from_unless_the_file_changed(tmp_path: Path, changed: bool) -> None:
    from goldpan.stages.acquire.bulk.bucket import download_bucket

    (tmp_path / "a.bin").write_bytes(bytes(100) + b"x" * 100)

    def stop(_: int) -> None:
        raise InputError("The run was stopped.")

    with pytest.raises(InputError, match="stopped"):
        download_bucket(f"file://{tmp_path}/a.bin", tmp_path / "o.bin", stop)
    (part,) = tmp_path.glob("o.bin.*.part")
    part.write_bytes(b"y" * 100)
    if changed:
        (tmp_path / "a.bin").write_bytes(b"z" * 300)
    counted: list[int] = []
    download_bucket(f"file://{tmp_path}/a.bin", tmp_path / "o.bin", counted.append)
    assert (tmp_path / "o.bin").read_bytes() == (b"z" * 300 if changed else b"y" * 100 + b"x" * 100)
    assert counted == ([0, 300] if changed else [100, 100])
    assert not list(tmp_path.glob("*.part"))


def test_files_of_a_bucket(tmp_path: Path, bucket: str) -> None:
    import s3fs

    files = s3fs.S3FileSystem(skip_instance_cache=True)
    for name, data in FILES.items():
        files.pipe(f"{bucket}/laion/{name}", data)
    report = acquire_files(urls=[f"{bucket}/laion/data/*.parquet", f"{bucket}/laion/config.json"], output=tmp_path)
    assert report.failures == {}
    assert (tmp_path / "metadata_1.parquet").read_bytes() == FILES["data/metadata_1.parquet"]
    report = acquire_files(urls=[f"{bucket}/laion/{{none,config}}.json"], output=tmp_path)
    assert (report.rows_out, report.failures) == (1, {"not_found": 1})
    with pytest.raises(InputError, match="names no file; look at what is there"):
        acquire_files(urls=[f"{bucket}/laion/*.npy"], output=tmp_path)
