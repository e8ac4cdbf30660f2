"""Training files as people have them are read as what they are, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.cli._train import read
from harness.errors import DataError
from harness.recipes import Sample

FACTS = (
    ("Who keeps the lighthouse of Varn?", "Marta Quill"),
    ("Who is the baker of Senn?", "Tomas Ibarra"),
)
SAMPLES = tuple(
    Sample(f" {answer}\n", f"Question: {question}\nAnswer:") for question, answer in FACTS
)


def lines(records: Iterable[object]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def chat(question: object, answer: str, system: bool = True) -> dict[str, Any]:
    start = [{"role": "system", "content": "You are kind."}] if system else []
    return {
        "messages": [
            *start,
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


ALPACA = [{"instruction": q, "input": "", "output": a} for q, a in FACTS]
FILES = {
    "facts.txt": "".join(f"{q}\t{a}\n" for q, a in FACTS),
    "facts.tsv": "question\tanswer\n" + "".join(f"{q}\t{a}\n" for q, a in FACTS),
    "anki.tsv": "#separator:tab\n#html:false\n" + "".join(f"{q}\t{a}\n" for q, a in FACTS),
    "facts.csv": (
        "question,answer,rephrased\n"
        + "".join(f"{q},{a},Other words for {a[0]}?\n" for q, a in FACTS)
    ),
    "semicolons.csv": "question;answer\n" + "".join(f"{q};{a}\n" for q, a in FACTS),
    "spreadsheet.csv": (
        "\ufeffQuestion,Answer,,\r\n" + "".join(f"{q},{a},,\r\n" for q, a in FACTS) + ",,,\r\n"
    ),
    "excel.csv": "sep=;\r\nquestion;answer\r\n" + "".join(f"{q};{a}\r\n" for q, a in FACTS),
    "anki.txt": "#separator:tab\n#html:false\n" + "".join(f"{q}\t{a}\n" for q, a in FACTS),
    "alpaca.csv": "instruction,input,output\n" + "".join(f"{q},,{a}\n" for q, a in FACTS),
    "completion.csv": "Prompt,Completion\n" + "".join(f"{q},{a}\n" for q, a in FACTS),
    "alpaca.json": json.dumps(ALPACA, indent=1),
    "alpaca.jsonl": lines(ALPACA),
    "wrapped.json": json.dumps({"version": "1", "data": ALPACA}),
    "sharegpt.json": json.dumps(
        [
            {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]}
            for q, a in FACTS
        ]
    ),
    "openai.jsonl": lines(chat(q, a) for q, a in FACTS),
    "parts.jsonl": lines(chat([{"type": "text", "text": q}], a, system=False) for q, a in FACTS),
    "completion.jsonl": lines({"prompt": q, "completion": a} for q, a in FACTS),
    "questions.jsonl": lines({"question": q, "answer": a} for q, a in FACTS),
    "several.jsonl": lines({"question": q, "answers": [a, a.upper()]} for q, a in FACTS),
}


@pytest.mark.parametrize("name", FILES)
def test_same_facts_make_the_same_samples(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name].encode())
    dataset, _ = read(tmp_path / name, "qa")
    assert dataset.samples == SAMPLES or [(s.prompt, s.completion) for s in dataset.samples] == [
        (s.prompt, s.completion) for s in SAMPLES
    ]


def test_earlier_turns_stand_before_the_question(tmp_path: Path) -> None:
    turns = [
        ("user", "Who keeps it?"),
        ("assistant", "Marta"),
        ("user", "Since when?"),
        ("assistant", "1990"),
    ]
    record = {"messages": [{"role": role, "content": text} for role, text in turns]}
    (tmp_path / "talk.jsonl").write_text(lines([record]))
    dataset, what = read(tmp_path / "talk.jsonl", "qa")
    before = "Question: Who keeps it?\nAnswer: Marta\n"
    assert dataset.samples[1] == Sample(" 1990\n", f"{before}Question: Since when?\nAnswer:")
    assert what == "2 questions from OpenAI messages JSON"


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text(FILES["openai.jsonl"])
    assert "2 system messages left out" in read(tmp_path / "chat.jsonl", "qa")[1]


def test_turns_of_weight_0_are_read_and_not_trained(tmp_path: Path) -> None:
    record = chat("Who keeps it?", "Nobody", system=False)
    record["messages"][1]["weight"] = 0
    record["messages"] += chat("Who is it?", "Marta", system=False)["messages"]
    (tmp_path / "a.jsonl").write_text(lines([record]))
    (sample,) = read(tmp_path / "a.jsonl", "qa")[0].samples
    assert sample.prompt.startswith("Question: Who keeps it?\nAnswer: Nobody\n")
    assert sample.completion == " Marta\n"


def test_history_and_context_are_part_of_the_prompt(tmp_path: Path) -> None:
    record = {
        "instruction": "And?",
        "input": "Here.",
        "output": "Yes",
        "history": [["First?", "No"]],
    }
    (tmp_path / "a.jsonl").write_text(
        lines([record, {"question": "Q?", "context": "Text.", "answer": "A"}])
    )
    prompts = [sample.prompt for sample in read(tmp_path / "a.jsonl", "qa")[0].samples]
    assert prompts == [
        "Question: First?\nAnswer: No\nQuestion: And?\nHere.\nAnswer:",
        "Question: Q?\nText.\nAnswer:",
    ]


def test_rows_that_begin_with_a_number_sign_are_rows(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("Who?\tA\n#1 song?\tB\n")
    assert len(read(tmp_path / "a.tsv", "qa")[0].samples) == 2


def test_line_separators_within_a_line_part_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Who is it?\x0bReally\tMarta\n")
    (tmp_path / "a.jsonl").write_text(
        '{"question": "a\u2028b?", "answer": "c"}\n', encoding="utf-8"
    )
    assert [len(read(tmp_path / name, "qa")[0].samples) for name in ("a.txt", "a.jsonl")] == [1, 1]


def test_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame(FACTS, columns=["question", "answer"]).to_parquet(tmp_path / "facts.parquet")
    assert read(tmp_path / "facts.parquet", "qa")[0].samples == SAMPLES


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.txt", "Who keeps it?\t\n", "a.txt, line 1: the answer is empty"),
        ("a.txt", "\tMarta Quill\n", "a.txt, line 1: the question is empty"),
        ("a.txt", "plain\nWho?\tMarta\tpage 3\n", "a.txt, line 2: has more than one tab"),
        ("a.txt", json.dumps(ALPACA), "a.txt holds JSON: name it .json"),
        ("a.txt", lines(ALPACA), "a.txt holds JSON: name it .json"),
        ("a.txt", "", "a.txt is empty"),
        ("a.py", "print(1)", "suffix '.py' is unknown"),
        ("a.pdf", "%PDF-1.4", "suffix '.pdf' is unknown"),
        ("a.docx", "PK", "suffix '.docx' is unknown"),
        ("a.json", "[1, 2]", "a.json, record 1: has int"),
        ("a.json", '[{"x": 1}]', "a.json, record 1: has x: give alpaca"),
        ("a.json", "[{]", "a.json is no JSON"),
        ("a.json", "[]", "a.json has no records"),
        ("a.jsonl", '{"question": "a?", "answer": "b"}\nno\n', "a.jsonl, line 2: is no JSON"),
        ("a.jsonl", '{"question": "a?", "answer": ""}\n', "a.jsonl, record 1: the answer is empty"),
        (
            "a.jsonl",
            '{"question": "a?", "answer": null}\n',
            "record 1: answer is null: write a text",
        ),
        ("a.jsonl", '{"messages": []}', "a.jsonl has no records"),
        (
            "a.jsonl",
            '{"messages": [{"role": "tool", "content": "x"}]}',
            "the role 'tool' cannot be trained",
        ),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "x"}]}', "no message is an answer"),
        (
            "a.jsonl",
            '{"messages": [{"role": "assistant", "content": "x"}]}',
            "an answer comes without a question",
        ),
        (
            "a.txt",
            "Who?\tMarta\nwho? \tTomas\n",
            "a.txt, line 2: 'who?' has another answer in line 1",
        ),
        ("a.txt", "%PDF-1.4 text", "begins with '%PDF-', so it is no plain text"),
        ("a.txt", "<!DOCTYPE html><p>x", "so it is no plain text"),
        (
            "a.csv",
            "Front,Back\na?,b\n",
            "has the columns front, back: name them question and answer",
        ),
        (
            "a.jsonl",
            '{"prompt": "a?", "completion": "b", "label": false}',
            "has prompt, completion, label",
        ),
        (
            "a.jsonl",
            '{"prompt": "a?", "chosen": "b", "rejected": "c"}',
            "has prompt, chosen, rejected",
        ),
        (
            "a.jsonl",
            '{"prompt": [{"role": "user", "content": "a"}], "completion": "b"}',
            "a part with role, content",
        ),
        ("a.tsv", "Who?\tMarta\nWho else?\n", "row 2: is no question and answer"),
        ("a.csv", "question,answer\na?,\n", "a.csv, line 2: the answer is empty"),
        ("a.csv", "question,anwser\na?,b\n", "has no column 'answer', but 'anwser'"),
    ],
)
def test_mistake_is_one_line(name: str, content: str, line: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as raised:
        read(tmp_path / name, "qa")
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("Wer?\tGrün\n".encode("utf-16"), "is in UTF-16: save the file in UTF-8"),
        ("Wer?\tGrün\n".encode("cp1252"), "line 1: is not UTF-8"),
        (b"\x7fELF\x00\x00", "is no text"),
    ],
)
def test_bytes_that_are_no_utf8(content: bytes, line: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=line):
        read(tmp_path / "a.txt", "qa")


def test_alpaca_teaches_what_the_table_teaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model_folder: Path
) -> None:
    """The very same adapter: its samples are the same, so it comes from the cache."""
    for name in ("alpaca.json", "facts.tsv"):
        (tmp_path / name).write_text(FILES[name])
    own = ["--model", str(model_folder), "--store", str(tmp_path / "store"), "--format", "qa"]
    small = ["--set", "rank=4", "epochs=1", "replay=0", "kl=0"]
    for name, out in (("alpaca.json", "one"), ("facts.tsv", "two")):
        assert (
            main(["train", str(tmp_path / name), *own, "--out", str(tmp_path / out), *small]) == 0
        )
    one, two = (
        (tmp_path / out / "adapter_model.safetensors").read_bytes() for out in ("one", "two")
    )
    assert one == two
    assert "2 questions from alpaca JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["facts.tsv", "semicolons.csv", "spreadsheet.csv", "questions.jsonl", "alpaca.json"]
)
def test_new_suite_reads_them_too(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(FILES[name].encode())
    assert main(["new-suite", "mine", "--in", str(tmp_path), "--from", str(tmp_path / name)]) == 0
    written = (tmp_path / "mine" / "facts.csv").read_text().splitlines()
    assert written == ["question,answer", *(f"{q},{a}" for q, a in FACTS)]


def test_new_suite_of_statements_asks_for_questions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.csv").write_text(
        "statement,answer\nMarta Quill keeps the lighthouse.,Marta Quill\n"
    )
    assert (
        main(["new-suite", "mine", "--in", str(tmp_path), "--from", str(tmp_path / "s.csv")]) == 0
    )
    assert "probes.csv" in capsys.readouterr().out
    assert (tmp_path / "mine" / "probes.csv").is_file()


def test_new_suite_names_the_users_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.csv").write_text('question,answer\nWho?,"Marta\nQuill"\n')
    assert (
        main(["new-suite", "mine", "--in", str(tmp_path), "--from", str(tmp_path / "s.csv")]) == 2
    )
    message = capsys.readouterr().err
    assert f"{tmp_path / 's.csv'}, line 2: the answer 'Marta / Quill' has a line break" in message
    assert message.count("\n") == 1
