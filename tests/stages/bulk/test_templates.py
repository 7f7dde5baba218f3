"""Templates stand for what a shell would make of them."""

from __future__ import annotations

import subprocess

import pytest

from goldpan.core.errors import InputError
from goldpan.stages.acquire.bulk.templates import MOST, expand, file_name, parse_parts


@pytest.mark.parametrize(
    "template",
    [
        "a.npy",
        "img_emb_{0000..0012}.npy",
        "{0..11}",
        "{08..11..2}",
        "{a,b}/{0..2}",
        "{img_emb,metadata}_{00..03}.{npy,parquet}",
        "{0..9..3}-{,x}",
    ],
)
def test_ranges_and_choices_are_those_of_a_shell(template: str) -> None:
    said = subprocess.run(["bash", "-c", f"printf '%s\\n' {template}"], capture_output=True, text=True, check=True)
    assert expand(template) == said.stdout.splitlines()


def test_the_number_of_a_part() -> None:
    assert expand("a_{i:04d}.npy", [0, 17]) == ["a_0000.npy", "a_0017.npy"]
    assert expand("{i}/{x,y}_{i:02d}", [3]) == ["3/x_03", "3/y_03"]
    assert parse_parts("0-2, 17,5") == [0, 1, 2, 17, 5]
    with pytest.raises(InputError, match="say which, such as --parts 0-9"):
        expand("a_{i}.npy")


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-3", f"0-{MOST}"])
def test_parts_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="is neither a number nor a range"):
        parse_parts(text)


@pytest.mark.parametrize(
    "template", ["{x}", "{}", "{3..1}", "{0..9..0}", "{i:3f}", "{0..99999999}", "{0..999}{0..9999}"]
)
def test_braces_that_stand_for_nothing(template: str) -> None:
    with pytest.raises(InputError, match=r"is none of|counts up|more than 1,000,000"):
        expand(template, [1])


def test_names_of_files() -> None:
    assert file_name("https://h/a/b%20c.npy?x=/y#z") == "b c.npy"
    assert file_name("s3://bucket/a/b?.npy") == "b?.npy"
    for url in ("https://h/", "https://h/a/..", "https://h/.hidden", "https://h/a%2Fb", "s3://b/a/"):
        with pytest.raises(InputError, match="does not end in the name of a file"):
            file_name(url)
