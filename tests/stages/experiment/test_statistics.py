"""Ratios are of the same round, and the best setting is one that was measured."""

import math

import numpy as np
import pytest

from goldpan.stages.experiment.statistics import best_at, front, median_interval, paired_ratio, series_of


def row(engine: str, number: int, qps: float, recall: float = 1.0, setting: str = "default", **more: object) -> dict:
    key = {"dataset": "d", "engine": engine, "setting": setting, "k": 10, "mode": "batch", "threads": 1}
    cost = {"queries": 100, "cpu_s": 200 / qps, "qps": qps, "recall": recall, "status": "ok"}
    return {**key, "round": number, **cost, **more}


def test_a_ratio_pairs_rounds():
    slow_down = [1.0, 0.5, 0.1, 2.0, 1.5]  # what else the machine does hits both of a round
    rows = [row("a", i, 300 * s) for i, s in enumerate(slow_down)] + [
        row("b", i, 100 * s) for i, s in enumerate(slow_down)
    ]
    one, other = series_of(rows)
    ratio = paired_ratio(one, other)
    assert ratio == pytest.approx((3, 3, 3, 3, 5))


def test_only_rounds_of_both_count():
    one, other = series_of([row("a", 0, 10), row("a", 1, 20), row("b", 1, 10), row("b", 2, 1)])
    ratio = paired_ratio(one, other)
    assert (ratio.value, ratio.rounds, math.isnan(ratio.low)) == (2, 1, True)
    (alone,) = series_of([row("c", 7, 1)])
    assert paired_ratio(one, alone) is None


def test_failed_rows_are_in_no_series():
    assert series_of([row("a", 0, 10, status="faulty")]) == []


def test_the_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        low, high = median_interval(rng.lognormal(0, 0.3, 25))
        held += low <= 1 <= high
    assert held / 200 > 0.9


def test_the_best_setting_reaches_the_recall_in_every_round():
    rows = [row("a", i, 100, recall, "ef=1") for i, recall in enumerate((0.91, 0.89))]
    rows += [row("a", i, 50, 0.95, "ef=2") for i in range(2)] + [row("a", i, 10, 0.99, "ef=3") for i in range(2)]
    series = series_of(rows)
    assert [best_at(series, r).key.setting for r in (0.8, 0.9, 0.95, 0.96)] == ["ef=1", "ef=2", "ef=2", "ef=3"]
    assert best_at(series, 0.995) is None


def test_the_front_has_no_beaten_setting():
    points = [("ef=1", 100, 0.5), ("ef=2", 80, 0.7), ("ef=3", 70, 0.6), ("ef=4", 80, 0.65), ("ef=5", 5, 0.9)]
    series = series_of([row("a", 0, qps, recall, setting) for setting, qps, recall in points])
    assert [one.key.setting for one in front(series)] == ["ef=1", "ef=2", "ef=5"]
