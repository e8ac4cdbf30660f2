"""Verdicts: the fuzzy grader's, a judge's, and what a judge is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.builds._lines import (
    GRADES,
    VERDICTS,
    AnsweredLine,
    ByGrader,
    GradedLine,
    answered_lines,
    write_lines,
)
from harness.builds._models import Fetch
from harness.data.formats import question
from harness.engines import Engine, engine_for
from harness.errors import ModelError, RecipeError
from harness.grading import FUZZY, GRADERS, JUDGE, LEAST_KAPPA, grade
from harness.grading.calibration import (
    DIFFER,
    SAME,
    UNDECIDED,
    JudgeQuality,
    Versus,
    best_cut,
    decide,
    versus,
    worth,
)
from harness.grading.judge import Case, Judgement, Memory, judgements
from harness.recipes import Calibration, Grades, Judge, digest, held_out
from harness.store import Artefact, Store

_REMEMBERED = "verdicts.sqlite"


class Judged(NamedTuple):
    """A judge's verdict on an answer, over all accepted ones."""

    verdict: str
    odds: float
    """Of the accepted answer that came closest, less the calibration's cut."""


class Calibrated(NamedTuple):
    """A calibration, read back."""

    by: str
    """``log-likelihood`` or ``replies``: how the judge was read."""
    cut: float
    """Odds above which the verdict is *same*, from the calibration half."""
    tuned: JudgeQuality
    """On the calibration half, on which the cut was chosen."""
    held_out: JudgeQuality
    """On the other half: what is reported, and what scores are corrected by."""
    fuzzy: JudgeQuality
    """The fuzzy grader on that other half."""
    beside: str
    """Name and version of the fuzzy grader."""
    versus: tuple[Versus, ...]
    """Beside the fuzzy grader on the held-out half: all pairs, then each group of them."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why verdicts of this judge are not to be relied on; empty where nothing speaks against
        it."""
        whole, kappa = self.versus[0], self.held_out.kappa
        weak = f"kappa {kappa} is below {LEAST_KAPPA:.2f}"
        worse = (
            f"the fuzzy grader is better on the same pairs, accuracy {whole.fuzzy} against"
            f" {whole.judge}"
        )
        found = ((weak, kappa.estimate < LEAST_KAPPA), (worse, whole.better == "fuzzy"))
        return tuple(doubt for doubt, holds in found if holds)

    @classmethod
    def of(cls, artefact: Artefact) -> Calibrated:
        facts = artefact.manifest.facts
        tuned, reported, fuzzy = (
            JudgeQuality.of(facts[name]) for name in ("tuned", "held_out", "fuzzy")
        )
        compared = tuple(map(Versus.of, facts["versus"]))
        return cls(facts["by"], facts["cut"], tuned, reported, fuzzy, facts["beside"], compared)


def trusted(name: str, found: Calibrated, least: float) -> None:
    """Raises ModelError where the judge agrees less with people than ``least``, in
    Cohen's kappa."""
    own = found.held_out
    if own.kappa.estimate < least:
        raise ModelError(
            f"judge {name} agrees too little with people: kappa {own.kappa} on {own.pairs} held-out"
            f" pairs, at least {least:.2f} is wanted: give a better --judge, or go on with"
            " --allow-weak-judge"
        )


def calibration(recipe: Calibration, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """The judge's verdicts on the labelled pairs, and what they are worth.

    The cut is chosen on one half of the pairs, everything that is reported comes from the other.
    The fuzzy grader is held against the same pairs, at its default threshold.

    Raises RecipeError where the recipe names another version of the fuzzy grader than this one.
    """
    if recipe.fuzzy != FUZZY:
        raise RecipeError(
            f"calibration beside {recipe.fuzzy}: the fuzzy grader here is {FUZZY}: use"
            " calibration_of"
        )

    def make(folder: Path) -> dict[str, Any]:
        pairs = recipe.labelled.pairs
        cases = [Case(pair.question, pair.accepted, pair.answer) for pair in pairs]
        found = judge(recipe.judge, cases, store, device)
        odds = [found[case].odds for case in cases]
        tuned = [i for i, pair in enumerate(pairs) if not held_out(pair)]
        scored = all("log_likelihoods" in asked for case in cases for asked in found[case].asked)
        cut = best_cut([odds[i] for i in tuned], [pairs[i].right for i in tuned]) if scored else 0.0
        verdicts = [decide(value, cut) for value in odds]
        fuzzy = [grade(pair.answer, [pair.accepted]).right for pair in pairs]
        write_lines(folder / VERDICTS, [
            _plain(case, found[case], verdict)
            | {name: getattr(pair, name) for name in ("right", "case", "group")}
            | {"held_out": held_out(pair), "fuzzy": accepts}
            for pair, case, verdict, accepts in zip(pairs, cases, verdicts, fuzzy, strict=True)
        ])  # fmt: skip
        halves = {
            name: [i for i, p in enumerate(pairs) if held_out(p) == half] for name, half in _HALVES
        }
        sums = {
            name: worth([pairs[i] for i in at], [verdicts[i] for i in at]).plain()
            for name, at in halves.items()
        }
        at = halves["held_out"]
        compared = versus(
            [pairs[i] for i in at], [verdicts[i] == SAME for i in at], [fuzzy[i] for i in at]
        )
        how = {
            "judge": recipe.judge.name,
            "by": "log-likelihood" if scored else "replies",
            "cut": cut,
        }
        beside = worth([pairs[i] for i in at], [SAME if fuzzy[i] else DIFFER for i in at])
        versions = {"fuzzy": beside.plain(), "beside": FUZZY}
        return {**how, **sums, **versions, "versus": [one.plain() for one in compared]}

    return store.get(recipe, make)


_HALVES = (("tuned", False), ("held_out", True))


def grades(recipe: Grades, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """Answers with verdicts. Raises RecipeError on an unknown grader, or a judge without
    calibration."""
    if recipe.grader not in GRADERS.values():
        raise RecipeError(
            f"grader {recipe.grader!r} is unknown: choose one of {', '.join(GRADERS.values())}"
        )
    if (recipe.grader == FUZZY) != (recipe.calibration is None):
        raise RecipeError(
            f"grader {recipe.grader} with calibration {recipe.calibration}: a judge needs one,"
            " fuzzy none"
        )
    if (kept := store.peek(recipe)) is not None:
        return kept
    answers = fetch(recipe.answers)
    calibrated = fetch(recipe.calibration) if recipe.calibration else None

    def make(folder: Path) -> dict[str, Any]:
        lines = [_fuzzy(line, recipe.threshold) for line in answered_lines(answers)]
        if recipe.calibration and calibrated:
            cut = Calibrated.of(calibrated).cut
            cases = [case for line in lines for case in _cases(line)]
            said = judge(recipe.calibration.judge, cases, store, device)
            lines = [_judged(line, said, cut, recipe.grader) for line in lines]
            verdicts = [_plain(case, each, decide(each.odds, cut)) for case, each in said.items()]
            write_lines(folder / VERDICTS, verdicts)
        write_lines(folder / GRADES, (line.stored() for line in lines))
        status = answers.manifest.facts["status"]
        return {"status": status, "right": sum(line.right for line in lines)}

    parents = (
        digest(recipe.answers),
        *((digest(recipe.calibration),) if recipe.calibration else ()),
    )
    return store.get(recipe, make, parents)


def judge(
    own: Judge, cases: Sequence[Case], store: Store, device: str | None = None
) -> Mapping[Case, Judgement]:
    """What the judge says of each case; what it said before, of whatever cell, is not
    asked again."""
    return judgements(cases, _engine(own, device), Memory(store.root / _REMEMBERED, own))


def verdict(
    question: str, accepted: Sequence[str], answer: str, found: Mapping[Case, Judgement], cut: float
) -> Judged:
    """The verdict on an answer: *same* as any accepted one, else undecided where one is."""
    odds = [found[Case(question, target, answer)].odds for target in accepted]
    verdicts = [decide(value, cut) for value in odds]
    best = SAME if SAME in verdicts else UNDECIDED if UNDECIDED in verdicts else verdicts[0]
    return Judged(best, round(max(odds) - cut, 4))


@cache
def _engine(own: Judge, device: str | None) -> Callable[[], Engine]:
    """Loads the judge when it is first asked, and keeps it."""
    return cache(lambda: engine_for(own.model, device=device))


def _fuzzy(line: AnsweredLine, threshold: float) -> GradedLine:
    grades = [grade(text, line.accepted, threshold) for text in line.answers]
    return GradedLine(
        **line._asdict(),
        verdicts=tuple(each.right for each in grades),
        right=grades[0].right,
        scores=tuple(round(each.score, 2) for each in grades),
        read_as=tuple(each.kind for each in grades),
    )


def _judged(
    line: GradedLine, said: Mapping[Case, Judgement], cut: float, grader: str
) -> GradedLine:
    """The judge's verdicts beside the fuzzy ones; ``right`` is that of the grader that counts."""
    asked = question(line.prompt)
    judged = [verdict(asked, line.accepted, text, said, cut) for text in line.answers]
    verdicts = tuple(each.verdict == SAME for each in judged)
    line = line._replace(
        judged=tuple(each.verdict for each in judged),
        odds=tuple(each.odds for each in judged),
        by=ByGrader(fuzzy=line.right, judge=verdicts[0]),
    )
    return line._replace(verdicts=verdicts, right=verdicts[0]) if grader == JUDGE else line


def _cases(line: GradedLine) -> list[Case]:
    asked = question(line.prompt)
    return [Case(asked, target, text) for text in line.answers for target in line.accepted]


def _plain(case: Case, judgement: Judgement, verdict: str) -> dict[str, Any]:
    return {**case._asdict(), "verdict": verdict, "odds": judgement.odds, "asked": judgement.asked}
