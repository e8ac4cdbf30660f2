"""Models and adapters in the form that an engine loads: quantised, converted, merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.builds._estimates import recorded
from harness.engines import Engine, LlamaCppEngine, TransformersEngine, engine_for
from harness.errors import ModelError, RecipeError
from harness.models import gguf
from harness.models.loading import Loaded, load, resident
from harness.recipes import (
    Base,
    BitsAndBytes,
    Dequantised,
    ExternalAdapter,
    Gguf,
    GgufAdapter,
    GgufBase,
    Gptq,
    Lora,
    Merged,
    Quantised,
    Recipe,
    ServedBase,
    Sibling,
    digest,
)
from harness.store import Artefact, Store

MODEL = "model.gguf"
ADAPTER = "adapter.gguf"

_COMPARED = (
    "Who won the Academy Award for Best Picture in 1994?\nThe film Schindler's List.",
    "def area(width, height):\n    return width * height  # 3.5 x 12 = 42",
    "Crème brûlée, 日本語, русский текст 😀 and   spaces.",
)
"""Texts on which a dequantised model is compared with its file."""
_TOLERATED = 0.1
"""Nats a token. llama.cpp rounds activations to 8 bits: .015 for SmolLM2 in Q4_1."""

Fetch = Callable[[Recipe], Artefact]
"""Gives an artefact, built or from the cache."""


def quantised(recipe: Quantised, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A GPTQ folder or a GGUF file; bitsandbytes quantises at loading, so there is no file."""

    def make(folder: Path) -> dict[str, Any]:
        by, source = recipe.by, weights_of(recipe.base, fetch)
        if isinstance(by, Gguf):
            gguf.convert_base(source, folder / MODEL, by.kind)
        elif isinstance(by, Gptq):
            from harness.models.gptq import gptq

            texts = [sample.text for sample in by.calibration.samples]
            gptq(
                source,
                folder,
                bits=by.bits,
                group=by.group,
                desc_act=by.desc_act,
                calibration=texts,
                device=device,
            )
        return {"model_bytes": _bytes(folder)}

    return store.get(recipe, recorded(recipe, store, make))


def converted(recipe: GgufAdapter, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """The adapter as a GGUF file."""
    adapter = recipe.adapter
    parents: tuple[str, ...]
    if isinstance(adapter, ExternalAdapter):
        source, base, parents = Path(adapter.path), recipe.base, ()
    else:
        source, base, parents = fetch(adapter).path, adapter.base.origin, (digest(adapter),)
    if base is None:
        raise RecipeError(f"{source} is to become a GGUF adapter for no base: name it")

    def make(folder: Path) -> dict[str, Any]:
        gguf.convert_adapter(source, weights_of(base, fetch), folder / ADAPTER)
        return {}

    return store.get(recipe, recorded(recipe, store, make), parents)


def merged(recipe: Merged, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """Several adapters as one PEFT folder."""
    parts = [fetch(adapter) for adapter, _ in recipe.adapters]

    def make(folder: Path) -> dict[str, Any]:
        from harness.models.merging import merge

        if diverged(parts):
            return {"status": "diverged", "adapter_bytes": 0}
        return {"status": "ok", **merge(recipe, [part.path for part in parts], folder)}

    return store.get(
        recipe, recorded(recipe, store, make), tuple(part.manifest.digest for part in parts)
    )


def diverged(adapters: Sequence[Artefact]) -> bool:
    """Whether the training of one diverged."""
    return any(artefact.manifest.facts["status"] == "diverged" for artefact in adapters)


def loaded(model: Base | Quantised, fetch: Fetch, dtype: str, device: str | None) -> Loaded:
    """``model`` through transformers; it stays in memory for the next call."""
    if isinstance(model, Base):
        return resident(_placed(model, fetch), dtype, device)
    if isinstance(model.by, BitsAndBytes):
        # nothing is kept on disk: it is quantised at every loading
        return resident(_placed(model.base, fetch), dtype, device, model.by)
    folder = fetch(model)
    # the digest stands for the content: another quantisation is another model in memory
    base = Base(content=folder.manifest.digest, name=model.name, path=str(folder.path))
    return resident(base, dtype, device)


def engine(model: Base | Quantised, fetch: Fetch, dtype: str, device: str | None) -> Engine:
    """The engine that runs ``model``."""
    if isinstance(model, (GgufBase, ServedBase)):
        return engine_for(model.path)
    if isinstance(model, Quantised) and isinstance(model.by, Gguf):
        return LlamaCppEngine(fetch(model).path / MODEL)
    return TransformersEngine(loaded(model, fetch, dtype, device))


def opened(
    model: Base | Quantised,
    adapters: Sequence[Lora | ExternalAdapter],
    fetch: Fetch,
    dtype: str,
    device: str | None,
) -> tuple[Engine, tuple[Path, ...]]:
    """The engine of ``model``, and what it loads of each of ``adapters``."""
    running = engine(model, fetch, dtype, device)
    return running, tuple(weights(adapter, model, fetch) for adapter in adapters)


def weights(adapter: Lora | ExternalAdapter, on: Base | Quantised, fetch: Fetch) -> Path:
    """What the engine of ``on`` loads of ``adapter``: a folder, a GGUF file, or a server's name."""
    if isinstance(on, Quantised) and isinstance(on.by, Gguf):
        # a trained adapter knows its base, an external one does not
        base = on.base if isinstance(adapter, ExternalAdapter) else None
        return fetch(GgufAdapter(adapter, base)).path / ADAPTER
    if isinstance(on, GgufBase) and not isinstance(adapter, ExternalAdapter):
        return fetch(GgufAdapter(adapter)).path / ADAPTER
    return Path(adapter.path) if isinstance(adapter, ExternalAdapter) else fetch(adapter).path


def model_bytes(model: Base | Quantised, fetch: Fetch) -> dict[str, int]:
    """Bytes of the weights on disk; empty for a model on a server."""
    if isinstance(model, ServedBase):
        return {}
    if isinstance(model, GgufBase):
        return {"model_bytes": Path(model.path).stat().st_size}
    if isinstance(model, Quantised) and not isinstance(model.by, BitsAndBytes):
        return {"model_bytes": int(fetch(model).manifest.facts["model_bytes"])}
    return {"model_bytes": _bytes(weights_of(model.origin, fetch))}


def dequantised(recipe: Dequantised, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A GGUF file as a transformers folder, compared with the file in llama.cpp."""

    def make(folder: Path) -> dict[str, Any]:
        gguf.dequantise(Path(recipe.base.path), folder)
        return {"model_bytes": _bytes(folder), "difference": _difference(recipe, folder, device)}

    return store.get(recipe, recorded(recipe, store, make))


def _difference(recipe: Dequantised, folder: Path, device: str | None) -> float:
    """The mean difference of a token's log-likelihood between ``folder`` and the file.

    Raises:
        ModelError: the two have other tokens, or the difference is too large: transformers reads
            something in the file in another way than llama.cpp.
    """
    file = Path(recipe.base.path)
    pairs = [("", text) for text in _COMPARED]
    # not resident: the folder moves into the store when it is done
    model = load(replace(recipe, path=str(folder)), device=device)
    ours = TransformersEngine(model).log_likelihood(pairs)
    theirs = LlamaCppEngine(file).log_likelihood(pairs)
    advice = f"ask {file.name} with --engine gguf and without training"
    if [one.tokens for one in ours] != [other.tokens for other in theirs]:
        raise ModelError(
            f"{file} cannot be trained on: transformers splits text otherwise than llama.cpp:"
            f" {advice}"
        )
    compared = zip(ours, theirs, strict=True)
    total = sum(abs(one.total - other.total) for one, other in compared)
    difference = total / sum(one.tokens for one in ours)
    if not difference < _TOLERATED:
        raise ModelError(
            f"{file} cannot be trained on: log-likelihoods of transformers and llama.cpp differ"
            f" by {difference:.2g} a token: {advice}"
        )
    return difference


def sibling(recipe: Sibling, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """The base with the adapter merged into its weights, as a transformers folder."""
    trained, base = fetch(recipe.adapter), weights_of(recipe.adapter.base.origin, fetch)

    def make(folder: Path) -> dict[str, Any]:
        from harness.models.merging import into_base

        if diverged([trained]):
            raise ModelError(
                f"the training of {recipe.name} diverged: it cannot be merged, lower its lr"
            )
        into_base(base, trained.path, folder)
        return {"model_bytes": _bytes(folder)}

    return store.get(recipe, recorded(recipe, store, make), (trained.manifest.digest,))


def weights_of(base: Base, fetch: Fetch) -> Path:
    """The folder of ``base``: the user's, or in the store; of a GGUF file the dequantised one."""
    if isinstance(base, GgufBase):
        base = Dequantised.of(base)
    return fetch(base).path if isinstance(base, (Sibling, Dequantised)) else Path(base.path)


def _placed(base: Base, fetch: Fetch) -> Base:
    return replace(base, path=str(weights_of(base, fetch)))


def _bytes(folder: Path) -> int:
    return sum(
        path.stat().st_size for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf")
    )
