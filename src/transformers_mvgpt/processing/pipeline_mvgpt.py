# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The pipeline `video-text-to-text`: from a video file and a question to an answer."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import Dataset
from transformers import GenerationConfig, Pipeline
from transformers.pipelines.any_to_any import ReturnType
from transformers.utils.chat_template_utils import Chat, is_valid_message

from .video_inputs_mvgpt import flatten_videos, is_single_video


_GENERATION_OPTIONS = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
_GENERATE_ARGUMENTS = {"generation_config", "streamer", "logits_processor", "stopping_criteria", "assistant_model"}


class VideoTextToTextPipeline(Pipeline):
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
        generate_kwargs: dict | None = None,
        processor_kwargs: dict | None = None,
        stop_sequence: str | list[str] | None = None,
        continue_final_message: bool | None = None,
        return_full_text: bool | None = None,
        return_tensors: bool | None = None,
        return_type: ReturnType | None = None,
        return_selected_frames: bool | None = None,
        skip_special_tokens: bool | None = None,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        generate_kwargs, processor_kwargs = dict(generate_kwargs or {}), dict(processor_kwargs or {})
        for name, value in kwargs.items():
            if name in _GENERATION_OPTIONS | _GENERATE_ARGUMENTS:
                if name in generate_kwargs:
                    raise ValueError(
                        f"{name!r} is given twice, in `generate_kwargs` and as an argument: use one of them."
                    )
                generate_kwargs[name] = value
            else:
                processor_kwargs[name] = value  # which refuses what it does not know
        if stop_sequence is not None:
            generate_kwargs["stop_strings"] = [stop_sequence] if isinstance(stop_sequence, str) else stop_sequence
            generate_kwargs["tokenizer"] = self.processor.tokenizer
        if return_full_text is not None and return_tensors is not None:
            raise ValueError("`return_full_text` and `return_tensors` exclude each other: pass one of them.")
        if return_type is None and return_tensors:
            return_type = ReturnType.TENSORS
        if return_type is None and return_full_text is not None:
            return_type = ReturnType.FULL_TEXT if return_full_text else ReturnType.NEW_TEXT

        preprocess = {"processor_kwargs": processor_kwargs or None, "continue_final_message": continue_final_message}
        forward = {"generate_kwargs": generate_kwargs or None, "return_selected_frames": return_selected_frames}
        postprocess = {
            "return_type": return_type,
            "continue_final_message": continue_final_message,
            "skip_special_tokens": skip_special_tokens,
            "clean_up_tokenization_spaces": clean_up_tokenization_spaces,
        }
        # options left out must not hide those given when the pipeline was made
        return tuple(
            {name: value for name, value in options.items() if value is not None}
            for options in (preprocess, forward, postprocess)
        )

    def __call__(self, videos: Any = None, text: Any = None, images: Any = None, **kwargs):
        r"""
        Args:
            videos:
                A video (path, URL, folder of frames, `bytes`, array, list of frames) or a list of them. Or, instead of
                everything else: a chat (list of messages), a dictionary with the keys `"text"`, `"video"` or
                `"videos"`, `"image"` or `"images"`; a list, generator or dataset of such chats or dictionaries.
            text (`str`, `list[str]`, or chats):
                The question, or one for each video. A text that holds `<|video_pad|>` or `<|image_pad|>` is taken as
                a complete prompt.
            images:
                An image (path, URL, PIL image) or a list with one for each text.
            generate_kwargs (`dict`, *optional*):
                Arguments of `generate`; generation options (`max_new_tokens`, `streamer`, ...) may also be given directly.
            processor_kwargs (`dict`, *optional*):
                Options of the processor; they (`start_seconds`, `num_frames`, ...) may also be given directly.
            return_selected_frames (`bool`, *optional*):
                Also say which frames the video encoder looked at: index in the video, time in seconds, score.
            return_full_text (`bool`, *optional*):
                Whether the prompt stands in front of the answer. By default it does for chats: the result is the chat
                with the assistant's message.
            return_tensors (`bool`, *optional*):
                Return `generated_token_ids` instead of text.
            batch_size, num_workers (`int`, *optional*):
                For lists, generators and datasets.

        Returns:
            `list[dict]` with one entry per sequence generated, `{"generated_text": ...}`; a list of such lists for a list
            of inputs, an iterator over them for generators and datasets.

        Raises:
            ValueError: if numbers of videos, images and texts differ, or on an unknown option.
        """
        if videos is None and text is None and images is None:
            raise ValueError("Nothing was given: pass a video and a `text`, a chat, or a dictionary.")
        if text is None and videos is not None:
            if is_single_video(videos) or (isinstance(videos, (list, tuple)) and all(map(is_single_video, videos))):
                raise ValueError("A video needs a question: pass it as `text`.")
            return super().__call__(list(videos) if isinstance(videos, tuple) else videos, **kwargs)
        if _is_chat(text) or _is_chat_list(text):
            if videos is not None or images is not None:
                raise ValueError("Videos and images of a chat belong into its messages, not beside it.")
            return super().__call__(text, **kwargs)
        if isinstance(videos, (Iterator, Dataset)):
            if not isinstance(text, str) or images is not None:
                raise ValueError("With a generator or dataset of videos, `text` must be one question for all of them.")
            return super().__call__(({"video": video, "text": text} for video in videos), **kwargs)

        columns = {"video": _column(videos), "image": _column(images, is_image=True), "text": _column(text)}
        lengths = {name: len(column) for name, column in columns.items() if isinstance(column, list)}
        if not lengths:
            return super().__call__({name: value for name, value in columns.items() if value is not None}, **kwargs)
        if len(set(lengths.values())) > 1:
            counts = " and ".join(f"{count} {name}s" for name, count in lengths.items())
            raise ValueError(f"Lists must be of one length, got {counts}: pass as many of each, or one for all.")
        samples = [
            {
                name: column[row] if isinstance(column, list) else column
                for name, column in columns.items()
                if column is not None
            }
            for row in range(next(iter(lengths.values())))
        ]
        return super().__call__(samples, **kwargs)

    def preprocess(
        self,
        inputs: Chat | dict | str,
        processor_kwargs: dict | None = None,
        continue_final_message: bool | None = None,
    ) -> dict[str, Any]:
        options = {"return_metadata": True, "return_tensors": "pt", **(processor_kwargs or {})}
        if isinstance(inputs, Chat):
            if continue_final_message is None:
                continue_final_message = inputs.messages[-1]["role"] == "assistant"
            model_inputs = self._apply_chat_template(inputs.messages, options, continue_final_message)
        else:
            prompt, visuals = _parse_sample(inputs)
            if any(token in prompt for token in (self.processor.image_token, self.processor.video_token)):
                visuals = {name: values for name, values in visuals.items() if values}
                model_inputs = self.processor(text=prompt, **visuals, **options)
            else:
                content = [{"type": "image", "image": image} for image in visuals["images"]]
                content += [{"type": "video", "video": video} for video in visuals["videos"]]
                content += [{"type": "text", "text": prompt}]
                model_inputs = self._apply_chat_template([{"role": "user", "content": content}], options, False)
            inputs = prompt
        metadata = model_inputs.pop("video_metadata", [])
        # nested, so that batches of samples with and without visuals are collated as lists
        return {"sample": model_inputs.to(dtype=self.dtype), "prompt": inputs, "video_metadata": metadata}

    def _apply_chat_template(self, messages: list[dict], options: dict, continue_final_message: bool):
        return self.processor.apply_chat_template(
            messages,
            tokenize=True,
            return_dict=True,
            return_tensors=options.pop("return_tensors"),
            add_generation_prompt=not continue_final_message,
            continue_final_message=continue_final_message,
            processor_kwargs=options,
        )

    def _forward(
        self,
        model_inputs: dict[str, Any],
        generate_kwargs: dict | None = None,
        return_selected_frames: bool = False,
    ) -> dict[str, Any]:
        is_batch = isinstance(model_inputs["sample"], list)
        samples = model_inputs["sample"] if is_batch else [model_inputs["sample"]]
        batch = self._collate(samples)
        frames: list[Any] = [None] * len(samples)
        if return_selected_frames and "pixel_values_videos" in batch:
            streams = {name: batch.pop(name) for name in ("pixel_values_videos", "context_pixel_values_videos")}
            features = self.model.get_video_features(**streams, return_dict=True)
            batch["mm_encoder_outputs"] = {"video": features}
            scored = iter(zip(features.selected_frames.cpu(), features.frame_scores.cpu()))
            frames = [[next(scored) for _ in sample.get("pixel_values_videos", ())] for sample in samples]

        generated = self.model.generate(**batch, **self._prepare_generate_kwargs(generate_kwargs or {}))
        sequences = generated if isinstance(generated, torch.Tensor) else generated.sequences
        new_ids = sequences[:, batch["input_ids"].shape[1] :].unflatten(0, (len(samples), -1))
        outputs = {**model_inputs, "new_ids": new_ids, "frames": frames}
        del outputs["sample"]
        outputs["input_ids"] = [sample["input_ids"][0] for sample in samples]
        if is_batch:
            return outputs
        return {**outputs, "frames": frames[0], "input_ids": outputs["input_ids"][0], "new_ids": new_ids[0]}

    def _collate(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Prompts padded on the left; images and videos of all samples one after the other."""
        texts = {name: [sample[name][0] for sample in samples] for name in ("input_ids", "attention_mask")}
        batch = dict(self.processor.tokenizer.pad(texts, padding_side="left", return_tensors="pt"))
        batch = {name: tensor.to(samples[0]["input_ids"].device) for name, tensor in batch.items()}
        for name in ("pixel_values", "pixel_values_videos", "context_pixel_values_videos"):
            pixels = [sample[name] for sample in samples if name in sample]
            if pixels and name != "pixel_values":
                length = max(videos.shape[1] for videos in pixels)
                pixels = [F.pad(videos, (0, 0) * 3 + (0, length - videos.shape[1])) for videos in pixels]
            if pixels:
                batch[name] = torch.cat(pixels)
        return batch

    def postprocess(
        self,
        model_outputs: dict[str, Any],
        return_type: ReturnType | None = None,
        continue_final_message: bool | None = None,
        skip_special_tokens: bool = True,
        **decode_kwargs,
    ) -> list[dict[str, Any]]:
        prompt = model_outputs["prompt"]
        new_ids = model_outputs["new_ids"].flatten(0, -2)
        if return_type == ReturnType.TENSORS:
            ids = model_outputs["input_ids"].flatten()
            records = [{"generated_token_ids": torch.cat([ids, new])} for new in new_ids]
        else:
            texts = self.processor.batch_decode(new_ids, skip_special_tokens=skip_special_tokens, **decode_kwargs)
            is_chat = isinstance(prompt, Chat)
            if return_type == ReturnType.FULL_TEXT or (return_type is None and is_chat):
                texts = [
                    _answered(prompt, answer, continue_final_message) if is_chat else prompt + answer
                    for answer in texts
                ]
            records = [{"generated_text": answer} for answer in texts]
        if model_outputs["frames"] is not None:
            frames = _describe_frames(model_outputs["frames"], model_outputs["video_metadata"])
            records = [{**record, "selected_frames": frames} for record in records]
        return records


def _is_chat(value: Any) -> bool:
    return isinstance(value, Chat) or (
        isinstance(value, (list, tuple)) and len(value) > 0 and is_valid_message(value[0])
    )


def _is_chat_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_is_chat, value))


def _column(value: Any, is_image: bool = False) -> Any:
    """A list with one entry per sample, or one value for all samples."""
    if isinstance(value, str) or value is None:
        return value
    if is_image:
        return list(value) if isinstance(value, (list, tuple)) else value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    return value if is_single_video(value) else flatten_videos(value)


def _parse_sample(sample: dict | str) -> tuple[str, dict[str, list[Any]]]:
    """The text and the visuals of a sample that is no chat."""
    sample = {"text": sample} if isinstance(sample, str) else dict(sample)
    images, videos = sample.pop("images", None) or [], sample.pop("videos", None)
    visuals = {
        "images": list(images) if isinstance(images, (list, tuple)) else [images],
        "videos": flatten_videos(videos) if videos is not None else [],
    }
    for name, values in visuals.items():
        if (visual := sample.pop(name.removesuffix("s"), None)) is not None:
            values.append(visual)
    text = sample.pop("text", None)
    if not isinstance(text, str) or sample:
        raise ValueError(
            f"A sample needs a `text` and may have `video`, `videos`, `image` or `images`, got text {text!r}"
            + (f" and {', '.join(map(repr, sample))}." if sample else ".")
        )
    return text, visuals


def _answered(chat: Chat, answer: str, continue_final_message: bool | None) -> list[dict]:
    """The chat with the answer: as a new message, or at the end of the assistant's message that it continues."""
    *earlier, last = chat.messages
    if continue_final_message is None:
        continue_final_message = last["role"] == "assistant"
    if not continue_final_message:
        return [*chat.messages, {"role": "assistant", "content": answer}]
    if isinstance(last["content"], str):
        return [*earlier, {**last, "content": last["content"] + answer}]
    *parts, part = last["content"]
    return [*earlier, {**last, "content": [*parts, {**part, "text": part["text"] + answer}]}]


def _describe_frames(frames: list[tuple[torch.Tensor, torch.Tensor]], metadata: list[Any]) -> list[dict[str, Any]]:
    """Selected frames, in time order; those that fill up a short video are none."""
    described = []
    for number, ((selected, scores), video) in enumerate(zip(frames, metadata)):
        times = video.timestamps if video.fps is not None else [None] * len(video.frames_indices)
        for position in selected.tolist():
            if position < len(video.frames_indices):
                described.append(
                    {
                        "video": number,
                        "index": int(video.frames_indices[position]),
                        "seconds": times[position],
                        "score": scores[position].item(),
                    }
                )
    return described


__all__ = ["VideoTextToTextPipeline"]
