"""A file or folder is the old one or the whole new one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldpan.formats.atomic import replace_file, replace_folder


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.bin"
    with replace_file(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with replace_file(tmp_path / "x") as temporary:
            temporary.write_bytes(b"")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


def test_a_file_is_untouched_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), replace_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_full_one(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "stale").write_text("old")
    with replace_folder(folder) as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "fresh").write_text("new")
        assert (folder / "stale").exists()
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))] == ["sub", "sub/fresh"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_is_untouched_when_the_block_raises(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "kept").write_text("old")
    with pytest.raises(KeyError), replace_folder(folder) as temporary:
        (temporary / "half").write_text("")
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert list(tmp_path.iterdir()) == [folder]
