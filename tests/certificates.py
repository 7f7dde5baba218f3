"""Certificates for servers of tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path, *addresses: str) -> Path:
    """Return a file with a certificate of these addresses, signed by itself, and its key; skip without openssl."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    made, key = folder / "certificate.pem", folder / "key.pem"
    names = "subjectAltName=" + ",".join(f"IP:{address}" for address in addresses)
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=us", "-addext", names]
    words = ["openssl", "req", "-x509", "-nodes", *kind, "-keyout", str(key), "-out", str(made)]
    subprocess.run(words, check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    return made
