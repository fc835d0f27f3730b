# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The pipeline `video-text-to-text`: from a video file and a question to an answer."""

import inspect
import os
from collections.abc import Collection, Mapping, Sized
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import GenerationConfig, GenerationMixin, Pipeline
from transformers.utils.chat_template_utils import Chat
from transformers.video_utils import VideoMetadata

from ..compat.pipeline_options import GenerateOptions
from ..video.error_text import describe_error
from ..video.limits import shorten
from .out_of_memory import explain_out_of_memory, what_to_lower
from .pipeline_answers import describe_frames, describe_selection, make_records
from .pipeline_inputs import make_samples, refuse_unknown
from .pipeline_samples import parse_sample
from .pipeline_workers import ReadSamples, UnreadSample, make_loader


_GENERATE_OPTIONS = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
_GENERATE_OPTIONS |= set(inspect.signature(GenerationMixin.generate).parameters) - {"self", "inputs", "kwargs"}
# what the base class takes at a call
_OF_LISTS = ("batch_size", "num_workers")


class VideoTextToTextPipeline(Pipeline, GenerateOptions):
    r"""
    Answers questions about videos (and images).

    Example:

    ```python
    >>> import transformers_mvgpt
    >>> from transformers import pipeline

    >>> pipe = pipeline("video-text-to-text", model="Amshaker/Mobile-VideoGPT-0.5B")
    >>> pipe("clip.mp4", text="What is happening?")
    [{'generated_text': '...'}]
    >>> pipe("clip.mp4", text="What is happening?", start_seconds=2, end_seconds=7.5, return_selected_frames=True)
    [{'generated_text': '...', 'selected_frames': [{'video': 0, 'index': 60, 'seconds': 2.0, 'score': 201.3}, ...]}]
    ```

    Unless the model's generation config or the call says otherwise, up to 1024 tokens are generated.
    """

    _load_processor = True
    _load_tokenizer = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = False
    _pipeline_calls_generate = True
    _default_generation_config = GenerationConfig(max_new_tokens=1024)

    def _sanitize_parameters(
        self,
        generate_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        stop_sequence: str | list[str] | None = None,
        continue_final_message: bool | None = None,
        raw_prompt: bool | None = None,
        return_full_text: bool | None = None,
        return_tensors: bool | None = None,
        return_selected_frames: bool | None = None,
        frame_selection: str | None = None,
        on_error: str | None = None,
        skip_special_tokens: bool | None = None,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        generate_kwargs, processor_kwargs = dict(generate_kwargs or {}), dict(processor_kwargs or {})
        if stop_sequence is not None:
            kwargs["stop_strings"] = stop_sequence
        for name, value in kwargs.items():
            # the processor refuses what it does not know
            options, where = (
                (generate_kwargs, "generate_kwargs")
                if name in _GENERATE_OPTIONS
                else (processor_kwargs, "processor_kwargs")
            )
            if name in options:
                raise ValueError(f"{name!r} is given twice, in `{where}` and as an argument: use one of them.")
            options[name] = value
        if return_full_text is not None and return_tensors is not None:
            raise ValueError("`return_full_text` and `return_tensors` exclude each other: pass one of them.")
        if return_selected_frames and not hasattr(self.model.config, "num_selected_frames"):
            raise ValueError(
                f"A {type(self.model).__name__} selects no frames, it looks at all that it is given: leave `return_selected_frames` out."
            )

        if frame_selection is not None:
            self.model.check_frame_selection(frame_selection)

        if on_error not in (None, "raise", "return"):
            raise ValueError(f"`on_error` ({shorten(repr(on_error))}) must be 'raise' or 'return'.")

        preprocess = {
            **processor_kwargs,
            **_given(continue_final_message=continue_final_message, raw_prompt=raw_prompt, on_error=on_error),
        }
        choice = _given(return_selected_frames=return_selected_frames, frame_selection=frame_selection)
        forward = {**generate_kwargs, **choice}
        postprocess = _given(
            return_tensors=return_tensors,
            return_full_text=return_full_text,
            skip_special_tokens=skip_special_tokens,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )
        return preprocess, forward, postprocess

    def __call__(self, videos: Any = None, text: Any = None, images: Any = None, **kwargs):
        r"""
        Answers a question about a video, or one question about each of several. Chats (lists of messages) and
        dictionaries with the keys `"text"`, `"video"` or `"videos"`, `"image"` or `"images"` hold all that belongs to a
        question: one of them, or a list, generator or dataset of them, is then the only input.

        A table, which is a dataset of `datasets`, a data frame or an Arrow table, has its questions in a column `text`, `question` or
        `messages`, unless `text` is one for all rows, and its visuals in `video`, `videos`, `image` or `images`; `start_seconds` and
        `end_seconds` are a segment for each row. Other columns are left alone. A table in memory gives a list.

        Args:
            videos:
                A video in any form that the processor takes (path, URL, folder of frames, `bytes`, file object, array, list of frames,
                `{"bytes", "path"}` or `VideoDecoder` of `datasets`), a list or column of them, a generator or dataset of them, or a table.
            text (`str` or `list[str]`):
                The question, or one for each video.
            images:
                An image (path, URL, PIL image, ...) or a list or column with one for each text.
            generate_kwargs (`dict`, *optional*):
                Arguments of `generate`; they (`max_new_tokens`, `streamer`, ...) may also be given directly.
            processor_kwargs (`dict`, *optional*):
                Options of the processor, and variables of its chat template; they (`start_seconds`, `num_frames`, ...) may also be
                given directly.
            stop_sequence (`str` or `list[str]`, *optional*):
                Text that ends the answer.
            continue_final_message (`bool`, *optional*):
                Whether the answer continues the last message. By default it does if that is the assistant's.
            raw_prompt (`bool`, *optional*):
                Take each text as a complete prompt, with `<|video_pad|>` or `<|image_pad|>` where its visuals belong; and in chats,
                control tokens as control tokens. Without it, a question that holds such tokens is about these characters.
            return_selected_frames (`bool`, *optional*):
                Also say which frames the video encoder looked at: index in the video, time in seconds, score. Beside them,
                `frame_selections` has all frames that were sampled of each video, which is what [`plot_frame_selection`] draws.
            frame_selection (`str`, *optional*):
                How these frames are chosen, as for `get_video_features`: `"scores"`, `"uniform"` or `"rarest"`. By default as the
                model's config says.
            on_error (`str`, *optional*, defaults to `"raise"`):
                What becomes of a sample that cannot be read or prepared, such as a damaged video. `"return"` gives `[{"error": ...}]` in
                its place, what is wrong in one line, and the other samples, also those of its batch, are answered as ever. An error in
                generation, such as memory that runs out, is no property of a sample and is raised; so is one in a generator, which it ends.
            return_full_text (`bool`, *optional*):
                Whether the prompt stands in front of the answer. By default it does for chats: the result is the chat
                with the assistant's message.
            return_tensors (`bool`, *optional*):
                Return `generated_token_ids` instead of text, those of the prompt included.
            skip_special_tokens, clean_up_tokenization_spaces (`bool`, *optional*):
                How the tokenizer decodes the answer.
            batch_size, num_workers (`int`, *optional*):
                For lists, generators and datasets: how many are answered together, and how many processes decode (threads,
                with a `device`). A generator is read as its answers are taken, at most `batch_size * (2 * num_workers + 1)`
                videos ahead.
            device (`str` or `torch.device`, *optional*):
                Where frames are resized and normalized, such as `"cuda"`; by default on the CPU.

        Returns:
            `list[dict]` with one entry per sequence generated, `{"generated_text": ...}`, or with one `{"error": ...}`; a list of
            such lists for a list of inputs, an iterator over them for generators and datasets.

        Raises:
            ValueError: if numbers of videos, images and texts differ, there is no question, or on an unknown option.
            torch.OutOfMemoryError: if memory does not suffice; says what to lower.
        """
        self._refuse_unknown(kwargs)
        on_error = kwargs.get("on_error") or self._preprocess_params.get("on_error")
        samples = make_samples(videos, text, images, skips_errors=on_error == "return")
        if isinstance(samples, list) and not samples:
            return []
        if isinstance(samples, Dataset) and isinstance(samples, Sized):
            samples = ReadSamples(samples)
        return super().__call__(samples, **kwargs)

    def _refuse_unknown(self, names: Collection[str]) -> None:
        of_calls = (type(self).__call__, self._sanitize_parameters, type(self).__init__, Pipeline.__init__)
        known = {name for function in of_calls for name in inspect.signature(function).parameters}
        refuse_unknown(
            names,
            {
                *known,
                *_GENERATE_OPTIONS,
                *_OF_LISTS,
                *self.processor.known_options(),
                *self.processor.chat_variables(),
            }
            - {"self", "kwargs"},
            takes_videos="video" in self.processor.placeholders,
        )

    def preprocess(self, inputs: Any, on_error: str = "raise", **options: Any) -> dict[str, Any]:
        try:
            if isinstance(inputs, UnreadSample):
                raise inputs.error
            return self._prepare(inputs, **options)
        except Exception as error:
            if on_error == "raise":
                raise
            names = ("sample", "prompt", "continue_final_message", "video_metadata")
            return {**dict.fromkeys(names), "error": describe_error(error)}

    def _prepare(
        self,
        inputs: Any,
        continue_final_message: bool | None = None,
        raw_prompt: bool = False,
        **processor_kwargs,
    ) -> dict[str, Any]:
        """The model's inputs of a sample, and what the answer will need."""
        options = processor_kwargs | ({"return_metadata": True} if hasattr(self.processor, "video_processor") else {})
        modalities = self.processor.placeholders
        prompt, images, videos = parse_sample(inputs, modalities)
        if isinstance(prompt, Chat):
            messages = prompt.messages
        else:
            if videos and "image" in modalities and "video" not in modalities:
                raise ValueError(
                    "This model takes images, and a video was given, as which the first argument counts: pass images, or frames of "
                    "the video, as `images=`."
                )
            content = [{"type": "image", "image": image} for image in images]
            content += [{"type": "video", "video": video} for video in videos]
            messages = [{"role": "user", "content": [*content, {"type": "text", "text": prompt}]}]

        if continue_final_message is None:
            last = messages[-1] if messages else None
            continue_final_message = isinstance(last, Mapping) and last.get("role") == "assistant"
        if isinstance(prompt, str) and raw_prompt:
            visuals = {"images": images or None, "videos": [videos] if videos else None}
            sample = self.processor(text=prompt, **visuals, **{**options, "return_tensors": "pt"})
        else:
            variables = self.processor.chat_variables() - self.processor.known_options()
            sample = self.processor.apply_chat_template(
                messages,
                **{name: options.pop(name) for name in variables & options.keys()},
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                add_generation_prompt=not continue_final_message,
                continue_final_message=continue_final_message,
                processor_kwargs=options,
                raw_prompt=raw_prompt,
            )
        self.model.check_prompt_length(sample["input_ids"])  # generation would fail for all of its batch
        metadata = sample.pop("video_metadata", [])
        return {
            "sample": sample.to(dtype=self.dtype),  # nested: samples with and without visuals are collated as lists
            "prompt": prompt,
            "continue_final_message": continue_final_message,
            "video_metadata": metadata,
            "error": None,
        }

    def _forward(
        self,
        model_inputs: dict[str, Any],
        return_selected_frames: bool = False,
        frame_selection: str | None = None,
        **generate_kwargs,
    ) -> dict[str, Any]:
        is_batch = isinstance(model_inputs["sample"], list)
        if not is_batch:
            model_inputs = {name: [value] for name, value in model_inputs.items()}
        # a list with an entry for each sample, None where there is no answer
        outputs = {
            **{name: model_inputs[name] for name in ("prompt", "continue_final_message", "error")},
            **{name: [None] * len(model_inputs["sample"]) for name in ("prompt_ids", "new_ids", "selected_frames")},
        }
        prepared = [number for number, error in enumerate(outputs["error"]) if error is None]
        if prepared:
            samples = [model_inputs["sample"][number] for number in prepared]
            metadata = [model_inputs["video_metadata"][number] for number in prepared]
            if frame_selection is not None:
                generate_kwargs["frame_selection"] = frame_selection
            new_ids, selections = self._generate(samples, metadata, return_selected_frames, generate_kwargs)
            for number, sample, ids, frames in zip(prepared, samples, new_ids, selections, strict=True):
                outputs["prompt_ids"][number] = sample["input_ids"]  # (1, prompt length)
                outputs["new_ids"][number] = ids
                outputs["selected_frames"][number] = frames
        return outputs if is_batch else {name: values[0] for name, values in outputs.items()}

    def _generate(
        self,
        samples: list[Mapping[str, torch.Tensor]],
        metadata: list[list[VideoMetadata]],
        return_selected_frames: bool,
        generate_kwargs: dict[str, Any],
    ) -> tuple[list[torch.Tensor], list[Any]]:
        """The new tokens of each sample, (sequences, length), and what is said of its frames, None unless it is wanted."""
        batch = self._collate(samples)
        selections: list[Any] = [None] * len(samples)
        options = {"tokenizer": self.processor.tokenizer, **generate_kwargs}  # which stop strings need
        with explain_out_of_memory(lambda: what_to_lower(self.model, batch["input_ids"], generate_kwargs)):
            if return_selected_frames:
                selections = self._select_frames(batch, metadata, options.pop("frame_selection", None))
            generated = self.model.generate(**batch, **self._prepare_generate_kwargs(options))
        sequences = generated if isinstance(generated, torch.Tensor) else generated.sequences
        new_ids = sequences[:, batch["input_ids"].shape[1] :].unflatten(0, (len(samples), -1))
        return list(new_ids), selections

    def get_iterator(
        self, inputs: Any, num_workers: int, batch_size: int, preprocess_params, forward_params, postprocess_params
    ):
        """As the base class, but with the workers of [`make_loader`]."""
        steps = (preprocess_params, forward_params, postprocess_params)
        if num_workers == 0:
            return super().get_iterator(inputs, num_workers, batch_size, *steps)
        results = super().get_iterator(inputs, 0, batch_size, *steps)
        results.loader.loader = make_loader(
            inputs, self.preprocess, preprocess_params, num_workers, batch_size, results.loader.loader.collate_fn
        )
        return results

    def _collate(self, samples: list[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Prompts padded on the left; images and videos of all samples one after the other."""
        batch = {}
        for name, padding in (("input_ids", self.tokenizer.pad_token_id or 0), ("attention_mask", 0)):
            rows = [sample[name][0] for sample in samples]
            batch[name] = pad_sequence(rows, batch_first=True, padding_value=padding, padding_side="left")
        if images := [image for sample in samples for image in sample.get("pixel_values", ())]:
            batch["pixel_values"] = torch.stack(images)
        if (video_processor := getattr(self.processor, "video_processor", None)) is not None:
            batch |= video_processor.join(samples)
        return batch

    def _select_frames(
        self, batch: dict[str, Any], metadata: list[list[VideoMetadata]], frame_selection: str | None
    ) -> list[dict[str, Any]]:
        """What the records say of the frames of each sample. Puts encoded videos into the batch instead of pixels."""
        video_processor = getattr(self.processor, "video_processor", None)
        streams = {} if video_processor is None else video_processor.video_inputs(batch)
        if not streams:
            return [{"selected_frames": [], "frame_selections": []} for _ in metadata]
        for name in streams:
            del batch[name]
        if frame_selection is not None:
            streams["frame_selection"] = frame_selection
        features = self.model.get_video_features(**streams, return_dict=True)
        batch["mm_encoder_outputs"] = {"video": features}
        config = self.model.config
        how = (config.frames_per_chunk, config.resolve_frame_selection(frame_selection))
        scored = zip(features.selected_frames.tolist(), features.frame_scores.tolist(), strict=True)
        described = []
        for videos in metadata:
            of_sample = [(number, video, *next(scored)) for number, video in enumerate(videos)]
            described.append(
                {
                    "selected_frames": [frame for video in of_sample for frame in describe_frames(*video)],
                    "frame_selections": [describe_selection(*video, *how) for _, *video in of_sample],
                }
            )
        return described

    def postprocess(self, model_outputs: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        return make_records(model_outputs, self.processor, **options)

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs) -> None:
        """Saves the model and the processor, which the method of the base class forgets."""
        self.model.save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory, **kwargs)


def _given(**options: Any) -> dict[str, Any]:
    """Without those left out, which must not hide what was given when the pipeline was made."""
    return {name: value for name, value in options.items() if value is not None}


__all__ = ["VideoTextToTextPipeline"]
