"""Runbooks: upstream's files are read as they are, and a stream that makes no sense is refused at its step."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.formats.live_ranges import LiveRanges
from goldpan.formats.runbook import Delete, Insert, Replace, Runbook, Search, check_runbook, read_runbook, write_runbook

STREAM = (Insert(0, 50), Search(), Replace(0, 20, 60, 80), Delete(20, 50), Search(), Insert(20, 30), Search())


def written(folder: Path, **entries: object) -> Path:
    path = folder / "runbook.yaml"
    path.write_text(yaml.safe_dump({"toy": {int(k[1:]) if k[0] == "s" else k: v for k, v in entries.items()}}))
    return path


def test_the_replace_runbook_of_big_ann(shared: Path) -> None:
    book = read_runbook(shared / "data/runbooks/simple_replace_runbook.yaml", n=10000)
    assert (book.dataset, book.max_pts, book.gt_url, book.rows) == ("random-xs", 10000, None, 10000)
    assert book.steps[0] == Insert(0, 7500)
    assert book.steps[2] == Replace(0, 2500, 7500, 10000)
    assert book.steps[6] == Delete(2500, 5000)
    assert book.search_steps == (2, 4, 6, 8)


def test_one_of_several_datasets_is_chosen(shared: Path) -> None:
    path = shared / "data/runbooks/simple_runbook.yaml"
    book = read_runbook(path, "msturing-1M")
    assert (book.max_pts, book.steps[2], book.search_steps) == (1000000, Delete(0, 500000), (2, 4, 6))
    assert book.gt_url
    assert book.gt_url.endswith("simple_runbook.yaml")
    with pytest.raises(InputError, match="random-xs, msturing-10M, msturing-1M, msspacev-10M, msspacev-1M; name one"):
        read_runbook(path)
    with pytest.raises(UnknownName, match="Did you mean 'msturing-1M'"):
        read_runbook(path, "msturing-1")


def test_written_and_read_again(tmp_path: Path) -> None:
    book = Runbook("toy", 60, STREAM, "https://example.org/truth")
    write_runbook(tmp_path / "a.yaml", book)
    assert read_runbook(tmp_path / "a.yaml") == book
    assert yaml.safe_load((tmp_path / "a.yaml").read_text())["toy"][4] == {
        "operation": "delete",
        "start": 20,
        "end": 50,
    }


def test_lists_of_mappings_with_one_key_are_read(tmp_path: Path) -> None:
    path = tmp_path / "generated.yaml"
    text = """
toy:
  1: [{operation: insert}, {start: 0}, {end: 9}]
  2:
  - operation: search
  max_pts: 9
"""
    path.write_text(text)
    assert read_runbook(path).steps == (Insert(0, 9), Search())
    path.write_text("- toy:\n  - max_pts: 9\n  - 1: {operation: insert, start: 0, end: 9}\n")
    assert read_runbook(path).steps == (Insert(0, 9),)


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ((), "first step must insert"),
        ((Search(), Insert(0, 5)), "first step must insert"),
        ((Insert(5, 5),), r"step 1 \(insert\): the range 5 to 5 is not 0 <= start < end <= 100"),
        ((Insert(-1, 5),), "range -1 to 5"),
        ((Insert(0, 101),), "range 0 to 101"),
        ((Insert(0, 9), Insert(20, 30), Insert(8, 12)), r"step 3 \(insert\): tag 8 is live already"),
        ((Insert(0, 9), Insert(20, 30), Delete(5, 25)), r"step 3 \(delete\): tag 9 is not live"),
        ((Insert(0, 9), Delete(0, 5), Search(), Delete(4, 6)), r"step 4 \(delete\): tag 4 is not live"),
        ((Insert(0, 9), Replace(8, 10, 0, 2)), r"step 2 \(replace\): tag 9 is not live"),
        ((Insert(0, 9), Replace(0, 2, 0, 3)), "2 tags and 3 ids"),
        ((Insert(0, 9), Replace(0, 2, 99, 101)), "range 99 to 101"),
        ((Insert(0, 30), Delete(0, 10), Insert(40, 60), Insert(0, 1)), r"step 4 \(insert\): 41 points are live then"),
    ],
)
def test_a_stream_without_sense_is_refused_at_its_step(steps: tuple, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        check_runbook(Path("x.yaml"), Runbook("toy", 40, steps), 100)


SENSE = {"max_pts": 9, "s1": {"operation": "insert", "start": 0, "end": 9}}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"max_pts": None}, "max_pts must be a whole number from 1 on, not None"),
        ({"max_pts": True}, "not True"),
        ({"max_pts": 8}, "9 points are live then, more than max_pts 8"),
        ({"s3": {"operation": "search"}}, "there is a step 3 and no step 2"),
        ({"s0": {"operation": "search"}}, "there is a step 0 and no step 1"),
        ({"maxpts": 9}, "unknown key 'maxpts'"),
        ({"gt_url": 7}, "gt_url must be text"),
        ({"s2": {"operation": "upsert"}}, "step 2: unknown operation 'upsert'; known: insert, delete, replace, search"),
        ({"s2": {"operation": ["search"]}}, "unknown operation"),
        ({"s2": {"operation": "delete", "start": 0}}, r"step 2 \(delete\): it needs start, end .* it has start"),
        ({"s2": {"operation": "search", "k": 3}}, "it needs nothing beside the operation; it has k"),
        ({"s2": {"operation": "delete", "start": 0, "end": 2.5}}, "end must be a whole number, not 2.5"),
        ({"s2": {"operation": "delete", "start": 0, "end": 2**64}}, "end must be a whole number"),
        ({"s2": "search"}, "step 2 is no mapping"),
        ({"s2": [{"operation": "search"}, {"operation": "search"}]}, "step 2 is no mapping"),
    ],
)
def test_a_file_that_is_no_runbook(tmp_path: Path, change: dict, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        read_runbook(written(tmp_path, **{**SENSE, **change}))


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(f"b{i}: &b{i} [{f'*b{i - 1},' * 9}]\n" for i in range(1, 12)).replace(
    "b0", "a"
)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"toy: 7",
        b"toy: {max_pts: 9, 1: {operation: insert, start: 0, end: 5}, 1: {operation: search}}",
        b"toy: {max_pts: !!python/object/apply:os.getcwd [], 1: {operation: insert, start: 0, end: 5}}",
        b"toy: [[[",
        b"\xff\xfe\xfa",
        b"[" * 20000,
        BOMB.encode() + b"toy: {max_pts: *b11}",
        b"toy: {max_pts: " + b"9" * 5000 + b"}",
    ],
)
def test_hostile_text_is_a_sentence(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(text)
    with pytest.raises(FormatError) as caught:
        read_runbook(path, "toy" if b"toy" in text else None)
    assert len(str(caught.value)) < 600


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no runbook"):
        read_runbook(tmp_path / "none.yaml")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 12)), max_size=40))
def test_ranges_are_a_set_of_numbers(moves: list[tuple[bool, int, int]]) -> None:
    live, plain = LiveRanges(), set[int]()
    for add, start, length in moves:
        span = range(start, start + length)
        assert live.first_live(start, span.stop) == min(plain & set(span), default=None)
        assert live.first_dead(start, span.stop) == min(set(span) - plain, default=None)
        if add and not plain & set(span):
            live.add(start, span.stop)
            plain |= set(span)
        elif not add and set(span) <= plain:
            live.remove(start, span.stop)
            plain -= set(span)
        assert live.count == len(plain)
