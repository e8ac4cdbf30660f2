"""One run of the referee: systems asked, graded, and written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from harness.builds import Calibrated, build, judge
from harness.data.published import LONGMEMEVAL, Conversation
from harness.errors import StoreError
from harness.grading.judge import calibration_of
from harness.recipes import Calibration
from harness.referee._asking import ALIKE
from harness.referee._figures import Column, scored
from harness.referee._judging import longmemeval_judge
from harness.referee._systems import System
from harness.referee._tables import compared, report, values
from harness.referee._transcripts import Watch, transcript
from harness.store import Store

_FOLDER = "referee"


@dataclass(eq=False)
class Referee:
    """Asks systems about conversations and grades what they say."""

    store: Store
    """Answers are kept in its folder, and so are a judge's verdicts."""
    conversations: Sequence[Conversation]
    style: str = ALIKE
    judge: str = ""
    """This project's judge; empty: the fuzzy grader alone."""
    published_judge: str = ""
    """The judge of LongMemEval's published score; empty: that score is left out."""
    columns: dict[str, Column] = field(default_factory=dict)
    """What was asked, by the name of the system."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why a system could not be asked."""

    def ask(self, system: System, watch: Watch = lambda *_: None) -> Column:
        """The graded answers of ``system`` to all questions. Raises as ``transcript``."""
        folder = self.store.root / _FOLDER
        transcripts = [
            transcript(system, chat, folder, self.style, watch) for chat in self.conversations
        ]
        ours = partial(judge, self._calibration.judge, store=self.store) if self.judge else None
        column = scored(
            self.conversations,
            transcripts,
            ours,
            self.calibrated,
            longmemeval_judge(self.published_judge) if self.published_judge else None,
        )
        self.columns[system.name] = column
        return column

    @cached_property
    def calibrated(self) -> Calibrated | None:
        """The judge's error rates."""
        return Calibrated.of(build(self._calibration, self.store)) if self.judge else None

    def tables(self) -> str:
        """The report, as Markdown."""
        absent = [f"{name}: {why}" for name, why in self.absent.items()]
        name = self._calibration.judge.name if self.judge else ""
        columns = list(self.columns.values())
        return report(columns, self.conversations, self.style, name, self.calibrated, absent)

    def write(self, folder: Path) -> list[Path]:
        """Write ``CHATS.md``, ``CHATS.json``, every answer, and what LongMemEval's script reads.

        Raises:
            StoreError: the folder cannot be written.
        """
        columns = list(self.columns.values())
        figures = {
            "style": self.style,
            "conversations": [chat.id for chat in self.conversations],
            "systems": [values(column, self.calibrated) for column in columns],
            "absent": self.absent,
            "compared": [
                {**row._asdict(), "paired": row.paired._asdict()} for row in compared(columns)
            ],
        }
        texts = {
            "CHATS.md": self.tables(),
            "CHATS.json": json.dumps(figures, indent=1, ensure_ascii=False) + "\n",
            "answers.jsonl": "".join(map(_lines, columns)),
        }
        if any(chat.source == LONGMEMEVAL for chat in self.conversations):
            texts |= {
                f"hypotheses-{column.system}.jsonl": _hypotheses(column) for column in columns
            }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be written ({error.strerror}): give a --report that can"
            ) from error
        return [folder / name for name in texts]

    @cached_property
    def _calibration(self) -> Calibration:
        return calibration_of(self.judge)


def _lines(column: Column) -> str:
    replies = {name: reply for each in column.transcripts for name, reply in each.replies.items()}
    records = (
        {
            "system": column.system,
            "conversation": each.conversation,
            **each.question._asdict(),
            "given": each.answer,
            "published": each.published,
            "right": each.right,
            "judged": each.judged,
            "abstains": each.abstains,
            **{
                name: value
                for name, value in replies[each.question.id]._asdict().items()
                if name != "text"
            },
        }
        for each in column.scored
    )
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _hypotheses(column: Column) -> str:
    records = (
        {"question_id": each.question.id, "hypothesis": each.answer} for each in column.scored
    )
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
