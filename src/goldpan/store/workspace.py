"""A workspace: one folder that holds the tables of images and of what was learned about them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import UnknownName, WorkspaceError
from goldpan.core.locks import hold
from goldpan.core.place import RemotePath, place
from goldpan.core.remote import lance_options
from goldpan.store.blobs import Blobs
from goldpan.store.failures import Failures
from goldpan.store.marker import create_marker, read_marker, write_marker
from goldpan.store.runs import Runs
from goldpan.store.schemas import FAILURES, IMAGES, SEARCHES
from goldpan.store.staging import staging
from goldpan.store.tables import Table

if TYPE_CHECKING:
    from goldpan.store.journal import Journal

_LONGEST_NAME = 80
_READ_ROWS = 65_536


class Vectors(NamedTuple):
    """One table of vectors: row i of `array` belongs to ``ids[i]``.

    Attributes:
        ids: ``(n,)`` unicode strings.
        array: ``(n, d)`` float16, float32, or uint8 packed bits; not a copy where the table is in one piece.
    """

    ids: NDArray[np.str_]
    array: NDArray[Any]


class Workspace:
    """A goldpan workspace: a folder, or a prefix of a bucket.

    Args:
        path: the folder, or an address such as ``s3://bucket/ws``.
        create: make it if it is not there yet; otherwise it must be a workspace.

    Raises:
        WorkspaceError: `path` is no workspace, or cannot be made one.
        RemoteError: its bucket cannot be reached, read or written.

    Example:
        >>> import tempfile
        >>> ws = Workspace(tempfile.mkdtemp() + "/ws", create=True)
        >>> ws.images.count()
        0
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        self.path = place(path)
        self._rights: list[Callable[[], None]] = []
        lance_options(str(self.path))  # says so where tables cannot be kept
        if create:
            create_marker(self.path)
        read_marker(self.path)

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (str(self.path.resolve()),)

    @property
    def scratch(self) -> Path:
        """A folder of this machine for what goes with the run: the workspace, or that for temporary files."""
        return Path(tempfile.gettempdir()) if isinstance(self.path, RemotePath) else self.path

    @cached_property
    def images(self) -> Table:
        """One row an image or crop."""
        return self._table("images", IMAGES)

    @cached_property
    def failures(self) -> Table:
        """One row an item that did not make it."""
        return self._table("failures", FAILURES)

    @cached_property
    def searches(self) -> Table:
        """One row a page that a photo service answered to a search, as it came."""
        return self._table("searches", SEARCHES)

    @cached_property
    def blobs(self) -> Blobs:
        """The bytes behind the images."""
        return Blobs(str(self.path / "blobs.lance"), self._may_write)

    @cached_property
    def runs(self) -> Runs:
        """What ran, when, on what."""
        return Runs(str(self.path / "runs.lance"))

    @cached_property
    def journal(self) -> Journal:
        """People's decisions, in a file of the workspace or in the database that `keep_journal` named.

        Raises:
            WorkspaceError: the workspace is in a bucket, where a database cannot live, and none was named.
        """
        from goldpan.store.journal import Journal

        url = read_marker(self.path).get("journal")
        if url is None and isinstance(self.path, RemotePath):
            raise WorkspaceError(
                f"{self.path} is in a bucket, where no journal can be kept; name a database for it: "
                f"goldpan init {self.path} --journal postgresql://HOST/DATABASE"
            )
        return Journal(url or f"sqlite:///{self.path / 'journal.sqlite'}")

    def keep_journal(self, url: str) -> None:
        """Keep people's decisions in another database from now on.

        Raises:
            InputError: `url` is no database's, holds a password, or cannot be opened.
            WorkspaceError: decisions are kept elsewhere already.
        """
        from goldpan.store.journal import Journal, checked_url

        marker = read_marker(self.path)
        url = checked_url(url)
        own = "its own file" if (self.path / "journal.sqlite").is_file() else None
        kept = marker.get("journal") or own
        if kept and kept != url:
            raise WorkspaceError(f"{self.path} keeps its journal in {kept} already; decisions stay where they are.")
        Journal(url).close()
        write_marker(self.path, marker | {"journal": url})

    def failures_of(self, stage: str, scope: str) -> Failures:
        """Return the failures of one stage within one scope."""
        return Failures(self.failures, stage, scope)

    def vectors_table(self, name: str) -> Table:
        """Return the table of one encoder's vectors by its table name; it may not exist yet."""
        return self._table(f"vectors/{name}", None)

    def vector_names(self) -> list[str]:
        """Return the names of the vector tables, sorted."""
        folder = self.path / "vectors"
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".lance") if folder.is_dir() else []

    def find_vectors(self, spec: str) -> Table:
        """Find the vectors of an encoder by spec or by table name.

        Raises:
            UnknownName: no table of this workspace was made with it.
        """
        for name in (spec, vectors_name(spec)):
            if name in self.vector_names():
                return self.vectors_table(name)
        raise UnknownName(
            "vectors", spec, self.vector_names(), f"To make them: goldpan embed {self.path} --encoder ..."
        )

    def vectors(self, spec: str) -> Vectors:
        """Read all vectors of an encoder, given by its spec or table name.

        Raises:
            UnknownName: no table of this workspace was made with it.
        """
        ids = self.find_vectors(spec).to_table(columns=["id"])["id"].to_pylist()
        return Vectors(np.asarray(ids, dtype=np.str_), self.vector_rows(spec))

    def vector_rows(self, spec: str) -> NDArray[Any]:
        """Read all vectors of an encoder, ``(n, d)``, without their ids, which may take as much memory.

        Raises:
            UnknownName: no table of this workspace was made with it.
        """
        table = self.find_vectors(spec)
        n = table.count()
        blocks = (vector_array(batch.column("vector")) for batch in table.scan(["vector"], batch_rows=_READ_ROWS))
        first = next(blocks)
        if len(first) == n:
            return first
        array = np.empty((n, first.shape[1]), first.dtype)
        start = 0
        for block in chain([first], blocks):
            array[start : start + len(block)] = block
            start += len(block)
        return array

    def tables(self) -> dict[str, Table]:
        """Return every table that exists, and always images and failures, by name."""
        found = {"images": self.images, "failures": self.failures}
        for other in (self.blobs.table, self.runs.table, self.searches):
            if other.exists:
                found[other.name] = other
        return found | {f"vectors/{name}": self.vectors_table(name) for name in self.vector_names()}

    def versions(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return the versions of the named tables, for the record of a run; "vectors" means every vector table."""
        tables = self.tables()
        wanted = {name: tables[name] for name in tables if name in names or name.split("/")[0] in names}
        return {name: table.version for name, table in wanted.items()}

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Hold the right to write `what` (a source, a shard of a vectors table) until the block ends.

        Raises:
            WorkspaceError: another process holds it.
        """
        locks = self.path / ".locks"
        locks.mkdir(exist_ok=True)
        lock = locks / _digest(what)
        busy = f"Another run is writing {what} of {self.path}; wait for it to end, then type the command again."
        with hold(lock, WorkspaceError(busy)) as right:
            self._rights.append(right)
            try:
                yield
            finally:
                self._rights.remove(right)

    @contextmanager
    def staging(self, what: str) -> Iterator[Path]:
        """Give workers a folder to stage rows in while the right to write `what` is held; it goes at the end."""
        with staging(self.path.resolve() / ".staged" / _digest(what)) as folder:  # workers may be elsewhere
            yield folder

    def _may_write(self) -> None:
        """Raise a StageError where a right that is being held was lost."""
        for right in self._rights:
            right()

    def _table(self, name: str, schema: Any) -> Table:
        return Table(str(self.path / f"{name}.lance"), schema, name, self._may_write)


@lru_cache(1)
def _opened(path: str) -> Workspace:
    """Open a workspace in the process that one was sent to, once for all that is done there."""
    return Workspace(path)


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:16]


def vectors_name(spec: str, suffixes: Mapping[str, str | None] | None = None) -> str:
    """Return the table name of an encoder spec: short, readable, and the same from every working directory.

    ``onnx:../models/dual-encoder`` -> ``onnx_dual-encoder``; ``clip:ViT-B-32/openai`` -> ``clip_ViT-B-32_openai``.
    The part after a path's last slash stands for a path; `suffixes` (output, column) are added after a dot.
    """
    kind, _, rest = spec.partition(":")
    if kind == "onnx" or os.path.isdir(rest):  # noqa: PTH112  Path raises on a very long name
        rest = Path(rest).name
    if kind.endswith(".py"):
        kind = Path(kind).stem
    parts = [kind, rest] if rest else [kind]
    name = "_".join(parts) + "".join(f".{value}" for value in (suffixes or {}).values() if value)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    if len(safe) <= _LONGEST_NAME:
        return safe
    return safe[: _LONGEST_NAME - 9] + "-" + hashlib.sha256(safe.encode()).hexdigest()[:8]


def vector_array(column: Any) -> NDArray[Any]:
    """Turn an Arrow array or column of fixed-size lists into ``(n, d)``, without a copy where it is one chunk."""
    dim = column.type.list_size
    chunks = getattr(column, "chunks", [column])
    parts = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim) for chunk in chunks]
    if not parts:
        return np.empty((0, dim), column.type.value_type.to_pandas_dtype())
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
