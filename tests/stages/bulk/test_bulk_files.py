"""Files come whole, on from where they broke off, as they are expected, and once."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from goldpan.core.errors import FormatError, InputError
from goldpan.core.locks import hold
from goldpan.core.records import Report
from goldpan.stages.acquire.bulk.files import acquire_files
from goldpan.stages.acquire.bulk.ledger import LEDGER
from tests.hostile import HostileServer
from tests.stages.bulk.helpers import names, npy, parquet, reasons, wait_for
from tests.stages.bulk.shelf import Shelf

FILES = {f"/d/part_{n}.npy": npy(20 + n, n) for n in range(4)}
ALL = "/d/part_{0..3}.npy"


def get(server: HostileServer, output: Path, *paths: str, **fields: object) -> Report:
    usual = {"allow_private": True, "retries": 1}
    return acquire_files(urls=[server.url("shelf", path) for path in paths], output=output, **usual | fields)


def test_files_come_and_the_same_again_asks_for_nothing(tmp_path: Path) -> None:
    with Shelf(FILES).open() as server:
        report = get(server, tmp_path, ALL)
        assert (report.rows_in, report.rows_out, report.already_done, report.failures) == (4, 4, 0, {})
        assert {f"/d/{name}": (tmp_path / name).read_bytes() for name in names(tmp_path)} == FILES
        asked = len(server.asked)
        again = get(server, tmp_path, ALL)
        assert (again.rows_out, again.already_done, len(server.asked)) == (4, 4, asked)
        assert report.details["bytes"] == sum(map(len, FILES.values()))


def test_a_failed_file_is_a_row_and_alone_brought_next_time(tmp_path: Path) -> None:
    shelf = Shelf(dict(FILES))
    kept = shelf.files.pop("/d/part_2.npy")
    with shelf.open() as server:
        report = get(server, tmp_path, ALL)
        assert (report.rows_in, report.rows_out, report.failures) == (4, 3, {"not_found": 1})
        assert reasons(report) == {"part_2.npy": "not_found"}
        shelf.files["/d/part_2.npy"] = kept
        server.asked.clear()
        again = get(server, tmp_path, ALL)
        assert (again.rows_out, again.already_done) == (4, 3)
        assert set(server.paths("shelf")) == {"/d/part_2.npy"}
    lines = [json.loads(line) for line in (tmp_path / LEDGER).read_text().splitlines()]
    assert [line.get("reason") for line in lines if line["name"] == "part_2.npy"] == ["not_found", None]


def test_a_break_is_gone_on_from(tmp_path: Path) -> None:
    shelf = Shelf(FILES)
    shelf.cut["/d/part_1.npy"] = 2
    with shelf.open() as server:
        assert not get(server, tmp_path, ALL, retries=2).failures
    size = len(FILES["/d/part_1.npy"])
    assert shelf.sent["/d/part_1.npy"] == size


@pytest.mark.parametrize("how", ["md5", "sha256", "json"])
def test_what_a_manifest_says_holds(tmp_path: Path, how: str) -> None:
    files = FILES | {"/d/part_3.npy": npy(23, seed=99)}
    plain = {path.rpartition("/")[2]: data for path, data in FILES.items()}
    manifest = tmp_path / "manifest"
    if how == "json":
        said = {name: {"size": len(data), "md5": hashlib.md5(data).hexdigest()} for name, data in plain.items()}
        manifest.write_text(json.dumps(said))
    else:
        manifest.write_text("".join(f"{hashlib.new(how, data).hexdigest()}  {name}\n" for name, data in plain.items()))
    shelf = Shelf(dict(files))
    with shelf.open() as server:
        report = get(server, tmp_path / "o", ALL, manifest=manifest)
        assert reasons(report) == {"part_3.npy": "wrong_hash"}
        assert names(tmp_path / "o") == {"part_0.npy", "part_1.npy", "part_2.npy"}
        shelf.files["/d/part_3.npy"] = FILES["/d/part_3.npy"]
        (tmp_path / "o/part_0.npy").write_bytes(npy(20, seed=7))  # somebody changes it: another, of the same size
        again = get(server, tmp_path / "o", ALL, manifest=manifest)
    assert (again.rows_out, again.already_done) == (4, 2)
    assert {name: (tmp_path / "o" / name).read_bytes() for name in plain} == plain


def test_a_page_in_place_of_a_file_is_found_out(tmp_path: Path) -> None:
    page = b"<html>Please log in</html>"
    shelf = Shelf({"/a.npy": page, "/b.parquet": page, "/c.h5": page, "/d.npy": npy(9)[:-3], "/e.parquet": parquet(5)})
    with shelf.open() as server:
        report = get(server, tmp_path, *shelf.files)
    assert reasons(report) == dict.fromkeys(("a.npy", "b.parquet", "c.h5", "d.npy"), "corrupt")
    assert names(tmp_path) == {"e.parquet"}


def test_files_that_others_brought_are_checked_not_brought_again(tmp_path: Path) -> None:
    (tmp_path / "part_0.npy").write_bytes(FILES["/d/part_0.npy"])
    (tmp_path / "part_1.npy").write_bytes(FILES["/d/part_1.npy"][:-1])
    shelf = Shelf(FILES)
    with shelf.open() as server:
        report = get(server, tmp_path, ALL)
    assert (report.rows_out, report.already_done, shelf.sent["/d/part_0.npy"]) == (4, 1, 0)
    assert (tmp_path / "part_1.npy").read_bytes() == FILES["/d/part_1.npy"]


def test_no_room_is_said_before_anything_comes(tmp_path: Path) -> None:
    (tmp_path / "m").write_text(json.dumps({"part_0.npy": {"size": shutil.disk_usage(tmp_path).total}}))
    said = r"The files take about .* GB, and .* has .* GB free; make room"
    with Shelf(FILES).open() as server, pytest.raises(InputError, match=said):
        get(server, tmp_path / "o", ALL, manifest=tmp_path / "m")
    assert names(tmp_path / "o") == set()


def test_a_star_is_not_for_web_servers(tmp_path: Path) -> None:
    shelf = Shelf({"/a*b.bin": b"star"})
    with shelf.open() as server:
        with pytest.raises(InputError, match=r"\* goes with hf://, s3:// and file:// only; name the files"):
            get(server, tmp_path, "/d/part_*.npy")
        assert get(server, tmp_path, "/a%2Ab.bin?b=*").rows_out == 1


def test_a_server_without_ranges_does_as_well(tmp_path: Path) -> None:
    shelf = Shelf(FILES)
    shelf.plain = True
    with shelf.open() as server:
        assert not get(server, tmp_path, ALL).failures


def test_the_number_of_parts_is_a_flag(tmp_path: Path) -> None:
    with Shelf(FILES).open() as server:
        get(server, tmp_path, "/d/part_{i}.npy", parts="1-2")
    assert names(tmp_path) == {"part_1.npy", "part_2.npy"}


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"are both called a\.npy; bring them apart"):
        acquire_files(urls=["https://one.example/a.npy", "https://two.example/a.npy"], output=tmp_path)
    with pytest.raises(InputError, match=r"a\.npy is no URL"):
        acquire_files(urls=["a.npy"], output=tmp_path)
    for text in ("nonsense", "[3]", '{"a.npy": {"md5": "xyz"}}', '{"a.npy": {}}', "3", '{"a.npy": {"size": -1}}'):
        (tmp_path / "m").write_text(text)
        with pytest.raises(FormatError, match=str(tmp_path / "m")):
            acquire_files(urls=["https://one.example/a.npy"], output=tmp_path / "o", manifest=tmp_path / "m")
    with pytest.raises(InputError, match="There is no manifest"):
        acquire_files(urls=["https://one.example/a.npy"], output=tmp_path / "o", manifest=tmp_path / "none")


def test_one_process_fills_a_folder(tmp_path: Path) -> None:
    with hold(tmp_path / ".lock", InputError("busy")), pytest.raises(InputError, match="Another process brings files"):
        acquire_files(urls=["https://one.example/a.npy"], output=tmp_path)


def test_a_disk_that_takes_no_more_ends_the_run(tmp_path: Path) -> None:
    shelf = Shelf({"/a.bin": bytes(1 << 20)})
    with shelf.open() as server:
        command = shlex.join(program(server, tmp_path, "/a.bin"))
        done = subprocess.run(["bash", "-c", f"ulimit -f 512; {command}"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("a.bin cannot be written: File too large.\n")
    assert names(tmp_path) == set()


def test_private_addresses_are_for_those_who_say_so(tmp_path: Path) -> None:
    with Shelf(FILES).open() as server:
        report = get(server, tmp_path, ALL, allow_private=False)
    assert report.failures == {"private_address": 4}
    assert "the same command with --allow-private asks servers in your own network" in report.next_steps


def program(server: HostileServer, output: Path, path: str) -> list[str]:
    command = [sys.executable, "-m", "goldpan", "acquire", "files", server.url("shelf", path)]
    return [*command, "--allow-private", "--output", str(output), "--quiet"]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.bin*") if path.exists())


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """Killed again and again in the middle of files, the command ends with all of them, each brought about once."""
    files = {f"/part_{n}.bin": os.urandom(1 << 20) for n in range(6)}
    total, output = sum(map(len, files.values())), tmp_path / "o"
    shelf = Shelf(files)
    shelf.pause = 0.02
    with shelf.open() as server:
        command = program(server, output, "/part_{0..5}.bin")
        for share in (0.1, 0.4, 0.7):
            run = subprocess.Popen(command)
            wait_for(lambda least=share * total: _size(output) > least)
            run.kill()
            assert run.wait() == -signal.SIGKILL
        shelf.pause = 0.0
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, "6 in, 6 out" in done.stderr) == (0, True)
    assert {f"/{name}": (output / name).read_bytes() for name in names(output)} == files
    assert sum(shelf.sent.values()) < 1.8 * total  # what was in the buffers of connections went astray


def test_an_interrupt_ends_what_is_on_its_way(tmp_path: Path) -> None:
    shelf = Shelf({"/a.bin": bytes(1 << 22)})
    shelf.pause = 0.3
    with shelf.open() as server:
        run = subprocess.Popen(program(server, tmp_path, "/a.bin"), stderr=subprocess.PIPE, text=True)
        wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".a.bin.part")))
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
    assert run.returncode == 130, said
    assert names(tmp_path) == set()
