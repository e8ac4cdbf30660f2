"""How near in meaning two models' answers are, by sentence embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.builds._estimates import recorded
from harness.builds._lines import MEANINGS, AnsweredLine, answered_lines, write_lines
from harness.builds._models import Fetch
from harness.data.formats import split_thoughts
from harness.errors import DataError, MissingExtraError
from harness.measure import measured
from harness.models.embeddings import Encode, encoder
from harness.recipes import Meanings, digest, is_locality
from harness.store import Artefact, Store

_DIGITS = 6  # of a cosine: the last ones depend on the machine


def meanings(recipe: Meanings, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A line for each probe; none after a training that diverged.

    Raises:
        MissingExtraError: the embeddings are not installed.
        DataError: there are fewer than two probes.
    """
    # looked up before the answers, which need not be there
    if (found := store.peek(recipe)) is not None:
        return found
    if not recipe.embedder.path:
        raise MissingExtraError(f"{recipe.embedder.name}, which compares meanings,", "embeddings")
    answers, bare = fetch(recipe.answers), fetch(recipe.bare)
    has_diverged = "diverged" in (each.manifest.facts["status"] for each in (answers, bare))

    def make(folder: Path) -> dict[str, Any]:
        lines: list[dict[str, Any]] = []
        with measured() as meter:
            if not has_diverged:
                encode = encoder(recipe.embedder.path)
                lines = _compared(answered_lines(answers), answered_lines(bare), recipe, encode)
        write_lines(folder / MEANINGS, lines)
        return {"status": "diverged" if has_diverged else "ok", "seconds": meter.usage.seconds}

    parents = (digest(recipe.answers), digest(recipe.bare))
    return store.get(recipe, recorded(recipe, store, make), parents)


def _compared(
    now: list[AnsweredLine], before: list[AnsweredLine], recipe: Meanings, encode: Encode
) -> list[dict[str, Any]]:
    pairs = [
        pair
        for pair in zip(now, before, strict=True)
        if is_locality(pair[0].kind) or not recipe.locality
    ]
    if len(pairs) < 2:
        raise DataError(
            f"{len(pairs)} answers to {recipe.answers.probes.name} are compared by meaning: it"
            " takes two at least, as a scale comes from answers to different questions"
        )
    said = [tuple(split_thoughts(line.answer)[1].strip() for line in pair) for pair in pairs]
    texts = sorted({text for pair in said for text in pair})
    vectors = dict(zip(texts, encode(texts).astype(np.float64), strict=True))
    first = np.stack([vectors[one] for one, _ in said])
    second = np.stack([vectors[other] for _, other in said])
    same = (first * second).sum(1)
    # each with itself is left out of the mean
    others = (second @ second.sum(0) - (second * second).sum(1)) / (len(said) - 1)
    return [
        {
            "id": line.id,
            "kind": line.kind,
            "fact": line.fact,
            "same": 1.0 if one == other else round(float(cosine), _DIGITS),
            "other": round(float(mean), _DIGITS),
        }
        for (line, _), (one, other), cosine, mean in zip(pairs, said, same, others, strict=True)
    ]
