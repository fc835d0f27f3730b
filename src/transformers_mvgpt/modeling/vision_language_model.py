# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What the vision-language models of all families do: visuals are encoded, their visual tokens take the place of placeholders
in the prompt, and a language model goes on from there. A family adds its encoders and projectors.

Symbols in the shape comments: B prompts, L tokens of a prompt, h width of the language model.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import (
    Cache,
    CompileConfig,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
    PreTrainedConfig,
)
from transformers.generation import CandidateGenerator, PromptLookupCandidateGenerator
from transformers.modeling_outputs import BaseModelOutputWithPooling, ModelOutput

from ..compat.cache_name import CACHE_NAME
from ..compat.encoded_visuals import WithEncodedVisuals
from ..compat.export_mode import is_exporting
from ..compat.exported_parts import ExportedInParts, is_watched
from ..compat.kept_logits import slice_logits_to_keep
from ..compat.safetensors_files import SavedLikeOtherFiles
from ..compat.visuals_in_chunks import WithChunkedPrefill
from ..kernels.dispatch import (
    compiled_call,
    disable_cuda_graphs,
    enable_cuda_graphs,
    encoding_ahead,
    forget_cuda_graphs,
    generating_turn,
    join_encoders,
    last_token_only,
    linear_of_one_token,
    run_language_model,
)
from .finite_logits import current_logits_check, generating
from .generation_inputs import check_length, prepare_generation_inputs
from .label_masking import ignore_placeholders
from .missing_encoders import PreTrainedModelWithEncoders
from .model_inputs import mismatch_message, placeholder_ids
from .outputs import VisionLanguageCausalLMOutputWithPast, VisionLanguageModelOutputWithPast
from .placeholder_filling import fill_placeholders
from .placeholder_logits import DraftsWithoutPlaceholders, tolerate_placeholders
from .visual_embedding import VisualEmbedding


# How the attention that vLLM gives a model is called. Before it runs a model, it puts each visual where its placeholders were: such a token
# that is left was said or generated, and an error would end the engine and all its requests.
_VLLM = "vllm"
# Types of language models whose head has a bias.
_WITH_HEAD_BIAS = {"phi"}


class VisionLanguagePreTrainedModel(SavedLikeOtherFiles, PreTrainedModelWithEncoders):
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = [CACHE_NAME]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    # buffers that transformers 4 saved
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq$", r"embeddings\.position_ids$"]
    # pixels of a visual by modality, as `forward` and `generate` take them
    pixel_inputs: ClassVar[dict[str, tuple[str, ...]]] = {}
    # what else they take where videos come as pixels
    video_options: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def is_custom_code(cls) -> bool:
        # transformers expects of custom code that it initializes weights that were loaded, and in return leaves out
        # modules without weights of their own, such as CLIP's attention. This code uses transformers.initialization.
        return False

    def check_frame_selection(self, frame_selection: str) -> None:
        """
        Raises:
            ValueError: if this model does not choose frames, or not in this way.
        """
        if "frame_selection" not in self.video_options:
            raise ValueError(
                f"A {type(self).__name__} selects no frames, it looks at all that it is given: leave `frame_selection` out."
            )
        self.config.resolve_frame_selection(frame_selection)

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        """As [`~PreTrainedModel.get_encoder`], which takes the image encoder for that of videos too, also where videos have their own."""
        encoder = self.encoders.get(modality)
        return super().get_encoder(modality) if encoder is None else getattr(self.base_model, encoder.module)

    def set_encoder(self, encoder: nn.Module, modality: str | None = None) -> None:
        known = self.encoders.get(modality)
        if known is None:
            super().set_encoder(encoder, modality)
        else:
            setattr(self.base_model, known.module, encoder)

    def cuda_graphs_enable(self, memory_budget: int | None = None):
        """
        Records what leads to the first token as CUDA graphs when it first comes: the video encoders, for each number of videos,
        and the prefill of prompts without padding, for each number of prompts and length in steps of 64 tokens. Later calls
        without gradients replay them, which saves most of the time that Python takes. Without this call, on one NVIDIA GPU, what
        comes for the third time is recorded.

        With a cache of fixed size (`cache_implementation="static"`), the compiled decode steps are recorded too, anew for each
        answer.

        A recording reads the weights from where they are, and sees what is written into them. It is forgotten by itself when
        the model is found to have changed: weights that are elsewhere, other modules, adapters, hooks, attributes or configs.
        Quantized models, and modules with hooks, are not recorded.

        Args:
            memory_budget (`int`, *optional*, defaults to 10^9):
                Bytes of the GPU that all recordings of the model hold at most. Those used longest ago are dropped for others.

        Raises:
            ValueError: if the model is not on one GPU.
        """
        devices = sorted({str(parameter.device) for parameter in self.parameters()})
        if len(devices) > 1 or not devices[0].startswith("cuda"):
            raise ValueError(
                f"CUDA graphs need a model on one GPU, and this one is on {', '.join(devices)}: `model.to('cuda')`."
            )
        enable_cuda_graphs(self.base_model, memory_budget)

    def cuda_graphs_disable(self):
        """Forgets the CUDA graphs, and records none until [`cuda_graphs_enable`] is called."""
        disable_cuda_graphs(self.base_model)

    def get_compiled_call(self, compile_config: CompileConfig | None) -> Callable[..., ModelOutput]:
        """As [`~PreTrainedModel.get_compiled_call`]; the decode steps are recorded too."""
        return compiled_call(self, compile_config, plain=super().get_compiled_call)

    def _apply(self, *args, **kwargs):
        forget_cuda_graphs(self)  # the weights go somewhere else
        return super()._apply(*args, **kwargs)


class VisionLanguageModel(VisionLanguagePreTrainedModel):
    """
    A model without a language modeling head. A family has `get_image_features` or `get_video_features`, or both, whose
    `pooler_output` holds the visual tokens, and a `forward` that names its pixels and calls [`_run`].
    """

    language_model: nn.Module

    @property
    def embed_vision(self) -> VisualEmbedding:
        """
        Encoders and projectors as one module, from the pixels that `forward` takes to visual tokens. transformers' exporters look for
        this name and make a graph of it.
        """
        names = [encoder.module for encoder in self.encoders.values()] + list(self.projectors)
        parts = {name: getattr(self, name) for name in names}
        known = self.__dict__.get("_visual_embedding")
        if known is None or not known.is_made_of(parts):
            # not one of the modules: its weights have their names already
            known = self.__dict__["_visual_embedding"] = VisualEmbedding(parts, self._encode_pixels)
        return known

    def _run(
        self,
        pixels: dict[str, dict[str, torch.Tensor | None]],
        input_ids: torch.LongTensor | None,
        inputs_embeds: torch.Tensor | None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None,
        cache: Cache | None,
        video_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> VisionLanguageModelOutputWithPast:
        """
        The whole forward pass.

        Args:
            pixels (`dict[str, dict[str, torch.Tensor]]`):
                By modality, what `get_image_features` or `get_video_features` takes, by name; `None` where there is none.
            input_ids, inputs_embeds, mm_encoder_outputs, cache, kwargs: as for `forward`.
            video_options (`dict[str, Any]`, *optional*): what else `get_video_features` takes.

        Raises:
            ValueError: if placeholders and visuals do not match, or a shape or dtype does not fit the config.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of `input_ids` and `inputs_embeds`.")
        join_encoders()  # for what comes here from `generate` without their turn
        # those of all layers: a choice of layers is one of the language model's
        records = {name: True for name in ("output_hidden_states", "output_attentions") if kwargs.get(name)}
        if (embedding := self.__dict__.get("_visual_embedding")) is not None and is_watched(embedding):
            given = [inputs.items() for inputs in pixels.values()]
            embedding(**{name: value for items in given for name, value in items if value is not None})
        if video_options and (mm_encoder_outputs or {}).get("video") is not None:
            raise ValueError(
                f"{', '.join(map(repr, video_options))} cannot be applied to a video that is encoded already: pass it to "
                "`get_video_features`."
            )
        encoded = self._encode_visuals(mm_encoder_outputs or {}, pixels, records, video_options)
        visual_tokens = {modality: output.pooler_output for modality, output in encoded.items()}

        placeholders = {}
        if visual_tokens or self._may_lack_visuals(input_ids, inputs_embeds, cache):
            placeholders = {
                modality: self._find_placeholders(token_id, input_ids, inputs_embeds)
                for modality, token_id in placeholder_ids(self.config).items()
            }
        if inputs_embeds is None:
            inputs_embeds = self._look_up(input_ids, placeholders)
        inputs_embeds, check = fill_placeholders(
            inputs_embeds, placeholders, visual_tokens, partial(mismatch_message, self.config, self.pixel_inputs)
        )
        outputs = run_language_model(self, check, inputs_embeds=inputs_embeds, **{CACHE_NAME: cache}, **kwargs)
        video_outputs = encoded.get("video")
        return VisionLanguageModelOutputWithPast(
            **outputs,
            image_hidden_states=visual_tokens.get("image"),
            video_hidden_states=visual_tokens.get("video"),
            frame_scores=getattr(video_outputs, "frame_scores", None),
            selected_frames=getattr(video_outputs, "selected_frames", None),
            image_outputs=encoded.get("image"),
            video_outputs=video_outputs,
        )

    def _encode_pixels(self, pixels: dict[str, torch.Tensor]) -> dict[str, BaseModelOutputWithPooling]:
        """Encoded visuals by modality, of pixels by their name."""
        names = self.pixel_inputs.items()
        by_modality = {modality: {name: pixels.get(name) for name in of_modality} for modality, of_modality in names}
        return self._encode_visuals({}, by_modality, {})

    def _encode_visuals(
        self,
        given: dict[str, BaseModelOutputWithPooling],
        pixels: dict[str, dict[str, torch.Tensor | None]],
        records: dict[str, bool],
        video_options: dict[str, Any] | None = None,
    ) -> dict[str, BaseModelOutputWithPooling]:
        """The encoded visuals, by modality: those given, and those that come as pixels, with what is recorded of their encoders."""
        encoded = {modality: output for modality, output in given.items() if output is not None}
        with_pixels = [
            modality for modality, inputs in pixels.items() if any(value is not None for value in inputs.values())
        ]
        for modality in with_pixels:
            if modality in encoded:
                raise ValueError(
                    f"You cannot pass both pixels and `mm_encoder_outputs` for the modality {modality!r}."
                )
        for modality in with_pixels:
            encode = getattr(self, f"get_{modality}_features")
            options = (video_options or {}) if modality == "video" else {}
            encoded[modality] = encode(**pixels[modality], return_dict=True, **records, **options)
        return encoded

    def _may_lack_visuals(
        self, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None, cache: Cache | None
    ) -> bool:
        """
        Whether placeholders are looked for although there are no visuals. What begins a prompt has none without its visual.
        After what is cached, a step too short for a visual does not bring one: it is a generated token, or guesses that were
        copied from the prompt.
        """
        if str(self.config.text_config._attn_implementation).startswith(_VLLM):
            return False
        prompt = inputs_embeds if input_ids is None else input_ids
        assert prompt is not None
        if not torch.compiler.is_compiling():
            if prompt.is_meta or type(prompt) not in (torch.Tensor, nn.Parameter):
                return False  # without values
            if input_ids is not None and current_logits_check() is not None:
                return (
                    False  # `generate` has looked at the prompt; placeholders that are drafted or generated are tokens
                )
        if cache is None:
            return True
        if is_exporting():
            return False  # a step, of any number of tokens: it must not depend on it what is in the graph
        num_tokens = prompt.shape[1]
        if num_tokens == 1:
            return False
        is_beginning = not any(layer.is_initialized for layer in cache.layers)
        return is_beginning or num_tokens >= min(self._num_tokens_per(name) for name in placeholder_ids(self.config))

    def _find_placeholders(
        self, token_id: int, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None
    ) -> torch.Tensor:
        """Where a placeholder stands, (B, L)."""
        if input_ids is not None:
            return input_ids == token_id
        if token_id >= self.config.text_config.vocab_size:  # it has no embedding that could be recognized
            return torch.zeros(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)
        token = torch.full((), token_id, dtype=torch.long, device=inputs_embeds.device)
        return (inputs_embeds == self.get_input_embeddings()(token)).all(-1)

    def _look_up(self, input_ids: torch.Tensor, placeholders: dict[str, torch.Tensor]) -> torch.Tensor:
        """Embeddings (B, L, h) of all tokens but placeholders, whose ids may lie outside the vocabulary."""
        for modality, token_id in placeholder_ids(self.config).items():
            if modality in placeholders:
                input_ids = input_ids.masked_fill(placeholders[modality], 0)
            elif token_id >= self.config.text_config.vocab_size:
                input_ids = input_ids.masked_fill(input_ids == token_id, 0)
        return self.get_input_embeddings()(input_ids)

    def _num_tokens_per(self, modality: str) -> int:
        return getattr(self.config, f"num_{modality}_tokens")


class VisionLanguageForConditionalGeneration(
    VisionLanguagePreTrainedModel, ExportedInParts, WithEncodedVisuals, WithChunkedPrefill, GenerationMixin
):
    """A model with a language modeling head. A family names the class of its base model and its pixels in `forward`."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    base_model_class: ClassVar[type[VisionLanguageModel]]

    def __init__(self, config: PreTrainedConfig):
        super().__init__(config)
        self.model = self.base_model_class(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=text.model_type in _WITH_HEAD_BIAS)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def check_prompt_length(self, input_ids: torch.Tensor) -> None:
        """
        As generation does it, before anything is encoded.

        Raises:
            ValueError: if prompts, of shape `(batch_size, sequence_length)`, are longer than the context.
        """
        check_length(self.config, self.pixel_inputs, input_ids)

    def generate(self, inputs: torch.Tensor | None = None, *args, **kwargs):
        """
        As [`~GenerationMixin.generate`]. In a later turn, with the `cache` of the one before, the visuals may be those
        of the whole conversation: those in the cache are not encoded again.

        Raises:
            ValueError:
                if the prompt is longer than the language model's context, or has placeholders and no visuals for them. It is said
                before anything is encoded.
            FloatingPointError: if the logits are NaN or infinite, unless `remove_invalid_values` is set.
        """
        input_ids = kwargs.get("input_ids", inputs)
        self._check_pixel_inputs(kwargs)
        kwargs, check = prepare_generation_inputs(self.config, self.pixel_inputs, input_ids, kwargs)
        with generating_turn(), encoding_ahead(self.model, self._video_encoding(kwargs)) as encoded:
            check()
            if encoded is not None:
                used = (*self.pixel_inputs["video"], *self.video_options)
                kwargs = {name: value for name, value in kwargs.items() if name not in used}
                kwargs["mm_encoder_outputs"]["video"] = encoded
            with generating(self) as logits_check:
                output = super().generate(inputs, *args, **kwargs)
                logits_check.finish()
        return output

    def _video_encoding(self, inputs: dict[str, Any]) -> Callable[[], ModelOutput] | None:
        """What transformers will call for the videos that `generate` is given."""
        names = self.pixel_inputs.get("video", ())
        if (
            not names
            or is_watched(self)
            or inputs["mm_encoder_outputs"].get("video") is not None
            or not all(name in inputs for name in names)
        ):
            return None
        options = {name: inputs[name] for name in self.video_options if name in inputs}
        pixels = {name: inputs[name] for name in names}
        return partial(self.model.get_video_features, **pixels, **options, return_dict=True)

    def _maybe_prepare_encoder_kwargs_for_generation(self, *args, **kwargs) -> dict[str, Any]:
        join_encoders()
        return super()._maybe_prepare_encoder_kwargs_for_generation(*args, **kwargs)

    def _get_logits_processor(self, generation_config: GenerationConfig, *args, **kwargs) -> LogitsProcessorList:
        """As [`~GenerationMixin._get_logits_processor`], behind the check of what the model itself says."""
        processors = super()._get_logits_processor(generation_config, *args, **kwargs)
        processors = LogitsProcessorList(tolerate_placeholders(processor, self.config) for processor in processors)
        logits_check = current_logits_check()
        if logits_check is not None and not generation_config.remove_invalid_values:
            processors.insert(0, logits_check)
        return processors

    def _get_candidate_generator(self, *args, **kwargs) -> CandidateGenerator:
        generator = super()._get_candidate_generator(*args, **kwargs)
        if isinstance(generator, PromptLookupCandidateGenerator):
            return DraftsWithoutPlaceholders(generator, self.config)
        return generator

    def _check_pixel_inputs(self, inputs: dict[str, Any]) -> None:
        """Raises a `ValueError` if inputs that belong together are not all among those of `generate`."""

    def _run(
        self,
        labels: torch.LongTensor | None,
        logits_to_keep: int | torch.Tensor,
        cache: Cache | None,
        inputs: dict[str, Any],
        **kwargs: Any,
    ) -> VisionLanguageCausalLMOutputWithPast:
        """
        The whole forward pass.

        Args:
            labels (`torch.LongTensor` of shape `(B, L)`, *optional*):
                Ids to predict; -100 where the loss does not look. It never looks at placeholders.
            logits_to_keep (`int` or `torch.Tensor`):
                Logits of this many last positions, or of these positions, are computed; 0 means all.
            cache (`Cache`, *optional*): of the language model.
            inputs (`dict[str, Any]`): what else the base model's `forward` names.
            kwargs: options of the base model and of the loss.
        """
        with last_token_only(self.model, logits_to_keep):
            outputs = self.model(**inputs, return_dict=True, **{CACHE_NAME: cache}, **kwargs)
        hidden_states = slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep)
        logits = linear_of_one_token(hidden_states, plain=self.lm_head)
        loss = None
        if labels is not None:
            counted, kwargs = self._without_placeholders(labels, inputs["input_ids"], kwargs)
            loss = self.loss_function(
                logits=logits, labels=counted, vocab_size=self.config.text_config.vocab_size, **kwargs
            )
        others = {name: value for name, value in outputs.items() if name != "last_hidden_state"}
        return VisionLanguageCausalLMOutputWithPast(loss=loss, logits=logits, **others)

    def _without_placeholders(
        self, labels: torch.Tensor, input_ids: torch.Tensor | None, loss_options: dict[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Labels and options of the loss that leave placeholders out."""
        ids = list(placeholder_ids(self.config).values())
        num_items = loss_options.get("num_items_in_batch")
        if (shifted := loss_options.get("shift_labels")) is not None:
            shifted, num_items = ignore_placeholders(shifted, None, ids, num_items)
            return labels, {**loss_options, "shift_labels": shifted, "num_items_in_batch": num_items}
        labels, num_items = ignore_placeholders(labels, input_ids, ids, num_items)
        return labels, {**loss_options, "num_items_in_batch": num_items}


__all__ = ["VisionLanguageForConditionalGeneration", "VisionLanguageModel", "VisionLanguagePreTrainedModel"]
