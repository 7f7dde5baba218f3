"""Everything a server can do to those who fetch from it: each has its reason, none hangs, none takes much memory."""

import json
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldpan.core.errors import Reason
from goldpan.fetch.client import Fetcher
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.records import Fetched, Missed, Request
from tests.false_internet import BROKEN, NAMES, PRIVATE, PUBLIC, REDIRECTS, can_be_made, run_inside
from tests.hostile import HostileServer
from tests.hostile_cases import CASES, GOOD, to

AGAIN = {"once_unavailable", "once_cut_off"}
"""Cases that want a second attempt."""
SECONDS = 13.0
"""Of an attempt: longer than the ten over which a rate is measured."""


def options(server: HostileServer, **others: object) -> FetchOptions:
    """Return settings with which the server can be fetched from."""
    usual = {"allow_private": True, "ports": [80, server.port], "timeout": SECONDS, "retries": 0, "max_bytes": 16 << 20}
    return FetchOptions.model_validate(usual | others)


def reason_of(result: Fetched | Missed) -> Reason | None:
    return result.reason if isinstance(result, Missed) else None


def fetch_all(urls: dict[str, str], settings: FetchOptions) -> dict[str, Fetched | Missed]:
    with Fetcher(settings) as fetcher:
        results = list(fetcher.fetch_all(Request(key, url) for key, url in urls.items()))
    assert sorted(result.key for result in results) == sorted(urls)
    return {result.key: result for result in results}


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer(list(CASES.values())) as server:
        yield server


@pytest.fixture(scope="module")
def results(server: HostileServer) -> dict[str, Fetched | Missed]:
    begun = time.monotonic()
    results = fetch_all({name: server.url(name) for name in CASES if name not in AGAIN}, options(server))
    assert time.monotonic() - begun < 2 * SECONDS
    return results


@pytest.mark.parametrize("name", [name for name in CASES if name not in AGAIN])
def test_every_case(results: dict[str, Fetched | Missed], name: str) -> None:
    result, case = results[name], CASES[name]
    if case.missed is None:
        assert isinstance(result, Fetched), result
        assert result.body == GOOD or case.dropped or name == "text_in_an_image"
    else:
        assert isinstance(result, Missed)
        assert (result.reason, result.detail.isprintable()) == (case.missed, True), result


def test_what_was_asked_for(server: HostileServer, results: dict[str, Fetched | Missed]) -> None:
    assert results
    for name in ("opted_out_in_robots", "robots_fail", "robots_without_end"):
        assert server.paths(name) == ["/robots.txt"]
    assert len(server.paths("round_and_round")) == 2 + FetchOptions().max_redirects
    assert server.paths("name_with_newline") == ["/robots.txt", "/line%0D%0Abreak.png"]
    assert server.paths("name_right_to_left") == ["/robots.txt", "/%E2%80%8Fgpj.%E2%80%AEexe"]
    for ask in server.asked:
        assert ask.headers["user-agent"].startswith("goldpan/")
        assert not {"cookie", "authorization", "referer"} & set(ask.headers)


def test_another_attempt(server: HostileServer) -> None:
    names = [*AGAIN, "fails", "not_found", "cut_at_half", "to_metadata"]
    came = fetch_all({name: server.url(name) for name in names}, options(server, retries=2))
    # libcurl asks again by itself where a connection that was kept turns out to be closed.
    attempts = {name: came[name].attempts for name in names}
    assert attempts == {
        "once_unavailable": 2, "once_cut_off": 1, "fails": 3, "cut_at_half": 3, "not_found": 1, "to_metadata": 1,
    }  # fmt: skip
    assert all(isinstance(came[name], Fetched) for name in AGAIN)


def test_one_url_many_times(server: HostileServer) -> None:
    url = server.url("good_chunked")
    with Fetcher(options(server)) as fetcher:
        came = list(fetcher.fetch_all(Request(i, url) for i in range(20)))
    assert sorted(result.key for result in came) == list(range(20))
    assert {result.body for result in came if isinstance(result, Fetched)} == {GOOD}


@pytest.mark.parametrize("name", ["good", "closes_when_asked_again"])
def test_many_urls_of_one_host(server: HostileServer, name: str) -> None:
    many = 10_000 if name == "good" else 500
    before = server.connections[server.home(name)]
    came = fetch_all({str(i): server.url(name, f"/{i}.png") for i in range(many)}, options(server))
    assert all(isinstance(result, Fetched) for result in came.values())
    if name == "good":
        assert server.connections[server.home(name)] - before < 20


def test_nothing_private_is_connected_to() -> None:
    with HostileServer([CASES["good"], CASES["silence"]]) as server:
        port = server.port
        hosts = [
            "127.1.0.1", "127.1.0.2", "localhost", "localhost.", "LOCALHOST", "2130706433", "0x7f000001", "0177.1.0.1",
            "127.65537", "0x7f.1.0.1", "[::1]", "[::ffff:127.1.0.1]", "[::ffff:7f01:1]", "[64:ff9b::7f01:1]",
            "[2002:7f01:1::]", "0.0.0.0", "0", "[::]", "\uff11\uff12\uff17.1.0.1",
        ]  # fmt: skip
        came = fetch_all({host: f"http://{host}:{port}/a.png" for host in hosts}, options(server, allow_private=False))
        reasons = {host: reason_of(result) for host, result in came.items()}
        assert reasons == dict.fromkeys(hosts, Reason.PRIVATE_ADDRESS)
        assert server.connections.total() == 0


def test_tricks_of_text_reach_nothing(server: HostileServer) -> None:
    tricks = {
        "file:///etc/hostname": Reason.SCHEME_NOT_ALLOWED,
        "ftp://127.1.0.1/": Reason.SCHEME_NOT_ALLOWED,
        "http://good.example@127.1.0.1/": Reason.BAD_URL,
        "http://127.1.0.1/\r\nX-Injected: 1": Reason.BAD_URL,
        "http://127.1.0.1:22/": Reason.PORT_NOT_ALLOWED,
        "": Reason.BAD_URL,
    }
    came = fetch_all({url: url for url in tricks}, options(server))
    assert {url: reason_of(result) for url, result in came.items()} == tricks
    assert {result.attempts for result in came.values()} == {0}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a certificate of 127.1.0.1 and 127.1.0.2, signed by itself, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-subj",
        "/CN=us",
        "-addext",
    ]
    words += ["subjectAltName=IP:127.1.0.1,IP:127.1.0.2", "-keyout", str(key), "-out", str(made)]
    subprocess.run(words, check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made


def test_tls(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    down = replace(CASES["good"], name="down", answer=to("http://127.1.0.1/"))
    not_named = replace(CASES["good"], name="not_named")
    with HostileServer([CASES["good"], down, not_named], tls=tls) as server:
        urls = {name: server.url(name) for name in ("good", "down", "not_named")}
        strangers = fetch_all(urls, options(server))
        known = fetch_all(urls, options(server, ca_file=certificate))
    assert {reason_of(result) for result in strangers.values()} == {Reason.TLS_FAILED}
    reasons = {name: reason_of(result) for name, result in known.items()}
    assert reasons == {"good": None, "down": Reason.BAD_REDIRECT, "not_named": Reason.TLS_FAILED}
    with HostileServer([CASES["good"]]) as server:
        deaf = {"deaf": server.url("good").replace("http:", "https:")}  # waits for the end of a request's headers
        assert reason_of(fetch_all(deaf, options(server, connect_timeout=1))["deaf"]) == Reason.TIMED_OUT


BOMBS = ["endless_body", "endless_chunks", "bomb", "bomb_in_a_bomb", "claims_a_terabyte", "endless_headers",
         "endless_header", "endless_trailers", "endless_hints", "robots_without_end"]  # fmt: skip
CHILD = """
import json, resource, sys
from goldpan.fetch.client import Fetcher
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.records import Request

options, urls = json.loads(sys.argv[1])
with Fetcher(FetchOptions(**options)) as fetcher:
    results = fetcher.fetch_all(Request(*pair) for pair in urls.items())
    reasons = {result.key: getattr(result, "reason", None) for result in results}
print(json.dumps([reasons, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def in_a_process(settings: FetchOptions, urls: dict[str, str]) -> tuple[dict[str, str | None], int]:
    """Fetch in another process; return the reasons and its peak memory, bytes."""
    words = [sys.executable, "-c", CHILD, json.dumps([settings.model_dump(mode="json"), urls])]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    reasons, kilobytes = json.loads(done.stdout)
    return reasons, kilobytes * 1024


def test_memory_stays_small(server: HostileServer) -> None:
    settings = options(server, max_bytes=4 << 20)
    _, usual = in_a_process(settings, {"good": server.url("good")})
    reasons, peak = in_a_process(settings, {name: server.url(name) for name in BOMBS})
    assert reasons == {name: CASES[name].missed for name in BOMBS}
    assert peak - usual < 100 << 20


@pytest.mark.skipif(not can_be_made(), reason="no network namespaces here (unshare, ip)")
def test_with_the_usual_settings_on_an_internet() -> None:
    names = [*NAMES, *BROKEN, "silent.example", "good.example", "rebinding.example", "to-metadata.example",
             "to-metadata-in-hex.example", "to-metadata-mapped.example", "five-steps.example",
             *(name.replace("_", "-") + ".example" for name in REDIRECTS)]  # fmt: skip
    paths = {"five-steps.example": "/"}
    settings = FetchOptions(timeout=SECONDS, retries=0)
    urls = {name: f"http://{name}{paths.get(name, '/a.png')}" for name in names}
    urls["public"] = f"http://{PUBLIC}/a.png"
    words = [sys.executable, "-c", CHILD, json.dumps([settings.model_dump(mode="json"), urls])]
    done, seen = run_inside(words, 60)
    assert done.returncode == 0, done.stderr
    reasons, _ = json.loads(done.stdout)
    expected = dict.fromkeys(NAMES, Reason.PRIVATE_ADDRESS) | dict.fromkeys(
        [*BROKEN, "silent.example"], Reason.DNS_FAILED
    )
    expected |= dict.fromkeys([name for name in names if name.startswith("to-")], Reason.PRIVATE_ADDRESS)
    assert {name: reason for name, reason in reasons.items() if reason} == expected
    assert not set(seen["connections"]) & set(PRIVATE)
    assert ["rebinding.example", "/again"] in seen["asked"]
    assert seen["looked_up"].count("rebinding.example") == 1
