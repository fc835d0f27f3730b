# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The models of this package in lmms-eval: `--model mvgpt`. Answers are those of the pipeline."""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import Any, Literal, NamedTuple

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms
from tqdm import tqdm

from ..training.chat_encoding import visual_kinds
from ..video.error_text import describe_error
from ..video.limits import shorten
from .likelihoods import answer_likelihoods
from .lmms_eval_requests import chat_about, cut_at, generate_options, to_chat
from .pipeline_loading import load_pipeline
from .quantization import check_quantization


logger = logging.getLogger(__name__)

_NAMED = 10  # of the visuals that cannot be read, so many are named


class _Asked(NamedTuple):
    """A question, with the name of its document and the task's arguments of generation. Its chat, which may hold pictures, is made late."""

    name: str
    generation_kwargs: dict[str, Any]
    make_chat: Callable[[], list[dict[str, Any]]]


class SimpleVisionLanguageModel(lmms):
    """
    A model of any family, for tasks that give a text and what it is about. What `--model_args` may hold:

    Args:
        pretrained (`str`):
            Folder, or repository on the Hugging Face Hub.
        revision (`str`, *optional*):
            Of the repository.
        device (`str`, *optional*):
            Where it runs; by default a GPU if there is one, and with several processes one for each.
        dtype (`str`, defaults to `"auto"`):
            Of the weights; `"auto"` is the one they are stored in.
        batch_size (`int`, defaults to 1):
            How many questions are answered together.
        num_workers (`int`, defaults to 0):
            Processes that decode videos, of each process that answers.
        num_frames (`int`, *optional*):
            Frames per video, where that is not the number the model was trained with.
        attn_implementation (`str`, *optional*):
            As `from_pretrained` takes it.
        quantization (`str`, *optional*):
            `"int8"` or `"int4"`, of the language model's weights.
        on_error (`str`, defaults to `"raise"`):
            What happens if a visual cannot be read. `"raise"`: when all else is answered, an error names those that cannot be read, and
            nothing is scored. `"empty"`: the answer is empty, and a warning names them; tasks score that each in its own way.

    Raises:
        ValueError: if an argument has another value, or processes that were started together do not know each other.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str,
        revision: str | None = None,
        device: str | None = None,
        dtype: str = "auto",
        batch_size: int | str = 1,
        max_batch_size: int
        | None = None,  # lmms-eval passes it to every model; it is for batches that size themselves
        num_workers: int = 0,
        num_frames: int | None = None,
        attn_implementation: str | None = None,
        quantization: str | None = None,
        on_error: Literal["raise", "empty"] = "raise",
    ) -> None:
        super().__init__()
        if on_error not in ("raise", "empty"):
            raise ValueError(f"`on_error` ({shorten(repr(on_error))}) must be 'raise' or 'empty'.")
        if not str(batch_size).isdigit() or int(batch_size) < 1:
            raise ValueError(f"`batch_size` ({shorten(repr(batch_size))}) must be a number from 1 on.")
        if quantization is not None:
            check_quantization(quantization, device)
        # one process may answer for long after the others are done
        self.accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(weeks=1))])
        if self.accelerator.num_processes < (started := int(os.environ.get("WORLD_SIZE", "1"))):
            raise ValueError(
                f"{started} processes were started, and accelerate does not take them for one group: set ACCELERATE_USE_CPU=true where "
                "there is no GPU."
            )
        self._rank, self._world_size = self.accelerator.process_index, self.accelerator.num_processes
        self.device = self.accelerator.device
        if device is not None and self._world_size == 1:
            self.device = torch.device(device)
        self.batch_size, self.num_workers, self.on_error = int(batch_size), num_workers, on_error
        self._processor_options = {} if num_frames is None else {"num_frames": num_frames}
        self.pipe = load_pipeline(
            pretrained,
            quantization=quantization,
            revision=revision,
            device=self.device,
            dtype=dtype,
            model_kwargs={} if attn_implementation is None else {"attn_implementation": attn_implementation},
        )
        self._kinds = visual_kinds(self.pipe.processor)

    def generate_until(self, requests: list[Instance]) -> list[str]:
        return self._answer([self._asked(request) for request in requests])

    def generate_until_multi_round(self, requests: list[Instance]) -> list[list[str]]:
        raise NotImplementedError("Tasks of several rounds are for chat models: leave `--force_simple` out.")

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """
        For each request the mean negative logarithm of the likelihood of its continuation's tokens, and whether it is what the model
        says greedily. lmms-eval asks for the likelihood, but scores as its own models answer: the lowest value is the best one.
        """
        results: list[Any] = []
        failed: dict[str, str] = {}
        with self._progress(len(requests)) as bar:
            # consecutive ones about the same document differ in what is said about it
            for (context, *document), group in groupby(requests, key=_question_of):
                continuations = [self._continuation(request) for request in group]
                visuals = document[0](self._document(*document[1:])) if document else None
                chat = chat_about(visuals, context, self._kinds)
                try:
                    results += self._losses(chat, continuations)
                except (ValueError, OSError) as error:
                    failed[_name(*document[1:])] = describe_error(error)
                    results += [(float("inf"), False)] * len(continuations)
                bar.update(len(continuations))
        self._report(failed)
        # as a plain tuple it would become its text
        return [GenerationResult(text=result) for result in results]

    def clean(self) -> None:
        """Frees the model, before a judge may need its place."""
        del self.pipe
        super().clean()

    def _asked(self, request: Instance) -> _Asked:
        context, generation_kwargs, doc_to_visual, *document = request.args
        return _Asked(
            _name(*document),
            generation_kwargs,
            lambda: chat_about(doc_to_visual(self._document(*document)), context, self._kinds),
        )

    def _document(self, doc_id: int, task: str, split: str) -> Any:
        return self.task_dict[task][split][doc_id]

    def _answer(self, asked: list[_Asked]) -> list[str]:
        """Answers in their order. What has the same arguments of generation goes into batches together."""
        answers = [""] * len(asked)
        failed: dict[str, str] = {}
        alike: dict[str, list[int]] = {}
        for number, question in enumerate(asked):
            alike.setdefault(repr(sorted(question.generation_kwargs.items())), []).append(number)
        with self._progress(len(asked)) as bar:
            for numbers in alike.values():
                options, stops = generate_options(asked[numbers[0]].generation_kwargs)
                # without the stops: transformers would look through the vocabulary for them at each call
                records = self._run((asked[number].make_chat() for number in numbers), options)
                for number, [record] in zip(numbers, records, strict=True):
                    if "error" in record:
                        failed[asked[number].name] = record["error"]
                    else:
                        answers[number] = cut_at(record["generated_text"], stops)
                    bar.update()
        self._report(failed)
        return answers

    def _run(self, chats: Iterator[list[dict[str, Any]]], options: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        return self.pipe(
            chats,
            return_full_text=False,
            on_error="return",
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            **self._processor_options,
            **options,
        )

    def _continuation(self, request: Instance) -> str:
        """What may be said, without the blank that tasks put between words: the chat template writes what belongs there."""
        continuation = request.args[1]
        if not isinstance(continuation, str):
            continuation = continuation(self._document(*request.args[3:]))
        return str(continuation).lstrip()

    def _losses(self, chat: list[dict[str, Any]], continuations: list[str]) -> list[tuple[float, bool]]:
        likelihoods = answer_likelihoods(self.pipe, chat, continuations, self.batch_size, **self._processor_options)
        return [(-each.log_likelihood / max(each.num_tokens, 1), each.is_greedy) for each in likelihoods]

    def _progress(self, total: int) -> tqdm:
        return tqdm(desc="Answers", total=total, disable=self._rank != 0)

    def _report(self, failed: dict[str, str]) -> None:
        if not failed:
            return
        named = "; ".join(f"{name}: {error.rstrip('.')}" for name, error in list(failed.items())[:_NAMED])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        found = f"Documents could not be shown to the model, {len(failed)} in all: {named}{more}."
        if self.on_error == "empty":
            logger.warning("%s Their answers are empty.", found)
            return
        found += " Nothing is scored. Replace the files, or pass `on_error=empty` in `--model_args`, which gives them empty answers."
        if self._world_size > 1:
            # lmms-eval catches all other errors, and the process that has none would wait for this one
            raise SystemExit(found)
        raise ValueError(found)


class ChatVisionLanguageModel(SimpleVisionLanguageModel):
    """As [`SimpleVisionLanguageModel`], for tasks that give messages, in which text and visuals may alternate."""

    is_simple = False

    def generate_until_multi_round(self, requests: list[Instance]) -> list[list[str]]:
        """Each round of all requests, then the next one of those that have it."""
        given: list[list[str]] = [[] for _ in requests]
        notes: list[Any] = [None] * len(requests)
        going_on = list(range(len(requests)))
        while going_on:
            asked = {}
            for number in going_on:
                _, doc_to_messages, generation_kwargs, *document = requests[number].args
                messages = doc_to_messages(self._document(*document), **_round(given[number], notes[number]))
                if given[number]:
                    if not isinstance(messages, tuple):  # the task knows no further round
                        continue
                    messages, is_over, _, notes[number] = messages
                    if is_over:
                        continue
                chat = to_chat(messages, self._kinds)
                asked[number] = _Asked(_name(*document), generation_kwargs, partial(list, chat))
            for number, answer in zip(asked, self._answer(list(asked.values())), strict=True):
                given[number].append(answer)
            going_on = list(asked)
        return given

    def _asked(self, request: Instance) -> _Asked:
        _, doc_to_messages, generation_kwargs, *document = request.args
        return _Asked(
            _name(*document),
            generation_kwargs,
            lambda: to_chat(doc_to_messages(self._document(*document)), self._kinds),
        )


def _round(given: list[str], note: Any) -> dict[str, Any]:
    """What a task is told of the rounds before; nothing in the first one."""
    return {"round_idx": len(given), "previous_output": list(given), "previous_round_info": note} if given else {}


def _question_of(request: Instance) -> tuple[Any, ...]:
    """Context, `doc_to_visual`, document's id, task and split; the context alone where a request has no document."""
    context, _, *document = request.args
    return context, *document


def _name(*document: Any) -> str:
    return f"{document[1]}, document {document[0]}" if document else "a text without a document"
