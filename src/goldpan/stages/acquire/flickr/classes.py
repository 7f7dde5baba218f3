"""What to search for: the terms of every class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.json_text import read_json
from goldpan.formats.wordnet import Nouns
from goldpan.stages.acquire.flickr.config import FlickrConfig

Terms = dict[str, list[str]]
_FORMS = (
    'classes are a list of wnids, {"wnid": ["term", ...]}, or ImageNetV2\'s class metadata '
    '[{"wnid": ..., "synset": ["term", ...]}, ...].'
)
_AROUND_WORDS = " \t,;:.()\"'`"


def search_terms(config: FlickrConfig, classes: Path) -> Terms:
    """Return the terms of every class, in the order of the file, as they are sent to Flickr.

    Raises:
        InputError: a file cannot be read, a class has no terms, or `max_images` leaves a term none.
        FormatError: a file holds something else.
    """
    terms = _read_classes(classes, config.class_info)
    if config.hand_selected_synset is not None:
        chosen = _read_terms(config.hand_selected_synset, "hand-selected terms")
        terms = {name: chosen.get(name, usual) for name, usual in terms.items()}
    empty = next((name for name, usual in terms.items() if not usual), None)
    if empty is not None:
        raise InputError(
            f"{empty} has no search terms; give some in {classes}, --class-info or --hand-selected-synset."
        )
    if config.additional_terms is not None:
        added = _additional_terms(config.additional_terms, terms)
        terms = {name: [f"{term} {added[name]}" if name in added else term for term in terms[name]] for name in terms}
    if config.concatenate_compounds:
        terms = {name: [term.replace(" ", "") for term in usual] for name, usual in terms.items()}
    terms = {name: list(dict.fromkeys(usual)) for name, usual in terms.items()}
    most = max(map(len, terms.values()), default=0)
    if config.max_images is not None and config.max_images < most:
        raise InputError(
            f"--max-images {config.max_images} leaves a class of {most} terms none for each; give {most} or more."
        )
    return terms


def _read_classes(path: Path, class_info: Path | None) -> Terms:
    content = read_json(path, "the classes")
    if isinstance(content, dict) and content:
        return _as_terms(path, content)
    if not isinstance(content, list) or not content:
        raise FormatError(path, _FORMS)
    if isinstance(content[0], dict):
        return _from_metadata(path, content)
    if not all(isinstance(name, str) for name in content):
        raise FormatError(path, _FORMS)
    if class_info is None:
        return {name: [] for name in content}
    known = _from_metadata(class_info, read_json(class_info, "the class metadata"))
    return {name: known.get(name, []) for name in content}


def _from_metadata(path: Path, content: Any) -> Terms:
    if not isinstance(content, list) or not all(isinstance(item, dict) and "wnid" in item for item in content):
        raise FormatError(path, _FORMS)
    return _as_terms(path, {item["wnid"]: item.get("synset") for item in content})


def _read_terms(path: Path, what: str) -> Terms:
    return _as_terms(path, read_json(path, what))


def _as_terms(path: Path, content: Any) -> Terms:
    fits = isinstance(content, dict) and all(
        isinstance(name, str)
        and isinstance(terms, list)
        and all(isinstance(term, str) and term.strip() for term in terms)
        for name, terms in content.items()
    )
    if not fits:
        raise FormatError(path, _FORMS)
    return dict(content)


def _additional_terms(path: Path, classes: Terms) -> dict[str, str]:
    """Return one more word for the classes that have one: from a JSON file, or out of WordNet."""
    if path.suffix == ".json":
        return {name: terms[0] for name, terms in _read_terms(path, "additional terms").items() if terms}
    nouns = Nouns(path)
    return {name: word for name in classes if (word := _word_above(nouns, name)) is not None}


def _word_above(nouns: Nouns, wnid: str) -> str | None:
    """Return the first word of a class's gloss that names a class one level up."""
    synset = nouns.synset(wnid)
    above = {word for hypernym in synset.hypernyms for word in nouns.synset(hypernym).words}
    return next((word for word in (raw.strip(_AROUND_WORDS) for raw in synset.gloss.split()) if word in above), None)
