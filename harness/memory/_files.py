"""The adapters of a memory as recipes and as files, and whether those are whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import Timeout

from harness.builds import opened_adapter
from harness.errors import StoreError
from harness.memory import _changes, _views
from harness.memory._making import Making, merged_of
from harness.memory.ledger import Ledger
from harness.memory.rows import (
    ACTIVE,
    ARCHIVED,
    FAILED,
    PENDING,
    ROLLED_UP,
    AdapterRow,
)
from harness.recipes import Adapter, GgufBase, Lora
from harness.store import StoredArtefact
from harness.training import read_log

_USED = f"('{ACTIVE}', '{ROLLED_UP}')"


class Files:
    """Recipes and files of the adapters in one ledger."""

    def __init__(self, ledger: Ledger, making: Making) -> None:
        self._ledger = ledger
        self._making = making
        self._recipes: dict[str, Lora] = {}

    def recipe(self, row: AdapterRow) -> Lora:
        """The recipe of an adapter. Raises StoreError where it cannot be made again."""
        if row.digest not in self._recipes:
            (found,) = self._ledger.rows(
                "SELECT recipe FROM adapters WHERE number = ?", (row.number,)
            )
            self._recipes[row.digest] = (
                merged_of(found["recipe"], row.digest, self.leaves(row))
                if _is_merged(found["recipe"])
                else self._making.adapter_of(found["recipe"], row.digest)
            )
        return self._recipes[row.digest]

    def leaves(self, row: AdapterRow) -> list[Adapter]:
        """The trained adapters that ``row`` is the sum of: itself where it was trained."""
        (found,) = self._ledger.rows("SELECT recipe FROM adapters WHERE number = ?", (row.number,))
        if not _is_merged(found["recipe"]):
            return [self._making.adapter_of(found["recipe"], row.digest)]
        parts = [self.row(number) for number in row.parts]
        return [leaf for part in parts for leaf in self.leaves(part)]

    def row(self, number: int) -> AdapterRow:
        """The adapter with a number."""
        (row,) = _views.adapters(self._ledger, "number = ?", (number,))
        return row

    def file(self, row: AdapterRow) -> Path | None:
        """What the engine of the base loads of an adapter; None where it is not there, or damaged.

        Nothing is trained for it.
        """
        recipe = self.recipe(row)
        if self._making.store.peek(recipe) is None:
            return None
        return opened_adapter(recipe, self._making.base, self._making.fetch)

    def curve(self, number: int) -> list[tuple[int, float]]:
        """(step, loss) of the training of an adapter; none where it had none, or is gone."""
        try:
            log = read_log(self._making.store.folder(self.recipe(self.row(number))))
            return [(int(step["step"]), float(step["loss"])) for step in log]
        except (OSError, ValueError, KeyError, StoreError):
            return []

    def drop(self, numbers: Iterable[int]) -> None:
        """Take adapters out; their passages are pending again. Needs an open event."""
        for number in numbers:
            row = self.row(number)
            _changes.drop(self._ledger, row, set(_kept(self._ledger, row.session)))

    def prepare(self, recipe: Lora) -> None:
        """Convert a new adapter, where the engine of the base wants that, before it is asked."""
        if isinstance(self._making.base, GgufBase):
            opened_adapter(recipe, self._making.base, self._making.fetch)

    def faults(self, repair: bool) -> Iterator[str]:
        """Adapters that are damaged or gone, and passages that the ledger has wrong.

        With ``repair`` they are taken out, and their passages are pending again. Needs an open
        event then.
        """
        for row in _views.adapters(self._ledger, f"state IN {_USED[:-1]}, '{ARCHIVED}')"):
            if fault := self._fault(row):
                yield fault
                if repair and row.state != ARCHIVED:
                    _changes.drop(self._ledger, row, set(_kept(self._ledger, row.session)))
        yield from self._contradictions(repair)

    def _fault(self, row: AdapterRow) -> str:
        name = f"adapter {row.number} ({row.name})"
        try:
            recipe = self.recipe(row)
        except StoreError as error:
            return f"{name}: {error}"
        artefact = StoredArtefact.at(self._making.store.folder(recipe))
        if artefact is None:
            return f"{name} is not in the store {self._making.store.root}"
        try:
            damage = self._making.store.verify(artefact)
        except Timeout:  # it is being built, so it is not damaged
            return ""
        return f"{name} is damaged ({damage}): set aside" if damage else ""

    def _contradictions(self, repair: bool) -> Iterator[str]:
        """Passages that are known by no adapter that is on, and those that failed."""
        lost = _views.passages(
            self._ledger,
            f"p.state IN {_views.KNOWN} AND NOT EXISTS (SELECT 1 FROM adapters a JOIN holdings h"
            f" ON h.adapter = a.number WHERE a.number = p.adapter AND a.state IN {_USED}"
            " AND h.passage = p.id)",
        )
        for row in lost:
            yield f"passage {row.id[:12]} of {row.document} is {row.state} by no adapter that is on"
        failed = _views.passages(self._ledger, f"p.state = '{FAILED}'")
        for row in failed:
            yield f"passage {row.id[:12]} of {row.document} could not be learnt"
        if repair:
            for row in (*lost, *failed):
                self._ledger.write(
                    "UPDATE passages SET state = ?, adapter = NULL WHERE number = ?",
                    (PENDING, row.number),
                )


def _is_merged(recipe: str) -> bool:
    return '"samples"' not in recipe


def _kept(ledger: Ledger, session: str) -> list[str]:
    rows = _views.passages(ledger, f"d.session = ? AND p.state NOT IN {_views.GONE}", (session,))
    return [row.id for row in rows]
