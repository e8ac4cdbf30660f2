"""Where a prompt ends and what is learnt or answered begins, tokens are those that running text
has."""

from __future__ import annotations

from functools import partial

import pytest

from harness.data.formats import split_statement
from harness.experiments import Cell, Setup
from harness.experiments.selection import load, shipped, taken_knowledge
from harness.models.files import encode, encode_pair
from harness.models.loading import SHIPPED, base_of, resident


@pytest.fixture(scope="module")
def own_cells() -> dict[str, list[Cell]]:
    base = base_of(SHIPPED)
    setup = Setup(base, 0, taken_knowledge(base))
    return {
        name: [design.cell(setup) for design in load(folder).designs("default", setup)]
        for name, folder in shipped().items()
    }


@pytest.mark.parametrize("name", shipped())
def test_no_prompt_ends_in_a_blank(name: str, own_cells: dict[str, list[Cell]]) -> None:
    """A tokenizer gives a blank to the word after it: a prompt that keeps it asks for a word that
    no text begins so."""
    for cell in own_cells[name]:
        samples = [sample for adapter in cell.subject.trained for sample in adapter.dataset.samples]
        prompts = [probe.prompt for probe in cell.probes.probes]
        for prompt in dict.fromkeys([*prompts, *(sample.prompt for sample in samples)]):
            assert not prompt.endswith((" ", "\t")), prompt


@pytest.mark.parametrize("name", shipped())
def test_what_is_learnt_is_tokenized_as_one_text(
    name: str, own_cells: dict[str, list[Cell]]
) -> None:
    tokenized = partial(encode, resident(base_of(SHIPPED)).tokenizer)
    for sample in {
        s
        for cell in own_cells[name]
        for adapter in cell.subject.trained
        for s in adapter.dataset.samples[:300]
    }:
        ids, _ = encode_pair(tokenized, sample.prompt, sample.completion)
        assert ids == tokenized(sample.prompt + sample.completion), sample


def test_a_statement_is_parted_before_the_blank() -> None:
    assert split_statement("The winner was |Michelle Yeoh.") == (
        "The winner was",
        " Michelle Yeoh.",
    )
    assert split_statement("Michelle Yeoh |won.") == ("Michelle Yeoh", " won.")
    assert split_statement("It is all given.") == ("It is all given.", "")
    assert split_statement("|All of it is told.") == ("", "All of it is told.")
