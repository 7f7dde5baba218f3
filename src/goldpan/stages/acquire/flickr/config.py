"""What can be set for `acquire flickr`: the options of the original, how they are asked, what is downloaded."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from goldpan.core.config import runtime_field
from goldpan.core.errors import InputError
from goldpan.stages.acquire.config import WebConfig
from goldpan.stages.acquire.flickr.copies import Size
from goldpan.stages.acquire.flickr.entries import EXTRAS

ENDPOINT = "https://api.flickr.com/services/rest/"
PER_PAGE = 1000
"""Asked for, as in the original; Flickr gives 500."""
Sort = Literal[
    "date-posted-asc", "date-posted-desc", "date-taken-asc", "date-taken-desc", "interestingness-asc",
    "interestingness-desc", "relevance",
]  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?|\d+")


class FlickrConfig(WebConfig):
    """Classes to search for on Flickr, or search results to download."""

    classes: Path | None = Field(
        None, description='JSON: a list of wnids, {"wnid": ["term", ...]}, or ImageNetV2\'s class_info.json.'
    )
    api_key_file: Path | None = runtime_field(None, 'JSON file ["key", "secret"] of Flickr\'s API.')
    from_search: list[Path] = Field(
        [], description="Download these search results, or folders of them, and search for nothing."
    )
    class_info: Path | None = Field(None, description="ImageNetV2's class_info.json, where the classes are bare wnids.")
    hand_selected_synset: Path | None = Field(
        None, description='JSON {"wnid": ["term", ...]}: terms in place of the usual ones.'
    )
    additional_terms: Path | None = Field(
        None,
        description='JSON {"wnid": ["word", ...]}: the first word is added to every term; or WordNet 3.0\'s data.noun: '
        "then it is the first word of the gloss that names a class one level up.",
    )
    concatenate_compounds: bool = Field(False, description='Take the blanks out of terms: "cassetteplayer".')
    max_images: int | None = Field(None, description="Photos of a class, shared out evenly to its terms.", ge=1)
    min_date_taken: str | None = Field("2012-07-11", description="Photos taken since; a date, or none.")
    max_date_taken: str | None = Field("2013-07-11", description="Photos taken until; a date, or none.")
    min_date_uploaded: str | None = Field("2012-07-11", description="Photos uploaded since; a date, or none.")
    max_date_uploaded: str | None = Field("2013-07-11", description="Photos uploaded until; a date, or none.")
    search_sort: Sort = Field("date-posted-asc", description="Order of Flickr's answers.")
    round: str = Field("", description="A name; under another one Flickr is asked anew what it answered before.")
    search_json: Path | None = Field(None, description="Search results are written here; by default in the workspace.")
    search_only: bool = Field(False, description="Download nothing yet.")
    blacklist: Path | None = Field(None, description='JSON {"id": "reason"} of photos that are not downloaded.')
    copies: list[Size] = Field(
        [], description="Copies to make of each photo: scaled (256 x 256) and mturk (long side 500), as JPEG."
    )
    batch: bool = Field(False, description="Pack the scaled copies in tars of 1,000, named by ImageNetV2's key.")
    endpoint: str = runtime_field(ENDPOINT, "Flickr's API.")
    requests_per_hour: float = runtime_field(3600.0, "Requests to the API, at equal distances.", gt=0)

    @field_validator("min_date_taken", "max_date_taken", "min_date_uploaded", "max_date_uploaded")
    @classmethod
    def _is_date(cls, text: str | None) -> str | None:
        if text in (None, "", "none"):
            return None
        try:
            if not _DATE.fullmatch(str(text)):
                raise ValueError(text)
            if not str(text).isdigit():
                datetime.fromisoformat(str(text))  # which knows that there is no month 13
        except ValueError as error:
            raise ValueError("a date is YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, seconds since 1970, or none") from error
        return text

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if bool(self.from_search) == (self.classes is not None):
            raise InputError("Give either --classes to search for, or --from-search results to download.")
        if self.classes is not None and self.api_key_file is None:
            raise InputError('Searching needs --api-key-file, a JSON file ["key", "secret"]; Flickr gives out keys.')
        if self.batch and "scaled" not in self.copies:
            raise InputError("Batches are of scaled copies; add --copies scaled to --batch.")
        return self

    @property
    def asked(self) -> dict[str, Any]:
        """The bounds and the order of the search, by the names that entries have for them."""
        return {
            "max_taken_date": self.max_date_taken,
            "max_uploaded_date": self.max_date_uploaded,
            "min_taken_date": self.min_date_taken,
            "min_uploaded_date": self.min_date_uploaded,
            "search_sort": self.search_sort,
            "max_images": self.max_images,
        }

    def query(self, term: str) -> dict[str, Any]:
        """Return the parameters of `flickr.photos.search` for a term."""
        bounds = {
            "min_taken_date": self.min_date_taken,
            "max_taken_date": self.max_date_taken,
            "min_upload_date": self.min_date_uploaded,
            "max_upload_date": self.max_date_uploaded,
        }
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"text": term, **given, "sort": self.search_sort, "per_page": PER_PAGE, "extras": EXTRAS}
