"""From what a user calls a model to something that answers."""

from __future__ import annotations

from pathlib import Path

from harness.engines._engine import Engine
from harness.engines._llamacpp import LlamaCppEngine
from harness.engines._openai import ServedEngine
from harness.engines._transformers import TransformersEngine
from harness.models import base_of

SERVED = ("openai:", "openai-chat:")
"""How a model on a server begins."""


def engine_for(model: str | Path, dtype: str = "float32", device: str | None = None) -> Engine:
    """Who answers for ``model``: a folder, a hub id, a ``.gguf`` file, or ``openai:NAME@URL``.

    ``dtype`` and ``device`` (None: CUDA where there is one) are for folders and hub ids.

    Raises:
        ModelError: there is no such model, it cannot be read, or its server cannot be reached.
        RecipeError: ``openai:`` is followed by what is no name and URL.
        MissingExtraError: what answers for it is not installed.
    """
    text = str(model)
    if text.startswith(SERVED):
        return ServedEngine(text)
    if text.endswith(".gguf"):
        return LlamaCppEngine(Path(text).expanduser())
    return TransformersEngine(base_of(model), dtype, device)
