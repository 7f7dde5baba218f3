"""How long each step takes, under the names that clip-retrieval's dashboards read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest

_TOTAL = "full_knn_request_time"
_STEPS = {
    "download_time": "Time spent fetching images by URL",
    "text_clip_inference_time": "Time spent encoding texts",
    "image_clip_inference_time": "Time spent encoding images",
    "metadata_get_time": "Time spent reading metadata",
    "knn_index_time": "Time spent searching",
    "dedup_time": "Time spent telling look-alikes",
    "safety_time": "Time spent judging safety",
    "image_prepro_time": "Time spent decoding and resizing images",
    "text_prepro_time": "Time spent on tokens apart from encoding; none is",
}
SUMMARY_HEAD = ("name", "description", "calls", "average", "proportion")


class Metrics:
    """Histograms by name: ``with metrics["dedup_time"].time(): ...``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        every = {_TOTAL: "Time spent answering a request for neighbors"} | _STEPS
        self._histograms = {name: Histogram(name, about, registry=self._registry) for name, about in every.items()}
        self.total = self._histograms[_TOTAL]

    def __getitem__(self, name: str) -> Histogram:
        return self._histograms[name]

    def text(self) -> bytes:
        """Return all in Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)

    def summary(self) -> str:
        """Return calls, mean time and share of the whole of each step, the slowest first, for people."""
        calls, mean = self._mean(_TOTAL)
        if not calls:
            return "No request yet, go do some"
        steps = sorted(((name, *self._mean(name)) for name in _STEPS), key=lambda step: -step[2])
        rows = [
            (name, _STEPS[name], str(count), f"{each:.4f}s", f"{each / mean:.1%}" if mean else "")
            for name, count, each in steps
        ]
        widths = [max(len(row[column]) for row in [SUMMARY_HEAD, *rows]) for column in range(len(SUMMARY_HEAD))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        head = "  ".join(name.rjust(width) for name, width in zip(SUMMARY_HEAD, widths, strict=True))
        return "\n".join(
            [
                f"Among {calls} calls to the knn end point with an average latency of {mean:.4f}s per request, "
                "the step costs are (in order): \n",
                head,
                *lines,
            ]
        )

    def _mean(self, name: str) -> tuple[int, float]:
        values = {sample.name: sample.value for sample in next(iter(self._histograms[name].collect())).samples}
        count = int(values[f"{name}_count"])
        return count, values[f"{name}_sum"] / count if count else 0.0
