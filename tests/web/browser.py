"""A page of the search server in a real browser, and what must not happen in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.web.serve.conftest import Client

CHROMIUM = shutil.which("chromium")
_LISTEN = "window.violated = []; addEventListener('securitypolicyviolation', e => violated.push(e.violatedDirective))"
_OF_NETWORK = "Failed to load resource"  # what a picture that is gone, or a refusal, leaves in the console


@contextmanager
def chromium() -> Iterator[Any]:
    """Run the browser of this machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'goldpan[test]'")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Window:
    """One window of the browser, let in by the server; what goes wrong in its pages is in `trouble`."""

    def __init__(self, browser: Any, client: Client, **options: Any) -> None:
        self.client = client
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        self.context.set_default_timeout(60_000)
        self.context.add_init_script(_LISTEN)
        self.trouble: list[str] = []
        self.page = self._opened()
        self.page.goto(client.post("/api/v1/sessions").json()["url"])
        self.cards.first.wait_for()

    def _opened(self) -> Any:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._heed)
        page.on("dialog", lambda dialog: (self.trouble.append(dialog.message), dialog.dismiss()))
        return page

    def _heed(self, message: Any) -> None:
        if message.type in ("error", "warning") and _OF_NETWORK not in message.text:
            self.trouble.append(message.text)

    def another(self, path: str = "/") -> Any:
        """Open a second tab."""
        page = self._opened()
        page.goto(self.client.server.address.rstrip("/") + path)
        return page

    def go(self, path: str) -> None:
        """Open an address of the server and wait for its answers."""
        self.page.goto(self.client.server.address.rstrip("/") + path)
        self.settled()

    def search(self, words: str) -> str:
        """Search by words; return what the page says of the answers."""
        self.page.fill("#words", words)
        self.page.keyboard.press("Enter")
        return self.settled()

    def settled(self) -> str:
        """Wait until the answers are there; return what the page says of them."""
        self.page.locator("body:not(.waiting)").wait_for()
        self.page.locator("#status", has_text="nearest").wait_for()
        return str(self.page.inner_text("#status"))

    @property
    def cards(self) -> Any:
        return self.page.locator(".card")

    def titles(self) -> list[str]:
        return [str(one) for one in self.page.locator(".card .caption").all_inner_texts()]

    def focused(self) -> str:
        """Return the caption of the card that has the focus, else the id of the element."""
        return str(
            self.page.evaluate(
                "() => document.activeElement.querySelector('.caption')?.textContent ?? document.activeElement.id"
            )
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def close(self) -> None:
        """Close it; nothing may have gone wrong in it."""
        violated = [page.evaluate("() => violated") for page in self.context.pages]
        self.context.close()
        assert self.trouble == []
        assert not any(violated)
