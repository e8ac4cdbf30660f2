"""What the shipped model can do, measured on wordings that no training text has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.facts import Row, World, read_rows
from harness.formats import FORMATS, ask
from harness.pocket import _judging, _reading
from harness.pocket._documents import only_told

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Case = tuple[str, tuple[str, ...]]
"""A prompt, and the answers that are right."""


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, world: World, per_ability: int = 200, seed: int = 1
) -> dict[str, float]:
    """Share of right answers by ability; each on ``per_ability`` probes."""
    return {name: share(model, tokenizer, found) for name, found in cases(world, per_ability, seed).items()}


def cases(world: World, per_ability: int, seed: int) -> dict[str, list[Case]]:
    """Probes by ability."""
    dice = random.Random(seed)
    found: dict[str, list[Case]] = {}
    for form in FORMATS:
        found[f"recall_{form}"] = [_recall(world, dice.choice(world.rows), form, dice) for _ in range(per_ability)]
    told = [row for row in world.rows if only_told(row)]
    found["recall_told"] = [_recall(world, dice.choice(told), "qa", dice) for _ in range(per_ability)]
    reading = [_reading.probe(world, dice) for _ in range(per_ability)]
    found["reading"] = [(prompt, (answer,)) for prompt, answer in reading]
    judging = [_judging.probe(world, dice) for _ in range(per_ability)]
    found["judging"] = [(prompt, (answer,)) for prompt, answer in judging]
    unknown = tuple(read_rows("oscars_2023"))
    found["oscars_2023"] = [
        _recall(world, dice.choice(unknown), dice.choice(tuple(FORMATS)), dice, ("who", "film"))
        for _ in range(per_ability)
    ]
    return found


def share(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Sequence[Case]) -> float:
    answers = greedy(model, tokenizer, [prompt for prompt, _ in asked])
    right = [answer in accepted for answer, (_, accepted) in zip(answers, asked, strict=True)]
    return sum(right) / len(right)


def greedy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], batch: int = 64
) -> list[str]:
    """The first line that the model continues each prompt with."""
    import torch

    found: list[str] = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for left in range(0, len(order), batch):
        chosen = order[left : left + batch]
        given = tokenizer([prompts[i] for i in chosen], return_tensors="pt", padding=True).to(model.device)
        with torch.inference_mode():
            made = model.generate(**given, max_new_tokens=40, do_sample=False, stop_strings=["\n"], tokenizer=tokenizer)  # type: ignore[operator]
        texts = tokenizer.batch_decode(made[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(chosen, texts, strict=True):
            found[i] = text.partition("\n")[0].strip()
    return found


def _recall(world: World, row: Row, form: str, dice: random.Random, only: tuple[str, ...] = ()) -> Case:
    table = row.table.removesuffix("_2023")
    fitting = [r for r in world.relations[table] if r.probes and world.fits(r, row) and (not only or r.name in only)]
    relation = dice.choice(fitting)
    question = world.word(dice.choice(relation.probes), row, None)
    accepted = (world.answer(relation, row),) if row.table != table else tuple(world.accepted(relation, row))
    return ask(form, question), accepted
