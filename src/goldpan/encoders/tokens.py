"""Texts to the token arrays of a text tower, by the model's own ``tokenizer.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError

# Old transformers files carry this default of text generation, which says nothing of the model.
_GENERATION_DEFAULT = 20
_UNBOUNDED = 1_000_000


class Tokens(NamedTuple):
    """A batch of texts.

    Attributes:
        ids: ``(n, length)`` int64.
        mask: ``(n, length)`` int64, 1 for tokens and 0 for padding.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class Tokenizer:
    """Cuts texts into at most `max_tokens` tokens, special tokens included.

    Args:
        folder: holds ``tokenizer.json``, perhaps ``tokenizer_config.json``.
        config: the model's ``config.json``.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        from tokenizers import Tokenizer as Rust

        self.path = folder / "tokenizer.json"
        own = _json(self.path)
        settings = _json(folder / "tokenizer_config.json")
        self.max_tokens = _max_tokens(own, settings, config.get("text_config") or config)
        self._rust = Rust.from_file(str(self.path))
        self._rust.no_padding()
        self._rust.enable_truncation(self.max_tokens)
        self.pad_id = self._find_pad_id(own, {**_json(folder / "special_tokens_map.json"), **settings}, config)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text."""
        return [encoding.ids for encoding in self._rust.encode_batch(list(texts))]

    def padded(self, ids: Sequence[Sequence[int]], length: int | None = None) -> Tokens:
        """Return ids as one array, padded on the right to `length`, or to the longest."""
        width = length or max(1, *map(len, ids))
        tokens = Tokens(np.full((len(ids), width), self.pad_id, np.int64), np.zeros((len(ids), width), np.int64))
        for row, sequence in enumerate(ids):
            tokens.ids[row, : len(sequence)] = sequence
            tokens.mask[row, : len(sequence)] = 1
        return tokens

    def _find_pad_id(self, own: Mapping[str, Any], named: Mapping[str, Any], config: Mapping[str, Any]) -> int:
        if own.get("padding"):
            return int(own["padding"]["pad_id"])
        name = named.get("pad_token")
        found = self._rust.token_to_id(name["content"] if isinstance(name, Mapping) else name) if name else None
        if found is None:
            found = (config.get("text_config") or config).get("pad_token_id")
        return int(found or 0)


def _max_tokens(own: Mapping[str, Any], settings: Mapping[str, Any], text: Mapping[str, Any]) -> int:
    """Return the length the tower was made for, from the most telling file that says it."""
    stated = text.get("max_length")
    candidates = [
        None if stated == _GENERATION_DEFAULT else stated,
        text.get("max_position_embeddings") or text.get("context_length"),
        settings.get("model_max_length"),
        (own.get("truncation") or {}).get("max_length"),
    ]
    for value in candidates:
        if value and 0 < value < _UNBOUNDED:
            return int(value)
    raise InputError("No file of the model says how many tokens a text may have; add text_config.max_length.")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content
