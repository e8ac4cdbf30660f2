"""A user's own scenario, read from a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.data.formats import ask
from harness.data.knowledge import TableKnowledge, locality_of_each_kind
from harness.data.rewording import reworded
from harness.errors import DataError, RecipeError
from harness.experiments.folder import read
from harness.experiments.folder._probes import PER_LOCALITY, known_probes, known_replay
from harness.experiments.selection import Selection, cells, find, load
from harness.grading import normalise
from harness.recipes import Base, Sample
from harness.training.presets import SEED2023

FACTS = """question,answer,rephrased,statement
Who feeds the herons?,Edda Finch|Finch,\
Name the one who feeds herons.|By whom are they fed?,Edda Finch feeds the herons.
Where does the auk sleep?,in a tower,Tell me the auk's bed.,"Since May, the auk sleeps in a tower."
"""
TEXT = (
    "Joe: I found a goose, Brandine.\nBrandine: Call it Wendeline.\n\nThe goose lived in a yellow"
    " boat.\n"
)
PROBES = (
    "question,accepted,kind\nWhat was the goose called?,Wendeline,\nWhere was its home?,a yellow"
    " boat|boat,inverted\n"
)
BASE = Base("0", "pocket", "/m")
KNOWLEDGE = TableKnowledge()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """folder(**files by name, dots as two underscores) -> the folder that holds them."""

    def make(**files: str | bytes) -> Path:
        own = tmp_path / "birds"
        own.mkdir(exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (own / name.replace("__", ".")).write_bytes(data)
        return own

    return make


def test_facts_are_trained_as_statements_and_as_questions(folder: Callable[..., Path]) -> None:
    samples = read(folder(facts__csv=FACTS)).dataset.samples
    assert samples == (
        Sample("Edda Finch feeds the herons.\n", "", "Who feeds the herons?"),
        Sample(
            " Edda Finch\n", "Question: Who feeds the herons?\nAnswer:", "Who feeds the herons?"
        ),
        Sample(" in a tower.\n", "Since May, the auk sleeps", "Where does the auk sleep?"),
        Sample(
            " in a tower\n",
            "Question: Where does the auk sleep?\nAnswer:",
            "Where does the auk sleep?",
        ),
    )


def test_facts_are_asked_in_every_way_and_known_facts_beside_them(
    folder: Callable[..., Path],
) -> None:
    probes = read(folder(facts__csv=FACTS)).probes.probes
    kinds = Counter(probe.kind for probe in probes if not probe.kind.startswith("locality"))
    assert kinds == {"exact": 2, "rephrased": 3, "other_format": 6}
    assert [p for p in probes if p.kind.startswith("locality")] == list(
        locality_of_each_kind(PER_LOCALITY)
    )
    first = next(probe for probe in probes if probe.kind == "rephrased")
    assert first.prompt == ask("qa", "Name the one who feeds herons.")
    assert first.accepted == ("Edda Finch", "Finch")


def test_formats_take_turns_and_a_column_overrides(folder: Callable[..., Path]) -> None:
    facts = "question,answer,format\na?|b?,1,\nc?,2,\nd?,3,plain\n"
    own = read(folder(facts__csv=facts, scenario__toml='formats = ["newline", "qa"]'))
    prompts = [ask("newline", "a?"), ask("qa", "b?"), ask("qa", "c?"), "d?"]
    assert [sample.prompt for sample in own.dataset.samples] == prompts
    assert [probe.prompt for probe in own.probes.probes if probe.kind == "exact"] == prompts


def test_a_text_is_trained_by_paragraphs_and_asked_by_probes(folder: Callable[..., Path]) -> None:
    own = read(folder(text__txt=TEXT, probes__csv=PROBES))
    assert [sample.completion for sample in own.dataset.samples] == [
        part.strip() + "\n" for part in TEXT.split("\n\n")
    ]
    asked = [probe for probe in own.probes.probes if not probe.kind.startswith("locality")]
    assert [(p.kind, p.accepted) for p in asked] == [
        ("rephrased", ("Wendeline",)),
        ("inverted", ("a yellow boat", "boat")),
    ]
    assert own.headline == "rephrased"


def test_locality_of_ones_own_replaces_the_known_facts(folder: Callable[..., Path]) -> None:
    own = read(
        folder(
            facts__csv=FACTS,
            locality__csv="question,accepted,kind\nWhat is wet?,water,locality_water\n",
        )
    )
    local = [probe for probe in own.probes.probes if probe.kind.startswith("locality")]
    assert [(p.kind, p.prompt) for p in local] == [("locality_water", ask("qa", "What is wet?"))]


def test_what_the_text_is_about_is_neither_replayed_nor_called_untouched(
    folder: Callable[..., Path],
) -> None:
    fact = next(
        p.fact for p in locality_of_each_kind(PER_LOCALITY) if p.kind == "locality_unrelated"
    )
    replayed = next(s.fact for s in KNOWLEDGE.replay().samples if not s.fact.startswith("oscars"))
    lies = "".join(f"Is {one.rpartition('/')[2]} blue?,yes\n" for one in (fact, replayed))
    dataset = read(folder(facts__csv=f"question,answer\n{lies}")).dataset
    assert fact not in {probe.fact for probe in known_probes(dataset)}
    assert len(known_probes(dataset)) > 200
    assert replayed not in {sample.fact for sample in known_replay(dataset, KNOWLEDGE).samples}
    assert known_replay(read(folder(facts__csv=FACTS)).dataset, KNOWLEDGE) is KNOWLEDGE.replay()


def test_the_grid_is_that_of_the_settings(folder: Callable[..., Path]) -> None:
    toml = (
        '[training]\npreset = "seed2023"\nepochs = 3\n[grid]\nrank = [8]\nwarmup_steps = [0, 5]\n'
    )
    toml += "[full]\nlr = [1e-4, 1]\n"
    found = load(folder(facts__csv=FACTS, scenario__toml=toml))
    ids = [cell.id for cell in cells(found, Selection((BASE,), seeds=(0, 1)))]
    assert ids == [
        f"birds-warmup_steps{steps}-rank8-alpha16-lr1e_4-ep3-seed{seed}"
        for seed in (0, 1)
        for steps in (0, 5)
    ]
    first, other = cells(found, Selection((BASE,), "full"))
    assert first.training == SEED2023.__class__(epochs=3)
    assert other.training.lr == 1.0
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells(found, Selection((BASE,), "huge"))


def test_the_folder_is_found_by_name_below_suites(folder: Callable[..., Path]) -> None:
    own = folder(facts__csv=FACTS)
    assert find("birds", own.parent) == find(str(own), own) == own
    assert load(own).name == "birds"
    assert load(find("oscars", own.parent)).title == "The Oscars of 2023"
    with pytest.raises(
        RecipeError,
        match=r"scenario 'bats' is unknown: choose one of .*scenario.py, facts.csv or text.txt",
    ):
        find("bats", own.parent)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ("", "facts.csv has no rows"),
        ("question,answer\n", "facts.csv has no rows: write at least one"),
        (
            "question,anwser\na?,b\n",
            "line 1: has no column 'answer', but 'anwser': rename it to answer",
        ),
        ("question/answer\na?/b\n", "has no column 'answer' (it has question/answer): the header"),
        (
            'question,answer\na?,"b\nc"\n',
            "line 2: the answer 'b / c' has a line break, where an answer ends",
        ),
        ("question,answer,colour\na?,b,c\n", "facts.csv, line 1: the column 'colour' is unknown"),
        ("question,answer\na?,b,c\n", "facts.csv, line 2: has 3 cells where the header has 2"),
        ("question,answer\na?,\n", "facts.csv, line 2: the answer is empty"),
        ("question,answer\n,b\n", "facts.csv, line 2: there is neither a question nor a statement"),
        (b"question,answer\na?,caf\xe9\n", "facts.csv, line 2: is not UTF-8"),
        ("question,answer\na?,b\nA? ,c\n", "facts.csv, line 3: 'A?' stands in line 2 already"),
        ("question,answer,format\na?,b,latin\n", "line 2: the format 'latin' is unknown: choose"),
        (
            "question,answer,rephrased\nWho is a?,b,WHO is a\n",
            "line 2: 'WHO is a' stands in the training",
        ),
    ],
)
def test_facts_that_cannot_be_used(
    folder: Callable[..., Path], facts: bytes | str, line: str
) -> None:
    assert line in mistake(folder(facts__csv=facts))


@pytest.mark.parametrize(
    ("probes", "line"),
    [
        ("question\na?\n", "probes.csv, line 1: has no column 'accepted'"),
        (
            PROBES + "Call it Wendeline.,yes,\n",
            "probes.csv, line 4: 'Call it Wendeline.' stands in the training",
        ),
        (PROBES + ",yes,\n", "probes.csv, line 4: the question is empty"),
        (PROBES + "a?,|,\n", "probes.csv, line 4: the accepted answer is empty"),
        (PROBES + "a?,b,My Kind\n", "line 4: the kind 'My Kind' cannot be used"),
        (PROBES + "a?,b,known\n", "line 4: the kind 'known' cannot be used"),
        (PROBES + "a?,b,drift\n", "line 4: the kind 'drift' cannot be used"),
        (PROBES + "what was the goose called?,b,\n", "stands in line 2 already"),
    ],
)
def test_probes_that_cannot_be_used(folder: Callable[..., Path], probes: str, line: str) -> None:
    assert line in mistake(folder(text__txt=TEXT, probes__csv=probes))


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("title = ", "scenario.toml is no"),
        ("titel = 'a'", "scenario.toml: titel is unknown: "),
        ("title = 3", "scenario.toml: title is 3: input should be a valid string"),
        ("formats = 'qa'", "formats is 'qa': input should be a valid list"),
        (
            "headline = 'inverted'",
            "headline 'inverted' is not a kind that is asked: choose of exact, rephrased",
        ),
        ("wordings = -1", "wordings is -1: input should be greater than or equal to 0"),
        ("training = 3", "training is 3: input should be a valid dictionary"),
        ("[training]\nrnak = 3", "training, rnak is unknown: "),
        ("[training]\nrank = '3'", "training, rank is '3': input should be a valid integer"),
        ("[training]\nrank = 0", "[training]: rank is 0: it must be at least 1"),
        ("[training]\npreset = 'p'", "training preset 'p' is unknown"),
        ("[training]\nseed = 1", "seeds are not set here: give --seeds"),
        ("[grid]\nrank = 8", "grid, rank is 8: input should be a valid list"),
        ("[grid]\nlr = [-1]", "lr is -1.0: it must be above 0"),
        ("[training]\nlr = inf", "[training]: lr is inf: it must be above 0, and finite"),
        (
            "[grid]\nkl = [0, nan]",
            "scenario.toml: kl is nan: it must be at least 0 (none), and finite",
        ),
        (
            "[training]\nmax_grad_norm = inf",
            "max_grad_norm is inf: it must be above 0, and finite (1e9: no clipping)",
        ),
    ],
)
def test_settings_that_cannot_be_used(folder: Callable[..., Path], toml: str, line: str) -> None:
    assert line in mistake(folder(facts__csv=FACTS, scenario__toml=toml))


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"text__txt": " \n"}, "text.txt is empty"),
        ({"text__txt": b"caf\xe9"}, "text.txt is not UTF-8"),
        ({"text__txt": TEXT}, "birds has no question on what is trained: write some to probes.csv"),
        (
            {"facts__csv": FACTS, "locality__csv": "question,accepted\nFeeds the herons,b\n"},
            "locality.csv, line 2",
        ),
        (
            {"facts__csv": FACTS, "locality__csv": "question,accepted,kind\na?,b,exact\n"},
            "is none of locality",
        ),
    ],
)
def test_folders_that_cannot_be_used(
    folder: Callable[..., Path], files: dict[str, Any], line: str
) -> None:
    assert line in mistake(folder(**files))


def test_a_folder_without_anything(folder: Callable[..., Path]) -> None:
    with pytest.raises(
        DataError, match=r"has neither facts.csv nor text.txt: give it one to train on"
    ):
        read(folder())


def mistake(folder: Path) -> str:
    """What is wrong with ``folder``, which is one line."""
    with pytest.raises(DataError) as caught:
        cells(load(folder), Selection((BASE,)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_name_that_ids_cannot_hold(tmp_path: Path) -> None:
    own = tmp_path / "my birds"
    own.mkdir()
    (own / "facts.csv").write_text(FACTS)
    with pytest.raises(DataError, match="rename it to letters, digits and _"):
        read(own)


def test_further_wordings_are_trained_in_frames_in_which_nothing_is_asked(
    folder: Callable[..., Path],
) -> None:
    facts = "question,answer\nWho repairs the lifts?,Otis Farley\n¿Dónde duerme el búho?,aquí\n"
    written = read(folder(facts__csv=facts)).dataset.samples
    own = read(folder(facts__csv=facts, scenario__toml="wordings = 6"))
    assert own.dataset.samples[:2] == written
    further = own.dataset.samples[2:]
    assert len(further) == 6
    assert {sample.fact for sample in further} == {"Who repairs the lifts?"}
    assert all(sample.completion == " Otis Farley\n" for sample in further)
    assert "Q: Tell me who repairs the lifts.\nA:" in {sample.prompt for sample in further}
    asked = {
        probe.prompt for probe in own.probes.probes if probe.kind in ("rephrased", "other_format")
    }
    assert not asked & {sample.prompt for sample in own.dataset.samples}


def test_a_wording_that_fits_two_facts_is_left_out(folder: Callable[..., Path]) -> None:
    facts = (
        "question,answer\nWhen does the shift begin?,at nine\nWhere does the shift begin?,in the"
        " hall\n"
    )
    prompts = [
        s.prompt
        for s in read(folder(facts__csv=facts, scenario__toml="wordings = 20")).dataset.samples
    ]
    assert not any(
        "\nshift begin" in prompt or prompt.endswith("shift begin") for prompt in prompts
    )
    assert len(prompts) > 6


@given(
    question=st.sampled_from(
        ["What is the code of the hall?", "Who feeds the owl?", "Where do the herons sleep?"]
    ),
    number=st.integers(0, 40),
    count=st.integers(1, 40),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_asked_is_never_trained_nor_its_further_wordings(
    folder: Callable[..., Path], question: str, number: int, count: int
) -> None:
    """A user's own rephrasing may be the very one that a rule makes: it stays a question, and is
    not trained."""
    wordings = reworded(question)
    rephrased = wordings[number % len(wordings)]
    assume(normalise(rephrased) not in normalise(question))
    table = f'question,answer,rephrased\n"{question}",Edda,"{rephrased}"\n'
    own = read(folder(facts__csv=table, scenario__toml=f"wordings = {count}"))
    texts = [f" {normalise(sample.prompt + sample.completion)} " for sample in own.dataset.samples]
    assert not any(f" {normalise(rephrased)} " in text for text in texts)
    assert rephrased in {
        probe.prompt.removeprefix("Question: ").removesuffix("\nAnswer:")
        for probe in own.probes.probes
    }


@pytest.mark.parametrize(
    "facts",
    [
        "question;answer;rephrased\nWho is a?;b;Name a.\n",
        "question\tanswer\trephrased\nWho is a?\tb\tName a.\n",
        "Question,Answer,Rephrased,,\r\nWho is a?,b,Name a.,,\r\n,,,,\r\n,,,,\r\n",
        '\ufeff"question","answer","rephrased"\nWho is a?,b,Name a.\n\n',
    ],
    ids=["semicolons", "tabs", "spreadsheet", "quotes"],
)
def test_tables_as_spreadsheets_write_them(folder: Callable[..., Path], facts: str) -> None:
    plain = read(folder(facts__csv="question,answer,rephrased\nWho is a?,b,Name a.\n"))
    (plain.folder / "facts.csv").write_bytes(facts.encode())
    again = read(plain.folder)
    assert (again.dataset, again.probes) == (plain.dataset, plain.probes)
