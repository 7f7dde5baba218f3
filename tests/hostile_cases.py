"""What hosts do to those who fetch from them: the name of each case, what it does, and how that has to end."""

from __future__ import annotations

import asyncio
import gzip
import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from PIL import Image

from goldpan.core.errors import Reason
from tests.hostile import Answer, Ask, Case, Hangup, no_robots

CASES: dict[str, Case] = {}


def add(
    name: str,
    answer: Answer,
    missed: Reason | None = None,
    dropped: Reason | None = None,
    path: str = "/image.png",
    robots: Answer = no_robots,
) -> None:
    """Enter a case: `missed` is how fetching ends, `dropped` how reading an image from what was fetched ends."""
    CASES[name] = Case(name, answer, missed, missed or dropped, path, robots)


def always(body: bytes = b"", status: str = "200 OK", **headers: str) -> Answer:
    async def answer(ask: Ask) -> None:
        await ask.reply(body, status, **headers)

    return answer


def raw(*pieces: bytes) -> Answer:
    """Return the answer of these very bytes, and then the end of the connection."""

    async def answer(ask: Ask) -> None:
        await ask.send(*pieces)
        ask.writer.write_eof()
        await asyncio.sleep(0.2)  # so that what was sent is read before the connection is reset
        raise Hangup

    return answer


def endless(first: bytes, piece: bytes, seconds: float = 0.0) -> Answer:
    """Return the answer that begins with `first` and goes on with `piece` for ever, one every so many seconds."""

    async def answer(ask: Ask) -> None:
        await ask.send(first)
        while True:
            await ask.send(piece)
            await asyncio.sleep(seconds)

    return answer


def to(location: str, status: str = "302 Found") -> Answer:
    """Return the answer that sends elsewhere."""
    return always(status=status, location=location)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(color: str = "green", *, chunks: bytes = b"") -> bytes:
    """Return a good image of 32 x 24, with more chunks after its header."""
    file = io.BytesIO()
    Image.new("RGB", (32, 24), color).save(file, "PNG")
    return file.getvalue()[:33] + chunks + file.getvalue()[33:]


def numbered(seconds: float) -> Answer:
    """Return the answer to `/7.png` that is the seventh image after so many seconds, each fifth time none."""

    async def answer(ask: Ask) -> None:
        await asyncio.sleep(seconds)
        number = int(ask.path.strip("/").removesuffix(".png"))
        if number % 5 == 4:
            await ask.reply(status="404 Not Found")
        else:
            await ask.reply(png(f"#{number * 997 % 0xFFFFFF:06x}"))

    return answer


def huge_header() -> bytes:
    """Return a PNG that says it is 50,000 x 50,000."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def deflated_zeros() -> tuple[bytes, bytes]:
    """Return how a gzip stream begins, and a kilobyte of it that unpacks to a megabyte and may follow itself."""
    packer = zlib.compressobj(9, wbits=31)
    first = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first, packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)


GOOD = png()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
_LENGTH = b"Content-Length: %d\r\n\r\n"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def good() -> None:
    """What must work, however odd."""
    add("good", always(GOOD))
    add("good_chunked", raw(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)))
    add("good_packed", always(gzip.compress(GOOD), content_encoding="gzip"))
    add("good_to_the_end", raw(_HEAD + b"\r\n", GOOD))
    add("good_early_hints", raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _HEAD + _LENGTH % len(GOOD) + GOOD))
    add("name_with_newline", always(GOOD), path="/line%0D%0Abreak.png")
    add("name_right_to_left", always(GOOD), path="/\u200fgpj.\u202eexe")
    add("name_in_header", always(GOOD, content_disposition='attachment; filename="../../etc/passwd\u00e9"'))
    add("cookie_and_upgrade", always(GOOD, set_cookie="a=b; Path=/", alt_svc='h3=":1"', connection="Upgrade"))
    add("no_type", always(GOOD, content_type=""))
    add("robots_of_html", always(GOOD), robots=always(b"<html>Disallow: /</html>", content_type="text/html"))

    async def closes_when_asked_again(ask: Ask) -> None:
        if ask.turn > 1:
            raise Hangup
        await ask.reply(GOOD)

    async def once_unavailable(ask: Ask) -> None:
        await (ask.reply(status="503 Busy", retry_after="1") if ask.nth == 1 else ask.reply(GOOD))

    async def once_cut_off(ask: Ask) -> None:
        if ask.nth == 1:
            raise Hangup
        await ask.reply(GOOD)

    add("closes_when_asked_again", closes_when_asked_again)
    add("once_unavailable", once_unavailable)
    add("once_cut_off", once_cut_off)


def elsewhere() -> None:
    """Redirects."""

    async def five_steps(ask: Ask) -> None:
        step = int(ask.path.strip("/") or 0)
        await (ask.reply(GOOD) if step == 5 else ask.reply(status="301 Moved", location=f"{step + 1}"))

    async def never_the_same(ask: Ask) -> None:
        await ask.reply(status="307 Temporary Redirect", location=f"{ask.path}x")

    add("five_steps", five_steps, path="/")

    async def rebinding(ask: Ask) -> None:  # when its name is looked up again, it is another address
        closing = {"connection": "close"}
        await (ask.reply(GOOD) if ask.path == "/again" else ask.reply(b"", "302 Found", location="/again", **closing))
        raise Hangup

    add("rebinding", rebinding)
    add("never_the_same", never_the_same, Reason.TOO_MANY_REDIRECTS)
    add("round_and_round", to("/image.png"), Reason.TOO_MANY_REDIRECTS)
    add("to_metadata", to("http://169.254.169.254/latest/meta-data/"), Reason.PRIVATE_ADDRESS)
    add("to_metadata_in_hex", to("http://0xa9fea9fe/"), Reason.PRIVATE_ADDRESS)
    add("to_metadata_mapped", to("http://[::ffff:a9fe:a9fe]/"), Reason.PRIVATE_ADDRESS)
    add("to_another_port", to("http://127.0.0.1:22/"), Reason.PORT_NOT_ALLOWED)
    add("to_a_file", to("file:///etc/passwd"), Reason.BAD_REDIRECT)
    add("to_a_script", to("javascript:alert(1)"), Reason.BAD_REDIRECT)
    add("to_a_user", to("http://good.example@evil.example/"), Reason.BAD_REDIRECT)
    add("to_garbage", to("http://[::1/"), Reason.BAD_REDIRECT)
    add("to_nothing", to(""), Reason.BAD_REDIRECT)
    add("nowhere", always(status="302 Found"), Reason.BAD_REDIRECT)


def without_end() -> None:
    """Too much, or too slowly."""
    first, more = deflated_zeros()
    zeros = bytes(1 << 16)
    add("endless_body", endless(_HEAD + b"\r\n", zeros), Reason.TOO_MANY_BYTES)
    add(
        "endless_chunks",
        endless(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n%b\r\n" % zeros),
        Reason.TOO_MANY_BYTES,
    )
    add("claims_a_terabyte", endless(_HEAD + _LENGTH % (1 << 40), b"x", 1), Reason.TOO_MANY_BYTES)
    add("bomb", endless(_HEAD + b"Content-Encoding: gzip\r\n\r\n" + first, more), Reason.TOO_MANY_BYTES)
    add(
        "bomb_in_a_bomb",
        always(gzip.compress(first + more * 999), content_encoding="gzip, gzip"),
        Reason.TOO_MANY_BYTES,
    )
    add("a_byte_a_second", endless(_HEAD + _LENGTH % 9999, b"x", 1), Reason.TOO_SLOW)
    add("a_byte_of_header_a_second", endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", 1), Reason.TOO_SLOW)
    add("silence", endless(b"", b"", 1), Reason.TIMED_OUT)
    add("endless_headers", endless(_HEAD, b"X-More: %b\r\n" % (b"y" * 1000)), Reason.BAD_RESPONSE)
    add("endless_header", endless(_HEAD + b"X-More: ", b"y" * 1000), Reason.BAD_RESPONSE)
    add(
        "endless_trailers",
        endless(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: y\r\n" * 99),
        Reason.BAD_RESPONSE,
    )
    add("endless_hints", endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), Reason.BAD_RESPONSE)


def broken() -> None:
    """What is not HTTP, or only nearly."""
    chunked = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    half = GOOD[: len(GOOD) // 2]
    add("cut_at_half", raw(_HEAD + _LENGTH % len(GOOD) + half), Reason.CUT_OFF)
    add("cut_in_a_chunk", raw(chunked + b"%x\r\n%b" % (len(GOOD), half)), Reason.CUT_OFF)
    add("cut_in_the_header", raw(_HEAD[:-9]), Reason.CUT_OFF)
    add("cut_when_packed", raw(_HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(GOOD)[:40]), Reason.CUT_OFF)
    add("longer_than_it_says", raw(_HEAD + _LENGTH % len(half) + GOOD), dropped=Reason.TRUNCATED)
    add("says_nothing", raw(b""), Reason.CUT_OFF)
    add("negative_length", raw(_HEAD + _LENGTH % -5 + GOOD), Reason.BAD_RESPONSE)
    add("length_of_many_digits", raw(_HEAD + b"Content-Length: %b\r\n\r\n" % (b"9" * 9999)), Reason.TOO_MANY_BYTES)
    add("length_of_words", raw(_HEAD + b"Content-Length: some\r\n\r\n" + GOOD), Reason.BAD_RESPONSE)
    add("two_lengths", raw(_HEAD + b"Content-Length: 5\r\n" + _LENGTH % len(GOOD) + GOOD), Reason.BAD_RESPONSE)
    add("garbage_for_chunks", raw(chunked + b"zz\r\n" + GOOD), Reason.BAD_RESPONSE)
    add("chunk_of_all_memory", raw(chunked + b"ffffffffffffffff\r\n" + GOOD), Reason.BAD_RESPONSE)
    add("chunk_beyond_memory", raw(chunked + b"f" * 40 + b"\r\n" + GOOD), Reason.BAD_RESPONSE)
    add("not_packed", always(GOOD, content_encoding="gzip"), Reason.BAD_RESPONSE)
    add("packed_unknown", always(GOOD, content_encoding="rot13"), Reason.BAD_RESPONSE)
    add("packed_often", always(GOOD, content_encoding=", ".join(["gzip"] * 99)), Reason.BAD_RESPONSE)
    add("another_protocol", raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Reason.BAD_RESPONSE)
    add("http_0_9", raw(GOOD), Reason.BAD_RESPONSE)
    add("http_9_9", raw(b"HTTP/9.9 200 OK\r\n\r\n" + GOOD), Reason.BAD_RESPONSE)
    add("status_of_words", raw(b"HTTP/1.1 OK\r\n\r\n" + GOOD), Reason.BAD_RESPONSE)
    add("zero_in_header", raw(_HEAD + b"X-Zero: a\0b\r\n" + _LENGTH % len(GOOD) + GOOD), Reason.BAD_RESPONSE)
    add("another_upgrade", raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + GOOD), Reason.HTTP_ERROR)


def statuses() -> None:
    """Answers that are no image, by their status."""
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    add("not_found", always(GOOD, "404 Not Found"), Reason.NOT_FOUND)
    add("gone", always(GOOD, "410 Gone"), Reason.NOT_FOUND)
    add("forbidden", always(GOOD, "403 Forbidden"), Reason.FORBIDDEN)
    add("asks_who", always(GOOD, "401 Unauthorized", www_authenticate='Basic realm="x"'), Reason.FORBIDDEN)
    add("teapot", always(GOOD, "418 I'm a teapot"), Reason.HTTP_ERROR)
    add("too_often", always(GOOD, "429 Too Many Requests", retry_after=later), Reason.RATE_LIMITED)
    add("fails", always(GOOD, "500 Internal Server Error", retry_after="soon"), Reason.SERVER_ERROR)
    add("not_modified", always(status="304 Not Modified"), Reason.HTTP_ERROR)
    add(
        "a_part", always(GOOD[:50], "206 Partial Content", content_range=f"bytes 0-49/{len(GOOD)}"), Reason.BAD_RESPONSE
    )
    add("no_content", raw(b"HTTP/1.1 204 No Content\r\n\r\n"), dropped=Reason.EMPTY_FILE)


def unwilling() -> None:
    """Those who do not want it."""
    add("opted_out", always(GOOD, x_robots_tag="all, NoAI"), Reason.OPTED_OUT)
    add("opted_out_for_us", always(GOOD, x_robots_tag="otherbot: all\ngoldpan: noimageindex"), Reason.OPTED_OUT)
    add("opted_out_for_others", always(GOOD, x_robots_tag="otherbot: noai"))
    add(
        "opted_out_since",
        always(GOOD, x_robots_tag="unavailable_after: Sat, 25 Jun 2022 15:00:00 GMT"),
        Reason.OPTED_OUT,
    )
    add("reserved", always(GOOD, tdm_reservation="1"), Reason.OPTED_OUT)
    add("opted_out_in_robots", always(GOOD), Reason.ROBOTS, robots=always(b"User-agent: *\nDisallow: /*.png$\n"))
    add("robots_fail", always(GOOD), Reason.SERVER_ERROR, robots=always(status="503 Busy"))
    add("robots_without_end", always(GOOD), Reason.ROBOTS, robots=endless(_HEAD + b"\r\n", b"Allow: /\n" * 999))


def no_image() -> None:
    """Bodies that are no image, or none to decode."""
    text = chunk(b"tEXt", b"Comment\0" + b"x" * (8 << 20))
    packed_text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 << 20)))
    add("nothing", always(b""), dropped=Reason.EMPTY_FILE)
    add("page_with_200", always(b"<html>Not found</html>", content_type="image/jpeg"), dropped=Reason.NOT_AN_IMAGE)
    add("drawing", always(_SVG, content_type="image/jpeg"), dropped=Reason.NOT_AN_IMAGE, path="/drawing.jpg")
    add("archive", always(b"PK\3\4" + bytes(99)), dropped=Reason.NOT_AN_IMAGE)
    add("pixels_without_end", always(huge_header()), dropped=Reason.TOO_MANY_PIXELS)
    add("text_in_an_image", always(png(chunks=text)))
    add("packed_text_in_an_image", always(png(chunks=packed_text)), dropped=Reason.CORRUPT)
    add("half_an_image", always(GOOD[:60]), dropped=Reason.TRUNCATED)


for group in (good, elsewhere, without_end, broken, statuses, unwilling, no_image):
    group()
