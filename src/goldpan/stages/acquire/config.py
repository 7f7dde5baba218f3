"""What can be set for each source of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from goldpan.compute.config import Spread
from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import Reason, UnknownName
from goldpan.fetch.options import FetchOptions
from goldpan.fetch.retry import is_transient
from goldpan.imaging.resizing import Resize
from goldpan.stages.acquire.output_config import OutputConfig

Flag = Literal["IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"]
ALL, TRANSIENT = "all", "transient"


class SourceConfig(Config):
    """What every source shares."""

    id_prefix: str = Field("", description="Put before every id, such as 'bsds/', when sources share names.")
    retry: list[str] = runtime_field(
        [], "Try the items again that failed for this reason; 'transient': that may pass by itself; or 'all'."
    )
    retry_failures: bool = runtime_field(False, "Try the items that failed before once more; the same as --retry all.")

    @field_validator("retry")
    @classmethod
    def _known_reasons(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in (ALL, TRANSIENT, *Reason):
                raise UnknownName("reason", name, [ALL, TRANSIENT, *Reason])
        return names

    @property
    def reasons_to_retry(self) -> frozenset[Reason]:
        """Reasons of the failures that are tried again."""
        everything = self.retry_failures or ALL in self.retry
        transient = TRANSIENT in self.retry
        return frozenset(
            reason for reason in Reason if everything or reason in self.retry or (transient and is_transient(reason))
        )


class AcquireConfig(Spread, SourceConfig):
    """What sources of files share."""

    copy_bytes: bool = Field(False, description="Store a copy of each file in the workspace instead of its address.")
    max_pixels: int = Field(1 << 28, description="Refuse images with more pixels than this, before decoding.", ge=1)
    max_bytes: int = Field(1 << 28, description="Refuse files larger than this.", ge=1)
    workers: int | None = runtime_field(None, "Files read at once; the number of processors by default.", ge=1)


class FolderConfig(AcquireConfig):
    """A tree of image files."""

    folder: Path = Field(description="The folder; every image file below it is taken, in sorted order.")
    label_pattern: str | None = Field(
        None,
        description="Regular expression searched in each path (without its suffix); named groups become columns, "
        "such as '(?P<wnid>n\\d{8})_(?P<label>.+)'.",
    )


class TableConfig(AcquireConfig):
    """A list of local image files."""

    table: Path = Field(description="The .parquet, .csv, .tsv, .json or .jsonl file, or Lance table.")
    path_column: str | None = Field(None, description="Column with the file's path; usual names are found.")
    id_column: str | None = Field(None, description="Column with a unique id; the path by default.")
    label_column: str | None = Field(None, description="Column for `label`.")
    caption_column: str | None = Field(None, description="Column for `caption`.")
    root: Path | None = Field(None, description="Folder that relative paths start from; the table's own by default.")


class WebDatasetConfig(AcquireConfig):
    """Tar shards in the WebDataset layout."""

    shards: list[Path] = Field(description="The .tar files, or folders of them.", min_length=1)


class WebConfig(Spread, FetchOptions, Resize, OutputConfig, SourceConfig):
    """What sources share that are fetched from the web, or from a mirror of it."""

    mirror: str | None = runtime_field(
        None,
        "Fetch each URL from here instead, such as http://127.0.0.1:8000/{sha256}.jpg; also {url}, {host}, {path}, "
        "{query}, {url_sha256}, {md5}, {id}. The record keeps the URL.",
    )
    keep_bytes: bool = Field(
        True, description="Keep the bytes that came; by default unless a size, mode, format or quality is given."
    )
    workers: int | None = runtime_field(None, "Processes that decode; the number of processors by default.", ge=1)

    @model_validator(mode="before")
    @classmethod
    def _keep_unless_asked(cls, fields: dict[str, Any]) -> dict[str, Any]:
        asked = fields.keys() & {"image_size", "resize_mode", "encode_format", "encode_quality"}
        return {"keep_bytes": not asked, **fields}


class UrlsConfig(WebConfig):
    """Lists of URLs."""

    lists: list[Path] = Field(
        description="Files that list URLs (.parquet, .csv, .tsv, .json, .jsonl, .txt; texts also .gz), folders of "
        "them, or Lance tables, also by their name in the workspace.",
        min_length=1,
    )
    url_column: str | None = Field(None, description="Column with the URL; usual names are found.")
    caption_column: str | None = Field(None, description="Column for `caption`; usual names are found.")
    id_column: str | None = Field(None, description="Column with a unique id; made from the URL where there is none.")
    label_column: str | None = Field(None, description="Column for `label`; usual names are found.")
    sha256_column: str | None = Field(None, description="Column with the SHA-256 that the bytes must have.")
    md5_column: str | None = Field(None, description="Column with the MD5 that the bytes must have.")
    box_column: str | None = Field(None, description="Column with boxes to blur; face_bboxes is found.")


class OpenImagesConfig(AcquireConfig, FetchOptions):
    """Open Images boxes: one row a crop."""

    boxes: Path = Field(description="Box annotations, such as oidv6-train-annotations-bbox.csv.")
    images: Path | None = Field(
        None,
        description="Folder with <ImageID>.jpg files, also below train/, validation/, test/; with --fetch-from they "
        "are brought there, by default to openimages/ in the workspace.",
    )
    image_list: Path | None = Field(None, description="Take only the images listed here, one train/<ImageID> a line.")
    class_descriptions: Path | None = Field(None, description="CSV of LabelName,DisplayName; makes labels readable.")
    min_side: int = Field(16, description="Smallest width and height of a crop, in pixels.", ge=1)
    exclude: list[Flag] = Field(default=[], description="Leave out boxes with these flags.")
    fetch_from: str | None = runtime_field(
        None,
        "Bring photos that are not there from here, such as "
        "https://open-images-dataset.s3.amazonaws.com/{split}/{id}.jpg, any mirror of it, or s3://BUCKET/{id}.jpg.",
    )
    split: Literal["train", "validation", "test"] | None = Field(
        None, description="What {split} is where no image list says; by default as the name of the box CSV has it."
    )
    per_host: int = runtime_field(32, "Transfers at once to one host.", ge=1, le=1000)

    @property
    def reasons_to_retry(self) -> frozenset[Reason]:
        """Reasons of the failures that are tried again; photos that were not found can be, where they are brought."""
        found = super().reasons_to_retry
        return found if self.fetch_from is None else found | {Reason.IMAGE_NOT_FOUND}
