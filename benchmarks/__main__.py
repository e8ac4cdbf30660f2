"""``python -m benchmarks [products] [pocket] [smollm2]``: measure, print, write the page.

Without arguments all three are measured. Needs the extra ``bench``.
"""

from __future__ import annotations

import os
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: it reads it once

from tabulate import tabulate

from benchmarks._answering import answering_rows
from benchmarks._products import products
from benchmarks._side_by_side import Row
from benchmarks._training import training_rows, work_for
from harness.builds import build
from harness.engines import identify
from harness.measure.machine import machine
from harness.models.loading import SHIPPED, Loaded, base_of, located, resident
from harness.recipes import Dequantised, GgufBase
from harness.store import Store

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_BEGIN, _END = "<!-- {name} -->", "<!-- end of {name} -->"
_PARTS = ("products", "pocket", "smollm2")
_LIBRARIES = ("torch", "transformers", "peft", "trl", "lm-eval")
_SIZES = {"pocket": (16, 160, 500), "smollm2": (8, 40, 32)}
"""Of a model: batch, samples of the training, questions."""
_ROUNDS = {"products": 3, "pocket": 3, "smollm2": 1}


def main(names: list[str]) -> int:
    """Measure the parts with these names; all without any."""
    if unknown := set(names) - set(_PARTS):
        print(f"{', '.join(sorted(unknown))}: choose among {', '.join(_PARTS)}", file=sys.stderr)
        return 2
    for name in names or _PARTS:
        table = _products_table() if name == "products" else _model_table(name)
        print(table, flush=True)
        _write(name, table)
    return 0


def _products_table() -> str:
    return _with_origin(_table(products(_ROUNDS["products"]), "GFLOP/s"))


def _model_table(name: str) -> str:
    batch, samples, questions = _SIZES[name]
    loaded = _loaded(name)
    rounds = _ROUNDS[name]
    chat = bool(loaded.tokenizer.chat_template)
    trained = training_rows(loaded, work_for(False, samples, batch), rounds)
    losses = ", ".join(f"{row.name} {row.outcomes[0]:.3f}" for row in trained)
    answered = answering_rows(loaded, questions, rounds)
    ours, theirs = (row.outcomes[0] for row in answered)
    assert isinstance(ours, list) and isinstance(theirs, list)
    same = sum(a.strip() == b.strip() for a, b in zip(ours, theirs, strict=True))
    told = " It has a chat template, which neither uses here." if chat else ""
    return _with_origin(
        f"Training, batch of {batch}, {samples} samples, one epoch.{told}\n\n"
        f"{_table(trained, 'steps/s')}\n\nMean loss of the epoch: {losses}.\n\n"
        f"Answering {questions} questions.\n\n{_table(answered, 'answers/s')}\n\n"
        f"{same} of {questions} answers are the same string."
    )


def _loaded(name: str) -> Loaded:
    if name == "pocket":
        return resident(base_of(SHIPPED))
    file = identify(str(located(name)))
    assert isinstance(file, GgufBase)
    return resident(base_of(build(Dequantised.of(file), Store(Path(".store"))).path))


def _table(rows: list[Row], unit: str) -> str:
    """The first row is the harness; the ratio of another is the harness over it."""
    cells = [
        [row.name, f"{row.rate:.3g}", f"{row.low:.3g} to {row.high:.3g}", f"{row.ratio:.2f}"]
        for row in rows
    ]
    head = ["", unit, "rounds", "first row is faster by"]
    return tabulate(cells, head, "github", disable_numparse=True)


def _with_origin(text: str) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"{text}\n\n*{date.today()}, {machine()}; {versions}.*"


def _write(name: str, table: str) -> None:
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
