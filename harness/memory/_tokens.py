"""Counts tokens as a base does, without its weights."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError, first_line
from harness.models.files import config_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ENDLESS = 2**20


class Tokens:
    """The tokenizer and the context of the model in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = lru_cache(maxsize=2**14)(self._count)

    def _count(self, text: str) -> int:
        """Tokens of ``text``, without BOS."""
        # not verbose: a text may be longer than the context
        found = self._tokenizer(text, add_special_tokens=False, verbose=False)
        return len(found["input_ids"])

    @cached_property
    def context(self) -> int:
        """The most tokens that the model takes."""
        config: dict[str, Any] = dict(config_of(self._folder))
        inner = config.get("text_config") or config
        return int(inner.get("max_position_embeddings") or _ENDLESS)

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        try:
            found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # the library documents no exceptions
            raise ModelError(
                f"the tokenizer of {self._folder} cannot be loaded: {first_line(error)}"
            ) from error
        return found
