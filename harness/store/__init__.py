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
from harness.store._objects import is_url
from harness.store._shared import CACHE, SharedStore, existing_store, open_store
from harness.store._store import Artefact, Build, Store

__all__ = [
    "CACHE",
    "Artefact",
    "Build",
    "Checkpoints",
    "Choice",
    "Journal",
    "Manifest",
    "SharedStore",
    "Store",
    "StoredArtefact",
    "choose",
    "content_of",
    "existing_store",
    "file_sha256",
    "is_url",
    "library_versions",
    "needs",
    "open_store",
]
