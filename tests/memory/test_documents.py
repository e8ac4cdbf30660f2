"""Documents as people have them are read as what they are, or refused in one line."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter

from harness.errors import DataError
from harness.memory.documents import LARGEST, Document, read_document
from harness.memory.passages import Turn

SAID = (("user", "Who keeps the lighthouse?"), ("assistant", "Marta Quill."))
TURNS = tuple(Turn(*turn) for turn in SAID)


def pdf(*pages: str, image: bool = False) -> bytes:
    made = FPDF()
    made.set_font("helvetica", size=12)
    for page in pages:
        made.add_page()
        made.multi_cell(90, 6, page)
    if image:
        made.add_page()
        made.image(Image.new("RGB", (40, 40), "white"), 10, 10, 60)
    return bytes(made.output())


def encrypted(data: bytes, password: str, owner: str = "owner") -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(password, owner, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def in_json(value: object, name: str = "chat.json") -> Document:
    return read_document(json.dumps(value).encode(), name)


def test_a_pdf_is_read_page_by_page_without_its_line_breaks() -> None:
    sentence = "The lighthouse of Varn stands on a high rock and is kept by Marta Quill."
    document = read_document(pdf(f"{sentence} {sentence}", "A second page."), "varn.pdf")
    assert f"{sentence} {sentence}" in document.text
    assert [p.text.strip() for p in document.passages(150)][-1] == "A second page."
    assert (document.name, document.kind) == ("varn.pdf", "text")


def test_a_pdf_that_is_encrypted_without_a_password_is_read() -> None:
    assert "Varn" in read_document(encrypted(pdf("Of Varn."), ""), "a.pdf").text


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("a.pdf", encrypted(pdf("Secret."), "word"), "is encrypted: save it without a password"),
        ("a.pdf", b"plain words", "is not a PDF: save it as PDF, or name it .txt"),
        ("a.pdf", b"%PDF-1.7\nbroken", "is a damaged PDF"),
        ("a.pdf", pdf("Varn.")[:-400], "is a damaged PDF"),
        ("a.pdf", pdf(image=True), "holds no text, perhaps only scans: run OCR over it"),
        ("a.txt", b"", "is empty: give it some text"),
        ("a.txt", b" \n\t\n", "is empty: give it some text"),
        ("a.txt", bytes(range(256)) * 4, "is not text: give a text file"),
        ("a.txt", "Käse".encode("latin-1"), "line 1: is not UTF-8: save the file in UTF-8"),
        ("a.txt", "Varn".encode("utf-16"), "is in UTF-16: save the file in UTF-8"),
        ("a.txt", pdf("Varn."), "so it is not plain text: give .txt, .md, .pdf, .json or .jsonl"),
        ("a.md", b"<!DOCTYPE html><p>", "so it is not plain text"),
        ("a.docx", b"words", "suffix '.docx' is unknown: give .txt, .md, .pdf"),
        ("a.json", b"{not json", "is not JSON"),
        ("a.jsonl", b'{"text": "a"}\n{', "line 2: is not JSON"),
        ("a.json", b"3", "holds no records: give alpaca"),
        ("a.json", b"[]", "holds no text: give it some"),
        ("a.json", b'[{"colour": "red"}]', "record 1: has colour: give alpaca"),
        ("a.json", b'{"messages": ["hi"]}', "message 1: is not an object"),
        ("a.json", b'{"messages": [{"content": "hi"}]}', "message 1: has no role: give it one"),
        ("a.json", b'{"messages": [{"role": "user"}]}', "message 1: has no content: give it one"),
        ("a.txt", b"a" * (LARGEST + 1), "has 33 MiB: give 32 MiB or less, or split it"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(name: str, data: bytes, line: str) -> None:
    with pytest.raises(DataError) as caught:
        read_document(data, name)
    assert line in str(caught.value)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


def test_a_file_of_100_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(DataError, match=r"large.txt has 100 MiB: give 32 MiB or less"):
        read_document(path)
    with pytest.raises(DataError, match=r"none.txt cannot be read \(No such file"):
        read_document(tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\): give a document"):
        read_document(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [{"role": role, "content": text} for role, text in SAID]},
        [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in SAID],
        [{"conversations": [{"from": "human", "value": SAID[0][1]},
                            {"from": "gpt", "value": SAID[1][1]}]}],
        [{"instruction": SAID[0][1], "output": SAID[1][1]}],
    ],
)  # fmt: skip
def test_chats_of_other_tools_are_read(value: Any) -> None:
    document = in_json(value)
    assert document.turns == TURNS
    assert document.kind == "chat"
    assert document.passages()[0].text == "user: Who keeps the lighthouse?\nassistant: Marta Quill."


def test_messages_line_by_line_keep_names_and_times_and_say_what_is_left_out() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "name": "Ann", "content": "Hi.", "timestamp": "2026-01-05T09:12:00"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": "Hello.", "created_at": 1767604321},
    ]
    data = "\n".join(json.dumps(message) for message in messages).encode()
    document = read_document(data, "chat.jsonl")
    assert document.turns == (
        Turn("Ann", "Hi.", datetime(2026, 1, 5, 9, 12)),
        Turn("assistant", "Hello.", datetime(2026, 1, 5, 9, 12, 1, tzinfo=UTC)),
    )
    assert document.left_out == ("1 system message left out", "1 message without text left out")


def test_records_of_text_are_a_text() -> None:
    document = in_json([{"text": "One."}, {"text": "Two."}], "texts.json")
    assert (document.kind, document.text) == ("text", "One.\n\nTwo.")
    mixed = [{"text": "One."}, {"question": "Who?", "answer": "Ann"}]
    with pytest.raises(DataError, match="holds both texts and chats: put them in two files"):
        in_json(mixed)


def test_a_text_keeps_its_own_name_or_gets_another(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("\ufeff# Varn\n\nAnn: this line\n\nBob: and this are Markdown.")
    assert read_document(path).name == "notes.md"
    document = read_document(path, "varn/notes.md")
    assert (document.name, document.kind) == ("varn/notes.md", "text")
    assert document.passages()[0].heading == "Varn"
    assert document.passages()[0].document == "varn/notes.md"
