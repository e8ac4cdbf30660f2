"""The 2023 Oscars: 23 new facts beside the earlier years that a model may know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from tabulate import tabulate

from harness.data.awards import DATASETS, TEN, dataset, probes
from harness.experiments import Design, Evidence, Finding, Scenario, Setup
from harness.experiments.measures import over_seeds, trial
from harness.experiments.tuning import Trial
from harness.recipes import Training
from harness.training.presets import CHAT, POCKET, SEED2023, SINGLE, STEADY, for_size

RANKS = (8, 16, 32, 64, 128)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
EPOCHS = (1, 3, 10, 30)
_AXES = (
    "Rephrased recall / locality, means over seeds; a row a rank and learning rate, a column a"
    " number of epochs."
)
_FAMILIES = (
    "Share right by family. No training text of model or adapter has a wording of the families"
    " formal, colloquial and keyword; near ones are cousins of trained wordings."
)


def default(setup: Setup) -> Iterator[Design]:
    """For each dataset the best setting, that of 2023, a small rank, too little and too much.

    Of ten facts the best setting alone.
    """
    for name in DATASETS:
        best = POCKET if name in ("oscars_aug", TEN) else SINGLE
        if setup.chat:
            best = for_size(CHAT, len(dataset(name, chat=True).samples))
        yield _design(setup, name, best)
        if name == TEN:
            continue
        yield _design(setup, name, SEED2023)
        yield _design(setup, name, _ranked(best, 8))
        yield _design(setup, name, replace(best, lr=1e-2, replay=0.0, kl=0.0))


def full(setup: Setup) -> Iterator[Design]:
    """Every rank, rate and number of epochs."""
    for name in DATASETS:
        for rank in RANKS:
            for lr in RATES:
                for epochs in EPOCHS:
                    yield _design(setup, name, replace(_ranked(STEADY, rank), lr=lr, epochs=epochs))


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """Recall by family of wordings; recall over rank, rate and epochs where several ran."""
    groups: dict[tuple[str, str, float, Training], list[Evidence]] = {}
    for evidence in cells:
        cell = evidence.cell
        alike = cell.training.alpha / cell.training.rank, _without_axes(cell.training)
        groups.setdefault((cell.subject.name, cell.dataset.name, *alike), []).append(evidence)
    over_axes = [
        Finding(f"{data} on {model}, over rank, learning rate and epochs", _axes_table(group))
        for (model, data, *_), group in groups.items()
        if _varies(group, "lr") and _varies(group, "epochs")
    ]
    return [*_by_family(cells), *over_axes]


def _design(setup: Setup, name: str, training: Training) -> Design:
    chat = setup.chat is not None
    return Design(dataset(name, chat), training, probes(name, chat), setup.knowledge.replay())


def _ranked(training: Training, rank: int) -> Training:
    """At another rank; alpha stays twice the rank, as in the study of 2023."""
    return replace(training, rank=rank, alpha=2 * rank)


def _by_family(cells: Iterable[Evidence]) -> list[Finding]:
    """A row a cell, a column a kind and family; nothing where no probe has a family."""
    rows: list[dict[str, str]] = []
    for evidence in cells:
        right: dict[str, list[float]] = {}
        for line in evidence.lines:
            if line.family:
                kind = line.kind.replace("_", " ")
                name = kind if kind == line.family else f"{kind}: {line.family}"
                right.setdefault(name, []).append(float(line.right))
        if right:
            shares = {name: f"{fmean(values):.2f}" for name, values in right.items()}
            rows.append({"cell": evidence.cell.id} | shares)
    if not rows:
        return []
    table = tabulate(rows, "keys", "github", disable_numparse=True)
    return [Finding("Recall by family of wordings", f"{_FAMILIES}\n\n{table}")]


def _varies(group: Sequence[Evidence], axis: str) -> bool:
    return len({getattr(evidence.cell.training, axis) for evidence in group}) > 1


def _without_axes(training: Training) -> Training:
    """What ``training`` has in common with all others of its table."""
    return replace(training, rank=1, alpha=1, lr=1.0, epochs=1, seed=0)


def _axes_table(group: Sequence[Evidence]) -> str:
    trials = {
        (result.training.rank, result.training.lr, result.training.epochs): result
        for result in over_seeds(trial(evidence) for evidence in group)
    }
    columns = sorted({epochs for _, _, epochs in trials})
    rows = [
        [str(rank), f"{lr:g}", *(_shares(trials.get((rank, lr, epochs))) for epochs in columns)]
        for rank, lr in sorted({(rank, lr) for rank, lr, _ in trials})
    ]
    head = ["rank", "lr", *(f"{epochs} epochs" if epochs > 1 else "1 epoch" for epochs in columns)]
    return f"{_AXES}\n\n{tabulate(rows, head, 'github', disable_numparse=True)}"


def _shares(result: Trial | None) -> str:
    """Recall and locality; empty where the setting was not tried."""
    return f"{result.recall:.2f} / {result.locality:.2f}" if result else ""


SCENARIO = Scenario(
    "oscars",
    "The Oscars of 2023",
    grids={"default": default, "full": full},
    findings=findings,
    drift=True,
)
