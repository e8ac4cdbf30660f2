"""Roll-up: several adapters become one, after it is measured what that one still knows.

Recall is measured on the memory's own questions about its passages, in wordings that no adapter was
trained on. A question whose wordings were all trained is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.builds import answered_lines
from harness.data.formats import ask, question
from harness.data.rewording import reworded
from harness.data.turns import turns as turns_of
from harness.errors import RecipeError, StoreError
from harness.grading import grade, normalise
from harness.memory import _changes, _views
from harness.memory._files import Files
from harness.memory._learning import insert_adapter, pieces
from harness.memory._making import Making
from harness.memory.learnable import Learnable, written
from harness.memory.ledger import Ledger
from harness.memory.rows import (
    ACTIVE,
    ARCHIVED,
    ROLLED_UP,
    AdapterRow,
    PassageRow,
    Recall,
    RolledUp,
)
from harness.memory.settings import ROLLUPS
from harness.recipes import (
    Adapter,
    Answers,
    Decoding,
    Lora,
    Merged,
    Probe,
    ProbeSet,
    Stack,
)
from harness.training import OnStep

TOLERATED = 0.03
"""How far recall may fall, as a share of the questions."""
_MERGES = {"concat": "sum", "svd": "svd", "ties": "ties"}
_FORM = "qa"
_MOST = 400
"""Questions that are asked; more would cost more time than their figure is worth."""
_DISTIL = 1.0
"""Weight of the KL to the base that reads the passages."""


class Question(NamedTuple):
    """A question on a passage in a wording that was not trained."""

    passage: str
    """The id of the passage."""
    text: str
    answer: str


def roll_up(
    ledger: Ledger,
    making: Making,
    files: Files,
    session: str,
    method: str,
    rank: int = 0,
    tolerated: float = TOLERATED,
    on_step: OnStep | None = None,
) -> RolledUp:
    """Make one adapter of all that are on in ``session``, by one of ``ROLLUPS``.

    ``rank`` is of the result: 0 is the largest of the adapters for ``svd``, and the sum of their
    ranks for ``ties``; ``concat`` and ``distil`` have a rank of their own. Where recall would fall
    by more than ``tolerated`` below that of the single adapters, nothing is changed; with 1, recall
    is not measured.

    Raises:
        RecipeError: the method is unknown, takes no rank, or there are fewer than two adapters.
        StoreError: the memory changed in the meantime, or the disk is full.
    """
    if method not in ROLLUPS:
        raise RecipeError(f"roll-up {method!r} is unknown: choose one of {', '.join(ROLLUPS)}")
    rows = _views.adapters(
        ledger, f"session = ? AND state IN ('{ACTIVE}', '{ROLLED_UP}')", (session,)
    )
    where = f"session {session!r}" if session else "the documents of all sessions"
    if len(rows) < 2:
        raise RecipeError(f"{len(rows)} adapters of {where}: a roll-up needs two or more")
    passages = _known(ledger, session, rows)
    recipes = [files.recipe(row) for row in rows]
    whole = _whole(making, files, rows, passages, method, rank)
    asked = [] if tolerated >= 1 else questions(making, files, rows, passages)
    if not asked and tolerated < 1:
        raise RecipeError(
            f"no question on the passages of {where} is left that was not trained, so recall cannot"
            " be measured: with --tolerated 1 they are rolled up without"
        )
    artefact = making.fetch(whole, on_step)
    facts = artefact.manifest.facts
    if facts["status"] == "diverged":
        raise RecipeError(f"the roll-up of {where} diverged: choose another method")
    alone = _sum(
        recall(making, (recipe,), [each for each in asked if each.passage in row.passages])
        for recipe, row in zip(recipes, rows, strict=True)
    )
    before = recall(making, recipes, asked)
    after = recall(making, (whole,), asked)
    done = after.share >= alone.share - tolerated
    if done:
        _replace(ledger, session, method, rows, passages, whole, facts)
        files.prepare(whole)
    return RolledUp(
        session=session,
        method=method,
        adapters=len(rows),
        alone=alone,
        before=before,
        after=after,
        bytes_before=sum(row.bytes for row in rows),
        bytes_after=int(facts["adapter_bytes"]),
        done=done,
    )


def due(
    adapters: Sequence[AdapterRow], least: int, refused: Collection[tuple[int, ...]]
) -> list[tuple[str, tuple[int, ...]]]:
    """Sessions with at least ``least`` adapters on, and their numbers where not in ``refused``."""
    on: dict[str, list[int]] = {}
    for row in adapters:
        if row.state in (ACTIVE, ROLLED_UP):
            on.setdefault(row.session, []).append(row.number)
    return [
        (session, tuple(numbers))
        for session, numbers in on.items()
        if len(numbers) >= max(2, least) and tuple(numbers) not in refused
    ]


def questions(
    making: Making, files: Files, rows: Sequence[AdapterRow], passages: Sequence[PassageRow]
) -> list[Question]:
    """Questions on ``passages`` in wordings that none of the adapters ``rows`` was trained on."""
    trained = {
        normalise(asked)
        for row in rows
        for leaf in files.leaves(row)
        for sample in leaf.dataset.samples
        for asked in _asked(sample.prompt, sample.chat is not None)
    }
    learnable = making.settings.learnable
    if not learnable.asks:
        learnable = Learnable()
    texts = pieces(passages, making)
    about = written(texts, learnable, making.ask)
    found = []
    for row, text in zip(passages, texts, strict=True):
        for pair in about[text.id].pairs:
            held = [each for each in reworded(pair.question) if normalise(each) not in trained]
            if held:
                found.append(Question(row.id, held[0], pair.answer))
    return found[:: max(1, -(-len(found) // _MOST))]


def recall(making: Making, adapters: Sequence[Lora], asked: Sequence[Question]) -> Recall:
    """How many of the questions ``asked`` are answered right with all of ``adapters`` on."""
    if not asked:
        return Recall(0, 0)
    probes = tuple(
        Probe(
            f"{number}",
            "recall",
            each.passage,
            each.text if making.chat else ask(_FORM, each.text),
            (each.answer,),
            chat=making.chat,
        )
        for number, each in enumerate(asked)
    )
    stack = Stack(making.trained, tuple((adapter, 1.0) for adapter in adapters))
    recipe = Answers(stack, ProbeSet.of("recall of a memory", probes), Decoding())
    lines = answered_lines(making.fetch(recipe))
    right = sum(grade(line.answer, line.accepted).right for line in lines)
    return Recall(right, len(lines))


def _whole(
    making: Making,
    files: Files,
    rows: Sequence[AdapterRow],
    passages: Sequence[PassageRow],
    method: str,
    rank: int,
) -> Lora:
    """The recipe of the roll-up."""
    if method in _MERGES:
        leaves: list[Adapter] = [leaf for row in rows for leaf in files.leaves(row)]
        return Merged(tuple((leaf, 1.0) for leaf in leaves), _MERGES[method], rank=rank)
    if rank:
        raise RecipeError(f"rank is {rank}: {method} has that of the memory's trainings, choose 0")
    learnable = making.settings.learnable
    # the teacher is the base that reads the passage before the question
    distilled = replace(learnable, distil=True) if learnable.asks else learnable
    text = making.dataset(pieces(passages, making), method, distilled)
    recipe = making.adapter(text)
    if learnable.asks and not recipe.training.distil:
        recipe = replace(recipe, training=replace(recipe.training, distil=_DISTIL))
    return recipe


def _replace(
    ledger: Ledger,
    session: str,
    method: str,
    rows: Sequence[AdapterRow],
    passages: Sequence[PassageRow],
    whole: Lora,
    facts: dict[str, object],
) -> None:
    with ledger.event("rollup", f"{len(rows)} adapters by {method}"):
        now_on = _views.adapters(
            ledger, f"session = ? AND state IN ('{ACTIVE}', '{ROLLED_UP}')", (session,)
        )
        on = {row.number for row in now_on}
        if not on.issuperset(row.number for row in rows):
            raise StoreError("the memory changed while it was rolled up: roll it up again")
        held = [id for row in rows for id in row.passages]
        number = insert_adapter(ledger, method, session, whole, facts, held)
        for row in rows:
            ledger.write("INSERT INTO parts (whole, part) VALUES (?, ?)", (number, row.number))
            ledger.write("UPDATE adapters SET state = ? WHERE number = ?", (ARCHIVED, row.number))
        (made,) = _views.adapters(ledger, "number = ?", (number,))
        _changes.hold(ledger, made)


def _known(ledger: Ledger, session: str, rows: Sequence[AdapterRow]) -> list[PassageRow]:
    """The passages that ``rows`` know, each text once, in order."""
    held = {id for row in rows for id in row.passages}
    found = _views.passages(ledger, f"d.session = ? AND p.state IN {_views.KNOWN}", (session,))
    return list({row.id: row for row in reversed(found) if row.id in held}.values())[::-1]


def _asked(prompt: str, chat: bool) -> list[str]:
    """The question of a sample's prompt, in all forms that it may have been worded in."""
    if not prompt:
        return []
    if chat:
        return [prompt]
    said = [text for role, text in turns_of(prompt) if role == "user"]
    return [*said, question(prompt), prompt]


def _sum(recalls: Iterable[Recall]) -> Recall:
    each = list(recalls)
    return Recall(sum(one.right for one in each), sum(one.asked for one in each))
