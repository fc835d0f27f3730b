# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Loading that never leaves a part of a model with random weights, unless that is asked for."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel


# Where the weights come from that are being loaded, in a model that must not lack any.
_source: ContextVar[str | None] = ContextVar("source", default=None)


class MissingWeightsError(OSError, ValueError):
    """
    Weights that a model needs are not in its checkpoint, or have another shape there.

    Attributes:
        missing (`set[str]`): names of the weights that are not there.
        mismatched (`set[tuple[str, torch.Size, torch.Size]]`): name, shape in the checkpoint and shape in the model.
        unexpected (`set[str]`): names of tensors of the checkpoint that the model does not have.
    """

    def __init__(self, message: str, missing: Collection, mismatched: Collection, unexpected: Collection):
        super().__init__(message)
        self.missing, self.mismatched, self.unexpected = set(missing), set(mismatched), set(unexpected)


class PreTrainedModelWithAllWeights(PreTrainedModel):
    """A model that does not load from a checkpoint in which weights are missing."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        *model_args,
        allow_missing_weights: bool | None = None,
        **kwargs,
    ):
        r"""
        As [`~PreTrainedModel.from_pretrained`], but weights that are missing in the checkpoint, or have another shape there,
        are an error.

        Args:
            allow_missing_weights (`bool`, *optional*):
                Draw missing weights at random and warn, as transformers does; those of another shape need
                `ignore_mismatched_sizes=True` too. By default only where `output_loading_info=True` returns their names, or an
                empty `state_dict` asks for a fresh model.

        Raises:
            MissingWeightsError: an `OSError` and `ValueError` that names the weights.
        """
        path = pretrained_model_name_or_path
        if allow_missing_weights is None:
            allow_missing_weights = may_lack_weights(kwargs)
        output_loading_info = kwargs.pop("output_loading_info", False)
        source = None if allow_missing_weights else "the `state_dict`" if path is None else str(path)
        model, info = cls._load(source, path, *model_args, **kwargs)
        return (model, info) if output_loading_info else model

    @classmethod
    def _load(cls, source: str | None, path: str | os.PathLike | None, *model_args, **kwargs) -> tuple[Any, dict]:
        """As transformers loads a model, and the names of its weights. It may lack some if the `source` is `None`."""
        with _checked(source):
            model, info = super().from_pretrained(path, *model_args, output_loading_info=True, **kwargs)
        if source is not None:  # once more, since an adapter's weights are loaded in another way
            model._refuse(source, info["missing_keys"], info["mismatched_keys"], info["unexpected_keys"])
        return model, info

    @staticmethod
    def _finalize_model_loading(model, load_config, loading_info):
        # here, nothing has been drawn yet and no memory been taken for it
        source = _source.get()
        if source is not None and isinstance(model, PreTrainedModelWithAllWeights):
            missing = _untied(model, loading_info.missing_keys)
            model._refuse(source, missing, loading_info.mismatched_keys, loading_info.unexpected_keys)
        return PreTrainedModel._finalize_model_loading(model, load_config, loading_info)

    def _refuse(self, source: str, missing: Collection, mismatched: Collection, unexpected: Collection) -> None:
        missing = {name for name in missing if is_read(name, self.config)}
        mismatched = {item for item in mismatched if is_read(item[0], self.config)}
        if missing or mismatched:
            message = self._describe(source, missing, mismatched, unexpected)
            raise MissingWeightsError(message, missing, mismatched, unexpected)

    def _describe(self, source: str, missing: set, mismatched: set, unexpected: Collection) -> str:
        """One line that names the weights, the parts and what to do."""
        if mismatched:
            name, shape, expected = min(mismatched)
            return (
                f"{name} in {source} has the shape {tuple(shape)}, but the config makes it {tuple(expected)}; "
                f"{len(mismatched)} weights differ. Take the config.json that belongs to the weights."
            )
        counts = {part: sum(_part(name) == part for name in missing) for part in sorted(set(map(_part, missing)))}
        names = [name for name in self.state_dict() if is_read(name, self.config)]
        whole = [part for part in counts if counts[part] == sum(_part(name) == part for name in names)]
        parts = " and ".join(map(self._label, counts))
        message = (
            f"{len(missing)} weights of {parts} are missing in {source}, such as {', '.join(sorted(missing)[:3])}. "
        )
        if len(missing) == len(names) and unexpected:
            message += f"It has the weights of another model, such as {', '.join(sorted(unexpected)[:3])}. "
        else:
            message += "They are in none of its files. "
        if ways_out := [way for part in whole if (way := self._way_out(part))]:
            message += f"Give {' and '.join(ways_out)}, or take "
        else:
            message += "Take "
        return message + "a complete checkpoint; `allow_missing_weights=True` draws them at random."

    @classmethod
    def _label(cls, part: str) -> str:
        """What messages call a part of the model."""
        return part

    @classmethod
    def _way_out(cls, part: str) -> str | None:
        """What may be given to `from_pretrained` for a part that is missing as a whole."""
        return None


def is_read(name: str, config: PreTrainedConfig) -> bool:
    """Whether the model with this config computes anything with the weight of this name."""
    return config.reads_weight(name)


def may_lack_weights(options: dict[str, Any]) -> bool:
    """Whether the names of missing weights are returned, or a model without any was asked for."""
    return bool(options.get("output_loading_info")) or options.get("state_dict") == {}


@contextmanager
def _checked(source: str | None) -> Iterator[None]:
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


def _untied(model: PreTrainedModel, missing: Collection[str]) -> set[str]:
    """The missing weights less those that are tied to one that is there."""
    tied: dict[str, str] = getattr(model, "all_tied_weights_keys", {})
    present = {name for pair in tied.items() if not set(pair) <= set(missing) for name in pair}
    return set(missing) - present


def _part(name: str) -> str:
    """The part of a model that a weight belongs to, such as `vision_tower`."""
    return name.removeprefix("model.").partition(".")[0]
