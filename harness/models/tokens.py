"""Text as token ids."""

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
