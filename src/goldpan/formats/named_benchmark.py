"""Benchmarks of folders whose files are known by their names: those of TEXMEX, big-ann and IntelLabs.

- TEXMEX: ``sift_base.fvecs`` (``bigann_base.bvecs``), ``sift_query.fvecs``, ``sift_learn.fvecs``,
  ``sift_groundtruth.ivecs``; by Euclidean distance.
- big-ann: a base (``base.1B.fbin.crop_nb_10000000``, ``FB_ssnpp_database.u8bin``), queries (``query.public.10K.fbin``),
  a learning set (``query.learn.50M.fbin``) and truth (``GT_10M``, ``deep-10M``, ``query_gt100.bin``), told from
  other files by its size and from the truth of a smaller base by its ids.
- IntelLabs: ``..._base_1M.fvecs``, ``..._queries_10k.fvecs``, ``..._learn_10k.fvecs``, ``<set>_1M_gtruth.ivecs``,
  ``<set>_1M_learn_gtruth.ivecs``, ``<set>_1M_out_of_distro_gtruth.ivecs``, of older sets
  ``gtruth_dpr10M_innerProduct.ivecs`` and ``wit_test_gt_1M_innerproduct.ivecs``; by decreasing inner product.
"""

from __future__ import annotations

import re
from pathlib import Path

from goldpan.core.errors import FormatError, InputError
from goldpan.core.records import Metric
from goldpan.formats.benchmark_parts import checked, choose
from goldpan.formats.benchmark_record import Benchmark
from goldpan.formats.bigann import FBIN
from goldpan.formats.protocol import Address, VectorReader
from goldpan.formats.truth import Truth, open_truth, read_truth
from goldpan.formats.vectors import FORMATS, format_name, open_vectors

_BIGANN = ("fbin", "u8bin", "i8bin", "hbin")
_TEXMEX = re.compile(r"(?P<set>.+)_(?P<role>base|query|learn|groundtruth)\.[fbi]vecs")
_RANDOM = re.compile(r"(data|queries)_\d+_\d+")  # big-ann's random-xs: a .fbin without the suffix
_SIZE = re.compile(r"\d+[kKM](?![A-Za-z0-9])")
_MARKS = {"learn": "learn", "quer": "queries", "base": "base"}  # a learning set may be one of queries: first
_OOD = ("ood", "out_of_distro")


def texmex_parts(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the benchmarks of TEXMEX in a folder by name, such as ``sift``: files by their roles."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*vecs")):
        name = _TEXMEX.fullmatch(path.name)
        if name and (name["role"] == "groundtruth") == (path.suffix == ".ivecs"):
            found.setdefault(name["set"], {})[name["role"]] = path
    return {name: files for name, files in found.items() if {"base", "query", "groundtruth"} <= set(files)}


def read_texmex_folder(folder: Path, part: str | None = None, metric: Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark of TEXMEX.

    Args:
        folder: where the files are.
        part: its name, such as ``sift``, where there are several.
        metric: that of the vectors; where None the Euclidean distance.

    Raises:
        UnknownName: no such part.
        InputError: several could be meant.
        FormatError: a damaged file.
    """
    files = choose(folder, part, texmex_parts(folder))
    base, queries = open_vectors(files["base"]), open_vectors(files["query"])
    learn = open_vectors(files["learn"]) if "learn" in files else None
    truth = read_truth(files["groundtruth"])
    return checked(files["groundtruth"], Benchmark(base, queries, truth, metric or Metric.L2, learn))


def bigann_bases(folder: Path) -> dict[str, Path]:
    """Return the bases in a folder of big-ann by file name; none where there are no queries."""
    roles = _bigann_roles(folder)
    return {path.name: path for path in roles["base"]} if roles["queries"] else {}


def read_bigann_folder(folder: Path, part: str | None = None, metric: Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark of big-ann.

    Args:
        folder: where the files are.
        part: file name of the base, where there are several.
        metric: what "near" means, which no file says.

    Raises:
        UnknownName: no such base.
        InputError: several bases or queries could be meant.
        FormatError: a damaged file, or no truth for these queries and this base.
    """
    roles = _bigann_roles(folder)
    base = _open_bin(choose(folder, part, bigann_bases(folder)))
    asked = [path for path in roles["queries"] if "public" in path.name.lower()] or roles["queries"]
    if len(asked) > 1:
        raise InputError(f"{folder} has queries in {', '.join(path.name for path in asked)}; keep one of them there.")
    queries = _open_bin(asked[0])
    learn = _open_bin(roles["learn"][0]) if len(roles["learn"]) == 1 else None
    truth = _bigann_truth(folder, base, queries, metric)
    return checked(folder, Benchmark(base, queries, truth, metric, learn))


def _bigann_roles(folder: Path) -> dict[str, list[Path]]:
    roles: dict[str, list[Path]] = {"base": [], "queries": [], "learn": []}
    for path in sorted(folder.iterdir()):
        if path.is_file() and (format_name(path) in _BIGANN or _RANDOM.fullmatch(path.name)):
            name = path.name.lower()
            roles["learn" if "learn" in name else "queries" if "quer" in name else "base"].append(path)
    return roles


def _open_bin(path: Path) -> VectorReader:
    return FBIN.open(Address(path)) if _RANDOM.fullmatch(path.name) else open_vectors(Address(path))


def _bigann_truth(folder: Path, base: VectorReader, queries: VectorReader, metric: Metric | None) -> Truth:
    """Return the truth that fits: as many answers as queries, of those the one that reaches deepest into the base."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and _may_be_truth(path)]
    reached = [(_deepest(path, queries.n), path) for path in paths]
    fitting = [(deepest, path) for deepest, path in reached if 0 <= deepest < base.n]
    if not fitting:
        raise FormatError(folder, f"no truth for the {queries.n} queries of {queries.path.name} in {base.n} rows.")
    return read_truth(Address(max(fitting)[1]), metric)


def _may_be_truth(path: Path) -> bool:
    name, kind = path.name.lower(), format_name(path)
    marked = ("gt" in name or "groundtruth" in name) and kind not in FORMATS.builtin
    return marked or kind in ("ibin", "bin") or (kind == "folder" and not _RANDOM.fullmatch(path.name))


def _deepest(path: Path, queries: int) -> int:
    """Return the largest id of a truth; -1 where it is none, or that of other queries."""
    try:
        reader = open_truth(Address(path))
        return max((int(ids.max(initial=-1)) for ids in reader.ids()), default=-1) if reader.n == queries else -1
    except FormatError:
        return -1  # another kind of file, such as tags or range truth


def intel_parts(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the benchmarks of IntelLabs in a folder by size, such as ``1M`` and ``1M-ood``: files by their roles."""
    sets: dict[str, Path] = {}
    sized: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*vecs")):
        name, sizes = path.name.lower(), _SIZE.findall(path.name)
        role = next((role for mark, role in _MARKS.items() if mark in name), None)
        if path.suffix == ".ivecs":
            role = ("learn_truth" if role == "learn" else "truth") if "gt" in name else None
        ood = "_ood" if any(mark in name for mark in _OOD) else ""
        if role in ("queries", "learn"):
            sets[role + ood] = path
        elif role and sizes:
            sized.setdefault(sizes[-1], {})[role + ood] = path
    found: dict[str, dict[str, Path]] = {}
    for size, files in sized.items():
        for end, mark in (("", ""), ("-ood", "_ood")):
            roles = {
                "base": files.get("base"),
                "queries": sets.get(f"queries{mark}"),
                "truth": files.get(f"truth{mark}"),
            }
            extra = {"learn": sets.get(f"learn{mark}"), "learn_truth": files.get(f"learn_truth{mark}")}
            if all(roles.values()):
                found[size + end] = {role: path for role, path in {**roles, **extra}.items() if path}
    return found


def read_intel_folder(folder: Path, part: str | None = None, metric: Metric | None = None) -> Benchmark[VectorReader]:
    """Open a benchmark of IntelLabs.

    Args:
        folder: where the files are.
        part: size of the base, such as ``1M`` or ``1M-ood``, where there are several.
        metric: that of the vectors; where None the inner product.

    Raises:
        UnknownName: no such part.
        InputError: several could be meant.
        FormatError: a damaged file.
    """
    files = choose(folder, part, intel_parts(folder))
    base, queries = open_vectors(files["base"]), open_vectors(files["queries"])
    learn = open_vectors(files["learn"]) if "learn" in files else None
    learn_truth = read_truth(files["learn_truth"]) if "learn_truth" in files and learn is not None else None
    found = Benchmark(base, queries, read_truth(files["truth"]), metric or Metric.IP, learn, learn_truth)
    return checked(files["truth"], found)
