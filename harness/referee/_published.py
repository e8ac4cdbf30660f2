"""Scores as the authors of LoCoMo and LongMemEval publish them.

LoCoMo: F1 of stemmed words, as ``task_eval/evaluation.py`` of snap-research/locomo computes it.
LongMemEval: a judge says yes or no, by the rules of ``src/evaluation/evaluate_qa.py`` of
xiaowu0162/LongMemEval in words of our own; ``hypotheses.jsonl`` is for that script itself.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import lru_cache
from statistics import fmean
from typing import Any

from harness.data.published import ChatQuestion
from harness.errors import MissingExtraError

_ARTICLES = re.compile(r"\b(?:a|an|the|and)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NOT_THERE = ("no information available", "not mentioned")
"""What LoCoMo takes for an abstention."""
_RULES = {
    "temporal-reasoning": (
        "Count it as right when a number of days, weeks or months is off by one."
    ),
    "knowledge-update": (
        "Count it as right when it also gives older information, as long as the updated answer is"
        " the one that is asked for."
    ),
    "single-session-preference": (
        "The correct answer is a rubric. Count the response as right when it recalls and uses the"
        " user's personal information correctly; it need not meet every point."
    ),
}
_RULE = (
    "Count it as right when it contains the correct answer, is equivalent to it, or has all steps"
    " that lead to it; as wrong when it has only a part of what is asked for."
)


def locomo_score(question: ChatQuestion, answer: str) -> float:
    """LoCoMo's score of ``answer``, 0 to 1.

    F1 of stemmed words; for multi-hop questions the mean over the comma-separated parts of the
    right answer of the best F1 of any part of ``answer``. An adversarial question gives 1 where the
    answer says that nothing is mentioned, else 0.

    Raises:
        MissingExtraError: nltk, whose Porter stemmer the published score takes, is not installed.
    """
    if question.kind == "adversarial":
        return float(any(words in answer.lower() for words in _NOT_THERE))
    truth = question.answer
    if question.kind == "open_domain":
        truth = truth.split(";")[0].strip()
    if question.kind != "multi_hop":
        return token_f1(answer, truth)
    parts = [part.strip() for part in answer.split(",")]
    return fmean(max(token_f1(part, each.strip()) for part in parts) for each in truth.split(","))


def token_f1(answer: str, truth: str) -> float:
    """F1 of the stems of ``answer`` and ``truth``; 0 where they share none. Raises as above."""
    given, wanted = _stems(answer), _stems(truth)
    common = (Counter(given) & Counter(wanted)).total()
    if not common:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def yes_or_no(question: ChatQuestion, answer: str) -> str:
    """The prompt that asks LongMemEval's judge whether ``answer`` is right."""
    if not question.answerable:
        return (
            "A question cannot be answered from a chat history; an explanation says why. A model"
            " responds. Does the response say that the question cannot be answered? It may say that"
            " the information is incomplete, or that something else is known but not this.\n\n"
            f"Question: {question.text}\n\nExplanation: {question.answer}\n\n"
            f"Response: {answer}\n\nAnswer yes or no only."
        )
    rule = _RULES.get(question.kind, "")
    if question.kind != "single-session-preference":
        rule = f"{_RULE} {rule}".strip()
    return (
        "A question has a correct answer. A model responds. Is the response right?"
        f" {rule}\n\nQuestion: {question.text}\n\nCorrect answer: {question.answer}\n\n"
        f"Response: {answer}\n\nAnswer yes or no only."
    )


def is_yes(reply: str) -> bool:
    """LongMemEval's reading of its judge's reply."""
    return "yes" in reply.lower()


def _stems(text: str) -> list[str]:
    plain = text.replace(",", "").lower().translate(_PUNCTUATION)
    return [_stemmed(word) for word in _ARTICLES.sub(" ", plain).split()]


@lru_cache(maxsize=2**14)
def _stemmed(word: str) -> str:
    return str(_stemmer().stem(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    try:
        from nltk.stem import PorterStemmer
    except ImportError as error:
        raise MissingExtraError("nltk", "referee") from error
    return PorterStemmer()
