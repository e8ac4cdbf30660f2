"""`python -m harness grade`: answers from any tool."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.grading import DEFAULT_THRESHOLD

HEAD = "question,accepted,answer"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """file(name, text) -> its path."""

    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def verdicts(folder: Path) -> list[bool]:
    return [
        json.loads(line)["right"]
        for line in (folder / "graded.jsonl").read_text().split("\n")
        if line
    ]


def test_csv_with_choices_lists_quotes_and_a_byte_order_mark(
    file: Callable[[str, str | bytes], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        "Who?,Holland|the Netherlands,Netherlands",
        'Who?,"Daniel Kwan; Daniel Scheinert","Daniel Scheinert,\nDaniel Kwan"',
        "When?,1999,1998",
        "Who?,Paris,",
    ]
    assert main(["grade", str(file("a.csv", "\ufeff" + "\r\n".join([HEAD, *rows])))]) == 0
    assert verdicts(tmp_path) == [True, True, False, False]
    lines = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert [line["line"] for line in lines] == [2, 3, 5, 6]
    assert (lines[0]["matched"], lines[2]["score"]) == ("the Netherlands", 0.0)
    assert "0.500" in capsys.readouterr().out
    assert "2 of 4" in (tmp_path / "GRADES.md").read_text()


def test_json_lines_with_numbers_samples_and_strange_characters(
    file: Callable[[str, str | bytes], Path], tmp_path: Path
) -> None:
    rows = [
        {"question": "When?", "accepted": [1999, "99"], "answer": 1999},
        {"question": "a\u2028b", "accepted": "Paris", "answer": ["Paris", "London", None]},
        {"question": "lone \ud800", "accepted": ["Paris"], "answer": "Paris"},
    ]
    text = "\n".join(json.dumps(rows[i], ensure_ascii=i != 1) for i in range(3)) + "\n\n"
    assert main(["grade", str(file("a.jsonl", text)), "--out", str(tmp_path / "out" / "deep")]) == 0
    assert verdicts(tmp_path / "out" / "deep") == [True, True, False, False, True]


def test_own_column_names_and_all_else_is_carried_along(
    file: Callable[[str, str | bytes], Path], tmp_path: Path
) -> None:
    row = {
        "q": "Who?",
        "gold": ["Paris"],
        "output": "Paris",
        "model": "m",
        "run": 3,
        "right": False,
    }
    pairs = "question=q,accepted=gold,answer=output,cell=model"
    assert main(["grade", str(file("a.jsonl", json.dumps(row))), "--columns", pairs]) == 0
    found = json.loads((tmp_path / "graded.jsonl").read_text())
    assert (found["cell"], found["run"], found["right"], found["given_right"]) == (
        "m",
        3,
        True,
        False,
    )


def test_rows_by_cell_and_kind_or_as_asked(
    file: Callable[[str, str | bytes], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"Who?,Paris,{'Paris' if n % 2 else 'Rome'},c{n % 2},k{n % 3},f{n}" for n in range(12)]
    path = str(file("a.csv", "\n".join([HEAD + ",cell,kind,fact", *rows])))
    main(["grade", path])
    assert capsys.readouterr().out.count("| c") == 6 + 1
    main(["grade", path, "--by", "cell"])
    said = capsys.readouterr().out
    assert "| c0     | 6         | 0       | 0.000" in said
    assert "| all    | 12        | 6       | 0.500" in said


def test_answers_are_no_markup_and_ids_stay_readable(
    file: Callable[[str, str | bytes], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "question": "Who?",
            "accepted": ["a|b"],
            "answer": "![x](http://evil.example) <unk>\r\n_c_",
            "cell": "my_aug-rank8",
        },
        {"question": "Who?", "accepted": ["a"], "answer": "*" * 120, "cell": "<b>"},
    ]
    assert main(["grade", str(file("a.jsonl", "\n".join(map(json.dumps, rows))))]) == 0
    text = (tmp_path / "GRADES.md").read_text()
    assert "| my_aug-rank8 |" in text
    assert "| my_aug-rank8 |" in capsys.readouterr().out
    assert "| &lt;b&gt; " in text
    assert r"| !\[x\](http://evil.example) &lt;unk&gt; \_c\_ " in text
    assert r"| a\|b " in text
    assert "| " + r"\*" * 99 + "… |" in text


def test_answers_about_one_fact_are_not_taken_for_independent(
    file: Callable[[str, str | bytes], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"Who?,Paris,{'Paris' if n < 20 else 'Rome'}" for n in range(40)]
    main(["grade", str(file("a.csv", "\n".join([HEAD, *rows])))])
    apart = capsys.readouterr().out
    facts = [f"{row},f{n // 10}" for n, row in enumerate(rows)]
    main(["grade", str(file("b.csv", "\n".join([HEAD + ",fact", *facts])))])
    together = capsys.readouterr().out
    assert "0.352 to 0.648" in apart  # Wilson
    assert "0.000 to 1.000" in together


def test_the_threshold_is_used(file: Callable[[str, str | bytes], Path], tmp_path: Path) -> None:
    path = str(file("a.csv", f"{HEAD}\nWho?,Brendan Fraser,Brendon Fraser"))
    main(["grade", path])
    assert verdicts(tmp_path) == [True]
    main(["grade", path, "--threshold", "99"])
    assert verdicts(tmp_path) == [False]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "a.csv",
            "question,answer\nWho?,Paris",
            "a.csv, line 2: has no column 'accepted' (it has 'question', 'answer')",
        ),
        (
            "a.csv",
            f"{HEAD}\nWho?,Paris,Paris\nWho?,Paris, London, Rome",
            "a.csv, line 3: has 4 cells where the header",
        ),
        (
            "a.csv",
            f"{HEAD}\nWho?,Paris,Paris\nWho?, ,Paris",
            "line 3: column 'accepted' is ' ': give at least one",
        ),
        ("a.csv", f'{HEAD}\nWho?,"Paris,Paris', "a.csv, line 2: is not CSV"),
        ("a.csv", f"{HEAD},answer\n", "a.csv, line 1: has the column 'answer' twice"),
        ("a.csv", "", "a.csv, line 1: holds no answers"),
        ("a.csv", f"{HEAD}\nWho?,Zürich,Paris".encode("latin-1"), "a.csv, line 2: is not UTF-8"),
        (
            "a.jsonl",
            '{"question": "Who?", "accepted": ["a"], "answer": "a"}\n{"question"',
            "a.jsonl, line 2: is not JSON",
        ),
        ("a.jsonl", "[1]", "a.jsonl, line 1: is not a JSON object"),
        (
            "a.jsonl",
            '{"question": "Who?", "accepted": [], "answer": "a"}',
            "line 1: column 'accepted' is []: give at least one",
        ),
        (
            "a.jsonl",
            '{"question": {}, "accepted": ["a"], "answer": "a"}',
            "line 1: column 'question' is {}: text is wanted",
        ),
        (
            "a.xlsx",
            "",
            "suffix '.xlsx' is unknown: name the file with one of .csv, .tsv, .jsonl, .ndjson",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_its_place(
    file: Callable[[str, str | bytes], Path],
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: bytes | str,
    line: str,
) -> None:
    assert main(["grade", str(file(name, text))]) == 2
    said = capsys.readouterr()
    assert line in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--threshold", "0"], "--threshold is 0"),
        (["--threshold", "nan"], "--threshold is nan"),
        (["--by", "nope"], "--by nope: no such column"),
        (["--columns", "colour=c"], "--columns 'colour=c' is not a pair"),
        (["--columns", "cell=model"], "has no column 'model'"),
        (["--out", "/proc/nowhere"], "give another --out"),
    ],
)
def test_a_mistaken_option_is_one_line(
    file: Callable[[str, str | bytes], Path],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    line: str,
) -> None:
    assert main(["grade", str(file("a.csv", f"{HEAD}\nWho?,Paris,Paris")), *options]) == 2
    assert line in capsys.readouterr().err


def test_a_source_is_never_overwritten(
    file: Callable[[str, str | bytes], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = file("graded.jsonl", '{"question": "Who?", "accepted": ["a"], "answer": "a"}')
    before = path.read_bytes()
    assert main(["grade", str(path)]) == 2
    assert "give another folder as --out" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", str(tmp_path / "none.csv")]) == 2
    assert "none.csv cannot be read (No such file or directory)" in capsys.readouterr().err


def test_the_help_names_the_default_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    assert f"lowest similarity that is right, 0 to 100 [{DEFAULT_THRESHOLD:g}]" in " ".join(
        capsys.readouterr().out.split()
    )


def test_how_the_right_answer_was_read_stands_beside_the_verdict(
    file: Callable[[str, str | bytes], Path], tmp_path: Path
) -> None:
    rows = ["When?,5 November 1605,6 November 1605", "Who?,Edda Finch,Marta Quill"]
    assert main(["grade", str(file("a.csv", "\n".join([HEAD, *rows])))]) == 0
    lines = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert [line["read_as"] for line in lines] == ["date 1605-11-05", "text"]
    assert "date 1605-11-05" in (tmp_path / "GRADES.md").read_text()
