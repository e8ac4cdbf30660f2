"""A long chat: what is known of what was said long ago, and of what was never said?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

from harness.builds import GradedLine
from harness.data import invented
from harness.data.formats import ask
from harness.data.knowledge import some_locality_questions
from harness.experiments import AdapterSpec, Design, Evidence, Scenario, Setup
from harness.experiments.measures import is_right, says, share
from harness.grading import normalise
from harness.memory.markers import ABSOLUTE, MARKERS, NONE, RELATIVE, mark, marked
from harness.memory.passages import Passage, spans
from harness.memory.policies import AlwaysOn, Beside, Policy, Retrieval, Shelved, Window
from harness.memory.trials import LEARNT, SHORT, shelf, text_of
from harness.recipes import Base, Dataset, Probe, ProbeSet, Sample
from harness.stats import Interval

from .chats import Bought, Said, long_chat

TURNS, MANY = 300, 1000
WINDOW = 600
"""Tokens of the newest turns that a chat without memory has in its context."""
SESSION = replace(LEARNT, rank=32, alpha=64, lr=1e-3, replay=1.0, kl=1.0)
"""One adapter of all that has left the window, on for every question of its chat.

So it replays what the model knew.
"""
BEFORE, RECENT, UPDATED, NEVER = "before", "recent", "updated", "never"
WHEN, WHO = "when", "who"
"""Kinds of questions: told once before the window, or in it; told again before the window, with
another value; never told, where an answer that claims nothing is right; on which day something was
bought; and by whom, on that day."""
UNKNOWN = ("", "unknown", "i do not know", "i don't know", "that was not said", "nothing")
"""Answers that claim nothing."""
AGES = (50, 150, 300, 1000)
"""Turns ago, up to which an answer counts for ``told_N``."""
LOCALITY = 60
_SIZE = 500


def default(setup: Setup) -> Iterator[Design]:
    """A chat of 300 turns with dates, by every policy; and without marks of time."""
    yield from _designs(setup, TURNS, ABSOLUTE)
    yield _learnt(setup, TURNS, NONE, AlwaysOn())


def full(setup: Setup) -> Iterator[Design]:
    """Also a chat of 1,000 turns, and all markers with all policies."""
    for count in (TURNS, MANY):
        for how in MARKERS:
            yield from _designs(setup, count, how)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """What is known by how long ago it was told, and what is invented.

    ``told_N``: recall of what was told once, at most N turns ago (and more than in the column
    before). ``outdated``: share of questions on updated facts that are answered with the earlier
    value. ``invented``: share of questions on what was never told that get any answer;
    ``confused``: that get something which somebody told.
    """
    cell = evidence.cell
    count, seed = int(cell.factors["turns"]), cell.training.seed
    chat = long_chat(count, seed)
    ages = {each.id: count - each.turn for each in chat.said}
    lines = [line for line in evidence.lines if line.kind in (BEFORE, RECENT)]
    figures: dict[str, Interval] = {}
    since = 0
    for age in AGES:
        of_age = [line for line in lines if since < ages[line.fact] <= age]
        figures |= share(f"told_{age}", of_age, is_right)
        since = age
    earlier = {each.id: each.earlier for each in chat.said if each.earlier}
    updated = [line for line in evidence.lines if line.kind == UPDATED]
    figures |= share("outdated", updated, lambda line: says(line, (earlier[line.fact],)))
    never = [line for line in evidence.lines if line.kind == NEVER]
    values = [value for each in chat.said for value in (each.value, each.earlier) if value]
    return {
        **figures,
        **share("invented", never, _claims),
        **share("confused", never, lambda line: _claims(line) and says(line, values)),
    }


def window_of(base: Base, count: int, seed: int, how: str) -> int:
    """The turn with which the window begins."""
    every = passages(count, seed, how)
    kept = Window(WINDOW).prepare("", shelf(base, every)).context
    first = len(every) - len(kept)
    return sum(len(each.text.split("\n")) for each in every[:first])


@lru_cache(maxsize=16)
def passages(count: int, seed: int, how: str) -> tuple[Passage, ...]:
    """The chat in passages, marked as seen from the day after its last turn."""
    chat = long_chat(count, seed)
    now = chat.at(count - 1) + timedelta(days=1)
    return marked(spans(chat.turns, _SIZE, "chat"), how, now)


@lru_cache(maxsize=16)
def questions(base: Base, count: int, seed: int, how: str) -> ProbeSet:
    """Probes on what was told and on what was not; of time where there are marks of it."""
    chat = long_chat(count, seed)
    begins = window_of(base, count, seed, how)
    asked = [_of_fact(each, _kind(each, begins)) for each in (*chat.said, *chat.never)]
    if how != NONE:
        now = chat.at(count - 1) + timedelta(days=1)
        before = [each for each in chat.bought if each.turn < begins]
        days = [mark(chat.at(each.turn), how, now) for each in before]
        asked += [_when(each, day) for each, day in zip(before, days, strict=True)]
        if how == ABSOLUTE:
            once = [pair for pair in zip(before, days, strict=True) if days.count(pair[1]) == 1]
            asked += [_who(each, day) for each, day in once]
    return ProbeSet.of(f"chat{count}", (*asked, *some_locality_questions(LOCALITY)))


def _kind(fact: Said, window: int) -> str:
    if fact.turn < 0:
        return NEVER
    if fact.turn >= window:
        return RECENT
    return UPDATED if fact.earlier else BEFORE


def _of_fact(fact: Said, kind: str) -> Probe:
    question = invented.reading()[fact.kind]["probes"][0].format(subject=fact.speaker)
    accepted = UNKNOWN[1:] if kind == NEVER else (fact.value,)
    return Probe(f"{kind}/{fact.id}", kind, fact.id, ask("qa", question), accepted)


def _when(each: Bought, day: str) -> Probe:
    question = f"On what day was the {each.thing} bought by {each.speaker}?"
    name = f"{each.speaker}/{each.thing}"
    return Probe(f"{WHEN}/{name}", WHEN, name, ask("qa", question), (day,))


def _who(each: Bought, day: str) -> Probe:
    name = f"{each.speaker}/{each.thing}"
    return Probe(
        f"{WHO}/{name}", WHO, name, ask("qa", f"Name the buyer of {day}."), (each.speaker,)
    )


def _claims(line: GradedLine) -> bool:
    return normalise(line.answer) not in UNKNOWN


def _designs(setup: Setup, count: int, how: str) -> Iterator[Design]:
    yield _design(setup, count, how, Window(WINDOW))
    yield _design(setup, count, how, Retrieval(least=0))
    yield _learnt(setup, count, how, AlwaysOn())
    yield _learnt(setup, count, how, Beside(AlwaysOn(), WINDOW))


def _learnt(setup: Setup, count: int, how: str, policy: Policy) -> Design:
    """With an adapter of all passages before the window."""
    # a relative mark is wrong on the next day, so what is learnt has dates
    every = passages(count, setup.seed, ABSOLUTE if how == RELATIVE else how)
    kept = Window(WINDOW).prepare("", shelf(setup.base, every)).context
    old = every[: len(every) - len(kept)]
    asked = questions(setup.base, count, setup.seed, how)
    text = text_of(setup, old, f"chat{count}", asked.probes)
    spec = AdapterSpec(text, replace(SESSION, seed=setup.seed), setup.knowledge.replay())
    return _design(setup, count, how, policy, text, (spec,))


def _design(
    setup: Setup,
    count: int,
    how: str,
    policy: Policy,
    text: Dataset | None = None,
    specs: Sequence[AdapterSpec] = (),
) -> Design:
    every = passages(count, setup.seed, how)
    plain = Dataset.of(f"chat{count}", tuple(Sample(f"{each.text}\n") for each in every))
    known = [range(len(every))] if specs else []
    return Design(
        text or plain,
        SESSION,
        questions(setup.base, count, setup.seed, how),
        replay=setup.knowledge.replay(),
        factors={"turns": count, "markers": how, "policy": policy.name},
        label=how,
        decoding=SHORT,
        adapters=tuple(specs),
        policy=Shelved(policy, shelf(setup.base, every, known)),
    )


SCENARIO = Scenario(
    "longchat",
    "What was said before the window",
    grids={"default": default, "full": full},
    measures=measures,
    headline=BEFORE,
)
