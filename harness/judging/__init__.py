"""A model as grader: what it is asked, what its verdicts are worth, and where they are kept."""

from harness.judging._ask import FOUR, Case, Judgement, ask, prompts
from harness.judging._find import LABELLED, calibration_of, judge_of, labelled
from harness.judging._memory import Memory, judgements
from harness.judging._worth import DIFFER, SAME, UNDECIDED, Versus, Worth, best_cut, decide, versus, worth

__all__ = [
    "DIFFER",
    "FOUR",
    "LABELLED",
    "SAME",
    "UNDECIDED",
    "Case",
    "Judgement",
    "Memory",
    "Versus",
    "Worth",
    "ask",
    "best_cut",
    "calibration_of",
    "decide",
    "judge_of",
    "judgements",
    "labelled",
    "prompts",
    "versus",
    "worth",
]
