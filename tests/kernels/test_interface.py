"""A compiled module of other sources is refused with a sentence, not called with other arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest

from goldpan._kernels import INTERFACE, _native

SCRIPT = """
import goldpan._kernels._native as native
{change}
from goldpan.core.errors import GoldpanError
from goldpan.search.kernels import load_kernels
try:
    load_kernels("{name}")
except GoldpanError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["auto", "native", "native:scalar"])
@pytest.mark.parametrize(("change", "found"), [("del native.INTERFACE", 0), ("native.INTERFACE = 99", 99)])
def test_a_module_of_other_sources_is_refused(name: str, change: str, found: int) -> None:
    script = SCRIPT.format(name=name, change=change)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert f"have interface {found}, this goldpan calls interface {INTERFACE}; build them again with: pip" in said


def test_the_module_here_is_of_these_sources() -> None:
    assert _native.INTERFACE == INTERFACE
