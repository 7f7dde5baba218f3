"""The tasks of the SISAP indexing challenges, 2023 to 2026, as one table.

Source: the challenges' pages, data descriptions and evaluation scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goldpan.core.errors import UnknownName
from goldpan.core.records import Metric

Rank = Literal["querytime", "totaltime", "recall"]
ALLKNN = "allknn"


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        year: of the challenge.
        task: "A", "B", "C" (2023), else "1", "2", "3".
        about: one line.
        data: the name of the vectors in results: attribute `data` (2023, 2024) or `dataset`.
        part: which vectors of a folder (2023, 2024), or which group of a file has the queries.
        metric: how near is measured.
        dim: values a row (bytes of bits), for generated data.
        k: neighbors asked for and scored.
        rank: what decides among results that are good enough.
        recall: the least recall; None where there is none.
        of_bound: the least recall is `recall` times that of exact search in the sketches.
        cpus: processors allowed, None where not limited.
        memory_gib: memory allowed, likewise.
        hours: wall time allowed; see `clock`.
        clock: what the hours count.
        settings: how many search settings one index may be run with, None where not limited.
        sparse: rows are sparse.
        self_counts: in a self-join, a row's own number is part of answers and gold where recall decides.
    """

    year: int
    task: str
    about: str
    data: str
    part: str
    metric: Metric
    dim: int
    k: int
    rank: Rank
    recall: float | None
    of_bound: bool = False
    cpus: int | None = None
    memory_gib: int | None = None
    hours: float = 12
    clock: str = "build and search"
    settings: int | None = None
    sparse: bool = False
    self_counts: bool = False

    @property
    def in_folder(self) -> bool:
        """Data come as a folder of files with sizes in their names."""
        return self.year <= 2024

    @property
    def self_join(self) -> bool:
        """The queries are the base."""
        return self.part == ALLKNN

    @property
    def name(self) -> str:
        """Such as task2; A, B and C keep their letters."""
        return f"task{self.task}"


_CLIP = ("clip768v2", "clip768")
_TABLE = (
    Task(2023, "A", "unrestricted index over 768-d CLIP", *_CLIP, Metric.COSINE, 768, 10, "querytime",
         0.9, memory_gib=512),
    Task(2023, "B", "sketches, searched exactly by Hamming", *_CLIP, Metric.COSINE, 768, 10, "recall",
         None, memory_gib=512),
    Task(2023, "C", "index over the given 1,024-bit sketches", "hammingv2", "hamming", Metric.HAMMING, 128, 10,
         "querytime", 0.9, of_bound=True, memory_gib=512),
    Task(2024, "1", "unrestricted index, 100M CLIP", *_CLIP, Metric.IP, 768, 30, "querytime", 0.8,
         clock="build", settings=30),
    Task(2024, "2", "little memory, vectors may be read again to re-rank", *_CLIP, Metric.IP, 768, 30,
         "querytime", 0.8, cpus=8, memory_gib=32, hours=24, settings=30),
    Task(2024, "3", "index without the vectors at search time", *_CLIP, Metric.IP, 768, 30, "querytime",
         0.4, memory_gib=64, settings=30),
    Task(2025, "1", "PUBMED23, 23.9M x 384, queries from elsewhere", "pubmed23", "otest", Metric.IP, 384, 30,
         "querytime", 0.7, cpus=8, memory_gib=16, settings=16),
    Task(2025, "2", "GOOAQ, 3M x 384, nearest neighbors of every row", "gooaq", ALLKNN, Metric.IP, 384, 15,
         "totaltime", 0.8, cpus=8, memory_gib=16, settings=16, self_counts=True),
    Task(2026, "1", "Wikipedia BGE-M3, 6.4M x 1024, nearest neighbors of every row", "wikipedia-dev", ALLKNN,
         Metric.IP, 1024, 15, "totaltime", 0.8, cpus=8, memory_gib=24, hours=8, settings=15,
         clock="load, build and search"),
    Task(2026, "2", "Llama-3-8B, 256,921 x 128, inner product of rows of any length", "llama-dev", "test",
         Metric.IP, 128, 30, "querytime", 0.8, cpus=8, memory_gib=24, hours=1, settings=15),
    Task(2026, "3", "NQ SPLADE-v3, 2.68M x 30,522, sparse", "nq-dev", "otest", Metric.IP, 30_522, 30,
         "querytime", 0.9, cpus=8, memory_gib=24, hours=8, settings=15, sparse=True),
)  # fmt: skip
TASKS = {(task.year, task.task): task for task in _TABLE}


def find_task(year: int, task: str) -> Task:
    """Return a task of the table.

    Raises:
        UnknownName: there is none of that year and name.
    """
    found = TASKS.get((year, task.upper().removeprefix("TASK")))
    if found is None:
        raise UnknownName("SISAP task", f"{year} {task}", [f"{known[0]} {known[1]}" for known in TASKS])
    return found
