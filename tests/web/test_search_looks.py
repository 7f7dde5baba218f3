"""The search page for every eye and on every screen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.browser import Window
from tests.web.conftest import Open

SLOW = pytest.mark.slow
SCREENS = [(320, 568), pytest.param(768, 1024, marks=SLOW), pytest.param(3840, 2160, marks=SLOW)]
FITS = "() => document.documentElement.scrollWidth <= innerWidth"


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=SLOW)])
def test_axe_finds_nothing_in_any_state(open_window: Open, scheme: str) -> None:
    checks = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install 'goldpan[test]'").Axe()
    window = open_window(color_scheme=scheme)

    def check(state: str) -> None:
        found = checks.run(window.page).response["violations"]
        assert [(state, one["id"], one["nodes"][0]["html"]) for one in found] == []

    check("start")
    window.go("/?pool=strangers&q=a+shark&in=fused")
    window.press("ArrowDown", "b")
    check("answers")
    window.press("Enter")
    check("viewer")
    window.press("Escape", "?")
    check("help")
    window.press("Escape")
    window.page.click("#basket-open")
    window.page.locator("#basket li").wait_for()
    check("basket")
    window.page.goto(window.client.server.address + "?row=70")
    window.page.locator("#problem").wait_for()
    check("problem")


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_it_fits_every_screen(open_window: Open, width: int, height: int) -> None:
    window = open_window(has_touch=width < 1000)
    page = window.page
    page.set_viewport_size({"width": width, "height": height})
    window.go("/?pool=strangers&row=4&in=fused&similar")
    assert page.evaluate(FITS)
    if width < 800:
        page.click("summary")
    assert page.locator("#show-scores").is_visible()
    assert page.evaluate(FITS)
    small = page.locator("button:visible, select:visible, input:visible").evaluate_all(
        "(all) => all.map((e) => [e.id || e.className, e.closest('label') ?? e])"
        ".map(([name, e]) => [name, e.getBoundingClientRect()]).filter(([, r]) => r.width < 24 || r.height < 24)"
    )
    assert small == []
    page.locator(".keep").first.click()
    page.locator(".card .picture").first.click()
    assert _is_inside(page, "#viewer", width, height)
    page.locator("#viewer .close").click()
    page.click("#basket-open")
    page.locator("#basket li").wait_for()
    assert _is_inside(page, "#basket", width, height)


def _is_inside(page: Any, dialog: str, width: int, height: int) -> bool:
    box = page.locator(dialog).bounding_box()
    inside = box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
    return bool(inside and page.evaluate("(name) => document.querySelector(name).scrollWidth <= innerWidth", dialog))


def test_pictures_that_come_late_move_nothing(window: Window) -> None:
    boxes = "() => [...document.querySelectorAll('.card')].map((card) => JSON.stringify(card.getBoundingClientRect()))"
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    window.page.route("**/thumbnail*", hold)
    window.search("a shark")
    before = window.page.evaluate(boxes)
    while held:
        held.pop().continue_()
    window.page.wait_for_load_state("networkidle")
    loaded = window.page.locator(".card img").evaluate_all(
        "(all) => all.filter((image) => image.naturalWidth > 0).length"
    )
    assert loaded > 10
    assert window.page.evaluate(boxes) == before


def test_nothing_moves_where_people_ask_for_no_motion(open_window: Open) -> None:
    window = open_window(reduced_motion="reduce")
    window.page.evaluate("() => document.body.classList.add('waiting')")
    moving = "() => [...document.all].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
    assert window.page.evaluate(moving) == 0
    window.page.emulate_media(reduced_motion="no-preference")
    assert window.page.evaluate(moving) == 1
