"""The harness's own exceptions: one line each, with what failed, the value, and the remedy."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


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


class TooLittleKnownError(HarnessError):
    """A model knows too little for a scenario: nothing is measured on it, others may run."""


class LaunchError(HarnessError):
    """Builds cannot run where they were sent, or failed there."""


class MissingExtraError(HarnessError):
    """An optional package is not installed. The message has the command that installs it."""

    def __init__(self, what: str, extra: str, detail: str = "") -> None:
        """``what`` needs our ``extra``; ``detail``: what is installed, but does not work."""
        line = f"{what} is not installed: {install(extra)}"
        super().__init__(f"{line} ({detail})" if detail else line)


PACKAGE = "harness_suite_"
"""How the package begins that a folder with ``scenario.py`` is loaded as."""


@contextmanager
def code_of(what: str) -> Iterator[None]:
    """Code that a user wrote: an exception in it is one line with file, line and ``what``.

    Raises:
        RecipeError: it failed.
        DataError: it met a mistake in data.
        HarnessError: any other of ours, as it is.
    """
    try:
        yield
    except HarnessError as error:
        place = _place(error)
        if not place or type(error) not in (RecipeError, DataError):
            raise
        raise type(error)(f"{place}: {error}") from error
    except (Exception, SystemExit) as error:
        said = first_line(error)
        kind = type(error).__name__
        said = said if said.startswith(kind) else f"{kind}: {said}"
        raise RecipeError(f"{_place(error) or what}: {said}") from error


def _place(error: BaseException) -> str:
    """File and line in the folder of a scenario at which ``error`` was met; empty elsewhere."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).startswith(PACKAGE)
    ]
    return f"{frames[-1][0]}, line {frames[-1][1]}" if frames else ""
