"""The one door into a workspace: files are read, checked and written as rows of `images`, or of `failures`."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from goldpan.compute.executor import Executor, chunks
from goldpan.core.errors import ImageError, InputError, Reason
from goldpan.core.progress import Progress
from goldpan.core.records import Report
from goldpan.imaging.opening import probe_image
from goldpan.stages.acquire.barn import Barn, Harvest
from goldpan.stages.acquire.config import AcquireConfig
from goldpan.stages.acquire.door import Door, Fate
from goldpan.store.blobs import blob_uri
from goldpan.store.failures import Failure
from goldpan.store.schemas import IMAGES
from goldpan.store.workspace import Workspace

_CHUNK, _REMOTE_CHUNK = 16, 128  # files a task
_MOST_BYTES = 64 << 20


class Crop(NamedTuple):
    """A box as fractions of the image's sides, and the smallest side in pixels it may have."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    min_side: int


@dataclass(frozen=True, slots=True)
class Member:
    """One row to be: a whole image, or one crop of it. `fields` are columns of `images`; `extra` goes to JSON."""

    id: str
    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    crop: Crop | None = None
    problem: Failure | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file, and the rows that come from it.

    Attributes:
        uri: where its bytes are, see `store.blobs`.
        members: the rows to be.
        data: the bytes, where they cannot be read from `uri` again: they are then stored.
    """

    uri: str
    members: tuple[Member, ...]
    data: bytes | None = None


def admit(
    ws: Workspace,
    config: AcquireConfig,
    source: str,
    candidates: Iterable[Candidate],
    executor: Executor,
    progress: Progress,
) -> Report:
    """Bring candidates in; those that were brought in (or failed) before are counted, not read again.

    Rows appear in the order of the candidates. Every member ends as one row of `images` or of `failures`.

    Raises:
        InputError: the source held no candidate at all.
    """
    door = Door(ws, [source], config.reasons_to_retry)
    barn = Barn(ws, door)
    progress.start("acquire")
    with ws.writing(source), ws.staging(source) as folder:
        inspect = Inspector(ws, config, source, folder if executor.is_remote else None)
        parts = chunks(_fresh(door, source, candidates), _REMOTE_CHUNK if executor.is_remote else _CHUNK)
        try:
            for harvest in executor.map(inspect, parts):
                barn.add(harvest)
                progress.advance(len(harvest.rows) + len(harvest.failures), len(harvest.failures))
        finally:  # what is known when a source breaks off is kept
            barn.flush()
            progress.finish()
    if door.seen == 0:
        raise InputError(f"No images found in {source.partition(':')[2]}; name a folder or list that holds some.")
    ws.images.compact()
    return barn.report()


def _fresh(door: Door, source: str, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield the candidates with members that are new, and only these members."""
    for candidate in candidates:
        members = tuple(member for member in candidate.members if door.meet(source, member.id) is Fate.FRESH)
        if members:
            yield Candidate(candidate.uri, members, candidate.data)


@dataclass(frozen=True)
class Inspector:
    """Reads and checks files, wherever it is called.

    Attributes:
        ws: the workspace.
        config: of the source.
        source: its name.
        folder: to stage bytes in; where None they come with their rows.
    """

    ws: Workspace
    config: AcquireConfig
    source: str
    folder: Path | None

    def __call__(self, candidates: Iterable[Candidate]) -> Harvest:
        """Return the rows and failures that come of candidates, in order."""
        harvest = Harvest(self.source)
        for candidate in candidates:
            try:
                _inspect(self.ws, self.config, self.source, candidate, harvest)
            except ImageError as error:
                detail = f"{candidate.uri}: {error.detail}"
                whole = [member for member in candidate.members if member.problem is None]
                harvest.failures += [Failure(member.id, error.reason, detail) for member in whole]
            if self.folder is not None and sum(map(len, harvest.blobs.values())) > _MOST_BYTES:
                harvest.stage(self.ws.blobs, self.folder)
        if self.folder is not None:
            harvest.stage(self.ws.blobs, self.folder)
        return harvest


def _inspect(ws: Workspace, config: AcquireConfig, source: str, candidate: Candidate, harvest: Harvest) -> None:
    for member in candidate.members:
        if member.problem is not None:
            harvest.failures.append(member.problem)
    members = [member for member in candidate.members if member.problem is None]
    if not members:
        return
    data = candidate.data if candidate.data is not None else _read(ws, candidate.uri, config.max_bytes)
    info = probe_image(data, max_bytes=config.max_bytes, max_pixels=config.max_pixels, decode=True)
    sha256 = hashlib.sha256(data).hexdigest()
    stored = config.copy_bytes or candidate.data is not None
    if stored:
        harvest.blobs[sha256] = data
    base = {
        "uri": blob_uri(sha256) if stored else candidate.uri,
        "sha256": sha256,
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "source": source,
    }
    for member in members:
        row = _row(base, member)
        if isinstance(row, Failure):
            harvest.failures.append(row)
        else:
            harvest.rows.append(row)


def _row(base: dict[str, Any], member: Member) -> dict[str, Any] | Failure:
    row = {**base, "id": member.id, **member.fields}
    row["extra"] = extra_text(member.extra)
    if member.crop is None:
        return row
    width, height = base["width"], base["height"]
    crop = member.crop
    if not (0 <= crop.x_min <= crop.x_max <= 1 and 0 <= crop.y_min <= crop.y_max <= 1):
        return Failure(member.id, Reason.BAD_BOX, f"{tuple(crop[:4])} is no box inside 0..1")
    # Truncation, as Open Images-512 cuts its crops.
    box = [
        int(width * crop.x_min),
        int(height * crop.y_min),
        int(width * crop.x_max),
        int(height * crop.y_max),
    ]
    row["box"], row["width"], row["height"] = box, box[2] - box[0], box[3] - box[1]
    if min(row["width"], row["height"]) < crop.min_side:
        size = f"{row['width']}x{row['height']}"
        return Failure(member.id, Reason.BOX_TOO_SMALL, f"{size} pixels, at least {crop.min_side} a side wanted")
    return row


def _read(ws: Workspace, uri: str, max_bytes: int) -> bytes:
    found = ws.blobs.read(uri, max_bytes)
    if isinstance(found, bytes):
        return found
    try:
        status = found.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would never end
            raise ImageError(Reason.UNREADABLE_FILE, "no regular file")
        if status.st_size > max_bytes:
            raise ImageError(Reason.TOO_MANY_BYTES, f"{status.st_size} bytes, at most {max_bytes} allowed")
        return found.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(Reason.MISSING_FILE, "no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise ImageError(Reason.UNREADABLE_FILE, str(getattr(error, "strerror", error))) from error


def split_fields(columns: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part named values into columns of `images` that a source may set, and the rest."""
    fields = {key: readable(str(value)) for key, value in columns.items() if key in _SETTABLE and value is not None}
    extra = {key: value for key, value in columns.items() if key not in _SETTABLE and value is not None}
    return fields, extra


_SETTABLE = {"label", "caption", "split", "license", "author", "taken_at"}
assert set(IMAGES.names) >= _SETTABLE  # noqa: S101


_encode = json.JSONEncoder(sort_keys=True, default=str).encode  # made once: `json.dumps` would each time


def extra_text(extra: dict[str, Any]) -> str | None:
    """Return the rest of a row as the column `extra` has it: JSON, which has no NaN; None for nothing."""
    if not extra:
        return None
    text = _encode(extra)
    if "NaN" in text or "Infinity" in text:  # as a number, or as a text, which stays as it is
        text = json.dumps(json.loads(text, parse_constant=str))
    return readable(text)


def absolute(path: Path) -> str:
    """Return the address of a local file, the same for every spelling of its folder."""
    return os.path.normpath(path.absolute())


def readable(text: str) -> str:
    """Return a text that can be stored: what is no Unicode (half of a surrogate pair) becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
