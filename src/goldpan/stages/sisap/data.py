"""Data of a task: those of the challenge, opened, or small ones of the same layout, generated."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Ids, Metric
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.protocol import Address
from goldpan.formats.sisap_benchmark import sisap_folder
from goldpan.formats.sparse import open_sparse, write_sparse
from goldpan.formats.truth import read_truth, write_truth
from goldpan.formats.vectors import open_vectors, write_vectors
from goldpan.search.exact import exact_search
from goldpan.search.generators.protocol import BLOCK_ROWS, ModelReader
from goldpan.search.graph import knn_graph
from goldpan.search.projections.applying import project_all
from goldpan.search.projections.loading import open_projection
from goldpan.search.readers import as_reader
from goldpan.search.sparse import sparse_search
from goldpan.search.synthetic import open_readers
from goldpan.stages.sisap.config import GENERATED, SisapConfig
from goldpan.stages.sisap.presets import ALLKNN, Task

_SIZE = re.compile(r"-(\d+[KM])-")
_GOLD = 100


@dataclass(frozen=True, slots=True)
class Question:
    """What a task asks.

    Attributes:
        base: rows to search, a reader (sparse where the task is).
        queries: a reader of the same kind; the base itself in a self-join.
        gold: ``(n_queries, K)`` true neighbors, each row's own number among them in a self-join.
        size: as the file names have it (2023, 2024).
        dataset: as config.json has it, where there is one (2026).
    """

    base: Any
    queries: Any
    gold: Ids
    size: str | None = None
    dataset: str | None = None


def open_question(config: SisapConfig, task: Task, progress: Progress) -> Question:
    """Open the data of a task, generating them first where asked.

    Raises:
        InputError: there are none, or several could be meant.
        FormatError: a file is damaged.
    """
    place = Path(config.data)
    if config.data == GENERATED:
        place = generate(config, task, progress)
    if task.in_folder:
        return _from_folder(config, task, place)
    path, about = _one_file(place)
    part = config.part or str(about.get("queries", task.part)).removesuffix("/queries")
    name = about.get("dataset_name")
    if task.sparse:
        gold = read_truth(Address(path, part)).ids
        base, queries = (open_sparse(Address(path, group)) for group in ("train", f"{part}/queries"))
        return Question(base, queries, gold, dataset=name)
    found = open_benchmark(Address(path, part), task.metric)
    return Question(as_reader(found.base, "base"), as_reader(found.queries, "queries"), found.truth.ids, dataset=name)


def results_folder(config: SisapConfig, task: Task, question: Question) -> Path:
    """Return where results of a question lie: apart from those of other years, tasks, queries and data.

    In 2023 and 2024 it ends in ``<data>/<size>``, which is how deep the evaluation of 2023 looks.
    """
    words = [f"{task.year}-{task.name}"]
    if config.data == GENERATED:
        words += [GENERATED, f"{config.rows // 1000}K", f"{config.n_queries}q", f"seed{config.seed}"]
    if task.in_folder:
        words += ["private"] if config.private else []
        return config.output / "-".join(words) / task.data / str(question.size)
    return config.output / "-".join(words) / (config.part or task.part)


def _from_folder(config: SisapConfig, task: Task, folder: Path) -> Question:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name the one that the files of SISAP {task.year} lie in.")
    side = "private" if config.private else "public"
    names = [name for name in sisap_folder(folder) if name.startswith(task.part) and name.endswith(side)]
    wanted = [name for name in names if config.size is None or f"-{config.size}-" in name]
    if not wanted:
        raise UnknownName("SISAP data", f"{task.part}-{config.size or 'SIZE'}-{side}", names, f"({folder})")
    if len(wanted) > 1:
        raise InputError(f"{folder} has {', '.join(wanted)}; choose one with --size.")
    found = open_benchmark(Address(folder, wanted[0]), task.metric)
    size = _SIZE.search(wanted[0])
    base, queries = as_reader(found.base, "base"), as_reader(found.queries, "queries")
    return Question(base, queries, found.truth.ids, size[1] if size else None)


def _one_file(place: Path) -> tuple[Path, dict[str, Any]]:
    """Return the file of a task of 2025 or 2026, and what config.json says of it where there is one."""
    if not place.is_dir():
        return place, {}
    described = place / "config.json"
    if described.is_file():
        try:
            about = json.loads(described.read_text(encoding="utf-8"))
            return place / about["filename"], about
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(described, f"it does not name the file of a task ({error}).") from None
    # The answers of GOOAQ are in a file beside it, which `open_benchmark` finds.
    files = [path for path in sorted(place.glob("*.h5")) if not path.name.startswith(f"{ALLKNN}-")]
    if len(files) != 1:
        raise InputError(f"{place} has {len(files)} .h5 files; name the one of this task.")
    return files[0], {}


def generate(config: SisapConfig, task: Task, progress: Progress) -> Path:
    """Write small data in the layout of a task below the output, unless they are there; return their folder."""
    folder = config.output / "data" / f"{task.year}-{task.task}-{config.rows // 1000}K"
    made = {"rows": config.rows, "queries": config.n_queries, "seed": config.seed}
    record = folder / "made.json"
    if record.is_file() and json.loads(record.read_text(encoding="utf-8")) == made:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (_generate_folder if task.in_folder else _generate_file)(config, task, folder, progress)
    record.write_text(json.dumps(made) + "\n", encoding="utf-8")
    return folder


def _generate_folder(config: SisapConfig, task: Task, folder: Path, progress: Progress) -> None:
    size = f"{config.rows // 1000}K"
    readers = open_readers("A", n=config.rows, n_queries=config.n_queries, dim=768, seed=config.seed)
    base, queries = folder / f"laion2B-en-clip768v2-n={size}.h5", folder / "public-queries-10k-clip768v2.h5"
    _write(f"{base}:emb", readers.base, np.float16)
    _write(f"{queries}:emb", readers.queries, np.float32)
    sides = open_vectors(base), open_vectors(queries)
    metric = Metric.IP if task.metric is Metric.IP else Metric.COSINE
    found = exact_search(*sides, min(_GOLD, config.rows), metric, progress=progress).neighbors
    gold = folder / f"laion2B-en-public-gold-standard-v2-{size}.h5"
    write_truth(gold, found.ids, found.scores, metric=metric)
    if task.metric is not Metric.HAMMING:
        return
    sketch = open_projection("binperms:1024", dim=768, metric=metric, seed=config.seed)
    sketch.fit(as_reader(sides[0], "base"), progress)
    for path, reader in ((base, sides[0]), (queries, sides[1])):
        bits = project_all(sketch, as_reader(reader, path.name), Silent())
        target = path.with_name(path.name.replace("clip768", "hamming"))
        write_vectors(f"{target}:hamming", [bits], dim=128, dtype=np.uint8, n=len(bits))


def _generate_file(config: SisapConfig, task: Task, folder: Path, progress: Progress) -> None:
    path = folder / f"{task.data}.h5"
    name = "I" if task.sparse else "H" if task.part == "test" else "B"
    readers = open_readers(name, n=config.rows, n_queries=config.n_queries, dim=task.dim, seed=config.seed)
    if task.sparse:
        for group, part in (("train", readers.base), (f"{task.part}/queries", readers.queries)):
            write_sparse(Address(path, group), _blocks(part), dim=part.dim, n=part.n)
        base, asked = (open_sparse(Address(path, group)) for group in ("train", f"{task.part}/queries"))
        answers = sparse_search(base, asked, min(_GOLD, config.rows), progress=progress)
        write_truth(Address(path, f"{task.part}/knns"), answers.ids, answers.scores, metric=task.metric)
        return
    _write(f"{path}:train", readers.base, np.float16)
    rows = open_vectors(f"{path}:train")
    if task.self_join:
        found = knn_graph(rows, min(2 * task.k, config.rows), task.metric, with_self=True, progress=progress).neighbors
        write_truth(Address(path, f"{task.part}/knns"), found.ids, found.scores, metric=task.metric)
        return
    like = open_readers("A", n=config.rows, n_queries=config.n_queries, dim=task.dim, seed=config.seed)
    groups = {"itest": like.queries, "otest": readers.queries} if task.part == "otest" else {"test": readers.queries}
    for group, queries in groups.items():
        _write(f"{path}:{group}/queries", queries, np.float16)
        found = exact_search(
            rows, open_vectors(f"{path}:{group}/queries"), min(_GOLD, config.rows), task.metric, progress=progress
        ).neighbors
        write_truth(Address(path, f"{group}/knns"), found.ids, found.scores, metric=task.metric)


def _write(address: str, reader: ModelReader, dtype: type) -> None:
    write_vectors(address, (rows.astype(dtype) for rows in _blocks(reader)), dim=reader.dim, dtype=dtype, n=reader.n)


def _blocks(reader: ModelReader) -> Iterator[NDArray[Any]]:
    for block in range(-(-reader.n // BLOCK_ROWS)):
        yield reader.draw(block).rows
