"""Projections: what each computes, held against the plain definition; saved, streamed, chained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from goldpan.core.errors import ArrayError, FormatError, InputError, UnknownName
from goldpan.core.progress import Silent
from goldpan.core.records import Metric
from goldpan.search.exact import exact_search
from goldpan.search.projections.applying import project_all, project_blocks, recall_bound
from goldpan.search.projections.loading import (
    ProjectedReader,
    load_projection,
    open_projection,
    save_projection,
)
from goldpan.search.projections.moments import moments
from goldpan.search.projections.protocol import Projection
from goldpan.search.readers import ArrayReader
from goldpan.search.synthetic import open_dataset, open_readers

SKETCHES = ["binperms", "diffenc", "hyperplane", "entropy", "signrp", "itq", "thermo"]
SPECS = [*(f"{kind}:128" for kind in SKETCHES), "signpca:64", "pca:16", "cast:float16", "cast:int8", "rotate"]
DATA = open_dataset("A", n=5000, n_queries=60, dim=96)


def fitted(spec: str, rows: np.ndarray = DATA.base, metric: str = "ip", seed: int = 0) -> Projection:
    projection = open_projection(spec, dim=rows.shape[1], metric=metric, seed=seed)
    projection.fit(ArrayReader(rows), Silent())
    return projection


def words(packed: np.ndarray) -> np.ndarray:
    """Bits of uint64 words, lowest first: ``(m, words, 64)``."""
    return (packed.view("<u8")[:, :, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_every_projection_is_equal_each_time_and_after_loading(spec: str, metric: str, tmp_path: Path) -> None:
    first = fitted(spec, metric=metric)
    rows = first.apply(DATA.queries)
    assert rows.shape == (60, first.dim)
    assert rows.dtype == first.dtype
    assert fitted(spec, metric=metric).apply(DATA.queries).tobytes() == rows.tobytes()
    save_projection(first, tmp_path)
    loaded = load_projection(tmp_path)
    assert (loaded.spec, loaded.metric, loaded.source_metric) == (first.spec, first.metric, Metric(metric))
    assert loaded.apply(DATA.queries).tobytes() == rows.tobytes()


@pytest.mark.parametrize("spec", ["thermo:128", "binperms:64", "rotate"])
def test_the_seed_decides(spec: str) -> None:
    assert (fitted(spec, seed=1).apply(DATA.queries) != fitted(spec, seed=2).apply(DATA.queries)).any()


def test_moments_are_those_of_float64_far_from_the_origin() -> None:
    rows = DATA.base * np.linspace(1, 9, 96, dtype=np.float32) + np.float32(50)
    found = moments(ArrayReader(rows), Metric.L2, Silent())
    wide = rows.astype(np.float64)
    wanted = np.cov(wide.T, bias=True)
    np.testing.assert_allclose(found.mean, wide.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.covariance, wanted, atol=2e-6 * wanted.max())


def test_pca_is_centered_unwhitened_and_that_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    mine = fitted("pca:16").apply(DATA.base)
    theirs = PCA(16, svd_solver="full").fit(DATA.base.astype(np.float64)).transform(DATA.base)
    theirs *= np.sign((theirs * mine).sum(axis=0))
    np.testing.assert_allclose(mine, theirs, atol=2e-4)
    np.testing.assert_allclose(mine.mean(axis=0), 0, atol=1e-5)
    assert mine[:, 0].var() > 1.5 * mine[:, 15].var()


def test_pca_under_cosine_does_not_see_lengths() -> None:
    scaled = DATA.base * np.random.default_rng(0).uniform(1, 50, (5000, 1)).astype(np.float32)
    np.testing.assert_allclose(
        fitted("pca:8", scaled, "cosine").apply(scaled), fitted("pca:8").apply(DATA.base), atol=1e-4
    )


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_binperms_is_the_definition(metric: str) -> None:
    projection = fitted("binperms:128", metric=metric)
    bits = words(projection.apply(DATA.queries[:20]))
    for word, references in enumerate(projection.state()["references"].astype(np.float64)):
        for row, query in enumerate(DATA.queries[:20].astype(np.float64)):
            far = -references @ query if metric == "ip" else ((references - query) ** 2).sum(axis=1)
            order = sorted(range(64), key=lambda j, far=far: (far[j], j))
            places = [order.index(j) for j in range(64)]
            assert bits[row, word].tolist() == [int(abs(places[j] - j) > 22) for j in range(64)]


def test_diffenc_compares_neighbors_in_a_circle() -> None:
    rows = DATA.base[:64] + np.random.default_rng(1).uniform(0, 2, (64, 1)).astype(np.float32)  # lengths differ
    bits = words(fitted("diffenc:64", rows, "l2").apply(DATA.queries))[:, 0].astype(int)
    far = ((DATA.queries[:, None] - rows) ** 2).sum(axis=2)
    # Of 64 rows a word holds all, in the order of the second draw (the first takes the sample).
    picks = np.random.default_rng(0)
    picks.choice(64, 64, replace=False)
    order = picks.choice(64, 64, replace=False)
    wanted = far[:, order] < far[:, np.roll(order, -1)]
    assert (bits == wanted).mean() > 0.999  # float32 against float32 of another formula


def test_hyperplane_pairs_say_which_row_is_nearer() -> None:
    projection = fitted("hyperplane:64", metric="l2")
    state = projection.state()
    assert state["directions"].shape == (96, 64)
    sides = DATA.queries @ state["directions"] > state["thresholds"]
    assert (np.unpackbits(projection.apply(DATA.queries), axis=1, bitorder="little") == sides).all()


def test_entropy_divides_more_evenly_than_pairs_do() -> None:
    def unevenness(spec: str) -> float:
        bits = np.unpackbits(fitted(spec).apply(DATA.base), axis=1)
        return float(np.abs(bits.mean(axis=0) - 0.5).mean())

    assert unevenness("entropy:128") < 0.5 * unevenness("hyperplane:128")


def test_bfloat16_rounds_to_even_and_int8_keeps_the_order() -> None:
    values = np.array([[1.0, 1.00390625, 1.01171875, -3.1415927]], np.float32)  # second and third: half way
    assert fitted("cast:bfloat16", values).apply(values).tolist() == [[1.0, 1.0, 1.015625, -3.140625]]
    cast = fitted("cast:int8")
    codes = cast.apply(DATA.base)
    assert np.abs(codes).max() == 127
    np.testing.assert_allclose(codes / cast.state()["scale"], DATA.base, atol=0.51 / cast.state()["scale"][0])
    assert cast.apply(DATA.base[:1] * 1000).max() <= 127


@pytest.mark.parametrize("dim", [1, 7, 96])
def test_rotation_keeps_distances_in_any_dimension(dim: int) -> None:
    rows = DATA.base[:50, :dim]
    turned = fitted("rotate", rows).apply(rows)
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=1e-5)
    assert dim == 1 or np.abs(turned - rows).max() > 0.01


def test_a_chain_fits_each_on_what_comes_before(tmp_path: Path) -> None:
    chain = fitted("rotate+cast:int8")
    turned = fitted("rotate").apply(DATA.base)
    assert chain.apply(DATA.base).tobytes() == fitted("cast:int8", turned).apply(turned).tobytes()
    save_projection(chain, tmp_path)
    assert load_projection(tmp_path).apply(DATA.base).tobytes() == chain.apply(DATA.base).tobytes()
    assert (
        ProjectedReader(chain, ArrayReader(DATA.base)).read(10, 12).tobytes() == chain.apply(DATA.base[10:12]).tobytes()
    )


def test_tables_are_streamed() -> None:
    readers = open_readers("A", n=5000, n_queries=60, dim=96)
    projection = open_projection("pca:16+cast:float16", dim=96, metric="ip")
    projection.fit(readers.base, Silent())
    blocks = list(project_blocks(projection, readers.base, Silent()))
    assert len(blocks) > 1
    whole = fitted("pca:16+cast:float16")
    np.testing.assert_allclose(np.concatenate(blocks), whole.apply(DATA.base), atol=2e-3)
    assert project_all(whole, readers.queries, Silent()).tobytes() == whole.apply(DATA.queries).tobytes()


@pytest.mark.parametrize(
    ("spec", "least"), [("pca:48", 0.7), ("thermo:512", 0.55), ("signrp:512", 0.4), ("rotate", 0.99)]
)
def test_recall_bound(spec: str, least: float) -> None:
    truth = exact_search(DATA.base, DATA.queries, 10, "ip").neighbors.ids
    projection = fitted(spec)
    found = recall_bound(projection, projection.apply(DATA.base), projection.apply(DATA.queries), truth, 10, Silent())
    assert found.shape == (60,)
    assert least < found.mean() <= 1


def test_thermometer_beats_as_many_signs() -> None:
    truth = exact_search(DATA.base, DATA.queries, 10, "ip").neighbors.ids
    recall = {}
    for spec in ("thermo:384", "signrp:384"):
        made = fitted(spec)
        sides = made.apply(DATA.base), made.apply(DATA.queries)
        recall[spec] = recall_bound(made, *sides, truth, 10, Silent()).mean()
    assert recall["thermo:384"] > recall["signrp:384"] + 0.03


def test_what_cannot_be_projected_is_said(tmp_path: Path) -> None:
    for spec, message in (
        ("pca:97", "up to 96"),
        ("itq:100", "multiple of 64"),
        ("cast:int4", "float16"),
        ("pca", "1"),
    ):
        with pytest.raises(InputError, match=message):
            open_projection(spec, dim=96, metric="ip")
    with pytest.raises(UnknownName, match="pca"):
        open_projection("pcs:3", dim=96, metric="ip")
    with pytest.raises(InputError, match="bits"):
        open_projection("signrp:64+pca:3", dim=96, metric="ip")
    bad = DATA.base.copy()
    bad[7, 3] = np.nan
    with pytest.raises(ArrayError, match="NaN"):
        fitted("pca:4", bad)
    with pytest.raises(ArrayError, match="NaN"):
        fitted("pca:4").apply(bad)
    with pytest.raises(ArrayError, match="96 values"):
        fitted("pca:4").apply(bad[:, :5])
    with pytest.raises(InputError, match="64 rows"):
        fitted("binperms:64", DATA.base[:10])
    with pytest.raises(FormatError, match="no model"):
        load_projection(tmp_path)
