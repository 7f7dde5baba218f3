"""Fetched images as shards in a folder; the workspace keeps the books, and its rows point into the shards."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from goldpan.core.errors import InputError, StageError
from goldpan.core.locks import hold
from goldpan.core.progress import Progress
from goldpan.formats.img2dataset.bodies import Kind
from goldpan.formats.img2dataset.journal import Place
from goldpan.formats.img2dataset.layout import Layout, Slot, Stats
from goldpan.formats.img2dataset.shard import Shard, reopen
from goldpan.formats.img2dataset.tables import listed_schema
from goldpan.stages.acquire.barn import Harvest
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.door import Door
from goldpan.stages.acquire.links import Link
from goldpan.stages.acquire.output import Output
from goldpan.stages.acquire.register import Ticket
from goldpan.stages.acquire.shard_rows import address, row_of_failure, row_of_image
from goldpan.stages.acquire.survey import Counted, Found, Survey, Turned
from goldpan.stages.acquire.tracking import Tracked
from goldpan.store.failures import Failure, quote
from goldpan.store.workspace import Workspace

_OPEN_AT_ONCE = 16
_SUFFIXES = {"JPEG": "jpg", "TIFF": "tif"}


class ShardOutput(Output):
    """Shards, written as images come, in any order; each is finished when all of its rows are there.

    Args:
        layout: of the folder.
        kind: where images go.
        column: name of the column of images in a Parquet file.
        survey: knows which rows are there.
        told: gets the statistics of every shard that is finished.
    """

    fetches_repeats = True  # as img2dataset: every row has an image of its own, and no shard waits for another
    seconds = 10.0  # what the workspace was not told of is found in the shards

    def __init__(self, layout: Layout, kind: Kind, column: str, survey: Survey, told: Callable[[Stats], None]) -> None:
        self._layout, self._kind, self._column, self._survey, self._told = layout, kind, column, survey, told
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._counted: dict[int, Counted] = {}
        self._settled: Counter[int] = Counter()
        self._waiting: defaultdict[int, list[Harvest]] = defaultdict(list)
        self._writer = ThreadPoolExecutor(1, "shards")
        self._sealing: deque[tuple[Shard, Future[None]]] = deque()
        self._sealed: list[Shard] = []
        self._writing_back: Future[None] | None = None

    def next(self, link: Link) -> Slot:
        """Return the place of the next row."""
        return self._survey.next(link)

    def is_wanted(self, ticket: Ticket) -> bool:
        """Tell whether a row is to be fetched: one that is in its shard is not."""
        return self._survey.is_wanted(ticket)

    def turn_away(self, ticket: Ticket, failure: Failure) -> None:
        """Hear of a row that was to be fetched, and cannot be."""
        self._survey.turn_away(ticket, failure)

    def end(self) -> None:
        """Hear that there are no more rows."""
        self._survey.end()

    def store(self, ticket: Ticket, harvest: Harvest) -> Iterator[Harvest]:
        """Write what came of a row; yield what the workspace can be told now.

        Raises:
            StageError: the disk is full; what was written before is kept.
        """
        slot, key = ticket.slot, self._layout.key(ticket.slot)
        for failure in harvest.failures:
            self._shard(slot.shard).miss(row_of_failure(ticket, key, failure))
        for image in harvest.rows:
            kind, listed = image["format"] or "", ticket.link.listed
            entry = self._shard(slot.shard).add(
                row_of_image(ticket, key, image),
                harvest.blobs[image["sha256"]],
                _SUFFIXES.get(kind, kind.lower()),
                caption=str(listed["caption"] or "") if "caption" in listed else None,
                label=ticket.link.fields.get("label"),
                note=partial(self._addressed, image, slot),
            )
            harvest = Harvest(harvest.source, [entry.note or {}])
            self._write_back_if_dirty(self._shard(slot.shard))
        yield from self._settle(slot.shard, harvest, is_finished=False)

    def news(self, *, last: bool = False) -> Iterator[Harvest]:
        """Yield what the workspace can be told beside what was stored; the last time, wait for what is not done yet."""
        while self._survey.events:
            event = self._survey.events.popleft()
            if isinstance(event, Found):
                yield from self._settle(event.shard, event.harvest, is_finished=event.is_finished)
            elif isinstance(event, Turned):
                shard = event.ticket.slot.shard
                key = self._layout.key(event.ticket.slot)
                self._shard(shard).miss(row_of_failure(event.ticket, key, event.failure))
                yield from self._settle(shard, None, is_finished=False)
            else:
                self._counted[event.shard] = event
                self._settled[event.shard] += event.quiet
                self._seal_if_whole(event.shard)
        while self._sealing and (last or self._sealing[0][1].done()):
            whole, done = self._sealing.popleft()
            done.result()
            yield from self._waiting.pop(whole.number, [])
            self._sealed.append(whole)

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Bring what the workspace is told in the block to the disk before it; after it, finish what is whole."""
        self._hear_of_writing_back()
        for shard in self._open.values():
            shard.sync()
        wait([done for _, done in self._sealing])
        yield
        while self._sealed:
            self._told(self._sealed.pop().complete())

    def check(self) -> None:
        """Raise StageError where a shard lacks rows at the end."""
        if self._settled:
            names = ", ".join(map(self._layout.name, sorted(self._settled)))
            raise StageError(f"Shards {names} of {self._layout.folder} lack rows; run the same command again.")

    def made(self) -> dict[str, str]:
        """Return what the report is to say of it."""
        return {str(self._layout.folder): f"{len(self._layout.finished()):,} shards, {self._kind}"}

    def close(self) -> None:
        """Let go of all files."""
        self._writer.shutdown()
        for shard in [*self._open.values(), *(shard for shard, _ in self._sealing), *self._sealed]:
            shard.close()

    def _addressed(self, image: dict[str, Any], slot: Slot, place: Place) -> dict[str, Any]:
        return image | {"uri": address(self._layout, self._kind, slot, place)}

    def _settle(self, shard: int, harvest: Harvest | None, *, is_finished: bool) -> Iterator[Harvest]:
        """Count a row, and yield what the workspace can be told: an image in Parquet has to wait for its file."""
        self._settled[shard] += 1
        if harvest is not None and harvest.rows and self._kind == "parquet" and not is_finished:
            self._waiting[shard].append(harvest)
        elif harvest is not None:
            yield harvest
        self._seal_if_whole(shard)

    def _seal_if_whole(self, shard: int) -> None:
        """Have a shard sealed, in a thread, once all of its rows are there."""
        counted = self._counted.get(shard)
        if counted is None or self._settled[shard] < counted.rows:
            return
        del self._counted[shard], self._settled[shard]
        if not self._layout.is_finished(shard):
            whole = self._shard(shard)
            del self._open[shard]
            done = self._writer.submit(whole.seal, counted.rows, listed_schema(counted.sample))
            self._sealing.append((whole, done))

    def _write_back_if_dirty(self, shard: Shard) -> None:
        """Have what was written brought to the disk beside the work, one shard after the other."""
        if shard.is_dirty and (self._writing_back is None or self._writing_back.done()):
            self._hear_of_writing_back()
            self._writing_back = self._writer.submit(shard.write_back)

    def _hear_of_writing_back(self) -> None:
        """Raise what went wrong with it: the system says so once, and not again to who syncs later."""
        if self._writing_back is not None:
            self._writing_back.result()
            self._writing_back = None

    def _shard(self, number: int) -> Shard:
        """Return a shard to write to: opened, and another one closed, if need be."""
        if number not in self._open:
            if self._layout.is_finished(number):
                reopen(self._layout, number, self._kind)
            if len(self._open) >= _OPEN_AT_ONCE:
                _, oldest = self._open.popitem(last=False)
                oldest.sync()
                oldest.close()
            self._open[number] = Shard(self._layout, number, self._kind, self._column)
        self._open.move_to_end(number)
        return self._open[number]


@contextmanager
def open_output(
    ws: Workspace, config: WebConfig, sources: Sequence[str], door: Door, progress: Progress
) -> Iterator[Output]:
    """Give what a configuration asks for; nobody else writes shards to the folder until the block ends.

    Args:
        ws: the workspace.
        config: names the folder and the layout.
        sources: names of the lists.
        door: knows the rows of the workspace.
        progress: told of every shard that is finished, where it wants to.

    Raises:
        InputError: the folder holds shards of other settings or is written by another run, or the workspace has images
            of the lists elsewhere.
    """
    if config.output is None or config.output_format is None:
        yield Output()
        return
    layout = Layout(config.output.absolute(), config.per_shard, config.shard_digits)
    _check_elsewhere(ws, layout, sources)
    layout.folder.mkdir(parents=True, exist_ok=True)
    busy = InputError(f"Another run writes shards to {layout.folder}; wait for it to end, then type the command again.")
    with hold(layout.folder / ".lock", busy):
        layout.claim(config.output_format)
        layout.clean()
        survey = Survey(layout, config.output_format, door, ws.blobs)
        told = progress.shard if isinstance(progress, Tracked) else _ignore
        with closing(ShardOutput(layout, config.output_format, config.encode_format, survey, told)) as output:
            yield output


def _ignore(stats: Stats) -> None:
    """Tell nobody."""


def _check_elsewhere(ws: Workspace, layout: Layout, sources: Sequence[str]) -> None:
    """Raise InputError where images of the lists are in the workspace, but not in the folder."""
    listed = ", ".join(map(quote, sources))
    inside = quote(f"{layout.folder}/")
    rows = ws.images.to_table(f"source IN ({listed}) AND NOT starts_with(uri, {inside})", ["uri"], limit=1)
    if rows.num_rows:
        raise InputError(
            f"{ws.path} has images of this list elsewhere, such as {rows['uri'][0].as_py()}; "
            f"fetch it to {layout.folder} with a workspace of its own."
        )
