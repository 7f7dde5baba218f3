"""The search page as people use it: by words, images and keys, in a real browser."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.web.browser import Window
from tests.web.conftest import Open
from tests.web.pools import HOSTILE, OWNED, PHOTOS
from tests.web.serve.conftest import Client

GIVE = """([element, kind, name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, {type: "image/jpeg"}));
  const event = kind === "paste" ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true})
    : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
  document.querySelector(element).dispatchEvent(event);
}"""


def best(server: Client, count: int, pool: str = "photos-ws", **query: object) -> list[str]:
    """Return the labels of the answers that the API gives."""
    found = server.find(query, pool=pool, k=count)["results"][0]["hits"]
    return [hit["metadata"].get("label") or hit["metadata"]["caption"] for hit in found]


def test_words_find_what_the_api_finds_and_the_address_can_be_shared(window: Window, open_window: Open) -> None:
    page = window.page
    assert "70 rows of photos-ws" in page.inner_text("#start")
    said = window.search("a photo of a shark")
    assert said.startswith("70 rows nearest to “a photo of a shark”; by cosine")
    assert window.titles()[:10] == best(window.client, 10, text="a photo of a shark")
    assert page.title() == "“a photo of a shark” - goldpan"
    shared = open_window()
    shared.go(page.url.removeprefix(window.client.server.address.rstrip("/")))
    assert shared.titles() == window.titles()
    window.search("a photo of an owl")
    page.go_back()
    page.locator("#status", has_text="shark").wait_for()
    assert page.input_value("#words") == "a photo of a shark"
    page.go_back()
    page.locator("#start").wait_for()
    assert page.input_value("#words") == ""


@pytest.mark.parametrize("way", ["chosen", "dropped", "pasted"])
def test_an_image_finds_itself(window: Window, pools: list[Path], way: str) -> None:
    photo = sorted((pools[0].parent / "photos").iterdir())[17]
    if way == "chosen":
        with window.page.expect_file_chooser() as chooser:
            window.page.click("#choose")
        chooser.value.set_files(photo)
    else:
        given = base64.b64encode(photo.read_bytes()).decode()
        for kind in ["dragenter", "dragover", "drop"] if way == "dropped" else ["paste"]:
            window.page.evaluate(GIVE, ["main", kind, photo.name, given])
    assert photo.name in window.settled()
    assert window.titles()[0] == photo.stem.partition("_")[2]
    assert window.page.locator("#asked-picture").is_visible()
    assert not window.page.locator("#drop").is_visible()
    window.page.reload()
    assert photo.name in window.settled()
    window.page.click("#asked-remove")
    window.page.locator("#start").wait_for()


def test_the_address_of_an_image_finds_it(window: Window, pools: list[Path], photo_port: int) -> None:
    photo = sorted((pools[0].parent / "photos").iterdir())[5]
    address = f"http://127.0.0.1:{photo_port}/{photo.name}"
    assert address in window.search(address)
    assert window.titles()[0] == photo.stem.partition("_")[2]
    assert window.page.inner_text("#asked-name").startswith("http://127.0.0.1")
    window.page.evaluate(
        """(address) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.setData("text/uri-list", address);
          document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
        }""",
        address.replace(photo.name, "none.jpg"),
    )
    window.page.locator("#problem", has_text="could not be fetched from there: The server answered 404.").wait_for()


def test_a_large_photo_is_made_smaller_before_it_is_sent(window: Window, pools: list[Path], tmp_path: Path) -> None:
    from PIL import Image

    photo = sorted((pools[0].parent / "photos").iterdir())[3]
    with Image.open(photo) as image:
        image.resize((3000, 2250)).save(tmp_path / "large.bmp")
    assert (tmp_path / "large.bmp").stat().st_size > 16 << 20  # more than the server takes
    with window.page.expect_file_chooser() as chooser:
        window.page.click("#choose")
    chooser.value.set_files(tmp_path / "large.bmp")
    window.settled()
    assert window.titles()[0] == photo.stem.partition("_")[2]


def test_more_like_this_and_back_to_where_one_was(window: Window) -> None:
    window.search("a photo of a shark")
    window.press("ArrowDown", "ArrowRight", "ArrowRight", "m")
    window.page.locator("#asked").wait_for()
    assert "row" in window.settled()
    wanted = window.titles()[0]
    assert window.page.locator(".card:focus .caption").inner_text() == wanted
    row = int(window.page.url.split("row=")[1].split("&")[0])
    assert window.titles()[:5] == best(window.client, 5, row=row)
    window.page.go_back()
    window.page.locator("#status", has_text="shark").wait_for()
    window.page.locator(".card:nth-child(3):focus").wait_for()
    assert window.focused() == wanted


def test_all_of_it_by_keys_alone(window: Window) -> None:
    window.press("/")
    window.page.keyboard.type("a photo of a bird")
    window.press("Enter")
    window.settled()
    titles = window.titles()
    columns = window.page.evaluate("() => getComputedStyle(results).gridTemplateColumns.split(' ').length")
    window.press("ArrowDown")
    assert window.focused() == titles[0]
    window.press("ArrowRight", "ArrowDown", "ArrowLeft")
    assert window.focused() == titles[columns]
    window.press("b", "ArrowUp", "b", "ArrowRight", "b", "b")
    assert window.page.inner_text("#basket-size") == "2"
    assert window.page.locator(".card.kept").count() == 2
    window.press("Enter")
    viewer = window.page.locator("#viewer[open]")
    assert viewer.locator("h2").inner_text() == titles[1]
    window.press("ArrowRight", "b", "Escape")
    assert window.focused() == titles[2]
    assert window.page.inner_text("#basket-size") == "3"
    window.press("End", "Home", "ArrowUp")
    assert window.focused() == "words"
    window.press("ArrowDown", "?")
    assert window.page.locator("#help").is_visible()
    window.press("Escape", "Tab", "Tab", "Tab")
    assert window.page.evaluate("() => document.activeElement.className") == "keep"
    window.press("Enter")
    assert window.page.inner_text("#basket-size") == "2"
    window.press("Shift+Tab")
    assert window.page.evaluate("() => document.activeElement.className") == "like"


def test_back_from_what_the_viewer_led_to(window: Window) -> None:
    window.search("a photo of a shark")
    titles = window.titles()
    window.press("ArrowDown", "Enter", "ArrowRight", "ArrowRight", "Escape", "Enter")
    assert window.page.locator("#viewer[open] h2").inner_text() == titles[2]
    window.press("ArrowRight", "m")
    window.page.locator("#asked").wait_for()
    window.settled()
    window.page.go_back()
    window.page.locator("#status", has_text="shark").wait_for()
    window.page.locator(".card:nth-child(4):focus").wait_for()
    assert window.focused() == titles[3]


def test_single_keys_can_be_turned_off(window: Window) -> None:
    window.search("bird")
    window.press("ArrowDown", "?")
    window.page.uncheck("#keys-on")
    window.press("Escape", "b", "?", "/")
    assert window.page.inner_text("#basket-size") == "0"
    assert not window.page.locator("#help").is_visible()
    assert window.focused() == window.titles()[0]


def test_answers_come_as_one_scrolls_and_more_are_searched_for(window: Window) -> None:
    window.go("/?q=a+dog&k=65&similar")
    assert window.cards.count() == 60
    window.page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    window.page.locator(".card:nth-child(65)").wait_for()
    assert window.titles() == best(window.client, 65, text="a dog")
    window.page.get_by_role("button", name="Search for 70").click()
    window.page.locator(".card:nth-child(70)").wait_for()
    assert window.focused() == window.titles()[65]
    assert window.page.inner_text("#the-end") == f"That is all: {PHOTOS} answers."
    assert "k=70" in window.page.url


def test_what_is_searched_and_what_is_hidden(window: Window) -> None:
    window.go("/?pool=strangers&q=a+fish&k=500")
    page = window.page
    sides = [page.get_by_role("radio", name=name) for name in ("pictures", "captions", "both")]
    assert [side.is_checked() for side in sides] == [True, False, False]
    assert "1 near-duplicate hidden" in window.settled()
    page.locator(".card").last.scroll_into_view_if_needed()
    page.locator("#status", has_text="2 answers hidden as NSFW").wait_for()
    assert window.cards.count() == PHOTOS - 3
    page.uncheck("#hide-nsfw")
    page.locator("#status", has_not_text="NSFW").wait_for()
    page.uncheck("#hide-similar")
    page.locator("#status", has_text="70 rows").wait_for()
    sides[2].check()
    page.locator(".score", has_text="text").first.wait_for()
    assert "in=fused" in page.url
    assert page.locator(".score").first.inner_text().split()[::2] == ["image", "text"]
    page.uncheck("#show-scores")
    page.uncheck("#show-captions")
    page.reload()
    window.settled()
    assert not page.locator(".score").first.is_visible()
    assert not page.locator(".caption").first.is_visible()


def test_pools_are_chosen_and_each_has_its_basket(window: Window) -> None:
    window.search("a fish")
    window.press("ArrowDown", "b")
    window.page.select_option("#pool", "strangers")
    window.page.locator("#basket-size", has_text="0").wait_for()
    window.settled()
    assert "pool=strangers" in window.page.url
    assert "q=a+fish" in window.page.url
    window.page.go_back()
    window.page.locator("#basket-size", has_text="1").wait_for()


def test_what_strangers_wrote_is_text_and_never_done(window: Window) -> None:
    window.go(f"/?pool=strangers&row=0&k=500&similar&nsfw&q={OWNED}")
    window.page.locator(".card").last.scroll_into_view_if_needed()
    window.page.check("#show-full")
    title = window.page.title()
    captions = window.titles()
    assert HOSTILE[0] in captions
    for row in HOSTILE:
        window.go(f"/?pool=strangers&row={row}&similar")
        window.press("ArrowDown", "b", "Enter")
        window.page.locator("#viewer-facts a, #viewer-facts dd").first.wait_for()
        links = window.page.locator("#viewer a").evaluate_all("(all) => all.map((a) => [a.protocol, a.rel, a.target])")
        assert all(link == ["https:", "noopener noreferrer", "_blank"] for link in links), row
        window.press("Escape")
    window.page.click("#basket-open")
    window.page.locator("#basket li").nth(len(HOSTILE) - 1).wait_for()
    assert window.page.locator("main script, dialog script, main svg, dialog svg, [onload], [onerror]").count() == 0
    assert window.page.locator("a[href^=javascript], a[href^=data], a[href^=file]").count() == 0
    assert "owned" not in title.split()
    assert window.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_pictures_that_cannot_be_shown_say_so(window: Window) -> None:
    window.go("/?pool=strangers&row=20&similar")
    assert window.cards.first.locator(".picture").inner_text() == "The picture is on the web."
    window.go("/?pool=strangers&row=21&similar")
    window.cards.first.locator(".picture", has_text="The picture cannot be shown.").wait_for()


def test_what_cannot_be_done_is_said_in_a_sentence(window: Window) -> None:
    problem = window.page.locator("#problem")
    for path, sentence in (
        ("?q=fish&pool=none", "There is no pool none here; choose one of the list."),
        ("?image=cat.jpg", "This search was for an image that this window no longer has. Give it once more."),
        ("?row=70", "photos-ws has rows 0 to 69, not 70."),
        ("?q=fish&in=text", "photos-ws has no text index; it has: image."),
        ("?image_url=http://127.0.0.1/a.jpg", "'http://127.0.0.1/a.jpg' is of port 80; allowed: "),
    ):
        window.page.goto(window.client.server.address + path)
        problem.wait_for()
        assert sentence in problem.locator("p").inner_text()
        assert window.cards.count() == 0
        window.page.locator("#asked-picture").wait_for(state="hidden")  # there is none, and nothing stands for it
        assert not window.page.locator("#start, #none, #more, #the-end, #add-all").filter(visible=True).count()
    window.page.select_option("#pool", "strangers")
    window.search("a fish")
    assert not problem.is_visible()


def test_only_the_last_of_many_questions_is_answered(window: Window) -> None:
    window.page.evaluate(
        """() => {
          const words = document.querySelector("#words");
          for (const text of ["a fish", "a bird", "a dog", "a snake", "an owl"]) {
            words.value = text;
            words.form.requestSubmit();
          }
        }"""
    )
    assert "an owl" in window.settled()
    window.page.wait_for_load_state("networkidle")
    assert window.titles()[:10] == best(window.client, 10, text="an owl")
    assert window.cards.count() == len(set(window.titles()))
    window.page.go_back()
    window.page.locator("#status", has_text="a snake").wait_for()


def test_a_server_that_went_away_is_told_of_and_asked_again(window: Window) -> None:
    window.context.set_offline(True)
    window.page.fill("#words", "a fish")
    window.press("Enter")
    problem = window.page.locator("#problem", has_text="The server does not answer. Is goldpan serve still running?")
    problem.wait_for()
    window.context.set_offline(False)
    problem.get_by_role("button", name="Try again").click()
    assert "a fish" in window.settled()


def test_a_session_that_is_over_is_told_of(window: Window) -> None:
    window.context.clear_cookies()
    window.page.fill("#words", "a fish")
    window.press("Enter")
    window.page.locator("#problem", has_text="Open the address that goldpan serve printed.").wait_for()
