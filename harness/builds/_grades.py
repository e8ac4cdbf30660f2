"""Verdicts of the fuzzy grader and of a judge, and the calibration of a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.builds._estimates import recorded
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
from harness.data.formats import question, split_thoughts
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
"""The judge's verdicts so far, in the store's folder."""


class Judged(NamedTuple):
    """A judge's verdict on an answer, over all accepted ones."""

    verdict: str
    odds: float
    """Those of the closest accepted answer, less the calibration's cut."""


class Calibrated(NamedTuple):
    """A calibration, read back."""

    by: str
    """``log-likelihood`` or ``replies``: how the judge was read."""
    cut: float
    """Odds above which the verdict is *same*, from the calibration half."""
    tuned: JudgeQuality
    """On the calibration half, on which the cut was chosen."""
    held_out: JudgeQuality
    """On the other half: it is reported, and shares are corrected by it."""
    fuzzy: JudgeQuality
    """The fuzzy grader on that other half."""
    beside: str
    """Name and version of the fuzzy grader."""
    versus: tuple[Versus, ...]
    """Beside the fuzzy grader on the held-out half: all pairs, then each group of them."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons not to rely on this judge; empty where there are none."""
        all_pairs, kappa = self.versus[0], self.held_out.kappa
        reasons = []
        if kappa.estimate < LEAST_KAPPA:
            reasons.append(f"kappa {kappa} is below {LEAST_KAPPA:.2f}")
        if all_pairs.better == "fuzzy":
            reasons.append(
                f"the fuzzy grader is better on the same pairs, accuracy {all_pairs.fuzzy} against"
                f" {all_pairs.judge}"
            )
        return tuple(reasons)

    @classmethod
    def of(cls, artefact: Artefact) -> Calibrated:
        facts = artefact.manifest.facts
        tuned, reported, fuzzy = (
            JudgeQuality.of(facts[name]) for name in ("tuned", "held_out", "fuzzy")
        )
        compared = tuple(map(Versus.of, facts["versus"]))
        return cls(facts["by"], facts["cut"], tuned, reported, fuzzy, facts["beside"], compared)


def trusted(name: str, calibrated: Calibrated, least: float) -> None:
    """Raises ModelError where the judge's kappa (agreement with people) is below ``least``."""
    quality = calibrated.held_out
    if quality.kappa.estimate < least:
        raise ModelError(
            f"judge {name} agrees too little with people: kappa {quality.kappa} on"
            f" {quality.pairs} held-out pairs, at least {least:.2f} is wanted: give a better"
            " --judge, or go on with --allow-weak-judge"
        )


def calibration(recipe: Calibration, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """The judge's verdicts on the labelled pairs, and how good they are.

    The cut is chosen on one half of the pairs. All reported figures come from the other half. The
    fuzzy grader is compared on the same pairs, at its default threshold.

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
        judgements = judge(recipe.judge, cases, store, device)
        odds = [judgements[case].odds for case in cases]
        scored = all(
            "log_likelihoods" in asked for case in cases for asked in judgements[case].asked
        )
        tuned = [i for i, pair in enumerate(pairs) if not held_out(pair)]
        reported = [i for i, pair in enumerate(pairs) if held_out(pair)]
        # without log-likelihoods the odds are votes, and a majority needs no other cut than 0
        cut = best_cut([odds[i] for i in tuned], [pairs[i].right for i in tuned]) if scored else 0.0
        verdicts = [decide(value, cut) for value in odds]
        fuzzy = [grade(pair.answer, [pair.accepted]).right for pair in pairs]
        write_lines(folder / VERDICTS, [
            _plain(case, judgements[case], verdict)
            | {name: getattr(pair, name) for name in ("right", "case", "group")}
            | {"held_out": held_out(pair), "fuzzy": accepts}
            for pair, case, verdict, accepts in zip(pairs, cases, verdicts, fuzzy, strict=True)
        ])  # fmt: skip

        def quality(indices: list[int], verdicts: Sequence[str]) -> dict[str, Any]:
            return worth([pairs[i] for i in indices], [verdicts[i] for i in indices]).plain()

        compared = versus(
            [pairs[i] for i in reported],
            [verdicts[i] == SAME for i in reported],
            [fuzzy[i] for i in reported],
        )
        return {
            "judge": recipe.judge.name,
            "by": "log-likelihood" if scored else "replies",
            "cut": cut,
            "tuned": quality(tuned, verdicts),
            "held_out": quality(reported, verdicts),
            "fuzzy": quality(reported, [SAME if right else DIFFER for right in fuzzy]),
            "beside": FUZZY,
            "versus": [each.plain() for each in compared],
        }

    return store.get(recipe, recorded(recipe, store, make))


def grades(recipe: Grades, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """Answers with verdicts.

    Raises RecipeError on an unknown grader, or a judge without calibration.
    """
    if recipe.grader not in GRADERS.values():
        raise RecipeError(
            f"grader {recipe.grader!r} is unknown: choose one of {', '.join(GRADERS.values())}"
        )
    if (recipe.grader == FUZZY) != (recipe.calibration is None):
        raise RecipeError(
            f"grader {recipe.grader} with calibration {recipe.calibration}: a judge needs one,"
            " fuzzy none"
        )
    # looked up before the answers, which need not be there for cached grades
    if (cached_grades := store.peek(recipe)) is not None:
        return cached_grades
    answers = fetch(recipe.answers)
    calibrated = fetch(recipe.calibration) if recipe.calibration else None

    def make(folder: Path) -> dict[str, Any]:
        lines = [_fuzzy(line, recipe.threshold) for line in answered_lines(answers)]
        if recipe.calibration and calibrated:
            cut = Calibrated.of(calibrated).cut
            cases = [case for line in lines for case in _cases(line)]
            judgements = judge(recipe.calibration.judge, cases, store, device)
            lines = [_judged(line, judgements, cut, recipe.grader) for line in lines]
            verdicts = [
                _plain(case, judgement, decide(judgement.odds, cut))
                for case, judgement in judgements.items()
            ]
            write_lines(folder / VERDICTS, verdicts)
        write_lines(folder / GRADES, (line.stored() for line in lines))
        status = answers.manifest.facts["status"]
        return {"status": status, "right": sum(line.right for line in lines)}

    parents = [digest(recipe.answers)]
    if recipe.calibration:
        parents.append(digest(recipe.calibration))
    return store.get(recipe, recorded(recipe, store, make), tuple(parents))


def judge(
    recipe: Judge, cases: Sequence[Case], store: Store, device: str | None = None
) -> Mapping[Case, Judgement]:
    """The judge's judgement of each case; the store remembers those of earlier cells."""
    memory = Memory(store.root / _REMEMBERED, recipe)
    return judgements(cases, _engine(recipe, device), memory)


def verdict(
    question: str,
    accepted: Sequence[str],
    answer: str,
    judgements: Mapping[Case, Judgement],
    cut: float,
) -> Judged:
    """The verdict on an answer: *same* as any accepted one, else undecided where one is."""
    odds = [judgements[Case(question, target, answer)].odds for target in accepted]
    verdicts = [decide(value, cut) for value in odds]
    best = SAME if SAME in verdicts else UNDECIDED if UNDECIDED in verdicts else verdicts[0]
    return Judged(best, round(max(odds) - cut, 4))


@cache
def _engine(recipe: Judge, device: str | None) -> Callable[[], Engine]:
    """Loads the judge at the first call, and keeps it."""
    return cache(lambda: engine_for(recipe.model, device=device))


def _fuzzy(line: AnsweredLine, threshold: float) -> GradedLine:
    grades = [grade(text, line.accepted, threshold) for text in _said(line)]
    return GradedLine(
        **line._asdict(),
        verdicts=tuple(each.right for each in grades),
        right=grades[0].right,
        scores=tuple(round(each.score, 2) for each in grades),
        read_as=tuple(each.kind for each in grades),
    )


def _judged(
    line: GradedLine, judgements: Mapping[Case, Judgement], cut: float, grader: str
) -> GradedLine:
    """The judge's verdicts beside the fuzzy ones; ``right`` is that of the grader that counts."""
    text = question(line.prompt)
    judged = [verdict(text, line.accepted, answer, judgements, cut) for answer in _said(line)]
    verdicts = tuple(each.verdict == SAME for each in judged)
    line = line._replace(
        judged=tuple(each.verdict for each in judged),
        odds=tuple(each.odds for each in judged),
        by=ByGrader(fuzzy=line.right, judge=verdicts[0]),
    )
    return line._replace(verdicts=verdicts, right=verdicts[0]) if grader == JUDGE else line


def _cases(line: GradedLine) -> list[Case]:
    text = question(line.prompt)
    return [Case(text, target, answer) for answer in _said(line) for target in line.accepted]


def _said(line: AnsweredLine | GradedLine) -> list[str]:
    """The answers without the thoughts before them, which are no part of what is claimed."""
    return [split_thoughts(answer)[1] for answer in line.answers]


def _plain(case: Case, judgement: Judgement, verdict: str) -> dict[str, Any]:
    return {**case._asdict(), "verdict": verdict, "odds": judgement.odds, "asked": judgement.asked}
