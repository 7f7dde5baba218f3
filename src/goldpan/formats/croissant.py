"""Croissant 1.0: the JSON-LD by which dataset search engines and loaders know a release.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from goldpan.formats.release import Manifest

CROISSANT = "croissant.json"
_ENCODINGS = {
    ".parquet": "application/x-parquet",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5",
}
_TYPES = {"int": "sc:Integer", "uint": "sc:Integer", "float": "sc:Float", "double": "sc:Float", "bool": "sc:Boolean"}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(folder: Path, manifest: Manifest, sums: dict[str, str]) -> None:
    """Write `croissant.json`: every file with its SHA-256, and the metadata tables as record sets.

    Args:
        folder: the release.
        manifest: what it holds.
        sums: SHA-256 by path within the folder.
    """
    text = json.dumps(croissant(folder, manifest, sums), indent=2)
    (folder / CROISSANT).write_text(text + "\n", encoding="utf-8")


def croissant(folder: Path, manifest: Manifest, sums: dict[str, str]) -> dict[str, Any]:
    """Return the JSON-LD document as plain values."""
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": re.sub(r"[^\w-]+", "-", manifest.title).strip("-") or "benchmark",
        "description": manifest.description,
        "version": "1.0.0",
        "datePublished": manifest.date,
        "license": manifest.license or "unknown",
        "url": manifest.url or "https://example.org/unpublished",
        "creator": {"@type": "sc:Organization", "name": manifest.creator or "unknown"},
        "citeAs": f"{manifest.title}, made with goldpan {manifest.goldpan}",
        "distribution": [_file(folder, name, digest) for name, digest in sorted(sums.items())],
        "recordSet": [
            _records(folder, name, part.metadata) for name, part in manifest.sets.items() if part.metadata is not None
        ],
    }
    return document


def _file(folder: Path, name: str, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{(folder / name).stat().st_size} B",
        "encodingFormat": _ENCODINGS.get(Path(name).suffix, "application/octet-stream"),
        "sha256": sha256,
    }


def _records(folder: Path, name: str, metadata: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    schema = pq.read_schema(folder / metadata)
    fields = []
    for column in schema:
        kind = column.type.value_type if hasattr(column.type, "value_type") else column.type
        plain = re.match(r"[a-z]+", str(kind))
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": f"{name}/{column.name}",
            "dataType": _TYPES.get(plain.group() if plain else "", "sc:Text"),
            "source": {"fileObject": {"@id": metadata}, "extract": {"column": column.name}},
        }
        if hasattr(column.type, "value_type"):
            field["repeated"] = True
        fields.append(field)
    about = f"One record a row of the {name} vectors, in the same order."
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": about, "field": fields}
