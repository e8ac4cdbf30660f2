"""Published edits and question sets in a folder: what they ask, and their figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp, inf
from pathlib import Path
from statistics import mean

from harness.builds import GradedLine
from harness.data.formats import PLAIN, ask, reply
from harness.data.published import CHOICE, GENERATE, LIKELIHOOD, Edit, Question, Task, read_task
from harness.errors import DataError
from harness.experiments.folder._probes import EXACT, trained_in
from harness.experiments.folder._tables import AskedQuestion
from harness.experiments.scenario import Evidence
from harness.recipes import Dataset, Probe, ProbeSet, Sample
from harness.stats import Interval, cluster_bootstrap

Tasks = Mapping[str, Task]
"""Tasks by the kind of their probes: the task's name, or ``locality_`` and the name."""
Likelihoods = Sequence[Mapping[str, float]]
"""Likelihoods of the accepted answers of one probe; empty where nothing could be scored."""
Scored = Sequence[tuple[Probe, Likelihoods]]
"""Probes with their likelihoods."""
_KINDS = {"efficacy": EXACT, "paraphrase": "rephrased", "neighbourhood": "locality_neighbourhood"}
"""Kinds of recall and locality for the aspects of published data sets with other names."""


def read_tasks(folder: Path, probes: str, locality: str) -> Tasks:
    """The tasks in ``{probes}*.yaml`` and ``{locality}*.yaml``. Raises DataError."""
    tasks: dict[str, Task] = {}
    for stem, prefix in ((probes, ""), (locality, "locality_")):
        for path in sorted(folder.glob(f"{stem}*.yaml")):
            task = read_task(path)
            kind = f"{prefix}{task.name}".lower()
            if kind in tasks:
                raise DataError(f"{path}: the task {task.name!r} is there twice: rename one")
            tasks[kind] = task
    return tasks


def samples_of_edits(edits: Sequence[Edit]) -> Iterator[Sample]:
    """Each prompt with its new answer, without a format, because it is scored without one."""
    return (Sample(reply(PLAIN, edit.answer), ask(PLAIN, edit.prompt), edit.fact) for edit in edits)


def questions_of_edits(edits: Sequence[Edit], dataset: Dataset) -> Iterator[AskedQuestion]:
    """Every question, for recall and locality of generated answers.

    A question that another edit trains word by word is left out: it is neither new nor untouched.
    """
    trained = trained_in(dataset)
    for edit in edits:
        for question in edit.questions:
            kind = _kind(question)
            if kind == EXACT or not trained(question.prompt):
                yield AskedQuestion(
                    edit.where, kind, edit.fact, question.prompt, PLAIN, question.accepted
                )


def questions_of_tasks(tasks: Tasks) -> Iterator[AskedQuestion]:
    """Every question, answered in the model's own words."""
    for kind, task in tasks.items():
        for number, item in enumerate(task.items):
            # a choice question lists wrong answers too, the right one first
            right = item.choices[:1] if task.kind == CHOICE else item.choices
            yield AskedQuestion(item.where, kind, f"{kind} {number}", item.prompt, PLAIN, right)


def scored_of_edits(edits: Sequence[Edit]) -> Iterator[Probe]:
    """Every question as its published figure scores it: an accepted answer, and its rival."""
    for edit in edits:
        for number, question in enumerate(edit.questions):
            # KnowEdit's locality compares answers before and after, as the harness itself does
            if question.aspect.startswith("locality"):
                continue
            rivals = (question.rival,) if question.rival else ()
            yield Probe(
                f"{question.aspect}/{edit.fact}/{number}",
                question.aspect,
                edit.fact,
                ask(PLAIN, question.prompt),
                (question.accepted[0], *rivals),
            )


def scored_of_tasks(tasks: Tasks) -> Iterator[Probe]:
    """Every choice of every question, the right one first; or the right one alone."""
    for kind, task in tasks.items():
        for number, item in enumerate(task.items):
            if task.kind != GENERATE:
                yield Probe(
                    f"choice/{kind}/{number}", kind, f"{kind} {number}", item.prompt, item.choices
                )


def published_figures(
    tasks: Tasks, scored: ProbeSet | None, evidence: Evidence
) -> dict[str, Interval]:
    """The figures of the folder's edits and question sets; 0 after a training that diverged.

    Figures that score text are missing on an engine that cannot score it.

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
    figures = exact_matches(tasks, evidence.lines)
    likelihoods = {line.id: line.likelihoods for line in evidence.scored()}
    if scored is None or not likelihoods:
        return figures
    pairs = [(probe, likelihoods[probe.id]) for probe in scored.probes]
    choices = [(probe, each) for probe, each in pairs if probe.kind in tasks]
    edits = [(probe, each) for probe, each in pairs if probe.kind not in tasks]
    figures |= edit_figures(edits) | choice_figures(tasks, choices)
    return figures | word_figures(tasks, choices)


def edit_figures(scored: Scored) -> dict[str, Interval]:
    """A mean for each aspect; the aspects of portability also together."""
    cases: dict[str, dict[str, list[float]]] = {}
    for probe, likelihoods in scored:
        family = probe.kind.partition("_")[0]
        for name in dict.fromkeys((family, probe.kind)):
            cases.setdefault(name, {}).setdefault(probe.fact, []).append(_success(likelihoods))
    return {
        name: _mean([mean(values) for values in by_edit.values()])
        for name, by_edit in cases.items()
    }


def choice_figures(tasks: Tasks, scored: Scored) -> dict[str, Interval]:
    """``acc`` and ``acc_norm``, of the tasks that ask for them."""
    figures = {}
    for kind, task in tasks.items():
        items = [(probe.accepted, scores) for probe, scores in scored if probe.kind == kind]
        for metric in ("acc", "acc_norm"):
            if items and task.kind == CHOICE and metric in task.metrics:
                by_length = metric == "acc_norm"
                right = [_chosen(choices, scores, by_length) for choices, scores in items]
                figures[f"{metric}_{kind}"] = _mean(right)
    return figures


def word_figures(tasks: Tasks, scored: Scored) -> dict[str, Interval]:
    """``acc`` and ``perplexity`` of ``loglikelihood``; no ``perplexity`` after a divergence."""
    figures = {}
    for kind, task in tasks.items():
        scores = [each[0] if each else None for probe, each in scored if probe.kind == kind]
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
            # low and high change places: improbable text has a high perplexity
            ends = (logs.estimate, logs.high, logs.low)
            figures[f"perplexity_{kind}"] = Interval(*(_exp(-log) for log in ends))
    return figures


def exact_matches(tasks: Tasks, lines: Sequence[GradedLine]) -> dict[str, Interval]:
    """``exact_match``, of the tasks that ask for it; ``lines`` in the order of their items."""
    figures = {}
    for kind, task in tasks.items():
        answers = [line.answer for line in lines if line.kind == kind]
        if answers and "exact_match" in task.metrics:
            pairs = zip(answers, task.items, strict=True)
            matches = [float(task.match(answer, item.targets)) for answer, item in pairs]
            figures[f"exact_match_{kind}"] = _mean(matches)
    return figures


def _kind(question: Question) -> str:
    """The kind of a question: ``reasoning`` for the aspect ``portability_reasoning``."""
    return _KINDS.get(question.aspect, question.aspect.removeprefix("portability_"))


def _success(scores: Likelihoods) -> float:
    """With rivals, whether the first answer beats them; else its share of right tokens."""
    if not scores:
        return 0.0
    first, *rivals = scores
    # zsRE and KnowEdit have no rival answer
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
    """``exp(nats)``, infinite where a float overflows."""
    return exp(nats) if nats < 700 else inf


def _mean(values: Sequence[float]) -> Interval:
    return cluster_bootstrap(values, range(len(values)))
