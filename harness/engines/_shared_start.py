"""The tokens at which several prompts begin alike, such as a system prompt: computed once."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.models.files import common_start
from harness.models.loading import Loaded

_LEAST = 16
"""Fewer tokens save nothing."""


@dataclass(frozen=True)
class Start:
    """Keys and values of the first tokens of a text."""

    length: int
    cache: Any
    """transformers' DynamicCache for one text."""

    @classmethod
    def of(cls, loaded: Loaded, ids: Sequence[int]) -> Start:
        """Run the model, with the adapters that are on, over ``ids``."""
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([list(ids)], device=loaded.device)
            output = loaded.model(input_ids=tokens, use_cache=True, logits_to_keep=1)
        return cls(len(ids), output[cache_name(loaded)])

    def copies(self, count: int) -> Any:
        """A cache for ``count`` texts, which a generation may change."""
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        return cache


def cache_name(loaded: Loaded) -> str:
    """What this release of transformers calls the cache of keys and values."""
    parameters = inspect.signature(type(loaded.model).forward).parameters
    return "cache" if "cache" in parameters else "past_key_values"


def shared_start(rows: Sequence[list[int]]) -> int:
    """Tokens at which all ``rows`` begin alike, without the last of any; 0 where they are few."""
    count = min(common_start(rows), min(map(len, rows)) - 1)
    return count if count >= _LEAST else 0


def shares_starts(loaded: Loaded) -> bool:
    """Whether the model goes on from a start as it does from the whole text; not all models do.

    A text is run whole, from its start with padding in between, and from another start. It works
    where the logits are much nearer to those of the whole text.
    """
    import torch

    config: Any = loaded.model.config.get_text_config()
    if getattr(config, "sliding_window", None):
        return False  # padding in between would count as text that is looked back over
    start, rest, padding = list(range(5, 5 + _LEAST)), list(range(30, 38)), 4
    places = [*range(len(start), len(start) + len(rest))]

    def after(ids: list[int]) -> Any:
        cache = Start.of(loaded, ids).copies(1)
        mask = torch.tensor([[1] * len(ids) + [0] * padding + [1] * len(rest)])
        output = loaded.model(
            input_ids=torch.tensor([[0] * padding + rest], device=loaded.device),
            attention_mask=mask.to(loaded.device),
            position_ids=torch.tensor([[0] * padding + places], device=loaded.device),
            **{cache_name(loaded): cache},
        )
        return output.logits[0, -len(rest) :]

    with torch.inference_mode():
        try:
            found, other = after(start), after([each + 20 for each in start])
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
        ):  # a cache of another kind
            return False
        whole = torch.tensor([[*start, *rest]], device=loaded.device)
        expected = loaded.model(input_ids=whole, use_cache=False).logits[0, -len(rest) :]
    return bool((found - expected).abs().max() < 0.1 * (other - expected).abs().max())
