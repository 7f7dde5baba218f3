"""A small internet of our own, with public addresses, a name server that lies, and hostile servers: `python -m` it.

It runs in namespaces of its own (`unshare`), where the addresses are this machine's and nothing leads outside. So what
is tested is the real command with its usual settings, which connect to public addresses and port 80 only.

    python -m tests.false_internet REPORT.json COMMAND ...
"""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.hostile import Case, HostileServer, no_robots
from tests.hostile_cases import CASES, to

PUBLIC = "93.184.216.34"
PRIVATE = ("10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.0.1")
NAMES = {
    "private.example": ["10.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "loopback-v6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::169.254.169.254"],
    "none.example": ["0.0.0.0"],
    "mixed.example": [PUBLIC, "127.0.0.1"],
}
"""Names that answer with other addresses than the public one of the cases (`good.example` and so on)."""
REDIRECTS = {
    "to_loopback": "http://127.0.0.1/",
    "to_loopback_v6": "http://[::1]/",
    "to_a_private_name": "http://private.example/",
    "to_a_mapped_name": "http://mapped.example/",
}
"""More cases, of public hosts that send to private ones."""
BROKEN = {"missing.example": 3, "server-fails.example": 2}
"""Names answered with an error of DNS. `silent.example` is not answered."""
_A, _AAAA = 1, 28


def can_be_made() -> bool:
    """Return whether this machine lets us make namespaces."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*_UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


_UNSHARE = ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"]


def run_inside(command: list[str], seconds: float) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run a command in there; return how it ended and what the servers saw: `connections`, `asked`, `looked_up`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = [*_UNSHARE, sys.executable, "-m", "tests.false_internet", str(report), *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
        return done, json.loads(report.read_text()) if report.exists() else {}


class NameServer:
    """Answers UDP queries for names, in a thread; `asked` lists them."""

    def __init__(self, address: str) -> None:
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            answer = self._answer(query)
            if answer is not None:
                self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes | None:
        """Return the message of RFC 1035 that answers another."""
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack_from(">H", query, at + 1)[0]
        if kind == _A:
            self.asked.append(name)
        if name == "silent.example":
            return None
        found = [] if name in BROKEN else self._addresses(name)
        packed = [socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text) for text in found]
        records = [data for data in packed if len(data) == (4 if kind == _A else 16)]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | BROKEN.get(name, 0), 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data for data in records)
        return head + query[12 : at + 5] + body

    def _addresses(self, name: str) -> list[str]:
        if name == "rebinding.example" and self.asked.count(name) > 1:
            return ["127.0.0.1"]
        return NAMES.get(name, [PUBLIC])


def main(report: str, *command: str) -> int:
    """Make the internet, run the command, write down what was seen."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in {PUBLIC, *PRIVATE} - {"127.0.0.1"}:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    folder = Path(report).parent
    for name, text in {
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: dns\n",
    }.items():
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", folder / name, f"/etc/{name}"], check=True)
    names = NameServer("127.0.0.1")
    cases = [Case(name, to(location), None, None, "/", no_robots) for name, location in REDIRECTS.items()]
    with HostileServer([*CASES.values(), *cases], addresses=(PUBLIC, *PRIVATE), port=80) as server:
        code = subprocess.run(command).returncode
        seen = {
            "connections": server.connections,
            "asked": [(ask.host, ask.path) for ask in server.asked],
            "looked_up": names.asked,
        }
    Path(report).write_text(json.dumps(seen))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
