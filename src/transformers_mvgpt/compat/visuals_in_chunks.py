# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Before transformers 5.23, a prefill in chunks (`prefill_chunk_size`) left the visuals out, and before 5.21, what a given
cache holds came again.

Remove when transformers 5.22 is no longer supported: `GenerationMixin._prefill` is then right.
"""

import copy
from typing import Any

import torch
from transformers.generation import GenerationConfig, utils
from transformers.modeling_outputs import ModelOutput

from .cache_name import CACHE_NAME


if hasattr(utils, "_slice_mm_encoder_output"):

    class WithChunkedPrefill:
        """A model that generates: the installed transformers prefills in chunks."""

else:

    class WithChunkedPrefill:  # type: ignore[no-redef]
        """A model that generates, whose visuals are encoded before the prefill."""

        def _prefill(
            self: Any,
            input_ids: torch.Tensor,
            generation_config: GenerationConfig,
            model_kwargs: dict[str, Any],
            is_first_iteration: bool = True,
        ) -> ModelOutput:
            """
            As [`~GenerationMixin._prefill`].

            Raises:
                ValueError: if there is no cache to fill in chunks.
            """
            chunk_size, cache = generation_config.prefill_chunk_size, model_kwargs.get(CACHE_NAME)
            if chunk_size is None or model_kwargs.get("inputs_embeds") is not None:
                generation_config = copy.copy(generation_config)
                generation_config.prefill_chunk_size = None
                return super()._prefill(  # type: ignore[misc]
                    input_ids, generation_config, model_kwargs, is_first_iteration
                )
            if cache is None:
                raise ValueError("Cannot use prefill chunking without a cache")
            call = self.__call__
            if self._valid_auto_compile_criteria(model_kwargs, generation_config):
                call = self.get_compiled_call(generation_config.compile_config)

            by_position = {name: model_kwargs.pop(name, None) for name in ("attention_mask", "position_ids")}
            encoded = model_kwargs.pop("mm_encoder_outputs", None) or {}
            mask, positions = by_position.values()
            length = getattr(generation_config, "_mask_length", -1) if mask is None else mask.shape[1]
            begin = int(cache.get_seq_length())
            prompt = input_ids[:, begin:] if length == input_ids.shape[1] else input_ids
            of_chunks = _visual_tokens_of_chunks(
                self.config, prompt, chunk_size, encoded if is_first_iteration else {}
            )
            for ids, visuals in zip(prompt.split(chunk_size, dim=1), of_chunks, strict=True):
                end = begin + ids.shape[1]
                if mask is not None:
                    model_kwargs["attention_mask"] = mask[:, :end]
                if positions is not None:
                    model_kwargs["position_ids"] = positions[..., begin:end]
                inputs = self.prepare_inputs_for_generation(ids, is_first_iteration=is_first_iteration, **model_kwargs)
                if visuals:
                    inputs["mm_encoder_outputs"] = visuals
                outputs = call(**inputs, return_dict=True)
                model_kwargs[CACHE_NAME] = outputs[CACHE_NAME]
                begin = end
            model_kwargs |= by_position | {"mm_encoder_outputs": encoded}
            return outputs

    def _visual_tokens_of_chunks(
        config: Any, prompt: torch.Tensor, chunk_size: int, encoded: dict[str, ModelOutput]
    ) -> list[dict[str, ModelOutput]]:
        """Of each chunk, by modality, the visual tokens of its placeholders as those of one visual."""
        of_chunks: list[dict[str, ModelOutput]] = [{} for _ in prompt.split(chunk_size, dim=1)]
        for modality, output in encoded.items():
            if output is None:
                continue
            tokens = torch.cat([tokens.reshape(-1, tokens.shape[-1]) for tokens in output.pooler_output])
            found = prompt == getattr(config, f"{modality}_token_id")
            # the placeholders of all prompts stand one after the other
            numbers = (found.flatten().cumsum(0) - 1).view_as(found)
            for chunk, here, number in zip(
                of_chunks, found.split(chunk_size, dim=1), numbers.split(chunk_size, dim=1), strict=True
            ):
                if here.any():
                    chunk[modality] = type(output)(pooler_output=tokens[number[here]][None])
        return of_chunks


__all__ = ["WithChunkedPrefill"]
