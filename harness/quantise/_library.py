"""GPTQModel, kept to itself: its import prints a banner, moves the hub's cache and turns on everybody's logging."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from typing import Any

from harness.errors import MissingExtraError
from harness.quiet import quiet

NAME = "gptqmodel"


@cache
def use() -> None:
    """Import GPTQModel without a word. Raises MissingExtraError where it cannot be."""
    if not (find_spec(NAME) and find_spec("optimum")):
        raise MissingExtraError("GPTQModel", "gptq")
    try:
        with quiet():
            from logbar import LogBar

            LogBar.shared().setLevel("CRITICAL")  # its own logger, which obeys nothing else
            import gptqmodel  # noqa: F401
            from gptqmodel.utils import torch as compiled
    except ImportError as error:
        raise MissingExtraError("GPTQModel", "gptq", f"found, but its import failed: {error}") from error
    # else inductor compiles each kernel at its first answer and again at its first training step, with a C++ compiler
    compiled.TORCH_HAS_COMPILE = False
    _tell_peft()


def spare() -> None:
    """Keep PEFT from importing GPTQModel for the layers of a base that is not quantised with it.

    PEFT asks whether it is installed and remembers the answer; a base that needs it makes PEFT ask again.
    """
    if NAME in sys.modules or find_spec(NAME) is None:
        return
    blocked: dict[str, Any] = sys.modules  # None for a module is Python's own way of saying that it is not there
    blocked[NAME] = None
    try:
        with quiet():  # PEFT imports torchao, which comes with GPTQModel and warns
            _tell_peft()
    finally:
        del blocked[NAME]


def _tell_peft() -> None:
    from peft.import_utils import is_gptqmodel_available as asked

    asked.cache_clear()
    asked()
