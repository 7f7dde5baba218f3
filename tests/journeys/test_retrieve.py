"""The retrieval commands on real inputs, killed at any moment, from captions and photos to an ImageFolder."""

import json
import random
import signal
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from goldpan.store.workspace import Workspace
from tests.hostile import Ask, Case, HostileServer, no_robots
from tests.hostile_cases import numbered
from tests.journeys.conftest import Shell


def storm(goldpan: Shell, words: tuple[object, ...], rounds: int, longest_s: float, code: int = 0) -> Any:
    """Start a command and kill it, again and again; then let it end, and return its report."""
    rng = random.Random(7)
    killed = 0
    for _ in range(rounds):
        process = goldpan.start(*words)
        time.sleep(rng.uniform(0.5, longest_s))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    return goldpan.json(*words, code=code)


def files(folder: Path) -> dict[str, bytes]:
    """Return what a user sees of a folder."""
    hidden = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in hidden
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def chunk_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("chunk_*.json")) for row in json.loads(path.read_text())]


@pytest.fixture
def lines(goldpan: Shell, shared: Path) -> Path:
    """The 10,000 captions in 24 files of JSON Lines, so that looking through them takes a while."""
    rows = pq.read_table(shared / "data/captions/laion_10000.parquet", columns=["URL", "TEXT"]).to_pylist()
    folder = goldpan.folder / "lines"
    folder.mkdir()
    for number in range(24):
        text = "".join(json.dumps(row | {"file": number, "SAMPLE_ID": place}) + "\n" for place, row in enumerate(rows))
        (folder / f"{number:02d}.jsonl").write_text(text)
    return folder


@pytest.mark.slow
def test_substring_survives(goldpan: Shell, shared: Path, lines: Path) -> None:
    classes = shared / "data/templates/ImageNet.json"
    words = ("retrieve", "substring", "--metadata", lines, "--classes", classes, "-o")
    calm = goldpan.json(*words, "calm")
    assert (calm["rows_in"], calm["rows_out"], calm["failures"]) == (240_000, 240_000, {})
    end = storm(goldpan, (*words, "storm"), 4, 4.0)
    assert end["rows_in"] == 240_000
    assert files(goldpan.folder / "storm") == files(goldpan.folder / "calm")
    again = goldpan.json(*words, "storm")
    assert again["already_done"] == 240_000
    rows = chunk_rows(goldpan.folder / "calm")
    assert len(rows) == calm["rows"] > 24 * 1000
    assert rows[0].keys() == {"SAMPLE_ID", "URL", "TEXT", "QUERY", "file"}


@pytest.mark.slow
def test_embed_survives(goldpan: Shell, shared: Path) -> None:
    table = pq.read_table(shared / "data/captions/laion_10000.parquet", columns=["URL", "TEXT"])
    (goldpan.folder / "parts").mkdir()
    for number in range(8):
        pq.write_table(table.slice(number * 100, 100), goldpan.folder / "parts" / f"{number:02d}.parquet")
    words = ("retrieve", "embed", "--metadata", "parts", "--encoder", f"onnx:{shared / 'models/dual-encoder'}", "-o")
    goldpan(*words, "calm")
    end = storm(goldpan, (*words, "storm"), 4, 4.0)
    assert end["rows_out"] == 800
    calm, rough = files(goldpan.folder / "calm"), files(goldpan.folder / "storm")
    assert calm.keys() == rough.keys()
    assert all(calm[name] == rough[name] for name in calm if not name.startswith("stats/"))


def captions(shared: Path, many: int) -> list[dict[str, Any]]:
    """List photos; every second has its class for a caption, the others one of LAION's."""
    foreign = pq.read_table(shared / "data/captions/laion_10000.parquet", columns=["TEXT"])["TEXT"].to_pylist()
    listed = []
    for number, path in enumerate(sorted((shared / "data/imagenet1k").iterdir())[:many]):
        name = path.stem.partition("_")[2].replace("_", " ")
        caption = f"this {name} was seen on a walk" if number % 2 else foreign[number]
        listed.append({"id": path.stem, "path": str(path), "label": name, "caption": caption})
    return listed


def pool_of_photos(goldpan: Shell, shared: Path, many: int) -> None:
    """Make the workspace `ws` with vectors of photos and captions, and `classes.json`."""
    listed = captions(shared, many)
    (goldpan.folder / "photos.json").write_text(json.dumps(listed))
    (goldpan.folder / "classes.json").write_text(json.dumps(list(dict.fromkeys(row["label"] for row in listed))))
    goldpan("init", "ws")
    goldpan("acquire", "table", "ws", "photos.json", "--id-column", "id")
    for more in ((), ("--column", "caption")):
        goldpan("embed", "ws", "--encoder", f"onnx:{shared / 'models/dual-encoder'}", *more)


def share_found(folder: Path, first: int = 5) -> float:
    """Return for which share of the classes a photo of the class is among the first rows."""
    by_class = defaultdict(list)
    for row in chunk_rows(folder):
        by_class[row["QUERY"]].append(row["label"])
    return float(np.mean([name in labels[:first] for name, labels in by_class.items()]))


@pytest.mark.slow
def test_semantic_survives(goldpan: Shell, shared: Path) -> None:
    pool_of_photos(goldpan, shared, 60)
    words = ("retrieve", "semantic", "--pool", "ws", "--classes", "classes.json", "--batch-classes", "1")
    words = (*words, "--results-per-query", "10", "-o")
    goldpan(*words, "calm")
    end = storm(goldpan, (*words, "storm"), 4, 3.0)
    assert end["rows_out"] == 60
    assert files(goldpan.folder / "storm") == files(goldpan.folder / "calm")
    assert goldpan.json(*words, "storm")["already_done"] == 60
    assert share_found(goldpan.folder / "calm") > 0.8
    assert chunk_rows(goldpan.folder / "calm")[0].keys() >= {"similarity_image", "similarity_text", "score", "row"}


@pytest.mark.slow
def test_photos_are_found_by_the_names_of_their_classes(goldpan: Shell, shared: Path) -> None:
    """1,000 photos of 998 classes: among five rows is one of the class; image and text together find more than each."""
    pool_of_photos(goldpan, shared, 1000)
    shares = {}
    for side in ("image", "text", "both"):
        words = ("retrieve", "semantic", "--pool", "ws", "--classes", "classes.json", "--modality", side)
        goldpan(*words, "--results-per-query", "50", "-o", side)
        shares[side] = share_found(goldpan.folder / side)
    assert shares["image"] >= 0.75, shares
    assert shares["both"] >= max(shares["image"], shares["text"]) + 0.05, shares


async def nothing(ask: Ask) -> None:
    await ask.reply(status="404 Not Found")


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [4])
def test_fetch_survives(goldpan: Shell, rounds: int) -> None:
    """From captions to an ImageFolder: substring, fetch killed and resumed; every image in each of its classes."""
    hosts = 8
    with HostileServer([Case(f"host{i}", numbered(0.1), None, None, "/", no_robots) for i in range(hosts)]) as server:
        names = [case.name for case in server.cases]
        pool = [
            {
                "url": server.url(names[i % hosts], f"/{i}.png"),
                "caption": ("a cat", "a dog", "a cat and a dog", "an eel")[i % 4],
                "NSFW": "NSFW" if i % 10 == 0 else "UNLIKELY",
            }
            for i in range(240)
        ]
        (goldpan.folder / "pool.json").write_text(json.dumps(pool))
        (goldpan.folder / "classes.txt").write_text("cat\ndog\n")
        goldpan(
            "retrieve", "substring", "--metadata", "pool.json", "--classes", "classes.txt", "--keep-nsfw", "-o", "found"
        )
        expected = [row for row in chunk_rows(goldpan.folder / "found") if row["NSFW"] != "NSFW"]
        there = [row for row in expected if int(row["URL"].rsplit("/", 1)[1].removesuffix(".png")) % 5 != 4]
        words = ("found", "--allow-private", "--ports", server.port, "--imagefolder")
        for name in ("calm", "storm"):
            goldpan("init", name)
        goldpan("retrieve", "fetch", "calm", *words, "calm_images", code=3)
        server.asked.clear()
        end = storm(goldpan, ("retrieve", "fetch", "storm", *words, "storm_images"), rounds, 3.0, code=3)
        assert end["rows_in"] == len(expected) > 150
        assert end["failures"] == {"not_found": len(expected) - len(there)}
        assert end["nsfw_left_out"] > 0
    for name in ("calm", "storm"):
        ws = Workspace(goldpan.folder / name)
        table = ws.images.to_table(columns=["label", "caption", "extra"]).to_pylist()
        told = sorted((row["label"], row["caption"], json.loads(row["extra"])["url"]) for row in table)
        assert told == sorted((row["QUERY"], row["TEXT"], row["URL"]) for row in there)
    calm, rough = files(goldpan.folder / "calm_images"), files(goldpan.folder / "storm_images")
    assert calm.keys() == rough.keys()
    assert all(calm[name] == rough[name] for name in calm if name != "metadata.json")
    assert json.loads(calm["metadata.json"]) == json.loads(rough["metadata.json"])
    shown = {name: data for name, data in calm.items() if name != "metadata.json"}
    by_class = {
        label: {data for name, data in shown.items() if name.startswith(f"{label}/")} for label in ("cat", "dog")
    }
    assert len(shown) == len(there)
    assert by_class["cat"] & by_class["dog"]
    assert {row["QUERY"] for row in json.loads(calm["metadata.json"]).values()} == {"cat", "dog"}
