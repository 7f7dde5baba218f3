"""Files of data sets on the Hugging Face hub: ``hf://datasets/OWNER/NAME[@REVISION]/PATH``; PATH may be a glob."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from goldpan.core.errors import InputError, Reason
from goldpan.fetch.errors import FetchError
from goldpan.stages.acquire.bulk.templates import is_glob
from goldpan.stages.acquire.bulk.wanted import Expected, Sizes

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?/(?P<path>.+)")


class HubFile(NamedTuple):
    """Where a file lies."""

    repository: str
    revision: str
    path: str

    def __str__(self) -> str:
        return f"{SCHEME}datasets/{self.repository}@{self.revision}/{self.path}"


def list_hub(url: str) -> dict[str, Expected]:
    """Return the files that an address names, at the commit that it stands for now, with size and SHA-256.

    One that is not there is among them, too, unless the address is a glob.

    Raises:
        InputError: it is no such address, a glob names nothing, or the hub cannot be asked.
    """
    asked = _parse(url)
    with _asking(url):
        commit, files = _tree(asked.repository, asked.revision, re.split(r"[*?\[]", asked.path)[0].rpartition("/")[0])
    found = {}
    for file in files:
        if _fits(file.path, asked.path):
            expected = Expected(Sizes(file.size, file.size), sha256=file.lfs.sha256 if file.lfs else None)
            found[str(asked._replace(revision=commit, path=file.path))] = expected
    if not found and not is_glob(asked.path):
        return {str(asked._replace(revision=commit)): Expected()}
    if not found:
        raise InputError(f"{url} names no file of the data set; look at its files and name some, such as *.parquet.")
    return found


def download_hub(url: str, path: Path, on_bytes: Callable[[int], None]) -> None:
    """Bring a file; what came of it before a kill stays in a folder beside it.

    Raises:
        FetchError: it could not be brought.
    """
    from huggingface_hub import hf_hub_download

    asked = _parse(url)
    folder = path.with_name(f"{path.name}.hub")
    try:
        with _asking(url):
            brought = hf_hub_download(
                asked.repository,
                asked.path,
                repo_type="dataset",
                revision=asked.revision,
                local_dir=folder,
                tqdm_class=_counting(on_bytes),
            )
    except InputError as error:
        raise FetchError(_reason(error.__cause__), str(error)) from error
    Path(brought).replace(path)
    shutil.rmtree(folder)


def _counting(on_bytes: Callable[[int], None]) -> Any:
    """Return what the hub's client takes for a progress bar."""
    from huggingface_hub.utils import tqdm

    class Counting(tqdm):  # type: ignore[misc]
        def __init__(self, *_: Any, initial: int = 0, **__: Any) -> None:
            super().__init__(disable=True)
            on_bytes(initial)

        def update(self, n: float | None = 1) -> None:
            on_bytes(int(n or 0))

    return Counting


@lru_cache(64)
def _tree(repository: str, revision: str, folder: str) -> tuple[str, list[RepoFile]]:
    """Return the commit that a revision is now, and all files below a folder."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    commit = str(api.dataset_info(repository, revision=revision).sha)
    tree = api.list_repo_tree(repository, folder or None, recursive=True, revision=commit, repo_type="dataset")
    return commit, [file for file in tree if isinstance(file, RepoFile)]


def _parse(url: str) -> HubFile:
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise InputError(f"{url} is no address on the hub; it looks like hf://datasets/OWNER/NAME/PATH.")
    return HubFile(found["repository"], found["revision"] or "main", found["path"])


def _fits(path: str, pattern: str) -> bool:
    """Match folder by folder, so that a star does not stand for a slash."""
    names, patterns = path.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """Turn what the hub's client raises into one sentence."""
    from huggingface_hub.errors import HTTPError

    try:
        yield
    except (OSError, ValueError, HTTPError) as error:
        raise InputError(f"{url} cannot be had from the hub ({type(error).__name__}: {_first(error)}).") from error


def _first(error: BaseException) -> str:
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), "no reason given")


def _reason(error: Any) -> Reason:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return Reason.FORBIDDEN
    if isinstance(
        error, errors.RepositoryNotFoundError | errors.RemoteEntryNotFoundError | errors.RevisionNotFoundError
    ):
        return Reason.NOT_FOUND
    return Reason.SERVER_ERROR if isinstance(error, errors.HfHubHTTPError) else Reason.CONNECT_FAILED
