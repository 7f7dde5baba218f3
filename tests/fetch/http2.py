"""A small HTTP/2 server over TLS: the same body for every path, but `/reset` breaks its stream off."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, WindowUpdated

_RESET = b"reset"


class Http2Server:
    """Listens on 127.0.0.1; a context manager.

    Attributes:
        port: listened at.
        connections: how many were accepted.
        most_at_once: streams of one connection that were open at the same time.
    """

    def __init__(self, certificate: Path, body_bytes: int = 100) -> None:
        self.connections = 0
        self.most_at_once = 0
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._tls.set_alpn_protocols(["h2"])
        self._body = b"x" * body_bytes
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Http2Server:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        talk = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        talk.initiate_connection()
        waiting: dict[int, bytes] = {}
        try:
            while not reader.at_eof():
                writer.write(talk.data_to_send())
                await writer.drain()
                for event in talk.receive_data(await reader.read(65536)):
                    if isinstance(event, RequestReceived):
                        reset = (":path", "/reset") in event.headers
                        waiting[event.stream_id] = _RESET if reset else self._body
                        self.most_at_once = max(self.most_at_once, len(waiting))
                        length = ("content-length", str(len(self._body)))
                        talk.send_headers(event.stream_id, [(":status", "200"), length, ("content-type", "text/plain")])
                    if isinstance(event, RequestReceived | WindowUpdated):
                        self._loop.call_later(0.05, self._send, talk, waiting, writer)
        finally:
            writer.transport.abort()

    def _send(self, talk: H2Connection, waiting: dict[int, bytes], writer: asyncio.StreamWriter) -> None:
        for stream, body in list(waiting.items()):
            if body is _RESET:
                talk.reset_stream(stream)
                del waiting[stream]
                continue
            size = min(talk.local_flow_control_window(stream), talk.max_outbound_frame_size, len(body))
            if size or not body:
                talk.send_data(stream, body[:size], end_stream=size == len(body))
                waiting[stream] = body[size:]
                if size == len(body):
                    del waiting[stream]
        if any(waiting.values()):
            self._loop.call_later(0.001, self._send, talk, waiting, writer)
        if not writer.transport.is_closing():
            writer.write(talk.data_to_send())
