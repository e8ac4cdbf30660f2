"""The engine of a server that speaks OpenAI's HTTP API: vLLM, llama-server, or a hosted one."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from harness.engines._engine import Capabilities, Likelihood, check, key_of, seed_of, stopped
from harness.engines._openai_client import NOT_OPENAI, Client, RefusedError, Served, parse
from harness.errors import ModelError, RecipeError
from harness.recipes import Decoding, Prompt

_MAX_STOPS = 4
"""OpenAI refuses more stop strings; the rest are cut off here."""
_REFUSES = ("num_beams", "no_repeat_ngram_size", "bad_words", "eos")
"""The API's ``logit_bias`` needs token ids, which a server does not tell. A stop string can stand
for an end token."""
_TOKENIZERS = ("/tokenize", "/extras/tokenize/count")
"""Endpoints of llama-server and vLLM, and of llama-cpp-python, that tokenize a text."""


class ServedEngine:
    """Answers with a model on a server.

    The server decides how well a decoding is followed: most ignore unknown fields silently. Seeds
    repeat samples up to rounding, because servers compute requests in batches and reuse the start
    of earlier prompts.
    """

    name = "openai"
    capabilities = Capabilities(
        several_adapters=False, scales=False, vram_known=False, refuses=_REFUSES
    )
    """What every server can do; a llama-server can do more."""

    def __init__(
        self, served: Served | str, concurrency: int = 4, timeout: float = 120.0, retries: int = 5
    ) -> None:
        """Send up to ``concurrency`` prompts at once, each for up to ``timeout`` seconds.

        A request that failed is sent again up to ``retries`` times.

        Raises:
            RecipeError: ``served`` is malformed.
            MissingExtraError: the ``openai`` package is not installed.
            ModelError: the server cannot be reached.
        """
        self.served = parse(served) if isinstance(served, str) else served
        if concurrency < 1 or timeout <= 0 or retries < 0:
            raise RecipeError(
                f"concurrency {concurrency}, timeout {timeout}, retries {retries}: give 1, 0.1, 0"
                " or more"
            )
        began = time.perf_counter()
        self.concurrency = concurrency
        self._client = Client(self.served, timeout, retries)
        self._model = self.served.name
        """What requests name as their model: the base, or an adapter on it."""
        self._send_neutral = True
        """Whether settings are sent that only say "off"."""
        self._loras = self._llama_server_adapters()
        self._lora_field: dict[str, Any] = self._lora({})
        if self._loras is not None:
            self.capabilities = self.capabilities._replace(several_adapters=True, scales=True)
        self.load_seconds: float = time.perf_counter() - began

    # Answers

    def answer(
        self,
        prompts: Sequence[Prompt],
        decoding: Decoding,
        keep: MutableMapping[str, list[str]] | None = None,
    ) -> list[list[str]]:
        """See Engine; ``keep`` holds answers by prompt, for this decoding and stack.

        Prompts that ``keep`` answers are not sent. Every new answer is put there at once, so that a
        rerun after a failure sends only the rest.

        Raises:
            RecipeError: beams, forbidden n-grams or words, or an end token, which the API lacks.
            ModelError: the server failed in spite of retries, or its reply is not an answer.
        """
        check(decoding, self.capabilities.refuses, "a server's API")
        answers = {} if keep is None else keep
        distinct = list(dict.fromkeys(prompts))

        def unanswered() -> list[Prompt]:
            count = decoding.num_return_sequences
            return [prompt for prompt in distinct if len(answers.get(key_of(prompt), ())) != count]

        if failure := self._fill(answers, unanswered(), decoding):
            done = len(distinct) - len(unanswered())
            more = f"; {done} of {len(distinct)} answers are kept, a rerun asks for the rest"
            raise ModelError(f"{failure}{more if keep is not None else ''}")
        return [list(answers[key_of(prompt)]) for prompt in prompts]

    def _fill(
        self, answers: MutableMapping[str, list[str]], prompts: list[Prompt], decoding: Decoding
    ) -> ModelError | None:
        """Put an answer to each of ``prompts`` into ``answers``; returns the first failure.

        After a failure nothing more is sent, but answers that are on their way are stored.
        """
        over = Event()

        def ask(prompt: Prompt) -> list[str] | None:
            try:
                return None if over.is_set() else self._texts(prompt, decoding)
            except ModelError:
                # Set in this thread: it would send the next prompt before the main one knows.
                over.set()
                raise

        failure: ModelError | None = None
        with ThreadPoolExecutor(self.concurrency) as pool:
            futures = {pool.submit(ask, prompt): prompt for prompt in prompts}
            try:
                for future in as_completed(futures):
                    try:
                        texts = future.result()
                    except ModelError as error:
                        failure = failure or error
                        continue
                    if texts is not None:
                        # Only the main thread writes, so the mapping need not be thread-safe.
                        answers[key_of(futures[future])] = texts
            finally:
                over.set()
        return failure

    def _texts(self, prompt: Prompt, decoding: Decoding) -> list[str]:
        """All continuations of ``prompt``.

        Some servers give one text for any ``n``: further texts are requested, with other seeds.
        """
        # greedy answers to one prompt are all the same, so one is enough
        count = decoding.num_return_sequences if decoding.do_sample else 1
        texts: list[str] = []
        while len(texts) < count:
            seed = seed_of(decoding, len(texts), prompt) & 0x7FFFFFFF
            choices = self._choices(prompt, {"n": count - len(texts), "seed": seed}, decoding)
            texts += [stopped(text, decoding.stop) for text in choices]
        return texts[:count] * (decoding.num_return_sequences // count)

    def _choices(self, prompt: Prompt, more: dict[str, Any], decoding: Decoding) -> list[str]:
        """The texts of one reply, at least one."""
        chat = self.served.chat
        question = self._question(prompt)
        body = {"model": self._model, **question, **more, **_standard(decoding), **self._lora_field}
        reply = self._complete(body, decoding)
        choices = reply.get("choices") if isinstance(reply, dict) else None
        if not isinstance(choices, list) or not choices:
            raise self._client.failure("sent no choices", reply, NOT_OPENAI)
        try:
            texts = [_text_of(choice, chat) for choice in choices]
        except (TypeError, KeyError):
            texts = [None]
        if not all(isinstance(text, str) for text in texts):
            raise self._client.failure("sent choices without text", reply, NOT_OPENAI)
        return texts

    def _question(self, prompt: Prompt) -> dict[str, Any]:
        """The fields of a request that say what is asked.

        Raises RecipeError where turns are asked of an endpoint that only continues text.
        """
        if not self.served.chat:
            if isinstance(prompt, str):
                return {"prompt": prompt}
            raise RecipeError(
                f"model {self.served} continues text: name it openai-chat:, or take --format plain"
            )
        if isinstance(prompt, str):
            return {"messages": [{"role": "user", "content": prompt}]}
        turns = (*prompt.chat.before, ("user", prompt.text))
        messages = [{"role": role, "content": text} for role, text in turns]
        arguments = dict(prompt.chat.arguments)
        more = {"chat_template_kwargs": arguments} if arguments else {}
        return {"messages": messages, **more}

    def _complete(self, body: dict[str, Any], decoding: Decoding) -> Any:
        """The reply to ``body`` with the settings of ``decoding`` that the API does not have.

        OpenAI's own server refuses those fields. Where they only say "off", it gets none of them.
        """
        path = "/chat/completions" if self.served.chat else "/completions"
        explicit = _extras(decoding)
        needed = _extras(decoding, neutral=False)
        if self._send_neutral and explicit != needed:
            try:
                return self._client.request(path, body | explicit)
            except RefusedError as error:
                if error.code not in (400, 422):
                    raise
        reply = self._client.request(path, body | needed)
        self._send_neutral = self._send_neutral and explicit == needed
        return reply

    # Tokens and probabilities

    def count(self, texts: Sequence[str]) -> int:
        """See Engine. Where the server does not tokenize: an estimate, four bytes a token."""
        for path in _TOKENIZERS:
            special = self._count_tokens(path, "")  # llama-cpp-python counts BOS, too
            if special is not None:
                with ThreadPoolExecutor(self.concurrency) as pool:
                    counts = pool.map(partial(self._count_tokens, path), texts)
                    return sum((count or 0) - special for count in counts)
        return sum(-(-len(text.encode()) // 4) for text in texts)

    def _count_tokens(self, path: str, text: str) -> int | None:
        """Tokens of ``text``; None where the server does not tell.

        The request holds the field names of every server: each ignores those of the others.
        """
        body = {
            "model": self._model,
            "content": text,
            "add_special": False,
            "prompt": text,
            "add_special_tokens": False,
            "input": text,
        }
        reply = self._client.request_if_offered(f"{self.served.root}{path}", body)
        if not isinstance(reply, dict):
            return None
        tokens = reply.get("tokens")
        count = len(tokens) if isinstance(tokens, list) else reply.get("count")
        return count if isinstance(count, int) else None

    def log_likelihood(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Not offered: few servers score the text of a request. Raises RecipeError."""
        raise RecipeError(
            f"server {self.served.url} does not score given text: take --engine hf or gguf:TYPE"
        )

    # Models and adapters

    def listed(self) -> list[dict[str, Any]]:
        """What the server says about each of its models; empty where it does not list them."""
        reply = self._client.request_if_offered(f"{self.served.url}/models")
        models = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(models, list):
            return []
        return [model for model in models if isinstance(model, dict)]

    @contextmanager
    def with_stack(self, adapters: Sequence[tuple[str | Path, float]]) -> Iterator[None]:
        """See Engine; an adapter has the name that the server gives it.

        llama-server (2025 or newer) takes scales with every request. vLLM serves an adapter as a
        model.

        Raises:
            ModelError: the server has no such adapter, or cannot combine or scale adapters.
        """
        stack: dict[str, float] = {}
        for name, scale in adapters:
            stack[str(name)] = stack.get(str(name), 0.0) + scale
        stack = {name: scale for name, scale in stack.items() if scale}
        before = self._model, self._lora_field
        try:
            if self._loras is None:
                self._model = self._adapter_model(stack) if stack else self.served.name
            else:
                self._lora_field = self._lora(stack)
            yield
        finally:
            self._model, self._lora_field = before

    def _llama_server_adapters(self) -> dict[str, int] | None:
        """Ids of a llama-server's adapters by path; None for another server."""
        reply = self._client.request_if_offered(f"{self.served.root}/lora-adapters")
        if not isinstance(reply, list):
            return None
        try:
            return {str(adapter["path"]): int(adapter["id"]) for adapter in reply}
        except (TypeError, KeyError, ValueError):
            return None

    def _lora(self, stack: dict[str, float]) -> dict[str, Any]:
        """The field with a scale for every adapter of a llama-server.

        Adapters outside ``stack`` get 0, because the server would apply all that it loaded.
        """
        loaded = self._loras or {}
        scales = dict.fromkeys(loaded.values(), 0.0)
        for name, scale in stack.items():
            matches = [path for path in loaded if name in (path, Path(path).name, Path(path).stem)]
            if len(matches) != 1:
                problem = "several adapters" if matches else "no adapter"
                raise ModelError(
                    f"server {self.served.url} has {problem} called {name!r} (it has"
                    f" {_listed(loaded)}): start llama-server with --lora FILE for each, and give"
                    " the path as it lists it"
                )
            scales[loaded[matches[0]]] += scale
        if not scales:
            return {}
        return {"lora": [{"id": key, "scale": scale} for key, scale in scales.items()]}

    def _adapter_model(self, stack: dict[str, float]) -> str:
        """The listed model that is the base with the one adapter of ``stack``."""
        names = [str(model.get("id")) for model in self.listed()]
        if unknown := [name for name in stack if name not in names]:
            raise ModelError(
                f"server {self.served.url} has no adapter {unknown[0]!r} (its models are"
                f" {_listed(names)}): start vLLM with --enable-lora --lora-modules NAME=PATH, or"
                " llama-server with --lora FILE"
            )
        if len(stack) > 1 or set(stack.values()) != {1.0}:
            adapters = ", ".join(f"{name} at {scale:g}" for name, scale in stack.items())
            raise ModelError(
                f"server {self.served.url} cannot apply {adapters}: it serves each adapter as a"
                " model, alone and at scale 1; llama-server combines and scales"
            )
        return next(iter(stack))


def _text_of(choice: Any, chat: bool) -> Any:
    """The text of one choice. Raises TypeError or KeyError where it has none."""
    return (choice["message"]["content"] or "") if chat else choice["text"]


def _standard(decoding: Decoding) -> dict[str, Any]:
    """The fields of OpenAI's API."""
    settings: dict[str, Any] = {
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature if decoding.do_sample else 0.0,
        "top_p": decoding.top_p if decoding.do_sample else 1.0,
    }
    if decoding.stop:
        settings["stop"] = list(decoding.stop[:_MAX_STOPS])
    return settings


def _extras(decoding: Decoding, neutral: bool = True) -> dict[str, Any]:
    """Fields that servers add to OpenAI's; those that are off only with ``neutral``.

    It matters to say "off": llama-cpp-python's server penalises repetition by 1.1 otherwise, and
    vLLM follows the model's generation_config.json.
    """
    sampling = {
        "top_k": (decoding.top_k, 0),
        "min_p": (decoding.min_p, 0.0),
        "typical_p": (decoding.typical_p, 1.0),
    }
    settings: dict[str, Any] = {
        name: value
        for name, (value, off) in sampling.items()
        if decoding.do_sample and (neutral or value != off)
    }
    penalty = decoding.repetition_penalty
    if penalty != 1 or neutral:
        settings["repetition_penalty"] = penalty
        settings["repeat_penalty"] = penalty
    if penalty != 1:
        # over the whole text, as in transformers; llama.cpp looks back 64 tokens by default
        settings["repeat_last_n"] = -1
    return settings


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:8])
    return f"{shown}, ..." if len(names) > 8 else shown or "none"
