"""Where made things live: content-addressed, locked, atomic, verified."""

from harness.store._manifest import Journal, Manifest
from harness.store._store import Artefact, Build, Store, StoredArtefact
from harness.store._upkeep import Choice, choose, needs

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
