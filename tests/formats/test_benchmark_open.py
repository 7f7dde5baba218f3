"""Benchmarks of every kind through one door: the same vectors and answers come out."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from goldpan.core.errors import FormatError, InputError, UnknownName
from goldpan.core.records import Metric
from goldpan.formats.ann_benchmarks import read_mean_distances
from goldpan.formats.benchmark import LAYOUTS, Benchmark, write_benchmark
from goldpan.formats.benchmark_open import open_benchmark
from goldpan.formats.mapped import ArrayReader
from goldpan.formats.sisap_tasks import without_self
from goldpan.formats.truth import Truth, write_truth
from goldpan.formats.vectors import write_vectors

N, DIM, K = 60, 16, 5
RNG = np.random.default_rng(0)


def unit(rows: int) -> np.ndarray:
    vectors = RNG.standard_normal((rows, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)


BASE, QUERIES, LEARN = unit(N), unit(7), unit(4)


def answers(queries: np.ndarray, base: np.ndarray = BASE) -> Truth:
    products = queries.astype(np.float64) @ base.astype(np.float64).T
    ids = np.argsort(-products, axis=1, kind="stable")[:, :K]
    return Truth(ids, np.take_along_axis(products, ids, axis=1))


TRUTH = answers(QUERIES)


def check(found: Benchmark[Any], metric: Metric | None, queries: np.ndarray = QUERIES, *, scores: bool = True) -> None:
    truth = answers(queries)
    np.testing.assert_array_equal(found.base.read(0, N), BASE)
    np.testing.assert_array_equal(found.queries.read(0, found.queries.n), queries)
    assert found.truth.ids.tolist() == truth.ids.tolist()
    assert found.metric is metric
    if scores:
        np.testing.assert_allclose(found.truth.distances, truth.distances, atol=1e-6)
    else:
        assert found.truth.distances is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_ours(tmp_path: Path, layout: str) -> None:
    given = Benchmark(ArrayReader(BASE), ArrayReader(QUERIES), TRUTH, Metric.IP)
    write_benchmark(tmp_path / "x", given, layout)
    check(open_benchmark(tmp_path / "x"), Metric.IP, scores=layout != "fvecs")
    with pytest.raises(InputError, match="holds one benchmark; leave out ':itest'"):
        open_benchmark(f"{tmp_path}/x:itest")


def test_vibe(tmp_path: Path) -> None:
    path = tmp_path / "toy-16-normalized.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"distance": "normalized", "dimension": DIM, "point_type": "float"})
        file["train"], file["test"], file["learn"] = BASE, QUERIES, LEARN
        file["neighbors"], file["distances"] = TRUTH.ids, 1 - TRUTH.distances
        file["avg_distances"] = np.arange(7.0)
        file["learn_neighbors"] = answers(LEARN).ids.astype(np.uint32)
    found = open_benchmark(path)
    check(found, Metric.COSINE)
    assert found.learn is not None
    assert found.learn_truth is not None
    np.testing.assert_array_equal(found.learn.read(0, 4), LEARN)
    assert found.learn_truth.ids.tolist() == answers(LEARN).ids.tolist()
    assert found.learn_truth.distances is None
    mean = read_mean_distances(path)
    assert mean is not None
    assert mean.tolist() == list(range(7))


@pytest.mark.parametrize(("name", "scale"), [("euclidean", 2.0), ("cosine", 0.5), ("ip", 1.0)])
def test_vibe_s_distances(tmp_path: Path, name: str, scale: float) -> None:
    path = tmp_path / "x.hdf5"
    stored = {"euclidean": TRUTH.distances, "cosine": 1 - TRUTH.distances, "ip": -TRUTH.distances}[name] * scale
    values = {"euclidean": stored, "cosine": 1 - stored, "ip": -stored}[name]
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = name
        file["train"], file["test"], file["neighbors"], file["distances"] = BASE, QUERIES, TRUTH.ids, stored
    found = open_benchmark(path)
    assert found.metric is {"euclidean": Metric.L2, "cosine": Metric.COSINE, "ip": Metric.IP}[name]
    np.testing.assert_allclose(found.truth.distances, values)


def test_vibe_s_bits_are_packed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.hdf5"
    bits = np.packbits(BASE > 0).reshape(N, -1)
    counts = np.bitwise_count(bits[:3, None] ^ bits[None]).sum(axis=2)
    ids = np.argsort(counts, axis=1, kind="stable")[:, :K]
    with h5py.File(path, "w") as file:
        file.attrs.update({"distance": "hamming", "dimension": DIM, "point_type": "binary"})
        file["train"], file["test"], file["neighbors"] = bits, bits[:3], ids
        file["distances"] = np.take_along_axis(counts, ids, axis=1).astype(float)
    found = open_benchmark(path)
    assert (found.metric, found.base.dim, found.base.dtype) == (Metric.HAMMING, DIM // 8, np.uint8)
    np.testing.assert_array_equal(found.truth.distances, np.take_along_axis(counts, ids, axis=1))


def sisap_2025(path: Path, *groups: str) -> Path:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["_types/00000001"] = np.dtype([("re", "f4"), ("im", "f4")])
        file["train"] = BASE
        for group in groups:
            truth = answers(BASE if group == "allknn" else QUERIES)
            if group != "allknn":
                file[f"{group}/queries"] = QUERIES
            file[f"{group}/knns"] = truth.ids.astype(np.int32) + 1
            if group != "test":
                file[f"{group}/dists"] = (1 - truth.distances).astype(np.float32)
    return path


def test_sisap_2025_and_2026(tmp_path: Path) -> None:
    path = sisap_2025(tmp_path / "pubmed.h5", "itest", "otest", "test", "allknn")
    for group in ("itest", "otest"):
        check(open_benchmark(f"{path}:{group}"), Metric.IP)
    check(open_benchmark(f"{path}:test"), Metric.IP, scores=False)
    check(open_benchmark(sisap_2025(tmp_path / "one.h5", "itest")), Metric.IP)
    with pytest.raises(InputError, match=r"name one: .*pubmed.h5:allknn, .*pubmed.h5:itest"):
        open_benchmark(path)
    with pytest.raises(UnknownName, match="Known: allknn, itest, otest, test"):
        open_benchmark(f"{path}:test1")


def test_a_graph_of_all_rows_holds_the_rows_themselves(tmp_path: Path) -> None:
    found = open_benchmark(sisap_2025(tmp_path / "gooaq.h5", "allknn"), "ip")
    check(found, Metric.IP, BASE)
    assert found.truth.ids[:, 0].tolist() == list(range(N))
    others = without_self(found.truth)
    np.testing.assert_array_equal(others.ids, found.truth.ids[:, 1:])
    assert others.distances is not None
    assert others.distances.shape == (N, K - 1)
    copies = without_self(Truth(np.array([[1, 0], [0, 3]]), None))  # row 1 stands behind two copies of it
    assert copies.ids.tolist() == [[1], [0]]


def test_answers_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = sisap_2025(tmp_path / "benchmark-dev-gooaq.h5")
    with pytest.raises(FormatError, match="test is missing"):
        open_benchmark(path)
    truth = answers(BASE)
    with h5py.File(tmp_path / "allknn-benchmark-dev-gooaq.h5", "w") as file:
        file["knns"], file["dists"] = truth.ids + 1, truth.distances.astype(np.float32)  # similarities, descending
    for address in (path, f"{path}:allknn", tmp_path, f"{tmp_path}:benchmark-dev-gooaq/allknn"):
        check(open_benchmark(address), Metric.IP, BASE)


def test_a_folder_of_2026_with_its_configuration(tmp_path: Path) -> None:
    sisap_2025(tmp_path / "wiki.h5", "itest", "otest", "allknn")
    config: dict[str, Any] = {
        "task": "task2",
        "data": "train",
        "queries": "otest/queries",
        "gt_I": "otest/knns",
        "k": 30,
    }
    config |= {"filename": "wiki.h5", "dataset_name": "wikipedia"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    check(open_benchmark(tmp_path), Metric.IP)
    check(open_benchmark(f"{tmp_path}:wikipedia"), Metric.IP)
    (tmp_path / "config.json").write_text(json.dumps({**config, "queries": None, "gt_I": ["allknn", "knns"]}))
    check(open_benchmark(tmp_path), Metric.IP, BASE)
    for change, problem in (
        ({"sparse": True}, "holds sparse rows"),
        ({"filename": "../wiki.h5"}, "no file '../wiki.h5' beside it"),
        ({"filename": "none.h5"}, "no file 'none.h5' beside it"),
        ({"gt_I": 7}, "must be texts"),
        ({"gt_I": "otest/gold"}, "no ids under otest/gold"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(InputError, match=problem):
            open_benchmark(tmp_path)
    (tmp_path / "config.json").write_text('{"model": "mine"}')
    with pytest.raises(FormatError, match="no benchmark of the layouts"):
        open_benchmark(tmp_path)


def sisap_2023(folder: Path, kind: str = "clip768v2", size: str = "100K", public: str = "public") -> None:
    key = kind.removesuffix("v2") if kind != "clip768v2" else "emb"
    vectors = (BASE, QUERIES)
    if kind == "hammingv2":
        vectors = tuple(np.packbits(rows > 0).reshape(len(rows), -1).repeat(4, axis=1) for rows in vectors)
    for name, rows in zip((f"laion2B-en-{kind}-n={size}.h5", f"{public}-queries-10k-{kind}.h5"), vectors, strict=True):
        write_vectors(f"{folder}/{name}:{key}", [rows], dim=rows.shape[1], dtype=rows.dtype)
    write_truth(folder / f"laion2B-en-{public}-gold-standard-v2-{size}.h5", TRUTH.ids, TRUTH.distances, metric="cosine")


def test_sisap_2023(tmp_path: Path) -> None:
    sisap_2023(tmp_path)
    check(open_benchmark(tmp_path), Metric.COSINE)
    sisap_2023(tmp_path, "pca32v2")
    sisap_2023(tmp_path, "hammingv2")
    sisap_2023(tmp_path, size="300K", public="private")
    with pytest.raises(InputError, match=r"clip768-100K-public, .*hamming-100K-public, .*pca32-100K-public"):
        open_benchmark(tmp_path)
    check(open_benchmark(f"{tmp_path}:clip768-300K-private"), Metric.COSINE)
    check(open_benchmark(f"{tmp_path}:pca32-100K-public"), Metric.SQEUCLIDEAN, scores=False)
    bits = open_benchmark(f"{tmp_path}:hamming-100K-public")
    assert (bits.metric, bits.base.dtype, bits.base.dim) == (Metric.HAMMING, np.uint8, DIM // 8 * 4)


def test_gold_of_float64_goes_before_and_2024_s_similarities_are_told_by_their_order(tmp_path: Path) -> None:
    sisap_2023(tmp_path)
    path = tmp_path / "laion2B-en-public-gold-standard-v2-100K-F64-IEEE754.h5"
    with h5py.File(path, "w") as file:
        file["knns"], file["dists"] = TRUTH.ids + 1, TRUTH.distances.astype(np.float32)
    check(open_benchmark(tmp_path), Metric.COSINE)
    with h5py.File(path, "w") as file:
        file["knns"] = TRUTH.ids + 2**20
    with pytest.raises(FormatError, match="the base has 60"):
        open_benchmark(tmp_path)


def test_names_of_2024(tmp_path: Path) -> None:
    sisap_2023(tmp_path, size="300K")
    queries = tmp_path / "public-queries-10k-clip768v2.h5"
    queries.rename(tmp_path / "public-queries-2024-laion2B-en-clip768v2-n=10k.h5")
    gold = tmp_path / "laion2B-en-public-gold-standard-v2-300K.h5"
    gold.rename(tmp_path / "gold-standard-dbsize=300K--public-queries-2024-laion2B-en-clip768v2-n=10k.h5")
    check(open_benchmark(tmp_path), Metric.COSINE)


def bigann(
    folder: Path, base: str = "base.1B.fbin", queries: str = "query.public.10K.fbin", truth: str = "GT_1B"
) -> None:
    write_vectors(folder / base, [BASE], dim=DIM, dtype=np.float32)
    write_vectors(folder / queries, [QUERIES], dim=DIM, dtype=np.float32)
    (folder / truth).write_bytes(
        struct.pack("<2I", 7, K) + TRUTH.ids.astype("<u4").tobytes() + TRUTH.distances.astype("<f4").tobytes()
    )


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("base1b.fbin", "query100K.fbin", "query_gt100.bin"),
        ("base.1B.fbin.crop_nb_60", "query.public.10K.fbin", "deep-10M"),
        ("x_database.fbin", "x_public_queries.fbin", "x_groundtruth.public.ibin"),
        ("data_60_16", "queries_7_16", "gt_7_60_16"),
    ],
)
def test_big_ann(tmp_path: Path, names: tuple[str, ...]) -> None:
    if names and "." not in names[0]:
        bigann(tmp_path, "a.fbin", "b.fbin", names[2])
        (tmp_path / "a.fbin").rename(tmp_path / names[0])
        (tmp_path / "b.fbin").rename(tmp_path / names[1])
    else:
        bigann(tmp_path, *names)
    check(open_benchmark(tmp_path, "ip"), Metric.IP)
    assert open_benchmark(tmp_path).metric is None


def test_big_ann_with_much_beside(tmp_path: Path) -> None:
    bigann(tmp_path)
    write_vectors(tmp_path / "query.learn.50M.fbin", [LEARN], dim=DIM, dtype=np.float32)
    write_vectors(tmp_path / "query.heldout.30K.fbin", [LEARN], dim=DIM, dtype=np.float32)
    write_truth(tmp_path / "GT.1M.ibin", TRUTH.ids // 10, TRUTH.distances)  # that of a smaller base
    write_truth(tmp_path / "GT.2B.ibin", TRUTH.ids * 100, TRUTH.distances)  # that of a larger one
    write_truth(tmp_path / "GT_heldout.ibin", TRUTH.ids[:4])
    (tmp_path / "tags.bin").write_bytes(b"\0" * 9)
    (tmp_path / "README").write_text("read me")
    found = open_benchmark(tmp_path, "ip")
    check(found, Metric.IP)
    assert found.learn is not None
    np.testing.assert_array_equal(found.learn.read(0, 4), LEARN)
    write_vectors(tmp_path / "base.1B.fbin.crop_nb_60", [BASE], dim=DIM, dtype=np.float32)
    with pytest.raises(InputError, match=r"name one: .*:base.1B.fbin, .*:base.1B.fbin.crop_nb_60"):
        open_benchmark(tmp_path)
    check(open_benchmark(f"{tmp_path}:base.1B.fbin.crop_nb_60", "ip"), Metric.IP)
    for name in ("GT_1B", "GT.1M.ibin"):
        (tmp_path / name).unlink()
    with pytest.raises(FormatError, match="no truth for the 7 queries"):
        open_benchmark(f"{tmp_path}:base.1B.fbin")


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_texmex(tmp_path: Path, dtype: str) -> None:
    kind = {"float32": "fvecs", "uint8": "bvecs"}[dtype]
    rows = (BASE * 20 + 100).astype(dtype)
    for role, part in (("base", rows), ("query", rows[:3]), ("learn", rows[3:9])):
        write_vectors(tmp_path / f"sift_{role}.{kind}", [part], dim=DIM, dtype=dtype)
    write_truth(tmp_path / "sift_groundtruth.ivecs", TRUTH.ids[:3])
    found = open_benchmark(tmp_path)
    assert (found.metric, found.base.n, found.queries.n, found.base.dtype) == (Metric.L2, N, 3, dtype)
    assert found.learn is not None
    np.testing.assert_array_equal(found.learn.read(0, 6), rows[3:9])
    assert found.truth.ids.tolist() == TRUTH.ids[:3].tolist()
    write_truth(tmp_path / "sift_groundtruth.ivecs", TRUTH.ids[:3] + N)
    with pytest.raises(FormatError, match="the base has 60"):
        open_benchmark(f"{tmp_path}:sift")


def test_intellabs(tmp_path: Path) -> None:
    stem = "open-images-512_boxed"
    for name, rows in (("base_1M", BASE), ("queries_10k", QUERIES), ("learn_10k", LEARN)):
        write_vectors(tmp_path / f"{stem}_{name}.fvecs", [rows], dim=DIM, dtype=np.float32)
    write_truth(tmp_path / "openimages_1M_gtruth.ivecs", TRUTH.ids)
    write_truth(tmp_path / "openimages_1M_learn_gtruth.ivecs", answers(LEARN).ids)
    found = open_benchmark(tmp_path)
    check(found, Metric.IP, scores=False)
    assert found.learn_truth is not None
    assert found.learn_truth.ids.tolist() == answers(LEARN).ids.tolist()
    shutil.copy(tmp_path / f"{stem}_queries_10k.fvecs", tmp_path / f"{stem}_queries_out_of_distro_10k.fvecs")
    write_truth(tmp_path / "openimages_1M_out_of_distro_gtruth.ivecs", TRUTH.ids)
    with pytest.raises(InputError, match=r"name one: .*:1M, .*:1M-ood"):
        open_benchmark(tmp_path)
    check(open_benchmark(f"{tmp_path}:1M-ood"), Metric.IP, scores=False)
    write_truth(tmp_path / "openimages_1M_gtruth.ivecs", TRUTH.ids[:3])
    with pytest.raises(FormatError, match="3 answers; there are 7 queries"):
        open_benchmark(f"{tmp_path}:1M")


@pytest.mark.parametrize(
    ("base", "queries", "learn", "truth", "learn_truth"),
    [
        ("rqa_base_10M", "rqa_query_10k", "rqa_learn_10k", "rqa_10M_gtruth", "rqa_10M_learn_gtruth"),
        (
            "wit_base_1M",
            "wit_query_10k",
            "wit_learn_query_10k",
            "wit_test_gt_1M_innerproduct",
            "wit_learn_gt_1M_innerproduct",
        ),
        (
            "c4-en_base_10M_files0_2",
            "c4-en_queries_10k_files0_1",
            "c4_learn",
            "gtruth_dpr10M_innerProduct",
            "x_learn_gt_10M",
        ),
    ],
)
def test_names_of_intellabs(tmp_path: Path, base: str, queries: str, learn: str, truth: str, learn_truth: str) -> None:
    for name, rows in ((base, BASE), (queries, QUERIES), (learn, LEARN)):
        write_vectors(tmp_path / f"{name}.fvecs", [rows], dim=DIM, dtype=np.float32)
    write_truth(tmp_path / f"{truth}.ivecs", TRUTH.ids)
    write_truth(tmp_path / f"{learn_truth}.ivecs", answers(LEARN).ids)
    found = open_benchmark(tmp_path)
    check(found, Metric.IP, scores=False)
    assert found.learn_truth is not None
    assert found.learn_truth.ids.tolist() == answers(LEARN).ids.tolist()


def test_what_is_no_benchmark(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no benchmark"):
        open_benchmark(tmp_path / "none")
    with pytest.raises(FormatError, match="no benchmark of the layouts"):
        open_benchmark(tmp_path)
    (tmp_path / "x.fvecs").touch()
    with pytest.raises(FormatError, match="name the folder that this file lies in"):
        open_benchmark(tmp_path / "x.fvecs")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["train"] = BASE
    with pytest.raises(FormatError, match="no benchmark: test is missing"):
        open_benchmark(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["train"], file["size_train"] = np.arange(4), np.array([4])
    with pytest.raises(InputError, match="holds sparse rows: open them with open_sparse"):
        open_benchmark(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(FormatError, match="not a whole HDF5 file"):
        open_benchmark(tmp_path / "x.h5")
