"""The compiled loops over pixels; what they do is told in goldpan/imaging/scaling.py.

Pixels are a capsule of an Arrow array, as `PIL.Image.Image` gives it, or bytes; four of them a pixel. Sizes are width
and height.
"""

class Image:
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

def shrink(pixels: object, size: tuple[int, int], smaller: tuple[int, int]) -> Image: ...
def resample(pixels: object, size: tuple[int, int], other: tuple[int, int], filter: str) -> Image: ...
