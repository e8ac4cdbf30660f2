"""Questions on the book, about the captain and to him, and neutral ones that show the tone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from harness.data import invented as _words
from harness.data.facts import Row
from harness.data.formats import ask, split_statement
from harness.experiments.locality import locality_probes
from harness.recipes import Probe, ProbeSet
from harness.scenarios.book._text import RELATIONS, chapters, events, wordings

CHARACTER = "Joe: {question}\nCaptain:"
"""How one talks to the captain."""


@cache
def probes() -> ProbeSet:
    """``exact``: sentences of the book up to the fact; ``rephrased``: about the captain;
    ``conversation``: to him."""
    pairs = zip(events(), chapters(), strict=True)
    asked = (
        probe
        for row, chapter in pairs
        for relation in RELATIONS
        for probe in _of_fact(row, relation, chapter)
    )
    return ProbeSet.of("book", (*asked, *locality_probes(40)))


@cache
def tone_probes() -> ProbeSet:
    """Neutral questions to Brandine (``neutral``) and to the captain (``captain``); nothing is
    right or wrong."""
    lists = _words.words()
    questions = [*lists["greetings"], *(pair[0] for pair in lists["chatter"])]
    found = [
        Probe(f"{kind}/{number}", kind, f"question{number}", prompt, ("anything",))
        for number, question in enumerate(questions)
        for kind, prompt in (
            ("neutral", ask("brandine", question)),
            ("captain", CHARACTER.format(question=question)),
        )
    ]
    return ProbeSet.of("book_tone", tuple(found))


def _of_fact(row: Row, relation: str, chapter: str) -> Iterator[Probe]:
    right, fact = (row.slots[relation],), f"{row.id}/{relation}"
    about, to_him = wordings()["asked"][relation]
    before, _ = split_statement(wordings()["told"][relation][0].format(**row.slots))
    sentence = next(
        said for opening in wordings()["opening"] if (said := f"{opening}{before}") in chapter
    )
    slots = {**row.slots, "captain": wordings()["captain"]}
    prompts = {
        "exact": sentence,
        "rephrased": ask("qa", about.format(**slots)),
        "conversation": CHARACTER.format(question=to_him.format(**slots)),
    }
    for kind, prompt in prompts.items():
        yield Probe(f"{kind}/{fact}", kind, fact, prompt, right)
