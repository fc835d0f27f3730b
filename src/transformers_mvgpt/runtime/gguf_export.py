# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model's language model as a GGUF file, as llama.cpp reads it."""

import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from ..compat.safetensors_files import full_disk_is_named
from ..conversion.loading import LoadedModel, load_model
from ..version import __version__
from ..video.limits import shorten
from .gguf_checks import ARCHITECTURES
from .gguf_header import read_gguf_header
from .gguf_projector import add_projector, projector_problem, projector_tensors
from .gguf_vocabulary import Vocabulary, read_vocabulary


logger = logging.getLogger(__name__)

GGUF_TYPES = ("f16", "q8_0", "q4_0")
# By it a file that this package wrote is known.
_WRITER_KEY = "transformers_mvgpt.exported"
_ACTIVATIONS = {"qwen2": ("silu",), "llama": ("silu",), "phi": ("gelu_new", "gelu_pytorch_tanh")}
_LARGEST_FLOAT16 = 65504.0

OnProgress = Callable[[str, int, int], None]


def export_gguf(
    source: str | os.PathLike,
    file: str | os.PathLike,
    *,
    type: str | Sequence[str] = "q8_0",
    base_model: str | os.PathLike | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> list[Path]:
    r"""
    Writes the language model of a model as a GGUF file: weights, vocabulary, chat template and sizes, as llama.cpp loads it.
    Of a MobileVLM, also its image encoder and projector, `mmproj-chat.gguf` for `chat.gguf`, with which llama.cpp answers questions
    about images, if it has that projector.

    Args:
        source (`str`):
            Folder or Hub id of a checkpoint or of an output of training, as for [`convert`].
        file (`str`):
            The file to write.
        type (`str` or `list[str]`, defaults to `"q8_0"`):
            How the weights are stored: `"f16"`, `"q8_0"` (8 bits) or `"q4_0"` (4 bits; the embedding in 8). Of several, one file
            each is written, with the type in its name: `chat-q8_0.gguf` and `chat-q4_0.gguf` for `chat.gguf`.
        base_model (`str`, *optional*):
            For a LoRA adapter: folder or Hub id of the model that it was trained on, by default what it names.
        overwrite (`bool`, defaults to `False`):
            Replace a file that this function has written before.
        on_progress (`Callable[[str, int, int], None]`, *optional*):
            Called with a step, and how much of how much of it is done.

    Returns:
        `list[Path]`: the files that were written.

    Raises:
        FileExistsError: if a file is there that must not be replaced.
        OSError: if a part of the model is to be found nowhere, or a file cannot be written.
        ValueError: if there is no such type, or llama.cpp has no such model.
        ImportError: if `gguf` is not installed.
    """
    types = [type] if isinstance(type, str) else list(dict.fromkeys(type))
    for name in types:
        if name not in GGUF_TYPES:
            raise ValueError(f"`type` ({shorten(repr(name))}) must be one of {', '.join(GGUF_TYPES)}.")
    if not types:
        raise ValueError(f"No `type` is named: take {' or '.join(GGUF_TYPES)}.")
    _import_gguf()
    target = Path(file)
    targets = {name: target.with_stem(f"{target.stem}-{name}") if len(types) > 1 else target for name in types}
    projector_path = target.with_name(f"mmproj-{target.name}")
    for path in targets.values():
        _check_target(path, overwrite)

    source = os.fspath(source)
    report = on_progress or (lambda step, completed, total: None)
    report(f"Loading {source}", 0, 1)
    loaded = load_model(source, {}, None if base_model is None else os.fspath(base_model))
    report(f"Loading {source}", 1, 1)
    written = list(targets.values())
    if loaded.model.config.model_type == "mobilevlm":
        if problem := projector_problem(loaded.model.config):
            logger.warning(
                "%s is not written, so that llama.cpp alone shows this model no images: it has no projector for %s.",
                projector_path,
                problem,
            )
        else:
            _check_target(projector_path, overwrite)
            with _replacing(projector_path) as unfinished:
                _write_projector(unfinished, loaded, lambda *step: report(f"Writing {projector_path}", *step))
            written.append(projector_path)
    for name, path in targets.items():
        with _replacing(path) as unfinished:
            _write_language_model(unfinished, loaded, name, lambda *step, path=path: report(f"Writing {path}", *step))
    return written


def _import_gguf() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise ImportError("Writing a GGUF file needs gguf: pip install 'transformers-mvgpt[gguf]'.") from error
    return gguf


def _check_target(path: Path, overwrite: bool) -> None:
    if path.suffix != ".gguf":
        raise ValueError(f"{path} must end in .gguf, by which llama.cpp's tools know such a file.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} for {path.name}: make it first.")
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileExistsError(
            f"{path} is there already: choose another file, or let it be replaced (`overwrite=True`, `--overwrite`)."
        )
    try:
        is_own = _WRITER_KEY in read_gguf_header(path).fields
    except (OSError, ValueError):
        is_own = False
    if not is_own:
        raise FileExistsError(f"{path} was not written by this package and is not replaced: choose another file.")


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A file to write to, which becomes `target` if all goes well and disappears otherwise."""
    place = Path(os.path.realpath(target))
    unfinished = place.with_name(f".{uuid.uuid4().hex}.unfinished")
    try:
        with full_disk_is_named(target):
            yield unfinished
            os.replace(unfinished, place)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_language_model(path: Path, loaded: LoadedModel, type_name: str, report: Callable[[int, int], None]) -> None:
    gguf = _import_gguf()
    config = loaded.model.config.text_config
    check_language_model(config)
    architecture = ARCHITECTURES[config.model_type]
    # before anything is written: it may be refused
    vocabulary = read_vocabulary(
        loaded.processor.tokenizer, config.vocab_size, loaded.model.generation_config.eos_token_id
    )
    tensors = _named_tensors(loaded.model, architecture)
    writer = gguf.GGUFWriter(path, architecture)
    try:
        _add_sizes(writer, config, loaded.model)
        writer.add_file_type(
            {
                "f16": gguf.LlamaFileType.MOSTLY_F16,
                "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
                "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
            }[type_name]
        )
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _add_vocabulary(writer, vocabulary)
        if loaded.processor.chat_template:
            writer.add_chat_template(loaded.processor.chat_template)
        write_tensors(writer, {name: (tensor, _type_of(name, tensor, type_name)) for name, tensor in tensors}, report)
    finally:
        writer.close()


def _write_projector(path: Path, loaded: LoadedModel, report: Callable[[int, int], None]) -> None:
    gguf = _import_gguf()
    writer = gguf.GGUFWriter(path, "clip")
    try:
        add_projector(writer, loaded)
        writer.add_string(_WRITER_KEY, __version__)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        tensors = projector_tensors(loaded.model)
        types = {name: "f16" if tensor.ndim > 1 else "f32" for name, tensor in tensors.items()}
        # they are added, not multiplied
        types["v.position_embd.weight"] = "f32"
        write_tensors(writer, {name: (tensor, types[name]) for name, tensor in tensors.items()}, report)
    finally:
        writer.close()


def check_language_model(config: PreTrainedConfig) -> None:
    """
    Raises:
        ValueError: if a field of the config asks for something that llama.cpp's model of the same name does otherwise.
    """
    if config.model_type not in ARCHITECTURES:
        raise ValueError(
            f"The language model is of the type {shorten(repr(config.model_type))}; only {', '.join(ARCHITECTURES)} can be written."
        )
    rope = dict(config.rope_parameters or {})
    problems = [
        ("hidden_act", config.hidden_act, config.hidden_act in _ACTIVATIONS[config.model_type]),
        (
            "rope_parameters.rope_type",
            rope.get("rope_type"),
            rope.get("rope_type", "default") in ("default", "linear"),
        ),
        ("use_sliding_window", True, not getattr(config, "use_sliding_window", False)),
        ("qk_layernorm", True, not getattr(config, "qk_layernorm", False)),
    ]
    for name, value, is_possible in problems:
        if not is_possible:
            raise ValueError(
                f"The language model has `{name}` {shorten(repr(value))}, which llama.cpp's {config.model_type} model does not have: "
                "export it with `mvgpt export-onnx`."
            )


def _add_sizes(writer: Any, config: PreTrainedConfig, model: PreTrainedModel) -> None:
    rope = dict(config.rope_parameters or {})
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_type("model")
    writer.add_name(f"{model.config.model_type}-language-model")
    writer.add_string(_WRITER_KEY, __version__)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads or config.num_attention_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    if rope.get("rope_type") == "linear":
        writer.add_rope_scaling_type("linear")
        writer.add_rope_scaling_factor(rope["factor"])
    if config.model_type == "phi":
        writer.add_layer_norm_eps(config.layer_norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre_tokenizer)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.adds_space)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    for name, id in vocabulary.special_ids.items():
        getattr(writer, f"add_{name}_token_id")(id)
    writer.add_add_bos_token(vocabulary.adds_bos)
    writer.add_add_eos_token(False)


def _named_tensors(model: PreTrainedModel, architecture: str) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of the language model by llama.cpp's names."""
    gguf = _import_gguf()
    config = model.config.text_config
    names = gguf.get_tensor_name_map(
        {value: key for key, value in gguf.MODEL_ARCH_NAMES.items()}[architecture], config.num_hidden_layers
    )
    weights = {f"model.{name}": tensor for name, tensor in model.model.language_model.state_dict().items()}
    head = model.get_output_embeddings()
    # a head that is the embedding is left out: llama.cpp takes the embedding
    if head.weight is not model.get_input_embeddings().weight:
        weights["lm_head.weight"] = head.weight
    if head.bias is not None:
        weights["lm_head.bias"] = head.bias
    for name, tensor in weights.items():
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ValueError(f"llama.cpp's {architecture} model has no weight for {name}: it cannot be written.")
        num_heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(
            found.split(".")[-2]
        )
        if architecture == "llama" and num_heads:
            tensor = _interleaved(tensor, num_heads)
        yield found, tensor.detach()


def _interleaved(tensor: torch.Tensor, num_heads: int) -> torch.Tensor:
    """
    Rows of a query or key projection, (heads · head_dim, ...), in the order of llama.cpp's Llama: it rotates neighbors, where
    transformers rotates the first half of a head with the second.
    """
    halves = tensor.unflatten(0, (num_heads, 2, -1))  # (heads, 2, head_dim / 2, ...)
    return halves.transpose(1, 2).flatten(0, 2)


def _type_of(name: str, tensor: torch.Tensor, type_name: str) -> str:
    if tensor.ndim == 1:
        return "f32"
    if type_name != "f16" and tensor.shape[-1] % 32:
        return "f16"
    # the embedding is also the head, or as sensitive as that
    return "q8_0" if type_name == "q4_0" and name in ("token_embd.weight", "output.weight") else type_name


def write_tensors(
    writer: Any, tensors: dict[str, tuple[torch.Tensor, str]], report: Callable[[int, int], None]
) -> None:
    """
    Writes everything that a writer was given, and then the tensors, one after another.

    Args:
        writer (`GGUFWriter`): the writer.
        tensors (`dict[str, tuple[torch.Tensor, str]]`): each tensor with its type, `"f32"` or one of `GGUF_TYPES`.
        report (`Callable[[int, int], None]`): called with how many of how many are written.

    Raises:
        ValueError: if a weight is beyond float16, in which scales are stored too.
    """
    gguf = _import_gguf()
    for name, (tensor, type_name) in tensors.items():
        kind = gguf.GGMLQuantizationType[type_name.upper()]
        block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        num_bytes = tensor.numel() // block_size * block_bytes
        shape = gguf.quants.quant_shape_to_byte_shape(tensor.shape, kind) if block_size > 1 else tuple(tensor.shape)
        dtype = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16)}.get(type_name, np.dtype(np.uint8))
        writer.add_tensor_info(name, shape, dtype, num_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for completed, (name, (tensor, type_name)) in enumerate(tensors.items(), start=1):
        values = tensor.to(torch.float32).contiguous().numpy()
        if type_name != "f32" and not np.abs(values).max(initial=0.0) <= _LARGEST_FLOAT16:
            raise ValueError(
                f"The weight {name} has a value beyond ±{_LARGEST_FLOAT16:.0f} or none at all: it cannot be stored as {type_name}."
            )
        writer.write_tensor_data(gguf.quants.quantize(values, gguf.GGMLQuantizationType[type_name.upper()]))
        report(completed, len(tensors))
