"""Where made things live: content-addressed, locked, atomic, verified."""

from harness.store._manifest import Journal, Manifest
from harness.store._store import Artefact, Build, Kept, Store
from harness.store._upkeep import Choice, choose, needs

__all__ = ["Artefact", "Build", "Choice", "Journal", "Kept", "Manifest", "Store", "choose", "needs"]
