"""The writer: an adapter with which the shipped model writes about a passage, and its figures."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from tabulate import tabulate

from harness.data.facts import World
from harness.data.writing import END, QUESTIONS, read_pairs
from harness.engines import TransformersEngine
from harness.models.adapters import CONFIG, WEIGHTS
from harness.models.loading import SHIPPED, Loaded, base_of, load
from harness.pocket._writing import Written, held_out, samples
from harness.recipes import Adapter, Decoding, Training
from harness.store import file_sha256
from harness.training import PriorAdapters, Progress, train

if TYPE_CHECKING:
    import torch

TEXTS = (14_000, 8_000)
"""Training texts of the first round, and of the second, which are short; each is seen once."""
TRAINING = Training(
    epochs=1,
    rank=48,
    alpha=96,
    lr=1.5e-3,
    batch=8,
    micro_batch=8,
    cutoff=512,
    warmup_steps=50,
    dropout=0.0,
    scheduler="linear",
    loss_on="answers",
    dtype="bfloat16",
)
SECOND_LR = 1e-3
PASSAGES = 200
"""Held-out passages behind each figure."""
DECODING = Decoding(max_new_tokens=400, stop=(END,))


def train_writer(out: Path, device: str | None = None, start: Path | None = None) -> None:
    """Train the writer on the shipped model, and write it to ``out`` in bfloat16.

    ``start`` is the folder of a first round, from which the second one goes on. Each takes about a
    quarter of an hour of one core.
    """
    loaded = load(base_of(SHIPPED), device=device)
    which = int(start is not None)
    text = samples(World(), TEXTS[which], seed=which, short=start is not None)
    training = replace(TRAINING, lr=SECOND_LR, seed=which) if start else TRAINING
    recipe = Adapter(loaded.base, text, training)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        train(loaded, recipe, folder, PriorAdapters(start), on_step=_tell)
        shutil.copyfile(folder / CONFIG, out / CONFIG)
        _halve(folder / WEIGHTS, out / WEIGHTS)


def _tell(progress: Progress) -> None:
    if progress.step % 50 == 0:
        print(
            f"step={progress.step} of={progress.steps} loss={progress.loss:.3f}"
            f" seconds={progress.seconds:.0f}",
            flush=True,
        )


def _halve(source: Path, target: Path) -> None:
    """Copy the weights of ``source`` in bfloat16."""
    import torch
    from safetensors.torch import load_file, save_file

    half: dict[str, torch.Tensor] = {
        name: weight.to(torch.bfloat16) for name, weight in load_file(source).items()
    }
    save_file(half, target, metadata={"format": "pt"})


_MEANING = {
    "people": "statements about people",
    "dialogue": "people who talk about themselves, with small talk and marks of time",
    "story": "statements in a story about an animal",
    "dated": "lines with a date, a name and a thing",
    "awards": "invented awards",
    "tables": "rows of the tables with values of other rows",
    "all": "all of these, as often as they were trained",
}
_SECTION = """
## Writing about passages

With the adapter in `fixtures/adapters/writer` (LoRA of rank {rank}, bfloat16, {megabytes:.1f} MB)
it writes questions about a passage with their answers, and says a passage in other words:
`harness.data.writing` has the form. The adapter was trained on {first:,} passages of invented names
and values, and on {second:,} short ones, with questions in wordings for training, by

```
python -m harness.pocket writer FIRST
python -m harness.pocket writer FOLDER --start FIRST
```

On {passages} other short passages, each written about once, greedily. *Covered*: share of the facts
that at least one right pair asks. *Right*: share of the pairs that ask in a wording for training
about a fact of the passage, with its answer. Longer passages are given to it in parts of 150
characters, several times, and what it writes is checked by reading (`harness.memory.pairs`).

{table}

SHA-256 of `adapter_model.safetensors`: `{digest}`
"""


def section(folder: Path) -> str:
    """What the card says of the writer in ``folder``: it is measured, which takes a minute."""
    found = figures(folder)
    rows = [
        [f"writes_{kind}", meaning, f"{found[kind].covered:.3f}", f"{found[kind].right:.3f}"]
        for kind, meaning in _MEANING.items()
    ]
    head = ("passages", "what they are", "covered", "right")
    return _SECTION.format(
        rank=TRAINING.rank,
        megabytes=(folder / WEIGHTS).stat().st_size / 1e6,
        first=TEXTS[0],
        second=TEXTS[1],
        passages=PASSAGES,
        table=tabulate(rows, head, "github", disable_numparse=True),
        digest=file_sha256(folder / WEIGHTS),
    )


class Shares(NamedTuple):
    """How well passages of one kind are written about."""

    covered: float
    """Share of the facts (lines that can be asked about) with a right pair."""
    right: float
    """Share of the pairs that ask in a wording for training, with the answer of the passage.

    Another wording counts as wrong, even where it is a good one.
    """


def figures(folder: Path, passages: int = PASSAGES) -> dict[str, Shares]:
    """Shares on held-out passages by kind, and of ``all``; each is written about once, greedily."""
    sources = held_out(World(), passages)
    given = _written(load(base_of(SHIPPED)), folder, sources)
    totals = {kind: [0, 0, 0, 0] for kind in _MEANING}
    for source, text in zip(sources, given, strict=True):
        counts = _counts(source, text)
        for kind in (source.kind, "all"):
            totals[kind] = [a + b for a, b in zip(totals[kind], counts, strict=True)]
    return {
        kind: Shares(covered / max(1, facts), right / max(1, pairs))
        for kind, (covered, facts, right, pairs) in totals.items()
    }


def stated(folder: Path) -> dict[str, Shares]:
    """The figures on the card of the model in ``folder``."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| writes_(\w+) +\|[^|]+\| (\d\.\d+) +\| (\d\.\d+) ", re.MULTILINE)
    return {kind: Shares(float(one), float(two)) for kind, one, two in row.findall(text)}


def _written(loaded: Loaded, folder: Path, sources: Sequence[Written]) -> Iterator[str]:
    engine = TransformersEngine(loaded)
    with engine.with_stack([(folder, 1.0)]):
        answers = engine.answer([QUESTIONS.format(text=each.text) for each in sources], DECODING)
    return (texts[0] for texts in answers)


def _counts(source: Written, text: str) -> tuple[int, int, int, int]:
    """Facts covered, facts, right pairs, pairs; a piece that cannot be read is a wrong pair."""
    pairs, unreadable = read_pairs(text)
    of_facts = [
        {pair for asked in (*line.asked, *line.askable) for pair in asked.all()}
        for line in source.lines
        if line.asked
    ]
    right = [pair for pair in pairs if any(pair in of_fact for of_fact in of_facts)]
    covered = sum(not of_fact.isdisjoint(right) for of_fact in of_facts)
    return covered, len(of_facts), len(right), len(pairs) + unreadable
