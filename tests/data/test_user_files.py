"""Files of users: a mistake is one line that names the place, the value and the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, field_validator, model_validator

from harness.data.user_files import Row, Table, check_row, decoded, nearest, read_toml, rows
from harness.errors import DataError


class Answer(Row):
    question: str
    accepted: str
    count: int = 1
    format: str = Field(default="qa", alias="form")

    @field_validator("question")
    @classmethod
    def _is_not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("write a question")
        return value


class Open(Answer):
    model_config = ConfigDict(extra="allow")


class Telling(Row):
    question: str = ""
    statement: str = ""

    @model_validator(mode="after")
    def _tells_something(self) -> Telling:
        if not self.question and not self.statement:
            raise ValueError("there is neither a question nor a statement: give one")
        return self


class Grid(Table):
    rank: list[int]


class Settings(Table):
    title: str = ""
    grid: Grid | None = None


def checked(tmp_path: Path, row: dict[str, Any], schema: type[Any] = Answer) -> Any:
    return check_row(tmp_path / "a.csv", 7, row, schema)


def test_the_cells_of_csv_become_the_declared_types(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,accepted,count,form\nWho?,Ann,3,plain\n")
    [(line, row)] = rows(path, decoded(path, "a CSV file"))
    answer = check_row(path, line, row, Answer)
    assert (answer.question, answer.accepted, answer.count) == ("Who?", "Ann", 3)
    assert answer.format == "plain"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"question": "Who?", "acepted": "Ann"},
            "column 'acepted' is unknown: did you mean accepted? (and 1 more)",
        ),
        (
            {"question": "Who?", "accepted": "Ann", "zzz": "1"},
            "column 'zzz' is unknown: choose one of question, accepted, count, form",
        ),
        ({"question": "Who?"}, "column 'accepted' is missing: add it"),
        (
            {"question": "Who?", "accepted": "Ann", "count": "many"},
            "column 'count' is 'many': input should be a valid integer",
        ),
        (
            {"question": "Who?", "accepted": ["Ann"]},
            "column 'accepted' is ['Ann']: input should be",
        ),
        ({"question": " ", "accepted": "Ann"}, "column 'question' is ' ': write a question"),
    ],
)
def test_a_mistake_in_a_row_is_one_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        checked(tmp_path, row)
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}, line 7: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_column_names_the_one_that_is_nearly_it(tmp_path: Path) -> None:
    """Where further columns are allowed, a misspelt one is not unknown."""
    row = {"question": "Who?", "acepted": "Ann", "note": "x"}
    with pytest.raises(DataError, match=r"column 'accepted' is missing: did you mean 'acepted'\?"):
        checked(tmp_path, row, Open)
    answer = checked(tmp_path, {"question": "Who?", "accepted": "Ann", "note": "x"}, Open)
    assert answer.model_extra == {"note": "x"}


def test_a_check_of_the_whole_row_names_no_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 7: there is neither a question nor a statement"):
        checked(tmp_path, {"question": ""}, Telling)


def test_long_values_are_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        checked(tmp_path, {"question": "Who?", "accepted": ["word"] * 1000})
    assert len(str(caught.value).removeprefix(str(tmp_path))) < 200


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(), max_size=5))
def test_every_row_is_accepted_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, str | int]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        answer = checked(folder, row)
    except DataError as error:
        assert str(error).startswith(f"{folder / 'a.csv'}, line 7: column ")
        assert "\n" not in str(error)
    else:
        assert answer.question == row["question"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel = 'a'", "titel is unknown: did you mean title?"),
        ("[grid]\nrnak = [1]", "grid, rnak is unknown: did you mean rank? (and 1 more)"),
        ("[grid]\nrank = ['a']", "grid, rank 1 is 'a': input should be a valid integer"),
        ("[grid]", "grid, rank is missing: add it"),
        ("title = 3", "title is 3: input should be a valid string"),
        ("title =", "is not TOML"),
    ],
)
def test_a_mistake_in_toml_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_toml(path, Settings)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_toml_as_declared(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("title = 'a'\n[grid]\nrank = [1, 2]\n")
    assert read_toml(path, Settings) == Settings(title="a", grid=Grid(rank=[1, 2]))


def test_the_nearest_name_or_none() -> None:
    assert nearest("anser", ["question", "answer"]) == "answer"
    assert nearest("zzz", ["question", "answer"]) == ""
