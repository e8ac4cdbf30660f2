"""Greedy answers beside lm-evaluation-harness's ``hf`` model: answers a second.

Both get the same prompts, stop string, longest answer and batch of 64, in float32.
"""

from __future__ import annotations

from typing import Any

from benchmarks._side_by_side import Result, Row, as_shipped, compare, seconds
from harness.data.awards import probes
from harness.engines import TransformersEngine
from harness.models.loading import Loaded
from harness.recipes import Decoding

ASKED = Decoding()
_BATCH = 64


def prompts(number: int) -> list[str]:
    """Questions of all kinds, as the suite asks them."""
    return [probe.prompt for probe in probes("oscars_aug").probes][:number]


def answering_rows(loaded: Loaded, number: int, rounds: int) -> list[Row]:
    """The harness first; outcomes are the answers."""
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM

    asked = prompts(number)
    engine = TransformersEngine(loaded, batch=_BATCH)
    model = AutoModelForCausalLM.from_pretrained(loaded.base.path, dtype="float32")
    peer = HFLM(pretrained=model, tokenizer=loaded.tokenizer, batch_size=_BATCH)
    engine.answer(asked[:8], ASKED)
    _asked(peer, asked[:8])

    def ours() -> Result:
        start = seconds()
        answers = [texts[0] for texts in engine.answer(asked, ASKED)]
        return Result(len(asked), seconds() - start, answers)

    def theirs() -> Result:
        start = seconds()
        answers = _asked(peer, asked)
        return Result(len(asked), seconds() - start, answers)

    return compare({"harness": ours, "lm-eval hf": theirs}, rounds)


def _asked(peer: Any, asked: list[str]) -> list[str]:
    from lm_eval.api.instance import Instance

    settings = {"until": list(ASKED.stop), "max_gen_toks": ASKED.max_new_tokens, "do_sample": False}
    requests = [
        Instance("generate_until", {}, (prompt, settings), number)
        for number, prompt in enumerate(asked)
    ]
    with as_shipped():
        return [str(text) for text in peer.generate_until(requests, disable_tqdm=True)]
