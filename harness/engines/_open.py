"""From a user's name of a model to its recipe, and to the engine that runs it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from harness.engines._engine import Engine
from harness.engines._llamacpp import LlamaCppEngine
from harness.engines._openai import ServedEngine
from harness.engines._openai_client import parse
from harness.engines._transformers import TransformersEngine
from harness.errors import ModelError
from harness.models.loading import base_of
from harness.recipes import Base, Decoding, GgufBase, ServedBase, canonical, sha256

SERVED = ("openai:", "openai-chat:")
"""Prefixes of models on a server."""
_MAGIC = b"GGUF"
_IDENTIFYING_PROMPTS = (
    "The capital of France is",
    "Question: Who wrote Hamlet?\nAnswer:",
    "1, 2, 3, 4,",
    "Once upon a time",
)
"""Their answers identify a served model."""
_SHORT = Decoding(max_new_tokens=16, stop=())
_STABLE_FIELDS = ("id", "root", "parent", "max_model_len", "meta")
"""Fields of a model in a server's list that do not change with time; ``created`` and vLLM's
``permission`` do."""


def served(model: str | Path) -> bool:
    """Whether ``model`` names a model on a server."""
    return str(model).startswith(SERVED)


def engine_for(model: str | Path, dtype: str = "float32", device: str | None = None) -> Engine:
    """The engine of ``model``: a folder, a hub id, a ``.gguf`` file, or ``openai:NAME@URL``.

    ``dtype`` and ``device`` (None: CUDA where there is one) are for folders and hub ids.

    Raises:
        ModelError: there is no such model, it cannot be read, or its server cannot be reached.
        RecipeError: after ``openai:`` there is no NAME@URL.
        MissingExtraError: a package of the engine is not installed.
    """
    text = str(model)
    if served(text):
        return ServedEngine(text)
    if text.endswith(".gguf"):
        return LlamaCppEngine(Path(text).expanduser())
    return TransformersEngine(base_of(model), dtype, device)


def identify(model: str | Path, asked: str = "") -> Base:
    """The recipe of ``model``: by the content of its files, or by what a server shows of it.

    ``asked`` is the day on which a server answers. Raises as ``engine_for``.
    """
    text = str(model)
    if served(text):
        return _on_server(text, asked)
    return _gguf_file(Path(text).expanduser()) if text.endswith(".gguf") else base_of(model)


def _gguf_file(file: Path) -> GgufBase:
    try:
        with file.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise ModelError(f"{file} is no GGUF file: give one that llama.cpp loads")
            stream.seek(0)
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}): give a .gguf file") from error
    return GgufBase(content, file.stem, str(file.resolve()))


def _on_server(text: str, asked: str) -> ServedBase:
    model = parse(text)
    engine = ServedEngine(model)
    entries = (entry for entry in engine.listed() if entry.get("id") == model.name)
    entry: dict[str, Any] = next(entries, {})
    # The keys are hashed: another name here would make every served model a new one.
    identity = {
        "name": model.name,
        "endpoint": "chat" if model.chat else "completions",
        "listed": {name: entry[name] for name in _STABLE_FIELDS if name in entry},
        "said": engine.answer(_IDENTIFYING_PROMPTS, _SHORT),
    }
    return ServedBase(sha256(canonical(identity)), model.name, str(model), asked)
