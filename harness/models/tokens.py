"""Text as tokens, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.errors import ModelError, first_line
from harness.recipes import Base

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def count_tokens(base: Base, text: str) -> int:
    """Tokens of ``text`` for ``base``, without BOS; no weights are loaded. Raises ModelError."""
    return len(encode(_tokenizer(base.path), text, special=False))


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises no class of its own
        raise ModelError(
            f"{path} has no tokenizer that can be loaded: {first_line(error)}"
        ) from error
    return found


def encode(tokenizer: PreTrainedTokenizerBase, text: str, special: bool = True) -> list[int]:
    """Token ids of ``text`` with BOS as the tokenizer adds it, and never an EOS that it might
    append."""
    ids: list[int] = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
    if (
        special
        and len(ids) > 1
        and ids[-1] == tokenizer.eos_token_id
        and not text.endswith(str(tokenizer.eos_token))
    ):
        return ids[:-1]
    return ids


def encode_pair(
    encode: Callable[[str, bool], list[int]], prompt: str, continuation: str
) -> tuple[list[int], int]:
    """Token ids of both, and how many of them belong to ``prompt`` as an engine would ask it.

    ``encode`` turns text into ids, with BOS or without.
    """
    asked = encode(prompt, True)
    joint = encode(prompt + continuation, True)
    if joint[: len(asked)] == asked:
        return joint, len(asked)
    # A token astride the boundary is one that no engine sees: it is given the prompt alone.
    return asked + encode(continuation, False), len(asked)
