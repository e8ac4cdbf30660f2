"""A byte-level BPE tokenizer of its own: any text goes in, and the model's own text comes out short."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.pocket._documents import Mixture

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
SPECIAL = ("<s>", "</s>", "<pad>")
_YEARS = range(1800, 2051)


def make(mixture: Mixture, seed: int = 0, documents: int = 30_000, context: int = 1024) -> PreTrainedTokenizerFast:
    """Trained on ``documents`` of the mixture; every year of 1800 to 2050 becomes one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(mixture, seed, documents), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _texts(mixture: Mixture, seed: int, documents: int) -> Iterator[str]:
    dice = random.Random(seed)
    for _ in range(documents):
        yield "".join(part.text for part in mixture.document(dice, 1.0))
    for year in _YEARS:
        yield f" {year}" * 40
