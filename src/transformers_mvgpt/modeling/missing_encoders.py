# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Loading that never leaves an encoder with random weights."""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from transformers import PreTrainedConfig, PreTrainedModel
from transformers.quantizers import AutoQuantizationConfig

from .missing_weights import PreTrainedModelWithAllWeights, is_read, may_lack_weights


# transformers 4 wrote its default into every config. A prompt with a video is longer, so that nobody can have meant it.
_TRANSFORMERS_4_MAX_LENGTH = 20


@dataclass(frozen=True)
class Encoder:
    """
    An encoder of a family of models, which may be missing in a published checkpoint.

    Args:
        module (`str`): its name in the base model, such as `"vision_tower"`.
        config_field (`str`): the field of the config with its own config, such as `"vision_config"`.
        source_field (`str`): the field of the config in which a published checkpoint says where it comes from.
        published_source (`str`): where the published checkpoints take it from.
        example (`str`): what may be given for it, for messages.
        follows_paths (`bool`, defaults to `False`):
            Whether `source_field` may name a folder. Those of other families are folders of an author's computer.
    """

    module: str
    config_field: str
    source_field: str
    published_source: str
    example: str
    follows_paths: bool = False


def missing_encoder_message(
    path: str | os.PathLike, modality: str, encoder: Encoder, names: list[str], where: str
) -> str:
    """
    Args:
        path (`str`): the checkpoint.
        modality (`str`): `"image"` or `"video"`.
        encoder ([`Encoder`]): the encoder of this modality.
        names (`list[str]`): the missing weights.
        where (`str`): a sentence that says where they were looked for.
    """
    examples = ", ".join(sorted(names)[:2])
    return (
        f"{len(names)} weights of the {modality} encoder are missing in {path}, such as {examples}. {where} Give "
        f"`{modality}_encoder=` ({encoder.example}), or write a complete folder once: "
        f"`mvgpt convert {path} TARGET --{modality}-encoder ...`."
    )


class PreTrainedModelWithEncoders(PreTrainedModelWithAllWeights):
    """A model in whose checkpoints an encoder may be missing, as in the published ones."""

    # by modality, `"image"` or `"video"`
    encoders: ClassVar[dict[str, Encoder]] = {}
    # modules of the base model that bring encoded visuals to the language model
    projectors: ClassVar[tuple[str, ...]] = ()
    # (class, path, encoders, options) -> options that load a completed checkpoint, or None if it is complete. Reading
    # files is not the model's business: the package sets this. Remote code goes with a complete checkpoint.
    complete_checkpoint: Callable[..., dict[str, Any] | None] | None = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        *model_args,
        image_encoder: str | os.PathLike | None = None,
        video_encoder: str | os.PathLike | None = None,
        allow_missing_weights: bool | None = None,
        **kwargs,
    ):
        r"""
        As [`~PreTrainedModel.from_pretrained`]. Published repositories are completed with the encoders that are missing,
        taken from where their config says; other weights that are missing are an error. Quantization leaves encoders and projectors out, unless the
        `quantization_config` itself says which modules to leave out.

        Args:
            image_encoder (`str`, *optional*):
                Take the image encoder from here: a Hub id or folder of a CLIP model, or a file of its weights.
            video_encoder (`str`, *optional*):
                Take the video encoder from here: a Hub id, `<Hub id>/<file name>`, folder or file of VideoMamba.
            allow_missing_weights (`bool`, *optional*):
                As for [`PreTrainedModelWithAllWeights.from_pretrained`].

        Raises:
            OSError: if weights are to be found nowhere.
            ValueError: if weights do not fit the config.
        """
        path = pretrained_model_name_or_path
        given = {"image": image_encoder, "video": video_encoder}
        given = {modality: os.fspath(source) for modality, source in given.items() if source is not None}
        if unknown := given.keys() - cls.encoders.keys():
            raise ValueError(
                f"`{min(unknown)}_encoder` was given, but {cls.__name__} has no {min(unknown)} encoder, only "
                f"{' and '.join(cls.encoders)}: leave it out."
            )
        if given and (path is None or cls.complete_checkpoint is None):
            raise ValueError(
                f"`{next(iter(given))}_encoder` can only be given to the installed package transformers-mvgpt, together "
                "with the path or Hub id of a checkpoint."
            )
        if (quantization_config := kwargs.get("quantization_config")) is not None:
            kwargs["quantization_config"] = cls._quantize_language_model_only(quantization_config)
        if allow_missing_weights is None:
            allow_missing_weights = may_lack_weights(kwargs)
        output_loading_info = kwargs.pop("output_loading_info", False)
        completed = None
        if path is not None and cls.complete_checkpoint is not None:
            completed = cls.complete_checkpoint(cls, path, given, kwargs)

        source = None if allow_missing_weights else "the `state_dict`" if path is None else str(path)
        if completed is None:
            model, info = cls._load(source, path, *model_args, **kwargs)
        else:
            model, info = cls._load(source, None, *model_args, **completed)
            model.config.name_or_path = model.name_or_path = str(path)
        if path is not None and is_published(model.config):
            if model.can_generate() and model.generation_config.max_length == _TRANSFORMERS_4_MAX_LENGTH:
                model.generation_config.max_length = None
        freeze_unread_weights(model)  # loading has made all weights trainable
        return (model, info) if output_loading_info else model

    @classmethod
    def _label(cls, part: str) -> str:
        return {encoder.module: f"the {name} encoder" for name, encoder in cls.encoders.items()}.get(part, part)

    @classmethod
    def _way_out(cls, part: str) -> str | None:
        if cls.complete_checkpoint is None:
            return None
        ways_out = {encoder.module: f"`{name}_encoder=` ({encoder.example})" for name, encoder in cls.encoders.items()}
        return ways_out.get(part)

    @classmethod
    def _quantize_language_model_only(cls, quantization_config: Any) -> Any:
        """A copy that names the modules to leave out, where the quantization can and its config does not yet."""
        if isinstance(quantization_config, dict):
            quantization_config = AutoQuantizationConfig.from_dict(quantization_config)
        quantization_config = copy.deepcopy(quantization_config)
        for name in ("llm_int8_skip_modules", "modules_to_not_convert"):
            if getattr(quantization_config, name, ()) is None:
                setattr(quantization_config, name, cls.unquantized_modules())
        return quantization_config

    @classmethod
    def unquantized_modules(cls) -> list[str]:
        """Modules that stay as they are: regular expressions, which are matched from the start of a name."""
        modules = [encoder.module for encoder in cls.encoders.values()] + list(cls.projectors)
        return [rf"(model\.)?({'|'.join(modules)})", "lm_head"]  # with and without a head


def is_published(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint came in the published layout, in whose repositories encoders are missing."""
    return any(getattr(config, field) is not None for field in config.encoder_source_fields)


def freeze_unread_weights(model: PreTrainedModel) -> None:
    """Weights that checkpoints have and nothing reads would be unused parameters in training."""
    for name, parameter in model.named_parameters():
        if not is_read(name, model.config):
            parameter.requires_grad_(False)
