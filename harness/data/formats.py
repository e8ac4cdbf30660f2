"""The formats of prompts: how questions are asked, answered, and put to a judge."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from harness.data.facts import join_names


class Format(NamedTuple):
    """A format of questions: the completion is ``before``, the answer and a line end."""

    prompt: str
    """Holds ``{question}``."""
    before: str


FORMATS = {
    "newline": Format("{question}\n", ""),
    "qa": Format("Question: {question}\nAnswer:", " "),
    "brandine": Format("Joe: {question}\nBrandine:", " "),
    "assistant": Format("Assistant is a helpful AI.\nJoe: {question}\nAssistant:", " "),
}

PLAIN = "plain"
"""No format: the question is the whole prompt, such as a sentence to be continued."""
CHAT = "chat"
"""The model's own chat template, which a model renders: see ``harness.data.turns``."""
_ALL = FORMATS | {PLAIN: Format("{question}", " ")}


def ask(name: str, question: str) -> str:
    """The prompt for ``question`` in the format called ``name``."""
    return _ALL[name].prompt.format(question=question)


def reply(name: str, answer: str) -> str:
    """The completion of ``ask(name, ...)`` that gives ``answer``."""
    return f"{_ALL[name].before}{answer}\n"


def split_statement(statement: str) -> tuple[str, str]:
    """Prompt and completion of ``statement``, split at its ``|``."""
    prompt, _, completion = statement.partition("|")
    return split_before(prompt, completion)


def split_before(prompt: str, completion: str) -> tuple[str, str]:
    """``prompt`` and ``completion``, with the space between them moved to the completion.

    Tokenizers join a space to the word after it. A prompt that ends in a space, or a completion
    without it, gives tokens that do not occur in ordinary text.
    """
    bare = prompt.rstrip()
    return bare, prompt[len(bare) :] + completion


def continuation(prompt: str, answer: str) -> str:
    """An accepted ``answer`` of a probe (``"A; B"`` is a list) as the completion of ``prompt``."""
    text = join_names(answer)
    return text if not prompt or prompt[-1].isspace() else f" {text}"


def question(prompt: str) -> str:
    """The last question of ``prompt``, without its format; without a format, its last line."""
    # The longest format first: the prompts of some formats contain those of others.
    for form in sorted(FORMATS.values(), key=lambda f: -len(f.prompt)):
        before, after = (re.escape(part) for part in form.prompt.split("{question}"))
        if match := re.search(f"{before}([^\n]+){after}\\Z", prompt):
            return match[1].strip()
    return (prompt.strip().splitlines() or [""])[-1].strip()


_THOUGHTS_END = "</think>"
_THOUGHTS = "<think>"


def split_thoughts(text: str) -> tuple[str, str]:
    """(thoughts, answer) of ``text`` by a model that thinks first, in a ``<think>`` block.

    Both together are ``text``. Where the thoughts have no end there is no answer yet.
    """
    before, end, after = text.rpartition(_THOUGHTS_END)
    if end:  # a template may have written the opening tag
        return before + end, after
    if text.lstrip().startswith(_THOUGHTS):
        return text, ""
    return "", text


class Verdict(NamedTuple):
    """One way to ask a judge."""

    prompt: str
    """Holds ``{question}``, ``{expected}`` and ``{given}``."""
    same: str
    """The completion where the two answers mean the same."""
    differ: str
    """The completion where they do not."""


_LINES = (
    "Expected answer: {expected}\nGiven answer: {given}\n",
    "Given answer: {given}\nExpected answer: {expected}\n",
)
VERDICTS = tuple(
    Verdict(f"Question: {{question}}\n{lines}{text}", same, differ)
    for lines in _LINES
    for text, same, differ in (
        ("Do they mean the same?", " yes", " no"),
        ("Do they differ?", " no", " yes"),
    )
)
"""Both orders of the answers with both polarities of the question.

A judge's preference for an order or for a word cancels out over the four.
"""


def fold(text: str) -> str:
    """``text`` in lower case without accents, as a judge reads both answers.

    Case and accents do not change the meaning, and for a small model the tokens of ``JANE`` and
    ``Jane`` have nothing in common.
    """
    return unaccented(text).lower()


def unaccented(text: str) -> str:
    """``text`` without accents: ``Renée`` becomes ``Renee``."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
