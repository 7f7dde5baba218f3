"""The project stage: files in, smaller files and the recall they leave out."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from goldpan.core.errors import ArrayError, InputError
from goldpan.formats.truth import write_truth
from goldpan.formats.vectors import open_vectors, write_vectors
from goldpan.search.exact import exact_search
from goldpan.search.synthetic import open_dataset
from goldpan.stages.project.run import project

DATA = open_dataset("A", n=3000, n_queries=50, dim=64)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for name in ("base", "queries"):
        write_vectors(tmp_path / f"{name}.fvecs", [getattr(DATA, name)], dim=64, dtype=np.float32)
    return {name: str(tmp_path / f"{name}.fvecs") for name in ("base", "queries")}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    write_truth(tmp_path / "gt.ivecs", exact_search(DATA.base, DATA.queries, 30, "ip").neighbors.ids)
    return tmp_path / "gt.ivecs"


@pytest.mark.parametrize(
    ("spec", "key", "width", "dtype"),
    [
        ("pca:32", "pca32", 32, np.float32),
        ("binperms:1024", "hamming", 16, np.uint64),
        ("cast:float16", "emb", 64, np.float16),
    ],
)
def test_hdf5_is_laid_out_as_the_challenges_have_it(
    files: dict[str, str], tmp_path: Path, spec: str, key: str, width: int, dtype: type
) -> None:
    report = project(**files, spec=spec, output=tmp_path / "out.h5")
    for name, n in (("out.h5", 3000), ("out-queries.h5", 50)):
        with h5py.File(tmp_path / name) as file:
            assert file[key].shape == (n, width)
            assert file[key].dtype == dtype
    assert len(report.outputs) == 2
    assert open_vectors(tmp_path / "out.h5").n == 3000


def test_recall_is_that_of_exact_search_among_the_projections(
    files: dict[str, str], truth: Path, tmp_path: Path
) -> None:
    report = project(**files, spec="pca:16", output=tmp_path / "out.fvecs", truth=truth)
    small = [open_vectors(tmp_path / name).read(0, n) for name, n in (("out.fvecs", 3000), ("out-queries.fvecs", 50))]
    true = exact_search(DATA.base, DATA.queries, 30, "ip").neighbors.ids
    for k in (10, 30):
        found = exact_search(*small, k, "l2").neighbors.ids
        shared = [len(set(mine) & set(real[:k])) / k for mine, real in zip(found, true, strict=True)]
        assert report.details[f"recall_bound_at_{k}"] == pytest.approx(np.mean(shared), abs=1e-4)
    assert (
        project(**files, spec="rotate", output=tmp_path / "r.npy", truth=truth, k=5).details["recall_bound_at_5"] == 1
    )


def test_a_kept_projection_makes_the_same_rows(files: dict[str, str], tmp_path: Path) -> None:
    project(base=files["base"], spec="thermo:128", output=tmp_path / "one.u8bin", save_model=tmp_path / "model")
    report = project(base=files["base"], model=tmp_path / "model", output=tmp_path / "two.u8bin", workers=1)
    assert (tmp_path / "one.u8bin").read_bytes() == (tmp_path / "two.u8bin").read_bytes()
    assert report.details["projection"] == "thermo:128"
    with pytest.raises(InputError, match="is there already"):
        project(base=files["base"], spec="pca:2", output=tmp_path / "o.npy", save_model=tmp_path / "model")


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint8])
def test_bases_of_other_types(dtype: type, tmp_path: Path) -> None:
    rows = np.rint(DATA.base[:500] * 100 + (100 if dtype is np.uint8 else 0)).clip(-127, 255).astype(dtype)
    write_vectors(tmp_path / "base.npy", [rows], dim=64, dtype=dtype)
    project(base=str(tmp_path / "base.npy"), spec="pca:64", output=tmp_path / "o.npy", metric="l2")
    small, wide = np.load(tmp_path / "o.npy"), rows.astype(np.float64)
    np.testing.assert_allclose(((small[0] - small) ** 2).sum(axis=1), ((wide[0] - wide) ** 2).sum(axis=1), rtol=1e-3)


def test_what_does_not_go_together_is_said(files: dict[str, str], truth: Path, tmp_path: Path) -> None:
    base, out = files["base"], tmp_path / "o.npy"
    with pytest.raises(InputError, match="one of the two"):
        project(base=base, output=out)
    with pytest.raises(InputError, match="add --queries"):
        project(base=base, spec="pca:2", output=out, truth=truth)
    with pytest.raises(InputError, match="read as an input"):
        project(base=base, spec="pca:2", output=base)
    with pytest.raises(InputError, match="bits"):
        write_vectors(tmp_path / "bits.u8bin", [np.zeros((5, 8), np.uint8)], dim=8, dtype=np.uint8)
        project(base=str(tmp_path / "bits.u8bin"), spec="pca:2", output=out, metric="hamming")
    write_truth(tmp_path / "short.ivecs", np.zeros((3, 30), np.int64))
    with pytest.raises(ArrayError, match="3 queries"):
        project(**files, spec="pca:2", output=out, truth=tmp_path / "short.ivecs")
    with pytest.raises(InputError, match="lower -k 31"):
        project(**files, spec="pca:2", output=out, truth=truth, k=31)
    assert not out.exists()  # all of this is said before any work
    project(base=base, spec="pca:2", output=out, save_model=tmp_path / "model")
    with pytest.raises(ArrayError, match="projects 64 dimensions"):
        project(base=str(out), model=tmp_path / "model", output=tmp_path / "p.npy")
