"""Verify: is a release what it says? Sums, headers, values, duplicates, leakage, and the truth of a sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import Field

from goldpan.core.config import Config
from goldpan.core.errors import FormatError, InputError
from goldpan.core.place import Place, on_disk
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Metric, parse_metric
from goldpan.formats.benchmark import CARD, read_benchmark
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.protocol import VectorReader
from goldpan.formats.release import MANIFEST, Manifest, read_manifest
from goldpan.formats.sums import SUMS, SumsCheck, check_sums
from goldpan.stages.stage import make_config
from goldpan.stages.verify.checks import check_truth_sample, check_truth_shape, check_values
from goldpan.stages.verify.finding import Finding, Part, Verdict
from goldpan.stages.verify.leakage import check_duplicates, check_keys_apart, check_vectors_apart, fingerprints

_SAMPLE_WORK = 2e11


class VerifyConfig(Config):
    """What to check."""

    release: Place = Field(description="A release folder, or a benchmark in any layout that goldpan reads.")
    sample: int | None = Field(
        None, description="Queries whose truth is recomputed; by default as many as take some seconds.", ge=1
    )
    metric: str | None = Field(None, description="The metric, where no file of the release says.")
    seed: int = Field(0, description="Seed of the sample.", ge=0)


def run(config: VerifyConfig, progress: Progress | None = None) -> list[Finding]:
    """Check a release and return what was found, one finding a check.

    Raises:
        InputError: there is no such release, or its metric is not known.
        FormatError: it is no benchmark that goldpan reads.
    """
    progress = progress or Silent()
    progress.start(f"verify {config.release}")
    findings = []
    with on_disk(config.release) as folder:
        for finding in _findings(config.model_copy(update={"release": folder})):
            findings.append(finding)
            progress.advance(1, int(finding.verdict is Verdict.FAILED))
    progress.finish()
    return findings


def _findings(config: VerifyConfig) -> Iterator[Finding]:
    folder = config.release
    manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    sums, findings = _read_sums(folder)
    yield from findings
    if manifest is not None:
        yield from _check_named(folder, manifest, sums)
    try:
        benchmark = read_benchmark(folder)
    except InputError as error:
        damaged = isinstance(error, FormatError) and (error.path != folder or folder.is_file())
        if not damaged and manifest is None and not (folder / CARD).is_file():
            raise  # it was never a benchmark
        yield Finding("files", Verdict.FAILED, str(error))
        return
    metric = _metric(config, manifest, benchmark.metric)
    yield from _check_metric(folder, manifest, benchmark.metric)
    if metric != benchmark.metric:
        benchmark = read_benchmark(folder, metric)  # distances are values of the metric
    parts, findings = _read_parts(folder, manifest, benchmark)
    yield from findings
    yield from _check_headers(parts, manifest)
    for part in parts:
        yield from check_values(part, normalized=bool(manifest and manifest.normalized))
    yield from _check_apart(parts, metric, manifest)
    for part in parts[1:]:
        sample = config.sample or max(10, int(_SAMPLE_WORK / max(1, benchmark.base.n * benchmark.base.dim)))
        yield from check_truth_shape(part, benchmark.base.n, manifest.k if manifest else None)
        yield from check_truth_sample(part, benchmark.base, metric, sample, config.seed)


def _read_sums(folder: Path) -> tuple[SumsCheck | None, list[Finding]]:
    """Compare the files with their sums, where there are any."""
    if not (folder / SUMS).is_file():
        return None, []
    try:
        sums = check_sums(folder)
    except FormatError as error:
        return None, [Finding("files", Verdict.FAILED, str(error))]
    return sums, list(_check_files(sums))


def _metric(config: VerifyConfig, manifest: Manifest | None, found: Metric | None) -> Metric:
    asked = None if config.metric is None else parse_metric(config.metric)
    metric = asked or (manifest.metric if manifest else None) or found
    if metric is None:
        problem = "does not name a metric; add --metric ip, cosine, l2, sqeuclidean or hamming."
        raise InputError(f"{config.release} {problem}")
    return metric


def _check_metric(folder: Path, manifest: Manifest | None, found: Metric | None) -> Iterator[Finding]:
    # The attribute of an HDF5 file is coarser (l2 and sqeuclidean are one there), so only the card is compared.
    if manifest is not None and (folder / CARD).is_file() and found not in (None, manifest.metric):
        yield Finding("metric", Verdict.FAILED, f"{MANIFEST} says {manifest.metric}, {CARD} says {found}")


def _read_parts(
    folder: Path, manifest: Manifest | None, benchmark: Benchmark[VectorReader]
) -> tuple[list[Part], list[Finding]]:
    """Return the sets of a benchmark with what is known of them, and which metadata could not be read."""
    parts, findings = [], []
    sets = {
        "base": (benchmark.base, None),
        "queries": (benchmark.queries, benchmark.truth),
        "learn": (benchmark.learn, benchmark.learn_truth),
    }
    for name, (vectors, truth) in sets.items():
        if vectors is None:
            continue
        keys = None
        try:
            keys = _keys(folder, manifest, name)
        except FormatError as error:
            findings.append(Finding(f"{name} metadata", Verdict.FAILED, str(error)))
        ids, distances = truth if truth is not None else (None, None)
        parts.append(Part(name, vectors, ids, distances, keys))
    return parts, findings


def _check_files(sums: SumsCheck) -> Iterator[Finding]:
    for names, what in ((sums.changed, "changed"), (sums.missing, "missing")):
        if names:
            yield Finding("files", Verdict.FAILED, f"{what}: {', '.join(names)}")
    if sums.unlisted:
        yield Finding("files", Verdict.NOTE, f"not in {SUMS}: {', '.join(sums.unlisted)}")
    if sums.ok:
        yield Finding("files", Verdict.OK, f"{len(sums.same)} files have their SHA-256")


def _check_named(folder: Path, manifest: Manifest, sums: SumsCheck | None) -> Iterator[Finding]:
    """Look that the files the manifest names are there, and under the sums where there are any."""
    listed = [] if sums is None else [*sums.same, *sums.changed, *sums.missing]
    for part in manifest.sets.values():
        for address in filter(None, (part.vectors, part.truth, part.metadata)):
            name = address.partition(":")[0].rstrip("/")
            covered = any(known == name or known.startswith(f"{name}/") for known in listed)
            if not covered and not (folder / name).exists():
                yield Finding("files", Verdict.FAILED, f"{MANIFEST} names {name}, which is missing")
            elif not covered and sums is not None:
                yield Finding("files", Verdict.FAILED, f"{MANIFEST} names {name}, which is not in {SUMS}")


def _check_headers(parts: list[Part], manifest: Manifest | None) -> Iterator[Finding]:
    base = parts[0].vectors
    for part in parts:
        problems = []
        if part.vectors.dim != base.dim:
            problems.append(f"{part.vectors.dim} dimensions, the base has {base.dim}")
        info = manifest.sets.get(part.name) if manifest else None
        if info is not None and (part.vectors.n, part.vectors.dim) != (info.rows, manifest.dim if manifest else 0):
            problems.append(f"{part.vectors.n} x {part.vectors.dim}, the manifest says {info.rows} x {base.dim}")
        if part.keys is not None and any(len(values) != part.vectors.n for values in part.keys.values()):
            problems.append("the metadata has another number of rows than the vectors")
        for problem in problems:
            yield Finding(f"{part.name} header", Verdict.FAILED, problem)
        if not problems:
            shape = f"{part.vectors.n:,} x {part.vectors.dim} {part.vectors.dtype.name}"
            yield Finding(f"{part.name} header", Verdict.OK, shape)


def _check_apart(parts: list[Part], metric: Metric, manifest: Manifest | None) -> Iterator[Finding]:
    prints = {part.name: fingerprints(part.vectors) for part in parts}
    group_by = (manifest.split.get("group_by") if manifest else None) or None
    for part in parts:
        yield from check_duplicates(part, prints[part.name])
    for one, other in combinations(parts[::-1], 2):
        yield from check_vectors_apart(one, other, prints[one.name], prints[other.name], metric)
        yield from check_keys_apart(one, other, group_by)


def _keys(folder: Path, manifest: Manifest | None, name: str) -> dict[str, list[Any]] | None:
    """Return what identifies the rows of a set.

    Raises:
        FormatError: the metadata are damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    info = manifest.sets.get(name) if manifest else None
    if info is None or info.metadata is None or not (folder / info.metadata).is_file():
        return None
    wanted = {"id", "sha256", "parent_id", (manifest.split.get("group_by") if manifest else None)}
    path = folder / info.metadata
    try:
        table = pq.read_table(path, columns=[column for column in pq.read_schema(path).names if column in wanted])
    except (pa.ArrowException, OSError) as error:
        raise FormatError(path, f"no whole Parquet file ({str(error).splitlines()[0]}).") from None
    keys: dict[str, list[Any]] = table.to_pydict()
    return keys


def verify(release: str | Path, **fields: Any) -> list[Finding]:
    """Check a release; see `VerifyConfig` for the fields.

    Example:
        ``assert all(finding.verdict != "failed" for finding in goldpan.verify("release"))``
    """
    return run(make_config(VerifyConfig, {"release": release, **fields}))
