"""Lists of classes in the formats that people have them in."""

import json
from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.class_lists import PLAIN_TEMPLATE, classes_of, read_classes

STANFORD_CARS = """
classes = [
    'AM General Hummer SUV 2000',
    'Mercedes-Benz C-Class Sedan 2012',
    'Ram C/V Cargo Van Minivan 2012',
]
templates = ['a photo of a {}.', 'a photo of the {}.']
class_map = {}
for name in classes:
    class_map[name] = ' AND '.join([f'"{token}"' for token in name.replace('-', ' ').split(' ')])
"""
DTD = """
classes = ['banded', 'polka-dotted']
templates = ['a photo of a {} texture.', 'a photo of the {} pattern.']
class_map = {c: ' OR '.join(f'"{c} {thing}"' for thing in ('texture', 'pattern', 'thing', 'object')) for c in classes}
"""
FLOWERS = """
classes = ["rose", "colt's foot", 'lotus', 'rose']
templates = ['a photo of a {}, a type of flower.']
templates_subset = templates
class_map = {"rose": '"rose" AND "flower"', "colt's foot": '"colt\\'s foot" OR "coltsfoot"'}
"""


def test_a_template_with_a_computed_map_like_that_of_stanford_cars(tmp_path: Path) -> None:
    (tmp_path / "StanfordCars.py").write_text(STANFORD_CARS)
    found = read_classes(tmp_path / "StanfordCars.py")
    assert found.names[1] == "Mercedes-Benz C-Class Sedan 2012"
    assert found.class_map[found.names[1]] == '"Mercedes" AND "Benz" AND "C" AND "Class" AND "Sedan" AND "2012"'
    assert len(found.class_map) == 3
    assert found.captions("Audi") == ["a photo of a Audi.", "a photo of the Audi."]


def test_another_computed_map_is_another_map(tmp_path: Path) -> None:
    (tmp_path / "DTD.py").write_text(DTD)
    found = read_classes(tmp_path / "DTD.py")
    assert found.class_map["polka-dotted"] == (
        '"polka-dotted texture" OR "polka-dotted pattern" OR "polka-dotted thing" OR "polka-dotted object"'
    )


def test_literals_and_names_that_stand_there_twice(tmp_path: Path) -> None:
    (tmp_path / "Flowers.py").write_text(FLOWERS)
    found = read_classes(tmp_path / "Flowers.py")
    assert found.names == ["rose", "colt's foot", "lotus"]
    assert found.repeated == ["rose"]
    assert found.class_map["colt's foot"] == '"colt\'s foot" OR "coltsfoot"'
    assert found.with_few_templates().templates == ["a photo of a {}, a type of flower."]


@pytest.mark.parametrize(
    ("name", "repeated"), [("DTD", []), ("Flowers102", []), ("ImageNet", ["missile", "sunglasses"])]
)
def test_the_real_templates(shared: Path, name: str, repeated: list[str]) -> None:
    path = shared / "data/templates" / f"{name}.json"
    found, raw = read_classes(path), json.loads(path.read_text())
    assert (found.names, found.templates) == (list(dict.fromkeys(raw["classes"])), raw["templates"])
    assert (found.class_map, found.repeated) == (raw["class_map"], repeated)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '["ox", "fox"]'),
        ("c.json", '{"classes": ["ox", "fox"], "templates": []}'),
        ("c.toml", 'classes = ["ox", "fox"]\n'),
        ("c.csv", "\ufeffclass,query\nox,\nfox,\n"),
        ("c.txt", "\ufeffox\n\n fox \n"),
        ("c.py", "classes = ('ox', 'fox')"),
    ],
)
def test_plain_lists(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_classes(tmp_path / name) == classes_of(["ox", "fox"])
    assert classes_of(["ox"]).templates == [PLAIN_TEMPLATE]


def test_queries_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text('class,query\nrose,rose AND flower\nox,\n"a, b",""\n')
    found = read_classes(tmp_path / "c.csv")
    assert (found.names, found.class_map) == (["rose", "ox", "a, b"], {"rose": "rose AND flower"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.json", "{}", "no list `classes`"),
        ("c.json", '{"classes": "ox"}', "no list `classes`"),
        ("c.json", "[]", "must be names"),
        ("c.json", '["ox", " "]', "must be names"),
        ("c.json", '["ox", 3]', "must be names"),
        ("c.json", '{"classes": ["ox"], "templates": ["a photo"]}', r"`templates` must be texts with \{\}"),
        ("c.json", '{"classes": ["ox"], "templates_subset": [3]}', r"`templates_subset` must be texts with \{\}"),
        ("c.json", '{"classes": ["ox"], "class_map": {"ox": 3}}', "`class_map` must give a query"),
        ("c.json", '{"classes": ["ox"], "class_map": ["ox"]}', "`class_map` must give a query"),
        ("c.json", '{"classes": ["ox"], "class_map": {"ox": " "}}', "`class_map` must give a query"),
        ("c.json", '["\\ud800"]', "no text that can be read: .*surrogates"),
        ("c.json", '{"classes": ["ox"], "templates": ["\\ud800 {}"]}', "no text that can be read: .*surrogates"),
        ("c.csv", "class\n" + "ox" * (1 << 20), "no text that can be read: field larger"),
        ("c.csv", "name\nox\n", "no column `class`; it has name"),
        ("c.csv", "class,query\nox\n,b\n", "must be names"),
        ("c.py", "classes = load()", "`classes` is computed in line 1"),
        ("c.py", "templates = ['{}']", "no list `classes`"),
    ],
)
def test_what_is_none_says_what_is_missing(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=message):
        read_classes(tmp_path / name)


@pytest.mark.parametrize("name", ["c.txt", "c.csv", "c.py", "c.json"])
def test_bytes_that_are_no_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"class\n\xff\xfe\n")
    with pytest.raises(FormatError, match=name):
        read_classes(tmp_path / name)


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "c.xlsx").touch()
    with pytest.raises(InputError, match=r"no file .*none\.json; name a list of classes"):
        read_classes(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"c\.xlsx is no list of classes by its name"):
        read_classes(tmp_path / "c.xlsx")
    with pytest.raises(InputError, match="no templates_subset"):
        classes_of(["ox"]).with_few_templates()
