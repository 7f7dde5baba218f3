"""Answers of several indexes on one scale, and answers that show the same thing once."""

import numpy as np
import pytest

from goldpan.core.records import Neighbors
from goldpan.search.fusion import Scale, distinct, fuse

PLAIN = Scale(0.0, 1.0)


def answer(*rows: list[tuple[int, float]]) -> Neighbors:
    return Neighbors(
        np.array([[key for key, _ in row] for row in rows], np.int64),
        np.array([[score for _, score in row] for row in rows], np.float64),
    )


def test_a_scale_is_the_mean_and_deviation_of_what_is_known() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.normal(0.25, 0.03, (3, 40)) for _ in range(5)]
    parts[1][0] = np.nan
    known = np.concatenate([part[np.isfinite(part)] for part in parts])
    scale = Scale.of(iter(parts))
    assert scale == pytest.approx((known.mean(), known.std()))
    assert scale.standard(known).std() == pytest.approx(1)


@pytest.mark.parametrize("parts", [[], [np.empty((0, 3))], [np.array([[np.nan]])]])
def test_a_scale_of_nothing_changes_nothing(parts: list) -> None:
    assert Scale.of(parts) == (0.0, 1.0)


def test_a_scale_of_equal_scores_has_no_deviation_to_divide_by() -> None:
    assert Scale.of([np.full((2, 3), 0.3)]) == pytest.approx((0.3, 1.0))


def test_the_best_of_all_queries_counts() -> None:
    fused = fuse([answer([(4, 0.9), (2, 0.5)], [(2, 0.8), (7, 0.1)])], [PLAIN])
    assert fused.ids.tolist() == [4, 2, 7]
    assert fused.scores.tolist() == [0.9, 0.8, 0.1]
    assert fused.raw.tolist() == [[0.9, 0.8, 0.1]]


def test_indexes_on_different_scales_are_compared_by_standard_scores() -> None:
    images, texts = answer([(1, 0.30), (2, 0.20)]), answer([(3, 0.90), (2, 0.85), (1, 0.60)])
    fused = fuse([images, texts], [Scale(0.2, 0.05), Scale(0.8, 0.1)])
    assert fused.ids.tolist() == [1, 3, 2]
    assert fused.scores == pytest.approx([2.0, 1.0, 0.5])
    np.testing.assert_allclose(fused.raw, [[0.30, np.nan, 0.20], [0.60, 0.90, 0.85]])


def test_ties_go_to_the_lower_id_and_what_is_missing_is_passed_over() -> None:
    fused = fuse([answer([(5, 0.5), (3, 0.5), (-1, np.nan)], [(-1, np.nan)] * 3)], [PLAIN])
    assert fused.ids.tolist() == [3, 5]


@pytest.mark.parametrize("answers", [[], [answer([(-1, np.nan)])]])
def test_no_answers_are_none(answers: list[Neighbors]) -> None:
    fused = fuse(answers, [PLAIN] * len(answers))
    assert (len(fused.ids), len(fused.scores), fused.raw.shape) == (0, 0, (len(answers), 0))


def reference(vectors: np.ndarray, threshold: float) -> list[bool]:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    near = unit @ unit.T >= threshold
    kept: list[int] = []
    for row in range(len(unit)):
        if not near[row, kept].any():
            kept.append(row)
    return [row in kept for row in range(len(unit))]


@pytest.mark.parametrize("m", [0, 1, 40, 513, 1200])
def test_look_alikes_go_for_one_that_is_kept(m: int) -> None:
    rng = np.random.default_rng(m)
    vectors = (rng.integers(0, 30, (m, 1)) * 7 % 30 + rng.normal(0, 0.3, (m, 1))) * np.ones((1, 6))
    vectors = (vectors + rng.normal(0, 6, (m, 6))).astype(np.float32) * rng.uniform(0.1, 9, (m, 1)).astype(np.float32)
    keep = distinct(vectors, 0.94)
    assert keep.tolist() == reference(vectors.astype(np.float64), 0.94)
    assert m < 40 or 0 < keep.sum() < m


def test_a_chain_of_look_alikes_is_not_one_thing() -> None:
    angles = np.deg2rad([0, 15, 30, 45])  # each is near the next, the first is not near the third
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert distinct(vectors, np.cos(np.deg2rad(16))).tolist() == [True, False, True, False]


def test_rows_of_zeros_look_like_nothing() -> None:
    assert distinct(np.zeros((3, 4), np.float32), 0.94).tolist() == [True] * 3
    assert distinct(np.array([[np.nan, 1], [1, 0]], np.float32), 0.94).tolist()[1]
