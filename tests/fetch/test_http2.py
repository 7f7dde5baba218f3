"""HTTP/2: spoken where the server can, many streams on one connection."""

from pathlib import Path

import pytest

from goldpan.fetch.client import Fetched, Fetcher, FetchOptions, Request
from tests.certificates import make_certificate

pytest.importorskip("h2", reason="h2 is not installed; type: pip install 'goldpan[test]'")

from tests.fetch.http2 import Http2Server


@pytest.mark.parametrize("body_bytes", [100, 300_000])
def test_streams_share_a_connection(tmp_path: Path, body_bytes: int) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with Http2Server(certificate, body_bytes) as server:
        options = FetchOptions(
            allow_private=True, ports=[server.port], ca_file=certificate, robots="ignore", per_host=20
        )
        with Fetcher(options) as fetcher:
            url = f"https://127.0.0.1:{server.port}/"
            fetcher.fetch(url)
            results = list(fetcher.fetch_all(Request(n, f"{url}{n}") for n in range(60)))
    print(results[0].seconds, server.connections, server.most_at_once)
    assert {len(result.body) for result in results if isinstance(result, Fetched)} == {body_bytes}
    assert len(results) == 60
    assert server.connections == 1
    assert 2 <= server.most_at_once <= 20
