"""Question sets of lm-evaluation-harness as probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.data.formats import PLAIN, ask, reply
from harness.data.published import CHOICE, GENERATE, Edit, Question, Task, read_task
from harness.errors import DataError
from harness.experiments.folder._probes import EXACT, trained_in
from harness.experiments.folder._tables import Asked
from harness.recipes import Dataset, Probe, Sample

_KINDS = {"efficacy": EXACT, "paraphrase": "rephrased", "neighbourhood": "locality_neighbourhood"}
"""Of recall and locality, where the published aspect has another name."""


def told_edits(edits: Sequence[Edit]) -> Iterator[Sample]:
    """Each prompt with its new answer, in no format: as it is scored."""
    return (Sample(reply(PLAIN, edit.answer), ask(PLAIN, edit.prompt), edit.fact) for edit in edits)


def asked_of_edits(edits: Sequence[Edit], dataset: Dataset) -> Iterator[Asked]:
    """Every question, for recall and locality of generated answers.

    What another edit trains word by word is left out: it is no longer new, or no longer untouched.
    """
    trained = trained_in(dataset)
    for edit in edits:
        for question in edit.questions:
            kind = _kind(question)
            if kind == EXACT or not trained(question.prompt):
                yield Asked(edit.where, kind, edit.fact, question.prompt, PLAIN, question.accepted)


def scored_of_edits(edits: Sequence[Edit]) -> Iterator[Probe]:
    """Every question as its published figure asks it: the first accepted answer, and its rival
    where there is one."""
    for edit in edits:
        for number, question in enumerate(edit.questions):
            aspect, rivals = question.aspect, ((question.rival,) if question.rival else ())
            if not aspect.startswith(
                "locality"
            ):  # KnowEdit's compares answers before and after: the harness's own
                name = f"{aspect}/{edit.fact}/{number}"
                yield Probe(
                    name,
                    aspect,
                    edit.fact,
                    ask(PLAIN, question.prompt),
                    (question.accepted[0], *rivals),
                )


def _kind(question: Question) -> str:
    """``portability_reasoning`` is recall of the kind ``reasoning``."""
    return _KINDS.get(question.aspect, question.aspect.removeprefix("portability_"))


Tasks = Mapping[str, Task]
"""By the kind of their probes: the task's name, or ``locality_`` and that."""


def read_tasks(folder: Path, asked: str, untouched: str) -> Tasks:
    """Those in ``{asked}*.yaml`` and ``{untouched}*.yaml``. Raises DataError."""
    found: dict[str, Task] = {}
    for stem, prefix in ((asked, ""), (untouched, "locality_")):
        for path in sorted(folder.glob(f"{stem}*.yaml")):
            task = read_task(path)
            kind = f"{prefix}{task.name}".lower()
            if kind in found:
                raise DataError(f"{path}: the task {task.name!r} is there twice: rename one")
            found[kind] = task
    return found


def asked_of_tasks(tasks: Tasks) -> Iterator[Asked]:
    """Every question, to be answered in the model's own words."""
    for kind, task in tasks.items():
        for number, item in enumerate(task.items):
            right = item.choices[:1] if task.kind == CHOICE else item.choices
            yield Asked(item.where, kind, f"{kind} {number}", item.prompt, PLAIN, right)


def scored_of_tasks(tasks: Tasks) -> Iterator[Probe]:
    """Every choice of every question, the right one first; or the right one alone."""
    for kind, task in tasks.items():
        for number, item in enumerate(task.items):
            if task.kind != GENERATE:
                yield Probe(
                    f"choice/{kind}/{number}", kind, f"{kind} {number}", item.prompt, item.choices
                )
