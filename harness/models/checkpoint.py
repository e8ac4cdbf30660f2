"""A transformers model as files: its configuration, its weights, and whether all of
them were read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import ModelError

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Names the shards, where the weights are in several files."""


def config_of(folder: Path) -> dict[str, Any]:
    """What config.json in ``folder`` says. Raises ModelError where it cannot be read."""
    return read_object(folder / "config.json")


def weight_files(folder: Path) -> list[Path]:
    """The files from which transformers reads the weights of the model in ``folder``, in a fixed
    order.

    Not every .safetensors file is one: Mistral's repositories have ``consolidated.safetensors``
    besides. Where neither of the names that transformers knows is there, all are given.

    Raises:
        ModelError: the index of the shards cannot be read, or names one that is not there.
    """
    whole, index = folder / WHOLE, folder / INDEX
    if whole.is_file():  # transformers then looks at no index
        return [whole]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    named = read_object(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise ModelError(f"{index} names no weights: save the model again")
    shards = [folder / str(shard) for shard in sorted(set(named.values()))]
    lacking = [shard.name for shard in shards if not shard.is_file()]
    if lacking:
        raise ModelError(
            f"{folder} lacks {lacking[0]}, which {index.name} names: download or save the model"
            " again"
        )
    return shards


def check_complete(path: str, told: Mapping[str, Any]) -> None:
    """Raise ModelError for weights that transformers did not find, or not in their shape: it makes
    up random ones.

    ``told`` is its loading info, in which tied weights and those that it computes are not missing.
    """
    if missing := sorted(told["missing_keys"]):
        lacking = f"{len(missing)} of its weights, {missing[0]} the first"
        raise ModelError(f"{path} lacks {lacking}: download or save the model again")
    for name, found, wanted in sorted(told["mismatched_keys"]):
        shapes = f"is {tuple(found)}, which its config.json makes {tuple(wanted)}"
        raise ModelError(f"{name} of {path} {shapes}: download or save the model again")


def read_object(path: Path) -> dict[str, Any]:
    """Raises ModelError where ``path`` is missing or holds no JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}): save the model again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no JSON object: save the model again")
    return found
