"""Questions on the beginning of a story, with its end, the whole of it, or nothing in context."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from harness.data.formats import ask
from harness.recipes import Probe, ProbeSet
from harness.scenarios.oscars import locality
from harness.scenarios.story._datasets import text
from harness.scenarios.story._stories import Story, Told, stories

KINDS = ("in_place", "alone", "after_tail", "after_whole", "tail_itself")
"""The story up to the fact; a question alone; after the end of the story; after all of it; on what
the end tells."""
TAIL = 200
"""Characters of the end that are given."""
PER_LOCALITY = 40


@cache
def probes(form: str) -> ProbeSet:
    """All probes for a cell trained on ``form``: its context has that form, too."""
    found = [probe for story in stories() for probe in _of_story(form, story)]
    return ProbeSet.of(form, (*found, *locality(PER_LOCALITY)))


def _of_story(form: str, story: Story) -> Iterator[Probe]:
    whole = text(form, story)
    for told in story.beginning:
        at = whole.index(told.sentence) + told.sentence.rindex(told.value)
        yield _probe("in_place", told, 0, whole[:at].rstrip())
        for number, question in enumerate(told.probes):
            asked = ask("qa", question)
            yield _probe("alone", told, number, asked)
            yield _probe("after_tail", told, number, f"{whole[-TAIL:]}\n\n{asked}")
            yield _probe("after_whole", told, number, f"{whole}\n\n{asked}")
    for told in story.end:
        for number, question in enumerate(told.probes):
            yield _probe("tail_itself", told, number, f"{whole[-TAIL:]}\n\n{ask('qa', question)}")


def _probe(kind: str, told: Told, number: int, prompt: str) -> Probe:
    return Probe(f"{kind}/{told.id}/{number}", kind, told.id, prompt, (told.value,))
