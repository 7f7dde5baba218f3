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
# What a page finds: inputs, or what the commands below made of them; else it is "acquired".
SCENES = {
    **dict.fromkeys(("acquire.md", "demo.md", "init.md", "run.md", "stores.md", "tutorial.md"), "inputs"),
    **dict.fromkeys(("bench.md", "bench_tune.md", "log.md", "publish.md"), "embedded"),
    **dict.fromkeys(("search.md", "serve.md", "status.md", "verify.md"), "embedded"),
    **dict.fromkeys(("convert.md", "engines.md", "index.md", "project.md", "truth.md"), "released"),
}
COMMANDS = {
    "acquired": ["goldpan init ws", "goldpan acquire folder ws photos"],
    "embedded": ["goldpan embed ws --encoder phash:8", "goldpan embed ws --encoder onnx:dual-encoder"],
    "released": [
        "goldpan bench make ws --encoder onnx:dual-encoder --queries 10 --learn 10 --k 5 -o release",
        "cp release/*vecs .",
    ],
}
# Their commands are those of other tests, too.
SLOW = {
    *("acquire", "bench_run", "bench_stream", "bench_tune", "convert", "demo", "index"),
    *("project", "retrieve", "sisap", "stores", "truth", "tutorial"),
}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """A folder with a folder for each scene; commands take seconds, so they run once for all pages."""
    folder = tmp_path_factory.mktemp("scenes")
    write_inputs(folder / "inputs", shared)
    before = "inputs"
    for scene, commands in COMMANDS.items():
        shutil.copytree(folder / before, folder / scene, symlinks=True)
        for command in commands:
            shell(folder / scene, command)
        before = scene
    return folder


def write_inputs(folder: Path, shared: Path) -> None:
    """Write all the inputs that the pages name."""
    (folder / "photos").mkdir(parents=True)
    photos = sorted((shared / "data/imagenet1k").iterdir())[:PHOTOS]
    for photo in photos:
        shutil.copy(photo, folder / "photos" / photo.name)
    shutil.copy(photos[0], folder / "photo.jpg")
    (folder / "dual-encoder").symlink_to(shared / "models/dual-encoder")
    captions = pq.read_table(shared / "data/captions/laion_10000.parquet", columns=["URL", "TEXT"])
    pq.write_table(captions.slice(0, 200), folder / "captions.parquet")
    (folder / "photos.csv").write_text(
        "id,path,kind\n" + "".join(f"c{i},photos/{photos[i].name},fish\n" for i in range(5))
    )
    # At an address from which nothing is fetched.
    urls = pa.table({"URL": [f"http://127.0.0.1/{i}.jpg" for i in range(3)], "TEXT": ["a fish"] * 3})
    pq.write_table(urls, folder / "urls.parquet")
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards" / "000.tar", "w") as tar:
        for photo in photos[:5]:
            tar.add(photo, arcname=f"w{photo.name}")
    (folder / "images").mkdir()
    shutil.copy(photos[0], folder / "images" / "000026e7ee790996.jpg")
    (folder / "list.txt").write_text("train/000026e7ee790996\n")
    header = (
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    )
    (folder / "boxes.csv").write_text(f"{header}\n000026e7ee790996,xclick,/m/0ch_cf,1,0.1,0.9,0.1,0.9,0,0,0,0,0\n")


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(console|python|toml)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.stem in SLOW else []) for page in PAGES],
)
def test_the_page_runs(page: Path, scenes: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    scene = scenes / SCENES.get(page.name, "acquired")
    place = shutil.copytree(scene, tmp_path, symlinks=True, dirs_exist_ok=True)
    if page.name == "stores.md":
        request.getfixturevalue("ceph")
        file_system("s3").mkdir("bucket")
    if page.name == "acquire.md":
        shell(place, "goldpan init ws && goldpan init ws2")
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
