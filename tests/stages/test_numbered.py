"""Images by number: which image each vector belongs to, in order or out of it."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.stages.retrieve.numbered import BLOCK_ROWS, numbered_vectors, read_labels
from goldpan.store.workspace import Workspace
from tests.stages.conftest import add_vectors

N = BLOCK_ROWS + 3000


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """More than a block of images, every third without a label."""
    ws = Workspace(tmp_path_factory.mktemp("numbered") / "ws", create=True)
    rows = [{"id": f"i{i}", "uri": f"/{i}.jpg", "label": ("cat", "dog", None)[i % 3]} for i in range(N)]
    ws.images.append_rows(rows)
    return ws


def test_labels_are_told_by_number(images: Workspace) -> None:
    names, of = read_labels(images)
    assert names == ["cat", "dog", None]
    assert of.tolist() == [i % 3 for i in range(N)]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("all", np.arange(N)),
        ("some", np.flatnonzero(np.random.default_rng(1).random(N) < 0.3)),
        ("late", np.arange(N - 5, N)),
        ("shuffled", np.random.default_rng(2).permutation(N)),
        ("backwards", np.arange(N)[::-1]),
    ],
)
def test_vectors_find_their_images(images: Workspace, name: str, numbers: np.ndarray) -> None:
    add_vectors(images, name, [f"i{i}" for i in numbers], numbers[:, None].astype(np.float32), "ip")
    found = [(places, rows) for places, rows in numbered_vectors(images, images.vectors_table(name))]
    assert np.concatenate([places for places, _ in found]).tolist() == numbers.tolist()
    assert np.concatenate([rows[:, 0] for _, rows in found]).tolist() == numbers.tolist()


def test_vectors_of_images_that_are_gone_have_no_number(images: Workspace) -> None:
    add_vectors(images, "gone", ["i5", "nobody", "i7"], np.zeros((3, 2), np.float32), "ip")
    ((places, _),) = numbered_vectors(images, images.vectors_table("gone"))
    assert places.tolist() == [5, -1, 7]


def test_no_images_have_no_labels(tmp_path) -> None:
    names, of = read_labels(Workspace(tmp_path / "ws", create=True))
    assert names == []
    assert len(of) == 0
