"""Truth of streams, tags, and truth of range searches: big-ann's and DiskANN's bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError
from goldpan.formats.range_truth import read_range_truth, write_range_truth
from goldpan.formats.runbook import Insert, Runbook, Search
from goldpan.formats.step_truth import (
    check_steps,
    read_step_truth,
    read_tags,
    step_folder,
    step_truths,
    write_step_truth,
    write_tags,
)
from goldpan.formats.truth import read_truth
from goldpan.formats.vectors import open_vectors

TAGS = np.array([[5, 2], [9, -1]])


def test_a_step_is_a_file_of_big_ann(tmp_path: Path) -> None:
    folder = step_folder(tmp_path, "random-xs", 10000, "runbooks/simple_runbook.yaml")
    path = write_step_truth(folder, 4, TAGS, [[1.0, 2.0], [0.5, np.inf]], metric="l2")
    assert path == tmp_path / "random-xs/10000/simple_runbook.yaml/step4.gt2"
    assert path.read_bytes() == struct.pack("<6I4f", 2, 2, 5, 2, 9, 2**32 - 1, 1, 4, 0.25, np.inf)
    truth = read_step_truth(folder, 4, "l2")
    assert truth.ids.tolist() == TAGS.tolist()
    assert truth.distances is not None
    assert truth.distances.tolist() == [[1, 2], [0.5, np.inf]]


def test_steps_are_found_by_number_under_every_name(tmp_path: Path) -> None:
    for name in ("step10.gt100", "step2.bin", "step4.ibin", "step4.tags", "step4.data", "steps.gt100", "step5"):
        (tmp_path / name).write_bytes(struct.pack("<4I2f", 1, 2, 3, 4, 0, 1))
    assert list(step_truths(tmp_path).items()) == [
        (2, tmp_path / "step2.bin"),
        (4, tmp_path / "step4.ibin"),
        (10, tmp_path / "step10.gt100"),
    ]
    assert read_step_truth(tmp_path, 10).ids.tolist() == [[3, 4]]
    with pytest.raises(InputError, match="no truth for step 3; it has steps 2, 4, 10"):
        read_step_truth(tmp_path, 3)
    (tmp_path / "step2.gt100").write_bytes(b"")
    with pytest.raises(InputError, match=r"step2.bin and step2.gt100 for one step"):
        step_truths(tmp_path)


def test_a_new_truth_takes_the_place_of_one_of_another_length(tmp_path: Path) -> None:
    write_step_truth(tmp_path, 1, TAGS)
    write_step_truth(tmp_path, 11, TAGS)
    write_step_truth(tmp_path, 1, TAGS[:, :1])
    assert [path.name for path in step_truths(tmp_path).values()] == ["step1.gt1", "step11.gt2"]
    with pytest.raises(ArrayError, match="Steps count from 1"):
        write_step_truth(tmp_path, 0, TAGS)


def test_truth_must_be_that_of_the_runbook(tmp_path: Path) -> None:
    book = Runbook("toy", 9, (Insert(0, 5), Search(), Insert(5, 9), Search()))
    write_step_truth(tmp_path, 2, TAGS)
    with pytest.raises(FormatError, match="no truth for the searches at steps 4"):
        check_steps(tmp_path, book)
    write_step_truth(tmp_path, 4, TAGS)
    assert sorted(check_steps(tmp_path, book)) == [2, 4]
    write_step_truth(tmp_path, 3, TAGS)
    with pytest.raises(FormatError, match="steps 3, which do not search"):
        check_steps(tmp_path, book)
    with pytest.raises(InputError, match="There is no folder"):
        check_steps(tmp_path / "none", book)


def test_tags(tmp_path: Path) -> None:
    path = tmp_path / "step4.tags"
    write_tags(path, [7, 2**32 - 1, 0])
    assert path.read_bytes() == struct.pack("<5I", 3, 1, 7, 2**32 - 1, 0)
    assert read_tags(path).tolist() == [7, 2**32 - 1, 0]
    for wrong in ([-1], [2**32], [0.5], [[1]]):
        with pytest.raises(ArrayError, match="Tags must be"):
            write_tags(path, wrong)
    for damaged in (b"", struct.pack("<3I", 3, 1, 7), struct.pack("<4I", 1, 2, 7, 8), struct.pack("<2I", 2**32 - 1, 1)):
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            read_tags(path)


def range_bytes(*counts: int, total: int | None = None, found: int = 3) -> bytes:
    total = sum(counts) if total is None else total
    return struct.pack(f"<2i{len(counts)}i{found}i", len(counts), total, *counts, *range(found)) + bytes(4 * found)


def test_range_truth(tmp_path: Path) -> None:
    path = tmp_path / "range.bin"
    write_range_truth(path, [0, 2, 2, 3, 3], [5, 1, 8], [1, 2, 0.5], metric="l2")
    assert path.read_bytes() == struct.pack("<9i3f", 4, 3, 2, 0, 1, 0, 5, 1, 8, 1, 4, 0.25)
    truth = read_range_truth(path, "l2")
    assert truth.limits.tolist() == [0, 2, 2, 3, 3]
    ids, distances = truth.of(2)
    assert distances is not None
    assert (ids.tolist(), distances.tolist()) == ([8], [0.5])
    assert truth.of(1)[0].size == 0
    with pytest.raises(FormatError, match="read it with read_range_truth"):
        read_truth(path)


def test_range_truth_of_diskann_has_no_distances(tmp_path: Path) -> None:
    path = tmp_path / "range.bin"
    write_range_truth(path, [0, 2, 3], [5, 1, 8])
    assert path.read_bytes() == struct.pack("<7i", 2, 3, 2, 1, 5, 1, 8)
    assert read_range_truth(path, "l2").distances is None
    write_range_truth(path, [0], np.empty(0, np.int64), [])
    assert read_range_truth(path).limits.tolist() == [0]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "too few for the header"),
        (range_bytes(2, 1)[:-1], "the file 39 bytes"),
        (range_bytes(2, 1) + b"\0", "the file 41 bytes"),
        (range_bytes(2, 2, total=3), "3 results, 40 bytes in all; its lists have 4"),
        (range_bytes(4, -1), "the list has -1 results"),
        (struct.pack("<2i", 2**31 - 1, 5), "says 2147483647 queries"),
        (struct.pack("<2i", -5, 5), "says -5 queries"),
        (range_bytes(2**31 - 1, 2, total=1 - 2**31), "2147483649 results, which the 32-bit header cannot say"),
        (struct.pack("<6i2f", 1, 2, 2, 4, -7, 0, 0, 0)[:28], "result 1 has id -7"),
    ],
)
def test_damaged_range_truth(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "range.bin"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=problem):
        read_range_truth(path)


def test_lists_that_do_not_fit_the_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "range.bin"
    many = np.broadcast_to(np.int64(0), (2**31,))
    with pytest.raises(ArrayError, match="2147483648 results do not fit"):
        write_range_truth(path, [0, 2**31], many)
    for limits, ids, distances in (
        ([0, 2], [1], [1]),
        ([1], [1], [1]),
        ([0, 2, 1], [1], [1]),
        ([0, 1], [-1], [1]),
        ([0, 1], [2**31], [1]),
        ([0, 1], [1], [1, 2]),
        ([0, 1], [0.5], [1]),
    ):
        with pytest.raises(ArrayError):
            write_range_truth(path, limits, ids, distances)
    assert not path.exists()


def test_a_crop_with_the_header_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "base.fbin.crop_nb_2"
    path.write_bytes(struct.pack("<2I6f", 1000, 3, *range(6)))
    with pytest.raises(FormatError, match="still the header of the whole file"):
        open_vectors(path)
    path.write_bytes(struct.pack("<2I6f", 2, 3, *range(6)))
    assert open_vectors(path).n == 2
