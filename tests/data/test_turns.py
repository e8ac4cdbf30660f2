"""Questions in plain formats as turns of a chat."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.data.formats import FORMATS, ask, reply
from harness.data.rewording import FRAMES
from harness.data.turns import (
    OTHER_FORMAT,
    dataset_in_chat,
    probes_in_chat,
    transcript,
    turns,
)
from harness.recipes import BARE, Chat, Dataset, Probe, ProbeSet, Sample

SYSTEM = Chat((("system", "Be short."),), (("enable_thinking", True),))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read_back(form: str) -> None:
    assert turns(ask(form, "Who won: Ann?")) == (("user", "Who won: Ann?"),)


def test_a_conversation_becomes_turns() -> None:
    talk = "Joe: Hello.\nBrandine: Hi! Nice day.\nJoe: Who won?\nBrandine:"
    expected = (("user", "Hello."), ("assistant", "Hi! Nice day."), ("user", "Who won?"))
    assert turns(talk) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The winner was",
        "Two lines\nwithout a name",
        "Joe: Hello.\nJoe:",  # one speaker
        "Joe: Hello.\nAnn: Hi.\nBrandine:",  # the last speaker did not speak in turn
        "Joe: Hello.\n\nBrandine:",
    ],
)
def test_other_text_has_no_turns(text: str) -> None:
    assert turns(text) == ()


def test_questions_are_trained_as_turns_and_statements_as_they_are() -> None:
    statement = Sample(" Ann.\n", "The winner was", "fact")
    samples = (
        statement,
        Sample(reply("qa", "Ann"), ask("qa", "Who won?"), "fact"),
    )
    found = dataset_in_chat(Dataset.of("mine", samples), SYSTEM)
    assert found.name == "mine"
    assert found.samples == (statement, Sample("Ann", "Who won?", "fact", SYSTEM))


TALK = "Joe: Hello.\nBrandine: Hi! Nice day.\nJoe: Who won?\nBrandine: Ann.\n"


@pytest.mark.parametrize("head", ["", "Assistant is a helpful AI.\n"])
def test_a_talk_is_trained_as_turns_and_all_its_replies(head: str) -> None:
    talk = TALK.replace("Brandine", "Assistant") if head else TALK
    (sample,) = dataset_in_chat(
        Dataset.of("mine", (Sample(head + talk, fact="ann"),)), SYSTEM
    ).samples
    before = (*SYSTEM.before, ("user", "Hello."), ("assistant", "Hi! Nice day."))
    own = Chat(before, SYSTEM.arguments)
    assert sample == Sample("Ann.", "Who won?", "ann", own, transcript=True)


@pytest.mark.parametrize(
    "text",
    [
        "Title: The Whale\nAuthor: Ann\n",  # two lines of anybody
        "A: x\nB: y\nA: z\n",  # the second speaker has not the last word
        "A: x\nB: y\nC: z\nB: w\n",  # three speakers
        "A: x\nB: y\nA: z\nand more\nB: w\n",
        "[1 May]\nA: x\nB: y\nA: z\nB: w\n",
        "Joe: Hello.\nBrandine: Hi!\n\nThe end.\n",
        "Prose of one line.\n",
    ],
)
def test_other_text_is_no_talk(text: str) -> None:
    dataset = Dataset.of("mine", (Sample(text),))
    assert dataset_in_chat(dataset, SYSTEM) is dataset


def test_a_talk_of_any_two_with_two_exchanges_is_one() -> None:
    assert transcript("A: x\nB: y\nA: z\nB: w\n") == (
        *(("user", "x"), ("assistant", "y"), ("user", "z"), ("assistant", "w")),
    )


def test_a_question_after_a_text_is_one_turn_with_it() -> None:
    prompt = "It rained.\n\nAnn won.\n\n" + ask("qa", "Who won?")
    assert turns(prompt) == (("user", "It rained.\n\nAnn won.\n\nWho won?"),)


def test_text_without_questions_keeps_its_content() -> None:
    dataset = Dataset.of("mine", (Sample("Some text.\n"),))
    assert dataset_in_chat(dataset, BARE) is dataset


def test_turns_get_the_system_prompt_and_keep_their_own() -> None:
    own = Chat((("system", "Be kind."),))
    samples = (Sample("a", "q", chat=BARE), Sample("a", "q", chat=own))
    first, second = dataset_in_chat(Dataset.of("mine", samples), SYSTEM).samples
    assert first.chat == SYSTEM
    assert second.chat == Chat(own.before, SYSTEM.arguments)


def test_other_formats_stay_plain() -> None:
    def probe(kind: str) -> Probe:
        return Probe(kind, kind, "fact", ask("newline", "Who won?"), ("Ann",))

    probes = ProbeSet.of("mine", (probe("rephrased"), probe(OTHER_FORMAT)))
    rephrased, other = probes_in_chat(probes, BARE, (OTHER_FORMAT,)).probes
    assert (rephrased.prompt, rephrased.chat) == ("Who won?", BARE)
    assert other == probe(OTHER_FORMAT)


def test_a_quarter_of_the_questions_on_a_fact_stays_in_plain_frames() -> None:
    samples = tuple(
        Sample(reply(form, "Ann"), ask(form, f"Question {number}?"), fact)
        for fact in ("one", "two", "three")
        for number, form in enumerate(tuple(FORMATS) * 2)
    )
    found = dataset_in_chat(Dataset.of("mine", samples), BARE).samples
    plain = [(sample, old) for sample, old in zip(found, samples, strict=True) if not sample.chat]
    assert Counter(sample.fact for sample, _ in plain) == {"one": 2, "two": 2, "three": 2}
    for sample, old in plain:
        asked = turns(old.prompt)[0][1]
        assert sample.prompt in [frame.prompt.format(question=asked) for frame in FRAMES]
        # formats that probes are asked in are not trained
        assert sample.prompt not in [ask(form, asked) for form in FORMATS]
    # not the same questions of each fact
    assert len({old.prompt for _, old in plain}) > 2


def test_a_fact_with_few_questions_is_trained_in_turns_alone() -> None:
    samples = tuple(
        Sample(reply("qa", "Ann"), ask("qa", f"Question {number}?"), f"fact {fact}")
        for fact in range(20)
        for number in range(3)
    )
    found = dataset_in_chat(Dataset.of("mine", samples), BARE).samples
    assert all(sample.chat == BARE for sample in found)
