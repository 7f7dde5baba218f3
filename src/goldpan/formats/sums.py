"""Checksums beside files: SHA256SUMS as `sha256sum` of GNU coreutils writes and checks it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from goldpan.core.errors import FormatError, InputError
from goldpan.core.place import RemotePath, place
from goldpan.formats.atomic import replace_file

SUMS = "SHA256SUMS"
_LINE = re.compile(r"(\\?)([0-9a-f]+) [ *](.+)")
_TOOLS = {32: "md5sum", 64: "sha256sum"}  # by the digits of their sums
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}  # as coreutils marks and writes them


class SumsCheck(NamedTuple):
    """How a folder compares with its SHA256SUMS; names relative to the folder, sorted."""

    same: list[str]
    changed: list[str]
    missing: list[str]
    unlisted: list[str]

    @property
    def ok(self) -> bool:
        """True where every listed file is there, unchanged."""
        return not (self.changed or self.missing)


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, read in bounded memory."""
    where = place(path)
    with where.stream() if isinstance(where, RemotePath) else where.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: str | Path, known: Mapping[str, str] | None = None) -> Path:
    """Write SHA256SUMS over all files below a folder, sorted by name; ``sha256sum -c SHA256SUMS`` checks it.

    Args:
        folder: where.
        known: sums taken before, by name, of files that have not changed since.

    Returns:
        The file written.
    """
    root = place(folder)
    lines = []
    for name in list_files(root):
        digest = (known or {}).get(name) or sha256_file(root / name)
        escaped = "".join(_ESCAPES.get(letter, letter) for letter in name)
        mark = "\\" if escaped != name else ""
        lines.append(f"{mark}{digest}  {escaped}\n")
    with replace_file(root / SUMS) as temporary:
        temporary.write_text("".join(lines), "utf-8", newline="\n")
    return root / SUMS


def check_sums(folder: str | Path) -> SumsCheck:
    """Compare the files below a folder with its SHA256SUMS.

    Raises:
        InputError: there is no SHA256SUMS.
        FormatError: a line of it is none that sha256sum writes, or leads out of the folder.
    """
    root = place(folder)
    listed = read_sums(root / SUMS)
    check = SumsCheck([], [], [], sorted(set(list_files(root)) - set(listed)))
    for name, digest in sorted(listed.items()):
        path = root / name
        if not path.is_file():
            check.missing.append(name)
        elif sha256_file(path) == digest:
            check.same.append(name)
        else:
            check.changed.append(name)
    return check


def list_files(root: Path) -> list[str]:
    """Return the names of all files below a folder but SHA256SUMS itself, relative to it, sorted."""
    files = (path for path in root.rglob("*") if path.is_file() and path != root / SUMS)
    return sorted(path.relative_to(root).as_posix() for path in files)


def read_sums(path: Path, *, digits: Collection[int] = (64,)) -> dict[str, str]:
    """Return the sums of a file that sha256sum or md5sum wrote, by name.

    Args:
        path: the file.
        digits: lengths of the sums that it may hold; 64 of sha256sum, 32 of md5sum.

    Raises:
        InputError: there is no such file.
        FormatError: a line of it is none that those tools write, or leads out of the folder.
    """
    if not path.is_file():
        raise InputError(f"There is no {path}.")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(path, "not UTF-8 text.", offset=error.start) from None
    listed = {}
    for row, line in enumerate(text.removesuffix("\n").split("\n")):
        found = _LINE.fullmatch(line)
        if line and (found is None or len(found[2]) not in digits):
            tools = " or ".join(_TOOLS[count] for count in sorted(digits))
            raise FormatError(path, f"{line[:80]!r} is no line of {tools}.", row=row)
        if found is not None:
            name = _unescape(found[3]) if found[1] else found[3]
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise FormatError(path, f"{name!r} lies outside the folder.", row=row)
            listed[name] = found[2]
    return listed


def _unescape(name: str) -> str:
    back = {escape: plain for plain, escape in _ESCAPES.items()}
    return re.sub(r"\\[\\nr]", lambda found: back[found[0]], name)
