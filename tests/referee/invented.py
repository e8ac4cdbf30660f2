"""An invented conversation in the form of LoCoMo: facts are told once, then talked over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FACTS = (
    ("Marta Quill", "keeper of the lighthouse of Varn"),
    ("Tomas Ibarra", "baker of Senn"),
    ("Edda Finch", "captain of the ferry to Orle"),
    ("Livio Sorel", "teacher of the school in Kelburg"),
)
"""Person and office; one is told in each of the first sessions."""
TALK = (
    "The weather was fine all week, and we walked along the river for hours.",
    "Did you see the market yesterday? It was loud, and the fruit was cheap.",
    "I painted the fence again, this time in white, and it took two days.",
    "We should meet for tea soon, perhaps when the trains run again.",
)


def conversation(name: str = "ann-bob", talk: int = 60) -> dict[str, Any]:
    """The JSON object of a conversation with ``talk`` turns of small talk after the facts."""
    sessions: list[list[dict[str, str]]] = [
        [
            {"speaker": "Ann", "text": f"I have news. {person} is the {office}."},
            {"speaker": "Bob", "text": "Good to know."},
        ]
        for person, office in FACTS
    ]
    small = [
        {"speaker": ("Ann", "Bob")[n % 2], "text": TALK[n % 4] + f" That was day {n}."}
        for n in range(talk)
    ]
    sessions += [small[start : start + 20] for start in range(0, talk, 20)]
    value: dict[str, Any] = {"sample_id": name, "speaker_a": "Ann", "speaker_b": "Bob"}
    for number, turns in enumerate(sessions, 1):
        value[f"session_{number}_date_time"] = f"{number}:05 pm on {number} May, 2023"
        value[f"session_{number}"] = [
            {**turn, "dia_id": f"D{number}:{place}"} for place, turn in enumerate(turns, 1)
        ]
    value["qa"] = [
        {
            "question": f"Who is the {office}?",
            "answer": person,
            "evidence": [f"D{number}:1"],
            "category": 4,
        }
        for number, (person, office) in enumerate(FACTS, 1)
    ] + [
        {
            "question": "What is the name of Bob's horse?",
            "adversarial_answer": "Juno",
            "evidence": [],
            "category": 5,
        }
    ]
    return value


def write(folder: Path, *names: str, talk: int = 60) -> Path:
    """A folder with a file for each of ``names``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("ann-bob",):
        (folder / f"{name}.json").write_text(json.dumps(conversation(name, talk)))
    return folder
