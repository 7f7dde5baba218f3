"""clip-retrieval itself, in a virtual environment of its own; run by its Python: `python peer.py client|back|index`.

It is installed without its dependencies (torch, webdataset ...), of which its client needs requests alone, what makes
indexes autofaiss, and its server Flask, faiss, pandas and what is listed here. No weights of CLIP can be had without a
network, so the server runs with an encoder that is never called: it is asked about vectors.
"""

from __future__ import annotations

import contextlib
import json
import sys
import types
import venv
from importlib.util import find_spec
from pathlib import Path

PEERS = ("clip-retrieval==2.45.0", "autofaiss==2.18.0", "embedding-reader==1.8.1")
PACKAGES = (
    "setuptools<81", "requests", "flask", "flask-restful", "flask-cors<5", "pandas<3", "numpy<2", "pyarrow<20",
    "faiss-cpu<1.13", "h5py", "fire", "tqdm", "fsspec", "prometheus_client", "pillow",
)  # fmt: skip


def make(folder: Path) -> Path:
    """Make the virtual environment, where it is not there yet; return its Python.

    Raises:
        subprocess.CalledProcessError: the packages cannot be had.
    """
    import subprocess

    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        for words in (["--no-deps", *PEERS], PACKAGES):
            subprocess.run([python, "-m", "pip", "install", "-q", *words], check=True, capture_output=True)
        done.touch()
    return python


def _package() -> None:
    """Have the modules of clip-retrieval without what its __init__ imports."""
    package = types.ModuleType("clip_retrieval")
    package.__path__ = list(find_spec("clip_retrieval").submodule_search_locations)
    sys.modules["clip_retrieval"] = package


def client(questions: list[dict]) -> None:
    """Ask a server with ClipClient; print what it returns."""
    from clip_retrieval.clip_client import ClipClient, Modality

    found = []
    for question in questions:
        options = question["client"] | {"modality": Modality(question["client"].get("modality", "image"))}
        found.append(ClipClient(**options).query(**question["query"]))
    print(json.dumps(found))


def back(indices: str, port: int) -> None:
    """Serve indexes on loopback, with an encoder that is never called."""
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_available=lambda: False)
    torch.no_grad = contextlib.nullcontext
    sys.modules["torch"] = torch
    sys.modules["all_clip"] = types.ModuleType("all_clip")
    sys.modules["all_clip"].load_clip = lambda *_, **__: (None, None, None)
    import flask
    from clip_retrieval.clip_back import clip_back

    listen = flask.Flask.run
    flask.Flask.run = lambda app, host, **options: listen(app, "127.0.0.1", threaded=True, **options)
    clip_back(indices, port, enable_mclip_option=False, provide_aesthetic_embeddings=False, use_jit=False)


def index(embeddings: str, folder: str) -> None:
    """Index embeddings as its command does, and convert the metadata to Arrow, into a folder of their own."""
    from clip_retrieval.clip_back_prepro.parquet_to_arrow import parquet_to_arrow
    from clip_retrieval.clip_index import clip_index

    clip_index(embeddings, folder, nb_cores=1)
    parquet_to_arrow(f"{folder}/metadata", f"{folder}/arrow/metadata", ["caption", "url"])


if __name__ == "__main__":
    here = str(Path(__file__).parent)  # where this file would stand for the package
    sys.path = [path for path in sys.path if path != here]
    _package()
    if sys.argv[1] == "client":
        client(json.load(sys.stdin))
    elif sys.argv[1] == "index":
        index(sys.argv[2], sys.argv[3])
    else:
        back(sys.argv[2], int(sys.argv[3]))
