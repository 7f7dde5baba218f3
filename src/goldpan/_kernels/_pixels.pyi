"""The compiled loops over pixels; what they do is told in goldpan/imaging/scaling.py."""

from typing import Any

from numpy.typing import NDArray

def shrink(pixels: NDArray[Any], to: NDArray[Any]) -> None: ...
def resample(pixels: NDArray[Any], to: NDArray[Any], filter: str) -> None: ...
