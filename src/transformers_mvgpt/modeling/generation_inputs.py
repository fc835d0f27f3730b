# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `generate` is given, brought to what transformers' generation makes the right thing of."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedConfig

from ..compat.cache_name import NEW_NAME, OLD_NAME
from .model_inputs import mismatch_message, placeholder_ids


_WITH_ARTICLE = {"image": "an image", "video": "a video"}


def prepare_generation_inputs(
    config: PreTrainedConfig,
    pixel_inputs: dict[str, tuple[str, ...]],
    input_ids: torch.Tensor | None,
    inputs: dict[str, Any],
) -> tuple[dict[str, Any], Callable[[], None]]:
    """
    The arguments of `generate`, without visuals that a given cache already holds, and a check that is still to be made.

    Args:
        config (`PreTrainedConfig`): of the model.
        pixel_inputs (`dict[str, tuple[str, ...]]`): by modality, the names of the arguments that hold a visual each.
        input_ids (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*): the prompts, cached tokens included.
        inputs (`dict[str, Any]`): all other arguments.

    Returns:
        `tuple[dict[str, Any], Callable]`: the arguments, and what raises a `ValueError` if a prompt has placeholders and there are
        no visuals for them. A GPU counts when it is called, and is waited for: encoders may have been started before.

    Raises:
        ValueError: if a prompt is longer than the context.
    """
    check = _nothing
    # transformers would encode pixels that are None, and changes the encoder outputs that it is given
    absent = {name for names in pixel_inputs.values() for name in names if inputs.get(name) is None}
    inputs = {name: value for name, value in inputs.items() if name not in absent}
    encoded = inputs.get("mm_encoder_outputs") or {}
    inputs["mm_encoder_outputs"] = {modality: copy.copy(output) for modality, output in encoded.items()}
    if input_ids is not None:
        check_length(config, pixel_inputs, input_ids)
        cache, mask = inputs.get(NEW_NAME, inputs.get(OLD_NAME)), inputs.get("attention_mask")
        # as transformers tells them apart: a mask that is longer than the prompt comes with new tokens alone
        is_whole_conversation = mask is None or mask.shape[1] == input_ids.shape[1]
        new_ids = input_ids
        if cache is not None and is_whole_conversation:
            cached_length = int(cache.get_seq_length())
            _drop_cached_visuals(config, pixel_inputs, input_ids, cached_length, inputs)
            new_ids = input_ids[:, cached_length:]
        if inputs.get("inputs_embeds") is None:  # visual tokens may be in there already
            check = _check_visuals_are_given(config, pixel_inputs, new_ids, inputs)
    return inputs, check


def _nothing() -> None: ...


def _chosen_visuals(pixels: dict[str, torch.Tensor], total: int, chosen: list[int]) -> dict[str, torch.Tensor]:
    """Of the pixels of `total` visuals, those of the chosen ones. What is of another number of visuals is left as it is."""
    counts = pixels.get("num_frames_per_video")
    if counts is None:
        return {name: value[chosen] if len(value) == total else value for name, value in pixels.items()}
    joined = pixels.get("pixel_values_videos")
    if len(counts) != total or joined is None or int(counts.sum()) != len(joined):
        return pixels
    # the frames of all videos are joined
    videos = joined.split(counts.tolist())
    frames = torch.cat([videos[number] for number in chosen] or [videos[0][:0]])
    return {"pixel_values_videos": frames, "num_frames_per_video": counts[chosen]}


def _check_visuals_are_given(
    config: PreTrainedConfig,
    pixel_inputs: dict[str, tuple[str, ...]],
    new_ids: torch.Tensor,
    inputs: dict[str, Any],
) -> Callable[[], None]:
    """How many are given is known when they are encoded."""
    missing = {
        modality: token_id
        for modality, token_id in placeholder_ids(config).items()
        if inputs["mm_encoder_outputs"].get(modality) is None
        # how many frames a video has, without its frames, is nothing
        and not any(name in inputs for name in pixel_inputs.get(modality, ()) if name != "num_frames_per_video")
    }
    if not missing:
        return _nothing

    def check() -> None:
        counts = torch.stack([(new_ids == token_id).sum() for token_id in missing.values()]).tolist()
        for modality, count in zip(missing, counts, strict=True):
            if count:
                raise ValueError(mismatch_message(config, pixel_inputs, modality, count, 0))

    return check


def context_length(config: PreTrainedConfig) -> int:
    """Tokens that the language model of a config takes, prompt and answer together."""
    rope = config.text_config.rope_parameters or {}
    return int(config.text_config.max_position_embeddings * (rope.get("factor") or 1))


def check_length(config: PreTrainedConfig, pixel_inputs: dict[str, tuple[str, ...]], input_ids: torch.Tensor) -> None:
    """
    Raises:
        ValueError: if prompts, of shape `(batch_size, sequence_length)`, are longer than the context.
    """
    limit = context_length(config)
    if input_ids.shape[-1] > limit:
        modalities = sorted(pixel_inputs, reverse=True)
        sizes = [
            f"{_WITH_ARTICLE[modality]} {'' if number else 'takes '}{_num_tokens(config, modality)}{'' if number else ' tokens'}"
            for number, modality in enumerate(modalities)
        ]
        raise ValueError(
            f"The prompt has {input_ids.shape[-1]} tokens, the language model takes at most {limit} "
            "(`text_config.max_position_embeddings`): pass fewer "
            f"{' or '.join(f'{modality}s' for modality in modalities)}, or less text. {', '.join(sizes).capitalize()}."
        )


def _num_tokens(config: PreTrainedConfig, modality: str) -> int:
    return getattr(config, f"num_{modality}_tokens")


def _drop_cached_visuals(
    config: PreTrainedConfig,
    pixel_inputs: dict[str, tuple[str, ...]],
    input_ids: torch.Tensor,
    cached_length: int,
    inputs: dict[str, Any],
) -> None:
    """
    In a later turn the prompts repeat placeholders whose visual tokens are in the cache. If the visuals of the whole
    conversation are given, those must not be encoded again; if only new ones are given, all of them count.
    """
    for modality, names in pixel_inputs.items():
        placeholders = input_ids == getattr(config, f"{modality}_token_id")
        num_tokens = _num_tokens(config, modality)
        counts = (placeholders.sum(1) // num_tokens).tolist()
        cached = (placeholders[:, :cached_length].sum(1) // num_tokens).tolist()
        total = 0  # visuals stand one prompt after the other
        new: list[int] = []
        for count, num_cached in zip(counts, cached, strict=True):
            new += range(total + num_cached, total + count)
            total += count
        inputs |= _chosen_visuals({name: inputs[name] for name in names if name in inputs}, total, new)
        encoded = inputs["mm_encoder_outputs"].get(modality)
        if encoded is not None and len(encoded.pooler_output) == total:
            tokens = encoded.pooler_output
            encoded.pooler_output = (
                tokens[new] if isinstance(tokens, torch.Tensor) else [tokens[index] for index in new]
            )
        if not new:
            for name in names:
                inputs.pop(name, None)
            inputs["mm_encoder_outputs"].pop(modality, None)
