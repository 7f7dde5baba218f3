"""What can be set when large files are brought."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from goldpan.core.config import runtime_field
from goldpan.fetch.options import TransferOptions


class BulkConfig(TransferOptions):
    """Where files go, and what is known of them."""

    output: Path = Field(description="The folder they go into.")
    manifest: Path | None = Field(
        None, description="What the files must be: lines of md5sum or sha256sum, or JSON with size, md5, sha256."
    )
    files_at_once: int = runtime_field(8, "Files brought at once.", ge=1, le=256)


class FilesConfig(BulkConfig):
    """Files of any kind."""

    urls: list[str] = Field(
        description="Where they are: http(s), hf://datasets/OWNER/NAME/GLOB, s3://BUCKET/GLOB; {0000..2313}, {a,b} and "
        "{i:04d} stand for many.",
        min_length=1,
    )
    parts: str | None = Field(None, description="What {i} stands for: numbers and ranges, such as 0-9,17.")


class LaionConfig(BulkConfig):
    """A folder as clip-retrieval has it: embeddings, metadata, indexes."""

    img_emb: list[str] = Field([], description="URLs of .npy shards of image embeddings, as acquire files takes them.")
    text_emb: list[str] = Field([], description="URLs of .npy shards of text embeddings.")
    metadata: list[str] = Field([], description="URLs of .parquet or .arrow shards of metadata.")
    image_index: list[str] = Field([], description="URLs of the files of an index of images.")
    text_index: list[str] = Field([], description="URLs of the files of an index of texts.")
    parts: str | None = Field(None, description="What {i} stands for: numbers and ranges, such as 0-9,17.")


class SisapConfig(BulkConfig):
    """Files of a SISAP indexing challenge."""

    year: int = Field(description="Year of the challenge: 2023 to 2026.")
    data: str = Field("clip768", description="2023: clip768, pca32, pca96 or hamming; later: the name of the data.")
    size: str | None = Field(None, description="2023, 2024: which size, such as 300K.")
    private: bool = Field(False, description="2023: the private queries and their gold in place of the public ones.")
    base_url: str | None = Field(None, description="Bring them from below this URL instead, by the same names.")
