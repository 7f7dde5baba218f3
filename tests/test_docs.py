"""The docs cannot rot: every verb has its page, the reference is current, links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

from goldpan.cli.main import VERBS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_page(verb: str) -> None:
    page = (ROOT / "docs" / f"{verb}.md").read_text()
    assert f"goldpan {verb}" in page


def test_the_reference_is_current() -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.reference(), "run: python docs/make_reference.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#[\w-]+)?\)", page.read_text()):
        assert not target or (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_speaks_of_this_machine(page: Path) -> None:
    assert not re.search(r"/(work|tmp|root|home)/", page.read_text())


def test_every_table_and_column_is_documented() -> None:
    from goldpan.store.schemas import BLOBS, FAILURES, IMAGES, RUNS

    page = (ROOT / "docs" / "FORMATS.md").read_text()
    for schema in (IMAGES, BLOBS, FAILURES, RUNS):
        for name in schema.names:
            assert f"`{name}`" in page, f"FORMATS.md does not mention the column {name}"


def test_every_reason_is_documented() -> None:
    from goldpan.core.errors import Reason

    page = (ROOT / "docs" / "FORMATS.md").read_text()
    for reason in Reason:
        assert f"`{reason}`" in page, f"FORMATS.md does not mention the reason {reason}"
