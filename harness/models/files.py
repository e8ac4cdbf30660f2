"""A model's files: configuration, weights, tokenizer; and text as tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError, first_line
from harness.recipes import Base

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Names the shards of weights that are in several files."""


def config_of(folder: Path) -> dict[str, Any]:
    """The content of config.json in ``folder``. Raises ModelError where it cannot be read."""
    return read_object(folder / "config.json")


def weight_files(folder: Path) -> list[Path]:
    """The files in ``folder`` from which transformers reads weights, in a fixed order.

    Other .safetensors files may be there, too: Mistral's repositories hold the weights again as
    ``consolidated.safetensors``. Only without the names that transformers knows, all files count.

    Raises:
        ModelError: the index of the shards cannot be read, or names a shard that is missing.
    """
    whole = folder / WHOLE
    index = folder / INDEX
    if whole.is_file():  # transformers then ignores an index
        return [whole]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    weight_map = read_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index} names no weights: save the model again")
    shards = [folder / str(shard) for shard in sorted(set(weight_map.values()))]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise ModelError(
            f"{folder} lacks {missing[0]}, which {index.name} names: download or save the model"
            " again"
        )
    return shards


def check_complete(path: str, loading_info: Mapping[str, Any]) -> None:
    """Check that transformers found all weights, in their shapes: it fills gaps at random.

    ``loading_info`` is what transformers returns. Tied weights, and weights that it computes, are
    not missing in it.

    Raises:
        ModelError: a weight is missing, or has another shape than in config.json.
    """
    if missing := sorted(loading_info["missing_keys"]):
        problem = f"{len(missing)} of its weights, {missing[0]} the first"
        raise ModelError(f"{path} lacks {problem}: download or save the model again")
    for name, stored, wanted in sorted(loading_info["mismatched_keys"]):
        shapes = f"is {tuple(stored)}, which its config.json makes {tuple(wanted)}"
        raise ModelError(f"{name} of {path} {shapes}: download or save the model again")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``. Raises ModelError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}): save the model again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object: save the model again")
    return content


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def count_tokens(base: Base, text: str) -> int:
    """Tokens of ``text`` for ``base``, without BOS; no weights are loaded. Raises ModelError."""
    return len(encode(_tokenizer(base.path), text, special=False))


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises no class of its own
        raise ModelError(
            f"{path} has no tokenizer that can be loaded: {first_line(error)}"
        ) from error
    return tokenizer


def encode(tokenizer: PreTrainedTokenizerBase, text: str, special: bool = True) -> list[int]:
    """Token ids of ``text``; with ``special`` also BOS, where the tokenizer adds it.

    An EOS that the tokenizer appends is removed: a prompt must not end the text.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
    ends = len(ids) > 1 and ids[-1] == tokenizer.eos_token_id
    if special and ends and not text.endswith(str(tokenizer.eos_token)):
        return ids[:-1]
    return ids


def common_start(rows: Iterable[Sequence[int]]) -> int:
    """Tokens at which all ``rows`` begin alike."""
    ordered = sorted(map(tuple, rows))
    first, last = ordered[0], ordered[-1]  # what these two share, all between them share, too
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))))


def encode_pair(
    encode: Callable[[str, bool], list[int]], prompt: str, continuation: str
) -> tuple[list[int], int]:
    """Token ids of both texts, and how many of them are the prompt's.

    ``encode`` turns text into ids, with BOS or without.
    """
    prompt_ids = encode(prompt, True)
    joint = encode(prompt + continuation, True)
    if joint[: len(prompt_ids)] == prompt_ids:
        return joint, len(prompt_ids)
    # One token covers the end of the prompt and the start of the continuation. No engine sees such
    # a token, because prompts are encoded alone.
    return prompt_ids + encode(continuation, False), len(prompt_ids)
