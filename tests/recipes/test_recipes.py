"""Recipes: which fields change the digest, and which values are refused."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError, RecipeError
from harness.recipes import (
    Adapter,
    Base,
    Dataset,
    Decoding,
    Probe,
    ProbeSet,
    Sample,
    Stack,
    Training,
    canonical,
    changed,
    digest,
)

BASE = Base(content="c0ffee", name="pocket", path="fixtures/models/pocket")
DATASET = Dataset.of("one", (Sample("Brendan Fraser won.\n"),))
ADAPTER = Adapter(BASE, DATASET, Training())


def test_digest_ignores_paths_and_names() -> None:
    moved = dataclasses.replace(
        ADAPTER, base=dataclasses.replace(BASE, path="elsewhere", name="other")
    )
    renamed = dataclasses.replace(moved, dataset=Dataset.of("two", DATASET.samples))
    assert digest(renamed) == digest(ADAPTER)


OTHER_VALUES: dict[str, Any] = {
    "scheduler": "linear",
    "optimizer": "sgd",
    "loss_on": "answers",
    "dtype": "bfloat16",
    "init": "orthogonal",
    "target_modules": ("q_proj",),
}


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Training)])
def test_every_training_field_changes_the_digest(field: str) -> None:
    value: Any = getattr(Training(), field)
    if field in OTHER_VALUES:
        other: Any = OTHER_VALUES[field]
    elif isinstance(value, bool):
        other = not value
    else:
        other = value + (1 if isinstance(value, int) else 0.25)
    changed: dict[str, Any] = {field: other}
    assert digest(dataclasses.replace(Training(), **changed)) != digest(Training())


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_dataset_content_is_a_function_of_its_text(texts: list[str]) -> None:
    samples = tuple(Sample(t) for t in texts)
    assert Dataset.of("a", samples).content == Dataset.of("b", samples).content
    assert Dataset.of("a", samples).content != Dataset.of("a", (*samples, Sample("more"))).content


@given(st.floats(min_value=1e-9, max_value=1.0), st.integers(0, 2**31))
def test_canonical_json_reads_back_the_same_values(lr: float, seed: int) -> None:
    read = json.loads(canonical(Training(lr=lr, seed=seed)))
    assert (read["kind"], read["lr"], read["seed"]) == ("Training", lr, seed)


def test_digest_is_stable_across_processes_and_releases() -> None:
    assert digest(Sample("x")) == digest(Sample("x"))
    assert canonical(Sample("x")) == '{"completion":"x","fact":"","kind":"Sample","prompt":""}'


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rank", 0),
        ("epochs", 0),
        ("batch", 0),
        ("cutoff", 1),
        ("seed", -1),
        ("seed", 2**63),
        ("warmup_steps", -1),
        ("lr", 0.0),
        ("lr", math.nan),
        ("lr", math.inf),
        ("weight_decay", -1.0),
        ("max_grad_norm", 0.0),
        ("max_grad_norm", math.inf),
        ("replay", -1.0),
        ("rslora", "off"),
        ("dropout", 1.0),
        ("skip_layers", 1.0),
        ("overlap", 256),
        ("scheduler", "wavy"),
        ("target_modules", ()),
        ("kl", -1.0),
    ],
)
def test_impossible_training_is_refused_in_one_line(field: str, value: object) -> None:
    with pytest.raises(RecipeError, match=field) as refused:
        dataclasses.replace(Training(), **{field: value})  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


@given(
    st.sampled_from([f.name for f in dataclasses.fields(Training) if isinstance(f.default, float)]),
    st.floats() | st.sampled_from([math.inf, -math.inf, math.nan, -1.0, 0.0, 1.0]),
)
def test_a_number_has_a_digest_or_is_refused_by_name(field: str, value: float) -> None:
    try:
        digest(Training(**{field: value}))  # type: ignore[arg-type]
    except RecipeError as refused:
        assert str(refused).startswith(f"{field} is {value}: it must be")
    else:
        assert math.isfinite(value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [(("true", "yes", "On", "1"), True), (("False", "no", "off", "0"), False)],
)
def test_words_for_true_and_false(words: tuple[str, ...], expected: bool) -> None:
    for word in words:
        assert changed(Training(), [f"rslora={word}"], "--set").rslora is expected
        assert changed(Decoding(), [f"do_sample={word}"], "--decoding").do_sample is expected
    with pytest.raises(RecipeError, match="rslora is 'maybe': choose true or false"):
        changed(Training(), ["rslora=maybe"], "--set")


def test_replay_without_a_dataset_is_refused() -> None:
    with pytest.raises(RecipeError, match="replay dataset"):
        Adapter(BASE, DATASET, Training(replay=1.0))


def test_an_adapter_fits_only_its_own_base() -> None:
    with pytest.raises(RecipeError, match="fits only its own base"):
        Stack(Base("other", "other", "."), ((ADAPTER, 1.0),))


def test_empty_text_and_repeated_probe_ids_are_refused() -> None:
    probe = Probe("a", "exact", "f", "Who?\n", ("me",))
    with pytest.raises(DataError, match="empty"):
        Dataset.of("blank", (Sample(" \n"),))
    with pytest.raises(DataError, match="empty"):
        ProbeSet.of("none", ())
    with pytest.raises(DataError, match="'a' twice"):
        ProbeSet.of("twice", (probe, probe))


def test_sampling_needs_a_temperature() -> None:
    with pytest.raises(RecipeError, match="temperature"):
        Decoding(do_sample=True, temperature=0.0)
