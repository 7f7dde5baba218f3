"""A name server on loopback that answers what a test says."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator

A, AAAA = 1, 28
SILENCE, UNKNOWN, FAILED = "silence", "unknown", "failed"
_SO_RCVBUFFORCE = 33  # of Linux; Python does not name it
_CODES = {UNKNOWN: 3, FAILED: 2}


class NameServer:
    """Answers over UDP, as RFC 1035 says.

    Attributes:
        answers: host -> what it answers, in turn, the last one for ever: addresses, or one of the words above.
        asked: the hosts, as they were asked for.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str] | str]] = {}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(PermissionError):  # of a user: a thousand questions at once may be more than fit
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._turns: dict[str, int] = {}
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                packet, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if not packet:
                return
            reply = self._reply(packet)
            if reply:
                self._socket.sendto(reply, client)

    def close(self) -> None:
        host, port = self._socket.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (host, port))

    def _reply(self, packet: bytes) -> bytes | None:
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode().lower())
            at += 1 + packet[at]
        question = packet[12 : at + 5]
        (kind,) = struct.unpack_from("!H", packet, at + 1)
        host = ".".join(labels)
        answer = self._turn(host, kind)
        if answer == SILENCE:
            return None
        code = _CODES.get(answer, 0) if isinstance(answer, str) else 0
        records = b"" if isinstance(answer, str) else b"".join(_record(each, kind) for each in answer)
        count = records.count(b"\xc0\x0c")
        return packet[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0) + question + records

    def _turn(self, host: str, kind: int) -> list[str] | str:
        """Both questions of one lookup, for A and for AAAA, get the same answer."""
        answers = self.answers.get(host, [UNKNOWN])
        if kind == A:
            self.asked.append(host)
            self._turns[host] = self._turns.get(host, -1) + 1
        return answers[min(max(0, self._turns.get(host, 0)), len(answers) - 1)]


def _record(address: str, kind: int) -> bytes:
    packed = ipaddress.ip_address(address).packed
    if len(packed) != {A: 4, AAAA: 16}.get(kind):
        return b""
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(packed)) + packed


@contextlib.contextmanager
def name_server() -> Iterator[NameServer]:
    """Give a name server that answers until the end of the block."""
    server = NameServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
        server._socket.close()
