"""Where a truth goes: looked at before the work, so that it is not lost at the end of it, and written after."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.errors import InputError
from goldpan.core.records import Metric
from goldpan.formats.protocol import Address
from goldpan.formats.truth import truth_target, write_truth
from goldpan.formats.truth_layouts import HDF5_PAIRS
from goldpan.formats.vectors import parse_address
from goldpan.search.exact import ExactResult
from goldpan.stages.truth.sidecar import attributes, columns, describe, write_sidecar


def check_inputs_stay(output: Path, inputs: Iterable[str | Path | None]) -> None:
    """Look that the output is not an input; other datasets of an HDF5 file stay when one is written.

    Raises:
        InputError: the output would take the place of an input.
    """
    where = parse_address(output)
    for address in (given for given in inputs if given is not None):
        given = parse_address(address)
        if given.path.resolve() != where.path.resolve():
            continue
        ids_key = truth_target(where)[0].key
        group, slash, last = (ids_key or "").rpartition("/")
        replaced = {ids_key, group + slash + HDF5_PAIRS.get(last, last)}
        if ids_key is None or (given.key or "").strip("/") in replaced:
            raise InputError(f"{output} is read as {address}; name another output, such as truth.ivecs.")


def check_output(output: Path, largest_id: int) -> None:
    """Write and remove a tiny truth beside the output: better to fail now than after the work.

    Raises:
        InputError: the folder cannot be written, the output is one, or no layout has its suffix or holds the ids.
    """
    where = parse_address(output)
    if where.path.is_dir():
        raise InputError(f"{where.path} is a folder; name a file, such as {where.path / 'truth.ivecs'}.")
    truth_target(where)  # names the output, where the probe below would name itself
    probe = Address(where.path.with_name(f".probe-{os.getpid()}{where.path.suffix}"), where.key)
    try:
        write_truth(probe, np.array([[largest_id]]), np.zeros((1, 1)))
    except OSError as error:
        raise InputError(f"{where.path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            probe.path.unlink()


def write_exact(
    output: Path, found: ExactResult, metric: Metric, made_from: dict[str, Any], pace: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Write exact answers, and beside them the record of what they are; return that record, and what was written.

    Args:
        output: the truth.
        found: its answers.
        metric: of the scores.
        made_from: what the record says of the inputs.
        pace: how fast it went; beside the truth alone, which is the same however fast it was made.
    """
    record = describe(found, metric) | made_from
    ids, scores = found.neighbors
    write_truth(output, ids, scores, metric=metric, columns=columns(found), attributes=attributes(record))
    record |= pace
    sidecar = write_sidecar(output, record)
    return record, {
        str(output): f"{metric}, k={ids.shape[1]}, all certified",
        str(sidecar): "proof, gaps and checksums",
    }
