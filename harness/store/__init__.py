"""The artefact store: content-addressed, locked, written atomically, verified when read."""

from harness.store._manifest import Journal, Manifest
from harness.store._store import Artefact, Build, Store
from harness.store._upkeep import Choice, StoredArtefact, choose, needs

__all__ = [
    "Artefact",
    "Build",
    "Choice",
    "Journal",
    "Manifest",
    "Store",
    "StoredArtefact",
    "choose",
    "needs",
]
