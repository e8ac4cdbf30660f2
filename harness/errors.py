"""The harness's own exceptions: one line each, saying what failed, the value seen, and the mend."""

from __future__ import annotations


def install(*extras: str) -> str:
    """The line that installs ``extras``."""
    return f"python -m pip install 'lora-memory-harness[{','.join(extras)}]'"


def first_line(error: BaseException) -> str:
    """What ``error`` says, in one line.

    The second line is added where the first only announces it, and the kind where it is a key.
    """
    text = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
    first, *more = text.strip().splitlines() or [type(error).__name__]
    return f"{first} {more[0].strip()}" if more and first.endswith(":") else first


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


class NotCachedError(StoreError):
    """An artefact is asked for that was never built, where nothing is to be built."""


class MissingExtraError(HarnessError):
    """An optional package is not installed; the message holds the line that installs it."""

    def __init__(self, what: str, extra: str, found: str = "") -> None:
        """``what`` needs ``extra`` of ours; ``found`` says what is there but does not work."""
        line = f"{what} is not installed: {install(extra)}"
        super().__init__(f"{line} ({found})" if found else line)
