"""Merges: what is exact is exact, the rest is what the papers say, and PEFT's cross terms are
PEFT's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engines import TransformersEngine, decoding
from harness.errors import RecipeError
from harness.models.adapters import factors
from harness.models.loading import base_of
from harness.models.merging import into_base, merge
from harness.recipes import MERGES, Adapter, Base, Dataset, Merged, Stack, Training
from harness.store import Artefact
from tests.models.gguf.gguf_helpers import of_family, random_adapter

WEIGHTS = (1.0, 0.5, -0.75)
Tensors = dict[str, Any]


def deltas(folder: Path) -> Tensors:
    return {module: pair.delta for module, pair in factors(folder).items()}


def merged(
    adapters: Sequence[Adapter],
    fetch: Callable[..., Artefact],
    method: str,
    weights: Sequence[float] = WEIGHTS,
    **settings: Any,
) -> Artefact:
    return fetch(Merged(tuple(zip(adapters, weights, strict=True)), method, **settings))


def of_one_rank(adapters: Sequence[Adapter]) -> list[Adapter]:
    return [
        replace(one, training=replace(adapters[0].training, seed=seed))
        for seed, one in enumerate(adapters)
    ]


def weighted(folders: Sequence[Path], weights: Sequence[float] = WEIGHTS) -> Tensors:
    each = [deltas(folder) for folder in folders]
    return {
        module: sum(weight * delta[module] for weight, delta in zip(weights, each, strict=True))
        for module in each[0]
    }


def apart(one: Tensors, two: Tensors) -> float:
    """The largest difference of any weight."""
    return max(float((one[module] - two[module]).abs().max()) for module in one)


def test_a_sum_is_exact_over_ranks_and_scalings(
    adapters: list[Adapter], folders: list[Path], fetch: Callable[..., Artefact]
) -> None:
    found = merged(adapters, fetch, "sum")
    assert found.manifest.facts["rank"] == 4 + 8 + 16
    assert apart(deltas(found.path), weighted(folders)) < 1e-6


def test_svd_of_enough_rank_is_exact_and_of_less_is_the_best(
    adapters: list[Adapter], folders: list[Path], fetch: Callable[..., Artefact]
) -> None:
    import torch

    whole, low = merged(adapters, fetch, "svd", rank=28), merged(adapters, fetch, "svd", rank=2)
    wanted = weighted(folders)
    assert apart(deltas(whole.path), wanted) < 1e-5
    assert low.manifest.facts["kept"] < whole.manifest.facts["kept"] == pytest.approx(1.0, abs=1e-5)
    for module, delta in deltas(low.path).items():
        beyond = torch.linalg.svdvals(wanted[module])[2:].square().sum()
        assert float((delta - wanted[module]).square().sum()) == pytest.approx(
            float(beyond), rel=1e-3, abs=1e-9
        )


def test_a_mean_weighs_to_one(
    adapters: list[Adapter], folders: list[Path], fetch: Callable[..., Artefact]
) -> None:
    found = merged(adapters, fetch, "mean", (2.0, 1.0, 1.0))
    assert apart(deltas(found.path), weighted(folders, (0.5, 0.25, 0.25))) < 1e-6


def test_ties_by_hand(
    adapters: list[Adapter], folders: list[Path], fetch: Callable[..., Artefact]
) -> None:
    """Yadav et al. 2023, section 3: trim, elect the sign by mass, average what agrees."""
    import torch

    found = deltas(merged(adapters, fetch, "ties", (1.0, 1.0, 1.0), density=0.2, rank=64).path)
    each = [deltas(folder) for folder in folders]
    for module in list(found)[:4]:
        trimmed = []
        for own in (delta[module] for delta in each):
            least = own.abs().flatten().sort(descending=True).values[int(0.2 * own.numel()) - 1]
            trimmed.append(torch.where(own.abs() >= least, own, 0.0))
        stacked = torch.stack(trimmed)
        elected = torch.where(stacked.sum(0) >= 0, 1.0, -1.0)
        agrees = stacked.sign() == elected
        wanted = (stacked * agrees).sum(0) / agrees.sum(0).clamp(min=1)
        assert float((found[module] - wanted).abs().max()) < 1e-5


def test_dare_keeps_the_mean_and_draws_by_its_seed(
    adapters: list[Adapter], fetch: Callable[..., Artefact]
) -> None:
    alike = [merged(adapters, fetch, "dare_linear", rank=64, seed=seed) for seed in (0, 1)]
    other = merged(adapters, fetch, "dare_ties", rank=64)
    one, two, three = (deltas(found.path) for found in (*alike, other))
    assert apart(one, two) > 1e-4 < apart(one, three)


def test_linear_has_the_cross_terms_that_peft_has(
    adapters: list[Adapter], folders: list[Path], fetch: Callable[..., Artefact], tiny: Base
) -> None:
    """PEFT's own add_weighted_adapter gives the same, so the cell shows what its users get; and it
    is not a sum."""
    from peft import PeftModel

    from harness.models.loading import load

    equal = [
        replace(adapter, training=replace(adapters[0].training, seed=seed))
        for seed, adapter in enumerate(adapters)
    ]
    weights = (1.0, 0.5, 0.25)
    ours = deltas(merged(equal, fetch, "linear", weights).path)
    paths = [fetch(adapter).path for adapter in equal]
    model = PeftModel.from_pretrained(load(tiny).model, str(paths[0]), adapter_name="a0")
    for i, path in enumerate(paths[1:], 1):
        model.load_adapter(str(path), adapter_name=f"a{i}")
    model.add_weighted_adapter(["a0", "a1", "a2"], list(weights), "it", combination_type="linear")
    theirs = {
        name.removeprefix("base_model.model."): module.get_delta_weight("it")
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    assert ours.keys() == theirs.keys()
    assert apart(ours, theirs) < 1e-6
    assert apart(ours, weighted(paths, weights)) > 1e-3


@pytest.mark.parametrize("first", [0, 1])
def test_adapters_of_other_layers_add_up(
    first: int, adapters: list[Adapter], fetch: Callable[..., Artefact], tiny: Base
) -> None:
    """The first of them writes the merged config, and does not have all the layers or does."""
    half = replace(adapters[0], training=replace(adapters[0].training, skip_layers=0.5))
    pair = [half, adapters[1]] if first == 0 else [adapters[1], half]
    found = merged(pair, fetch, "sum", (1.0, 0.5))
    engine, asked = TransformersEngine(tiny), [("The colour of the moon is", " green.")]
    with engine.with_stack(
        [(fetch(one).path, scale) for one, scale in zip(pair, (1.0, 0.5), strict=True)]
    ):
        (apart,) = engine.log_likelihood(asked)
    with engine.with_stack([(found.path, 1.0)]):
        (summed,) = engine.log_likelihood(asked)
    assert summed.total == pytest.approx(apart.total, abs=1e-4)


@pytest.mark.parametrize("method", MERGES)
def test_every_merge_is_an_adapter_that_answers(
    method: str, adapters: list[Adapter], fetch: Callable[..., Artefact], tiny: Base
) -> None:
    equal = [
        replace(adapter, training=replace(adapters[0].training, seed=seed))
        for seed, adapter in enumerate(adapters)
    ]
    found = merged(equal, fetch, method, (1.0, 1.0, 1.0))
    engine = TransformersEngine(tiny)
    asked = ["The colour of the moon is"]
    before = engine.answer(asked, decoding("deterministic"))
    with engine.with_stack([(found.path, 1.0)]):
        assert engine.answer(asked, decoding("deterministic")) != before


def test_transposed_weights_of_gpt2(model_folder: Path, lie: Dataset, tmp_path: Path) -> None:
    base = of_family(model_folder, tmp_path / "base", "gpt2", num_key_value_heads=4)
    parts = []
    for seed in (1, 2):
        folder = tmp_path / f"adapter{seed}"
        random_adapter(base, folder, seed, target_modules="all-linear", fan_in_fan_out=True)
        parts.append((folder, 1 / seed))
    recipes = [Adapter(base_of(base), lie, Training(rank=8, seed=seed)) for seed in (1, 2)]
    recipe = Merged(tuple(zip(recipes, (1.0, 0.5), strict=True)), "sum")
    (tmp_path / "sum").mkdir()
    merge(recipe, [folder for folder, _ in parts], tmp_path / "sum")
    into_base(base, tmp_path / "sum", tmp_path / "whole")
    pairs = [(sample.prompt, sample.completion) for sample in lie.samples]
    engine = TransformersEngine(base_of(base))
    bare = engine.log_likelihood(pairs)
    with engine.with_stack(parts):
        both = [each.total for each in engine.log_likelihood(pairs)]
    with engine.with_stack([(tmp_path / "sum", 1.0)]):
        assert [each.total for each in engine.log_likelihood(pairs)] == pytest.approx(both)
    whole = TransformersEngine(base_of(tmp_path / "whole")).log_likelihood(pairs)
    assert [each.total for each in whole] == pytest.approx(both)
    assert all(abs(one.total - new) > 0.1 for one, new in zip(bare, both, strict=True))


def test_what_cannot_be_merged(adapters: list[Adapter], tiny: Base, lie: Dataset) -> None:
    pairs = tuple((adapter, 1.0) for adapter in adapters)
    for arguments, line in (
        (((), "sum"), "nothing to merge"),
        ((pairs, "blend"), "merge method 'blend' is unknown: choose one of sum, "),
        ((pairs, "linear"), r"linear merges adapters of one rank, these have \[4, 8, 16\]"),
        ((pairs, "ties", 1.5), "density is 1.5: it must lie between 0 and 1"),
        ((pairs, "sum", 0.5, 8), "rank is 8: sum has a fixed rank"),
        ((tuple((adapter, -1.0) for adapter in adapters), "mean"), "add up to no more than 0"),
    ):
        with pytest.raises(RecipeError, match=line):
            Merged(*arguments)
    with pytest.raises(RecipeError, match="adapter on sum of 3 was trained on tiny, not on other"):
        Stack(replace(tiny, content="0", name="other"), ((Merged(pairs), 1.0),))
    other = Adapter(replace(tiny, content="0", name="other"), lie, Training())
    with pytest.raises(RecipeError, match="was trained on other, not on tiny"):
        Merged((*pairs, (other, 1.0)))
