"""Where rows come from: a vector file, or one table of a workspace with what `images` says of each row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Metric, parse_metric
from goldpan.formats.index_folder import ROW
from goldpan.formats.protocol import VectorReader
from goldpan.formats.sums import list_files
from goldpan.formats.vectors import open_vectors, parse_address
from goldpan.store.marker import MARKER
from goldpan.store.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

_OF_IMAGES = ("uri", "label", "caption", "width", "height", "box", "parent_id", "split")
_BLOCK_ROWS = 65_536


class Source:
    """Rows to index, and their metadata.

    Args:
        address: a vector file, or the folder of a workspace.
        encoder: which vectors of a workspace.

    Raises:
        InputError: there is no such file, or it is not clear which vectors of a workspace are meant.
    """

    def __init__(self, address: str, encoder: str | None) -> None:
        path = parse_address(address).path
        self._images: pa.Table | None = None
        if (path / MARKER).is_file() and (path / "images.lance").exists():
            ws = Workspace(path)
            self.address = str(path.absolute() / "vectors" / f"{_chosen(ws, encoder)}.lance")
            self._images = ws.images.to_table(None, ["id", *_OF_IMAGES])
        elif encoder is not None:
            raise InputError(f"--encoder chooses vectors of a workspace; {address} is none.")
        else:
            self.address = address
        self.reader: VectorReader = open_vectors(self.address)

    def metric(self, asked: str | None) -> Metric:
        """Return the metric asked for, else the one that the vectors name.

        Raises:
            InputError: neither says.
        """
        if asked is not None:
            return parse_metric(asked)
        if self.reader.metric is None:
            raise InputError(
                f"{self.address} does not name a metric; add --metric ip, cosine, l2, sqeuclidean or hamming."
            )
        return self.reader.metric

    def state(self) -> list[list[Any]]:
        """Return name, size and time of the files of the vectors: what tells one state of them from another."""
        path = parse_address(self.address).path
        files = [path] if path.is_file() else [path / name for name in list_files(path)]
        return [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]

    def metadata(self, first_row: int) -> Iterator[pa.Table]:
        """Yield tables with the column `row`, counted from `first_row`, and whatever is known of each row."""
        import pyarrow as pa

        for given in self.reader.metadata(_BLOCK_ROWS):
            rows = pa.array(np.arange(first_row, first_row + given.num_rows))
            table = given.rename_columns([f"{name}_" if name == ROW else name for name in given.column_names])
            yield self._joined(table).add_column(0, ROW, rows)
            first_row += given.num_rows

    def _joined(self, table: pa.Table) -> pa.Table:
        """Add what `images` says of the rows of a vectors table."""
        import pyarrow.compute as pc

        if self._images is None:
            return table
        found = self._images.take(pc.index_in(table["id"], self._images["id"]))
        for name in _OF_IMAGES:
            if found[name].null_count < table.num_rows and name not in table.column_names:
                table = table.append_column(name, found[name])
        return table


def _chosen(ws: Workspace, encoder: str | None) -> str:
    names = ws.vector_names()
    if encoder is not None:
        return ws.find_vectors(encoder).name.removeprefix("vectors/")
    if len(names) != 1:
        if not names:
            raise InputError(f"{ws.path} holds no vectors; make some with: goldpan embed {ws.path} --encoder ...")
        raise InputError(f"{ws.path} holds several vectors; choose with --encoder: {', '.join(names)}.")
    return names[0]


class Watched:
    """A reader that tells a `Progress` how far it was read."""

    def __init__(self, reader: VectorReader, progress: Progress, label: str) -> None:
        self._reader, self._progress, self._seen = reader, progress, 0
        self.n, self.dim, self.dtype = reader.n, reader.dim, reader.dtype
        progress.start(label, reader.n)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop; rows seen before do not count again."""
        rows: NDArray[Any] = getattr(self._reader, "load", self._reader.read)(start, stop)
        if stop > self._seen:
            self._progress.advance(stop - self._seen)
            self._seen = stop
        return rows


def read_names(path: Path) -> list[str]:
    """Return the lines of a text file, without blanks around them and without empty ones.

    Raises:
        InputError: there is no such file, or it is not UTF-8 text.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; write an id a line.") from None
