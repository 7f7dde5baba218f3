"""Every instruction set of this machine answers bit by bit like the plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from goldpan._kernels import _native
from goldpan.search.bounds import PANEL, Rotation
from goldpan.search.native import levels

LEVELS = levels()


def pack(level, rows, *, unit=False, whole=False, panels=True):
    n, dim = rows.shape
    codes = np.empty((n + (-n % PANEL if panels else 0), dim + dim % 2), np.int16)
    scale, norm, residual = np.empty(n), np.empty(n), np.empty(n)
    _native.pack(level, rows, np.zeros(dim), unit, whole, panels, codes, scale, norm, residual)
    return codes, scale, norm, residual


def test_scalar_is_always_there():
    assert LEVELS[-1] == "scalar"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dim", [1, 2, 5, 8, 33])
def test_codes_give_back_the_rows(level, dim):
    rows = np.random.default_rng(dim).standard_normal((37, dim)).astype(np.float32)
    codes, scale, norm, residual = pack(level, rows, panels=False)
    back = codes[:, :dim] * scale[:, None]
    np.testing.assert_allclose(residual, np.linalg.norm(rows - back, axis=1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(norm, np.linalg.norm(rows.astype(np.float64), axis=1), rtol=1e-12)
    assert np.linalg.norm(codes.astype(np.float64), axis=1).max() < 2**15.5
    assert not codes[:, dim:].any()


@pytest.mark.parametrize("level", LEVELS)
def test_panels_hold_rows_pair_by_pair(level):
    rows = np.random.default_rng(0).standard_normal((21, 7)).astype(np.float32)
    plain, panels = pack(level, rows, panels=False)[0], pack(level, rows)[0]
    rows_a_panel = 32 if "512" in level else 16
    laid_out = panels.reshape(-1, 4, rows_a_panel, 2).transpose(0, 2, 1, 3).reshape(32, 8)
    np.testing.assert_array_equal(laid_out[:21], plain)
    assert not laid_out[21:].any()


@pytest.mark.parametrize("level", LEVELS)
def test_whole_numbers_are_their_own_codes(level):
    rows = np.random.default_rng(0).integers(-255, 256, (20, 12)).astype(np.float32)
    codes, scale, _, residual = pack(level, rows, whole=True, panels=False)
    np.testing.assert_array_equal(codes, rows)
    assert not residual.any()
    assert (scale == 1).all()


@pytest.mark.parametrize("level", LEVELS)
def test_rows_of_zeros_and_rows_that_are_not_finite(level):
    rows = np.array([[0, 0, 0], [np.nan, 0, 0], [0, np.inf, 1], [1, 2, 2]], np.float32)
    for unit in (False, True):
        norm = pack(level, rows, unit=unit)[2]
        assert norm[0] == 0
        assert not np.isfinite(norm[1:3]).any()
        np.testing.assert_allclose(norm[3], 1 if unit else 3)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_pack_alike(level, dtype):
    rows = np.random.default_rng(3).standard_normal((50, 19)).astype(dtype)
    for unit in (False, True):
        mine, plain = (pack(name, rows, unit=unit, panels=False) for name in (level, "scalar"))
        for a, b in zip(mine, plain, strict=True):
            np.testing.assert_array_equal(a, b)


def pack_narrow(level, rows, *, unit=False):
    n, dim = rows.shape
    codes = np.empty((n, dim + -dim % 4), np.int8)
    scale, norm, residual = np.empty(n), np.empty(n), np.empty(n)
    _native.pack_narrow(level, rows, np.zeros(dim), unit, False, *Rotation.of(dim), codes, scale, norm, residual)
    return codes, scale, norm, residual


def turned(rows):
    """Rotate as `Rotation` says, in float64."""
    order, sign = Rotation.of(rows.shape[1])
    out = rows.astype(np.float64)[:, order] * sign
    n = 1 << (rows.shape[1].bit_length() - 1)
    matrix = scipy.linalg.hadamard(n) / np.sqrt(n)
    out[:, :n] = out[:, :n] @ matrix
    if n < rows.shape[1]:
        out[:, -n:] = out[:, -n:] @ matrix
    return out


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dim", [1, 3, 8, 16, 33, 100, 768])
def test_narrow_codes_give_back_the_rotated_rows(level, dim):
    rows = (np.random.default_rng(dim).standard_normal((21, dim)) * np.geomspace(1, 100, dim)).astype(np.float32)
    codes, scale, norm, residual = pack_narrow(level, rows)
    errors = np.linalg.norm(turned(rows) - codes[:, :dim] * scale[:, None], axis=1)
    assert (errors <= residual).all()
    np.testing.assert_allclose(residual, errors, rtol=0.01, atol=1e-5 * norm.max())
    np.testing.assert_allclose(norm, np.linalg.norm(rows.astype(np.float64), axis=1), rtol=1e-12)
    assert not codes[:, dim:].any()


@pytest.mark.parametrize("level", LEVELS)
def test_narrow_codes_of_zeros_tiny_and_huge_rows_and_of_rows_that_are_not_finite(level):
    rows = np.zeros((5, 40), np.float32)
    rows[1, 3], rows[2, 4], rows[3, :3], rows[4, :3] = np.nan, np.inf, 1e-42, 3e38
    codes, scale, norm, residual = pack_narrow(level, rows)
    assert norm[0] == 0
    assert not codes[0].any()
    assert not np.isfinite(norm[1:3]).any()
    for row in (3, 4):
        assert np.linalg.norm(turned(rows)[row] - codes[row] * scale[row]) <= residual[row] < 0.02 * norm[row]


def test_shapes_that_do_not_fit_are_refused():
    rows = np.zeros((20, 4), np.float32)
    short = np.empty((16, 4), np.int16)
    with pytest.raises(ValueError, match="shapes do not fit"):
        _native.pack("scalar", rows, np.zeros(4), False, False, True, short, *(np.empty(20) for _ in range(3)))
    with pytest.raises(ValueError, match="no kernels for mmx"):
        pack("mmx", rows)
