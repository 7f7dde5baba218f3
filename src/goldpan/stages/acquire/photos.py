"""The photos of Open Images: where they lie, and where those that are missing come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote as quoted

from goldpan.compute.executor import LocalExecutor
from goldpan.core.errors import ImageError, InputError, Reason, RemoteError, UnknownName
from goldpan.core.place import RemotePath, is_url, place
from goldpan.core.progress import Progress
from goldpan.fetch.client import Fetched, Fetcher, FetchOptions, Request
from goldpan.fetch.urls import parse_url
from goldpan.formats.atomic import replace_file
from goldpan.imaging.opening import probe_image
from goldpan.stages.acquire.config import OpenImagesConfig
from goldpan.store.failures import quote
from goldpan.store.workspace import Workspace

_BELOW = ("", "train", "validation", "test")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
_NAME = re.compile(r"\{([^{}]*)\}")
_SAVED_AT_ONCE = 16


class Miss(NamedTuple):
    """Why a photo is not there."""

    reason: Reason
    detail: str


class Photos:
    """A folder of photos by their ids.

    Args:
        ws: the workspace, whose folder ``openimages`` it is where none is named.
        config: says where it is, and where photos come from.
        source: of the rows made of them.
        splits: of photos, where a list tells.

    Attributes:
        brought: photos that came.
        missed: those that did not, by id.

    Raises:
        InputError: there is no such folder, or none in a workspace in a bucket; or the template is none.
    """

    def __init__(self, ws: Workspace, config: OpenImagesConfig, source: str, splits: dict[str, str]) -> None:
        self._ws, self._config, self._source, self._splits = ws, config, source, splits
        self._folder = self._find_folder()
        self.brought = 0
        self.missed: dict[str, Miss] = {}

    def find(self, image_id: str) -> Path | None:
        """Return where a photo is, None where it is not."""
        if not _is_name(image_id):
            return None  # an id with a slash must not lead out of the folder
        places = (self._folder / below / f"{image_id}{suffix}" for below in _BELOW for suffix in _SUFFIXES)
        return next((path for path in places if path.is_file()), None)

    def why_not(self, image_id: str) -> Miss:
        """Return why a photo is not there."""
        return self.missed.get(image_id) or Miss(Reason.IMAGE_NOT_FOUND, f"no {image_id}.jpg below {self._folder}")

    def bring(self, ids: Iterable[str], progress: Progress) -> None:
        """Bring those that are neither there nor settled in an earlier run; each file appears whole.

        Raises:
            InputError: the template is none, or nothing tells the split that it needs.
        """
        self._check_template()
        with self._ws.writing(self._source):
            progress.start("photos")
            for image_id, miss in LocalExecutor(_SAVED_AT_ONCE).map(self._save, self._arrivals(self._wanted(ids))):
                if miss is None:
                    self.brought += 1
                else:
                    self.missed[image_id] = miss
                progress.advance(1, int(miss is not None))
            progress.finish()

    def _wanted(self, ids: Iterable[str]) -> Iterator[str]:
        """Yield those to be brought, each once: boxes of a photo need not stand together."""
        settled = self._settled()
        for image_id in ids:
            if image_id not in settled and _is_name(image_id) and self.find(image_id) is None:
                settled.add(image_id)
                yield image_id

    def _find_folder(self) -> Path:
        if self._config.images is None and self._config.fetch_from is None:
            raise InputError("Name the folder with the photos, with --images FOLDER, or where to --fetch-from.")
        if self._config.images is None and isinstance(self._ws.path, RemotePath):
            raise InputError(f"{self._ws.path} is in a bucket; name a folder for the photos, with --images FOLDER.")
        folder = self._config.images or self._ws.path / "openimages"
        if not folder.is_dir() and self._config.fetch_from is None:
            raise InputError(f"{folder} is not a folder; name the one that holds <ImageID>.jpg files.")
        return folder

    def _check_template(self) -> None:
        template = self._config.fetch_from or ""
        for name in _NAME.findall(template):
            if name not in ("id", "split"):
                raise UnknownName("name in --fetch-from", name, ["id", "split"])
        if "{id}" not in template or not is_url(template):
            raise InputError(
                f"--fetch-from {template} is no URL with {{id}}, such as https://HOST/{{split}}/{{id}}.jpg."
            )

    def _settled(self) -> set[str]:
        """Return the ids whose boxes became rows or failures, and are not to be tried again."""
        rows = self._ws.images.to_table(f"source = {quote(self._source)}", columns=["parent_id"])
        settled: set[str] = set(rows["parent_id"].to_pylist())
        again: set[str] = set()
        for key, reason in self._ws.failures_of("acquire", self._source).reasons().items():
            image_id = key.removeprefix(self._config.id_prefix).rpartition("_")[0]
            (again if reason in self._config.reasons_to_retry else settled).add(image_id)
        return settled - again

    def _arrivals(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes | Miss]]:
        """Yield what comes of each id, in any order."""
        template = self._config.fetch_from or ""
        if not template.startswith(("http://", "https://")):
            yield from LocalExecutor(self._config.per_host).map(self._read, ids)
            return
        shared = self._config.model_dump(include=set(FetchOptions.model_fields))
        shared["ports"] = sorted({*self._config.ports, parse_url(_NAME.sub("x", template)).port})
        with Fetcher(FetchOptions(**shared)) as fetcher:
            for result in fetcher.fetch_all(Request(image_id, self._url(image_id)) for image_id in ids):
                if isinstance(result, Fetched):
                    yield result.key, result.body
                else:
                    yield result.key, Miss(result.reason, f"{result.url}: {result.detail}")

    def _read(self, image_id: str) -> tuple[str, bytes | Miss]:
        """Bring a photo from a bucket."""
        url = self._url(image_id)
        try:
            return image_id, place(url).read_bytes()
        except FileNotFoundError:
            return image_id, Miss(Reason.NOT_FOUND, f"{url}: no such object.")
        except RemoteError as error:
            return image_id, Miss(error.reason, str(error))

    def _url(self, image_id: str) -> str:
        split = self._split(image_id)
        template = self._config.fetch_from or ""
        if "{split}" in template and not split:
            raise InputError(f"Nothing tells the split of {image_id}, which --fetch-from needs; add --split train.")
        return template.replace("{split}", split).replace("{id}", quoted(image_id, safe=""))

    def _split(self, image_id: str) -> str:
        listed = self._splits.get(image_id, "")
        named = next((split for split in _BELOW if split and split in self._config.boxes.name), "")
        return listed if listed and listed in _BELOW else self._config.split or named

    def _save(self, arrived: tuple[str, bytes | Miss]) -> tuple[str, Miss | None]:
        """Put a photo into its place, if it is one."""
        image_id, data = arrived
        if isinstance(data, Miss):
            return image_id, data
        try:
            probe_image(data, max_bytes=self._config.max_bytes, max_pixels=self._config.max_pixels)
        except ImageError as error:
            return image_id, Miss(error.reason, f"{self._url(image_id)}: {error.detail}")
        with replace_file(self._folder / self._split(image_id) / f"{image_id}.jpg") as temporary:
            temporary.write_bytes(data)
        return image_id, None


def _is_name(image_id: str) -> bool:
    return PurePosixPath(image_id).name == image_id
