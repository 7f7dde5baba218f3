"""HTTP/2: spoken where the server can, many streams on one connection."""

from pathlib import Path

import pytest

from goldpan.core.errors import Reason
from goldpan.fetch.client import Fetched, Fetcher, FetchOptions, Missed, Request
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
    assert {len(result.body) for result in results if isinstance(result, Fetched)} == {body_bytes}
    assert len(results) == 60
    assert server.connections == 1
    assert 2 <= server.most_at_once <= 20


def test_a_stream_that_breaks_off_takes_no_other_along(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with Http2Server(certificate) as server:
        options = FetchOptions(
            allow_private=True, ports=[server.port], ca_file=certificate, robots="ignore", per_host=20, retries=0
        )
        with Fetcher(options) as fetcher:
            url = f"https://127.0.0.1:{server.port}/"
            fetcher.fetch(url)
            results = list(fetcher.fetch_all(Request(n, f"{url}{'reset' if n == 5 else n}") for n in range(20)))
    missed = [result for result in results if isinstance(result, Missed)]
    assert [(result.key, result.reason) for result in missed] == [(5, Reason.CUT_OFF)]
    assert server.connections == 1
