"""WordNet's nouns."""

from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.wordnet import Nouns, Synset


def write_nouns(path: Path) -> dict[str, str]:
    """Write three synsets in the layout of `data.noun`; return their wnids by first word."""
    wnids: dict[str, str] = {}
    data = b"  1 the license takes the first lines\n"

    def add(words: list[str], gloss: str, hypernym: str | None = None) -> None:
        nonlocal data
        pointers = [f"@ {wnids[hypernym][1:]} n 0000"] if hypernym else []
        pointers.append("~ 00000099 n 0000")
        listed = " ".join(f"{word} 0" for word in words)
        start = f"{len(data):08d}"
        wnids[words[0]] = f"n{start}"
        data += (
            f"{start} 05 n {len(words):02x} {listed} {len(pointers):03d} {' '.join(pointers)} | {gloss}  \n".encode()
        )

    add(["fish"], "any of various mostly cold-blooded aquatic vertebrates")
    add(["cyprinid", "cyprinid_fish"], "soft-finned mainly freshwater fishes", "fish")
    add(["tench", "Tinca_tinca"], 'freshwater fish of Europe; "a tench, a cyprinid"', "cyprinid")
    path.write_bytes(data)
    return wnids


def test_words_gloss_and_what_is_above(tmp_path: Path) -> None:
    wnids = write_nouns(tmp_path / "data.noun")
    tench = Nouns(tmp_path / "data.noun").synset(wnids["tench"])
    gloss = 'freshwater fish of Europe; "a tench, a cyprinid"'
    assert tench == Synset(["tench", "Tinca tinca"], gloss, [wnids["cyprinid"]])


@pytest.mark.parametrize("wnid", ["n00000001", "n99999999", "tench", ""])
def test_a_byte_at_which_no_noun_starts(tmp_path: Path, wnid: str) -> None:
    write_nouns(tmp_path / "data.noun")
    with pytest.raises(FormatError, match=r"WordNet 3\.0"):
        Nouns(tmp_path / "data.noun").synset(wnid)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.noun"):
        Nouns(tmp_path / "data.noun")
