"""The artefact store: content-addressed, locked, written atomically, verified when read."""

from harness.store._checkpoints import Checkpoints
from harness.store._manifest import (
    Choice,
    Journal,
    Manifest,
    StoredArtefact,
    choose,
    content_of,
    file_sha256,
    library_versions,
    needs,
)
from harness.store._store import Artefact, Build, Store

__all__ = [
    "Artefact",
    "Build",
    "Checkpoints",
    "Choice",
    "Journal",
    "Manifest",
    "Store",
    "StoredArtefact",
    "choose",
    "content_of",
    "file_sha256",
    "library_versions",
    "needs",
]
