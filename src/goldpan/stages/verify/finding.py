"""What a check looks at, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from goldpan.core.records import Floats, Ids
from goldpan.formats.protocol import VectorReader


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer: which check, how it ended, and one sentence."""

    check: str
    verdict: Verdict
    detail: str

    def as_dict(self) -> dict[str, str]:
        """Return plain JSON values."""
        return {"check": self.check, "verdict": str(self.verdict), "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Part:
    """One set of a benchmark: its vectors, perhaps its truth and distances, perhaps what identifies its rows."""

    name: str
    vectors: VectorReader
    truth: Ids | None = None
    distances: Floats | None = None
    keys: dict[str, list[Any]] | None = None
