"""Which messages of a request are new, and which session it belongs to."""

from __future__ import annotations

import pytest

from harness.server._errors import RefusedError
from harness.server._requests import ChatRequest
from harness.server._transcripts import named, new_turns

HI, HELLO = ("user", "Hi"), ("assistant", "Hello.")
WHO, MAX = ("user", "Who?"), ("assistant", "Max.")


@pytest.mark.parametrize(
    ("known", "sent", "new"),
    [
        ([], [HI], [HI]),
        ([], [HI, HELLO, WHO], [HI, HELLO, WHO]),
        ([HI, HELLO], [HI, HELLO, WHO], [WHO]),
        ([HI, HELLO], [HI, ("assistant", " Hello. "), WHO], [WHO]),
        ([HI, HELLO], [WHO], [WHO]),
        ([HI, HELLO, WHO, MAX], [WHO, MAX, HI], [HI]),
        ([HI, HELLO, WHO, MAX], [HI, HELLO, HI], [HI]),
        ([HI, HELLO, WHO], [HI, HELLO, WHO], []),
        ([HI], [HI], []),
        ([HI, HELLO], [HI, ("assistant", "Bonjour."), WHO], [("assistant", "Bonjour."), WHO]),
    ],
)
def test_a_turn_is_kept_once(
    known: list[tuple[str, str]], sent: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    assert new_turns(known, sent) == new


@pytest.mark.parametrize("name", ["a\nb", " a", "x" * 129, "\x00"])
def test_names_of_sessions_are_checked(name: str) -> None:
    with pytest.raises(RefusedError, match="session"):
        named(name)


def test_a_request_says_how_it_is_answered() -> None:
    request = ChatRequest.model_validate(
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            ],
            "temperature": 0.5,
            "seed": 7,
            "stop": "!",
            "max_tokens": 5000,
        }
    )
    assert (request.system, request.turns) == ("Be brief.", [HI])
    decoding = request.decoding(plain=True, most=100)
    assert (decoding.do_sample, decoding.temperature, decoding.seed) == (True, 0.5, 7)
    assert (decoding.stop, decoding.max_new_tokens) == (("\n", "!"), 100)
