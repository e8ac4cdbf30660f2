"""Bases in the form that is asked for: quantised artefacts, engines, and adapters as llama.cpp takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import gguf
from harness.engines import LlamaCppEngine, TransformersEngine
from harness.models import Loaded, resident
from harness.recipes import Base, BitsAndBytes, Gguf, GgufAdapter, Gptq, Lora, Merged, Quantised, Recipe, digest
from harness.store import Artefact, Store

MODEL = "model.gguf"
ADAPTER = "adapter.gguf"

Fetch = Callable[[Recipe], Artefact]
"""Gives an artefact, built or from the cache."""


def quantised(recipe: Quantised, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A GPTQ folder or a GGUF file; bitsandbytes quantises while it loads, and leaves nothing to keep."""

    def make(folder: Path) -> dict[str, Any]:
        by, source = recipe.by, Path(recipe.base.path)
        if isinstance(by, Gguf):
            gguf.convert_base(source, folder / MODEL, by.kind)
        elif isinstance(by, Gptq):
            from harness.quantise import gptq

            texts = [sample.prompt + sample.completion for sample in by.calibration.samples]
            gptq(source, folder, bits=by.bits, group=by.group, desc_act=by.desc_act, calibration=texts, device=device)
        return {"model_bytes": _bytes(folder)}

    return store.get(recipe, make)


def converted(recipe: GgufAdapter, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """The adapter as a GGUF file."""
    trained = fetch(recipe.adapter)

    def make(folder: Path) -> dict[str, Any]:
        gguf.convert_adapter(trained.path, Path(recipe.adapter.base.origin.path), folder / ADAPTER)
        return {"status": trained.manifest.facts["status"]}

    return store.get(recipe, make, (digest(recipe.adapter),))


def merged(recipe: Merged, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """Several adapters as one PEFT folder."""
    parts = [fetch(adapter) for adapter, _ in recipe.adapters]

    def make(folder: Path) -> dict[str, Any]:
        from harness.merging import merge

        if diverged(parts):
            return {"status": "diverged", "adapter_bytes": 0}
        return {"status": "ok", **merge(recipe, [part.path for part in parts], folder)}

    return store.get(recipe, make, tuple(part.manifest.digest for part in parts))


def diverged(adapters: Sequence[Artefact]) -> bool:
    """Whether the loss of any ran away."""
    return any(artefact.manifest.facts["status"] == "diverged" for artefact in adapters)


def loaded(model: Base | Quantised, fetch: Fetch, dtype: str, device: str | None) -> Loaded:
    """``model`` through transformers, kept in memory for the next that asks."""
    if isinstance(model, Base):
        return resident(model, dtype, device)
    if isinstance(model.by, BitsAndBytes):
        return resident(model.base, dtype, device, model.by)
    made = fetch(model)
    return resident(Base(content=made.manifest.digest, name=model.name, path=str(made.path)), dtype, device)


def engine(
    model: Base | Quantised, fetch: Fetch, dtype: str, device: str | None
) -> TransformersEngine | LlamaCppEngine:
    """Who answers for ``model``."""
    if isinstance(model, Quantised) and isinstance(model.by, Gguf):
        return LlamaCppEngine(fetch(model).path / MODEL)
    return TransformersEngine(loaded(model, fetch, dtype, device))


def weights(adapter: Lora, on: Base | Quantised, fetch: Fetch) -> Path:
    """What the engine of ``on`` loads of ``adapter``: a folder, or a GGUF file."""
    if isinstance(on, Quantised) and isinstance(on.by, Gguf):
        return fetch(GgufAdapter(adapter)).path / ADAPTER
    return fetch(adapter).path


def model_bytes(model: Base | Quantised, fetch: Fetch) -> int:
    """Bytes on disk of the weights as they are kept."""
    if isinstance(model, Quantised) and not isinstance(model.by, BitsAndBytes):
        return int(fetch(model).manifest.facts["model_bytes"])
    return _bytes(Path(model.origin.path))


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf"))
