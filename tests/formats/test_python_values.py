"""What a Python file assigns, worked out without running it."""

import time
from pathlib import Path

import pytest

from goldpan.core.errors import FormatError
from goldpan.formats.python_values import read_assigned


def read(folder: Path, text: str, *names: str) -> dict:
    (folder / "t.py").write_text(text)
    return read_assigned(folder / "t.py", names or ("a",))


@pytest.mark.parametrize(
    "text",
    [
        "a = ['x', 'y-z', 3, -0 if False else 1.5, None, (True,)]",
        "a: list[str] = ['x'] + ['y']",
        "a: list\na = b = ['x']",
        "a = {'x': 'y', 'z': 'w'}\na['v'] = 'u' 'w'",
        "n = ['Red-Fox 2', 'ox']\na = {c: ' AND '.join(f'\"{t}\"' for t in c.replace('-', ' ').split()) for c in n}",
        "n = ['x', 'y']\na = {}\nfor c in n:\n    q = c.upper()\n    a[c] = '\"{} pattern\" OR \"{}\"'.format(c, q)",
        "n = ['x', 'y']\na = [f'{i}: {c}' for i, c in enumerate(n) if c != 'x']",
        "n = ('b', 'a')\na = sorted(n)",
        "a = dict(zip(['x', 'y'], ['z', 'w']))",
        "a = [m[k] for m in [{'x': 'y'}] for k in m]",
        "a = ['{1} {0}'.format('x', 'y'), 'A'.lower(), '  x '.strip(), 'x' if 'y' in 'xy' else 'z']",
        "c = 'mine'\na = [c for c in ['x', 'y']]\na = a + [c]",
        "import os, sys as system\nfrom re import sub\ndef f(): return os.system('x')\nclass K: pass\na = ['x']\n"
        "print(len(a))\nassert a\nif __name__ == '__main__':\n    f()",
    ],
)
def test_the_values_are_those_that_python_gives(tmp_path: Path, text: str) -> None:
    expected: dict = {}
    exec(text, {"__name__": "t", "print": lambda *_: None}, expected)
    assert read(tmp_path, text) == {"a": expected["a"]}


def test_a_name_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "a = ['x']", "a", "b") == {"a": ["x"]}


HOSTILE = [
    "import os\na = [os.system('touch ran')]",
    "a = __import__('os').system('touch ran')",
    "a = open('ran', 'w')",
    "a = [c for c in open('ran', 'w')]",
    "a = eval('[1]')",
    "a = ().__class__.__bases__[0].__subclasses__()",
    "a = '{0.__class__}'.format('x')",
    "a = f'{[].__class__}'",
    "a = (lambda: open('ran', 'w'))()",
    "def f():\n    open('ran', 'w')\na = f()",
    "def dict(x):\n    open('ran', 'w')\na = dict([])",
    "class K:\n    open('ran', 'w')\n    a = ['x']\na = K.a",
    "a = ['x']\na.append('y')",
    "a = ['x']\nb = a\nb.append('y')",
    "a = ['x']\na += ['y']",
    "a = ['x']\ndel a[0]",
    "a = ['x']\na[0] = 'y'",
    "a = ['x']\nwith open('ran', 'w') as f:\n    a = ['y']",
    "a = ['x']\nwhile True:\n    a = ['y']",
    "if True:\n    a = ['x']",
    "try:\n    a = ['x']\nexcept ImportError:\n    a = ['y']",
    "from somewhere import a",
    "import a",
    "def a(): pass",
    "a = {**{'x': 'y'}}",
    "a = [*['x']]",
    "a = 'x' * 1000000000",
    "a = '{:>1000000000}'.format('x')",
    "a = f'{1:>1000000000}'",
    "a = 'x'\n" + "a = a + a\n" * 64,
    "a = 'x'\n" + "a = a.replace('x', 'xx')\n" * 64,
    "a = 'x'\n" + "a = ''.join([a, a])\n" * 64,
    "b = ['x', 'y']\na = [" + "1 " + " ".join(f"for c{i} in b" for i in range(64)) + "]",
    "b = [1]\n" + "b = [b, b]\n" * 64 + "a = str(b)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_take_running_it_is_refused_and_never_run(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = time.perf_counter()
    with pytest.raises(FormatError, match=r"`a` is computed in line \d+ .* nothing is run"):
        read(tmp_path, text)
    assert not (tmp_path / "ran").exists()
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("text", ["a = [", "\0", "[" * 10_000, "a = " + "(" * 300 + ")" * 300])
def test_what_is_no_python(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError, match="no Python"):
        read(tmp_path, text)
