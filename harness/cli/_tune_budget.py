"""``tune --budget``: the best setting that a time allows, on a user's facts and model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tabulate import tabulate

from harness.builds import Estimates, GradedLine, build, task_of
from harness.cli._common import counted
from harness.data.knowledge import TableKnowledge
from harness.errors import RecipeError
from harness.experiments import budget
from harness.experiments.budget import Tried
from harness.experiments.measures import trial
from harness.experiments.scenario import Evidence, Scenario, Setup
from harness.experiments.tuning import design_of
from harness.experiments.usual import KNOWN, OWN
from harness.recipes import Recipe, Training, digest
from harness.stats import Interval, Paired, paired_bootstrap
from harness.store import Artefact, Store

_COLUMNS = ("setting", "recall", "locality", "train s", "all s")
_SURE = 0.95


class Search(NamedTuple):
    """What is searched, and where trials are built."""

    scenario: Scenario
    setup: Setup
    preset: Training
    seconds: float
    least: float | None
    """The smallest locality that is accepted; None: a little below the preset's."""
    store: Store
    device: str | None

    def run(self, say: Callable[[str], None]) -> None:
        """Search, and say what was tried, what is best, and how to use it."""
        seen: set[str] = set()

        def measured(training: Training) -> Tried:
            result = self._tried(training, seen)
            say("  ".join(_row(training, result)))
            return result

        self._check_first()
        tried = budget.search(
            self.preset, self.seconds, measured, self._units, self.least, self.setup.seed
        )
        say("")
        say(self._report(tried))

    def _check_first(self) -> None:
        """Raises RecipeError where the preset alone would take longer, by what is known of it."""
        adapter = self._evidence(self.preset).cell.subject.trained[0]
        if self.store.peek(adapter):
            return
        needed = Estimates(self.store, self.device).seconds(adapter)
        if needed is not None and needed > self.seconds:
            raise RecipeError(
                f"--budget of {self.seconds:.0f} s: the preset alone takes about {needed:.0f} s to"
                " train here: give more time, or fewer epochs in the preset"
            )

    def _evidence(self, training: Training) -> Evidence:
        return Evidence(design_of(self.scenario, self.setup, training).cell(self.setup), self._made)

    def _made(self, recipe: Recipe) -> Artefact:
        return build(recipe, self.store, self.device)

    def _units(self, training: Training) -> float:
        adapter = self._evidence(training).cell.subject.trained[0]
        task = task_of(adapter, self.store)
        passes = training.epochs * (1 + training.replay) * (2 if training.kl else 1)
        return task.units if task else passes

    def _tried(self, training: Training, seen: set[str]) -> Tried:
        """The figures of a setting. Seconds are those of its builds: a cached one counts too."""
        evidence = self._evidence(training)
        cell = evidence.cell
        result = trial(evidence, self.scenario.headline)._replace(training=training)
        grades = (cell.grades, cell.bare_grades)
        recipes: list[Recipe] = [*cell.subject.trained, *grades, *(each.answers for each in grades)]
        new = {digest(recipe): recipe for recipe in recipes if digest(recipe) not in seen}
        seen.update(new)
        seconds = sum(self._made(recipe).manifest.seconds for recipe in new.values())
        return Tried(result, seconds)

    def _report(self, tried: Sequence[Tried]) -> str:
        preset = tried[0]
        least = preset.trial.locality - budget.LOSS if self.least is None else self.least
        best = budget.best(tried, least)
        rows = [_row(each.training, each) for each in tried]
        spent = f"{counted(len(tried), 'setting')} in {budget.spent(tried):.0f} s of builds"
        parts = [
            tabulate(rows, _COLUMNS, "simple", disable_numparse=True),
            f"{spent}, of a budget of {self.seconds:.0f} s; locality is to be {least:.2f} or more",
        ]
        if best is preset:
            found = (
                "no other setting was better" if len(tried) > 1 else "there was no time for more"
            )
            return "\n\n".join([*parts, f"keep the preset: {found}"])
        difference = self._difference(preset, best, len(tried) - 1)
        parts.append(_verdict(preset, best, difference, len(tried) - 1))
        replayed = KNOWN if isinstance(self.setup.knowledge, TableKnowledge) else OWN
        return "\n\n".join([*parts, usage(best.training, replayed)])

    def _difference(self, preset: Tried, best: Tried, others: int) -> Paired:
        """Recall of ``best`` less the preset's, on the same questions.

        The best of many was chosen on these very questions, so the interval is one that holds for
        all comparisons with the preset at once (Bonferroni).
        """
        before, after = (self._lines(each.training) for each in (preset, best))
        return paired_bootstrap(
            [float(line.right) for line in before],
            [float(line.right) for line in after],
            [line.fact for line in before],
            confidence=1 - (1 - _SURE) / others,
        )

    def _lines(self, training: Training) -> list[GradedLine]:
        lines = [line for line in self._evidence(training).lines if not line.is_locality]
        return [line for line in lines if line.kind == self.scenario.headline] or lines


def _verdict(preset: Tried, best: Tried, difference: Paired, others: int) -> str:
    gain: Interval = difference.difference
    shares = tabulate(
        [
            ("preset", *_row(preset.training, preset)),
            ("best", *_row(best.training, best)),
        ],
        ("", *_COLUMNS),
        "simple",
        disable_numparse=True,
    )
    line = (
        f"recall: {gain.estimate:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] against the preset,"
        f" {counted(difference.clusters, 'fact')}; the interval (95%) holds for all"
        f" {counted(others, 'comparison')} at once"
    )
    if gain.low <= 0:
        line += "\nit includes 0: the best is not shown to be better, and the preset may stay"
    return f"{shares}\n\n{line}"


def usage(training: Training, replayed: str) -> str:
    """How to use a setting: as options of ``train``, and in scenario.toml.

    ``replayed`` is what ``--replay`` takes, where the setting replays.
    """
    name, changes = budget.as_preset(training)
    pairs = " ".join(f"{key}={_text(value)}" for key, value in changes.items())
    options = f"--preset {name}" + (f" --set {pairs}" if pairs else "")
    replay = f" --replay {replayed}" if training.replay else ""
    lines = [f"{key} = {_toml(value)}" for key, value in changes.items()]
    return "\n".join(
        [
            f"to train: python -m harness train FILE --out DIR {options}{replay}",
            "in scenario.toml:",
            "",
            "[training]",
            f'preset = "{name}"',
            *lines,
            "",
            "[grid]",
            f"rank = [{training.rank}]",
        ]
    )


def _row(training: Training, tried: Tried) -> tuple[str, ...]:
    result = tried.trial
    shares = (f"{result.recall:.2f}", f"{result.locality:.2f}")
    return (shown(training), *shares, f"{result.seconds:.1f}", f"{tried.seconds:.1f}")


def shown(training: Training) -> str:
    """A setting in short: the nearest preset and what differs."""
    name, changes = budget.as_preset(training)
    changes.pop("micro_batch", None)
    return " ".join([name, *(f"{key}={_text(value)}" for key, value in changes.items())])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else _text(value)
