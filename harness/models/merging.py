"""Several adapters merged into one, and an adapter merged into the weights of its base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError
from harness.models.adapters import CONFIG, WEIGHTS, Factors, factors, lora_config, write
from harness.models.files import weight_files
from harness.recipes import Merged

if TYPE_CHECKING:
    import torch

    Deltas = Sequence[torch.Tensor]


_COPIED = {".json", ".jinja", ".model", ".txt", ".tiktoken"}
"""Files of a model beside its weights, by suffix."""


class _Truncated(NamedTuple):
    """The update of one layer at a limited rank."""

    factors: Factors
    squares_before: float
    """Sum of the squares of the update."""
    squares: float
    """The same at the limited rank."""


def merge(recipe: Merged, folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the adapter that ``recipe`` makes of those in ``folders`` to ``out``.

    Returns facts: ``adapter_bytes``, ``rank``, and ``kept``, the share of the merged update's sum
    of squares that its rank can hold; 1 is exact. Raises ModelError.
    """
    import torch

    torch.manual_seed(recipe.seed)
    adapters = [factors(folder) for folder in folders]
    weights = _weights(recipe)
    before = after = 0.0
    layers = {}
    for module in sorted({name for adapter in adapters for name in adapter}):
        pairs = []
        pair_weights = []
        for adapter, weight in zip(adapters, weights, strict=True):
            if module in adapter:
                pairs.append(adapter[module])
                pair_weights.append(weight)
        update = _merged(recipe, pairs, torch.tensor(pair_weights), _rank(recipe))
        layers[module] = update.factors
        before += update.squares_before
        after += update.squares
    config = json.loads((folders[0] / CONFIG).read_text(encoding="utf-8"))
    write(out, config, _of_one_rank(layers))
    return {
        "adapter_bytes": (out / WEIGHTS).stat().st_size,
        "rank": _max_rank(layers),
        "kept": after / before if before else 1.0,
    }


def _weights(recipe: Merged) -> list[float]:
    weights = [weight for _, weight in recipe.adapters]
    return [weight / sum(weights) for weight in weights] if recipe.method == "mean" else weights


def _rank(recipe: Merged) -> int:
    ranks = [adapter.training.rank for adapter, _ in recipe.adapters]
    return recipe.rank or (max(ranks) if recipe.method == "svd" else sum(ranks))


def _merged(recipe: Merged, pairs: list[Factors], weights: torch.Tensor, rank: int) -> _Truncated:
    if recipe.method in ("sum", "mean"):
        return _exact(_concatenated(pairs, weights))
    if recipe.method == "linear":
        return _exact(_linear(pairs, weights))
    return _truncated(_method(recipe)([pair.delta for pair in pairs], weights), rank)


def _method(recipe: Merged) -> Callable[[Deltas, torch.Tensor], torch.Tensor]:
    """PEFT's function for the methods that combine whole updates."""
    from peft.utils import merge_utils

    if recipe.method == "svd":
        method: Callable[..., torch.Tensor] = merge_utils.task_arithmetic
        return method
    return partial(getattr(merge_utils, recipe.method), density=recipe.density)


def _concatenated(pairs: list[Factors], weights: torch.Tensor) -> Factors:
    """The exact weighted sum of the updates; ranks add up."""
    import torch

    down = torch.cat([pair.down for pair in pairs])
    weighted = [pair.up * weight for pair, weight in zip(pairs, weights, strict=True)]
    return Factors(down, torch.cat(weighted, 1))


def _linear(pairs: list[Factors], weights: torch.Tensor) -> Factors:
    """PEFT's ``linear``: the As and the Bs are summed, each times the root of its weight.

    So the update also holds products of one adapter's A with another's B.
    """
    roots = weights.abs().sqrt()
    signed = [root * weight.sign() for root, weight in zip(roots, weights, strict=True)]
    down = sum(pair.down * root for pair, root in zip(pairs, roots, strict=True))
    up = sum(pair.up * root for pair, root in zip(pairs, signed, strict=True))
    return Factors(down, up)


def _exact(pair: Factors) -> _Truncated:
    squares = float(pair.delta.square().sum())
    return _Truncated(pair, squares, squares)


def _truncated(delta: torch.Tensor, rank: int) -> _Truncated:
    """The nearest update of ``rank`` (Eckart & Young 1936).

    Each factor gets the roots of the singular values, so that both have the same size.
    """
    import torch

    left, values, right = torch.linalg.svd(delta, full_matrices=False)
    roots = values[:rank].sqrt()
    pair = Factors(roots[:, None] * right[:rank], left[:, :rank] * roots)
    before = float(values.square().sum())
    return _Truncated(pair, before, float(values[:rank].square().sum()))


def _of_one_rank(layers: dict[str, Factors]) -> dict[str, Factors]:
    """``layers`` padded with zeros to the largest rank among them."""
    from torch.nn.functional import pad

    width = _max_rank(layers)
    return {
        module: Factors(pad(down, (0, 0, 0, width - len(down))), pad(up, (0, width - up.shape[1])))
        for module, (down, up) in layers.items()
    }


def _max_rank(layers: dict[str, Factors]) -> int:
    return max(len(pair.down) for pair in layers.values())


def into_base(base: Path, adapter: Path, out: Path) -> None:
    """Add the LoRA in ``adapter`` to the weights of the model in ``base``, and write it to ``out``.

    The sum is computed in float32 and stored in the model's dtype. The same input gives the same
    bytes.

    Raises:
        ModelError: ``base`` has no weight in full precision, of the right shape, for a layer.
    """
    from safetensors.torch import load_file, save_file

    transposed = bool(lora_config(adapter).get("fan_in_fan_out"))  # GPT-2: inputs x outputs
    updates = {
        f"{module}.weight": pair.delta.T if transposed else pair.delta
        for module, pair in factors(adapter).items()
    }
    out.mkdir(parents=True, exist_ok=True)
    remaining = set(updates)
    for file in weight_files(base):
        tensors = load_file(file)
        for name in remaining & tensors.keys():
            weight = tensors[name]
            update = updates[name]
            if weight.shape != update.shape or not weight.is_floating_point():
                raise ModelError(
                    f"{name} of {base} is {tuple(weight.shape)}, the update {tuple(update.shape)}"
                )
            tensors[name] = (weight.float() + update).to(weight.dtype).contiguous()
        remaining -= tensors.keys()
        save_file(tensors, out / file.name, metadata={"format": "pt"})
    if remaining:
        raise ModelError(
            f"{base} has no full weight {min(remaining)}: give the base that {adapter} was trained"
            " on"
        )
    for path in sorted(base.iterdir()):
        if path.is_file() and path.suffix in _COPIED:
            shutil.copyfile(path, out / path.name)
