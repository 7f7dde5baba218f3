"""A small data set on disk, and a package that adds faulty engines."""

from pathlib import Path

import numpy as np
import pytest

from goldpan.formats.truth import write_truth
from goldpan.search.exact import exact_search

N, QUERIES, DIM = 600, 40, 8


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """base.npy, queries.npy and truth.ivecs of a data set compared by l2."""
    rng = np.random.default_rng(5)
    base, queries = (rng.standard_normal((n, DIM)).astype(np.float32) for n in (N, QUERIES))
    np.save(tmp_path / "base.npy", base)
    np.save(tmp_path / "queries.npy", queries)
    write_truth(tmp_path / "truth.ivecs", exact_search(base, queries, 20, "l2").neighbors.ids)
    return tmp_path


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the kind ``planted`` known here and to every worker, as an installed package would."""
    about = tmp_path / "site" / "planted-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[goldpan.engines]\nplanted = planted_engines:Planted\n")
    source = Path(__file__).with_name("planted.py").read_text()
    (about.parent / "planted_engines.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(about.parent))
    monkeypatch.syspath_prepend(about.parent)
