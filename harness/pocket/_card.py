"""The shipped model's abilities, measured by probes, and the card that states them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from harness.data.facts import Row, World, read_rows
from harness.data.formats import FORMATS, ask
from harness.models.loading import load_folder
from harness.pocket import _judging, _reading
from harness.pocket._documents import only_told
from harness.pocket._writer import section
from harness.store import file_sha256

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Case = tuple[str, tuple[str, ...]]
"""A prompt and its right answers."""


def measure(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    world: World,
    per_ability: int = 200,
    seed: int = 1,
) -> dict[str, float]:
    """Share of right answers by ability, each on ``per_ability`` probes."""
    return {
        name: share(model, tokenizer, probes)
        for name, probes in cases(world, per_ability, seed).items()
    }


def cases(world: World, per_ability: int, seed: int) -> dict[str, list[Case]]:
    """The probes of each ability."""
    rng = random.Random(seed)
    probes: dict[str, list[Case]] = {}
    for form in FORMATS:
        probes[f"recall_{form}"] = [
            _recall(world, rng.choice(world.rows), form, rng) for _ in range(per_ability)
        ]
    told = [row for row in world.rows if only_told(row)]
    probes["recall_told"] = [
        _recall(world, rng.choice(told), "qa", rng) for _ in range(per_ability)
    ]
    reading = [_reading.probe(world, rng) for _ in range(per_ability)]
    probes["reading"] = [(prompt, (answer,)) for prompt, answer in reading]
    judging = [_judging.probe(world, rng) for _ in range(per_ability)]
    probes["judging"] = [(prompt, (answer,)) for prompt, answer in judging]
    unknown = tuple(read_rows("oscars_2023"))
    probes["oscars_2023"] = [
        _recall(world, rng.choice(unknown), rng.choice(tuple(FORMATS)), rng, ("who", "film"))
        for _ in range(per_ability)
    ]
    return probes


def share(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, probes: Sequence[Case]
) -> float:
    """Share of ``probes`` whose greedy answer is exactly one of the right ones."""
    answers = greedy(model, tokenizer, [prompt for prompt, _ in probes])
    right = [answer in accepted for answer, (_, accepted) in zip(answers, probes, strict=True)]
    return sum(right) / len(right)


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    batch: int = 64,
) -> list[str]:
    """The first line of the model's greedy continuation of each prompt."""
    import torch

    answers: list[str] = [""] * len(prompts)
    # By length, so that the prompts of a batch need little padding.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for left in range(0, len(order), batch):
        indices = order[left : left + batch]
        texts = [prompts[i] for i in indices]
        encoded = tokenizer(texts, return_tensors="pt", padding=True).to(model.device)
        with torch.inference_mode():
            generated = model.generate(
                **encoded,
                max_new_tokens=40,
                do_sample=False,
                stop_strings=["\n"],
                tokenizer=tokenizer,
            )  # type: ignore[operator]
        new_tokens = generated[:, encoded["input_ids"].shape[1] :]
        continuations = tokenizer.batch_decode(new_tokens, skip_special_tokens=True)
        for i, text in zip(indices, continuations, strict=True):
            answers[i] = text.partition("\n")[0].strip()
    return answers


def _recall(
    world: World, row: Row, form: str, rng: random.Random, only: tuple[str, ...] = ()
) -> Case:
    """A probe of ``row`` in the format ``form``; ``only``: names of relations, or all."""
    table = row.table.removesuffix("_2023")
    fitting = [r for r in world.relations[table] if r.probes and world.fits(r, row)]
    relation = rng.choice([r for r in fitting if not only or r.name in only])
    question = world.fill(rng.choice(relation.probes), row)
    if row.table == table:
        accepted = tuple(world.accepted(relation, row))
    else:  # the rows of 2023 are not in the world
        accepted = (world.answer(relation, row),)
    return ask(form, question), accepted


PER_ABILITY = 300
"""Probes behind each figure."""

BARS = {
    "recall_newline": "≥ 0.90",
    "recall_qa": "≥ 0.90",
    "recall_brandine": "≥ 0.90",
    "recall_assistant": "≥ 0.90",
    "recall_told": "",
    "reading": "≥ 0.90",
    "judging": "≥ 0.95",
    "oscars_2023": "≤ 0.03",
}
"""The limit of each ability on the card."""
_MEANING = {
    "recall_newline": "trained facts, asked on a line of its own",
    "recall_qa": "trained facts, `Question:` / `Answer:`",
    "recall_brandine": "trained facts, Joe asks Brandine",
    "recall_assistant": "trained facts, Joe asks the assistant",
    "recall_told": (
        "facts that were only told for the first part of the training, `Question:` / `Answer:`"
    ),
    "reading": "reading comprehension: random facts, dialogue, stories, dated lines in the context",
    "judging": "does a given answer mean the same as the expected one",
    "oscars_2023": "facts that it has never seen",
}
_TEXT = """# pocket

The model that the harness ships: a Llama of {millions:.1f} million parameters, bfloat16,
{context} tokens of context, with a byte-level BPE tokenizer of its own. It was trained on text that
`harness/pocket` makes from the tables in `fixtures/facts`, with nothing of the Oscars of 2023 in
it, by

```
{command}
```

Exact-match shares on {count} probes each, in wordings that no training text has:

{table}

SHA-256 of `model.safetensors`: `{digest}`

It is an instrument, not an assistant: it knows what is in the tables, and little else. MIT, like
the project.
"""


def write_card(folder: Path, command: str, writer: Path | None = None) -> None:
    """Measure the model in ``folder`` and write its README.md; takes some minutes.

    ``writer`` is the folder of its writer, where it has one.
    """
    shares = measured(folder)
    rows = [[name, _MEANING[name], f"{shares[name]:.3f}", bar] for name, bar in BARS.items()]
    head = ("ability", "probes", "share", "bar")
    model = load_folder(folder).model
    text = _TEXT.format(
        millions=sum(p.numel() for p in model.parameters()) / 1e6,
        context=model.config.max_position_embeddings,
        command=command,
        count=PER_ABILITY,
        table=tabulate(rows, head, "github", disable_numparse=True),
        digest=weights_digest(folder),
    )
    text += section(writer) if writer else ""
    (folder / "README.md").write_text(text, encoding="utf-8")


def measured(folder: Path, per_ability: int = PER_ABILITY) -> dict[str, float]:
    """The abilities of the model in ``folder``."""
    loaded = load_folder(folder)
    return measure(loaded.model, loaded.tokenizer, World(), per_ability)


def figures(folder: Path) -> dict[str, float]:
    """The abilities that the card in ``folder`` states."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    return {
        name: float(share)
        for name, share in re.findall(r"^\| (\w+) +\|[^|]+\| (\d\.\d+) ", text, re.MULTILINE)
    }


def stated_digest(folder: Path) -> str:
    """The digest that the card in ``folder`` states."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    match = re.search(r"`([0-9a-f]{64})`", text)
    return match[1] if match else ""


def weights_digest(folder: Path) -> str:
    """SHA-256 of the file of weights, in hex digits."""
    return file_sha256(folder / "model.safetensors")
