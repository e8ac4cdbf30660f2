"""Questions in plain formats as turns of a chat, for models that have a chat template.

Scenarios word their texts in plain formats, which any model can continue. A model with a template
is trained and asked in it instead: what a plain format holds as a question becomes a user's turn,
and what it holds as an answer the assistant's. A text that is a talk of two becomes their turns.
Statements and prose stay as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from zlib import crc32

from harness.data.formats import FORMATS
from harness.data.rewording import FRAMES
from harness.recipes import Chat, Dataset, Probe, ProbeSet, Sample

OTHER_FORMAT = "other_format"
"""The kind of questions that stay in their plain formats: the training text has none of them."""
_PLAIN_EACH = 4
_LEAST_LINES = 4
"""Of a transcript whose speakers no format names: *Title: ...* and *Author: ...* are none."""
_LINE = re.compile(r"(\w+): (.+)\n")
_ONE_LINE = re.compile(r"([^\n]+)\n")
_AFTER_TEXT = re.compile(r"(.*\S)\n\nQuestion: ([^\n]+)\nAnswer:", re.DOTALL)
_LAST_LINE = re.compile(r"((?:.+\n)+)(\w+): (.+)\n")
_ASSISTANTS = frozenset(
    cue.rpartition("\n")[2].removesuffix(":")
    for form in FORMATS.values()
    if (cue := form.prompt).endswith(":")
)
"""Who answers in the plain formats: ``Brandine`` and the like."""
_HEADS = tuple(
    head for form in FORMATS.values() if "\n" in (head := form.prompt.partition("{question}")[0])
)
"""What stands above the first turn, with the name of who speaks first: ``Assistant is ...``."""


def turns(prompt: str) -> tuple[tuple[str, str], ...]:
    """(role, text) of each turn of ``prompt``, the last one the user's; none where it has no turns.

    A prompt with turns is a question on a line of its own; or lines of two speakers in turn that
    end with the name of the second: ``Joe: ...\\nBrandine:``; or a text, an empty line and a
    question in the format ``qa``, which both are in the user's turn.
    """
    if match := _AFTER_TEXT.fullmatch(prompt):
        return (("user", f"{match[1]}\n\n{match[2].strip()}"),)
    if match := _ONE_LINE.fullmatch(prompt):
        return (("user", match[1].strip()),)
    for head in _HEADS:
        first_name = head.rpartition("\n")[2]
        prompt = prompt.removeprefix(head.removesuffix(first_name))
    body, _, cue = prompt.rpartition("\n")
    lines = _LINE.findall(body + "\n")
    if not cue.endswith(":") or "".join(f"{who}: {text}\n" for who, text in lines) != body + "\n":
        return ()
    asking, answering = lines[0][0], cue[:-1]
    speakers = [who for who, _ in lines]
    expected = [(asking, answering)[place % 2] for place in range(len(lines))]
    if asking == answering or speakers != expected or speakers[-1] != asking:
        return ()
    roles = {asking: "user", answering: "assistant"}
    return tuple((roles[who], text.strip()) for who, text in lines)


def transcript(text: str) -> tuple[tuple[str, str], ...]:
    """(role, text) of each turn of a text that is a talk of two and no more; none where it is not.

    The lines of two speakers take turns, and the second, the assistant, has the last one.
    """
    match = _LAST_LINE.fullmatch(text)
    found = turns(f"{match[1]}{match[2]}:") if match else ()
    known = match and match[2] in _ASSISTANTS
    if not match or not found or not (known or len(found) + 1 >= _LEAST_LINES):
        return ()
    return (*found, ("assistant", match[3].strip()))


@lru_cache(maxsize=256)
def dataset_in_chat(dataset: Dataset, chat: Chat) -> Dataset:
    """``dataset`` with its questions and transcripts as turns; ``chat`` stands before each.

    Of a fact with four questions or more every fourth stays plain, in ``FRAMES``, from another one
    on for each. So facts are not tied to the template, and questions in other formats are in none
    that is trained. Of a transcript all replies are trained, each with the turns before it.
    """
    dataset = _with_transcripts(dataset)
    asked = [_turn(sample.prompt, sample.chat, chat) for sample in dataset.samples]
    # questions alone, without a conversation before them
    alone = [
        bool(turn and sample.chat is None and turn[1] == chat)
        for sample, turn in zip(dataset.samples, asked, strict=True)
    ]
    pairs = list(zip(dataset.samples, alone, strict=True))
    number = Counter(sample.fact for sample, is_alone in pairs if is_alone and sample.fact)
    places = Counter({fact: crc32(fact.encode()) for fact in number})
    samples: list[Sample] = []
    for sample, turn, is_alone in zip(dataset.samples, asked, alone, strict=True):
        if turn is None:
            samples.append(sample)
            continue
        prompt, own = turn
        completion = sample.completion.strip() if sample.chat is None else sample.completion
        several = is_alone and number[sample.fact] >= _PLAIN_EACH
        places[sample.fact] += several
        if several and places[sample.fact] % _PLAIN_EACH == 0:
            frame = FRAMES[len(samples) % len(FRAMES)]
            plain = frame.prompt.format(question=prompt)
            framed = f"{frame.before}{completion}\n"
            samples.append(replace(sample, prompt=plain, completion=framed))
        else:
            samples.append(replace(sample, prompt=prompt, completion=completion, chat=own))
    changed = tuple(samples)
    return dataset if changed == dataset.samples else Dataset.of(dataset.name, changed)


@lru_cache(maxsize=256)
def probes_in_chat(probes: ProbeSet, chat: Chat, plain_kinds: tuple[str, ...]) -> ProbeSet:
    """``probes`` with their questions as turns, but for those of ``plain_kinds``."""
    found = tuple(
        probe if probe.kind in plain_kinds else _probe(probe, chat) for probe in probes.probes
    )
    return probes if found == probes.probes else ProbeSet.of(probes.name, found)


def _with_transcripts(dataset: Dataset) -> Dataset:
    changed = tuple(
        _as_turns(sample, found)
        if not sample.prompt and sample.chat is None and (found := transcript(sample.completion))
        else sample
        for sample in dataset.samples
    )
    return dataset if changed == dataset.samples else Dataset.of(dataset.name, changed)


def _as_turns(sample: Sample, found: tuple[tuple[str, str], ...]) -> Sample:
    *before, (_, question), (_, reply) = found
    return replace(
        sample, completion=reply, prompt=question, chat=Chat(tuple(before)), transcript=True
    )


def _probe(probe: Probe, chat: Chat) -> Probe:
    turn = _turn(probe.prompt, probe.chat, chat)
    return probe if turn is None else replace(probe, prompt=turn[0], chat=turn[1])


def _turn(prompt: str, own: Chat | None, chat: Chat) -> tuple[str, Chat] | None:
    """The last turn of ``prompt`` and what stands before it; None where it has no turns."""
    if own is not None:
        return prompt, _settled(own, chat)
    found = turns(prompt)
    if not found:
        return None
    *before, (_, question) = found
    return question, replace(chat, before=(*chat.before, *before))


def _settled(own: Chat, chat: Chat) -> Chat:
    """``own`` turns, with the system prompt and the arguments of ``chat`` where it has none."""
    before = (
        own.before
        if own.before[:1] and own.before[0][0] == "system"
        else (*(turn for turn in chat.before if turn[0] == "system"), *own.before)
    )
    arguments = {**dict(chat.arguments), **dict(own.arguments)}
    return Chat(before, tuple(sorted(arguments.items())))
