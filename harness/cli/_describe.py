"""A manifest's recipe in words. It holds no names, as names decide nothing: known contents get theirs back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.errors import HarnessError
from harness.models import SHIPPED

_HEX = 8
_SHOWN = {"rank": "rank {}", "alpha": "alpha {}", "lr": "lr {:g}", "epochs": "{} epochs", "seed": "seed {}"}


def describe(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """One line, such as ``oscars_aug on pocket, rank 64, alpha 128, lr 0.001, 5 epochs, seed 0``."""
    try:
        return _describe(recipe, names)
    except (KeyError, TypeError, AttributeError, ValueError):
        return f"of another version: {recipe.get('kind', 'no kind')}"


@cache
def known_names() -> dict[str, str]:
    """Content -> name of the shipped model, and of what the scenarios train on and ask."""
    from harness.engines import HF
    from harness.models import base_of
    from harness.scenarios import SCENARIOS
    from harness.selection import cells

    try:
        shipped = base_of(SHIPPED)
    except HarnessError:
        return {}
    found = {shipped.content: shipped.name}
    for scenario in SCENARIOS.values():
        try:
            found_cells = cells(scenario, "telling", [shipped], [0], [HF])
        except HarnessError:
            continue  # a scenario without that grid keeps its digests
        for cell in found_cells:
            for named in (cell.dataset, cell.probes, cell.replay, cell.scored):
                found |= {named.content: named.name} if named else {}
    return found


def _describe(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    match recipe["kind"]:
        case "Base" | "GgufBase" | "Dataset" | "ProbeSet":
            return names.get(recipe["content"], recipe["content"][:_HEX])
        case "Quantised":
            return f"{_describe(recipe['base'], names)} ({_form(recipe['by'])})"
        case "Adapter":
            return f"{_trained(recipe, names)} on {_describe(recipe['base'], names)}, {_setting(recipe['training'])}"
        case "ServedBase":
            return f"a served model of {recipe['asked']} ({recipe['content'][:_HEX]})"
        case "GgufAdapter":
            return f"for llama.cpp: {_describe(recipe['adapter'], names)}"
        case "Sibling":
            return f"sibling of {_describe(recipe['adapter']['base'], names)}"
        case "GivenAdapter":
            return _trained(recipe, names)
        case "Answers":
            return _asked(recipe, names)
        case "Likelihoods":
            return f"likelihoods: {_asked(recipe, names)}"
        case "Grades":
            return f"{recipe['grader']}: {_describe(recipe['answers'], names)}"
        case other:
            return str(other).lower()


def _trained(adapter: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return _describe(adapter["dataset"], names) if "dataset" in adapter else f"adapter {adapter['content'][:_HEX]}"


def _setting(training: Mapping[str, Any]) -> str:
    parts = [form.format(training[name]) for name, form in _SHOWN.items()]
    return ", ".join(parts + ([f"replay {training['replay']:g}"] if training.get("replay") else []))


def _asked(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    stack = recipe["stack"]
    who = _describe(stack["base"], names)
    for adapter, scale in stack["adapters"]:
        times = "" if scale == 1 else f" x {scale:g}"
        setting = f", {_setting(adapter['training'])}" if "training" in adapter else ""
        who += f" + {_trained(adapter, names)}{times}{setting}"
    probes = _describe(recipe["probes"], names)
    return f"{who}" if any(_trained(a, names) == probes for a, _ in stack["adapters"]) else f"{who}, asked on {probes}"


def _form(by: Mapping[str, Any]) -> str:
    return f"gptq{by['bits']}" if "bits" in by else str(by["kind"])
