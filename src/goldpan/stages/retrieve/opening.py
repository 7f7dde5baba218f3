"""Opening pools: index folders of clip-retrieval and of ours, workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError
from goldpan.core.place import place
from goldpan.core.records import Ids, Metric
from goldpan.formats.clip_indices import (
    REORDERED,
    ListedIndex,
    Modality,
    check_metadata,
    index_files,
    metadata_place,
    reordered_rows,
)
from goldpan.formats.index_folder import METADATA, ROW, checked_record, read_record
from goldpan.formats.metadata import state_of
from goldpan.formats.parquet import read_columns
from goldpan.formats.row_store import RowStore, open_rows
from goldpan.formats.vectors import parse_address
from goldpan.search.engines.foreign import ForeignIndex
from goldpan.search.engines.loading import load_index
from goldpan.stages.retrieve.index_rows import IndexRows
from goldpan.stages.retrieve.pool import Pool, Searched
from goldpan.stages.retrieve.sides import Exact, Foreign, Ours
from goldpan.stages.retrieve.workspace_rows import WorkspaceRows
from goldpan.store.blobs import Blobs
from goldpan.store.marker import MARKER
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace

_LARGEST = 4 << 30  # bytes of a workspace's vectors that are held in memory
_CAPTIONS = "caption"


def open_pool(path: Path, encoder: str | None = None) -> Pool:
    """Open a workspace or an index folder, ours or clip-retrieval's.

    Args:
        path: of it.
        encoder: of a workspace, which vectors; of an index folder, what made them.

    Raises:
        InputError: it is none of them, or not clear which vectors are meant.
        FormatError: index and metadata do not belong together.
    """
    if (path / MARKER).is_file() and read_record(path) is None:
        return open_workspace(Workspace(path), encoder)
    if read_record(path) is not None:
        return open_index_folder(path, encoder)
    return open_listed(ListedIndex(path.name, path, None, (), {}), encoder)


def open_listed(listed: ListedIndex, encoder: str | None = None) -> Pool:
    """Open what an entry of ``indices.json`` names.

    Raises:
        InputError: an index or the metadata are missing.
        FormatError: they cannot be read, or do not belong together.
    """
    if read_record(listed.folder) is not None:
        return open_index_folder(listed.folder, encoder, listed.name)
    mapped = bool(listed.options.get("enable_faiss_memory_mapping", True))
    files = index_files(listed.folder)
    check_metadata(listed.folder)
    where = metadata_place(listed.folder, reordered=bool(listed.options.get("reorder_metadata_by_ivf_index")))
    metadata = open_rows(where)
    rows = reordered_rows(listed.folder, metadata.n) if where.name == REORDERED else None
    sides: dict[Modality, Searched] = {
        modality: Foreign(ForeignIndex(path, mapped=mapped), rows) for modality, path in files.items()
    }
    made_by = encoder or clip_encoder(listed.clip_model)
    return Pool(listed.name, sides, metadata, listed.columns, made_by, [state_of(path) for path in files.values()])


def clip_encoder(clip_model: str | None) -> str | None:
    """Return the spec of the encoder that clip-retrieval calls by this name.

    ``open_clip:ARCH/PRETRAINED`` and ``hf_clip:NAME`` say it; a plain name such as ``ViT-B/32`` is a model of OpenAI.
    """
    if clip_model is None:
        return None
    kind, colon, rest = clip_model.partition(":")
    if not colon:
        return f"clip:{clip_model.replace('/', '-')}/openai"
    known = {"open_clip": f"clip:{rest}", "hf_clip": f"hf:{rest}"}
    return known.get(kind, clip_model)


def open_index_folder(path: Path, encoder: str | None = None, name: str = "") -> Pool:
    """Open an index folder of ours.

    Raises:
        InputError: there is none, or its vectors came without metadata.
        FormatError: its fingerprint says that index and metadata do not belong together.
    """
    record = checked_record(path)
    if not (path / METADATA).is_file():
        raise InputError(f"{path} has no {METADATA}; there would be nothing to show for an answer.")
    metadata = _with_pictures(open_rows(path / METADATA), record.get("source", ""))
    numbers = read_columns(path / METADATA, [ROW])[ROW].to_numpy()
    made_by = _encoder_of(record.get("source", ""))
    side = Ours(load_index(path), numbers, record)
    columns = [column for column in metadata.columns if column != ROW]
    sides: dict[Modality, Searched] = {_modality(record.get("source", "")): side}
    return Pool(name or path.name, sides, metadata, columns, encoder or made_by, record)


def _with_pictures(rows: RowStore, source: str) -> RowStore:
    """Return metadata that know where the pictures of the workspace are that they come from, if they do."""
    if not source.endswith(".lance") or "uri" not in rows.columns:
        return rows
    return IndexRows(rows, Blobs(str(place(source).parents[1] / "blobs.lance")))


def _modality(source: str) -> Modality:
    """Tell vectors of texts by the folder they lie in; whatever else there is shows images."""
    where = parse_address(source)
    only_texts = (where.path / "text_emb").is_dir() and not (where.path / "img_emb").is_dir()
    return "text" if where.key == "text_emb" or (where.key is None and only_texts) else "image"


def _encoder_of(source: str) -> str | None:
    """Return the encoder that a table of vectors names."""
    about = Table(source).metadata if source.endswith(".lance") and Path(source).exists() else {}
    found: str | None = about.get("resolved") or about.get("encoder")
    return found


def open_workspace(ws: Workspace, encoder: str | None = None) -> Pool:
    """Open the vectors of images of a workspace, and those of their captions by the same encoder where there are any.

    A row is an image that has one or both.

    Raises:
        InputError: it holds no vectors, several that could be meant, or more than fit in memory.
    """
    tables = {name: ws.vectors_table(name) for name in ws.vector_names()}
    about = {name: table.metadata for name, table in tables.items()}
    chosen = _chosen(ws, about, encoder)
    names = _in_one_space(about, chosen)
    _check_size(ws, chosen, [tables[name] for name in names.values()])
    ids_of = {side: tables[name].to_table(columns=["id"])["id"].combine_chunks() for side, name in names.items()}
    ids = pc.unique(pa.chunked_array(list(ids_of.values())))
    metric = Metric(about[chosen].get("metric", "cosine"))
    sides: dict[Modality, Searched] = {
        side: Exact(ws.vector_rows(name), metric, _places(ids_of[side], ids), len(ids)) for side, name in names.items()
    }
    spec = about[chosen].get("resolved") or about[chosen].get("encoder")
    state = {name: _state(tables[name]) for name in names.values()}
    return Pool(str(ws.path), sides, WorkspaceRows(ws, ids), WorkspaceRows.USUAL, spec, state)


def _state(table: Table) -> list[str]:
    """Return the version of a table and its time: a table that was made anew begins to count again."""
    dataset = table.dataset()
    newest = dataset.versions()[-1] if dataset is not None else {}
    return [str(newest.get(name)) for name in ("version", "timestamp")]


def _places(ids: pa.Array, among: pa.Array) -> Ids:
    """Return where ids stand among others."""
    places: Ids = pc.index_in(ids, among).to_numpy().astype(np.int64)
    return places


def _chosen(ws: Workspace, about: dict[str, dict[str, Any]], encoder: str | None) -> str:
    """Return the name of the vectors that are meant: of images, or where there are none of captions."""
    if encoder is not None:
        return ws.find_vectors(encoder).name.removeprefix("vectors/")
    images = [name for name, told in about.items() if told.get("column") is None]
    names = images or [name for name, told in about.items() if told["column"] == _CAPTIONS]
    if not names:
        raise InputError(f"{ws.path} holds no vectors; make some: goldpan embed {ws.path} --encoder ...")
    if len(names) > 1:
        raise InputError(f"{ws.path} holds several vectors: {', '.join(names)}; choose with --encoder.")
    return names[0]


def _in_one_space(about: dict[str, dict[str, Any]], chosen: str) -> dict[Modality, str]:
    """Return the chosen vectors and those of the other kind by the same encoder, images first."""

    def side(name: str) -> Modality:
        return "image" if about[name].get("column") is None else "text"

    names = {side(chosen): chosen}
    for name, told in about.items():
        same = all(told.get(key) == about[chosen].get(key) for key in ("encoder", "revision", "dim"))
        if same and told.get("column") in (None, _CAPTIONS):
            names.setdefault(side(name), name)
    return dict(sorted(names.items()))


def _check_size(ws: Workspace, chosen: str, tables: Sequence[Table]) -> None:
    kinds = [table.schema.field("vector").type for table in tables]
    sizes = [kind.list_size * kind.value_type.bit_width // 8 for kind in kinds]
    needed = sum(table.count() * size for table, size in zip(tables, sizes, strict=True))
    if needed > _LARGEST:
        raise InputError(
            f"The vectors of {ws.path} take {needed / 1e9:.1f} GB of memory; build an index and name it instead: "
            f"goldpan bench tune {ws.path} --encoder {chosen} --max-memory 4GB -o index"
        )
