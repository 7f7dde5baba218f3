"""How work is shown while it goes on: in place on a terminal, as a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from goldpan.core.progress import Facts

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

_LINE_EVERY_S = 10.0
_RATE_OVER_S = 30.0
_FACTS_EVERY_S = 1.0
_TOP = 5


class Tally:
    """Counts the items of a phase, and tells how fast they come and how long the rest takes."""

    def __init__(self, label: str, total: int | None = None) -> None:
        self.label, self.total = label, total
        self.done = self.failed = 0
        self.begun = time.monotonic()
        self._marks = deque([(self.begun, 0, 0)])
        self._facts: Callable[[], Facts] | None = None
        self._known: tuple[float, Facts] | None = None

    def advance(self, done: int, failed: int) -> None:
        """Count items."""
        self.done += done
        self.failed += failed

    def watch(self, facts: Callable[[], Facts]) -> None:
        """Take what tells more."""
        self._facts = facts

    @property
    def facts(self) -> Facts | None:
        """What the stage has to say beside its count, not older than a second; None where nothing."""
        now = time.monotonic()
        if self._facts is not None and (self._known is None or now - self._known[0] > _FACTS_EVERY_S):
            self._known = now, self._facts()
        return self._known[1] if self._known else None

    def rates(self) -> tuple[float, float]:
        """Return items and fetched bytes a second over the last half minute."""
        now, arrived = time.monotonic(), self.facts.arrived_bytes if self.facts else 0
        while len(self._marks) > 1 and now - self._marks[1][0] >= _RATE_OVER_S:
            self._marks.popleft()
        then, done, there = self._marks[0]
        if now - self._marks[-1][0] >= _FACTS_EVERY_S:
            self._marks.append((now, self.done, arrived))
        passed = max(now - then, 1e-3)
        return (self.done - done) / passed, (arrived - there) / passed

    def left(self, rate: float) -> float | None:
        """Return the seconds that the rest takes at a rate; None where nobody knows."""
        return (self.total - self.done) / rate if self.total and rate else None


class Lines:
    """One plain line every 10 s, for logs."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin to count."""
        self._tally = Tally(label, total)
        self._spoke = self._tally.begun

    def watch(self, facts: Callable[[], Facts]) -> None:
        """Take what tells more."""
        self._tally.watch(facts)

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count, and write a line if the last one is old."""
        self._tally.advance(done, failed)
        now = time.monotonic()
        if now - self._spoke >= _LINE_EVERY_S:
            self._spoke = now
            sys.stderr.write(line(self._tally) + "\n")

    def finish(self) -> None:
        """Nothing: the report follows."""


def line(tally: Tally) -> str:
    """Return how a phase stands, as one line."""
    rate, byte_rate = tally.rates()
    left = tally.left(rate)
    total = f"/{tally.total:,}" if tally.total else ""
    parts = [f"{tally.label}: {tally.done:,}{total}", f"{tally.failed:,} failed", f"{rate:,.0f}/s"]
    if tally.facts is not None:
        parts.append(f"{byte_rate / 1e6:,.1f} MB/s")
    if left is not None:
        parts.append(f"{left:,.0f} s left")
    if tally.facts is not None:
        top = Counter(tally.facts.failures).most_common(_TOP)
        parts += [f"{reason} {count:,}" for reason, count in top]
        parts += [f"slowest {host.name} {host.seconds:.1f} s" for host in tally.facts.hosts[:1]]
    return ", ".join(parts)


class Drawn:
    """A picture in place: a bar with rate and time left; of fetching also why it fails, and who is slow."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._tally = Tally("")
        console = console or Console(stderr=True)
        self._live = Live(console=console, get_renderable=self.picture, refresh_per_second=4, transient=True)

    def start(self, label: str, total: int | None = None) -> None:
        """Show the picture."""
        self._tally = Tally(label, total)
        self._live.start()

    def watch(self, facts: Callable[[], Facts]) -> None:
        """Take what tells more."""
        self._tally.watch(facts)

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """Count; the picture is drawn anew in its own time."""
        self._tally.advance(done, failed)

    def finish(self) -> None:
        """Take the picture away."""
        self._live.stop()

    def picture(self) -> Group:
        """Return the picture of this moment."""
        from rich.console import Group

        tally, facts = self._tally, self._tally.facts
        return Group(_bar(tally)) if facts is None else Group(_bar(tally), _speeds(tally), _tops(facts))


def _bar(tally: Tally) -> Table:
    """Return label, bar, count, rate, failures and time left, in one row."""
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    rate, _ = tally.rates()
    left = tally.left(rate)
    texts = [f"[bold]{tally.done:,}[/]" + (f" of {tally.total:,}" if tally.total else "")]
    if tally.facts is None:
        texts += [f"{rate:,.0f}/s", f"[red]{tally.failed:,} failed"]
    texts.append(
        f"[cyan]{_clock(time.monotonic() - tally.begun)} passed" if left is None else f"[cyan]{_clock(left)} left"
    )
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for _ in texts:
        table.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(
        tally.total,
        tally.done,
        pulse=not tally.total,
        complete_style="cyan",
        finished_style="green",
        pulse_style="cyan",
    )
    table.add_row(f"[bold]{escape(tally.label)}", bar, *texts)
    return table


def _speeds(tally: Tally) -> Text:
    """Return shares and rates, and an empty line."""
    from rich.text import Text

    rate, byte_rate = tally.rates()
    share = 1 - tally.failed / max(tally.done, 1)
    said = f"[green]{share:.1%} ok[/]   [red]{tally.failed:,} failed[/]   {rate:,.0f}/s   {byte_rate / 1e6:,.1f} MB/s\n"
    return Text.from_markup(said)


def _tops(facts: Facts) -> Table:
    """Return the most usual reasons beside the slowest hosts."""
    from rich.table import Table
    from rich.text import Text

    reasons = _plain_table("why it failed", "items")
    for reason, count in Counter(facts.failures).most_common(_TOP):
        reasons.add_row(reason, f"{count:,}")
    hosts = _plain_table("slowest hosts", "mean", "came", "failed", "waiting")
    for host in facts.hosts[:_TOP]:
        counts = (f"{count:,}" for count in (host.done, host.failed, host.waiting))
        hosts.add_row(Text(host.name), f"{host.seconds:.2f} s", *counts)
    both = Table.grid(padding=(0, 3), expand=True)
    both.add_column()
    both.add_column(ratio=1)
    both.add_row(reasons, hosts)
    return both


def _plain_table(what: str, *numbers: str) -> Table:
    """Return a table of a name and some numbers."""
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold dim", expand=len(numbers) > 1
    )
    table.add_column(what, min_width=13, ratio=1, no_wrap=True, overflow="ellipsis")
    for name in numbers:
        table.add_column(name, justify="right", min_width=6, no_wrap=True)
    return table


def _clock(seconds: float) -> str:
    """Return a span of time as 0:07, 12:34 or 5:06:07."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"
