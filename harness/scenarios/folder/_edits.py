"""Published edits as a scenario: what is trained, what is asked, and what is scored for their own figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.datasets import Edit, Question
from harness.formats import PLAIN, ask, reply
from harness.recipes import Dataset, Probe, Sample
from harness.scenarios.folder._probes import EXACT, trained_in
from harness.scenarios.folder._tables import Asked

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
    """Every question as its published figure asks it: the first accepted answer, and its rival where there is one."""
    for edit in edits:
        for number, question in enumerate(edit.questions):
            aspect, rivals = question.aspect, ((question.rival,) if question.rival else ())
            if not aspect.startswith("locality"):  # KnowEdit's compares answers before and after: the harness's own
                name = f"{aspect}/{edit.fact}/{number}"
                yield Probe(name, aspect, edit.fact, ask(PLAIN, question.prompt), (question.accepted[0], *rivals))


def _kind(question: Question) -> str:
    """``portability_reasoning`` is recall of the kind ``reasoning``."""
    return _KINDS.get(question.aspect, question.aspect.removeprefix("portability_"))
