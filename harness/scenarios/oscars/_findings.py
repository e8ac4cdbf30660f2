"""Where an adapter learns too little and where it wrecks the model, and which families of wordings
it understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from tabulate import tabulate

from harness.builds import GRADES, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Finding
from harness.experiments.shares import over_seeds, trial
from harness.experiments.tuning import Trial
from harness.recipes import Training

_SAID = (
    "Rephrased recall / locality, means over seeds; a row a rank and learning rate, a column a"
    " number of epochs."
)

_FAMILIES = (
    "Share right by family. No training text of model or adapter has a wording of the families"
    " formal, colloquial and keyword; near ones are cousins of trained wordings."
)


def findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """Recall by family of wordings; over rank, rate and epochs, where at least two rates and
    numbers of epochs ran.

    There is one of those for each model, dataset and way to train.
    """
    groups: dict[tuple[str, str, float, Training], list[Cell]] = {}
    for cell in cells:
        alike = cell.training.alpha / cell.training.rank, _but_axes(cell.training)
        groups.setdefault((cell.model_name, cell.dataset.name, *alike), []).append(cell)
    over = [
        Finding(
            f"{data} on {model}, over rank, learning rate and epochs",
            f"{_SAID}\n\n{_table(own, fetch)}",
        )
        for (model, data, *_), own in groups.items()
        if min(len({getattr(cell.training, axis) for cell in own}) for axis in ("lr", "epochs")) > 1
    ]
    return [*_by_family(cells, fetch), *over]


def _by_family(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """A row a cell, a column a kind and family; nothing where no probe has a family."""
    rows: list[dict[str, str]] = []
    for cell in cells:
        right: dict[str, list[float]] = {}
        for line in read_lines(fetch(cell.grades).path / GRADES):
            if family := line.get("family"):
                kind = line["kind"].replace("_", " ")
                right.setdefault(kind if kind == family else f"{kind}: {family}", []).append(
                    float(line["right"])
                )
        if right:
            rows.append(
                {"cell": cell.id} | {name: f"{fmean(own):.2f}" for name, own in right.items()}
            )
    if not rows:
        return []
    table = tabulate(rows, "keys", "github", disable_numparse=True)
    return [Finding("Recall by family of wordings", f"{_FAMILIES}\n\n{table}")]


def _but_axes(training: Training) -> Training:
    """What ``training`` has in common with all others of its table."""
    return replace(training, rank=1, alpha=1, lr=1.0, epochs=1, seed=0)


def _table(cells: Sequence[Cell], fetch: Fetch) -> str:
    trials = over_seeds(trial(cell, fetch) for cell in cells)
    found = {(t.training.rank, t.training.lr, t.training.epochs): t for t in trials}
    across = sorted({epochs for _, _, epochs in found})
    down = sorted({(rank, lr) for rank, lr, _ in found})
    rows = [
        [str(rank), f"{lr:g}", *(_shares(found.get((rank, lr, epochs))) for epochs in across)]
        for rank, lr in down
    ]
    head = ["rank", "lr", *(f"{epochs} epochs" if epochs > 1 else "1 epoch" for epochs in across)]
    return tabulate(rows, head, "github", disable_numparse=True)


def _shares(found: Trial | None) -> str:
    return f"{found.recall:.2f} / {found.locality:.2f}" if found else ""
