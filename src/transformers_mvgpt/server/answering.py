# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A chat and its visuals to an answer, with the model: one at a time."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import BatchFeature, PreTrainedModel
from transformers.generation import StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..chat.answer_text import AnswerText, StopsWhen
from ..modeling.generation_inputs import context_length
from ..processing.out_of_memory import explain_out_of_memory, what_to_lower
from ..processing.pipeline_answers import describe_frames
from ..processing.vision_language_processor import VisionLanguageProcessor
from ..video.limits import shorten
from .chat_cache import EncodedVisual, encode
from .request_errors import RequestError
from .request_schema import ChatRequest
from .sampling import sampling_options, seeded


DEFAULT_MAX_TOKENS = 1024  # as in the pipeline
# A text of more characters for each token of the context is not even tokenized.
_MAX_CHARACTERS_PER_TOKEN = 64


@dataclass(frozen=True)
class PreparedChat:
    """
    Args:
        request ([`ChatRequest`]): What is asked, without its visuals, whose addresses may be long.
        prompt_ids (`list[int]`): The prompt with all visual tokens.
        max_new_tokens (`int`): Longest answer.
    """

    request: ChatRequest
    prompt_ids: list[int]
    max_new_tokens: int


@dataclass(frozen=True)
class Answer:
    """
    Args:
        text (`str`): The answer.
        finish_reason (`str`): `"stop"`, or `"length"` where it was cut off.
        num_prompt_tokens (`int`), num_answer_tokens (`int`): Tokens of both.
        selected_frames (`list[dict]`, *optional*): As the pipeline describes them.
    """

    text: str
    finish_reason: str
    num_prompt_tokens: int
    num_answer_tokens: int
    selected_frames: list[dict[str, Any]] | None = None


class Answerer:
    """
    Args:
        model ([`VisionLanguageForConditionalGeneration`]): The model.
        processor ([`VisionLanguageProcessor`]): Its processor.
    """

    def __init__(self, model: PreTrainedModel, processor: VisionLanguageProcessor) -> None:
        self.model, self.processor = model, processor
        self.selects_frames = hasattr(model.config, "num_selected_frames")
        self.context_length = context_length(model.config)
        eos = model.generation_config.eos_token_id
        self.eos_token_ids = {eos} if isinstance(eos, int) else set(eos or ())

    def prepare(self, request: ChatRequest) -> PreparedChat:
        """
        Makes the prompt. It needs no visual, and not the model's turn.

        Raises:
            RequestError: if the chat template refuses the chat, or the prompt is too long.
        """
        if request.selected_frames and not self.selects_frames:
            raise RequestError(
                f"`selected_frames`: a {type(self.model).__name__} selects no frames, it looks at all that it is given. Leave it out.",
                "selected_frames",
            )
        if unknown := sorted(request.template_variables.keys() - self.processor.chat_variables()):
            name = f"chat_template_kwargs.{shorten(unknown[0])}"
            raise RequestError(f"`{name}`: the chat template has no such variable. Leave it out.", name)
        num_characters = sum(map(_num_characters, request.messages))
        if num_characters > _MAX_CHARACTERS_PER_TOKEN * self.context_length:
            raise self._too_long(f"{num_characters:,} characters")
        try:
            ids = self.processor.encode_chat(request.messages, **request.template_variables)
        except ValueError as error:
            raise RequestError(f"`messages`: {' '.join(str(error).split())}", "messages") from error
        request = dataclasses.replace(request, visuals=[])
        room = self.context_length - len(ids)
        if room < 1:
            raise self._too_long(f"{len(ids):,} tokens with its videos and images")
        if request.max_tokens is None:
            default = self.model.generation_config.max_new_tokens or DEFAULT_MAX_TOKENS
            return PreparedChat(request, ids, min(default, room))
        if request.max_tokens > room:
            name = request.max_tokens_field
            raise RequestError(
                f"`{name}` ({request.max_tokens}) is more than the {room} tokens that are left of the context of "
                f"{self.context_length} behind a prompt of {len(ids)}: lower it, or leave it out.",
                name,
                code="context_length_exceeded",
            )
        return PreparedChat(request, ids, request.max_tokens)

    def encode(self, modality: str, read: BatchFeature) -> EncodedVisual:
        """
        Raises:
            torch.OutOfMemoryError: if memory does not suffice.
        """
        with explain_out_of_memory(lambda: f"Out of memory while the {modality} was encoded: send fewer frames."):
            return encode(self.model, self.processor, modality, read)

    def answer(
        self,
        prepared: PreparedChat,
        visuals: Sequence[EncodedVisual],
        on_text: Callable[[str], None],
        is_cancelled: Callable[[], bool],
    ) -> Answer:
        """
        Args:
            prepared ([`PreparedChat`]): The chat.
            visuals (`Sequence[EncodedVisual]`): What stands behind its placeholders.
            on_text (`Callable[[str], None]`): Is called with each piece of the answer.
            is_cancelled (`Callable[[], bool]`): Is asked after each token whether nobody waits for the answer any more.

        Raises:
            torch.OutOfMemoryError: if memory does not suffice.
        """
        request = prepared.request
        text = AnswerText(self.processor, request.stop, on_text)
        options = {
            **sampling_options(request, len(prepared.prompt_ids), self.model.generation_config),
            "max_new_tokens": prepared.max_new_tokens,
            "streamer": text,
            "stopping_criteria": StoppingCriteriaList([StopsWhen(lambda: text.is_stopped or is_cancelled())]),
        }
        input_ids = torch.tensor([prepared.prompt_ids], device=self.model.device)
        with (
            seeded(request.seed, self.model.device),
            explain_out_of_memory(lambda: what_to_lower(self.model, input_ids, {})),
        ):
            if (chat := _chat_for(request, visuals)) is not None:
                messages, video_chat = chat
                video_chat.ask(messages, **options, **request.template_variables)
            else:
                self.model.generate(
                    input_ids=input_ids,
                    attention_mask=torch.ones_like(input_ids),
                    mm_encoder_outputs=_joined(visuals),
                    **options,
                )
        is_whole = text.is_stopped or text.token_ids[-1:] and text.token_ids[-1] in self.eos_token_ids
        return Answer(
            text.whole(),
            "stop" if is_whole else "length",
            len(prepared.prompt_ids),
            len(text.token_ids),
            self._selected_frames(visuals) if request.selected_frames else None,
        )

    def _selected_frames(self, visuals: Sequence[EncodedVisual]) -> list[dict[str, Any]]:
        videos = [visual for visual in visuals if visual.modality == "video"]
        return [
            frame
            for number, visual in enumerate(videos)
            for frame in describe_frames(
                number,
                visual.metadata,
                visual.features.selected_frames[0].tolist(),
                visual.features.frame_scores[0].tolist(),
            )
        ]

    def _too_long(self, what: str) -> RequestError:
        return RequestError(
            f"`messages` has {what}, and the context of this model {self.context_length:,} tokens: send less.",
            "messages",
            code="context_length_exceeded",
        )


def _num_characters(message: dict[str, Any]) -> int:
    content = message["content"]
    return len(content) if isinstance(content, str) else sum(len(part.get("text", "")) for part in content)


def _chat_for(request: ChatRequest, visuals: Sequence[EncodedVisual]) -> tuple[list[dict[str, Any]], Any] | None:
    """
    The chat as texts, and the [`VideoChat`] that answers it: of one visual, where it stands where a `VideoChat` puts it, in front of
    the first question.
    """
    if len(visuals) != 1 or visuals[0].chat is None:
        return None
    messages = [
        {"role": message["role"], "content": [*message["content"]]}
        if isinstance(message["content"], list)
        else message
        for message in request.messages
    ]
    first = next(message for message in messages if message["role"] == "user")
    content = first["content"]
    if isinstance(content, str) or content[0]["type"] == "text":
        return None
    content.pop(0)
    return messages, visuals[0].chat


def _joined(visuals: Sequence[EncodedVisual]) -> dict[str, BaseModelOutputWithPooling]:
    """By modality, those of all visuals one after the other."""
    outputs = {}
    for modality in {visual.modality for visual in visuals}:
        tokens: list[Any] = [visual.features.pooler_output for visual in visuals if visual.modality == modality]
        outputs[modality] = BaseModelOutputWithPooling(pooler_output=torch.cat(tokens))
    return outputs
