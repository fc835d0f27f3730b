# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The folder of an exported model, read as data: sizes, placeholders, how frames are sampled and tokens chosen. Nobody vouches for it,
so that numbers have bounds, and no file of it leads to other files.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..processing.bounded_templates import MAX_TEMPLATE_CHARACTERS
from ..processing.processor_files import read_json_object
from ..video.limits import shorten


# The suffixes of what is quantized, in the order of choice where nothing is asked for.
PRECISIONS = MappingProxyType({"fp32": "", "int8": "_int8", "q4": "_q4", "fp16": "_fp16"})
# In the metadata of each ONNX file: of which model it was made.
MODEL_KEY = "mvgpt_model"
_MAX_TOKENS_PER_VISUAL = 1_000_000
_MAX_FRAMES = 10_000
_MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class ExportedFamily:
    """
    What the driver knows of a family of models, as its processor has it.

    Args:
        name (`str`): what texts call it.
        placeholders (`Mapping[str, str]`): what stands for a visual in the text, by modality.
        splits_at_placeholders (`bool`): whether the text around a placeholder is tokenized in pieces.
        answer_prefix (`str`): what the chat template writes between a prompt and its answer.
        selects_frames (`bool`): whether the video encoder sees some frames of those that are sampled.
        fills_up (`bool`): whether a video that is too short is followed by zero frames.
        default_num_frames (`int`, *optional*): frames of a video where the processor's file does not say it.
    """

    name: str
    placeholders: Mapping[str, str]
    splits_at_placeholders: bool = False
    answer_prefix: str = ""
    selects_frames: bool = False
    fills_up: bool = False
    default_num_frames: int | None = None


FAMILIES = MappingProxyType(
    {
        "mobile_videogpt": ExportedFamily(
            "Mobile-VideoGPT",
            {"image": "<|image_pad|>", "video": "<|video_pad|>"},
            selects_frames=True,
            fills_up=True,
            default_num_frames=16,
        ),
        "mobilevlm": ExportedFamily("MobileVLM", {"image": "<image>"}, splits_at_placeholders=True, answer_prefix=" "),
        "tinyllava_video": ExportedFamily(
            "TinyLLaVA-Video",
            {"video": "<image>"},
            splits_at_placeholders=True,
            answer_prefix=" ",
            default_num_frames=16,
        ),
    }
)


@dataclass(frozen=True)
class FrameSampling:
    """How the frames of a video are chosen, as its processor's file says it. See the rule of the family."""

    num_frames: int | None
    max_frames: int
    sampling: str


class ExportedFolder:
    """
    An exported model's folder.

    Args:
        path (`str` or `os.PathLike`): the folder.

    Attributes:
        path (`Path`): the folder.
        family ([`ExportedFamily`]): of the model.
        text_config (`dict`): what the configuration says of the language model.
        hidden_size (`int`), vocab_size (`int`): of the language model.
        context_length (`int`): tokens that it takes, prompt and answer together.
        num_tokens (`dict[str, int]`): visual tokens that the model makes of an `"image"` or a `"video"`.
        token_ids (`dict[str, int]`): the model's ids of the placeholders, where they are not the tokenizer's.
        frame_sampling ([`FrameSampling`], *optional*): of a family that takes videos.
        chat_template (`str`): Jinja template of a conversation.
        tokenizer_config, generation_config (`dict`): as the files have them.

    Raises:
        FileNotFoundError: if there is no such folder, or a file of it is missing.
        ValueError: if a file is damaged, or what it says is absurd or of no family.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(
                f"There is no folder '{shorten(os.fspath(path))}'. Check the path, or write it with `mvgpt export-onnx`."
            )
        config = self._json("config.json")
        model_type = config.get("model_type")
        if not isinstance(model_type, str) or model_type not in FAMILIES:
            raise ValueError(
                f"{self._name('config.json')} has the `model_type` {shorten(repr(model_type))}, which is none of {', '.join(FAMILIES)}: "
                "export a model of these families."
            )
        self.family = FAMILIES[model_type]
        text_config = config.get("text_config")
        if not isinstance(text_config, dict):
            raise ValueError(f"{self._name('config.json')} has no `text_config`: export the model again.")
        self.text_config: dict[str, Any] = text_config
        number = self._numbers("config.json", text_config, "text_config.")
        self.hidden_size = number("hidden_size", 1_000_000)
        self.vocab_size = number("vocab_size", 100_000_000)
        self.context_length = number("max_position_embeddings", _MAX_NUMBER)
        rope = text_config.get("rope_parameters")
        factor = rope.get("factor") if isinstance(rope, dict) else None
        if isinstance(factor, (int, float)) and 1 <= factor <= 1000:
            self.context_length = int(self.context_length * factor)
        self._read_processor(self._json("processor_config.json"))
        self.tokenizer_config = self._json("tokenizer_config.json")
        self.generation_config: dict[str, Any] = {"eos_token_id": text_config.get("eos_token_id")}
        # nothing else may be passed over: what is there says how tokens are chosen
        if os.path.lexists(self.path / "generation_config.json"):
            self.generation_config |= self._json("generation_config.json")
        self.chat_template = self._read_template()

    def file(self, name: str) -> Path:
        """
        Raises:
            FileNotFoundError: if the folder has no such file.
        """
        path = self.path / name
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no file '{shorten(str(path))}': copy the whole folder, or write it again with `mvgpt export-onnx`."
            )
        return path

    def choose_precision(self, precision: str | None) -> str:
        """
        The one asked for, or the first that is there.

        Raises:
            FileNotFoundError: if it is not there.
            ValueError: if there is no such precision.
        """
        if precision is not None and precision not in PRECISIONS:
            raise ValueError(f"`precision` ({shorten(repr(precision))}) must be one of {', '.join(PRECISIONS)}.")
        there = [
            name
            for name, suffix in PRECISIONS.items()
            if (self.path / "onnx" / f"decoder_model_merged{suffix}.onnx").is_file()
        ]
        if precision is None and there:
            return there[0]
        if precision in there:
            return precision
        what = "no exported language model" if precision is None else f"no language model in {precision}"
        others = f"take one that is there ({', '.join(there)}), or " if there else ""
        raise FileNotFoundError(
            f"'{shorten(str(self.path / 'onnx'))}' has {what}: {others}write it with `mvgpt export-onnx --precision "
            f"{precision or 'fp32'}`."
        )

    def _read_processor(self, values: dict[str, Any]) -> None:
        name = "processor_config.json"
        number = self._numbers(name, values)
        self.num_tokens = {
            modality: number(f"num_{modality}_tokens", _MAX_TOKENS_PER_VISUAL) for modality in self.family.placeholders
        }
        self.token_ids = {
            modality: number(f"{modality}_token_id", _MAX_NUMBER, lowest=0)
            for modality in self.family.placeholders
            if values.get(f"{modality}_token_id") is not None
        }
        self.frame_sampling: FrameSampling | None = None
        if "video" not in self.family.placeholders:
            return
        options = values.get("video_processor")
        if not isinstance(options, dict):
            raise ValueError(f"{self._name(name)} has no `video_processor`: export the model again.")
        for option in ("fps", "start_seconds", "end_seconds"):
            if options.get(option) is not None:
                raise ValueError(
                    f"{self._name(name)} has `video_processor.{option}` ({shorten(options[option])}), which is not supported here: "
                    "remove it."
                )
        if options.get("do_sample_frames") is False:
            raise ValueError(
                f"{self._name(name)} has `do_sample_frames` false, which is not supported here: remove it."
            )
        number = self._numbers(name, options, "video_processor.")
        default = self.family.default_num_frames
        is_counted = options.get("num_frames", default) is not None
        self.frame_sampling = FrameSampling(
            num_frames=number("num_frames", _MAX_FRAMES, default) if is_counted else None,
            max_frames=number("max_frames", _MAX_FRAMES, 64),
            sampling=str(options.get("sampling") or "frames"),
        )

    def _read_template(self) -> str:
        path = self.file("chat_template.jinja")
        # as many characters have at most four times as many bytes
        if (size := path.stat().st_size) > 4 * MAX_TEMPLATE_CHARACTERS:
            raise ValueError(
                f"{shorten(str(path))} has {size:,} bytes; at most {MAX_TEMPLATE_CHARACTERS:,} characters are taken. Use another one."
            )
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{shorten(str(path))} is no text ({error.reason}). Copy it again.") from error

    def _json(self, name: str) -> dict[str, Any]:
        return read_json_object(str(self.file(name)))

    def _name(self, name: str) -> str:
        return shorten(str(self.path / name))

    def _numbers(self, file: str, values: Mapping[str, Any], prefix: str = "") -> Any:
        """What reads whole numbers of a file, each with its highest value."""

        def number(name: str, highest: int, default: int | None = None, lowest: int = 1) -> int:
            value = values.get(name, default)
            if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
                raise ValueError(
                    f"{self._name(file)} has `{prefix}{name}` ({shorten(repr(value))}), which must be a whole number from {lowest} to "
                    f"{highest:,}: export the model again."
                )
            return value

        return number


def is_exported_folder(path: str | os.PathLike) -> bool:
    """Whether this is the folder of an exported model, as `mvgpt export-onnx` writes it."""
    folder = os.path.join(path, "onnx")
    return os.path.isdir(folder) and any(
        os.path.isfile(os.path.join(folder, f"decoder_model_merged{suffix}.onnx")) for suffix in PRECISIONS.values()
    )
