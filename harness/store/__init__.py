"""Where made things live: content-addressed, locked, atomic, verified."""

from harness.store._manifest import Manifest
from harness.store._store import Artefact, Build, Store

__all__ = ["Artefact", "Build", "Manifest", "Store"]
