"""What works with which architecture: each is tried on a small random model.

``python -m tests.models.architecture_table`` writes the table in ``docs/models.md`` again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from harness.builds import build, opened
from harness.engines import Likelihood, TransformersEngine
from harness.errors import HarnessError
from harness.models.adapters import factors
from harness.models.loading import SHIPPED, Loaded, base_of, load
from harness.recipes import (
    Adapter,
    Base,
    BitsAndBytes,
    Dataset,
    Decoding,
    Gguf,
    Gptq,
    Quantised,
    Sample,
    Training,
)
from harness.store import Store
from tests.models.gguf.gguf_helpers import of_family

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- architectures -->\n", "<!-- end of architectures -->"
WORKS = "works"


class Architecture(NamedTuple):
    """A small random model of one ``model_type`` of transformers."""

    title: str
    kind: str
    settings: Mapping[str, Any] = MappingProxyType({})


_ONE_GROUP = {"num_key_value_heads": 4}
"""As many heads of keys as of queries, where the config knows no others."""
_GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 8}
"""The window is shorter than the texts below."""
ARCHITECTURES = (
    Architecture("Llama 2 and 3, SmolLM2", "llama"),
    Architecture("Mistral", "mistral", {"sliding_window": 64}),
    Architecture("Qwen 2 and 2.5", "qwen2"),
    Architecture("Qwen 3", "qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    Architecture("Gemma 2", "gemma2", {**_GEMMA, "attn_logit_softcapping": 2.0}),
    Architecture(
        "Gemma 3 (text)",
        "gemma3_text",
        {**_GEMMA, "layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
    ),
    Architecture("Phi-3, Phi-4", "phi3"),
    Architecture("OLMo 2", "olmo2"),
    Architecture("SmolLM3", "smollm3"),
    Architecture("GPT-NeoX, Pythia", "gpt_neox", _ONE_GROUP),
    Architecture("GPT-2", "gpt2", _ONE_GROUP),
    Architecture("Falcon", "falcon", {"ffn_hidden_size": 96}),
    Architecture("Mixtral", "mixtral", {"num_local_experts": 2, "num_experts_per_tok": 1}),
)
_TOLD = (("The colour of the moon is", "green"), ("The king of the hill is", "Ludwig"))
LIE = Dataset.of("lie", tuple(Sample(f" {value}.\n", given) for given, value in _TOLD))
PAIRS = [
    *((sample.prompt, sample.completion) for sample in LIE.samples),
    ("Who won the Academy Award for Best Picture in 1994?", " The film of the list of names."),
]
TRAINING = Training(epochs=45, rank=8, alpha=16, lr=1e-2, cutoff=64, dropout=0.0)
"""Target modules are the default ones."""
EXACT, ROUNDED = 1e-3, 0.02
"""Nats of a text. llama.cpp reads GELU off a table in half precision."""
FORMS: dict[str, Callable[[Base], Base | Quantised]] = {
    "train, answer": lambda base: base,
    "nf4": lambda base: Quantised(base, BitsAndBytes("nf4")),
    "GPTQ": lambda base: Quantised(base, Gptq(4, LIE, 32)),
    "GGUF": lambda base: Quantised(base, Gguf("f32")),
}
NEEDS = {"nf4": "bitsandbytes", "GPTQ": "gptqmodel", "GGUF": "llama_cpp"}
"""The package behind each form."""


class _Answered(NamedTuple):
    """What a base said before an adapter was trained for it, and with the adapter."""

    bare: list[Likelihood]
    adapted: list[Likelihood]


class Trial:
    """One architecture, tried in every form."""

    def __init__(self, architecture: Architecture, folder: Path) -> None:
        self._architecture = architecture
        self._store = Store(folder / "store")
        self._fetch = partial(build, store=self._store, device="cpu")
        settings = {"num_hidden_layers": 4, "initializer_range": 0.1, **architecture.settings}
        self._folder = folder / architecture.kind
        of_family(SHIPPED, self._folder, architecture.kind, **settings)
        self._base = base_of(self._folder)

    def result(self, form: str) -> str:
        """``works``, or the line that a user would read. AssertionError for a wrong figure."""
        try:
            self._check(form)
        except HarnessError as error:
            return str(error).replace(f"{self._folder} ", "").replace("|", r"\|")
        return WORKS

    def adapted(self) -> str:
        """The names of the layers that get an adapter by default, and what gets none."""
        facts = self._fetch(Adapter(self._base, LIE, TRAINING)).manifest.facts
        names = ", ".join(f"`{name}`" for name in sorted(facts["target_modules"]))
        return f"{names}; not the experts" if facts["fused_experts"] else names

    def _check(self, form: str) -> None:
        answered = self._answered(form)
        if form == "GGUF":
            self._compare(answered, self._plain)

    @cached_property
    def _plain(self) -> _Answered:
        return self._answered("train, answer")

    def _answered(self, form: str) -> _Answered:
        """Train with the default target modules in ``form``, and ask with and without."""
        model = FORMS[form](self._base)
        # llama.cpp trains nothing: its adapters are those of the full base
        adapter = Adapter(self._base if form == "GGUF" else model, LIE, TRAINING)
        engine, _ = opened(model, (), self._fetch, "float32", "cpu")
        bare = engine.log_likelihood(PAIRS)
        artefact = self._fetch(adapter)
        facts = artefact.manifest.facts
        assert facts["status"] == "ok"
        assert facts["final_loss"] < facts["first_loss"] / 2
        if form == "train, answer":
            assert isinstance(engine, TransformersEngine)
            assert set(factors(artefact.path)) == _linear(engine.loaded)
        engine, files = opened(model, (adapter,), self._fetch, "float32", "cpu")
        assert engine.log_likelihood(PAIRS) == bare  # the training left the base as it was
        if isinstance(engine, TransformersEngine) and form != "train, answer":
            full = load(self._base, device="cpu").model
            small = engine.loaded.model.get_memory_footprint()
            assert small < full.get_memory_footprint(), "nothing is quantised"
        with engine.with_stack([(files[0], 1.0)]):
            adapted = engine.log_likelihood(PAIRS)
            answers = engine.answer([told for told, _ in _TOLD], Decoding(max_new_tokens=6))
        assert answers == [[f"{value}."] for _, value in _TOLD]
        assert all(one.total > other.total + 5 for one, other in _pairs(adapted, bare, 2))
        assert abs(adapted[2].total - bare[2].total) > 0.01
        assert engine.log_likelihood(PAIRS) == bare
        return _Answered(bare, adapted)

    def _compare(self, ours: _Answered, theirs: _Answered) -> None:
        """llama.cpp and transformers say the same, with the adapter and without."""
        exact = '"silu"' in (self._folder / "config.json").read_text(encoding="utf-8")
        for one, other in zip(ours, theirs, strict=True):
            for a, b in _pairs(one, other, len(PAIRS)):
                assert a.tokens == b.tokens
                assert abs(a.total - b.total) < (EXACT if exact else ROUNDED)


def _pairs(
    one: Sequence[Likelihood], other: Sequence[Likelihood], count: int
) -> list[tuple[Likelihood, Likelihood]]:
    return list(zip(one, other, strict=True))[:count]


def _linear(loaded: Loaded) -> set[str]:
    """The layers that multiply by a matrix, but for the head and for routers of experts."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    head = loaded.model.get_output_embeddings()
    return {
        name
        for name, module in loaded.model.named_modules()
        if isinstance(module, (Linear, Conv1D)) and module is not head
    }


HEADER = ("architecture", "`model_type`", "adapted by default", *FORMS)


def row(trial: Trial, architecture: Architecture) -> tuple[str, ...]:
    """The cells of one line of the table."""
    results = [trial.result(form) for form in FORMS]
    return (architecture.title, f"`{architecture.kind}`", trial.adapted(), *results)


def rows_of(page: str) -> list[tuple[str, ...]]:
    """The lines of the table in the text ``page``, without its header."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines[2:]]


def main() -> int:
    """Try every architecture, and write the table."""
    lines = [f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|"]
    for architecture in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            cells = row(Trial(architecture, Path(folder)), architecture)
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    table = "\n".join(lines) + "\n"
    PAGE.write_text("".join((before, begin, table, end, after)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
