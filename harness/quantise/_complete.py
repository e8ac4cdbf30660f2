"""Whether all weights of a model were there when it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import ModelError


def check_complete(path: str, told: Mapping[str, Any]) -> None:
    """Raise ModelError for weights that transformers did not find, or not in their shape: it makes up random ones.

    ``told`` is its loading info, in which tied weights and those that it computes are not missing.
    """
    if missing := sorted(told["missing_keys"]):
        lacking = f"{len(missing)} of its weights, {missing[0]} the first"
        raise ModelError(f"{path} lacks {lacking}: download or save the model again")
    for name, found, wanted in sorted(told["mismatched_keys"]):
        shapes = f"is {tuple(found)}, which its config.json makes {tuple(wanted)}"
        raise ModelError(f"{name} of {path} {shapes}: download or save the model again")
