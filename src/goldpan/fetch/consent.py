"""What an answer's headers say about its use: X-Robots-Tag, and the reservation of text and data mining.

`X-Robots-Tag` is a list of directives, for everybody or, after `name:`, for the robot of that name up to the next name:
`noindex`, `otherbot: noindex, nofollow`, `unavailable_after: 25 Jun 2030 15:00:00 GMT`. `TDM-Reservation: 1` (W3C, TDM
Reservation Protocol) keeps the rights to mining.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from goldpan.fetch.dates import parse_date

WORDS = (
    "noai", "noimageai", "noml", "noindex", "noimageindex", "none", "unavailable_after", "tdm-reservation",
)  # fmt: skip
"""What is honored unless asked otherwise: the directives of X-Robots-Tag, and the header `tdm-reservation`."""
AGENT = "goldpan"
"""The name of our robot."""
_ALSO_MEANT = ("*", "img2dataset")  # sites that name the best-known maker of image sets mean every maker of them

_WITH_VALUE = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
# A comma ends a directive, but for the one after the day of the week in a date.
_DIRECTIVE = re.compile(r"(?:\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,|[^,])+", re.IGNORECASE)


def refused(headers: Mapping[str, str], words: Collection[str] = WORDS, agent: str = AGENT) -> str | None:
    """Return what in the headers asks that the answer is not used, None where nothing does.

    Args:
        headers: names in lower case; a header that came several times has its values on lines of their own.
        words: what is honored, of `WORDS` or any other directive; in lower case.
        agent: our name: directives for other robots are not ours, those for `*` and for img2dataset are.
    """
    names = {agent.lower(), *_ALSO_MEANT}
    for robot, directive, value in _directives(headers.get("x-robots-tag", "")):
        if directive not in words or not (robot is None or robot in names):
            continue
        if directive != "unavailable_after" or _is_past(value):
            return "X-Robots-Tag: " + (f"{robot}: " if robot else "") + directive + (f": {value}" if value else "")
    if "tdm-reservation" in words and "1" in re.split(r"[\s,]+", headers.get("tdm-reservation", "")):
        policy = headers.get("tdm-policy", "").strip()
        return "TDM-Reservation: 1" + (f", policy {policy}" if policy else "")
    return None


def _directives(header: str) -> Iterator[tuple[str | None, str, str]]:
    """Yield each directive with the robot it is for (None: all) and its value."""
    for line in header.split("\n"):
        robot: str | None = None
        for part in _DIRECTIVE.findall(line):
            name, colon, value = (piece.strip() for piece in part.partition(":"))
            if colon and name.lower() not in _WITH_VALUE:
                robot = name.lower()
                name, _, value = (piece.strip() for piece in value.partition(":"))
            yield robot, name.lower(), value


def _is_past(text: str) -> bool:
    """Return whether a date has passed; one that cannot be read has not."""
    date = parse_date(text)
    return date is not None and date < datetime.now(UTC)
