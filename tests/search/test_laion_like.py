"""Captions and rows like real ones: which statistics stay, and the same bytes each time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from goldpan.core.errors import InputError
from goldpan.search.captions.tokens import tokenize
from goldpan.search.generators.captions import NO_TOPIC, CaptionModel
from goldpan.search.generators.laion import BLOCK_ROWS, KINDS, Block, LaionLike

SAID = ["the black cat sleeps", "a black dog runs", "the cat runs", "black", "", "the the dog sleeps and the cat"] * 5


@pytest.fixture(scope="module")
def real(shared: Path) -> dict[str, list[str]]:
    return pq.read_table(shared / "data/captions/laion_10000.parquet").to_pydict()


@pytest.fixture(scope="module")
def rows(real: dict[str, list[str]]) -> LaionLike:
    return LaionLike(real["TEXT"], real["URL"], 1)


@pytest.fixture(scope="module")
def block(rows: LaionLike) -> Block:
    return rows.block(2)


def test_words_stand_beside_the_words_they_stand_beside() -> None:
    drawn = CaptionModel(SAID).draw(np.random.default_rng(0), 2000).texts.to_pylist()
    pairs = {pair for text in SAID for pair in zip(text.split(), text.split()[1:], strict=False)}
    ends = {text.split()[-1] for text in SAID if text} | {text.split()[0] for text in SAID if text}
    for text in drawn:
        for pair in zip(text.split(), text.split()[1:], strict=False):
            assert pair in pairs or ends & set(pair)  # behind a last word, or before a first one, stands any


def test_captions_hold_their_topic() -> None:
    model = CaptionModel(SAID)
    texts, topics = model.draw(np.random.default_rng(1), 300)
    assert set(model.topics) <= {word for text in SAID for word in text.split()}
    assert NO_TOPIC not in topics
    for text, topic in zip(texts.to_pylist(), topics, strict=True):
        assert model.topics[topic] in text.split()


def test_rare_words_are_no_topics() -> None:
    model = CaptionModel(["one of a kind", *["grass grows"] * 5])
    assert model.topics == ["grass"]  # as rare as "grows", and before it
    drawn = model.draw(np.random.default_rng(2), 100)
    assert (drawn.topics == NO_TOPIC).any()


@pytest.mark.parametrize("captions", [[], ["", "  "]])
def test_there_must_be_words(captions: list[str]) -> None:
    with pytest.raises(InputError, match="no captions to learn from"):
        CaptionModel(captions)


def test_no_captions_can_be_drawn() -> None:
    assert len(CaptionModel(SAID).draw(np.random.default_rng(0), 0).texts) == 0


def test_lengths_and_words_are_as_frequent_as_in_real_captions(real: dict[str, list[str]], block: Block) -> None:
    drawn = block.metadata["TEXT"].to_pylist()
    lengths = [np.array([len(text.split()) for text in texts]) for texts in (real["TEXT"], drawn)]
    assert lengths[1].mean() == pytest.approx(lengths[0].mean(), rel=0.03)
    assert np.quantile(lengths[1], [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(lengths[0], [0.1, 0.5, 0.9]), abs=1)
    before, after = (Counter(word for text in texts for word in text.split()) for texts in (real["TEXT"], drawn))
    for word, count in before.most_common(100):
        assert after[word] / after.total() == pytest.approx(count / before.total(), rel=0.35)
    assert len(set(drawn)) > 0.9 * len(drawn)


def test_rows_have_the_columns_of_laion(block: Block) -> None:
    rows = block.metadata.to_pylist()
    assert list(rows[0]) == ["SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity"]
    assert [row["SAMPLE_ID"] for row in rows] == list(range(2 * BLOCK_ROWS, 3 * BLOCK_ROWS))
    assert len({row["URL"] for row in rows}) == BLOCK_ROWS
    assert all(row["URL"].split("/")[2].endswith(".invalid") for row in rows)
    assert all(64 <= row["HEIGHT"] <= 10_000 and 64 <= row["WIDTH"] <= 10_000 for row in rows)
    assert all(0.3 <= row["similarity"] <= 0.6 for row in rows)
    assert {row["NSFW"] for row in rows} == {"UNLIKELY", "UNSURE", "NSFW"}


def test_vectors_cluster_by_topic(rows: LaionLike, block: Block) -> None:
    images, texts = (rows.vectors(2, block.topics, kind, 64)[:1500].astype(np.float32) for kind in KINDS)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=2e-3)
    topics = block.topics[:1500]
    same = (topics[:, None] == topics) & (topics >= 0) & ~np.eye(1500, dtype=bool)
    for one, other in ((images, images), (texts, texts), (texts, images)):
        cosines = one @ other.T
        assert cosines[same].mean() > cosines[~same].mean() + 0.3
    assert (images @ images.T).mean() > (images @ texts.T).mean() + 0.15  # a cone each


def test_blocks_are_the_same_each_time(real: dict[str, list[str]], rows: LaionLike, block: Block) -> None:
    again = LaionLike(real["TEXT"], real["URL"], 1)
    assert again.block(2).metadata == block.metadata
    assert again.block(1).metadata != block.metadata
    vectors = [model.vectors(2, block.topics, "img_emb", 16).tobytes() for model in (again, rows)]
    assert vectors[0] == vectors[1]
    assert LaionLike(real["TEXT"], real["URL"], 2).block(2).metadata != block.metadata


def test_topics_are_words_of_captions(rows: LaionLike, block: Block) -> None:
    texts = block.metadata["TEXT"].to_pylist()
    told = [(text, rows.topics[topic]) for text, topic in zip(texts, block.topics, strict=True) if topic != NO_TOPIC]
    assert len(told) > 0.9 * len(texts)
    assert all(topic in " ".join(tokenize(text)) for text, topic in told[:2000])


def test_urls_that_are_none_leave_a_plain_one() -> None:
    urls = LaionLike(SAID, ["nothing", ""], 1).block(0).metadata["URL"]
    assert urls[7].as_py() == "https://images.invalid/0000000007-image.jpg"
