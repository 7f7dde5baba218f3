"""An experiment is checked whole before anything runs; messages name what to type instead."""

from pathlib import Path

import pytest

from goldpan.core.errors import InputError
from goldpan.stages.experiment.config import EngineConfig, read_experiment, settings_of

GOOD = '[[dataset]]\nsource = "random-xs"\n[[engine]]\nspec = "hnswlib@M=8"\n'


def read(tmp_path: Path, text: str):
    (tmp_path / "e.toml").write_text(text)
    return read_experiment(tmp_path / "e.toml")


def test_defaults(tmp_path):
    found = read(tmp_path, GOOD)
    assert (found.k, found.rounds, found.modes, found.threads) == ((1, 10, 100), 5, ("batch", "single"), 1)
    assert (found.dataset[0].label, found.engine[0].label) == ("random-xs", "hnswlib@M=8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("round = 3\n" + GOOD, "round: Extra inputs"),
        (GOOD + "sweeps = 3\n", "engine.0.sweeps: Extra inputs"),
        ("k = [0]\n" + GOOD, "every k is at least 1"),
        (GOOD + GOOD, "Two data sets are called 'random-xs'"),
        (
            '[[dataset]]\nsource = "A"\n[[engine]]\nspec = "flat"\n[[engine]]\nspec = "flat"\n',
            "Two engines are called 'flat'",
        ),
        ('[[dataset]]\nbase = "b.npy"\n[[engine]]\nspec = "flat"\n', "has no queries"),
        ('[[dataset]]\nsource = "A"\nbase = "b"\n[[engine]]\nspec = "flat"\n', "either a source, or base and queries"),
        ('[[dataset]]\nsource = "A"\n[[engine]]\nspec = "flat@x"\n', "option 'x' must be name=value"),
        (GOOD.replace("hnswlib", "hsnwlib"), "Unknown index engine 'hsnwlib'. Did you mean 'hnswlib'?"),
        ('[[dataset]]\nsource = "A"\nmetric = "l3"\n[[engine]]\nspec = "flat"\n', "Unknown metric 'l3'"),
        ("", "dataset: Field required"),
        ("k = [", "not TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert str(tmp_path / "e.toml") in str(caught.value)


def test_another_interpreter_may_know_other_engines(tmp_path):
    assert read(tmp_path, GOOD.replace("hnswlib", "theirs") + 'python = "/opt/theirs/bin/python"\n').engine[0].python


def test_settings():
    ladder = {"ef": (1.0, 2.0), "p": (5.0,)}
    assert settings_of(EngineConfig(spec="x"), ladder) == ({"ef": 1, "p": 5}, {"ef": 2, "p": 5})
    assert settings_of(EngineConfig(spec="x", sweep={"ef": 3}), ladder) == ({"ef": 3},)
    assert settings_of(EngineConfig(spec="x"), {}) == ({},)
    with pytest.raises(InputError, match="no search parameter 'nprobe' to sweep; it has: ef, p"):
        settings_of(EngineConfig(spec="x", sweep={"nprobe": 3}), ladder)


def test_a_list_of_wrong_items_is_not_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('[[dataset]]\nsource = "A"\nfoo = 3\n[[engine]]\nspec = "flat"\n')
    with pytest.raises(InputError, match=r"dataset\.0\.foo") as caught:
        read_experiment(path)
    assert "at least 1 item" not in str(caught.value)
