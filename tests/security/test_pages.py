"""Pages from hostile data: names, labels and captions are text, never markup; a real browser runs nothing of them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

import goldpan
from goldpan.store.workspace import Workspace
from goldpan.web.gallery import write_gallery

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    Image.new("RGB", (40, 400), "navy").save(tmp_path / "p" / "a.png")
    Image.new("RGB", (400, 40), "red").save(tmp_path / "p" / "b.png")
    (tmp_path / "p" / "list.csv").write_text(
        'path,label,caption\na.png,"{0}","{0}"\nb.png,"{0}","{0}"\n'.format(HOSTILE.replace('"', '""'))
    )
    ws = Workspace(tmp_path / "ws", create=True)
    goldpan.acquire_table(ws, table=tmp_path / "p" / "list.csv", id_column="path", path_column="path")
    goldpan.embed(ws, encoder="pixels:2")
    answer = goldpan.search_images(ws, id="a.png", k=2)
    (tmp_path / "p" / "b.png").unlink()
    write_gallery(tmp_path / "page.html", ws, [answer], title=HOSTILE)
    return tmp_path / "page.html"


def test_values_are_escaped(page: Path) -> None:
    text = page.read_text()
    assert "<script" not in text
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;") >= 3


def test_a_browser_runs_nothing_and_shows_what_is_there(page: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-sync --no-first-run"
    command = [
        chromium,
        *flags.split(),
        "--disable-component-update",
        f"--user-data-dir={tmp_path}/chromium",
        "--dump-dom",
    ]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "<title>owned</title>" not in done.stdout
    assert "There is no file" in done.stdout  # the picture that is gone says so
    assert done.stdout.count("data:image/jpeg;base64,") == 1
