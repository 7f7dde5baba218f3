"""Every command and every Python block of the docs runs, page by page, in a folder with the inputs the pages name."""

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldpan.core.remote import file_system
from tests.journeys.conftest import GOLDPAN

ROOT = Path(__file__).parents[2]
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if re.search("```(console|python)", path.read_text())]
PHOTOS = 100
TOML = {"bench_run.md": "experiment.toml", "retrieve.md": "classes.toml"}


@pytest.fixture
def place(tmp_path: Path, shared: Path) -> Path:
    """A folder with all the inputs that the pages name."""
    (tmp_path / "photos").mkdir()
    photos = sorted((shared / "data/imagenet1k").iterdir())[:PHOTOS]
    for photo in photos:
        shutil.copy(photo, tmp_path / "photos" / photo.name)
    shutil.copy(photos[0], tmp_path / "photo.jpg")
    (tmp_path / "dual-encoder").symlink_to(shared / "models/dual-encoder")
    captions = pq.read_table(shared / "data/captions/laion_10000.parquet", columns=["URL", "TEXT"])
    pq.write_table(captions.slice(0, 200), tmp_path / "captions.parquet")
    (tmp_path / "photos.csv").write_text(
        "id,path,kind\n" + "".join(f"c{i},photos/{photos[i].name},fish\n" for i in range(5))
    )
    # At an address from which nothing is fetched.
    urls = pa.table({"URL": [f"http://127.0.0.1/{i}.jpg" for i in range(3)], "TEXT": ["a fish"] * 3})
    pq.write_table(urls, tmp_path / "urls.parquet")
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "000.tar", "w") as tar:
        for photo in photos[:5]:
            tar.add(photo, arcname=f"w{photo.name}")
    (tmp_path / "images").mkdir()
    shutil.copy(photos[0], tmp_path / "images" / "000026e7ee790996.jpg")
    (tmp_path / "list.txt").write_text("train/000026e7ee790996\n")
    header = (
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    )
    (tmp_path / "boxes.csv").write_text(f"{header}\n000026e7ee790996,xclick,/m/0ch_cf,1,0.1,0.9,0.1,0.9,0,0,0,0,0\n")
    return tmp_path


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(console|python|toml)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_runs(page: Path, place: Path, request: pytest.FixtureRequest) -> None:
    if page.name == "stores.md":
        request.getfixturevalue("ceph")
        file_system("s3").mkdir("bucket")
    if page.name not in ("tutorial.md", "init.md", "run.md", "demo.md", "stores.md"):
        shell(place, f"goldpan init ws{'' if page.name == 'acquire.md' else ' && goldpan acquire folder ws photos'}")
        if page.name == "acquire.md":
            shell(place, "goldpan init ws2")
    if page.name in (
        "search.md",
        "serve.md",
        "bench.md",
        "bench_tune.md",
        "publish.md",
        "verify.md",
        "status.md",
        "log.md",
        "truth.md",
        "index.md",
        "engines.md",
        "convert.md",
        "project.md",
    ):
        for encoder in ("phash:8", "onnx:dual-encoder"):
            shell(place, f"goldpan embed ws --encoder {encoder}")
    if page.name in ("truth.md", "convert.md", "project.md", "index.md", "engines.md"):
        shell(place, "goldpan bench make ws --encoder onnx:dual-encoder --queries 10 --learn 10 --k 5 -o release")
        shell(place, "cp release/*vecs .")
    python = []
    for kind, text in blocks(page):
        if kind == "toml":
            (place / TOML.get(page.name, "recipe.toml")).write_text(text)
        elif kind == "python":
            python.append(text)
        else:
            for command in re.findall(r"^\$ (.+)$", text, re.MULTILINE):
                shell(place, command)
    if python:
        done = subprocess.run([sys.executable, "-c", "\n".join(python)], cwd=place, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def shell(folder: Path, command: str) -> None:
    words = " ".join(GOLDPAN)
    replaced = re.sub(r"(^|&& )goldpan ", rf"\1{words} ", command)
    done = subprocess.run(replaced, shell=True, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
