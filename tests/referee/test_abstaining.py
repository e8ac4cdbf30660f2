"""Replies that give no answer are told from answers; questions are put alike, or with hints."""

from __future__ import annotations

import pytest

from harness.data.published import ChatQuestion
from harness.errors import RecipeError
from harness.referee import HINTED, abstains, known_style, worded
from harness.referee._asking import choices, chosen

SILENT = (
    "",
    "Not mentioned.",
    "Not mentioned in the conversation",
    "The conversation does not mention a horse.",
    "It isn't mentioned.",
    "No information available",
    "There is no information about her job.",
    "I don't know.",
    "I'm not sure which one you mean.",
    "Unknown",
    "That cannot be determined from the chat.",
    "She has not said.",
    "It was never explicitly stated.",
    "I do not have any information about that.",
    "They didn't specify a date.",
    "You did not mention this information. You mentioned a cat but not a dog.",
    "The information is not available.",
    "No mention of it is made.",
    "I can't say.",
)
ANSWERS = (
    "Marta Quill",
    "7 May 2023",
    "No",
    "Likely no; she likes reading",
    "Not yet",
    "He did not go.",
    "She has no children.",
    "nothing but trouble",
    "They could not find the key.",
    "A note about information systems",
    "never",
    "a mention in the newspaper",
)


@pytest.mark.parametrize("reply", SILENT)
def test_a_reply_without_an_answer_abstains(reply: str) -> None:
    assert abstains(reply)


@pytest.mark.parametrize("reply", ANSWERS)
def test_an_answer_does_not(reply: str) -> None:
    assert not abstains(reply)


def test_hints_tell_the_category_and_offer_a_choice() -> None:
    when = ChatQuestion("1", "temporal", "When did she go?", "7 May", True)
    trap = ChatQuestion("2", "adversarial", "What is his horse?", "Juno", False)
    assert worded(when) == when.text and worded(trap) == trap.text
    assert worded(when, HINTED) == "When did she go? Answer with a date, by the dates of the" + (
        " conversation."
    )
    first, second = choices(trap)
    assert {first, second} == {"Not mentioned in the conversation", "Juno"}
    assert worded(trap, HINTED).endswith(f"(a) {first} (b) {second}.")
    assert chosen(trap, "(a)", HINTED) == first and chosen(trap, "b.", HINTED) == second
    assert chosen(trap, "Juno", HINTED) == "Juno" and chosen(trap, "(a)") == "(a)"
    orders = {choices(trap._replace(id=str(n)))[0] for n in range(20)}
    assert len(orders) == 2  # the place of the right answer says nothing
    dated = when._replace(when="2023/06/01 (Thu) 10:00")
    assert worded(dated) == "When did she go? (asked on 2023/06/01 (Thu) 10:00)"


def test_an_unknown_style_is_one_line() -> None:
    with pytest.raises(RecipeError, match="style 'loud' is unknown: choose one of alike, hinted"):
        known_style("loud")
