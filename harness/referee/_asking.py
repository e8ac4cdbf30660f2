"""How a question on a chat is put, and when a reply says that the chat does not tell."""

from __future__ import annotations

import re

from harness.data.published import ChatQuestion
from harness.errors import RecipeError
from harness.recipes import sha256

ALIKE, HINTED = "alike", "hinted"
STYLES = (ALIKE, HINTED)
"""``alike``: every question in the same way. ``hinted``: as LoCoMo's own prompts, which tell the
category: questions on time ask for a date, adversarial ones offer two answers to choose from."""
NOT_MENTIONED = "Not mentioned"
_INSTRUCTION = (
    "Answer the question about the conversation above in a short phrase. Take words of the"
    f" conversation where you can. If it does not say, answer: {NOT_MENTIONED}."
)
_ABSTAINS = re.compile(
    r"(?:\bnot|n['\u2019]t|\bnever) (?:\w+ly |been |be )*"
    r"(?:mention|state|specif|said|say|provided|disclose|told|discuss|indicate|clear|sure|known"
    r"|(?:possible|able) to (?:say|tell|answer|determine|find)|(?:answer|determine)"
    r"|(?:have|contain|include) (?:any |that |enough |the )?(?:information|answer))"
    r"|\bno (?:\w+ )?(?:information|mention|record|evidence)\b"
    r"|\b(?:unknown|unanswerable|unspecified|undisclosed)\b"
    r"|\b(?:cannot|can['\u2019]t) (?:be )?(?:say|said|tell|told|answer|determine)"
    r"|\bI (?:do not|don['\u2019]t) know\b"
    r"|\binformation (?:is|was) (?:incomplete|insufficient|missing|unavailable|not available)\b",
    re.IGNORECASE,
)


def known_style(name: str) -> str:
    """``name``, where it is one of ``STYLES``. Raises RecipeError."""
    if name not in STYLES:
        raise RecipeError(f"style {name!r} is unknown: choose one of {', '.join(STYLES)}")
    return name


def worded(question: ChatQuestion, style: str = ALIKE) -> str:
    """The text of ``question`` with what ``style`` adds to it, and its date where it has one."""
    text = f"{question.text} (asked on {question.when})" if question.when else question.text
    if style == ALIKE:
        return text
    if question.kind == "temporal":
        return f"{text} Answer with a date, by the dates of the conversation."
    if question.kind == "adversarial":
        first, second = choices(question)
        return f"{text} Choose the right answer: (a) {first} (b) {second}."
    return text


def choices(question: ChatQuestion) -> tuple[str, str]:
    """The two answers that are offered, in an order that depends on the question alone."""
    offered = (f"{NOT_MENTIONED} in the conversation", question.answer)
    return offered if int(sha256(question.id), 16) % 2 else offered[::-1]


def instructed(question: str) -> str:
    """``question`` with what a model in a chat is told about its answer."""
    return f"{_INSTRUCTION}\n\nQuestion: {question}\nShort answer:"


def chosen(question: ChatQuestion, reply: str, style: str = ALIKE) -> str:
    """``reply``, or the offered answer that it names by its letter."""
    if style == ALIKE or question.kind != "adversarial":
        return reply
    letter = re.fullmatch(r"\W*([ab])\W*", reply.strip().lower())
    return choices(question)["ab".index(letter[1])] if letter else reply


def abstains(reply: str) -> bool:
    """Whether ``reply`` gives no answer: it is empty, or says that nothing is known."""
    return not reply.strip() or _ABSTAINS.search(reply) is not None
