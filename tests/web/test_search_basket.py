"""The basket of the search page: it survives, it is shared by windows, and it is taken away whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from goldpan.formats.chunks import read_chunk
from goldpan.store.workspace import Workspace
from tests.web.browser import Window
from tests.web.serve.conftest import Client


def size(page: Any) -> str:
    return str(page.inner_text("#basket-size"))


def choose(window: Window, words: str, count: int) -> list[str]:
    """Put the best answers to some words into the basket; return their titles."""
    window.search(words)
    window.press("ArrowDown", *["b", "ArrowRight"] * count)
    return window.titles()[:count]


def listed(page: Any) -> list[str]:
    """Open the basket; return the titles of what is in it."""
    page.click("#basket-open")
    page.locator("#basket li, #basket-none:visible").first.wait_for()
    return [str(one) for one in page.locator("#basket li .caption").all_text_contents()]


def taken(window: Window, button: str) -> Path:
    """Take the basket away as a file."""
    with window.page.expect_download() as download:
        window.page.get_by_role("button", name=button).click()
    path = Path(download.value.path())
    return path.rename(path.with_name(download.value.suggested_filename))


def test_it_survives_a_reload_and_is_the_same_in_every_window(window: Window) -> None:
    titles = choose(window, "a shark", 3)
    window.page.reload()
    window.settled()
    assert size(window.page) == "3"
    assert window.page.locator(".card.kept").count() == 3
    other = window.another()
    other.locator(".card").first.wait_for()
    assert size(other) == "3"
    assert listed(other) == titles
    other.locator("#basket li button").first.click()
    window.page.locator("#basket-size", has_text="2").wait_for()
    assert window.page.locator(".card.kept").count() == 2


def test_everything_goes_in_and_what_was_done_is_undone(window: Window) -> None:
    choose(window, "a shark", 1)
    window.page.click("#add-all")
    window.page.locator("#basket-size", has_text="70").wait_for()
    assert len(listed(window.page)) == 70
    window.page.locator("#basket li button").nth(1).click()
    assert window.page.evaluate("() => document.activeElement.closest('li') !== null")
    assert size(window.page) == "69"
    window.page.click("#basket-empty")
    assert size(window.page) == "0"
    assert window.page.locator("#basket-none").is_visible()
    assert window.page.locator("#take-parquet").is_disabled()
    window.page.click("#basket-undo")
    window.page.locator("#basket li").nth(68).wait_for()
    assert size(window.page) == "69"


def test_a_parquet_file_has_every_row_with_its_query_and_score(window: Window) -> None:
    first = choose(window, "a shark", 2)
    second = [title for title in choose(window, "an owl", 2) if title not in first]
    assert listed(window.page) == first + second
    table = pq.read_table(taken(window, "Parquet")).to_pylist()
    assert [row["label"] for row in table] == first + second
    assert [row["QUERY"] for row in table] == ["a shark"] * 2 + ["an owl"] * len(second)
    found = window.client.find({"text": "a shark"}, pool="photos-ws", k=2)["results"][0]["hits"]
    assert [(row["row"], row["similarity"]) for row in table[:2]] == [(hit["row"], hit["score"]) for hit in found]
    assert "basket.parquet: " in window.page.inner_text("#basket-said")


def test_a_chunk_is_what_goldpan_retrieve_reads(window: Window) -> None:
    window.go("/?pool=strangers&q=a+shark&nsfw&similar")
    window.press("ArrowDown", "b", "ArrowRight", "b")
    listed(window.page)
    path = taken(window, "Chunk JSON")
    rows = [row.columns for row in read_chunk(path)]
    assert path.name == "chunk_0.json"
    assert [list(row)[:3] for row in json.loads(path.read_text())] == [["URL", "TEXT", "NSFW"]] * 2
    assert [row["QUERY"] for row in rows] == ["a shark"] * 2
    assert rows[0]["similarity"] > rows[1]["similarity"]


def test_images_go_into_the_workspace_of_the_server(window: Window, server: Client) -> None:
    window.go("/?pool=strangers&row=19&similar")
    window.page.click("#add-all")
    window.page.locator("#basket-size", has_text="68").wait_for()
    listed(window.page)
    window.page.get_by_role("button", name="Into a workspace").click()
    said = window.page.locator("#basket-said", has_text="put into")
    said.wait_for()
    kept = server.server.service.config.keep
    assert said.inner_text() == (
        f"66 images put into {kept}; 1 could not be read; its failures say why; 1 on the web only: "
        f"take the chunk JSON and type goldpan retrieve fetch {kept} chunk_0.json."
    )
    ws = Workspace(kept)
    assert (ws.images.count(), ws.failures.count()) == (66, 1)


def test_rows_of_a_pool_that_was_built_anew_leave(window: Window) -> None:
    choose(window, "a shark", 2)
    window.page.evaluate("""() => {
      const items = JSON.parse(localStorage["goldpan basket photos-ws"]);
      items[0].mark = "another.jpg";
      items.push({row: 70, query: "", score: null, mark: "gone.jpg"});
      localStorage["goldpan basket photos-ws"] = JSON.stringify(items);
    }""")
    window.page.reload()
    window.settled()
    assert size(window.page) == "2"
    listed(window.page)
    window.page.locator("#basket-problem", has_text="1 row left the basket").wait_for()
    assert size(window.page) == "1"


def test_nothing_that_lies_in_the_browser_breaks_the_page(window: Window) -> None:
    for stored in ("{", "7", '"a"', '[null, 1, {}, {"row": "3"}, {"row": 1.5}]'):
        window.page.evaluate(
            """(stored) => {
              for (const key of ["basket photos-ws", "shown", "keys"]) localStorage[`goldpan ${key}`] = stored;
            }""",
            stored,
        )
        window.page.reload()
        window.search("a shark")
        assert size(window.page) == "0"


def test_a_browser_without_room_says_so(window: Window) -> None:
    window.search("a shark")
    window.page.evaluate("""() => {
      for (let size = 1 << 22; size >= 1; size >>= 1)
        try { for (let part = 0; ; part++) localStorage[`${size} ${part}`] = "x".repeat(size); } catch {}
    }""")
    window.press("ArrowDown", "b")
    window.page.locator("#said", has_text="no room or leave to keep it").wait_for()
    assert size(window.page) == "1"
