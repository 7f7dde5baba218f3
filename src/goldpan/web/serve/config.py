"""What can be set about the search server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError
from goldpan.core.place import Place

MIB = 1 << 20


class ServeConfig(Config):
    """What is served, to whom, and how much one request may take."""

    pools: list[Place] = Field([], description="Workspaces with vectors, and index folders, ours or clip-retrieval's.")
    indices: Path | None = Field(None, description="clip-retrieval's list of indexes, indices.json.")
    encoder: str | None = Field(
        None, description="Of workspaces, which vectors; of index folders, what made their vectors, such as onnx:DIR."
    )
    host: str | None = Field(None, description="Address to listen at: 127.0.0.1 and ::1, with --public 0.0.0.0.")
    port: int = Field(1234, description="Port to listen at; 0: any that is free.", ge=0, le=65535)
    public: bool = Field(
        False, description="Anyone who reaches the port may search: no token, any host name, pages of other sites too."
    )
    allow_host: list[str] = Field([], description="Host names that requests may name, besides those of this machine.")
    token_file: Path | None = Field(
        None, description="Write the token to this file (mode 0600) for scripts; it goes when the server ends."
    )
    keep: Path | None = Field(
        None, description="Workspace that rows chosen on the page may be put into; made where it is not there."
    )
    max_results: int = runtime_field(10_000, "Most answers to one request, over all its queries.", ge=1)
    max_queries: int = runtime_field(256, "Most queries in one request.", ge=1)
    max_pictures: int = runtime_field(200, "Most pictures inside one answer of clip-retrieval's API.", ge=0)
    picture_side: int = runtime_field(512, "Pixels of the long side of such a picture.", ge=16, le=4096)
    max_body: int = runtime_field(16 * MIB, "Bytes of the body of a request.", ge=1024)
    max_pixels: int = runtime_field(50_000_000, "Width times height of an image that is asked about or shown.", ge=1)
    max_requests: int = runtime_field(256, "Requests at work at once; more are turned away with 503.", ge=1)
    timeout: float = runtime_field(30.0, "Seconds a request may take.", gt=0)
    image_urls: bool = Field(True, description="Fetch images that queries name by URL.")
    remote_pictures: bool = Field(False, description="Fetch and show pictures that rows name by URL only.")
    allow_private: bool = Field(False, description="Fetch them from addresses that are not public too.")
    ports: list[Annotated[int, Field(gt=0, le=65535)]] = Field(
        [80, 443], description="Ports that their URLs may name.", min_length=1
    )
    aesthetic: Path | None = Field(
        None, description="Folder of rating0.npy to rating9.npy: what the options aesthetic_score and _weight add."
    )
    violence: Path | None = Field(
        None, description="NumPy file of two vectors; use_violence_detector drops what is nearer to the second."
    )
    safety: Path | None = Field(
        None, description="ONNX model from vectors to one probability; use_safety_model drops what is above 0.5."
    )

    @model_validator(mode="after")
    def _only_those_with_a_token_write(self) -> Self:
        if self.public and self.keep is not None:
            raise InputError("--public lets anyone in, and --keep lets them write to a workspace; choose one of them.")
        return self
