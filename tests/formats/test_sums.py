"""SHA256SUMS that coreutils agrees with."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.sums import check_sums, sha256_file, write_sums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name, content in {"b.txt": b"b", "a b.bin": b"\0" * 5000, "sub/c\\d\ne": b"", "ü": b"u"}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_lines_are_sorted_and_those_of_sha256sum(folder: Path) -> None:
    lines = write_sums(folder).read_text().splitlines()
    assert lines[1] == f"{hashlib.sha256(b'b').hexdigest()}  b.txt"
    assert [line.split("  ", 1)[1] for line in lines] == ["a b.bin", "b.txt", "sub/c\\\\d\\ne", "ü"]
    assert sha256_file(folder / "b.txt") == hashlib.sha256(b"b").hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_coreutils_agree(folder: Path) -> None:
    write_sums(folder)
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    theirs = subprocess.run(["sha256sum", "b.txt", "sub/c\\d\ne"], cwd=folder, check=True, capture_output=True)
    (folder / "SHA256SUMS").write_bytes(theirs.stdout)
    assert check_sums(folder).same == ["b.txt", "sub/c\\d\ne"]


def test_every_difference_is_found(folder: Path) -> None:
    write_sums(folder)
    assert check_sums(folder).ok
    (folder / "b.txt").write_bytes(b"B")
    (folder / "ü").unlink()
    (folder / "new").write_bytes(b"")
    check = check_sums(folder)
    assert (check.changed, check.missing, check.unlisted) == (["b.txt"], ["ü"], ["new"])
    assert not check.ok


def test_a_list_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="There is no"):
        check_sums(folder)
    for line, sentence in (("abc  x", "no line of sha256sum"), (f"{'0' * 64}  ../x", "outside the folder")):
        (folder / "SHA256SUMS").write_text(f"{'1' * 64}  b.txt\n{line}\n")
        with pytest.raises(FormatError, match=sentence) as caught:
            check_sums(folder)
        assert caught.value.row == 1
