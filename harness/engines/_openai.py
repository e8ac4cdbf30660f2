"""The engine of a server that speaks OpenAI's HTTP API: vLLM, llama-server, llama-cpp-python's, or
a hosted one."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from harness.engines._engine import Capabilities, Likelihood, check, seed_of, stopped
from harness.errors import MissingExtraError, ModelError, RecipeError
from harness.recipes import Decoding

_KEYS = ("HARNESS_OPENAI_API_KEY", "OPENAI_API_KEY")
_NO_KEY = "none"
"""Servers at home ask for no key, but the client wants one."""
_STOPS = 4
"""More than so many stop strings are refused by OpenAI; the rest are cut off here."""
_FORM = re.compile(r"(openai|openai-chat):(.+?)@([a-z][a-z0-9+.-]*://.*)", re.DOTALL)
_REFUSES = ("num_beams", "no_repeat_ngram_size", "bad_words", "eos")
"""Its ``logit_bias`` would want token ids, which a server does not tell; an end token may be a stop
string instead."""
_NOT_OPENAI = "see that it speaks OpenAI's API at this address"
_SEEN = 160
"""Characters that are shown of what a server said."""


@dataclass(frozen=True)
class Served:
    """A model by the name that a server gives it."""

    name: str
    url: str
    """Up to and including ``/v1``."""
    chat: bool = False
    """Whether prompts go to the chat endpoint, each as a user's message."""

    def __str__(self) -> str:
        return f"{'openai-chat' if self.chat else 'openai'}:{self.name}@{self.url}"

    @property
    def root(self) -> str:
        """Where llama-server and vLLM keep what is not OpenAI's."""
        return self.url.removesuffix("/v1")


def parse(text: str) -> Served:
    """``openai:NAME@URL`` or ``openai-chat:NAME@URL``; a URL without a path gets ``/v1``. Raises
    RecipeError."""
    found = _FORM.fullmatch(text.strip())
    shown = re.sub(r"//[^/]*@", "//...@", text.strip())  # a password has no place in a message
    if not found:
        raise RecipeError(
            f"model {shown!r} is not understood: write openai:NAME@http://host:port/v1 (or"
            " openai-chat:)"
        )
    kind, name, url = found.groups()
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise RecipeError(
            f"model {shown!r} has no usable URL ({error}): write http://host:port/v1"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise RecipeError(
            f"model {shown!r} has credentials in its URL: put the key into {_KEYS[0]} instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise RecipeError(
            f"model {shown!r} has no usable URL: write http://host:port/v1 or https://..."
        )
    if parts.query or parts.fragment:
        raise RecipeError(
            f"model {shown!r} has a query or fragment in its URL: leave out what follows the path"
        )
    path = parts.path.rstrip("/") or "/v1"
    return Served(name, f"{parts.scheme}://{parts.netloc}{path}", kind == "openai-chat")


class ServedEngine:
    """Answers with a model on a server.

    How well decoding is followed is up to the server: most ignore fields that they do not know,
    without a word. Seeds repeat samples up to rounding: servers batch requests, and go on from
    prompts that began alike.
    """

    name = "openai"
    capabilities = Capabilities(
        several_adapters=False, scales=False, vram_known=False, refuses=_REFUSES
    )
    """The least that any server offers; an engine on a llama-server has more."""

    def __init__(
        self, served: Served | str, concurrency: int = 4, timeout: float = 120.0, retries: int = 5
    ) -> None:
        """Ask up to ``concurrency`` prompts at once, each for ``timeout`` seconds, again up to
        ``retries`` times.

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
        self.concurrency, self.timeout, self.retries = concurrency, timeout, retries
        self._client: Any = _client(self.served.url, timeout, retries)
        self._model = self.served.name
        self._explicit = True
        """Whether settings are sent that say "off", too."""
        self._loras = self._of_llama_server()
        self._fields: dict[str, Any] = self._lora({})
        if self._loras is not None:
            self.capabilities = self.capabilities._replace(several_adapters=True, scales=True)
        self.load_seconds: float = time.perf_counter() - began

    def answer(
        self,
        prompts: Sequence[str],
        decoding: Decoding,
        keep: MutableMapping[str, list[str]] | None = None,
    ) -> list[list[str]]:
        """See Engine; ``keep`` holds answers by prompt, for this decoding and stack.

        What it holds is not asked again, and every answer is put there as it comes: a rerun asks
        for the rest only.

        Raises:
            RecipeError: beams, forbidden n-grams or words, or an end token, which the API does not
                have.
            ModelError: the server failed for good, or said what is no answer.
        """
        check(decoding, self.capabilities.refuses, "a server's API")
        kept = {} if keep is None else keep
        missing = [
            p
            for p in dict.fromkeys(prompts)
            if len(kept.get(p, ())) != decoding.num_return_sequences
        ]
        if failed := self._fill(kept, missing, decoding):
            done = len(set(prompts)) - sum(
                len(kept.get(p, ())) != decoding.num_return_sequences for p in missing
            )
            more = f"; {done} of {len(set(prompts))} answers are kept, a rerun asks for the rest"
            raise ModelError(f"{failed}{more if keep is not None else ''}")
        return [list(kept[prompt]) for prompt in prompts]

    def count(self, texts: Sequence[str]) -> int:
        """See Engine. Where the server does not tokenize, an estimate of four bytes a token."""
        for path in (
            "/tokenize",
            "/extras/tokenize/count",
        ):  # llama-server and vLLM; llama-cpp-python
            if (special := self._counted(path, "")) is not None:  # BOS, which the last adds
                with ThreadPoolExecutor(self.concurrency) as pool:
                    return sum(
                        (count or 0) - special
                        for count in pool.map(partial(self._counted, path), texts)
                    )
        return sum(-(-len(text.encode()) // 4) for text in texts)

    def log_likelihood(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """Not offered: few servers score text that they are given. Raises RecipeError."""
        raise RecipeError(
            f"server {self.served.url} does not score given text: take --engine hf or gguf:TYPE"
        )

    def listed(self) -> list[dict[str, Any]]:
        """What the server says of each of its models; nothing where it does not list them."""
        found = self._offered(f"{self.served.url}/models")
        data = found.get("data") if isinstance(found, dict) else None
        return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []

    @contextmanager
    def with_stack(self, adapters: Sequence[tuple[str | Path, float]]) -> Iterator[None]:
        """See Engine; an adapter is named as the server names it.

        llama-server (of 2025 or newer) takes scales with every request. vLLM serves an adapter as a
        model.

        Raises:
            ModelError: the server has no such adapter, or cannot combine or scale adapters.
        """
        stack: dict[str, float] = {}
        for name, scale in adapters:
            stack[str(name)] = stack.get(str(name), 0.0) + scale
        stack = {name: scale for name, scale in stack.items() if scale}
        before = self._model, self._fields
        try:
            if self._loras is None:
                self._model = self._as_model(stack) if stack else self.served.name
            else:
                self._fields = self._lora(stack)
            yield
        finally:
            self._model, self._fields = before

    def _fill(
        self, kept: MutableMapping[str, list[str]], missing: list[str], decoding: Decoding
    ) -> ModelError | None:
        """Ask for all that is missing. The first failure ends it, but what is under way is waited
        for and kept."""
        over = Event()

        def ask(prompt: str) -> list[str] | None:
            try:
                return None if over.is_set() else self._texts(prompt, decoding)
            except ModelError:
                # here, as this thread would be at the next prompt before the other one knows
                over.set()
                raise

        failed: ModelError | None = None
        with ThreadPoolExecutor(self.concurrency) as pool:
            asked = {pool.submit(ask, prompt): prompt for prompt in missing}
            try:
                for future in as_completed(asked):
                    try:
                        texts = future.result()
                    except ModelError as error:
                        failed = failed or error
                        continue
                    if texts is not None:
                        kept[asked[future]] = texts  # in this thread: any mapping will do
            finally:
                over.set()
        return failed

    def _texts(self, prompt: str, decoding: Decoding) -> list[str]:
        """Some servers give one text for whatever ``n``: the others are asked for with seeds of
        their own."""
        each = (
            decoding.num_return_sequences if decoding.do_sample else 1
        )  # greedy answers are all the same
        found: list[str] = []
        while len(found) < each:
            seed = seed_of(decoding, len(found), prompt) & 0x7FFFFFFF
            said = self._choices(prompt, {"n": each - len(found), "seed": seed}, decoding)
            found += [stopped(text, decoding.stop) for text in said]
        return found[:each] * (decoding.num_return_sequences // each)

    def _choices(self, prompt: str, more: dict[str, Any], decoding: Decoding) -> list[str]:
        """What the server has to say at once: at least one text."""
        given = (
            {"messages": [{"role": "user", "content": prompt}]}
            if self.served.chat
            else {"prompt": prompt}
        )
        body = {"model": self._model, **given, **more, **_standard(decoding), **self._fields}
        reply = self._completed(body, decoding)
        choices = reply.get("choices") if isinstance(reply, dict) else None
        if not isinstance(choices, list) or not choices:
            raise self._failure("sent no choices", reply, _NOT_OPENAI)
        try:
            texts = [
                (choice["message"]["content"] or "") if self.served.chat else choice["text"]
                for choice in choices
            ]
        except (TypeError, KeyError):
            texts = [None]
        if not all(isinstance(text, str) for text in texts):
            raise self._failure("sent choices without text", reply, _NOT_OPENAI)
        return texts

    def _completed(self, body: dict[str, Any], decoding: Decoding) -> Any:
        """The reply. A server that refuses fields which only say "off", as OpenAI's does, is not
        sent them again."""
        path = "/chat/completions" if self.served.chat else "/completions"
        wanted, needed = _extras(decoding), _extras(decoding, neutral=False)
        if self._explicit and wanted != needed:
            try:
                return self._request(path, body | wanted)
            except _RefusedError as error:
                if error.code not in (400, 422):
                    raise
        reply = self._request(path, body | needed)
        self._explicit = self._explicit and wanted == needed
        return reply

    def _request(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The decoded reply to a POST of ``body``, or to a GET. The client tries again where that
        may help."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        try:
            if body is None:
                return self._client.get(path, cast_to=object)
            return self._client.post(path, cast_to=object, body=body)
        except APITimeoutError:
            mend = "allow it more time, or ask it less at once"
            failure = self._failure(f"did not answer within {self.timeout:g} s", None, mend)
        except APIConnectionError as error:
            failure = self._failure(
                "cannot be reached", error.__cause__ or error, "start it, or correct its address"
            )
        except APIStatusError as error:
            failure = self._status(error.status_code, error.body)
        except (ValueError, OpenAIError) as error:
            failure = self._failure("sent no JSON", error, _NOT_OPENAI)
        # out of the except block: the client's errors repeat what was said, even the key
        raise failure

    def _status(self, code: int, body: Any) -> ModelError:
        told = body.get("message") or body.get("detail") or body if isinstance(body, dict) else body
        if code in (401, 403):
            mend = f"put the key for it into {_KEYS[0]}"
        elif code == 404:
            mend = (
                f"see that it serves {self._model!r}, and has this endpoint (openai: or"
                " openai-chat:)"
            )
        elif code == 429:
            mend = "wait, or ask it less at once"
        else:
            mend = "its log may say more" if code >= 500 else "change what it does not take"
        failure = self._failure(f"answered {code}", told, mend)
        return (
            _RefusedError(str(failure), code)
            if 400 <= code < 500 and code not in (408, 409, 429)
            else failure
        )

    @property
    def _secret(self) -> str:
        """What no message may hold."""
        key: str = self._client.api_key
        return "\0" if key == _NO_KEY else key

    def _failure(self, what: str, said: object, mend: str) -> ModelError:
        """One line: which server, what it said, without the key, and what to do."""
        text = " ".join(
            ("" if said is None else str(said)).replace(self._secret, "(the key)").split()
        )
        shown = text if len(text) <= _SEEN else f"{text[:_SEEN]}..."
        return ModelError(
            f"server {self.served.url} {what}{f' ({shown})' if shown else ''}: {mend}"
        )

    def _offered(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The decoded reply of an endpoint that not every server has, else None."""
        try:
            return self._request(path, body)
        except _RefusedError:
            return None

    def _of_llama_server(self) -> dict[str, int] | None:
        """Ids of a llama-server's adapters by path; None for another server."""
        found = self._offered(f"{self.served.root}/lora-adapters")
        try:
            return (
                {str(each["path"]): int(each["id"]) for each in found}
                if isinstance(found, list)
                else None
            )
        except (TypeError, KeyError, ValueError):
            return None

    def _lora(self, stack: dict[str, float]) -> dict[str, Any]:
        """The field that sets the scale of every adapter, as a llama-server would apply all that it
        loaded."""
        loaded = self._loras or {}
        scales = dict.fromkeys(loaded.values(), 0.0)
        for name, scale in stack.items():
            fitting = [path for path in loaded if name in (path, Path(path).name, Path(path).stem)]
            if len(fitting) != 1:
                which = "several adapters" if fitting else "no adapter"
                raise ModelError(
                    f"server {self.served.url} has {which} called {name!r} (it has"
                    f" {_listed(loaded)}): start llama-server with --lora FILE for each, and give"
                    " the path as it lists it"
                )
            scales[loaded[fitting[0]]] += scale
        return (
            {"lora": [{"id": key, "scale": scale} for key, scale in scales.items()]}
            if scales
            else {}
        )

    def _as_model(self, stack: dict[str, float]) -> str:
        """The model that is the base with the one adapter of ``stack``, where the
        server lists it."""
        listed = [str(each.get("id")) for each in self.listed()]
        if unknown := [name for name in stack if name not in listed]:
            raise ModelError(
                f"server {self.served.url} has no adapter {unknown[0]!r} (its models are"
                f" {_listed(listed)}): start vLLM with --enable-lora --lora-modules NAME=PATH, or"
                " llama-server with --lora FILE"
            )
        if len(stack) > 1 or set(stack.values()) != {1.0}:
            given = ", ".join(f"{name} at {scale:g}" for name, scale in stack.items())
            raise ModelError(
                f"server {self.served.url} cannot apply {given}: it serves each adapter as a model,"
                " alone and at scale 1; llama-server combines and scales"
            )
        return next(iter(stack))

    def _counted(self, path: str, text: str) -> int | None:
        """Tokens of ``text``, in the words of every server at once: each ignores those of the
        others."""
        words = {
            "content": text,
            "add_special": False,
            "prompt": text,
            "add_special_tokens": False,
            "input": text,
        }
        found = self._offered(f"{self.served.root}{path}", {"model": self._model, **words})
        tokens = found.get("tokens") if isinstance(found, dict) else None
        count = (
            len(tokens)
            if isinstance(tokens, list)
            else found.get("count")
            if isinstance(found, dict)
            else None
        )
        return count if isinstance(count, int) else None


class _RefusedError(ModelError):
    """The server will not answer such a request, however often it is asked."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code


def _client(url: str, timeout: float, retries: int) -> Any:
    """The official client: it retries with growing, jittered pauses, and waits as long as a server
    tells it to."""
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError("openai", "openai") from error
    return openai.OpenAI(
        api_key=_key() or _NO_KEY, base_url=url, timeout=timeout, max_retries=retries
    )


def _key() -> str | None:
    """From the environment, and kept nowhere but in the client."""
    for name in _KEYS:
        if key := os.environ.get(name, "").strip():
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ModelError(
                    f"{name} holds characters that no key has: set it to the key alone"
                )
            return key
    return None


def _standard(decoding: Decoding) -> dict[str, Any]:
    """What OpenAI's API has a word for."""
    kept: dict[str, Any] = {
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature if decoding.do_sample else 0.0,
        "top_p": decoding.top_p if decoding.do_sample else 1.0,
    }
    return kept | ({"stop": list(decoding.stop[:_STOPS])} if decoding.stop else {})


def _extras(decoding: Decoding, neutral: bool = True) -> dict[str, Any]:
    """What servers have words for beyond it, unless it is neutral and ``neutral`` is not set.

    Neutral settings are worth saying: llama-cpp-python's server penalises repetition by 1.1 unless
    told not to, and vLLM follows the generation_config.json of the model.
    """
    asked = {
        "top_k": (decoding.top_k, 0),
        "min_p": (decoding.min_p, 0.0),
        "typical_p": (decoding.typical_p, 1.0),
    }
    kept = {
        name: value
        for name, (value, off) in asked.items()
        if decoding.do_sample and (neutral or value != off)
    }
    if decoding.repetition_penalty != 1 or neutral:
        kept |= dict.fromkeys(("repetition_penalty", "repeat_penalty"), decoding.repetition_penalty)
    if decoding.repetition_penalty != 1:
        kept[
            "repeat_last_n"
        ] = -1  # over the whole text, as in transformers; llama.cpp looks back 64 tokens
    return kept


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:8])
    return f"{shown}, ..." if len(names) > 8 else shown or "none"
