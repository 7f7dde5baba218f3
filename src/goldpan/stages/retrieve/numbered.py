"""The images of a workspace by number: the label of each, and which image a vector belongs to; a few bytes an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goldpan.core.records import Ids
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace, vector_array

BLOCK_ROWS = 1 << 14
_WINDOW_ROWS = 64 * BLOCK_ROWS


class Labels(NamedTuple):
    """The labels of all images.

    Attributes:
        names: each label once; None where an image has none.
        of: ``(n,)`` int32, which of them an image has.
    """

    names: list[str | None]
    of: NDArray[np.int32]


def read_labels(ws: Workspace) -> Labels:
    """Read the labels of the images in their order."""
    places: dict[str | None, int] = {}
    of = [np.empty(0, np.int32)]
    for batch in ws.images.scan(["label"], batch_rows=BLOCK_ROWS):
        coded = batch.column(0).dictionary_encode(null_encoding="encode")
        known = [places.setdefault(name, len(places)) for name in coded.dictionary.to_pylist()]
        of.append(np.array(known, np.int32)[coded.indices.to_numpy()])
    return Labels(list(places), np.concatenate(of))


def numbered_vectors(ws: Workspace, vectors: Table) -> Iterator[tuple[Ids, NDArray[Any]]]:
    """Yield the numbers of the images that vectors belong to, -1 where there is none, and the vectors, in blocks.

    Vectors lie in the order of their images as a rule, so that a window over both tells. Where they do not, the ids of
    all are read.
    """
    window = _Window(ws.images)
    all_places: Ids | None = None
    done = 0
    for batch in vectors.scan(["id", "vector"], batch_rows=BLOCK_ROWS):
        places = window.places(batch.column("id")) if all_places is None else None
        if places is None:
            all_places = _all_places(ws.images, vectors) if all_places is None else all_places
            places = all_places[done : done + batch.num_rows]
        yield places, vector_array(batch.column("vector"))
        done += batch.num_rows


class _Window:
    """The ids of some images that follow each other."""

    def __init__(self, images: Table) -> None:
        self._batches = images.scan(["id"], batch_rows=BLOCK_ROWS)
        self._ids: pa.Array = pa.array([], pa.string())
        self._first = 0

    def places(self, ids: pa.Array) -> Ids | None:
        """Return the numbers of images, all behind those asked for before; None where they are not all in sight."""
        while (found := pc.index_in(ids, self._ids)).null_count:
            more = next(self._batches, None)
            if more is None or len(self._ids) > _WINDOW_ROWS:
                return None
            self._ids = pa.concat_arrays([self._ids, more.column(0)])
        places = found.to_numpy().astype(np.int64)
        last = int(places.max(initial=-1)) + 1
        numbers: Ids = places + self._first
        self._ids, self._first = self._ids.slice(last), self._first + last
        return numbers


def _all_places(images: Table, vectors: Table) -> Ids:
    ids, known = (table.to_table(columns=["id"])["id"] for table in (vectors, images))
    places: Ids = pc.fill_null(pc.index_in(ids, known), -1).to_numpy().astype(np.int64)
    return places
