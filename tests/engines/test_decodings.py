"""Ways to generate, by name and field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines import DECODINGS, decoding, described, refusal
from harness.engines._decoding import Bans, bad_words_ids
from harness.errors import RecipeError
from harness.recipes import Decoding, digest


@pytest.mark.parametrize("name", DECODINGS)
def test_a_preset_by_its_name(name):
    assert decoding(name) == DECODINGS[name]


def test_fields_of_ones_own():
    text = (
        "default,temperature=0.5,bad_words=no|never,stop=,num_return_sequences=4,"
        "early_stopping=never"
    )
    found = decoding(text)
    assert (found.temperature, found.bad_words, found.stop) == (0.5, ("no", "never"), ())
    assert (found.num_return_sequences, found.early_stopping, found.top_k) == (
        4,
        "never",
        DECODINGS["default"].top_k,
    )
    assert decoding(r"deterministic,stop=\n|.").stop == ("\n", ".")
    assert decoding("beam_search,early_stopping=false").early_stopping is False


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("warm", "preset 'warm' is unknown: choose one of deterministic"),
        ("default,warmth=1", "decoding warmth=1: write NAME=VALUE with NAME of max_new_tokens"),
        ("default,top_k=many", "top_k is a number such as 0"),
        ("default,temperature=0", "sampling needs a temperature above 0"),
        ("default,do_sample=perhaps", "do_sample is 'perhaps': choose true or false"),
        (
            "beam_search,early_stopping=soon",
            "early_stopping is 'soon': choose true, false or never",
        ),
        ("beam_search,num_return_sequences=9", "a search with 5 beams finds 5 texts at most"),
        ("default,repetition_penalty=0", "repetition_penalty is 0.0: it must be above 0"),
        ("default,repetition_penalty=inf", "repetition_penalty is inf: give a number such as 1"),
        ("default,temperature=inf", "temperature is inf: give a number such as 1"),
        ("beam_search,length_penalty=nan", "length_penalty is nan: give a number such as 1"),
        ("default,top_k=-1", "top_k is -1: it must be at least 0"),
        ("default,top_p=1.5", r"top_p is 1.5: it must be above 0 and at most 1 \(1 is none\)"),
        ("default,top_p=0", "top_p is 0.0: it must be above 0"),
        ("default,typical_p=nan", "typical_p is nan: it must be above 0"),
        ("default,min_p=-0.1", r"min_p is -0.1: it must be at least 0 \(none\) and at most 1"),
        (
            "deterministic,no_repeat_ngram_size=-1",
            "no_repeat_ngram_size is -1: it must be at least 0",
        ),
        ("deterministic,max_new_tokens=0", "max_new_tokens is 0: it must be at least 1"),
        ("beam_search,num_beams=0", "num_beams is 0: it must be at least 1"),
        ("default,seed=-1", "seed is -1: it must be at least 0"),
        ("default,bad_words=a||b", "bad_words has an empty string"),
    ],
)
def test_a_mistake_is_one_line(text, line):
    with pytest.raises(RecipeError, match=line) as raised:
        decoding(text)
    assert "\n" not in str(raised.value)


def test_a_decoding_in_words():
    assert described(Decoding()) == "greedy"
    assert described(decoding("beam_search,stop=")) == "num_beams 5, early_stopping True, stop ()"


def test_fields_that_came_later_leave_old_digests():
    assert digest(Decoding()) == digest(Decoding(bad_words=(), eos="", pad=""))
    assert (
        len(
            {
                digest(d)
                for d in (
                    Decoding(),
                    Decoding(bad_words=("a",)),
                    Decoding(eos="a"),
                    Decoding(pad="a"),
                )
            }
        )
        == 4
    )


def test_what_an_engine_refuses_is_said_once():
    assert refusal(Decoding(), ("num_beams",), "it") == ""
    assert (
        refusal(Decoding(num_beams=2), ("num_beams",), "it")
        == "num_beams is 2: it cannot do that, set it to 1"
    )


ids = st.lists(st.integers(0, 3), max_size=12)


@given(tokens=ids, size=st.integers(1, 4))
def test_a_banned_token_would_repeat_an_n_gram_and_no_other_would(tokens, size):
    def grams(found):
        return [tuple(found[i : i + size]) for i in range(len(found) - size + 1)]

    banned = Bans((), size).after(tokens)
    for following in range(4):
        repeats = len(tokens) >= size and grams([*tokens, following])[-1] in grams(tokens)
        assert (following in banned) == repeats


@given(tokens=ids, word=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_the_last_token_of_a_bad_word_is_banned_where_the_rest_stands(tokens, word):
    banned = Bans((tuple(word),), 0).after(tokens)
    assert (word[-1] in banned) == ([*tokens, word[-1]][-len(word) :] == word)


def test_a_bad_word_is_banned_within_a_text_too():
    assert bad_words_ids(("ab", " ab"), lambda text: [ord(c) for c in text]) == (
        (97, 98),
        (32, 97, 98),
    )
