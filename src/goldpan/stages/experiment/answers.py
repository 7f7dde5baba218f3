"""The answers of one setting: a file for other people's tools, with the recall of every query in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from goldpan.formats.atomic import replace_file
from goldpan.stages.experiment.lane import Lane, file_name
from goldpan.stages.experiment.measure import Scored
from goldpan.stages.experiment.store import Key


def write_answers(lane: Lane, key: Key, scored: Scored) -> str:
    """Write the answers of a measurement, in place of an earlier round's; return the file, within the results."""
    import h5py

    name = (
        Path("answers")
        / file_name(key.dataset)
        / file_name(key.engine)
        / (file_name(f"{key.setting} k={key.k} {key.mode} threads={key.threads}") + ".hdf5")
    )
    timed = scored.timed
    times = timed.each if key.mode == "single" else np.full(len(scored.strict), timed.seconds / len(scored.strict))
    with replace_file(lane.folder / name) as temporary, h5py.File(temporary, "w") as file:
        file["neighbors"], file["distances"] = timed.neighbors.ids, timed.neighbors.scores
        file["times"], file["recalls"], file["recalls_ties"] = times, scored.strict, scored.ties
    return str(name)
