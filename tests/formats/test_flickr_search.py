"""Search results of ImageNetV2: ids, layouts, round trips."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.flickr_search import (
    KEYS,
    batch_key,
    class_photo_id,
    layout_of,
    photo_id,
    read_pool,
    read_search,
    resolve,
    write_search,
)

FILES = {
    "2018-07-31_class_1_153.json": Counter(first=389),
    "2018-09-17-19-09-38_resolve_duplicates.json": Counter(resolved=1244),
    "2018-09-23-20-07-37.json": Counter(searched=16),
    "2018-11-15-09-50-25.json": Counter(downloaded=14),
}


def entry(flickr_id: str, wnid: str) -> dict[str, object]:
    found = dict.fromkeys(KEYS) | {"id_ours": photo_id(flickr_id), "id_search_engine": flickr_id, "wnid": wnid}
    return found | {"url": f"https://live.staticflickr.com/1/{flickr_id}_a_o.jpg"}


@pytest.mark.parametrize("name", FILES)
def test_real_files_are_of_the_known_layouts_and_come_back_to_the_byte(shared: Path, tmp_path: Path, name: str) -> None:
    path = shared / "data/imagenetv2/search_results" / name
    entries = read_search(path)
    assert Counter(map(layout_of, entries)) == FILES[name]
    write_search(tmp_path / name, entries)
    assert (tmp_path / name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_the_ids_of_real_files_follow_the_rules(shared: Path, name: str) -> None:
    for found in read_search(shared / "data/imagenetv2/search_results" / name):
        number, wnid = found["id_search_engine"], found["wnid"]
        made = class_photo_id(number, wnid) if "source_filename" in found else photo_id(number)
        assert found["id_ours"] == made


def test_the_key_of_a_real_batch(shared: Path) -> None:
    entries = read_search(shared / "data/imagenetv2/search_results/2018-11-15-09-50-25.json")
    key = batch_key([found["id_ours"] for found in entries])
    assert key == "f995bdabf9a8432c3b75f17bf94745aba4a952531d09d47e180e4b9184acdc52"
    assert {found["batch"] for found in entries} == {key}


def test_the_real_pool_is_in_the_order_of_names_and_has_three_repeats(shared: Path) -> None:
    pool = read_pool((shared / "data/imagenetv2/search_results").iterdir())
    assert len(pool) == 389 + 1244 + 16 + 14
    assert pool[0]["source_filename"] == "2018-07-31_class_1_153.json"
    assert pool[389]["source_filename"] == "2018-09-11-18-13-19_becca.json"  # a copy names the file of its first
    kept, repeats = resolve(pool)
    assert (len(kept), repeats) == (1660, 3)


def test_a_second_class_gets_a_copy_with_an_id_of_its_own() -> None:
    cat, dog, again = entry("7", "n02121808"), entry("7", "n02084071"), entry("7", "n02084071")
    kept, repeats = resolve([cat, dog, again])
    copy = hashlib.sha1(b"7,flickr,n02084071").hexdigest()
    assert [(found["id_ours"], found["wnid"]) for found in kept] == [
        (photo_id("7"), "n02121808"),
        (copy, "n02084071"),
    ]
    assert repeats == 1
    assert resolve(kept) == (kept, 0)
    # What a workspace holds already counts as found first.
    assert resolve([cat], {photo_id("7"): "n02084071"})[0][0]["id_ours"] == class_photo_id("7", "n02121808")


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '[{"id_ours": "a"}]', "[3]", '[{"id_ours": 1, "id_search_engine": "1", "url": "u", "wnid": "n"}]'],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FormatError, match=r"a\.json"):
        read_search(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_search(tmp_path / "none.json")


def test_other_keys_are_kept(tmp_path: Path) -> None:
    odd = entry("7", "n02121808") | {"note": "é"}
    write_search(tmp_path / "a.json", [odd])
    assert layout_of(odd) == "other"
    assert read_search(tmp_path / "a.json") == [odd] == json.loads((tmp_path / "a.json").read_text())
