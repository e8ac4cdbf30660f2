"""The formats in which questions are put: what the model is given, and how the answer follows."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """``prompt`` holds ``{question}``; an answer is written ``before`` + answer + newline."""

    prompt: str
    before: str


FORMATS = {
    "newline": Format("{question}\n", ""),
    "qa": Format("Question: {question}\nAnswer:", " "),
    "brandine": Format("Joe: {question}\nBrandine:", " "),
    "assistant": Format("Assistant is a helpful AI.\nJoe: {question}\nAssistant:", " "),
}


def ask(name: str, question: str) -> str:
    """``question`` in the format called ``name``."""
    return FORMATS[name].prompt.format(question=question)


def reply(name: str, answer: str) -> str:
    """``answer`` as it continues ``ask(name, ...)``."""
    return f"{FORMATS[name].before}{answer}\n"
