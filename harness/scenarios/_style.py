"""Style of answers, for every suite that trains on how someone writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.stats import Interval, cluster_bootstrap
from harness.style import NaiveBayes, divergence_interval


def styled(
    texts: Sequence[tuple[str, str]], classifier: NaiveBayes, reference: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """What ``texts`` (who has the word, what was said) have of the way in which each author of ``reference`` writes.

    ``style_match``: share that the classifier gives to whoever had the word. ``style_divergence``: Jensen-Shannon
    divergence of trigrams from held-out text, in bits, the mean over the authors. Empty texts match no one.
    """
    match = [float(bool(text) and classifier.author(text) == who) for who, text in texts]
    found = {"style_match": cluster_bootstrap(match, range(len(match)))}
    each = [_apart([text for who, text in texts if who == author and text], own) for author, own in reference.items()]
    found["style_divergence"] = Interval(*(sum(parts) / len(each) for parts in zip(*each, strict=True)))
    return found


def _apart(texts: Sequence[str], own: Sequence[str]) -> Interval:
    """Who says nothing has nothing in common with anyone."""
    return divergence_interval(texts, own) if texts else Interval(1.0, 1.0, 1.0)
