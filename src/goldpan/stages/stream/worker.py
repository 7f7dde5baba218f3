"""The process that plays one engine: ``python -m goldpan.stages.stream.worker FOLDER``, with FOLDER/job.json."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from goldpan.core.errors import GoldpanError
from goldpan.formats.runbook import read_runbook
from goldpan.stages.stage import make_config
from goldpan.stages.stream.config import StreamConfig
from goldpan.stages.stream.data import load_data
from goldpan.stages.stream.memory import peak_mib
from goldpan.stages.stream.play import Player

JOB = "job.json"
OUTCOME = "outcome.json"


def main(folder: Path) -> None:
    """Play, and write how it ended; an error of ours is a sentence there, any other a traceback on stderr."""
    job = json.loads((folder / JOB).read_text("utf-8"))
    outcome: dict[str, Any] = {"status": "done"}
    try:
        config = make_config(StreamConfig, job["config"])
        runbook = read_runbook(config.runbook, job["entry"])
        data = load_data(config)
        Player(config, job["engine"], runbook, data, folder).play()
    except GoldpanError as error:
        outcome |= {"status": "failed", "error": str(error)}
    except MemoryError:
        outcome |= {"status": "failed", "error": "out of memory."}
    outcome["peak_mb"] = peak_mib()
    (folder / OUTCOME).write_text(json.dumps(outcome), "utf-8")


def _end_with_parent() -> None:
    """Wait for the end of stdin, which comes when the process that started this one is gone, and end too."""
    os.read(0, 1)  # not sys.stdin, whose lock would be held when this process ends of itself
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main(Path(sys.argv[1]))
