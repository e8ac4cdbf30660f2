"""The artefact store: content-addressed, locked, written atomically, verified when read."""

from harness.store._manifest import (
    Choice,
    Journal,
    Manifest,
    StoredArtefact,
    choose,
    content_of,
    file_sha256,
    needs,
)
from harness.store._store import Artefact, Build, Store

__all__ = [
    "Artefact",
    "Build",
    "Choice",
    "Journal",
    "Manifest",
    "Store",
    "StoredArtefact",
    "choose",
    "content_of",
    "file_sha256",
    "needs",
]
