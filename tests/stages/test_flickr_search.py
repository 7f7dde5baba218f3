"""acquire flickr: what is searched for, how Flickr is asked, what is kept of its answers."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError, StageError
from goldpan.formats.flickr_search import photo_id
from goldpan.stages.acquire.flickr.api import Answer, Passing, Throttle, read_answer, read_key
from goldpan.stages.acquire.flickr.classes import search_terms
from goldpan.stages.acquire.flickr.config import FlickrConfig
from goldpan.stages.acquire.flickr.entries import columns_of, entry_of
from goldpan.stages.stage import make_config
from tests.formats.test_wordnet import write_nouns

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOLDFISH = {"n01443537": ["goldfish", "Carassius auratus"]}


def terms_of(tmp_path: Path, content: object, **fields: object) -> dict[str, list[str]]:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(content))
    (tmp_path / "key.json").write_text('["k", "s"]')
    return search_terms(FlickrConfig(classes=path, api_key_file=tmp_path / "key.json", **fields), path)


def test_classes_are_given_in_three_forms(tmp_path: Path, shared: Path) -> None:
    info = shared / "data/imagenetv2/metadata/class_info.json"
    assert terms_of(tmp_path, ["n01443537"], class_info=info) == GOLDFISH
    assert terms_of(tmp_path, GOLDFISH) == GOLDFISH
    assert terms_of(tmp_path, json.loads(info.read_text())[1:2]) == GOLDFISH
    everything = terms_of(tmp_path, json.loads(info.read_text()))
    assert len(everything) == 1000
    assert everything["n01484850"] == [
        "great white shark",
        "white shark",
        "man-eater",
        "man-eating shark",
        "Carcharodon carcharias",
    ]


def test_terms_are_chosen_added_to_and_concatenated(tmp_path: Path) -> None:
    classes = {"a": ["cassette player", "deck"], "b": ["crane"]}
    (tmp_path / "chosen.json").write_text('{"b": ["crane bird", "Grus"]}')
    (tmp_path / "more.json").write_text('{"a": ["device", "thing"], "b": []}')
    chosen = terms_of(tmp_path, classes, hand_selected_synset=tmp_path / "chosen.json")
    assert chosen == {"a": ["cassette player", "deck"], "b": ["crane bird", "Grus"]}
    added = terms_of(tmp_path, classes, additional_terms=tmp_path / "more.json")
    assert added == {"a": ["cassette player device", "deck device"], "b": ["crane"]}
    joined = terms_of(tmp_path, classes | {"c": ["a b", "ab"]}, concatenate_compounds=True)
    assert joined == {"a": ["cassetteplayer", "deck"], "b": ["crane"], "c": ["ab"]}


def test_wordnet_gives_the_word_of_the_gloss_that_names_the_class_above(tmp_path: Path) -> None:
    wnids = write_nouns(tmp_path / "data.noun")
    classes = {wnids["tench"]: ["tench"], wnids["fish"]: ["fish"]}
    terms = terms_of(tmp_path, classes, additional_terms=tmp_path / "data.noun")
    assert terms == {wnids["tench"]: ["tench cyprinid"], wnids["fish"]: ["fish"]}


@pytest.mark.parametrize(
    ("content", "fields", "said"),
    [
        ([], {}, "list of wnids"),
        ({}, {}, "list of wnids"),
        ("n01443537", {}, "list of wnids"),
        ([1], {}, "list of wnids"),
        ({"a": "goldfish"}, {}, "list of wnids"),
        ([{"cid": 1}], {}, "list of wnids"),
        (["n01443537"], {}, "n01443537 has no search terms; .*--class-info"),
        ({"a": []}, {}, "a has no search terms"),
        ({"a": ["x", "y", "z"]}, {"max_images": 2}, "give 3 or more"),
    ],
)
def test_classes_that_are_none(tmp_path: Path, content: object, fields: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        terms_of(tmp_path, content, **fields)


def test_the_query_has_the_defaults_of_the_original() -> None:
    query = FlickrConfig(classes=Path("c"), api_key_file=Path("k")).query("goldfish")
    extras = query.pop("extras").split(",")
    assert query == {
        "text": "goldfish",
        "min_taken_date": "2012-07-11",
        "max_taken_date": "2013-07-11",
        "min_upload_date": "2012-07-11",
        "max_upload_date": "2013-07-11",
        "sort": "date-posted-asc",
        "per_page": 1000,
    }
    original = "date_upload date_taken o_dims url_s url_q url_t url_m url_n url_- url_z url_c url_b url_h url_k url_o"
    assert set(original.split()) <= set(extras)
    open_ended = FlickrConfig(
        classes=Path("c"), api_key_file=Path("k"), min_date_uploaded="none", max_date_uploaded=None
    )
    assert "min_upload_date" not in open_ended.query("x")
    assert "max_upload_date" not in open_ended.query("x")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "either --classes"),
        ({"classes": "c", "from_search": ["s"]}, "either --classes"),
        ({"classes": "c"}, "--api-key-file"),
        ({"from_search": ["s"], "min_date_taken": "July"}, "YYYY-MM-DD"),
        ({"from_search": ["s"], "max_date_taken": "2013-13-01"}, "YYYY-MM-DD"),
    ],
)
def test_settings_that_cannot_be(fields: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_config(FlickrConfig, fields)


@pytest.mark.parametrize("text", ["", "{", '{"key": "SECRET"}', "[]", '[""]', '[["SECRET"]]', '"SECRET"'])
def test_a_key_file_that_is_none_is_refused_without_telling_what_it_holds(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(FormatError, match=r"key\.json.*\[\"key\", \"secret\"\]") as error:
        read_key(tmp_path / "key.json")
    assert "SECRET" not in str(error.value)


def test_a_key_file() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_key(Path("none.json"))


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (b"<html>", Passing, "no JSON"),
        (b"", Passing, "no JSON"),
        (b"[]", Passing, "no page"),
        (b'{"stat": "ok"}', Passing, "no page"),
        (b'{"stat": "ok", "photos": {"pages": 1, "total": "x", "photo": []}}', Passing, "no page"),
        (b'{"stat": "ok", "photos": {"pages": 1, "total": 1, "photo": [{}]}}', Passing, "no page"),
        (b'{"stat": "fail", "code": 105, "message": "Service currently unavailable"}', Passing, "code 105"),
        (b'{"stat": "fail", "code": 100, "message": "Invalid API Key"}', InputError, "--api-key-file"),
        (b'{"stat": "fail", "code": 116, "message": "Bad URL found"}', StageError, "code 116, Bad URL found"),
    ],
)
def test_answers_of_no_use(body: bytes, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        read_answer(body)


@pytest.mark.parametrize("total", ["3", 3])
def test_an_answer(total: str | int) -> None:
    photos = {"page": 1, "pages": 2, "perpage": 2, "total": total, "photo": [{"id": "7"}]}
    assert read_answer(json.dumps({"stat": "ok", "photos": photos}).encode()) == Answer(2, 3, [{"id": "7"}])


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        (["m", "z", "c", "l", "b", "h", "k", "o"], "o"),
        (["m", "z", "c", "l", "b", "h", "k"], "k"),
        (["m", "z", "c", "l", "b", "h"], "h"),
        (["m", "z", "c", "l", "b"], "b"),
        (["m", "z", "c", "l"], "l"),
        (["m", "z", "c"], "c"),
        (["m", "z"], "z"),
        (["m", "-"], "-"),
        (["m"], "m"),
        (["q", "s", "t", "n"], None),
        ([], None),
    ],
)
def test_the_best_address_is_taken(sizes: list[str], chosen: str | None) -> None:
    photo = {"id": "7", "dateupload": "1349085600"} | {
        f"url_{size}": f"https://live.staticflickr.com/{size}.jpg" for size in sizes
    }
    entry = entry_of(photo, "n01443537", "goldfish", {}, AT)
    assert (entry["url_type"] if entry else None) == (f"url_{chosen}" if chosen else None)


def test_an_entry_and_its_columns() -> None:
    photo = {
        "id": "42857269475", "owner": "1@N01", "ownername": "Ann", "license": "4", "url_o": "https://live.staticflickr.com/o.jpg",
        "dateupload": "1349085600", "datetaken": "1873-01-01 00:00:00", "o_width": "60", "o_height": "40",
    }  # fmt: skip
    entry = entry_of(photo, "n01443537", "goldfish", {"max_images": 9}, AT)
    assert entry == {
        "id_ours": photo_id("42857269475"),
        "id_search_engine": "42857269475",
        "url": "https://live.staticflickr.com/o.jpg",
        "url_type": "url_o",
        "wnid": "n01443537",
        "search_key": "goldfish",
        "search_engine": "flickr",
        "uploader": "",
        "date_upload_our_db": "2026-01-02 03:04:05",
        "date_taken": "1873-01-01 00:00:00",
        "date_upload_search_engine": "2012-10-01 10:00:00",
        "width": "60",
        "height": "40",
        "max_images": 9,
        "license": "4",
        "owner": "1@N01",
        "owner_name": "Ann",
    }
    columns = columns_of(entry)
    assert columns.pop("search") == entry
    assert columns == {
        "label": "n01443537",
        "author": "Ann",
        "license": "CC-BY-2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "taken_at": "1873-01-01 00:00:00",
    }
    assert columns_of(entry | {"license": "99"})["license"] == "Flickr license 99"
    assert columns_of({"wnid": "n01443537"})["license"] is None


def test_requests_go_at_equal_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.append(clock.pop() + seconds))
    throttle = Throttle(3600)
    gone = []
    for _ in range(3):
        throttle.wait()
        gone.append(clock[0])
    throttle.count(2)
    throttle.wait()
    assert [*gone, clock[0]] == [100.0, 101.0, 102.0, 105.0]
