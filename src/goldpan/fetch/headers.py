"""The headers of an answer, from the lines that libcurl hands over."""

from __future__ import annotations


def read_headers(lines: list[bytes]) -> tuple[int, dict[str, str]]:
    """Return status and headers of the last of the answers in `lines`: those before it are 1xx."""
    status, name = 0, ""
    headers: dict[str, str] = {}
    for line in (line.decode("latin-1").rstrip("\r\n") for line in lines):
        if line[:1] in (" ", "\t") and name in headers:
            headers[name] += " " + line.strip(" \t")
            continue
        before, colon, after = line.partition(":")
        if colon:
            name, value = before.lower(), after.strip(" \t")
            headers[name] = f"{headers[name]}\n{value}" if name in headers else value
        elif line.startswith("HTTP/"):
            code = line.partition(" ")[2][:3]
            status, headers = int(code) if code.isdecimal() else 0, {}
    return status, headers


def are_whole(lines: list[bytes]) -> bool:
    """Return whether the last of the answers in `lines` has all of its headers: an empty line ends them."""
    last = max((number for number, line in enumerate(lines) if line.startswith(b"HTTP/")), default=0)
    return any(not line.strip() for line in lines[last:])
