"""The harness's own exceptions: one line each, saying what failed, the value seen, and the mend."""

from __future__ import annotations


class HarnessError(Exception):
    """Anything a user can mend. The plugin prints its message without a traceback."""


class RecipeError(HarnessError):
    """A recipe asks for something that cannot be made (rank 0, unknown preset, ...)."""


class DataError(HarnessError):
    """A text, fact table or probe file cannot be used as it is."""


class ModelError(HarnessError):
    """A base model or adapter cannot be loaded, or does not fit what was asked of it."""


class StoreError(HarnessError):
    """The artefact store cannot be read or written."""


class MissingExtraError(HarnessError):
    """An optional engine is not installed; the message holds the ``pip install`` line."""
