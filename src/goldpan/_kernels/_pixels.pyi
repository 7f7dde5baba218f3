"""The compiled loops over pixels; what they do is told in goldpan/imaging/shrinking.py."""

from typing import Any

from numpy.typing import NDArray

def shrink(pixels: NDArray[Any], to: NDArray[Any]) -> None: ...
