"""A page of search results with the pictures inside: one file that opens from disk, no script, no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goldpan.core.errors import ImageError, InputError
from goldpan.imaging.opening import open_image
from goldpan.imaging.transforms import thumbnail_jpeg
from goldpan.stages.search.run import Answer, Hit
from goldpan.store.workspace import Workspace

_SIDE = 224


def write_gallery(path: Path, ws: Workspace, answers: Sequence[Answer], title: str = "goldpan search") -> None:
    """Write the hits of each answer as a grid of pictures with rank, score, label and caption.

    Raises:
        InputError: the page cannot be written there.
    """
    shown = [{"answer": answer, "hits": cards(ws, answer)} for answer in answers]
    write_page(path, "gallery.html", title=title, workspace=str(ws.path), answers=shown)


def write_page(path: Path, template: str, **values: Any) -> None:
    """Fill one of our templates (values are escaped) and write it.

    Raises:
        InputError: the page cannot be written there.
    """
    import jinja2

    places = jinja2.Environment(loader=jinja2.PackageLoader("goldpan.web"), autoescape=True)
    try:
        path.write_text(places.get_template(template).render(**values), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; name a file in a folder that exists.") from error


def cards(ws: Workspace, answer: Answer) -> list[dict[str, Any]]:
    """Return each hit with its picture, or with the reason why there is none."""
    return [_card(ws, hit) for hit in answer.hits]


def _card(ws: Workspace, hit: Hit) -> dict[str, Any]:
    picture, problem = None, None
    try:
        picture = thumbnail(ws, hit.image)
    except ImageError as error:
        problem = error.detail
    return {"hit": hit, "picture": picture, "problem": problem}


def thumbnail(ws: Workspace, image: dict[str, Any], side: int = _SIDE) -> str:
    """Return the picture of a row of `images` as a data URL.

    Raises:
        ImageError: its file cannot be opened any more.
    """
    opened = open_image(ws.blobs.read(image.get("uri") or "")).image
    cropped = opened.crop(tuple(image["box"])) if image.get("box") else opened
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail_jpeg(cropped, side)).decode()
