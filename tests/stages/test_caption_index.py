"""`goldpan retrieve index`: an index answers as looking through all answers, for every template, mode and query."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goldpan
from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Report
from goldpan.formats.alone import alone_at
from goldpan.formats.metadata import read_batches

SAID = [
    "a white shark",
    "Shark, WHITE and great",
    "white whale",
    None,
    "",
    "black cat",
    "the white sharks",
    "cat's tail",
]
STRANGE = (
    "ß\u00c9\u00e9\u0130i\u0131\u017f\u03a3\u03c2\u03c3\u0152\ufb01\u2460\u2167漢字が\u0301\u0308🦈_%\\'\"\n\t-/.a b"
)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    table = pa.table(
        {"url": [f"http://a.org/{i}" for i in range(len(SAID))], "caption": SAID, "__key__": range(len(SAID))}
    )
    pq.write_table(table, tmp_path / "captions.parquet")
    return tmp_path / "captions.parquet"


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the real captions."""
    path = tmp_path_factory.mktemp("index") / "captions.lance"
    report = goldpan.retrieve_index(metadata=[shared / "data/captions/laion_10000.parquet"], output=path)
    assert report.rows_in == report.rows_out == 10_000
    return path


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of captions with letters that are folded in many ways."""
    rng = random.Random(4)
    words = ["".join(rng.choices(STRANGE, k=rng.randint(1, 5))) for _ in range(300)]
    said = [rng.choice(["", " "]).join(rng.choices(words, k=rng.randint(0, 6))) for _ in range(3000)]
    folder = tmp_path_factory.mktemp("strange")
    pq.write_table(pa.table({"TEXT": [*said, None], "n": range(3001)}), folder / "captions.parquet")
    goldpan.retrieve_index(metadata=[folder / "captions.parquet"], output=folder / "captions.lance")
    return folder / "captions.lance"


def found(tmp_path: Path, path: Path, classes: Path | Sequence[str], index: str, **fields) -> tuple[str, Report]:
    """What is found, and how."""
    if not isinstance(classes, Path):
        (tmp_path / "classes.json").write_text(json.dumps(classes))
        classes = tmp_path / "classes.json"
    output = tmp_path / f"found_{index}"
    report = goldpan.retrieve_substring(metadata=[path], classes=classes, output=output, index=index, **fields)
    return (output / "chunk_0.json").read_text(), report


def told(report: Report) -> str:
    (words,) = report.details["indexes"].values()
    return words


@pytest.mark.parametrize("mode", ["fts", "phrase", "substring"])
@pytest.mark.parametrize("template", [pytest.param("ImageNet", marks=pytest.mark.slow), "DTD", "Flowers102"])
def test_templates_find_the_same(template: str, mode: str, real: Path, shared: Path, tmp_path: Path) -> None:
    classes = shared / f"data/templates/{template}.json"
    by_index, report = found(tmp_path, real, classes, "always", mode=mode)
    assert "found by the index" in told(report)
    assert report.rows_in == 10_000
    by_scan, scan = found(tmp_path, real, classes, "never", mode=mode)
    assert "looked through, as asked" in told(scan)
    plain, _ = found(tmp_path, shared / "data/captions/laion_10000.parquet", classes, "auto", mode=mode)
    assert by_index == by_scan == plain


def test_random_queries_find_the_same(strange: Path, tmp_path: Path) -> None:
    rng = random.Random(5)

    def phrase() -> str:
        words = "".join(rng.choices(STRANGE.replace('"', ""), k=rng.randint(1, 4)))
        return rng.choice(["", "^"]) + f'"{words}"' + rng.choice(["", "", "", "*"])

    def query(depth: int) -> str:
        if not depth:
            return phrase()
        sides = f"({query(depth - 1)})", f"({query(rng.randrange(depth))})"
        return rng.choice([" AND ", " OR ", " NOT "]).join(sides)

    kinds = set()
    for _ in range(30):
        names = [f"class {number}" for number in range(3)]
        classes = {"classes": names, "class_map": {name: query(rng.randrange(4)) for name in names}}
        by_index, report = found(tmp_path, strange, classes, "always")  # type: ignore[arg-type]
        by_scan, _ = found(tmp_path, strange, classes, "never")  # type: ignore[arg-type]
        assert by_index == by_scan, classes
        kinds.add((told(report).partition(":")[0], by_scan != "[]\n"))
    assert kinds >= {("found by the index", True), ("looked through", True)}


def test_random_letters_find_the_same(strange: Path, tmp_path: Path) -> None:
    rng = random.Random(6)
    for _ in range(10):
        classes = sorted({"".join(rng.choices(STRANGE, k=rng.randint(1, 6))) for _ in range(8)})
        classes = [name for name in classes if name.strip()]
        by_index, report = found(tmp_path, strange, classes, "always", mode="substring")
        assert "found by the index" in told(report)
        assert by_index == found(tmp_path, strange, classes, "never", mode="substring")[0], classes


def test_what_the_index_cannot_say_is_looked_through(listed: Path, tmp_path: Path) -> None:
    index = tmp_path / "captions.lance"
    goldpan.retrieve_index(metadata=[listed], output=index)
    beginnings = {"classes": ["shark"], "class_map": {"shark": "shark*"}}
    text, report = found(tmp_path, index, beginnings, "always")  # type: ignore[arg-type]
    assert told(report) == "looked through: 'shark' asks for beginnings of words, which are not indexed"
    assert len(json.loads(text)) == 3
    text, report = found(tmp_path, index, ["cat.?s"], "always", mode="regex")
    assert told(report) == "looked through: the index knows words and letters, not expressions"
    assert len(json.loads(text)) == 1
    _, report = found(tmp_path, index, ["white"], "auto")
    assert told(report) == "looked through: 4 of 8 rows are candidates"
    _, report = found(tmp_path, index, ["cat"], "always", column="url")
    assert told(report) == "looked through: the index is of the column caption"
    _, report = found(tmp_path, index, [f"c{i}" for i in range(201)], "auto")
    assert told(report) == "looked through: one pass is faster for more than 200 classes"


def test_a_table_from_which_rows_were_deleted_is_looked_through(listed: Path, tmp_path: Path) -> None:
    index = tmp_path / "captions.lance"
    goldpan.retrieve_index(metadata=[listed], output=index)
    lance.dataset(index).delete("caption = 'white whale'")
    text, report = found(tmp_path, index, ["shark"], "always")
    assert "looked through: the index is not finished" in told(report)
    assert [row["TEXT"] for row in json.loads(text)] == ["a white shark", "Shark, WHITE and great"]


def test_rows_are_those_of_the_file(listed: Path, tmp_path: Path) -> None:
    index = tmp_path / "captions.lance"
    goldpan.retrieve_index(metadata=[listed], output=index)
    assert [row for batch, _ in read_batches(index) for row in batch.to_pylist()] == pq.read_table(listed).to_pylist()
    text, report = found(tmp_path, index, ["shark", "cat"], "always", per_class=1, keep_nsfw=True)
    assert json.loads(text) == [
        {"URL": "http://a.org/0", "TEXT": "a white shark", "QUERY": "shark", "__key__": 0},
        {"URL": "http://a.org/5", "TEXT": "black cat", "QUERY": "cat", "__key__": 5},
    ]
    assert "found by the index: 4 of 8 rows are candidates" in told(report)


def test_new_files_are_added_and_known_ones_left(listed: Path, tmp_path: Path) -> None:
    index = tmp_path / "captions.lance"
    more = tmp_path / "more.jsonl"
    more.write_text('{"caption": "a hammerhead shark"}\nno JSON\n{"url": "u"}\n')
    goldpan.retrieve_index(metadata=[listed], output=index)
    report = goldpan.retrieve_index(metadata=[listed, more], output=index)
    assert (report.rows_in, report.rows_out, report.already_done) == (11, 10, 8)
    assert report.failures == {"bad_row": 1}
    text, asked = found(tmp_path, index, ["shark"], "always")
    assert [row["URL"] for row in json.loads(text)] == ["http://a.org/0", "http://a.org/1", None]
    assert told(asked) == "found by the index: 3 of 10 rows are candidates"
    again = goldpan.retrieve_index(metadata=[more, listed], output=index)
    assert (again.rows_in, again.already_done, again.failed) == (10, 10, 0)


def test_what_does_not_belong_together_is_refused(listed: Path, tmp_path: Path) -> None:
    index = tmp_path / "captions.lance"
    goldpan.retrieve_index(metadata=[listed], output=index)
    other = tmp_path / "other.csv"
    other.write_text("caption,width\na shark,7\n")
    with pytest.raises(InputError, match="has a column width"):
        goldpan.retrieve_index(metadata=[other], output=index)
    with pytest.raises(InputError, match="an index of the column caption, not url"):
        goldpan.retrieve_index(metadata=[listed], output=index, column="url")
    with pytest.raises(InputError, match=r"ends in \.lance"):
        goldpan.retrieve_index(metadata=[listed], output=tmp_path / "captions")
    pq.write_table(pq.read_table(listed).slice(0, 3), listed)
    with pytest.raises(InputError, match=r"captions\.parquet changed since it was indexed"):
        goldpan.retrieve_index(metadata=[listed], output=index)
    lance.write_dataset(pa.table({"caption": ["a"]}), tmp_path / "plain.lance")
    with pytest.raises(FormatError, match="without an index of captions"):
        goldpan.retrieve_index(metadata=[listed], output=tmp_path / "plain.lance")
    assert goldpan.retrieve_index(metadata=[other], output=tmp_path / "other.lance").rows_out == 1


def test_two_runs_do_not_add_the_same_rows(listed: Path, tmp_path: Path) -> None:
    with alone_at(tmp_path / "captions.lance"), pytest.raises(InputError, match="Another run writes to"):
        goldpan.retrieve_index(metadata=[listed], output=tmp_path / "captions.lance")


@pytest.mark.slow
def test_a_kill_costs_a_commit_at_most(shared: Path, tmp_path: Path) -> None:
    real = shared / "data/captions/laion_10000.parquet"
    (tmp_path / "files").mkdir()
    for number in range(12):
        shutil.copy(real, tmp_path / "files" / f"{number:02}.parquet")
    index = tmp_path / "captions.lance"
    command = [sys.executable, "-m", "goldpan", "retrieve", "index", str(tmp_path / "files"), "-o", str(index)]
    running = subprocess.Popen([*command, "--commit-rows", "1"], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(index.glob("_versions/*.manifest"))) < 4:
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.wait()
    there = lance.dataset(index).count_rows()
    assert there in range(30_000, 120_000, 10_000)
    report = goldpan.retrieve_index(metadata=[tmp_path / "files"], output=index)
    assert (report.rows_out, report.already_done) == (120_000, there)
    _, by_index = found(tmp_path, index, ["tench", "black cat"], "always")
    _, once = found(tmp_path, real, ["tench", "black cat"], "never")
    assert by_index.details["rows"] == 12 * once.details["rows"] > 0
