"""Exact search in one workspace: the query becomes a vector, the vectors are streamed, the best k are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Metric
from goldpan.encoders.loading import EncoderOptions, load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.vectors import open_vectors
from goldpan.imaging.opening import open_image
from goldpan.search.exact import exact_search
from goldpan.stages.search.config import SearchConfig
from goldpan.stages.stage import make_config
from goldpan.store.failures import quote
from goldpan.store.tables import Table
from goldpan.store.workspace import Workspace, vector_array

_BLOCK_ROWS = 65_536
_SHOWN = ("label", "caption", "uri", "width", "height", "box", "parent_id", "split", "extra")


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: its rank from 1, the image's id, the metric's value, and what `images` says of it."""

    rank: int
    id: str
    score: float
    image: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the hit as one flat row."""
        shown = {key: value for key, value in self.image.items() if value is not None}
        return {"rank": self.rank, "id": self.id, "score": self.score, **shown}


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, best first, and what they were found with."""

    query: str
    vectors: str
    metric: Metric
    hits: list[Hit]

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        return {
            "query": self.query,
            "vectors": self.vectors,
            "metric": str(self.metric),
            "results": [hit.as_dict() for hit in self.hits],
        }


def run(ws: Workspace, config: SearchConfig) -> Answer:
    """Find the k nearest images of one query, exactly, in bounded memory.

    Raises:
        InputError: no vectors fit the query, the predicate is not understood, or k exceeds the number of vectors.
    """
    table = _choose(ws, config)
    about = table.metadata
    query = _query_vector(ws, table, config)
    allowed = _allowed_ids(ws, config.where)
    metric = Metric(about.get("metric", "cosine"))
    n = table.count()
    if config.k > (n if allowed is None else min(n, len(allowed))):
        among = f" of which {len(allowed)} fit {config.where!r}" if allowed is not None else ""
        raise InputError(f"k = {config.k} is more than there are: {table.name} holds {n} vectors{among}; lower -k.")
    ids, scores = _best(table, query, config.k, metric, allowed)
    images = _describe(ws, ids)
    hits = [Hit(i + 1, key, float(scores[i]), images.get(key, {})) for i, key in enumerate(ids)]
    asked = next(str(value) for value in (config.text, config.image, config.id, config.vector) if value is not None)
    return Answer(asked, table.name.removeprefix("vectors/"), metric, hits)


def search_images(ws: Workspace | str | Path, config: SearchConfig | None = None, **fields: Any) -> Answer:
    """Find the nearest images of one query; give a configuration, or its fields by name.

    Example:
        ``goldpan.search_images("ws", text="a photo of a dog", k=5).hits``
    """
    ws = ws if isinstance(ws, Workspace) else Workspace(ws)
    return run(ws, config or make_config(SearchConfig, fields))


def _choose(ws: Workspace, config: SearchConfig) -> Table:
    if config.encoder is not None:
        return ws.find_vectors(config.encoder)
    tables = [ws.vectors_table(name) for name in ws.vector_names()]
    if not tables:
        raise InputError(f"{ws.path} holds no vectors; type: goldpan embed {ws.path} --encoder ...")
    fitting = [table for table in tables if table.metadata.get("column") is None] or tables
    if config.text is not None:
        fitting = [table for table in fitting if table.metadata.get("encodes_text")]
    names = ", ".join(table.name.removeprefix("vectors/") for table in tables)
    if not fitting:
        raise InputError(f"No vectors here understand text (there are: {names}); embed with onnx:, clip: or hf: first.")
    if len(fitting) > 1:
        raise InputError(f"Several vectors could be searched ({names}); choose with --encoder.")
    return fitting[0]


def _query_vector(ws: Workspace, table: Table, config: SearchConfig) -> NDArray[Any]:
    dim = table.schema.field("vector").type.list_size
    if config.id is not None:
        found = table.to_table(f"id = {quote(config.id)}", ["vector"], limit=1)
        if found.num_rows == 0:
            raise InputError(
                f'{table.name} holds no id {config.id!r}; to list them: goldpan sql WS "SELECT id FROM images"'
            )
        return vector_array(found["vector"])
    if config.vector is not None:
        reader = open_vectors(config.vector)
        if reader.n != 1 or reader.dim != dim:
            raise InputError(f"{config.vector} holds {reader.n} x {reader.dim}, one vector of {dim} is needed.")
        return reader.read(0, 1)
    encoder = _encoder(table, config)
    if config.text is not None:
        return encoder.encode_text([config.text])
    image = open_image(config.image).image if config.image else None
    return encoder.encode(encoder.prepare(image)[None]) if image is not None else np.empty((0, dim))


def _encoder(table: Table, config: SearchConfig) -> Encoder:
    about = table.metadata
    options = EncoderOptions(**(about.get("options") or {}) | {"device": config.device})
    encoder = load_encoder(_spec(about, config), options)
    if encoder.revision != about["revision"]:
        raise InputError(
            f"{about['encoder']} is now at revision {encoder.revision}, {table.name} was made with "
            f"{about['revision']}; embed again under another --name."
        )
    return encoder


def _spec(about: dict[str, Any], config: SearchConfig) -> str:
    """Return the encoder as it was typed now, else by the absolute path or name it was embedded with."""
    typed = config.encoder or ""
    return typed if ":" in typed else str(about.get("resolved") or about["encoder"])


def _allowed_ids(ws: Workspace, where: str | None) -> set[str] | None:
    if where is None:
        return None
    return set(ws.images.to_table(where, ["id"])["id"].to_pylist())


def _best(
    table: Table, query: NDArray[Any], k: int, metric: Metric, allowed: set[str] | None
) -> tuple[list[str], NDArray[np.float64]]:
    """Keep the best k over blocks of the table; ties go to the row that comes first."""
    ids: list[str] = []
    scores = np.empty(0)
    for batch in table.scan(["id", "vector"], batch_rows=_BLOCK_ROWS):
        keys = batch.column("id").to_pylist()
        vectors = vector_array(batch.column("vector"))
        if allowed is not None:
            keep = np.array([i for i, key in enumerate(keys) if key in allowed], np.int64)
            keys, vectors = [keys[i] for i in keep], vectors[keep]
        if not keys:
            continue
        found = exact_search(vectors, query, min(k, len(keys)), metric).neighbors
        ids += [keys[i] for i in found.ids[0]]
        scores = np.concatenate([scores, found.scores[0]])
        order = np.argsort(-scores if metric.is_similarity else scores, kind="stable")[:k]
        ids, scores = [ids[i] for i in order], scores[order]
    return ids, scores


def _describe(ws: Workspace, ids: list[str]) -> dict[str, dict[str, Any]]:
    listed = ", ".join(quote(key) for key in ids)
    rows = ws.images.to_table(f"id IN ({listed})", ["id", *_SHOWN]).to_pylist()
    return {row.pop("id"): row for row in rows}
