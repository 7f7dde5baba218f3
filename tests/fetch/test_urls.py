"""A URL is read one way, whatever tricks its text plays."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldpan.core.errors import Reason
from goldpan.fetch.errors import FetchError
from goldpan.fetch.urls import LONGEST_URL, join, parse_url

READ = {
    "http://example.com": "http://example.com/",
    "  HTTPS://Example.COM:443/A?B#c\r\n": "https://example.com/A?B",
    "http://example.com:8080/": "http://example.com:8080/",
    "http://example.com:/": "http://example.com/",
    "http://example.com.": "http://example.com/",
    "http://a_b.example.com/": "http://a_b.example.com/",
    "http://x/a b/é.jpg?q=ü ü&r='1'": "http://x/a%20b/%C3%A9.jpg?q=%C3%BC%20%C3%BC&r='1'",
    "http://x/100%/%41%zz": "http://x/100%/%41%zz",
    "http://x/images\\a.jpg": "http://x/images/a.jpg",
    "http://x/a/./b/../c/%2e%2E/d": "http://x/a/d",
    "http://x/../../etc/..": "http://x/",
    "http://x/a/.": "http://x/a/",
    "http://x/\u202egpj.exe\u200f": "http://x/%E2%80%AEgpj.exe%E2%80%8F",
    "http://x?a=http://y/": "http://x/?a=http://y/",
    "http://bücher.example/": "http://xn--bcher-kva.example/",
    "http://faß.example/": "http://xn--fa-hia.example/",
    "http://BÜCHER。example/": "http://xn--bcher-kva.example/",
    "http://[2606:4700:0:0::1111]:81/": "http://[2606:4700::1111]:81/",
    # One host under many spellings.
    "http://2130706433/": "http://127.0.0.1/",
    "http://0x7f000001/": "http://127.0.0.1/",
    "http://0X7F.1/": "http://127.0.0.1/",
    "http://017700000001/": "http://127.0.0.1/",
    "http://0177.0.0x0.1/": "http://127.0.0.1/",
    "http://127.1/": "http://127.0.0.1/",
    "http://127.0.1./": "http://127.0.0.1/",
    "http://0/": "http://0.0.0.0/",
    "http://\uff11\uff12\uff17.⓪.0.\uff11/": "http://127.0.0.1/",
    "http://[::ffff:169.254.169.254]/": "http://[::ffff:a9fe:a9fe]/",
    # What follows a backslash is no host.
    "http://good.example\\@evil.example/": "http://good.example/@evil.example/",
}
REFUSED = [
    "", "http:", "http://", "http:///path", "http:/x", "//x/y", "x.jpg", "example.com/x.jpg", "http//x",
    "http://user@x/", "http://user:word@x/", "http://good.example:80@evil.example/", "http://@x/",
    "http://x\n.example/", "http://x/\r\nHost: y", "http://x/\x00", "http://x/\x7f", "http://x/\x85", "http://x/a\tb",
    "http://x y/", "http://x%2ey/", "http://a..b/", "http://.a/", "http://a,b/", "http://<x>/", "http://x*/",
    "http://℀.example/", "http://ex\uff0561mple/", "http://x\u200f/", "http://\u00ad/", "http://" + "a" * 64 + "/",
    "http://" + ".".join(["a" * 50] * 6) + "/", "http://" + "ü" * 300 + "/",
    "http://x:0/", "http://x:65536/", "http://x:-1/", "http://x:8o/", "http://x:80:80/", "http://x:999999999/",
    "http://[::1/", "http://::1/", "http://[]/", "http://[fe80::1%25eth0]/", "http://[::1]x/", "http://[v1.a]/",
    "http://[127.0.0.1]/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://1.2.3.256/", "http://4294967296/",
    "http://1.2.3.08/", "http://a.1/", "http://1..2/", "http://0x1g.1/", "http://-1.2/",
    "http://x/\ud800", "http://x/" + "a" * LONGEST_URL, "http://x/" + "é" * (LONGEST_URL // 5),
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_written_anew(text: str) -> None:
    url = parse_url(text)
    assert url.text == READ[text]
    assert parse_url(url.text) == url


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_url(text)
    assert caught.value.reason == Reason.BAD_URL
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    "text", ["file:///etc/passwd", "FTP://x/", "gopher://x/", "data:,x", "javascript:x", "ws://x/"]
)
def test_other_schemes(text: str) -> None:
    with pytest.raises(FetchError, match="allowed are http and https") as caught:
        parse_url(text)
    assert caught.value.reason == Reason.SCHEME_NOT_ALLOWED


def test_a_user_name_says_so() -> None:
    with pytest.raises(FetchError, match="user name"):
        parse_url("https://me:secret@example.com/")


def test_parts() -> None:
    url = parse_url("https://[2606:4700::1]:8443/a?b")
    assert (url.scheme, url.host, url.port, url.target) == ("https", "2606:4700::1", 8443, "/a?b")
    assert url.origin == "https://[2606:4700::1]:8443"
    assert str(url.address) == "2606:4700::1"
    assert str(parse_url("http://0x7f.1/").address) == "127.0.0.1"
    assert parse_url("http://example.com/").address is None


@given(
    st.from_regex(r"[hH]ttps?:[/\\]{0,3}.{0,30}", fullmatch=True)
    | st.text("htp:/\\@.#?%[]0x7f1é。\uff11 \t_-", max_size=25).map("http://".__add__)
)
def test_every_reader_agrees(text: str) -> None:
    try:
        url = parse_url(text)
    except FetchError as error:
        assert error.reason in (Reason.BAD_URL, Reason.SCHEME_NOT_ALLOWED)
        return
    assert url.text.isascii() and url.text.isprintable() and not set(url.text) & set(' \\#@<>"') - {"@"}
    assert "@" not in url.origin
    other = urlsplit(url.text)
    assert (other.scheme, other.hostname, other.port or {"http": 80, "https": 443}[url.scheme]) == (
        url.scheme,
        url.host,
        url.port,
    )
    assert parse_url(url.text) == url


@pytest.mark.parametrize(
    ("location", "target"),
    {
        "../x": "https://h/x",
        "y z": "https://h/a/y%20z",
        "?q": "https://h/a/b?q",
        "/é#f": "https://h/%C3%A9",
        "//k/z": "https://k/z",
        "/\\k": "https://k/",
        "https://k:8443/": "https://k:8443/",
        "https:foo": "https://h/a/foo",
        " https://k/\t": "https://k/",
    }.items(),
)
def test_redirects(location: str, target: str) -> None:
    assert join(parse_url("https://h/a/b?c"), location).text == target


@pytest.mark.parametrize(
    "location",
    [
        "",
        " ",
        "http://h/",
        "file:///etc/passwd",
        "javascript:x",
        "https://u@k/",
        "http://[::1",
        "/a\r\nb",
        "\x00",
    ],
)
def test_bad_redirects(location: str) -> None:
    with pytest.raises(FetchError) as caught:
        join(parse_url("https://h/a/b"), location)
    assert caught.value.reason == Reason.BAD_REDIRECT
    assert caught.value.detail.isprintable()


def test_up_from_http() -> None:
    assert join(parse_url("http://h/a"), "https://h/a").scheme == "https"
    assert join(parse_url("http://h/a"), "//k/").text == "http://k/"
