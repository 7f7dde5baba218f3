"""`goldpan convert`."""

from __future__ import annotations

import sys

from goldpan.cli.show import Show, write_json


def convert(
    source: str,
    target: str,
    /,
    *,
    dtype: str | None = None,
    metric: str | None = None,
    show: Show = Show(),  # noqa: B008  frozen
) -> None:
    """Convert vectors or ground truth between formats, in bounded memory.

    Parameters
    ----------
    source:
        A file or folder; a dataset or column after a colon where it holds several: bench.hdf5:train.
    target:
        Where to; its suffix is the format: .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin .hbin .npy .parquet .h5.
    dtype:
        Type of the values in the target, where it is not the source's; needed for casts that lose something.
    metric:
        The metric of a ground truth, whose distances mean something else in another layout.
    """
    from goldpan.formats.convert import convert as run

    done = run(source, target, dtype=dtype, metric=metric, progress=show.progress())
    if show.json:
        write_json(done.as_dict())
        return
    rate = done.bytes / 1e6 / done.seconds if done.seconds else 0.0
    sys.stderr.write(f"{done.target}: {done.n:,} x {done.dim} {done.dtype} {done.kind}, {rate:,.0f} MB/s\n")
    for name in done.dropped:
        sys.stderr.write(f"  left out (the format has no place for it): {name}\n")
