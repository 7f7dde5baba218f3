"""A package that is not installed is named, with the line that installs it."""

from __future__ import annotations

import sys

import pytest

from goldpan.core.errors import MissingExtra
from goldpan.search.engines.loading import open_index


@pytest.mark.parametrize(
    ("spec", "module"),
    [
        ("hnswlib", "hnswlib"),
        ("usearch", "usearch.index"),
        ("svs", "svs"),
        ("scann", "scann.scann_ops.py"),
    ],
)
def test_missing_packages(spec: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as Python itself marks what cannot be imported
    with pytest.raises(MissingExtra, match=r"pip install 'goldpan\[ann\]'"):
        open_index(spec, dim=8, metric="l2")
