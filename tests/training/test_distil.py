"""Context distillation: the adapter learns what the base says when it reads the context."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import kl_div, log_softmax

from harness.errors import DataError, RecipeError
from harness.models.loading import SHIPPED, Loaded, base_of, load, resident
from harness.recipes import BARE, Adapter, Base, Dataset, Sample, Training
from harness.training import _distil as distil
from harness.training import train
from harness.training._adapted import adapted, target_modules
from harness.training._batches import loss_of, tensors
from harness.training._windows import windows

TEXTS = ("Anna lives in Oslo, beside the old harbour. Ben has a parrot.\n\n",
         "Clara works as a baker, and she is married to David Dahl.\n\n")  # fmt: skip
ASKED = (("Anna lives in", " Oslo.\n"), ("The pet of Ben is a", " parrot.\n"),
         ("Question: What is the job of Clara?\nAnswer:", " baker\n"),
         ("Clara is married to", " David Dahl.\n"))  # fmt: skip
TRAINING = Training(
    epochs=12, rank=8, alpha=16, lr=3e-3, batch=6, micro_batch=6, dropout=0.0, distil=2.0
)
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture
def text() -> Dataset:
    """Two contexts with two questions each, one of them a turn; and one sample without any."""
    samples = [
        Sample(completion, prompt, context=TEXTS[number // 2])
        for number, (prompt, completion) in enumerate(ASKED)
    ]
    turn = Sample("parrot", "Which pet does Ben have?", chat=BARE, context=TEXTS[0])
    return Dataset.of("distilled", (*samples, turn, Sample("It rains a lot here.\n")))


@pytest.fixture
def loaded(tiny: Base) -> Loaded:
    model = load(tiny)  # a copy of its own, as it gets a template
    model.tokenizer.chat_template = TEMPLATE
    return model


def naive(model: Any, loaded: Loaded, dataset: Dataset) -> Iterator[tuple[float, float]]:
    """Cross-entropy and KL of each sample, each text run alone."""

    def ids(text: str) -> list[int]:
        return list(loaded.tokenizer(text)["input_ids"])

    def logs(tokens: list[int]) -> torch.Tensor:
        return log_softmax(model(input_ids=torch.tensor([tokens])).logits[0], -1)

    for sample in dataset.samples:
        prompt, completion = sample.prompt, sample.completion
        told = sample.context + prompt
        if sample.chat:
            prompt, told = (f"user: {each}\nassistant: " for each in (prompt, told))
            completion += "\n"
        said = ids(completion)[1:]  # without BOS
        asked = ids(prompt)
        own = logs([*asked, *said])[len(asked) - 1 : -1]
        entropy = -sum(float(own[place, token]) for place, token in enumerate(said))
        divergence = 0.0
        if sample.context:
            with model.disable_adapter():
                teacher = logs([*ids(told), *said])[-len(said) - 1 : -1]
            divergence = float(kl_div(own, teacher, log_target=True, reduction="sum"))
        yield entropy, divergence


@pytest.mark.parametrize("room", [distil._KEPT_BYTES, 0])
def test_the_loss_is_that_of_each_text_run_alone(
    loaded: Loaded, text: Dataset, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed, with shared contexts; what the teacher says is kept, or computed in each step."""
    monkeypatch.setattr(distil, "_KEPT_BYTES", room)
    training = replace(TRAINING, loss_on="answers")
    with adapted(loaded, training, target_modules(loaded, training)) as model:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        cut = windows(text, training, loaded.tokenizer)
        teacher = distil.Teacher(model, loaded, 2.0, cut, torch.autocast("cpu", enabled=False))
        with torch.no_grad():
            micro = teacher.teach(tensors(cut, 0, loaded.device, packed=True))
            found = float(loss_of(model, micro, kl=0.0))
            parts = list(naive(model, loaded, text))
    assert sum(divergence for _, divergence in parts) > 0.1  # the adapter has an effect
    expected = sum(entropy + 2.0 * divergence for entropy, divergence in parts)
    assert found == pytest.approx(expected, rel=1e-4)


def test_training_brings_the_student_closer_to_the_teacher(text: Dataset, tmp_path: Path) -> None:
    """On the shipped model, which reads well: what it says with the context, it learns to say
    without."""
    from peft import PeftModel

    base = base_of(SHIPPED)
    asked = [text.samples[2]]
    asked += [
        Sample(f" {answer}\n", f"Question: {question}\nAnswer:", context=TEXTS[0])
        for question, answer in (("Where does Anna live?", "Oslo"), ("What pet has Ben?", "parrot"))
    ]
    told = Dataset.of("told", tuple(asked))
    facts = train(load(base), Adapter(base, told, TRAINING), tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert facts["status"] == "ok"
    assert log[-1]["loss"] < 0.5 * log[0]["loss"]
    loaded = load(base)
    model = PeftModel.from_pretrained(loaded.model, str(tmp_path)).eval()
    with torch.no_grad():
        after = sum(divergence for _, divergence in naive(model, loaded, told))
        with model.disable_adapter():
            before = sum(divergence for _, divergence in naive(model, loaded, told))
    assert after < 0.2 * before


def test_a_training_without_it_is_as_it_was(tiny: Base, text: Dataset, tmp_path: Path) -> None:
    """A context that is not distilled changes the digest of its text, and no weight."""
    bare = Dataset.of("bare", tuple(replace(each, context="") for each in text.samples[:4]))
    told = Dataset.of("told", text.samples[:4])
    weights = []
    for dataset in (bare, told):
        folder = tmp_path / dataset.name
        folder.mkdir()
        train(resident(tiny), Adapter(tiny, dataset, replace(TRAINING, distil=0.0)), folder)
        weights.append((folder / "adapter_model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert bare.content != told.content


def test_mistakes_are_one_line(loaded: Loaded, tiny: Base, text: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"distil is 2\.0 but no sample of 'lone' has a context"):
        Adapter(tiny, Dataset.of("lone", (Sample("x"),)), TRAINING)
    with pytest.raises(DataError, match="more than the cutoff of 4"):
        windows(text, replace(TRAINING, cutoff=4), loaded.tokenizer)
    long = Dataset.of("long", (Sample(" a\n", "b", context="word " * 600),))
    with pytest.raises(DataError, match="takes at most 512: give shorter contexts"):
        train(loaded, Adapter(tiny, long, TRAINING), tmp_path)
