# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about videos and images, answered by an exported model. As in `VideoChat`, all about one video share its prefill."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..processing.visual_questions import place_visuals
from ..video.limits import UntrustedInput, shorten
from .onnx_folder import ExportedFolder
from .onnx_language_model import OnnxLanguageModel
from .onnx_sessions import OnnxSessions
from .onnx_visuals import EncodedVideo, OnnxVisuals, VideoOptions, source_key
from .prompt_tokens import AnswerStream, PromptTokens
from .token_choice import GenerationSettings, TokenChoice


_MAX_NEW_TOKENS = 1024  # as in the pipeline
_Question = str | list[dict[str, Any]]


@dataclass(frozen=True)
class _Visual:
    """
    Args:
        kind (`str`): what it is, `"image"` or `"video"`.
        source: the video, a list of images, or an `EncodedVideo`.
        num_tokens (`int`): visual tokens of it.
    """

    kind: str
    source: Any
    num_tokens: int


class PromptTooLongError(ValueError):
    """A prompt has more tokens than the language model takes."""


class OnnxVideoChat:
    r"""
    Answers questions about videos and images with an exported model: with onnxruntime, NumPy, PyAV, tokenizers and jinja2, and without
    PyTorch and transformers. An answer is the one that the model gives in PyTorch.

    Args:
        folder (`str` or `os.PathLike`):
            What `mvgpt export-onnx` wrote.
        precision (`str`, *optional*):
            Of the language model: `"fp32"`, `"fp16"`, `"int8"` or `"q4"`. By default `"fp32"` if it is there, else the first of int8, q4
            and fp16 that is.
        providers (`str` or `Sequence[str]`, *optional*):
            What computes: `"cpu"`, the default, `"cuda"`, `"coreml"`, `"directml"`, `"nnapi"`, `"openvino"` or another name of
            onnxruntime's, if this build of it has it. There is no silent fallback.
        num_threads (`int`, *optional*):
            On the CPU; by default as many as it has cores.
        language_model (`str` or `os.PathLike`, *optional*):
            A GGUF file of `mvgpt export-gguf`, which llama.cpp computes instead of the exported decoder.
        untrusted_input ([`UntrustedInput`], *optional*):
            The limits on files and addresses.

    Raises:
        FileNotFoundError: if there is no such folder, or a file of it is missing.
        ValueError: if a file is damaged, or a provider is not available.

    Example:

    ```python
    >>> from transformers_mvgpt.runtime import OnnxVideoChat

    >>> chat = OnnxVideoChat("exported", precision="int8")
    >>> chat.ask("clip.mp4", "What is happening?", start_seconds=2, end_seconds=7.5)
    '...'
    >>> for piece in chat.stream("clip.mp4", "Who is in the video?"):
    ...     print(piece, end="", flush=True)
    ```"""

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        precision: str | None = None,
        providers: str | Sequence[str] | None = None,
        num_threads: int | None = None,
        language_model: str | os.PathLike | None = None,
        untrusted_input: UntrustedInput | None = None,
    ) -> None:
        self._folder = ExportedFolder(folder)
        self.precision = "" if language_model is not None else self._folder.choose_precision(precision)
        self._tokens = PromptTokens(self._folder)
        self._settings = GenerationSettings.from_config(
            self._folder.generation_config, shorten(str(self._folder.path / "generation_config.json"))
        )
        self._sessions = OnnxSessions(self._folder, providers, num_threads)
        self._visuals = OnnxVisuals(self._folder, self._sessions, untrusted_input)
        self._opened_language_model: Any = None
        if language_model is not None:
            if precision is not None:
                raise ValueError(
                    f"`precision` ({shorten(repr(precision))}) is of the exported decoder, and `language_model` stands in for it: leave one of "
                    "them out."
                )
            # its library is installed on few devices
            from .llama_cpp import LlamaCppLanguageModel

            self._opened_language_model = LlamaCppLanguageModel(
                language_model,
                text_config=self._folder.text_config,
                vocabulary=self._tokens.vocabulary(),
                num_threads=num_threads,
            )
        # what the last call has encoded, by what it was of
        self._encoded: list[tuple[Any, EncodedVideo]] = []
        # what the kept cache holds: ids, the visuals among them, the cache
        self._prefix: tuple[list[int], list[EncodedVideo], Any] | None = None

    def ask(
        self,
        video: Any,
        question: _Question,
        *,
        images: Sequence[Any] | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        num_frames: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        **template_variables: Any,
    ) -> str:
        r"""
        Answers a question. Each call stands for itself; to go on from earlier questions and answers, pass them as a chat. The last video
        is kept: another question about it does not decode and encode it again, unless it has changed since. An address is fetched each
        time, to see that; what [`encode`] returns is not.

        Args:
            video:
                A path, an address (`http:`, `https:`, `data:`, `file:`), the bytes of a file, a file opened in binary mode, a folder of
                frames (which Pillow reads), frames as an array (num_frames, height, width, 3) uint8, or what [`encode`] returned. With a
                model that takes images alone, an image or a list of images that are shown behind each other. `None` if there are only
                `images`.
            question (`str` or `list[dict]`):
                The question, or a chat of text messages that ends with it. The visuals are put in front of its first question.
            images (`Sequence`, *optional*):
                Images to show before the video, each a path, address, bytes, file or array (height, width, 3) uint8.
            start_seconds, end_seconds (`float`, *optional*):
                Segment of the video to look at.
            num_frames (`int`, *optional*):
                Frames to look at, with a model that takes different numbers of them.
            max_new_tokens (`int`, *optional*):
                Tokens of the answer at most. By default what the model's generation config says, or else 1024.
            temperature, top_p (`float`, *optional*):
                Draw the tokens of the answer. With neither, or at a temperature of 0, each is the likeliest, unless the model's generation
                config says otherwise.
            seed (`int`, *optional*):
                Of what is drawn; with the same one, the same answer.
            template_variables:
                Variables of the chat template, such as `think`.

        Returns:
            `str`: the answer, without special tokens.

        Raises:
            ValueError, OSError: if the question is empty, something cannot be read, an option does not fit, or the prompt is longer than
                the language model's context; the latter is said before anything is encoded.
        """
        return "".join(
            self.stream(
                video,
                question,
                images=images,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
                num_frames=num_frames,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                top_p=top_p,
                seed=seed,
                **template_variables,
            )
        )

    def stream(
        self,
        video: Any,
        question: _Question,
        *,
        images: Sequence[Any] | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        num_frames: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        **template_variables: Any,
    ) -> Iterator[str]:
        """As [`ask`], but the answer comes in pieces, as it is made. No piece has half a character."""
        visuals = self._resolve(video, images, VideoOptions(start_seconds, end_seconds, num_frames))
        [prompt] = self._encode_prompts([question], visuals, template_variables)
        settings = self._settings.with_options(temperature, top_p)
        limit = self._num_new_tokens([prompt], settings, max_new_tokens)
        choices = [TokenChoice(settings, prompt, seed)]
        encoded = self._encode_all(visuals, VideoOptions(start_seconds, end_seconds, num_frames))
        stream = AnswerStream(self._tokens)
        for tokens in self._generate([prompt], encoded, choices, settings, limit):
            if piece := stream.put(tokens[0]):
                yield piece
        if piece := stream.finish():
            yield piece

    def ask_many(
        self,
        video: Any,
        questions: Sequence[_Question],
        *,
        images: Sequence[Any] | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        num_frames: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        batch_size: int = 8,
        **template_variables: Any,
    ) -> list[str]:
        """
        As [`ask`], of several questions about one video, `batch_size` of which are answered together. The keys and values of the video
        are there as often.
        """
        if isinstance(questions, str) or not isinstance(questions, Sequence):
            raise ValueError(
                f"`questions` must be a list of questions, got {type(questions).__name__} {shorten(repr(questions))}."
            )
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"`batch_size` ({shorten(repr(batch_size))}) must be a whole number of at least 1.")
        if not questions:
            return []
        options = VideoOptions(start_seconds, end_seconds, num_frames)
        visuals = self._resolve(video, images, options)
        prompts = self._encode_prompts(questions, visuals, template_variables)
        settings = self._settings.with_options(temperature, top_p)
        limit = self._num_new_tokens(prompts, settings, max_new_tokens)
        encoded = self._encode_all(visuals, options)
        answers = [""] * len(prompts)
        for numbers in self._batches(prompts, batch_size):
            group = [prompts[number] for number in numbers]
            choices = [TokenChoice(settings, prompt, seed) for prompt in group]
            ids: list[list[int]] = [[] for _ in group]
            for tokens in self._generate(group, encoded, choices, settings, limit):
                for row, token in tokens.items():
                    ids[row].append(token)
            for number, answer_ids in zip(numbers, ids, strict=True):
                answers[number] = self._tokens.decode_answer(answer_ids)
        return answers

    def encode(
        self,
        video: Any,
        *,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        num_frames: int | None = None,
    ) -> EncodedVideo:
        """
        What [`ask`] takes in the place of a video, so that it is decoded and encoded once: visual tokens, and of a model that selects
        frames their scores and which were selected.
        """
        options = VideoOptions(start_seconds, end_seconds, num_frames)
        [encoded] = self._encode_all(self._resolve(video, None, options), options)
        return encoded

    def check_selects_frames(self, option: str) -> None:
        """
        Raises:
            ValueError: if the model selects no frames, so that `option` means nothing.
        """
        family = self._folder.family
        if not family.selects_frames:
            raise ValueError(f"{family.name} selects no frames, it looks at all that it is given: leave {option} out.")

    @property
    def _language_model(self) -> Any:
        if self._opened_language_model is None:
            self._opened_language_model = OnnxLanguageModel(self._folder, self._sessions, self.precision)
        return self._opened_language_model

    def _resolve(self, video: Any, images: Sequence[Any] | None, options: VideoOptions) -> list[_Visual]:
        """The visuals of a question in their order, and how many tokens each will have. Nothing is read yet."""
        if isinstance(images, (str, bytes, os.PathLike, np.ndarray)):
            raise ValueError(f"`images` must be a list of images, got {type(images).__name__}: put it into a list.")
        takes_videos = "video" in self._folder.family.placeholders
        visuals = [self._image(image) for image in images or ()]
        given = options.given()
        if isinstance(video, EncodedVideo):
            if given:
                raise ValueError(
                    f"{', '.join(map(repr, given))} cannot be applied to a video that is encoded already: give the options to `encode`."
                )
            self._check_encoded(video)
            visuals.append(_Visual(video.modality, video, len(video.features)))
        elif video is not None and not takes_videos:
            if given:
                raise ValueError(
                    f"{self._folder.family.name} takes images, no videos: leave {', '.join(map(repr, given))} out."
                )
            visuals.append(self._image(video))
        elif video is not None:
            visuals.append(_Visual("video", video, self._visuals.num_tokens("video")))
        elif given:
            raise ValueError(f"There is no video for {', '.join(map(repr, given))}: leave it out.")
        if not visuals:
            raise ValueError("No video or image was given: pass one.")
        return visuals

    def _image(self, image: Any) -> _Visual:
        several = list(image) if isinstance(image, (list, tuple)) else [image]
        placeholders = self._folder.family.placeholders
        if len(several) != 1 and "video" in placeholders:
            raise ValueError(f"An image was expected, got a list of {len(several)}: pass each for itself.")
        if not several:
            raise ValueError("No image was given: the list of them is empty.")
        modality = "image" if "image" in placeholders else "video"
        return _Visual("image", several, self._visuals.num_tokens(modality, len(several)))

    def _check_encoded(self, encoded: EncodedVideo) -> None:
        placeholders, shape = self._folder.family.placeholders, np.shape(encoded.features)
        expected = self._folder.num_tokens.get(encoded.modality)
        is_multiple = expected is not None and len(shape) == 2 and shape[0] > 0 and shape[0] % expected == 0
        is_one = shape[:1] == (expected,) or placeholders.keys() == {"image"}
        if not (is_multiple and is_one and shape[1] == self._folder.hidden_size):
            raise ValueError(
                f"The encoded {encoded.modality} has visual tokens of shape {shape}, but one {encoded.modality} of this model has "
                f"{(expected, self._folder.hidden_size)}: encode it with this model."
            )

    def _encode_prompts(
        self, questions: Sequence[_Question], visuals: Sequence[_Visual], variables: dict[str, Any]
    ) -> list[list[int]]:
        self._tokens.check_variables(variables)
        placeholders = self._folder.family.placeholders
        sizes: dict[str, list[int]] = {modality: [] for modality in placeholders}
        for visual in visuals:
            sizes[visual.kind if visual.kind in placeholders else "video"].append(visual.num_tokens)
        kinds = [visual.kind for visual in visuals]
        prompts = []
        for question in questions:
            ids = self._tokens.encode_chat(place_visuals(question, kinds, "OnnxVideoChat"), sizes, variables)
            if len(ids) > self._folder.context_length:
                raise PromptTooLongError(
                    f"The prompt has {len(ids)} tokens, the language model takes at most {self._folder.context_length} "
                    "(`text_config.max_position_embeddings`): pass fewer visuals, or less text. "
                    f"{' and '.join(f'The {visual.kind} takes {visual.num_tokens}' for visual in visuals[-1:])}."
                )
            prompts.append(ids)
        return prompts

    def _num_new_tokens(
        self, prompts: Sequence[Sequence[int]], settings: GenerationSettings, max_new_tokens: int | None
    ) -> list[int]:
        """How many tokens the answer to each prompt may have."""
        is_number = isinstance(max_new_tokens, int) and not isinstance(max_new_tokens, bool)
        if max_new_tokens is not None and not (is_number and max_new_tokens >= 1):
            raise ValueError(
                f"`max_new_tokens` ({shorten(repr(max_new_tokens))}) must be a whole number of at least 1."
            )
        limits = []
        for prompt in prompts:
            wanted = max_new_tokens or settings.max_new_tokens
            if wanted is None:
                wanted = _MAX_NEW_TOKENS if settings.max_length is None else max(1, settings.max_length - len(prompt))
            # the last token is not read any more
            limits.append(min(wanted, self._folder.context_length - len(prompt) + 1))
        return limits

    def _encode_all(self, visuals: Sequence[_Visual], options: VideoOptions) -> list[EncodedVideo]:
        """The visuals, encoded. Those of the last call are taken from there."""
        kept: list[tuple[Any, EncodedVideo]] = []
        for visual in visuals:
            if isinstance(visual.source, EncodedVideo):
                kept.append((None, visual.source))
                continue
            sources = visual.source if visual.kind == "image" else [visual.source]
            # what is behind an address may have changed
            sources = [self._visuals.fetch(source, visual.kind) for source in sources]
            keys = [source_key(source) for source in sources]
            key = None if None in keys else (visual.kind, keys, options)
            encoded = None if key is None else next((known for other, known in self._encoded if other == key), None)
            if encoded is None and visual.kind == "image":
                encoded = self._visuals.encode_images(sources)
            elif encoded is None:
                encoded = self._visuals.encode_video(sources[0], options)
            kept.append((key, encoded))
        for _, encoded in kept:
            self._check_encoded(encoded)
        self._encoded = [(key, encoded) for key, encoded in kept if key is not None]
        return [encoded for _, encoded in kept]

    def _batches(self, prompts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
        """Numbers of prompts that are answered together: those that begin alike."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, prompt in enumerate(prompts):
            groups.setdefault(tuple(prompt[: self._prefix_length(prompt)]), []).append(number)
        for numbers in groups.values():
            for start in range(0, len(numbers), batch_size):
                yield numbers[start : start + batch_size]

    def _prefix_length(self, ids: Sequence[int]) -> int:
        """How many ids there are up to the last visual token."""
        return int(np.flatnonzero(np.isin(ids, list(self._tokens.placeholder_ids.values())))[-1]) + 1

    def _generate(
        self,
        prompts: Sequence[list[int]],
        encoded: list[EncodedVideo],
        choices: Sequence[TokenChoice],
        settings: GenerationSettings,
        limits: Sequence[int],
    ) -> Iterator[dict[int, int]]:
        """The next token of each row whose answer goes on, step by step. The prompts begin alike, up to the last visual token."""
        length = self._prefix_length(prompts[0])
        prefix = self._prefill(prompts[0][:length], encoded)
        model = self._language_model
        logits, cache = model.extend(prefix, [model.embed(prompt[length:]) for prompt in prompts])
        tokens = np.zeros(len(prompts), dtype=np.int64)
        going_on = set(range(len(prompts)))
        for number in range(max(limits)):
            chosen = {row: choices[row](logits[row]) for row in sorted(going_on)}
            yield chosen
            for row, token in chosen.items():
                tokens[row] = token
                if token in settings.eos_token_ids or number + 1 >= limits[row]:
                    going_on.discard(row)
            if not going_on:
                return
            logits, cache = model.step(cache, tokens)

    def _prefill(self, ids: list[int], encoded: list[EncodedVideo]) -> Any:
        """The cache of a prompt up to its last visual token, which all questions share."""
        if self._prefix is not None:
            known_ids, known, cache = self._prefix
            is_same = len(known) == len(encoded) and all(a is b for a, b in zip(known, encoded, strict=True))
            if is_same and known_ids == ids:
                return cache
        # before there is another one
        self._prefix = None
        is_visual = np.isin(ids, list(self._tokens.placeholder_ids.values()))
        model = self._language_model
        embeds = np.array(model.embed(np.where(is_visual, 0, ids)))
        embeds[is_visual] = np.concatenate([visual.features for visual in encoded])
        _, cache = model.extend(None, [embeds])
        self._prefix = (ids, encoded, cache)
        return cache
