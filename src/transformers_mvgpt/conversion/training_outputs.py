# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the release's training leaves behind: projectors, or a LoRA adapter beside fully trained weights."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils import cached_file

from ..families import Family
from .adapter_config import ADAPTER_CONFIG_FILE, read_adapter_config
from .weight_files import read_weights
from .weight_names import names_in_a_whole_model


_ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
_FULL_WEIGHTS_FILE = "non_lora_trainables.bin"
_PROJECTOR_FILE = "mm_projector.bin"


@dataclass
class TrainingOutput:
    """
    Args:
        source (`str`): folder or Hub id.
        files (`list[str]`): its files of weights.
        has_adapter (`bool`): whether one of them is a LoRA adapter.
        base_model (`str`, *optional*): what the adapter says that it was trained on.

    Attributes:
        weights (`dict[str, torch.Tensor]`): fully trained weights, by native names; empty until [`TrainingOutput.read`].
        lora_weights (`dict[str, torch.Tensor]`): the adapter's weights, by native names; likewise.
    """

    source: str
    files: list[str] = field(default_factory=list)
    has_adapter: bool = False
    base_model: str | None = None
    weights: dict[str, torch.Tensor] = field(default_factory=dict, init=False)
    lora_weights: dict[str, torch.Tensor] = field(default_factory=dict, init=False)
    # native names to those in the files
    _original_names: dict[str, str] = field(default_factory=dict, init=False)
    _family_name: str = field(default="", init=False)

    @property
    def is_empty(self) -> bool:
        return not self.files

    def read(self, family: Family) -> None:
        """
        Reads the weights, which are those of a model of this family.

        Raises:
            ValueError: if a file holds anything but tensors, or a weight for the second time.
        """
        self._family_name = family.name
        for file in self.files:
            self._read_file(file, family)

    def _read_file(self, file: str, family: Family) -> None:
        weights = read_weights(file)
        plain = {name: _without_wrappers(name) for name in weights}
        natives = names_in_a_whole_model(plain.values(), family.model_type)
        for name, tensor in weights.items():
            native = natives[plain[name]]
            if not isinstance(tensor, torch.Tensor):
                raise ValueError(f"{name} in {file} is a {type(tensor).__name__}, not a tensor.")
            if native in self._original_names:
                raise ValueError(f"{name} in {file} is there a second time, as {self._original_names[native]}.")
            self._original_names[native] = name
            kind = self.lora_weights if ".lora_" in native else self.weights
            kind[native] = tensor

    def check_names(self, unknown: Iterable[str]) -> None:
        """
        Raises:
            ValueError: if weights of this output are among the unknown native names.
        """
        if names := sorted(self._original_names[name] for name in unknown if name in self._original_names):
            raise ValueError(
                f"{self.source} has weights that are none of {self._family_name}'s, and none may be lost: "
                f"{', '.join(names[:10])} ({len(names)} in all)."
            )


def find_training_output(source: str) -> TrainingOutput:
    """
    Looks for `mm_projector.bin`, or `non_lora_trainables.bin` and a LoRA adapter. The output is empty if there are none.

    Raises:
        ValueError: if there is an adapter of another kind, or its config has values that cannot be.
        OSError: if the adapter has no weights.
    """
    output = TrainingOutput(source)
    if adapter_config := _find(source, ADAPTER_CONFIG_FILE):
        config = read_adapter_config(adapter_config)
        if config.get("peft_type") != "LORA":
            raise ValueError(
                f"{adapter_config} is of the type {config.get('peft_type')!r}; only 'LORA' can be merged."
            )
        output.base_model = config.get("base_model_name_or_path")
        adapter = _find(source, *_ADAPTER_FILES)
        if adapter is None:
            raise OSError(f"{source} has {ADAPTER_CONFIG_FILE}, but neither {' nor '.join(_ADAPTER_FILES)}.")
        output.has_adapter = True
        output.files.append(adapter)
    if file := _find(source, _FULL_WEIGHTS_FILE, _PROJECTOR_FILE):
        output.files.append(file)
    return output


def check_can_merge(source: str) -> None:
    """
    Raises:
        ImportError: without peft.
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{source} has a LoRA adapter, and merging it needs peft: pip install 'transformers-mvgpt[train]'."
        ) from error


def merge_lora(model: PreTrainedModel, output: TrainingOutput) -> None:
    """
    Adds the adapter's products B A to the weights of the model.

    Raises:
        ImportError: without peft.
        ValueError: if the adapter does not fit the model or its own configuration.
    """
    check_can_merge(output.source)
    import peft

    modules = {name: name.partition(".lora_")[0] for name in output.lora_weights}
    known = dict(model.named_modules())
    output.check_names(name for name, module in modules.items() if module not in known)

    try:
        config = peft.LoraConfig.from_pretrained(output.source)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{ADAPTER_CONFIG_FILE} of {output.source} cannot be used: {shorten(str(error), 300)}"
        ) from error
    # by their native names, so that no module of another part of the model is meant that has the same last name
    config.target_modules = sorted(set(modules.values()))
    config.init_lora_weights = True  # the quickest way, since they are replaced
    config.target_parameters = config.trainable_token_indices = None
    config.modules_to_save = config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    weights = {f"model.{name}": tensor for name, tensor in output.lora_weights.items()}
    try:
        lora = peft.LoraModel(model, config, "default")
        result: Any = peft.set_peft_model_state_dict(lora, weights)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = shorten(str(error), 300)
        raise ValueError(f"The LoRA adapter of {output.source} does not fit the model: {reason}") from error
    absent = [name for name in result.missing_keys if ".lora_" in name]
    if absent or result.unexpected_keys:
        raise ValueError(
            f"The LoRA adapter of {output.source} does not fit its configuration: {len(absent)} weights are missing and "
            f"{len(result.unexpected_keys)} are unexpected, such as {(absent + result.unexpected_keys)[0]}."
        )
    lora.merge_and_unload()


def _find(source: str, *names: str) -> str | None:
    files = (cached_file(source, name, _raise_exceptions_for_missing_entries=False) for name in names)
    return next((file for file in files if file is not None), None)


def _without_wrappers(name: str) -> str:
    """The name in the release's model, without what DeepSpeed and peft put before it."""
    return name.removeprefix("module.").removeprefix("base_model.model.")
