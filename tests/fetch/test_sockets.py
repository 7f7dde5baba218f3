"""Room for sockets: the limit of open files is raised as far as it may be."""

import subprocess
import sys

import pytest

PROGRAM = "import resource\nfrom goldpan.fetch.sockets import make_room\nprint(make_room({}), resource.getrlimit(7)[0])"


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "said"),
    [
        (256, 2000, 512, "1024 1152"),
        (256, 900, 512, "772 900"),
        (5000, 6000, 512, "1024 5000"),
        (256, 600, 512, "Type --connections 472"),
    ],
)
def test_room_is_made(soft: int, hard: int, connections: int, said: str) -> None:
    limits = f"import resource\nresource.setrlimit(7, ({soft}, {hard}))\n"
    words = [sys.executable, "-c", limits + PROGRAM.format(connections)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr
