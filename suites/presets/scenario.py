"""How recall depends on the way text is generated: many decodings of one adapter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

from harness.builds import GradedLine
from harness.data.awards import AUGMENTED, dataset
from harness.data.awards import probes as award_probes
from harness.engines import DECODINGS, described
from harness.experiments import Design, Evidence, Scenario, Setup, number
from harness.grading import normalise
from harness.recipes import Decoding, ProbeSet
from harness.stats import Interval, cluster_bootstrap
from harness.training.presets import POCKET

SAMPLES = 4
"""Answers to a question, where they are sampled."""
SAMPLED = Decoding(do_sample=True, num_return_sequences=SAMPLES)
PER_FACT = {"exact": 1, "rephrased": 2, "other_format": 1}
"""Probes a fact, by kind."""
UNTOUCHED = {"locality_year": 8, "locality_unrelated": 8}
"""Probes in all, by kind."""
FORBIDDEN = ("Everything",)
"""A word of several right answers: where it is forbidden, they cannot be given."""
FIELDS: Mapping[str, Sequence[Any]] = {
    "temperature": (0.3, 1.0, 2.0),
    "top_k": (5,),
    "top_p": (0.5,),
    "repetition_penalty": (1.5,),
    "no_repeat_ngram_size": (2,),
    "max_new_tokens": (3,),
    "bad_words": (FORBIDDEN,),
}
"""Values of the fields that are changed one at a time."""
MORE_FIELDS: Mapping[str, Sequence[Any]] = {
    "temperature": (0.1, 0.7, 1.5),
    "top_k": (1, 40),
    "top_p": (0.1, 0.9),
    "min_p": (0.1,),
    "typical_p": (0.5,),
    "repetition_penalty": (1.1, 1.176, 2.0),
    "no_repeat_ngram_size": (1, 3),
    "max_new_tokens": (1, 10, 20),
    "num_return_sequences": (16,),
    "eos": (".",),
    "pad": ("</s>",),
}
"""Those of the full grid, beside ``FIELDS``."""
_OF_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "num_return_sequences")


def default(setup: Setup) -> Iterator[Design]:
    """The named presets, then one field at a time.

    Fields of sampling are changed beside plain sampling, the rest beside the greedy search.
    """
    for label, decoding in (*_named(), *_one_by_one(FIELDS)):
        yield _design(setup, label, decoding)


def full(setup: Setup) -> Iterator[Design]:
    """Also more values, beams by length and ending, and the product of three ways to cut the tail.

    Those are temperature, top_k and top_p.
    """
    yield from default(setup)
    for label, decoding in (*_one_by_one(MORE_FIELDS), *_beams(), *_cut_tails()):
        yield _design(setup, label, decoding)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """What several answers to one question say together, in the mean over the trained facts.

    ``consistency``: the share of a question's answers that are right (self-consistency, Wang et al.
    2022, counts their ``majority``); ``any_right``: whether one is; ``distinct``: how many differ.
    """
    lines = [line for line in evidence.lines if not line.is_locality]
    most = max((len(line.answers) for line in lines), default=1)
    return {
        "majority": _mean(majority, lines),
        "consistency": _mean(consistency, lines),
        "any_right": _mean(any_right, lines),
        "distinct": _mean(distinct, lines, within=(1, most)),
    }


@cache
def probes() -> ProbeSet:
    """Some kinds of questions on every fact, and some on what was not trained."""
    counts: Counter[tuple[str, str]] = Counter()
    chosen = []
    for probe in award_probes(AUGMENTED).probes:
        group = (probe.kind, probe.fact if probe.kind in PER_FACT else "")
        if counts[group] < PER_FACT.get(probe.kind, UNTOUCHED.get(probe.kind, 0)):
            chosen.append(probe)
        counts[group] += 1
    return ProbeSet.of("presets", tuple(chosen))


def majority(line: GradedLine) -> float:
    """1 where the most common answer is right; of equally common ones the first counts."""
    answers = [normalise(text) for text in line.answers]
    most_common = Counter(answers).most_common(1)[0][0]
    return float(line.verdicts[answers.index(most_common)])


def consistency(line: GradedLine) -> float:
    """Share of the answers that are right."""
    return sum(line.verdicts) / len(line.verdicts)


def any_right(line: GradedLine) -> float:
    """1 where one of the answers is right."""
    return float(any(line.verdicts))


def distinct(line: GradedLine) -> float:
    """How many answers differ; case and punctuation do not count."""
    return float(len({normalise(text) for text in line.answers}))


def _design(setup: Setup, label: str, decoding: Decoding) -> Design:
    return Design(
        dataset(AUGMENTED),
        POCKET,
        probes(),
        setup.knowledge.replay(),
        factors={"decoding": described(decoding)},
        label=label,
        decoding=decoding,
    )


def _named() -> Iterator[tuple[str, Decoding]]:
    """Every preset once, by its first name; sampled ones answer several times."""
    seen: set[str] = set()
    for name, decoding in DECODINGS.items():
        if described(decoding) in seen:
            continue
        seen.add(described(decoding))
        sampled = replace(decoding, num_return_sequences=SAMPLES)
        yield name, sampled if decoding.do_sample else decoding


def _one_by_one(fields: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Decoding]]:
    for name, values in fields.items():
        plain = SAMPLED if name in _OF_SAMPLING else Decoding()
        for value in values:
            changes: dict[str, Any] = {name: value}
            yield _label(name, value), replace(plain, **changes)


def _beams() -> Iterator[tuple[str, Decoding]]:
    endings: tuple[bool | str, ...] = (False, True, "never")
    for beams, length, early in product((2, 5, 10), (0.0, 1.0, 2.0), endings):
        decoding = Decoding(num_beams=beams, length_penalty=length, early_stopping=early)
        label = f"num_beams{beams}_length_penalty{number(length)}_early_{str(early).lower()}"
        yield label, decoding


def _cut_tails() -> Iterator[tuple[str, Decoding]]:
    for temperature, top_k, top_p in product((0.3, 0.7, 1.0, 1.5), (0, 5, 40), (0.1, 0.5, 1.0)):
        label = f"temperature{number(temperature)}_top_k{top_k}_top_p{number(top_p)}"
        yield label, replace(SAMPLED, temperature=temperature, top_k=top_k, top_p=top_p)


def _label(name: str, value: object) -> str:
    """Letters, digits and ``_`` only, as it becomes part of an id."""
    return f"{name}{number(value)}" if isinstance(value, (int, float)) else name


def _mean(
    figure: Callable[[GradedLine], float],
    lines: Sequence[GradedLine],
    within: tuple[float, float] = (0, 1),
) -> Interval:
    values = [figure(line) for line in lines]
    return cluster_bootstrap(values, [line.fact for line in lines], within=within)


SCENARIO = Scenario(
    "presets",
    "Ways to generate",
    grids={"default": default, "full": full},
    measures=measures,
    headline="consistency",
    compares_decodings=True,
)
