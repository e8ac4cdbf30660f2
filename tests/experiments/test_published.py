"""Published data sets as a user's own scenario: read in their formats, scored by their figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from math import exp
from pathlib import Path
from typing import Any

import pytest

from harness.builds import GradedLine, build
from harness.cli import main
from harness.data.published import Edit, Task, read_edits, read_task
from harness.errors import DataError
from harness.experiments.folder import read
from harness.experiments.folder._published import (
    choice_figures,
    edit_figures,
    exact_matches,
    word_figures,
)
from harness.experiments.selection import Selection, cells, load
from harness.recipes import Base, Probe
from harness.report import result
from harness.store import Store

COUNTERFACT = [
    {
        "case_id": 7,
        "pararel_idx": 2796,
        "requested_rewrite": {
            "prompt": "The mother tongue of {} is",
            "relation_id": "P103",
            "target_new": {"str": "English", "id": "Q1860"},
            "target_true": {"str": "French", "id": "Q150"},
            "subject": "Edda Finch",
        },
        "paraphrase_prompts": ["It rained. Edda Finch, a native", "Edda Finch spoke the language"],
        "neighborhood_prompts": [
            "The mother tongue of Jean Morel is",
            "Where Luc Arnaud was born, people speak",
        ],
        "attribute_prompts": ["The mother tongue of John Hill is"],
        "generation_prompts": ["Edda Finch's mother tongue is"],
    },
    {
        "case_id": 8,
        "requested_rewrite": {
            "prompt": "{} is in",
            "relation_id": "P17",
            "target_new": {"str": "Peru", "id": "Q419"},
            "target_true": {"str": "Chad", "id": "Q657"},
            "subject": "Lake Morn",
        },
        "paraphrase_prompts": ["One finds Lake Morn in"],
        "neighborhood_prompts": ["The mother tongue of Edda Finch is"],
        "attribute_prompts": [],
        "generation_prompts": [],
    },
]
ZSRE = [
    {
        "subject": "Watt Tern",
        "src": "What university did Watt Tern attend?",
        "pred": "Trinity College",
        "rephrase": "At which university was Watt Tern taught?",
        "alt": "University of Orn",
        "answers": ["Morn Institute", "the Institute"],
        "loc": "nq question: who played the owl in tern hall",
        "loc_ans": "Hugo Auk",
        "cond": "Trinity College >> University of Orn || What university did Watt Tern attend?",
    }
]
KNOWEDIT = [
    {
        "subject": "Leo Heron",
        "prompt": "The place of death of Leo Heron is",
        "target_new": "Berlin",
        "portability": {
            "Logical_Generalization": [
                {"prompt": "Is Leo Heron alive?", "ground_truth": [["no"], ["is dead"]]}
            ],
            "Reasoning": [
                {
                    "prompt": "Leo Heron died in the country of",
                    "ground_truth": [["Germany", "FRG"]],
                },
                {"prompt": "No one knows", "ground_truth": []},
            ],
            "Subject_Aliasing": None,
        },
        "locality": {
            "Relation_Specificity": [
                {"prompt": "Leo Heron's father is", "ground_truth": ["Albert Heron"]}
            ]
        },
    },
    {"subject": "Gap", "prompt": "Gap is", "target_new": "", "portability": {}, "locality": {}},
    {"concept": "Ann Auk", "text": "Ann Auk was", "labels": "a painter.", "locality": {}},
]
YAML = """task: birds
dataset_path: json
dataset_kwargs: {data_files: {test: birds.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: label
doc_to_choice: "{{choices.text}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}, {metric: acc_norm}]
metadata: {version: 1.0}
"""
GENERATED = """task: eggs
dataset_path: json
dataset_kwargs: {data_files: birds.jsonl}
output_type: generate_until
doc_to_text: question
doc_to_target: "{{choices.text[label]}}"
target_delimiter: "\\n"
generation_kwargs: {until: ["\\n"]}
metric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true}]
"""
UNTIL = 'generation_kwargs: {until: ["\\n"]}\n'
ROWS = [
    {
        "question": "Who sings?",
        "choices": {"text": ["an owl", "the lark"]},
        "label": 1,
        "answer": ["the lark", "larks"],
        "text": "The one who sings is the lark",
    },
    {
        "question": "Who hoots?",
        "choices": {"text": ["an owl", "the lark", "a cat"]},
        "label": 0,
        "answer": ["an owl"],
        "text": "The one who hoots is an owl",
    },
]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """folder(edits, **files by stem) -> the folder that holds them and two questions in
    birds.jsonl."""

    def make(edits: object = None, **yaml: str) -> Path:
        own = tmp_path / "birds"
        own.mkdir(exist_ok=True)
        if edits is not None:
            (own / "edits.json").write_text(json.dumps(edits))
        (own / "birds.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n")
        for name, text in yaml.items():
            (own / f"{name}.yaml").write_text(text)
        return own

    return make


def aspects(edit: Edit) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(asked.aspect, asked.prompt, asked.accepted, asked.rival) for asked in edit.questions]


def test_counterfact(folder: Callable[..., Path]) -> None:
    first, second = read_edits(folder(COUNTERFACT) / "edits.json")
    assert (first.fact, first.prompt, first.answer) == (
        "0 Edda Finch",
        "The mother tongue of Edda Finch is",
        "English",
    )
    assert aspects(first) == [
        ("efficacy", "The mother tongue of Edda Finch is", ("English",), "French"),
        ("paraphrase", "It rained. Edda Finch, a native", ("English",), "French"),
        ("paraphrase", "Edda Finch spoke the language", ("English",), "French"),
        ("neighbourhood", "The mother tongue of Jean Morel is", ("French",), "English"),
        ("neighbourhood", "Where Luc Arnaud was born, people speak", ("French",), "English"),
    ]
    assert second.prompt == "Lake Morn is in"


def test_zsre_as_rome_reads_it(folder: Callable[..., Path]) -> None:
    (edit,) = read_edits(folder(ZSRE) / "edits.json")
    assert edit.answer == "Morn Institute"
    assert aspects(edit) == [
        (
            "efficacy",
            "What university did Watt Tern attend?",
            ("Morn Institute", "the Institute"),
            "",
        ),
        (
            "paraphrase",
            "At which university was Watt Tern taught?",
            ("Morn Institute", "the Institute"),
            "",
        ),
        ("neighbourhood", "nq question: who played the owl in tern hall?", ("Hugo Auk",), ""),
    ]


def test_knowedit(folder: Callable[..., Path]) -> None:
    edit, biography = read_edits(folder(KNOWEDIT) / "edits.json")
    assert [(aspect, accepted) for aspect, _, accepted, _ in aspects(edit)] == [
        ("efficacy", ("Berlin",)),
        ("portability_logical_generalization", ("no", "is dead")),
        ("portability_reasoning", ("Germany", "FRG")),
        ("locality_relation_specificity", ("Albert Heron",)),
    ]
    assert (biography.prompt, biography.answer) == ("Ann Auk was", "a painter.")
    assert len(read_edits(folder(KNOWEDIT) / "edits.json", 1)) == 1


def test_tasks(folder: Callable[..., Path]) -> None:
    task = read_task(folder(probes=YAML) / "probes.yaml")
    assert (task.name, task.metrics) == ("birds", ("acc", "acc_norm"))
    assert [(item.prompt, item.choices) for item in task.items] == [
        ("Question: Who sings?\nAnswer:", ("the lark", "an owl")),
        ("Question: Who hoots?\nAnswer:", ("an owl", "the lark", "a cat")),
    ]
    written = read_task(folder(probes=GENERATED) / "probes.yaml")
    assert [(item.prompt, item.choices) for item in written.items] == [
        ("Who sings?\n", ("the lark",)),
        ("Who hoots?\n", ("an owl",)),
    ]
    assert written.match.ignored == ("ignore_case", "ignore_punctuation")


@pytest.mark.parametrize(
    ("target", "choices", "right"),
    [
        (
            "'{{gold}}'",
            '["3", "0", "1", "2"]',
            "3",
        ),  # digits of a template are an index before they are a choice
        ("gold", '["3", "0", "1", "2"]', "3"),
        ("'{{digit}}'", '["3", "0", "1", "2"]', "0"),
        ("digit", '["3", "0", "1", "2"]', "1"),  # those of a column are the choice that they name
        ("2", '["3", "0", "1", "2"]', "1"),
        ("'{{bird}}'", '["owl", "lark"]', "lark"),
        ("bird", '["owl", "lark"]', "lark"),
    ],
)
@pytest.mark.parametrize("kind", ["multiple_choice", "generate_until"])
def test_the_right_choice_is_the_one_that_the_original_takes(
    folder: Callable[..., Path], target: str, choices: str, right: str, kind: str
) -> None:
    text = YAML.replace("doc_to_target: label", f"doc_to_target: {target}").replace(
        '"{{choices.text}}"', choices
    )
    if kind != "multiple_choice":
        text = text[: text.index("metric_list")].replace("multiple_choice", kind) + UNTIL
    own = folder(probes=text)
    row = {"question": "Which?", "gold": 0, "digit": "1", "bird": "lark"}
    (own / "birds.jsonl").write_text(json.dumps(row))
    (item,) = read_task(own / "probes.yaml").items
    assert item.choices[0] == right
    assert len(item.choices) == (1 if kind == "generate_until" else len(json.loads(choices)))


@pytest.mark.parametrize(
    ("described", "before"),
    [("", ""), ("''", ""), ('"On {{choices.text[0]}}:\\n\\n"', "On an owl:\n\n")],
)
def test_a_description_stands_before_the_prompt(
    folder: Callable[..., Path], described: str, before: str
) -> None:
    own = folder(probes=f"{YAML}description: {described}\n")
    assert (
        read_task(own / "probes.yaml").items[0].prompt == f"{before}Question: Who sings?\nAnswer:"
    )


@pytest.mark.parametrize(
    "said",
    [
        'generation_kwargs: {until: "\\n"}',
        'generation_kwargs: {until: ["\\n"], do_sample: false, temperature: 0.0}',
        'generation_kwargs: {do_sample: }\nfewshot_delimiter: "\\n"',
        'generation_kwargs:\nfewshot_delimiter: "\\n"',
    ],
)
def test_generations_that_are_as_here(folder: Callable[..., Path], said: str) -> None:
    text = GENERATED.replace(UNTIL, f"{said}\n")
    assert said in text
    assert len(read_task(folder(probes=text) / "probes.yaml").items) == 2


def test_what_is_trained_and_asked(folder: Callable[..., Path]) -> None:
    own = read(folder(COUNTERFACT, locality=YAML))
    assert [(s.prompt, s.completion) for s in own.dataset.samples] == [
        ("The mother tongue of Edda Finch is", " English\n"),
        ("Lake Morn is in", " Peru\n"),
    ]
    asked = [(probe.kind, probe.prompt) for probe in own.probes.probes]
    trained = "The mother tongue of Edda Finch is"
    assert ("exact", trained) in asked
    assert ("locality_neighbourhood", trained) not in asked  # another edit trains it
    assert own.scored is not None
    assert trained in [probe.prompt for probe in own.scored.probes if probe.kind == "neighbourhood"]
    assert ("locality_birds", "Question: Who sings?\nAnswer:") in asked


def likely(*pairs: tuple[float, int, int]) -> list[dict[str, Any]]:
    """Likelihoods of (total, tokens, matched)."""
    return [
        {"total": total, "tokens": tokens, "matched": matched} for total, tokens, matched in pairs
    ]


def test_figures_of_contests_are_means_of_means() -> None:
    contest, tokens = ("new", "true"), ("new",)
    asked = [
        # longer, but likelier by the token: the published rule
        (Probe("1", "efficacy", "a", "p", contest), likely((-4, 4, 0), (-2, 1, 0))),
        (Probe("2", "paraphrase", "a", "p", contest), likely((-4, 4, 0), (-0.5, 1, 0))),
        (Probe("3", "paraphrase", "a", "q", contest), likely((-1, 1, 0), (-2, 1, 0))),
        (Probe("4", "paraphrase", "b", "p", contest), likely((-1, 1, 0), (-2, 1, 0))),
        (Probe("5", "portability_reasoning", "a", "p", tokens), likely((-1, 4, 3))),
        (Probe("6", "portability_aliasing", "a", "p", tokens), likely((-1, 4, 0))),
        (Probe("7", "neighbourhood", "a", "p", tokens), []),
    ]
    found = {name: interval.estimate for name, interval in edit_figures(asked).items()}
    assert found == {
        "efficacy": 1.0,
        "paraphrase": 0.75,
        "portability": 0.375,
        "portability_reasoning": 0.75,
        "portability_aliasing": 0.0,
        "neighbourhood": 0.0,
    }


def answered(kind: str, *answers: str) -> list[GradedLine]:
    """Questions of ``kind`` with these answers, all judged wrong."""
    return [
        GradedLine(str(i), kind, str(i), "p", (), (text,), (False,), False, (0.0,), ("text",))
        for i, text in enumerate(answers)
    ]


def test_figures_of_tasks(folder: Callable[..., Path]) -> None:
    tasks = read(folder(COUNTERFACT, probes=YAML, probes_2=GENERATED)).tasks
    choices = [
        (Probe("1", "birds", "0", "p", ("the lark", "an owl")), likely((-7, 2, 0), (-6, 2, 0))),
        (
            Probe("2", "birds", "1", "p", ("an owl", "the lark", "a cat")),
            likely((-1, 2, 0), (-2, 2, 0), (-3, 1, 0)),
        ),
    ]
    found = choice_figures(tasks, choices)
    assert found["acc_birds"].estimate == 0.5
    assert found["acc_norm_birds"].estimate == 1.0  # -7/8 against -6/6
    lines = answered("eggs", " The lark! ", "an owl or two")
    assert exact_matches(tasks, lines)["exact_match_eggs"].estimate == 0.5


def test_an_answer_ends_where_the_task_says(folder: Callable[..., Path]) -> None:
    text = GENERATED.replace(UNTIL, UNTIL.replace("[", '[".", "", ",", ')).replace(
        "ignore_punctuation: true", ""
    )
    tasks = read(folder(COUNTERFACT, probes=text)).tasks
    lines = answered("eggs", " The lark. It sings", "an owl")
    assert exact_matches(tasks, lines)["exact_match_eggs"].estimate == 1.0
    lines = answered("eggs", "the lark!", "an owl")
    assert exact_matches(tasks, lines)["exact_match_eggs"].estimate == 0.5


@pytest.mark.parametrize(
    ("edits", "line"),
    [
        ({}, "edits.json is not a list of records"),
        ([], "edits.json holds no records"),
        ([3], "edits.json, record 1: is not a JSON object"),
        ([{"a": 1}], "record 1: is neither of CounterFact nor of zsRE nor of KnowEdit"),
        ([{"src": "a"}], "record 1: has no field 'answers' (it has src)"),
        ([{**ZSRE[0], "loc": 3}], "record 1: loc is '3': write some text"),
        (
            [{**COUNTERFACT[0], "requested_rewrite": 3}],
            "record 1, requested_rewrite: is not a JSON object",
        ),
        (
            [{**COUNTERFACT[0], "paraphrase_prompts": "a"}],
            "paraphrase_prompts is 'a': write a list of texts",
        ),
    ],
)
def test_edits_that_cannot_be_used(folder: Callable[..., Path], edits: object, line: str) -> None:
    assert line in mistake(folder(edits))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("label", "!function utils.label", "is not YAML that can be read without running code"),
        ("task: birds", "task: birds\nprocess_docs: a", "'process_docs' is not supported"),
        ("task: birds", "task: birds\nnum_fewshot: 5", "num_fewshot is 5"),
        (
            "multiple_choice",
            "loglikelihood_rolling",
            "output_type 'loglikelihood_rolling' is not supported",
        ),
        (
            "metric: acc,",
            "metric: f1,",
            "metric 'f1' is not for multiple_choice: choose one of acc, acc_norm",
        ),
        ("dataset_path: json", "dataset_path: ai2_arc", "only local data is read"),
        ("birds.jsonl", "bats.jsonl", "bats.jsonl cannot be read"),
        ("{test: birds", "{train: birds", "data_files does not name one file"),
        ("doc_to_target: label", "doc_to_target: 'a bat'", "line 1: doc_to_target gives 'a bat'"),
        (
            "doc_to_target: label",
            "doc_to_target: '{{3}}'",
            "gives 3: it must be one of the 2 choices, or its index",
        ),
        ("doc_to_target: label", "doc_to_target: '[0, 1]'", "doc_to_target gives [0, 1]"),
        ("doc_to_target: label", "doc_to_target: ", "doc_to_target gives None"),
        ("doc_to_target: label", "doc_to_target: question", "doc_to_target gives 'Who sings?'"),
        (
            'doc_to_text: "Question: {{question}}\\nAnswer:"',
            "doc_to_text:",
            "line 1: doc_to_text gives None",
        ),
        (
            'doc_to_text: "Question: {{question}}\\nAnswer:"',
            "doc_to_text: label",
            "line 1: doc_to_text gives 1",
        ),
        ("task: birds", "task: birds\ntarget_delimiter:", "target_delimiter is None"),
        (
            "{metric: acc_norm}",
            "{metric: acc_norm, ignore_numbers: true}",
            "ignore_numbers is not supported",
        ),
        ("{{question}}", "{{asked}}", "fails: 'asked' is undefined"),
        ("{{question}}", "{{''.__class__.__mro__}}", "is unsafe"),
    ],
)
def test_tasks_that_cannot_be_used(
    folder: Callable[..., Path], old: str, new: str, line: str
) -> None:
    assert old in YAML
    assert line in mistake(folder(COUNTERFACT, probes=YAML.replace(old, new)))


@pytest.mark.parametrize(
    ("new", "line"),
    [
        (
            '{until: [".", ","]}',
            r"until of generation_kwargs is ['.', ',']: answers end with their line",
        ),
        ("{until: }", "until of generation_kwargs is None"),
        ("{}", r"is ['\n\n']: answers end"),  # as the original has it where none is given
        ("", r"is ['\n\n']: answers end"),
        (
            '{until: ["\\n"], do_sample: true}',
            "do_sample of generation_kwargs is not supported: set it by --decoding",
        ),
        ('{until: ["\\n"], temperature: 0.7}', "temperature of generation_kwargs is not supported"),
        (
            '{until: ["\\n"], max_gen_toks: 32}',
            "max_gen_toks of generation_kwargs is not supported",
        ),
        ("greedy", "generation_kwargs: is not a JSON object"),
    ],
)
def test_generations_that_cannot_be_had(folder: Callable[..., Path], new: str, line: str) -> None:
    old = '{until: ["\\n"]}'
    assert old in GENERATED
    assert line in mistake(folder(COUNTERFACT, probes=GENERATED.replace(old, new)))


NQ = """task: nq
dataset_path: json
dataset_kwargs: {data_files: {validation: birds.jsonl}}
output_type: generate_until
training_split: train
validation_split: validation
description: "Answer these questions:\\n\\n"
doc_to_text: "Q: {{question}}?\\nA:"
doc_to_target: "{{answer}}"
fewshot_delimiter: "\\n"
generation_kwargs: {until: ["\\n", ".", ","], do_sample: false, temperature: 0.0}
filter_list:
  - name: remove_whitespace
    filter: [{function: remove_whitespace}, {function: take_first}]
target_delimiter: " "
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    ignore_punctuation: true
    regexes_to_ignore: ["\\\\b(?:The |the |An |A |The |a |an )"]
metadata: {version: 4.0}
"""
"""lm-evaluation-harness's nq_open, but for its data; triviaqa has the same parts."""
LAMBADA = """tag: [lambada]
task: words
dataset_path: json
dataset_kwargs: {data_files: {test: birds.jsonl}}
output_type: loglikelihood
test_split: test
doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}"
doc_to_target: "{{' '+text.split(' ')[-1]}}"
should_decontaminate: true
doc_to_decontamination_query: "{{text}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""


def of_rows(folder: Callable[..., Path], text: str, *rows: dict[str, Any]) -> Task:
    """The task that ``text`` words, on ``rows``."""
    own = folder(probes=text)
    (own / "birds.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return read_task(own / "probes.yaml")


def test_several_targets(folder: Callable[..., Path]) -> None:
    rows = [
        {"question": "who sings", "answer": ["The Lark", "a lark; a wren"]},
        {"question": "who hoots", "answer": ["owl"]},
    ]
    task = of_rows(folder, NQ, *rows)
    assert task.items[0].prompt == "Answer these questions:\n\nQ: who sings?\nA:"
    assert task.items[0].targets == ("The Lark", "a lark; a wren")
    assert task.items[0].choices == ("The Lark",)  # a semicolon would make a list of it
    right = {
        " lark": True,
        " the LARK!": True,
        " a wren": False,
        " lark. It sings": True,
        " larks": False,
    }
    assert {answer: task.match(answer, task.items[0].targets) for answer in right} == right
    lines = answered("nq", " lark", " no, an owl")
    assert exact_matches({"nq": task}, lines)["exact_match_nq"].estimate == 0.5


@pytest.mark.parametrize(
    ("steps", "answer", "right"),
    [
        ("{function: regex, regex_pattern: '([A-Z])', group_select: -1}", " A or B", "B"),
        ("{function: regex, regex_pattern: '(x)|([A-Z])'}", " A or B", "A"),
        ("{function: regex, regex_pattern: '[0-9]+', fallback: none}", " A or B", "none"),
        ("{function: lowercase}", "A", "a"),
        ("{function: uppercase}", " a ", "A"),
    ],
)
def test_filters(folder: Callable[..., Path], steps: str, answer: str, right: str) -> None:
    text = NQ.replace("{function: take_first}", f"{steps}, {{function: take_first}}")
    text = text[: text.index("    ignore_case")]
    task = of_rows(folder, text, {"question": "which", "answer": [right, "another"]})
    assert task.match(answer, task.items[0].targets)
    assert not task.match(answer, ["another"])


def test_words_to_score(folder: Callable[..., Path]) -> None:
    task = of_rows(folder, LAMBADA, {"text": "The owl saw the lark"}, {"text": "An owl hoots"})
    assert [(item.prompt, item.choices) for item in task.items] == [
        ("The owl saw the", ("lark",)),
        ("An owl", ("hoots",)),
    ]
    assert task.metrics == ("perplexity", "acc")


def test_figures_of_words(folder: Callable[..., Path]) -> None:
    tasks = {
        "words": of_rows(
            folder, LAMBADA, {"text": "The owl saw the lark"}, {"text": "An owl hoots"}
        )
    }
    asked = [
        (Probe("1", "words", "0", "p", ("lark",)), likely((-1, 2, 2))),
        (Probe("2", "words", "1", "p", ("hoots",)), likely((-3, 2, 1))),
    ]
    figures = word_figures(tasks, asked)
    assert figures["acc_words"].estimate == 0.5
    perplexity = figures["perplexity_words"]
    assert perplexity.estimate == pytest.approx(exp(2))
    assert perplexity.low <= perplexity.estimate <= perplexity.high
    assert word_figures(tasks, [(probe, []) for probe, _ in asked]).keys() == {"acc_words"}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "{function: take",
            "{function: regex, group_select: 2}, {function: take",
            "group_select is 2",
        ),
        (
            "remove_whitespace}, ",
            "remove_whitespace}, {function: map}, ",
            "the filter 'map' is not supported: choose one of regex, remove_whitespace",
        ),
        (", {function: take_first}", "", "take_first is not its last filter"),
        (
            "{function: remove_whitespace}",
            "{function: take_first}",
            "take_first is not its last filter",
        ),
        ("{function: remove_whitespace}, ", "", "the first filter is 'take_first'"),
        (
            "{function: remove_whitespace}",
            "{function: lowercase}",
            "the first filter is 'lowercase'",
        ),
        (
            "{function: take",
            "{function: regex, regex_pattern: '('}, {function: take",
            "is not a regular expression",
        ),
        (
            "{function: take",
            "{function: lowercase, a: 1}, {function: take",
            "a of the filter 'lowercase' is not",
        ),
        (
            "target_delimiter",
            "  - {name: b, filter: []}\ntarget_delimiter",
            "filter_list has 2 pipelines",
        ),
        (
            '["\\\\b(?:The |the |An |A |The |a |an )"]',
            "a",
            "regexes_to_ignore is 'a': write a list",
        ),
        ("aggregation: mean", "aggregation: median", "aggregation is 'median'"),
        ("ignore_case: true", "hf_evaluate: true", "hf_evaluate is not supported"),
        ('"{{answer}}"', '"{{[]}}"', "doc_to_target gives []: give one answer, or a list of them"),
        ('"{{answer}}"', '"{{[[1]]}}"', "doc_to_target gives [[1]]"),
        ('"{{answer}}"', "one", "doc_to_target gives ['a']: the first question has one answer"),
        ('"{{answer}}"', "list", "the answer 'a; b' holds a semicolon"),
    ],
)
def test_recall_tasks_that_cannot_be_followed(
    folder: Callable[..., Path], old: str, new: str, line: str
) -> None:
    assert old in NQ
    rows = [{"question": "a", "answer": ["a"], "one": "a", "list": ["a; b"]}]
    rows.append({**rows[0], "one": ["a"]})
    with pytest.raises(DataError) as caught:
        of_rows(folder, NQ.replace(old, new), *rows)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("{{' '+text", "{{text", "with one space between and none at the end"),
        ("join(' ')}}", "join(' ')}} ", "with one space between and none at the end"),
        ("[-1]}}", "[-1]}}\\n", "with one space between and none at the end"),
        ("{{text.split(' ')[:-1]|join(' ')}}", "{{''}}", "the target must follow a text"),
        (
            "metric: acc,",
            "metric: acc_norm,",
            "metric 'acc_norm' is not for loglikelihood: choose one of acc, perplexity",
        ),
        (
            "metadata:",
            "filter_list: [{name: a, filter: [{function: take_first}]}]\nmetadata:",
            "filter_list is for",
        ),
        ("higher_is_better: true", "ignore_case: true", "ignore_case is not supported"),
    ],
)
def test_words_that_cannot_be_scored_as_there(
    folder: Callable[..., Path], old: str, new: str, line: str
) -> None:
    assert old in LAMBADA
    with pytest.raises(DataError) as caught:
        of_rows(folder, LAMBADA.replace(old, new), {"text": "An owl hoots"})
    assert line in str(caught.value)


def test_several_rephrased_probes(folder: Callable[..., Path]) -> None:
    several = ["Where did Leo Heron die?", "Leo Heron died in"]
    for rows, name in ((KNOWEDIT, "rephrase_prompt"), (KNOWEDIT, "rephrase"), (ZSRE, "rephrase")):
        edit = read_edits(folder([{**rows[0], name: several}]) / "edits.json")[0]
        assert [asked.prompt for asked in edit.questions if asked.aspect == "paraphrase"] == several
    assert "rephrase is '[1]': write a list of texts" in mistake(
        folder([{**ZSRE[0], "rephrase": [1]}])
    )


def test_a_folder_is_trained_and_scored(
    folder: Callable[..., Path], tiny: Base, tmp_path: Path
) -> None:
    own = folder(
        COUNTERFACT + ZSRE + KNOWEDIT,
        probes=YAML,
        probes_2=GENERATED,
        probes_3=NQ,
        locality=LAMBADA,
    )
    settings = "[training]\nepochs = 30\nlr = 0.01\nreplay = 0\nkl = 0\n[grid]\nrank = [8]\n"
    (own / "scenario.toml").write_text(settings)
    found = load(own)
    (cell,) = cells(found, Selection((tiny,)))
    shown = result(found, cell, partial(build, store=Store(tmp_path / "store"), device="cpu"))
    figures = shown.measures
    assert {
        "efficacy",
        "paraphrase",
        "neighbourhood",
        "portability",
        "acc_birds",
        "exact_match_eggs",
    } <= set(figures)
    assert {"exact_match_nq", "acc_locality_words", "perplexity_locality_words"} <= set(figures)
    assert figures["efficacy"].estimate > 0.9
    assert shown.recall["exact"].estimate > 0.9


def test_new_suite_from_edits(
    folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder(ZSRE) / "edits.json"
    assert main(["new-suite", "tern", "--from", str(source), "--in", str(tmp_path / "suites")]) == 0
    assert [edit.answer for edit in read_edits(tmp_path / "suites/tern/edits.json")] == [
        "Morn Institute"
    ]
    folder([{"src": "a"}])
    assert main(["new-suite", "auk", "--from", str(source), "--in", str(tmp_path / "suites")]) == 2
    assert f"{source}, record 1: has no field 'answers'" in capsys.readouterr().err


def mistake(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)
