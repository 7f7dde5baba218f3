"""Who is let in, and what browsers are told."""

import re
from collections.abc import Iterator

import httpx
import pytest

from goldpan.web.serve.app import make_routes
from goldpan.web.serve.guard import OPEN_PATHS, SAFE_HEADERS
from tests.web.serve.conftest import Client, Start


@pytest.fixture
def stranger(client: Client) -> Iterator[httpx.Client]:
    """Someone who knows no token."""
    with httpx.Client(base_url=client.base_url) as stranger:
        yield stranger


def addresses(client: Client) -> list[tuple[str, str]]:
    found = make_routes(client.server.service, client.server.keys).openapi()["paths"]
    paths = [(method.upper(), path) for path, methods in found.items() for method in methods]
    return [*paths, ("GET", "/"), ("GET", "/static/search.js"), ("GET", "/api/v1/openapi.json"), ("GET", "/nowhere")]


def test_no_route_answers_without_a_token(client: Client, stranger: httpx.Client) -> None:
    asked = addresses(client)
    assert len(asked) >= 15
    for method, path in asked:
        for key in ({}, {"Authorization": "Bearer x"}, {"Cookie": f"goldpan-{client.base_url.port}=x"}):
            answer = stranger.request(method, path, headers=key)
            assert answer.status_code == (200 if path in OPEN_PATHS else 403), path
            for name, value in SAFE_HEADERS.items():
                assert answer.headers[name] == value, path


def test_an_address_is_good_once_and_leaves_a_cookie(client: Client, stranger: httpx.Client) -> None:
    (line,) = [line for line in client.server.greeting() if line.startswith("open")]
    ticket = re.search(r"\?token=(\S+)", line)[1]
    answer = stranger.get("/", params={"token": ticket, "q": "a b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=a+b")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"goldpan-{client.base_url.port}=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert ticket not in cookie
    assert client.server.keys.token not in cookie
    assert stranger.get("/indices-list").status_code == 200  # by the cookie
    assert httpx.get(client.base_url.join("/"), params={"token": ticket}).status_code == 403
    known = stranger.get("/", params={"token": ticket, "q": "c"})  # by a browser that is let in: no harm
    assert (known.status_code, known.headers["location"]) == (303, "/?q=c")
    assert "set-cookie" not in known.headers
    again = client.post("/api/v1/sessions").json()["url"]
    assert httpx.get(again).status_code == 303


def test_an_address_does_not_lead_elsewhere(client: Client, stranger: httpx.Client) -> None:
    for path in ("//evil.test/", "/\\evil.test/"):
        ticket = client.server.keys.ticket()
        answer = stranger.send(stranger.build_request("GET", f"{client.base_url}{path}?token={ticket}"))
        assert answer.headers["location"] in ("/evil.test/", "/%5Cevil.test/")


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "evil.test:80", "", "[", "localhost.evil.test"])
def test_other_names_are_refused(client: Client, host: str) -> None:
    answer = client.get("/indices-list", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (403, "wrong_host")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:1234", "LOCALHOST"])
def test_names_of_this_machine_are_taken(client: Client, host: str) -> None:
    assert client.get("/indices-list", headers={"Host": host}).status_code == 200


def test_names_may_be_added(start: Start) -> None:
    client = start(allow_host=["Search.Example"])
    assert client.get("/indices-list", headers={"Host": "search.example:8443"}).status_code == 200
    assert client.get("/indices-list", headers={"Host": "other.example"}).status_code == 403


def test_a_server_for_other_machines_goes_by_its_addresses(start: Start) -> None:
    client = start(host="0.0.0.0")
    for host, status in (("192.0.2.7:1234", 200), ("[2001:db8::1]", 200), ("127.0.0.1.evil.test", 403), ("", 403)):
        assert client.get("/indices-list", headers={"Host": host}).status_code == status, host
    assert any("Other machines" in line for line in client.server.greeting())


def test_pages_of_other_sites_cannot_post_with_the_cookie(client: Client, stranger: httpx.Client) -> None:
    stranger.get("/", params={"token": client.server.keys.ticket()})
    here = str(client.base_url)
    body = {"modality": "image", "num_images": 1, "text": "red"}
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": here}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": here}, 200),
        ({}, 200),
    ):
        assert stranger.post("/knn-service", json=body, headers=headers).status_code == status, headers
    assert client.post("/knn-service", json=body, headers={"Origin": "http://evil.test"}).status_code == 200  # token


def test_no_other_site_reads_answers(client: Client) -> None:
    answer = client.get("/indices-list", headers={"Origin": "http://evil.test"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options("/knn-service", headers={"Origin": "x", "Access-Control-Request-Method": "POST"}).is_error


def test_public_is_open_to_all(start: Start) -> None:
    client = start(public=True, host="127.0.0.1")
    assert client.server.keys is None
    for host in ("evil.test", "127.0.0.1"):
        answer = client.get("/indices-list", headers={"Host": host, "Origin": "http://page.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/knn-service", headers=asked).status_code == 200
    assert client.refused("/api/v1/sessions", {}, 400) == "no_token_needed"
    named = start(public=True, host="127.0.0.1", allow_host=["search.example"])
    assert named.get("/indices-list", headers={"Host": "evil.test"}).status_code == 403
