"""Make a benchmark: split the vectors of a workspace, compute their exact truth, and write a release folder."""

from __future__ import annotations

import shlex
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goldpan import __version__
from goldpan.compute.executor import Executor
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Metric, Report, parse_metric
from goldpan.formats.atomic import replace_folder
from goldpan.formats.relayout import relayout
from goldpan.formats.release import MANIFEST, METADATA, PICTURE, Manifest, SetInfo, read_manifest
from goldpan.formats.seal import seal
from goldpan.formats.sums import check_sums
from goldpan.formats.truth import write_truth
from goldpan.formats.vectors import open_vectors, write_vectors
from goldpan.search.exact import ExactResult, exact_search
from goldpan.stages.bench.config import BenchConfig
from goldpan.stages.bench.picture import draw_classes
from goldpan.stages.bench.rows import ChosenRows, Pool, make_pool
from goldpan.stages.bench.split import Rows, Sizes, Split, class_order, split_rows
from goldpan.stages.stage import Stage
from goldpan.store.workspace import Workspace

_PICTURE_ROWS = 20_000
_TRUTH_FILES = {"queries": "gtruth.ivecs", "learn": "learn_gtruth.ivecs"}


def run(ws: Workspace, config: BenchConfig, executor: Executor, progress: Progress) -> Report:
    """Make a release folder with base, queries, learn, exact ground truth, metadata, sums and a card.

    The folder appears whole at the end, or not at all. Same workspace, same configuration: same bytes.

    Raises:
        InputError: the output exists, there are too few rows, k exceeds the base, or the metric does not fit.
    """
    _check_output(ws, config)
    pool = make_pool(ws, ws.find_vectors(config.encoder), config.where)
    terms = _terms(pool, config)
    split = _split(pool, config)
    if config.k > len(split.base):
        raise InputError(f"k = {config.k} is more than the {len(split.base)} base rows; lower --k or take more rows.")
    with replace_folder(config.output) as folder:
        work = folder if config.layout == "fvecs" else folder / ".fvecs"
        manifest = _make(ws, config, pool, terms, split, work, executor, progress)
        if work != folder:
            manifest = relayout(work, folder, manifest, config.layout)
            shutil.rmtree(work)
        seal(folder, manifest)
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in split._asdict().items())
    left_out = len(pool.positions) - sum(map(len, split))
    return Report(
        "bench make",
        rows_in=len(pool.positions),
        rows_out=len(pool.positions) - left_out,
        failures={Reason.FILTERED.value: left_out} if left_out else {},
        outputs={str(config.output): f"{sizes}, {config.layout}"},
        details={"release": str(config.output), "truth": manifest.truth, "split": manifest.split},
        next_steps=[f"goldpan verify {config.output}"],
    )


def _make(
    ws: Workspace,
    config: BenchConfig,
    pool: Pool,
    terms: _Terms,
    split: Split,
    folder: Path,
    executor: Executor,
    progress: Progress,
) -> Manifest:
    """Write sets, truth, metadata and picture as plain fvecs, which every later step can read at random."""
    folder.mkdir(exist_ok=True)
    sets = {name: ChosenRows(pool, rows, normalize=terms.normalize) for name, rows in split._asdict().items()}
    written = {name: _write_set(folder, name, rows, progress) for name, rows in sets.items() if rows.n}
    proofs = {
        name: _write_truth(folder, written, name, config.k, terms.metric, executor, progress)
        for name in _TRUTH_FILES
        if name in written
    }
    _draw(folder, pool, split.base, terms, config)
    return _manifest(ws, config, pool, sets, written, terms, proofs)


class _Terms(NamedTuple):
    metric: Metric
    normalize: bool


def _terms(pool: Pool, config: BenchConfig) -> _Terms:
    own = Metric(pool.vectors.metadata.get("metric", "cosine"))
    bits = own is Metric.HAMMING
    by_angle = own in (Metric.COSINE, Metric.IP)
    normalize = config.normalize if config.normalize is not None else by_angle
    metric = (
        parse_metric(config.metric) if config.metric else (Metric.IP if own is Metric.COSINE and normalize else own)
    )
    if bits != (metric is Metric.HAMMING) or (bits and normalize):
        kind = "packed bits" if bits else "numbers"
        allowed = "hamming, and are not normalized" if bits else "ip, cosine, l2 or sqeuclidean"
        raise InputError(f"{pool.vectors.name} holds {kind}: they are compared by {allowed}.")
    return _Terms(metric, normalize)


def _split(pool: Pool, config: BenchConfig) -> Split:
    groups = None
    if config.group_by:
        ids = pool.column("id")
        groups = [key if key is not None else ids[i] for i, key in enumerate(pool.column(config.group_by))]
    sizes = Sizes(config.queries, config.base, config.learn)
    split = split_rows(len(pool.positions), sizes, config.seed, groups)
    if config.order == "class":
        split = split._replace(base=class_order(split.base, pool.column("label")))
    return split


def _write_set(folder: Path, name: str, rows: ChosenRows, progress: Progress) -> SetInfo:
    import pyarrow.parquet as pq

    address = f"{name}.{'bvecs' if rows.dtype == np.uint8 else 'fvecs'}"
    progress.start(f"write {name}", rows.n)

    def counted() -> Any:
        for block in rows.blocks():
            yield block
            progress.advance(len(block))

    write_vectors(folder / address, counted(), n=rows.n, dim=rows.dim, dtype=rows.dtype)
    progress.finish()
    (folder / METADATA).mkdir(exist_ok=True)
    pq.write_table(rows.metadata(), folder / METADATA / f"{name}.parquet")
    return SetInfo(rows=rows.n, vectors=address, truth=_TRUTH_FILES.get(name), metadata=f"{METADATA}/{name}.parquet")


def _write_truth(
    folder: Path,
    written: dict[str, SetInfo],
    name: str,
    k: int,
    metric: Metric,
    executor: Executor,
    progress: Progress,
) -> dict[str, Any]:
    base, queries = open_vectors(folder / written["base"].vectors), open_vectors(folder / written[name].vectors)
    found = exact_search(base, queries, k, metric, workers=executor.workers, progress=progress)
    write_truth(folder / _TRUTH_FILES[name], found.neighbors.ids, found.neighbors.scores)
    return _proof(found)


def _proof(found: ExactResult) -> dict[str, Any]:
    return {
        "queries": len(found.neighbors.ids),
        "certified": len(found.neighbors.ids),
        "ties_at_k": int(found.ties.sum()),
        "median_survivors": float(np.median(found.survivors)),
    }


def _draw(folder: Path, pool: Pool, base: Rows, terms: _Terms, config: BenchConfig) -> None:
    sample = base[np.linspace(0, len(base) - 1, min(len(base), _PICTURE_ROWS)).astype(np.int64)]
    if len(sample) < 2:
        return
    vectors = np.concatenate(list(ChosenRows(pool, sample, normalize=terms.normalize).blocks()))
    labels = pool.column("label")
    draw_classes(folder / PICTURE, vectors, [labels[row] for row in sample], f"{_title(config)}: base")


def _title(config: BenchConfig) -> str:
    return config.title or f"{config.encoder.rstrip('/').rpartition('/')[2]} benchmark"


def _manifest(
    ws: Workspace,
    config: BenchConfig,
    pool: Pool,
    sets: dict[str, ChosenRows],
    written: dict[str, SetInfo],
    terms: _Terms,
    proofs: dict[str, dict[str, Any]],
) -> Manifest:
    about = pool.vectors.metadata
    labels = {label for rows in sets.values() for label in rows.labels() if label is not None}
    classes = f" in {len(labels):,} classes" if labels else ""
    sizes = ", ".join(f"{rows.n:,} {name}" for name, rows in sets.items() if rows.n)
    total = sum(rows.n for rows in sets.values())
    return Manifest(
        title=_title(config),
        description=f"A vector-search benchmark of {total:,} images{classes}, embedded with "
        f"{about.get('encoder')}: {sizes} vectors with exact ground truth.",
        license=config.license,
        creator=config.creator,
        url=config.url,
        date=(config.date or datetime.now(UTC).date()).isoformat(),
        goldpan=__version__,
        layout="fvecs",
        metric=terms.metric,
        dim=sets["base"].dim,
        dtype=sets["base"].dtype.name,
        normalized=terms.normalize,
        k=config.k,
        sets=written,
        encoder={key: about.get(key) for key in ("encoder", "revision", "preprocessing", "metric")},
        split={
            "rule": "seeded shuffle; queries, base, learn",
            "seed": config.seed,
            "group_by": config.group_by,
            "order": config.order,
        },
        truth={"k": config.k, "ties": "lower row number first", "order": "float64", **proofs},
        zero_norm_rows=sum(rows.zero_rows for rows in sets.values()),
        command=_command(ws, config),
    )


def _command(ws: Workspace, config: BenchConfig) -> str:
    words = ["goldpan", "bench", "make", ws.path.name, "-o", config.output.name]
    for name, value in config.model_dump(mode="json", exclude_defaults=True, exclude={"output", "workers"}).items():
        flag = "--" + name.replace("_", "-")
        words += [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, str(value)]
    return shlex.join(words)


def _check_output(ws: Workspace, config: BenchConfig) -> None:
    """Refuse a folder that holds anything but a release that this very command made of older tables."""
    if not config.output.exists() or (config.output.is_dir() and not any(config.output.iterdir())):
        return
    try:
        own = read_manifest(config.output).command == _command(ws, config)
    except InputError:
        own = False
    if not own:
        raise InputError(f"{config.output} exists already; name another folder, or remove it.")


def _is_made(config: BenchConfig) -> bool:
    try:
        sums = check_sums(config.output) if (config.output / MANIFEST).is_file() else None
    except InputError:
        return False
    return sums is not None and sums.ok


def _uses(ws: Workspace, config: BenchConfig) -> tuple[str, ...]:
    return "images", ws.find_vectors(config.encoder).name


STAGE = Stage("bench make", BenchConfig, reads=("images", "vectors"), writes=(), run=run, made=_is_made, uses=_uses)
