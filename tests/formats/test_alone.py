"""One writer at a time, who removes what killed ones left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from goldpan.core.errors import InputError
from goldpan.formats.alone import alone_at, alone_in
from goldpan.formats.atomic import forget_halves

KILLED = """
import os, signal
from goldpan.formats.atomic import replace_file, replace_folder
with replace_file("{0}/a.json") as file, replace_folder("{0}/parts") as folder:
    file.write_text("half")
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.json.0123abcd.tmp.txt", ".hidden", "a.json", ".a.json.tmp"):
        (tmp_path / name).touch()
    whole = names(tmp_path)
    subprocess.run([sys.executable, "-c", KILLED.format(tmp_path)], check=False)
    assert len(names(tmp_path)) == len(whole) + 2
    forget_halves(tmp_path, "a.json")
    assert len(names(tmp_path)) == len(whole) + 1
    forget_halves(tmp_path)
    assert names(tmp_path) == whole
    forget_halves(tmp_path / "none")


@pytest.mark.parametrize("alone", [alone_in, alone_at])
def test_a_second_run_is_told_to_wait(tmp_path: Path, alone: object) -> None:
    path = tmp_path / "deep" / "out"
    assert callable(alone)
    with alone(path), pytest.raises(InputError, match=r"Another run writes to .*out; wait for it to end"), alone(path):
        pass
    with alone(path):
        assert path.exists() == (alone is alone_in)
