"""The harness's own exceptions: one line each, with what failed, the value, and the remedy."""

from __future__ import annotations


def install(*extras: str) -> str:
    """The command that installs ``extras`` of this package."""
    return f"python -m pip install 'lora-memory-harness[{','.join(extras)}]'"


def first_line(error: BaseException) -> str:
    """The message of ``error`` in one line.

    A first line that ends with a colon only announces the second, so the second is added. A
    KeyError's message is just the key, so its class name is put before it.
    """
    text = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
    first, *more = text.strip().splitlines() or [type(error).__name__]
    return f"{first} {more[0].strip()}" if more and first.endswith(":") else first


class HarnessError(Exception):
    """Any error that a user can correct. The plugin prints its message without a traceback."""


class RecipeError(HarnessError):
    """A recipe cannot be built as it is written (rank 0, unknown preset, ...)."""


class DataError(HarnessError):
    """A text, fact table or probe file cannot be used as it is."""


class ModelError(HarnessError):
    """A base model or adapter cannot be loaded, or does not fit the request."""


class StoreError(HarnessError):
    """The artefact store cannot be read or written."""


class NotCachedError(StoreError):
    """An artefact is not in the store, and this command builds none."""


class MissingExtraError(HarnessError):
    """An optional package is not installed. The message has the command that installs it."""

    def __init__(self, what: str, extra: str, detail: str = "") -> None:
        """``what`` needs our ``extra``; ``detail``: what is installed, but does not work."""
        line = f"{what} is not installed: {install(extra)}"
        super().__init__(f"{line} ({detail})" if detail else line)
