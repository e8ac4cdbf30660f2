"""From what a user calls a model to what is known of it, and to who answers for it."""

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
"""How a model on a server begins."""
_MAGIC = b"GGUF"
_ASKED = (
    "The capital of France is",
    "Question: Who wrote Hamlet?\nAnswer:",
    "1, 2, 3, 4,",
    "Once upon a time",
)
"""What a served model is known by."""
_BRIEFLY = Decoding(max_new_tokens=16, stop=())
_DEFAULT = ("id", "root", "parent", "max_model_len", "meta")
"""What servers list about a model that is not of the hour, as ``created`` and vLLM's ``permission``
are."""


def served(model: str | Path) -> bool:
    """Whether ``model`` names a model on a server."""
    return str(model).startswith(SERVED)


def engine_for(model: str | Path, dtype: str = "float32", device: str | None = None) -> Engine:
    """Who answers for ``model``: a folder, a hub id, a ``.gguf`` file, or ``openai:NAME@URL``.

    ``dtype`` and ``device`` (None: CUDA where there is one) are for folders and hub ids.

    Raises:
        ModelError: there is no such model, it cannot be read, or its server cannot be reached.
        RecipeError: ``openai:`` is followed by what is no name and URL.
        MissingExtraError: what answers for it is not installed.
    """
    text = str(model)
    if served(text):
        return ServedEngine(text)
    if text.endswith(".gguf"):
        return LlamaCppEngine(Path(text).expanduser())
    return TransformersEngine(base_of(model), dtype, device)


def identify(model: str | Path, asked: str = "") -> Base:
    """The recipe of ``model``, as recipes name it: by content, or on a server by what can be seen
    of it.

    ``asked`` is the day on which a server is asked. Raises as ``engine_for``.
    """
    text = str(model)
    if served(text):
        return _on_server(text, asked)
    return _in_file(Path(text).expanduser()) if text.endswith(".gguf") else base_of(model)


def _in_file(file: Path) -> GgufBase:
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
    at = parse(text)
    engine = ServedEngine(at)
    listed: dict[str, Any] = next(
        (each for each in engine.listed() if each.get("id") == at.name), {}
    )
    seen = {
        "name": at.name,
        "endpoint": "chat" if at.chat else "completions",
        "listed": {name: listed[name] for name in _DEFAULT if name in listed},
        "said": engine.answer(_ASKED, _BRIEFLY),
    }
    return ServedBase(sha256(canonical(seen)), at.name, str(at), asked)
