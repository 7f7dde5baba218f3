"""The search page over pools that lack something: an encoder, what may be shown, themselves."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from goldpan.web.serve.config import ServeConfig
from tests.web.browser import Window
from tests.web.conftest import Open
from tests.web.serve.colors import write_encoder, write_index
from tests.web.serve.conftest import running


def test_where_an_address_names_no_pool_that_is_there_any_can_be_chosen(window: Window) -> None:
    window.page.goto(window.client.server.address + "?q=fish&pool=none")
    window.page.locator("#problem").wait_for()
    assert window.page.input_value("#pool") == ""
    window.page.select_option("#pool", "photos-ws")
    assert "“fish”" in window.settled()
    assert not window.page.locator("#problem").is_visible()


def test_a_pool_without_encoder_offers_what_it_can(open_window: Open, tmp_path: Path) -> None:
    with running(ServeConfig(pools=[write_index(tmp_path / "plain")], port=0)) as client:
        window = open_window(client=client)
        page = window.page
        assert "name it with --encoder" in page.inner_text("#start")
        assert "Search" not in page.inner_text("#start")
        assert page.locator("#words").is_disabled()
        assert page.locator("#choose").is_disabled()
        window.cards.nth(4).focus()
        window.press("m")
        assert "rows nearest to row 4" in window.settled()
        assert window.titles()[0] == "cyan"


def test_where_all_answers_are_hidden_there_is_nothing_to_take(open_window: Open, tmp_path: Path) -> None:
    folder = write_index(tmp_path / "unsafe")
    table = pq.read_table(folder / "metadata").drop_columns(["NSFW"])
    marked = pa.array(["UNLIKELY"] + ["NSFW"] * 12)
    pq.write_table(table.append_column("NSFW", marked), folder / "metadata/metadata_0.parquet")
    with running(ServeConfig(pools=[folder], encoder=write_encoder(tmp_path), port=0)) as client:
        window = open_window(client=client)
        page = window.page
        window.search("white")
        window.go("/?q=white&k=3&similar=1")
        assert page.inner_text("#none-text") == "Nothing is shown: 3 answers hidden as NSFW."
        assert window.cards.count() == 0
        assert not page.locator("#add-all").is_visible()
        page.click("#show-hidden")
        window.cards.nth(2).wait_for()
        assert page.locator("#add-all").is_visible()
