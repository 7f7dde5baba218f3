"""The door: help is light, mistakes are one sentence, exit codes are what the docs say."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from goldpan.cli.main import VERBS, run

HEAVY = ("torch", "lance", "pyarrow", "faiss", "onnxruntime", "PIL", "pandas", "numpy", "sqlalchemy", "matplotlib")


def test_help_imports_nothing_heavy() -> None:
    script = f"import sys, goldpan.cli.main as m; m.run(['--help']); print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for verb in VERBS:
        assert verb in done.stdout


def test_importing_goldpan_imports_nothing_heavy() -> None:
    script = f"import sys, goldpan; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_name_of_the_front_door_opens() -> None:
    import goldpan

    for name in goldpan.__all__:
        assert getattr(goldpan, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = goldpan.nonsense


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"goldpan {verb}" in capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a command that must be refused with one sentence and the usage exit code."""
    code = run([str(word) for word in words])
    said = capsys.readouterr().err
    assert code == 2, said
    assert said.startswith("goldpan: ")
    assert said.count("\n") == 1, said
    return said


@pytest.fixture
def ws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    (tmp_path / "p").mkdir()
    for i in range(3):
        Image.new("RGB", (20 + i, 20), (i, 90 * i, 0)).save(tmp_path / "p" / f"{i}.png")
    assert run(["init", f"{tmp_path}/ws"]) == 0
    assert run(["acquire", "folder", f"{tmp_path}/ws", f"{tmp_path}/p"]) == 0
    assert run(["embed", f"{tmp_path}/ws", "--encoder", "phash:8"]) == 0
    capsys.readouterr()
    return tmp_path / "ws"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embd"], "Did you mean 'embed'"),
        (["embed"], "requires"),
        (["embed", "WS"], "encoder"),
        (["embed", "WS", "--encoder", "phsh:8"], "Did you mean 'phash'"),
        (["embed", "WS", "--encoder", "phash:8", "--bogus", "1"], "--bogus"),
        (["embed", "WS", "--encoder", "phash:8", "--batch-size", "0"], "batch_size"),
        (["embed", "WS", "--encoder", "phash:8", "--dtype", "float8"], "float8"),
        (["embed", "WS", "--encoder", "phash:8", "--shard", "3/3"], "count from 0 to 2"),
        (["embed", "WS", "--encoder", "phash:8", "--shard", "x"], "I/N"),
        (["embed", "WS", "--encoder", "phash:8", "--job-index", "1"], "go together"),
        (["embed", "WS", "--encoder", "phash:8", "--column", "caption"], "text"),
        (["embed", "WS", "--encoder", "phash:8", "--column", "nonsense"], "no column 'nonsense'"),
        (["embed", "WS", "--encoder", "phash:8", "--where", "label ="], "predicate"),
        (["search", "WS", "a cat"], "text"),
        (["search", "WS"], "give one of"),
        (["search", "WS", "--id", "2.png", "-k", "4"], "k = 4"),
        (["search", "WS", "--id", "nobody.png", "-k", "1"], "nobody.png"),
        (["search", "WS", "--id", "2.png", "-k", "2", "--where", "id = '1.png'"], "k = 2"),
        (["search", "WS", "--image", "none.png", "-k", "1"], "none.png"),
        (["search", "WS", "--id", "2.png", "-k", "1", "--html", "/proc/none/x.html"], "/proc/none"),
        (["search", "nowhere", "a cat"], "goldpan init"),
        (["acquire", "folder", "WS", "EMPTY"], "No images"),
        (
            ["acquire", "urls", "WS", "x", "--encode-format", "png", "--encode-quality", "95"],
            "goldpan: encode_quality of",
        ),
        (["acquire", "files", "ftp://HOST/x.npy", "-o", "EMPTY"], "ftp:// cannot be opened"),
        (["acquire", "folder", "WS", "nowhere"], "not a folder"),
        (["bench", "make", "WS", "--encoder", "phash:8", "--queries", "9", "-o", "r"], "too few"),
        (["bench", "make", "WS", "--encoder", "phash:8", "--queries", "1", "--k", "9", "-o", "r"], "k = 9"),
        (["bench", "make", "WS", "--encoder", "phash:8", "--queries", "1", "--k", "1", "-o", "/proc/none/r"], "/proc"),
        (["init", "/proc/none/ws"], "/proc/none"),
        (["verify", "nowhere"], "nowhere"),
        (["convert", "nowhere.fvecs", "x.fbin"], "nowhere.fvecs"),
        (["truth", "nowhere.fvecs", "x.fvecs", "-o", "t.ivecs"], "nowhere.fvecs"),
        (["sql", "WS", "DROP TABLE images"], "SELECT"),
        (["sql", "WS", "SELECT nonsense FROM images"], "nonsense"),
        (["run", "nowhere.toml"], "nowhere.toml"),
        (["status", "nowhere"], "goldpan init"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_sentence(
    ws: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    places = {"WS": str(ws), "EMPTY": str(tmp_path / "empty")}
    assert said in refused(capsys, *(places.get(word, word) for word in words))


def test_too_many_failures_exit_with_3(ws: Path, tmp_path: Path) -> None:
    (tmp_path / "p" / "zip.jpg").write_bytes(b"PK\x03\x04")
    words = ["acquire", "folder", str(ws), str(tmp_path / "p")]
    assert run(words) == 3
    assert run([*words, "--max-failures", "1"]) == 0
    assert run([*words, "--max-failures", "25%"]) == 0
    assert run([*words, "--max-failures", "24%"]) == 3


def test_recipes_run_and_run_again(tmp_path: Path, ws: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'workspace = "w2"\n[[stage]]\nname = "acquire folder"\nfolder = "p"\n'
        '[[stage]]\nname = "embed"\nencoder = "phash:8"\n'
        '[[stage]]\nname = "bench make"\nencoder = "phash:8"\nqueries = 1\nk = 1\noutput = "rel"\n'
    )
    assert run(["run", "r.toml"]) == 0
    capsys.readouterr()
    assert run(["run", "r.toml"]) == 0
    said = capsys.readouterr().err
    assert "(3 already there)" in said
    assert "nothing to do" in said
    recipe.write_text('workspace = "w2"\n[[stage]]\nname = "embed"\nencodr = "phash:8"\n')
    assert "encodr" in refused(capsys, "run", "r.toml")
    recipe.write_text('workspace = "w2"\n[[stage]]\nname = "embd"\n')
    assert "Did you mean 'embed'" in refused(capsys, "run", "r.toml")
    recipe.write_text("workspace = ")
    assert "not TOML" in refused(capsys, "run", "r.toml")


def test_a_full_and_a_read_only_disk_are_one_sentence_each(tmp_path: Path) -> None:
    for i in range(40):
        Image.effect_noise((128, 128), 90).save(tmp_path / f"{i}.png")
    (tmp_path / "disk").mkdir()
    fetch = f"{sys.executable} -m goldpan acquire folder disk/ws . --copy-bytes -q"
    script = f"""
        mount -t tmpfs -o size=400k none disk && {sys.executable} -m goldpan init disk/ws || exit 77
        {fetch}; echo full $?
        mount -o remount,ro disk || exit 77
        {fetch}; echo read-only $?
        mount -o remount,rw,size=9m disk && {fetch}"""
    words = ["unshare", "-rm", "sh", "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"this machine mounts no small disk: {done.stderr.strip()}")
    assert done.stdout == "full 1\nread-only 2\n"
    full, read_only, report = done.stderr.splitlines()[2:5]  # after what `init` says
    assert full.startswith("goldpan: No space is left on the disk; make room")
    assert report.startswith("acquire: 40 in, 40 out")
    assert f"{tmp_path}/disk/ws/" in read_only
    assert "Read-only file system" in read_only
