"""The grids of a user's own scenario, and the figures of published data sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import exp, inf
from statistics import mean
from typing import Any

from harness.builds import GradedLine
from harness.data.published import CHOICE, LIKELIHOOD
from harness.errors import DataError, RecipeError
from harness.experiments.cells import SCORE, SCORED, Ask, number
from harness.experiments.folder._material import SETTINGS, Material
from harness.experiments.folder._probes import known_replay
from harness.experiments.folder._published import Tasks
from harness.experiments.folder._settings import Axes, altered
from harness.experiments.scenario import Design, Evidence, Setup
from harness.recipes import Probe, Training
from harness.stats import Interval, cluster_bootstrap


def published_figures(material: Material, evidence: Evidence) -> dict[str, Interval]:
    """The figures of the folder's edits and question sets; 0 each where the loss ran away.

    Those that score text are missing on an engine that cannot.

    - ``efficacy``, ``paraphrase``, ``neighbourhood`` of CounterFact (Meng et al. 2022, arXiv
      2202.05262): share of prompts after which the new answer is more probable than the true one,
      or, of neighbours, the true one than the new; probabilities are those of a token, the
      geometric mean of the answer's, as in ROME's code.
    - The same of zsRE (ibid., after Mitchell et al. 2022, arXiv 2110.11309): share of the right
      answer's tokens that are the most probable one after the true text.
    - ``efficacy``, ``paraphrase``, ``portability`` and its aspects of KnowEdit (Zhang et al. 2024,
      arXiv 2401.01286): the same share of tokens. Its locality, answers that stay as they were, is
      ``locality`` itself.
    - ``acc_TASK``, ``acc_norm_TASK``, ``exact_match_TASK`` of a task as lm-evaluation-harness 0.4
      computes them: the most probable choice is right; the same by log-probability per character;
      the answer, up to the first of ``until`` and as its filters leave it, is one of the targets.
      Without filters, blanks around either do not count.
    - ``acc_TASK``, ``perplexity_TASK`` of its ``loglikelihood`` tasks: each token of the text is
      the most probable one; exp of minus the mean log-likelihood of a text.

    Figures of edits are means over edits of the means over an edit's prompts; edits are resampled.
    """
    figures = exact_matches(material.tasks, evidence.lines)
    scored = {line.id: line.likelihoods for line in evidence.scored()}
    if material.scored is None or not scored:
        return figures
    asked = [(probe, scored[probe.id]) for probe in material.scored.probes]
    choices = [(probe, each) for probe, each in asked if probe.kind in material.tasks]
    edits = [(probe, each) for probe, each in asked if probe.kind not in material.tasks]
    figures |= edit_figures(edits) | choice_figures(material.tasks, choices)
    return figures | word_figures(material.tasks, choices)


Likelihoods = Sequence[Mapping[str, float]]
"""Of the accepted answers of one probe; none where nothing could be scored."""

Scored = Sequence[tuple[Probe, Likelihoods]]


def edit_figures(asked: Scored) -> dict[str, Interval]:
    """A mean for each aspect; the aspects of portability also together."""
    cases: dict[str, dict[str, list[float]]] = {}
    for probe, found in asked:
        family = probe.kind.partition("_")[0]
        for name in dict.fromkeys((family, probe.kind)):
            cases.setdefault(name, {}).setdefault(probe.fact, []).append(_held(found))
    return {
        name: _mean([mean(values) for values in by_edit.values()])
        for name, by_edit in cases.items()
    }


def choice_figures(tasks: Tasks, asked: Scored) -> dict[str, Interval]:
    """``acc`` and ``acc_norm``, of the tasks that ask for them."""
    found = {}
    for kind, task in tasks.items():
        own = [(probe.accepted, scores) for probe, scores in asked if probe.kind == kind]
        for metric in ("acc", "acc_norm"):
            if own and task.kind == CHOICE and metric in task.metrics:
                right = [_chosen(choices, scores, metric == "acc_norm") for choices, scores in own]
                found[f"{metric}_{kind}"] = _mean(right)
    return found


def word_figures(tasks: Tasks, asked: Scored) -> dict[str, Interval]:
    """``acc`` and ``perplexity`` of ``loglikelihood``; the latter is missing after a divergence."""
    figures = {}
    for kind, task in tasks.items():
        scores = [scored[0] if scored else None for probe, scored in asked if probe.kind == kind]
        if task.kind != LIKELIHOOD or not scores:
            continue
        if "acc" in task.metrics:
            greedy = [
                float(score is not None and score["matched"] == score["tokens"]) for score in scores
            ]
            figures[f"acc_{kind}"] = _mean(greedy)
        totals = [score["total"] for score in scores if score is not None]
        if "perplexity" in task.metrics and totals:
            logs = cluster_bootstrap(totals, range(len(totals)), within=(-inf, 0.0))
            ends = (logs.estimate, logs.high, logs.low)  # improbable text has a high perplexity
            figures[f"perplexity_{kind}"] = Interval(*(_exp(-log) for log in ends))
    return figures


def exact_matches(tasks: Tasks, lines: Sequence[GradedLine]) -> dict[str, Interval]:
    """``exact_match``, of the tasks that ask for it; ``lines`` in the order of their items."""
    found = {}
    for kind, task in tasks.items():
        answers = [line.answer for line in lines if line.kind == kind]
        if answers and "exact_match" in task.metrics:
            pairs = zip(answers, task.items, strict=True)
            same = [task.match(answer, item.targets) for answer, item in pairs]
            found[f"exact_match_{kind}"] = _mean([float(one) for one in same])
    return found


def _held(scores: Likelihoods) -> float:
    """Of a contest, whether the first wins; otherwise the share of tokens that are right."""
    if not scores:
        return 0.0
    first, *rivals = scores
    if not rivals:
        return float(first["matched"] / first["tokens"])
    return float(
        all(first["total"] / first["tokens"] > rival["total"] / rival["tokens"] for rival in rivals)
    )


def _chosen(choices: Sequence[str], scores: Likelihoods, by_length: bool) -> float:
    """Whether the first choice is the most probable one."""
    if not scores:
        return 0.0
    lengths = [len(choice) if by_length else 1 for choice in choices]
    first, *rest = (score["total"] / length for score, length in zip(scores, lengths, strict=True))
    return float(all(first > other for other in rest))


def _exp(nats: float) -> float:
    """Infinite beyond what a float holds."""
    return exp(nats) if nats < 700 else inf


def _mean(values: Sequence[float]) -> Interval:
    return cluster_bootstrap(values, range(len(values)))


_IN_ID = ("rank", "alpha", "lr", "epochs", "replay")  # a cell's id says these already


def designs(material: Material, axes: Axes, setup: Setup) -> Iterator[Design]:
    """A design for every combination of ``axes``. Raises DataError on a setting that fails."""
    scored = material.scored
    for label, training in _settings(material, axes):
        yield Design(
            material.dataset,
            training,
            material.probes,
            replay=known_replay(material.dataset, setup.knowledge),
            label=label,
            asks=(Ask(SCORED, scored, SCORE),) if scored else (),
        )


def _settings(material: Material, axes: Axes) -> Iterator[tuple[str, Training]]:
    """(what the id must say beside the usual, setting) of every combination."""
    for values in dict.fromkeys(product(*axes.values())):
        changes = dict(zip(axes, values, strict=True))
        try:
            training = altered(material.settings.training, changes)
        except RecipeError as error:
            raise DataError(f"{material.folder / SETTINGS}: {error}") from error
        extra = (f"{name}{_shown(changes[name])}" for name in axes if name not in _IN_ID)
        yield "-".join(extra), training


def _shown(value: Any) -> str:
    if isinstance(value, (int, float)):
        return number(value)
    return re.sub(r"\W+", "_", "_".join(value) if isinstance(value, tuple) else str(value))
