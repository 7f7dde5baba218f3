"""Rows outlive a kill in the middle of a line, and a second writer."""

import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.stages.experiment.store import Results, key_of, open_results, setting_name

ROW = {"dataset": "d", "engine": "e", "setting": "ef=2", "k": 1, "mode": "batch", "threads": 1, "round": 0}


def test_half_a_line_is_none_and_goes(tmp_path):
    results = Results(tmp_path / "r")
    results.add("rows", ROW)
    with (tmp_path / "r/rows.jsonl").open("a") as file:
        file.write('{"dataset": "d", "eng')
    assert list(results.rows()) == [key_of(ROW)]
    with results.writing():
        results.add("rows", ROW | {"round": 1})
    assert len(results.rows()) == 2


def test_one_writer_at_a_time(tmp_path):
    with (
        Results(tmp_path).writing(),
        pytest.raises(InputError, match="Another experiment writes"),
        Results(tmp_path).writing(),
    ):
        pass


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}x\n")
    with pytest.raises(FormatError, match="line 1 is no JSON record"):
        Results(tmp_path).rows()
    with pytest.raises(InputError, match="goldpan bench run"):
        open_results(tmp_path / "none")


def test_names_of_settings():
    assert setting_name({}) == "default"
    assert setting_name({"nprobe": 8.0, "ef": 2.5}) == "ef=2.5 nprobe=8"
