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
    """Return whether `lines` hold all headers of the final answer, which an empty line ends; 1xx is not final."""
    starts = [number for number, line in enumerate(lines) if line.startswith(b"HTTP/")]
    if not starts or lines[starts[-1]].partition(b" ")[2].startswith(b"1"):
        return False
    return any(not line.strip() for line in lines[starts[-1] :])
