"""The real command line in a subprocess."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOLDPAN = [sys.executable, "-W", "error::ResourceWarning", "-m", "goldpan"]


class Shell:
    """Runs goldpan commands in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*GOLDPAN, *map(str, words)], cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, f"{words} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: object, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*GOLDPAN, *map(str, words)], cwd=self.folder, **quiet)


@pytest.fixture
def goldpan(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
