"""Ctrl-C ends a run at any moment, also within a callback of libcurl, which would lose it."""

import signal
import subprocess
import sys
import time

from tests.fetch.serving import serve
from tests.hostile import Ask

CHILD = """
import sys
from itertools import count
from goldpan.fetch.client import Fetcher, FetchOptions, Request

url, port = sys.argv[1:]
options = FetchOptions(allow_private=True, ports=[int(port)], robots="ignore", per_host=20)
try:
    with Fetcher(options) as fetcher:
        for number, result in enumerate(fetcher.fetch_all(Request(n, f"{url}{n}") for n in count())):
            if number == 50:
                print("begun", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


async def quick(ask: Ask) -> None:
    await ask.reply(b"x")


def test_an_interrupt_is_not_lost() -> None:
    with serve(host=quick) as server:
        for number in range(4):
            words = [sys.executable, "-c", CHILD, server.url("host"), str(server.port)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                assert child.stdout.readline() == "begun\n"
                time.sleep(0.013 * number)
                child.send_signal(signal.SIGINT)
                try:
                    said, errors = child.communicate(timeout=60)
                finally:
                    child.kill()
            assert (said, errors, child.returncode) == ("interrupted\n", "", 0)
