"""The shipped model's card: its digest and its own measured abilities."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tabulate import tabulate

from harness.facts import World
from harness.models import load_folder
from harness.pocket import _abilities

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
_MEANING = {
    "recall_newline": "trained facts, asked on a line of its own",
    "recall_qa": "trained facts, `Question:` / `Answer:`",
    "recall_brandine": "trained facts, Joe asks Brandine",
    "recall_assistant": "trained facts, Joe asks the assistant",
    "recall_told": "facts that were only told for the first part of the training, `Question:` / `Answer:`",
    "reading": "reading comprehension: random facts, dialogue, stories, dated lines in the context",
    "judging": "does a given answer mean the same as the expected one",
    "oscars_2023": "facts that it has never seen",
}
_TEXT = """# pocket

The model that the harness ships: a Llama of {millions:.1f} million parameters, bfloat16, {context} tokens of context,
with a byte-level BPE tokenizer of its own. It was trained on text that `harness/pocket` makes from the tables in
`fixtures/facts`, with nothing of the Oscars of 2023 in it, by

```
{command}
```

Exact-match shares on {count} probes each, in wordings that no training text has:

{table}

SHA-256 of `model.safetensors`: `{digest}`

It is an instrument, not an assistant: it knows what is in the tables, and little else. MIT, like the project.
"""


def write_card(folder: Path, command: str) -> None:
    """Measure the model in ``folder`` and write its README.md. Takes some minutes."""
    found = measured(folder)
    rows = [[name, _MEANING[name], f"{found[name]:.3f}", bar] for name, bar in BARS.items()]
    config = load_folder(folder).model.config
    text = _TEXT.format(
        millions=sum(p.numel() for p in load_folder(folder).model.parameters()) / 1e6,
        context=config.max_position_embeddings,
        command=command,
        count=PER_ABILITY,
        table=tabulate(rows, ("ability", "probes", "share", "bar"), "github", disable_numparse=True),
        digest=weights_digest(folder),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def measured(folder: Path, per_ability: int = PER_ABILITY) -> dict[str, float]:
    """The abilities of the model in ``folder``."""
    loaded = load_folder(folder)
    return _abilities.measure(loaded.model, loaded.tokenizer, World(), per_ability)


def figures(folder: Path) -> dict[str, float]:
    """The abilities that the card in ``folder`` states."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    return {name: float(share) for name, share in re.findall(r"^\| (\w+) +\|[^|]+\| (\d\.\d+) ", text, re.MULTILINE)}


def stated_digest(folder: Path) -> str:
    """The digest that the card in ``folder`` states."""
    found = re.search(r"`([0-9a-f]{64})`", (folder / "README.md").read_text(encoding="utf-8"))
    return found[1] if found else ""


def weights_digest(folder: Path) -> str:
    """Hex SHA-256 of the weights' file."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
