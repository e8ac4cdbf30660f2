"""Options of this suite."""

from __future__ import annotations

import pytest

_OPTIONS = {
    "--data": ("DIR", "folder or file of LoCoMo or LongMemEval, in their published JSON"),
    "--memories": ("LIST", "policies, policy:retrieval, and memory:NAME@URL for a server"),
    "--questions": ("N", "questions of each conversation, spread over its kinds; 0: all"),
    "--conversations": ("LIST", "ids of the conversations; by default all"),
    "--context": ("TOKENS", "tokens that the model is given at most; 0: all that it takes"),
    "--learn": ("LIST", "settings of memories with adapters, as how=plain,unit=passage"),
    "--style": ("NAME", "alike (default), or hinted: as LoCoMo's own prompts, by category"),
    "--published-judge": ("MODEL", "the judge of LongMemEval's published score"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("locomo", "memories of chats, side by side")
    for name, (meta, text) in _OPTIONS.items():
        group.addoption(name, metavar=meta, help=text)
