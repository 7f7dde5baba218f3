"""What can be set when retrieving."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError
from goldpan.encoders.options import EncoderOptions
from goldpan.formats.chunks import Layout
from goldpan.formats.class_lists import ClassList, classes_of, read_classes
from goldpan.search.captions.modes import Mode


class ClassesConfig(Config):
    """Which classes are looked for."""

    classes: Path | None = Field(
        None, description="The classes: .json, .toml, .csv, .txt, or a template of unmet-promise in .py."
    )
    names: list[str] = Field([], description="A class by its name, in place of --classes; may be given several times.")

    @model_validator(mode="after")
    def _are_listed_once(self) -> Self:
        if (self.classes is None) == (not self.names):
            raise InputError("Name the classes: --classes FILE, or --names tench --names goldfish.")
        return self

    def listed(self) -> ClassList:
        """Return the classes.

        Raises:
            InputError: they cannot be read.
            FormatError: they are no list of classes.
        """
        return classes_of(self.names) if self.classes is None else read_classes(self.classes)


class SubstringConfig(ClassesConfig):
    """Which captions, of which classes, looked for how."""

    metadata: list[Path] = Field(description="Files of captions, or folders of them.", min_length=1)
    output: Path = Field(description="Folder for chunk_0.json ... and summary.json.")
    mode: Mode = Field(
        "fts",
        description="fts: the words of a class in any order, or its expression in the language of SQLite FTS5; "
        "phrase: its words in order; substring: its letters, within words too; regex: an expression of RE2.",
    )
    column: str | None = Field(None, description="Column of captions; usual names are found.")
    per_class: int | None = Field(None, description="At most so many rows a class, the first ones.", ge=1)
    where: list[str] = Field([], description='Take only rows that fit, such as "WIDTH >= 256" or "LICENSE != ?".')
    keep_nsfw: bool = Field(False, description="Take rows that are marked NSFW too.")
    layout: Layout = Field("json", description="Of the chunks: unmet-promise's JSON, or Parquet.")
    index: Literal["auto", "always", "never"] = runtime_field(
        "auto",
        "Of tables of `goldpan retrieve index`: ask the index where that is faster, wherever it can be, or never.",
    )
    workers: int | None = runtime_field(None, "Batches looked at at once; the processors by default.", ge=1)


class SemanticConfig(ClassesConfig):
    """Which pool, which classes, and how many rows of each."""

    output: Path = Field(description="Folder for chunk_0.json ... and summary.json.")
    pool: Path | None = Field(None, description="A workspace, or an index folder, ours or clip-retrieval's.")
    indices: Path | None = Field(None, description="An indices.json of clip-retrieval, in place of --pool.")
    index: str | None = Field(None, description="Which entry of --indices; the first by default.")
    encoder: str | None = Field(None, description="Encoder of the queries; the pool's own where it says which.")
    results_per_query: int = Field(500, description="Rows a query is asked for, of each index.", ge=1)
    modality: Literal["image", "text", "both"] = Field(
        "both", description="Which indexes are asked, where there are two."
    )
    ensemble: bool = Field(
        False, description="Ask once a class with the mean of its templates, as CLIP classifies, not once a template."
    )
    subset: bool = Field(False, description="Take the few templates that the classes name as templates_subset.")
    dedup: float = Field(
        0.94,
        description="Of the answers to one query, leave out those whose vector has this cosine to a nearer one that "
        "stays; 0 keeps all.",
        ge=0,
        le=1,
    )
    per_class: int | None = Field(None, description="At most so many rows a class, the nearest ones.", ge=1)
    min_similarity: float | None = Field(None, description="Leave out rows below this similarity.")
    where: list[str] = Field([], description='Take only rows that fit, such as "WIDTH >= 256" or "LICENSE != ?".')
    keep_nsfw: bool = Field(False, description="Take rows that are marked NSFW too.")
    columns: list[str] = Field([], description="Columns of the metadata to write; those the pool returns by default.")
    layout: Layout = Field("json", description="Of the chunks: unmet-promise's JSON, or Parquet.")
    batch_classes: int = runtime_field(16, "Classes asked for at once.", ge=1)

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if (self.pool is None) == (self.indices is None):
            raise InputError("Name what to search: --pool WORKSPACE_OR_INDEX, or --indices indices.json.")
        if self.index is not None and self.indices is None:
            raise InputError(f"--index {self.index} chooses an entry of --indices; give that too.")
        return self


class FilterConfig(Config):
    """Which images of a workspace are kept, by what they show and by what they must not repeat."""

    output: Path = Field(description="Text file of the ids that stay, a line each; reasons of the others beside it.")
    encoder: str | None = Field(None, description="Vectors of images and texts (CLIP); needed where there are several.")
    classes: Path | None = Field(
        None, description="The classes: an image is compared with the mean of the templates of its label."
    )
    texts: list[str] = Field([], description="In place of --classes: an image is compared with the nearest of these.")
    threshold: float = Field(0.2, description="Least similarity to the text.")
    class_thresholds: Path | None = Field(None, description="JSON of class -> threshold, in place of --threshold.")
    top_percent: float | None = Field(
        None, description="Keep so many percent of each class, the nearest, in place of --threshold.", gt=0, le=100
    )
    per_class: int | None = Field(None, description="At most so many images a class, the nearest ones.", ge=1)
    against: Path | None = Field(None, description="Workspace of a test set: images near one of it go.")
    against_encoder: str | None = Field(None, description="Vectors to compare with the test set; both have them.")
    against_threshold: float = Field(
        0.604169, description="Cosine above which an image repeats one of the test set; that of ISC descriptors."
    )
    imagefolder: Path | None = Field(
        None, description="Write the images that stay to this folder too, a folder a class, and metadata.json."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.classes is not None) and self.texts:
            raise InputError("Give --classes or --texts, not both.")
        if self.class_thresholds is not None and self.top_percent is not None:
            raise InputError("Give --class-thresholds or --top-percent, not both.")
        if (self.against is None) != (self.against_encoder is None):
            raise InputError("--against names a test set, --against-encoder the vectors to compare: give both or none.")
        by_text = self.classes is not None or bool(self.texts)
        if not by_text and (self.encoder or self.class_thresholds or self.top_percent or self.per_class):
            raise InputError(
                "--encoder, thresholds, --top-percent and --per-class compare with a text: give --classes."
            )
        if not by_text and self.against is None:
            raise InputError("Nothing to filter by: give --classes, --texts or --against.")
        return self


class EmbedCaptionsConfig(EncoderOptions):
    """Captions to vectors, a part a file, in the folder layout of clip-retrieval."""

    metadata: list[Path] = Field(description="Files of captions, or folders of them.", min_length=1)
    encoder: str = Field(description="Encoder with a text tower, such as clip:ViT-L-14/openai or onnx:DIR.")
    folder: Path = Field(description="Where text_emb/text_emb_0000.npy and metadata/metadata_0000.parquet ... go.")
    column: str | None = Field(None, description="Column of captions; usual names are found.")
    dtype: Literal["float16", "float32"] = Field("float16", description="How vectors are stored.")
    job_index: int = runtime_field(0, "Do files I, I + N, I + 2 N ..., I counted from 0.", ge=0)
    total_jobs: int = runtime_field(1, "The N of --job-index, for job arrays.", ge=1)
    batch_size: int | None = runtime_field(None, "Captions a batch; the encoder's own default where not given.", ge=1)

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.job_index >= self.total_jobs:
            raise InputError(f"--job-index {self.job_index}: jobs count from 0 to {self.total_jobs - 1}.")
        return self
