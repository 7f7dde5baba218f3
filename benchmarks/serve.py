"""`goldpan serve` beside `clip-retrieval back`: the same index, the same requests, from wrk.

    python benchmarks/serve.py [--rows 100000] [--dim 512] [--connections 1 16] [--seconds 8] [--rounds 3]
                               [--work build/serve] [--model DIR]

wrk is Debian's. clip-retrieval 2.45 runs in a virtual environment of its own, made if it is missing (see
tests/web/serve/peer.py), as its command starts it: Flask's server, with threads. Both map the same HNSW32 index of
seeded vectors in clusters and the same metadata, and are asked what ClipClient asks by default: 40 answers, look-alikes
dropped, by vector, so that no encoder is in the way. With --model, an encoder of goldpan's such as
onnx:shared/models/dual-encoder, goldpan alone is asked by text too, one after the other and together. The servers take
turns, each turn a fresh run of wrk; what is told is the median over the rounds of requests a second, of percentiles of
the time to an answer, and of the server's time of processors a request, which other work on the machine disturbs least.
Client and server share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
QUERIES = 500
SCRIPT = """
local bodies, at = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
function request()
  at = at % #bodies + 1
  return wrk.format("POST", "/knn-service", {["Content-Type"] = "application/json"}, bodies[at])
end
function done(summary, latency)
  local bad = summary.errors.status + summary.errors.timeout + summary.errors.connect + summary.errors.read
  print(string.format('{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "bad": %d}', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
"""


def main() -> None:
    asked = arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    folder = make_index(asked.work / f"{asked.rows}x{asked.dim}", asked.rows, asked.dim)
    (asked.work / "indices.json").write_text(json.dumps({"pool": str(folder.resolve())}))
    (asked.work / "wrk.lua").write_text(SCRIPT)
    write_bodies(asked.work / "vectors.jsonl", [{"embedding_input": row} for row in queries(asked.rows, asked.dim)])
    servers = {
        "goldpan": goldpan("--indices", asked.work / "indices.json"),
        "clip-retrieval": clip_retrieval(asked.work),
    }
    results = [race(asked, servers, "vectors.jsonl", connections) for connections in asked.connections]
    if asked.model:
        pool = make_texts(asked.work / "texts", asked.model)
        write_bodies(asked.work / "texts.jsonl", [{"text": f"a photo of {n} dogs"} for n in range(QUERIES)])
        servers = {"goldpan": goldpan(pool, "--encoder", asked.model)}
        results += [race(asked, servers, "texts.jsonl", connections) for connections in asked.connections]
    machine = {"processors": os.cpu_count(), "machine": platform.machine(), "date": time.strftime("%Y-%m-%d")}
    print(json.dumps({"rows": asked.rows, "dim": asked.dim, **machine, "results": results}, indent=2))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/serve"))
    parser.add_argument("--model")
    return parser.parse_args()


def vectors(rows: int, dim: int, seed: int) -> np.ndarray:
    """Return unit vectors around 100 centers, which are the same for every seed."""
    centers = np.random.default_rng(0).standard_normal((100, dim), np.float32)
    random = np.random.default_rng(seed)
    found = centers[random.integers(0, 100, rows)] + random.standard_normal((rows, dim), np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def queries(rows: int, dim: int) -> list[list[float]]:
    return [[round(value, 6) for value in row] for row in vectors(QUERIES, dim, rows + 1).tolist()]


def make_index(folder: Path, rows: int, dim: int) -> Path:
    if not (folder / "image.index").exists():
        (folder / "metadata").mkdir(parents=True, exist_ok=True)
        told = {"url": [f"http://photos.example/{row}.jpg" for row in range(rows)]}
        told["caption"] = [f"photo {row} of a day at the sea, with a dog and two children" for row in range(rows)]
        pq.write_table(pa.table(told), folder / "metadata" / "metadata_0.parquet")
        index = faiss.index_factory(dim, "HNSW32", faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = 80, 64
        index.add(vectors(rows, dim, 1))
        faiss.write_index(index, str(folder / "image.index"))
    return folder


def make_texts(folder: Path, model: str) -> Path:
    """Return an index folder of 10,000 rows in the space of a model."""
    from goldpan.encoders.loading import load_encoder

    return make_index(folder, 10_000, load_encoder(model).dim)


def write_bodies(path: Path, sources: list[dict]) -> None:
    usual = {"modality": "image", "num_images": 40, "num_result_ids": 40, "deduplicate": True}
    names = {"indice_name": "pool"} if path.name == "vectors.jsonl" else {}
    path.write_text("".join(json.dumps(source | usual | names) + "\n" for source in sources))


def goldpan(*words: str | Path) -> list[str]:
    usual = ["--public", "--host", "127.0.0.1", "--port", "PORT"]
    return [sys.executable, "-m", "goldpan", "serve", *map(str, words), *usual]


def clip_retrieval(work: Path) -> list[str]:
    from tests.web.serve import peer

    return [str(peer.make(work / "peer")), "-W", "ignore", peer.__file__, "back", str(work / "indices.json"), "PORT"]


def race(asked: argparse.Namespace, servers: dict[str, list[str]], bodies: str, connections: int) -> dict:
    """Have the servers take turns; return medians."""
    turns: dict[str, list[dict]] = {name: [] for name in servers}
    running = {name: Running(words, asked.work / "server.log") for name, words in servers.items()}
    try:
        for server in running.values():
            wrk(asked.work, server.port, bodies, connections, 2)  # what is loaded with the first requests
        for _ in range(asked.rounds):
            for name, server in running.items():
                before = server.cpu_seconds()
                turn = wrk(asked.work, server.port, bodies, connections, asked.seconds)
                turns[name].append(turn | {"cpu": (server.cpu_seconds() - before) / turn["requests"] * 1e3})
    finally:
        for server in running.values():
            server.stop()
    found = {"connections": connections, "asked": bodies} | {name: summary(each) for name, each in turns.items()}
    print(json.dumps(found), file=sys.stderr)
    return found


def summary(turns: list[dict]) -> dict:
    told = {"requests/s": statistics.median(turn["requests"] / turn["seconds"] for turn in turns)}
    told |= {f"{name} ms": statistics.median(turn[name] for turn in turns) for name in ("p50", "p99", "cpu")}
    return {name: round(value, 2) for name, value in told.items()} | {"bad": sum(turn["bad"] for turn in turns)}


def wrk(work: Path, port: int, bodies: str, connections: int, seconds: int) -> dict:
    words = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s", work / "wrk.lua"]
    done = subprocess.run(
        [*map(str, words), f"http://127.0.0.1:{port}"],
        env=os.environ | {"BODIES": str(work / bodies)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return found


class Running:
    """A server in a process of its own."""

    def __init__(self, words: list[str], log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._log = log.open("a")
        self._process = subprocess.Popen(
            [str(self.port) if word == "PORT" else word for word in words], stdout=self._log, stderr=self._log, cwd=ROOT
        )
        for _ in range(600):
            try:
                urlopen(f"http://127.0.0.1:{self.port}/indices-list").close()
                return
            except URLError:
                assert self._process.poll() is None, log.read_text()
                time.sleep(0.1)

    def cpu_seconds(self) -> float:
        """Return the time of processors that it has taken."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


if __name__ == "__main__":
    main()
