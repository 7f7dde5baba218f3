"""The bounds hold for every pair, and a filter that breaks them is found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from goldpan.core.errors import GoldpanError
from goldpan.core.records import Metric
from goldpan.search import bounds
from goldpan.search.kernels import load_kernels
from goldpan.search.native import levels
from goldpan.search.topk import TopK

KERNELS = ["numpy", "native:scalar", f"native:{levels()[0]}"]


def prepared(rows, queries, metric, kernels):
    """Encode both sides as exact search does."""
    unit = metric is Metric.COSINE
    wide = rows.astype(np.float64)
    mean = (wide / np.linalg.norm(wide, axis=1, keepdims=True) if unit else wide).mean(axis=0)
    query_mean = mean if metric is Metric.L2 else np.zeros_like(mean)
    found = []
    for part, taken, panels in ((rows, mean, True), (queries, query_mean, False)):
        n, dim = part.shape
        codes = np.empty((n + -n % bounds.PANEL, dim + dim % 2), kernels.code_dtype)
        packed = bounds.Packed(codes if panels else codes[:n], np.empty(n), np.empty(n), np.empty(n))
        kernels.pack(part, packed, bounds.Packing(taken, unit, False, panels))
        found.append(packed)
    block = bounds.base_block(rows, 0, found[0], metric)
    asked = bounds.query_block(queries, found[1], metric, mean)
    return block, asked, bounds.coefficients(asked, block, metric, mean)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("metric", [Metric.IP, Metric.COSINE, Metric.L2])
def test_every_score_lies_within_its_bounds(metric, name):
    generator = np.random.default_rng(0)
    kernels = load_kernels(name)
    for scale, shift in ((1, 0), (1, 50), (1e-20, 0), (1e20, 1e21)):
        rows = (generator.standard_normal((333, 29)) * scale + shift).astype(np.float32)
        queries = (generator.standard_normal((21, 29)) * scale + shift).astype(np.float32)
        block, asked, rules = prepared(rows, queries, metric, kernels)
        top = TopK.empty(21, 333)  # k is the whole base: each pair is scored and held against its bounds
        kernels.search(block, asked, rules, metric, top)
        assert (np.sort(top.ids, axis=1) == np.arange(333)).all()


@pytest.mark.parametrize("name", KERNELS)
def test_a_broken_filter_is_found_out(name):
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((400, 16)).astype(np.float32)
    kernels = load_kernels(name)
    block, asked, rules = prepared(rows, rows[:9], Metric.IP, kernels)
    broken = replace(block, scale=block.scale * np.float32(1.01))
    with pytest.raises(GoldpanError, match="outside its bounds"):
        kernels.search(broken, asked, rules, Metric.IP, TopK.empty(9, 10))


def test_bounds_are_tight():
    generator = np.random.default_rng(2)
    rows = generator.standard_normal((1000, 512)).astype(np.float32)
    block, asked, _ = prepared(rows, rows[:5], Metric.IP, load_kernels("native"))
    spread = asked.norm_weight[:, None] * block.norm[:1000] + asked.residual_weight[:, None] * block.residual[:1000]
    half_width = spread * asked.scale[:, None] / block.unit / (asked.norm[:, None] * np.linalg.norm(rows, axis=1))
    assert half_width.max() < 4e-4
