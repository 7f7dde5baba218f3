"""Walks through Flickr's answers: one a class and term, page by page, as far as is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from goldpan.core.progress import Progress
from goldpan.formats.flickr_search import Entry
from goldpan.stages.acquire.flickr.answers import Answers
from goldpan.stages.acquire.flickr.api import FlickrApi
from goldpan.stages.acquire.flickr.classes import Terms
from goldpan.stages.acquire.flickr.config import FlickrConfig
from goldpan.stages.acquire.flickr.entries import entry_of


class Search:
    """One search: what was asked, and what came of it.

    Attributes:
        counts: terms, pages asked and pages kept from before, photos looked at, and those without a usable address.
        cut_short: terms of which Flickr gave fewer photos than it counts: given, counted.
        began: when the first of its answers came.
    """

    def __init__(self, config: FlickrConfig, api: FlickrApi, answers: Answers) -> None:
        self._config = config
        self._api = api
        self._answers = answers
        self.counts: Counter[str] = Counter()
        self.cut_short: dict[str, tuple[int, int]] = {}
        self.began = datetime.max.replace(tzinfo=UTC)

    def entries(self, classes: Terms, progress: Progress) -> Iterator[Entry]:
        """Yield the photos of all classes, in order; of one term at most its share of `max_images`."""
        limit, asked = self._config.max_images, self._config.asked
        progress.start("search", sum(map(len, classes.values())))
        try:
            for wnid, terms in classes.items():
                share = None if limit is None else limit // len(terms)
                for term in terms:
                    for photo, at in islice(self._walk(term), share):
                        entry = entry_of(photo, wnid, term, asked, at)
                        self.counts["photos"] += 1
                        self.counts["without_address"] += entry is None
                        if entry is not None:
                            yield entry
                    self.counts["terms"] += 1
                    progress.advance()
        finally:
            progress.finish()

    def _walk(self, term: str) -> Iterator[tuple[dict[str, Any], datetime]]:
        query = self._config.query(term)
        seen: set[str] = set()
        page = pages = total = 1
        while page <= pages:
            kept = self._answers.get(query, page)
            self.counts["pages_asked"] += kept is None
            self.counts["pages_kept"] += kept is not None
            answer, at = kept or self._answers.add(query, page, self._api.search(query, page))
            self.began = min(self.began, at)
            fresh = [photo for photo in answer.photos if photo["id"] not in seen]
            if not fresh:  # after some 4,000 photos Flickr gives the last ones over and over
                break
            for photo in fresh:
                seen.add(photo["id"])
                yield photo, at
            pages, total, page = answer.pages, answer.total, page + 1
        if page > 1 and page <= pages:
            self.cut_short[term] = (len(seen), total)
