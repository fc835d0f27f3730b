# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
From transformers 5.18 on, `generate` encodes the visuals before the prefill, keeps them as `mm_encoder_outputs`, repeats
them for beams and passes them to the prefill alone.

Remove when transformers 5.17 is no longer supported: `GenerationMixin` then does all of it.
"""

import functools
import inspect
from typing import Any

import torch
from transformers import GenerationMixin
from transformers.generation import CandidateGenerator
from transformers.modeling_outputs import ModelOutput


if hasattr(GenerationMixin, "_maybe_prepare_encoder_kwargs_for_generation"):

    class WithEncodedVisuals:
        """A model that generates: the installed transformers encodes its visuals before the prefill."""

else:

    class WithEncodedVisuals:  # type: ignore[no-redef]
        """A model that generates, whose visuals are encoded before the prefill."""

        def _maybe_prepare_encoder_kwargs_for_generation(
            self: Any,
            inputs_tensor: torch.Tensor | None,
            model_kwargs: dict[str, Any],
            model_input_name: str | None = None,
            generation_config: Any = None,
        ) -> dict[str, Any]:
            """The arguments with the visuals encoded, in place of their pixels."""
            encoded = model_kwargs.setdefault("mm_encoder_outputs", {})
            taken: set[str] = set()
            for modality in self.pixel_inputs:
                encode = getattr(self.base_model, f"get_{modality}_features")
                names = inspect.signature(encode).parameters.keys() & model_kwargs.keys()
                if any(name in names for name in self.pixel_inputs[modality]):
                    if encoded.get(modality) is not None:
                        raise ValueError(
                            f"You cannot pass both: raw pixels and pre-computed embeddings for input {modality}"
                        )
                    encoded[modality] = encode(**{name: model_kwargs[name] for name in names}, return_dict=True)
                    taken |= names
            for name in taken:
                del model_kwargs[name]
            return model_kwargs

        def _expand_inputs_for_generation(
            self: Any,
            expand_size: int = 1,
            is_encoder_decoder: bool = False,
            input_ids: torch.Tensor | None = None,
            **model_kwargs: Any,
        ) -> tuple[torch.Tensor | None, dict[str, Any]]:
            """As [`~GenerationMixin._expand_inputs_for_generation`], which is called once before the prefill."""
            model_kwargs = self._maybe_prepare_encoder_kwargs_for_generation(None, model_kwargs)
            encoded = model_kwargs.pop("mm_encoder_outputs")
            if expand_size > 1:
                for modality, output in encoded.items():
                    if output is not None:
                        self._repeat_visuals(
                            output, modality, expand_size, input_ids, model_kwargs.get("inputs_embeds")
                        )
            input_ids, model_kwargs = super()._expand_inputs_for_generation(  # type: ignore[misc]
                expand_size, is_encoder_decoder, input_ids, **model_kwargs
            )
            return input_ids, model_kwargs | {"mm_encoder_outputs": encoded}

        def _repeat_visuals(
            self: Any,
            output: ModelOutput,
            modality: str,
            times: int,
            input_ids: torch.Tensor | None,
            inputs_embeds: torch.Tensor | None,
        ) -> None:
            """The visuals of each prompt so many times, one prompt after the other."""
            if inputs_embeds is not None:
                input_ids = None
            placeholders = self.base_model._find_placeholders(
                getattr(self.config, f"{modality}_token_id"), input_ids, inputs_embeds
            )
            counts = (placeholders.sum(1) // getattr(self.config, f"num_{modality}_tokens")).tolist()
            tokens = output.pooler_output
            if len(counts) == 1:
                counts = [len(tokens)]
            order, begin = [], 0
            for count in counts:
                order += [*range(begin, begin + count)] * times
                begin += count
            output.pooler_output = (
                tokens[order] if isinstance(tokens, torch.Tensor) else [tokens[index] for index in order]
            )

        # transformers looks at its signature
        @functools.wraps(GenerationMixin.prepare_inputs_for_generation)
        def prepare_inputs_for_generation(
            self: Any, *args: Any, is_first_iteration: bool | None = False, **kwargs: Any
        ) -> dict[str, Any]:
            # after the prefill, visuals are in the cache
            if not is_first_iteration and kwargs.get("use_cache", True):
                kwargs.pop("mm_encoder_outputs", None)
            return super().prepare_inputs_for_generation(  # type: ignore[misc]
                *args, is_first_iteration=is_first_iteration, **kwargs
            )

        def _get_candidate_generator(
            self: Any, *args: Any, model_kwargs: dict[str, Any], assistant_model: Any = None, **kwargs: Any
        ) -> CandidateGenerator:
            """As [`~GenerationMixin._get_candidate_generator`]. A language model that drafts has no use for visuals."""
            if assistant_model is not None and not isinstance(assistant_model, WithEncodedVisuals):
                model_kwargs = {name: value for name, value in model_kwargs.items() if name != "mm_encoder_outputs"}
            return super()._get_candidate_generator(  # type: ignore[misc]
                *args, model_kwargs=model_kwargs, assistant_model=assistant_model, **kwargs
            )


__all__ = ["WithEncodedVisuals"]
