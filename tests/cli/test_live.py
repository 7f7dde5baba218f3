"""What is shown of work while it goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from goldpan.cli import live
from goldpan.core.progress import Facts, HostFacts, Silent, Watcher

FACTS = Facts(
    {"timed_out": 3, "not_found": 118},
    [HostFacts("slow.example", 40, 2, 1200, 9.214), HostFacts("quick.example", 4, 0, 0, 0.25)],
    50_000_000,
)


def drawn(width: int = 100) -> tuple[live.Drawn, Console]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    return live.Drawn(console), console


def text(picture: live.Drawn, console: Console) -> str:
    with console.capture() as capture:
        console.print(picture.picture())
    return capture.get()


def test_only_what_draws_wants_more_than_a_count() -> None:
    assert isinstance(live.Drawn(), Watcher)
    assert isinstance(live.Lines(), Watcher)
    assert not isinstance(Silent(), Watcher)


@pytest.mark.parametrize("width", [80, 120])
def test_a_picture_of_fetching(width: int) -> None:
    picture, console = drawn(width)
    picture.start("acquire urls", 20_000)
    picture.watch(lambda: FACTS)
    picture.advance(12_345, 121)
    shown = text(picture, console)
    picture.finish()
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("acquire urls")
    assert "12,345 of 20,000" in lines[0]
    assert lines[0].rstrip().endswith("left")
    assert lines[1].startswith("99.0% ok   121 failed")
    assert "MB/s" in lines[1]
    words = shown.split()
    assert words.index("not_found") < words.index("timed_out"), "the most usual first"
    assert {"slow.example", "9.21", "1,200", "118"} <= set(words)


def test_a_picture_of_other_work_is_one_line() -> None:
    picture, console = drawn()
    picture.start("embed onnx:[red]", None)
    picture.advance(5)
    picture.advance(2, 1)
    assert text(picture, console).count("\n") == 1
    assert "embed onnx:[red]" in text(picture, console), "a label is no markup"
    assert "1 failed" in text(picture, console)
    picture.finish()
    picture.start("the next phase", 10)
    assert "0 of 10" in text(picture, console)
    picture.finish()


def test_facts_are_asked_for_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    tally = live.Tally("fetch")

    def facts() -> Facts:
        asked.append(1)
        return FACTS

    tally.watch(facts)
    assert [tally.facts for _ in range(10)] == [FACTS] * 10
    assert len(asked) == 1
    monkeypatch.setattr(live, "_FACTS_EVERY_S", 0.0)
    assert tally.facts == FACTS
    assert len(asked) == 2


def test_rate_and_time_left_are_those_of_the_last_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    tally = live.Tally("fetch", 10_000)
    for _ in range(60):  # a minute at 100/s
        now += 1
        tally.advance(100, 0)
        tally.rates()
    for _ in range(60):  # a minute at 10/s
        now += 1
        tally.advance(10, 0)
        rate, _ = tally.rates()
    assert rate == pytest.approx(10, rel=0.05)
    assert tally.left(rate) == pytest.approx(3400 / 10, rel=0.05)
    assert live.Tally("fetch").left(5.0) is None


def test_plain_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = live.Lines()
    lines.start("acquire urls", 1000)
    lines.advance(10)
    assert capsys.readouterr().err == "", "not before its time"
    monkeypatch.setattr(live, "_LINE_EVERY_S", 0.0)
    lines.watch(lambda: FACTS)
    lines.advance(90, 7)
    lines.finish()
    said = capsys.readouterr().err
    assert said.startswith("acquire urls: 100/1,000, 7 failed, ")
    assert said.endswith("not_found 118, timed_out 3, slowest slow.example 9.2 s\n")
    assert " s left, " in said
