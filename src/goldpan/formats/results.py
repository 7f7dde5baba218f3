"""Result files: what an index answered, as each benchmark's own evaluation reads it.

| benchmark | write, read |
|---|---|
| ann-benchmarks, VIBE | `write_ann_result`, `read_ann_result` |
| SISAP 2023 to 2026 | `write_sisap_result`, `read_sisap_result` |
| big-ann streaming | `write_streaming_result`, `read_streaming_result` |

In memory ids count from 0 and a missing answer is -1, whatever a file does.
"""

from __future__ import annotations

from goldpan.formats.results_ann import (
    AnnResult,
    ann_result_groups,
    ann_result_path,
    read_ann_result,
    write_ann_result,
)
from goldpan.formats.results_sisap import (
    SisapResult,
    read_sisap_result,
    sisap_results,
    write_sisap_result,
    write_sisap_sketches,
)
from goldpan.formats.results_streaming import (
    StreamingResult,
    read_streaming_result,
    streaming_result_path,
    write_streaming_result,
)

__all__ = [
    "AnnResult",
    "SisapResult",
    "StreamingResult",
    "ann_result_groups",
    "ann_result_path",
    "read_ann_result",
    "read_sisap_result",
    "read_streaming_result",
    "sisap_results",
    "streaming_result_path",
    "write_ann_result",
    "write_sisap_result",
    "write_sisap_sketches",
    "write_streaming_result",
]
