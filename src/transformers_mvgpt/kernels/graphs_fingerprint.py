# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a recorded function read beside its inputs, and whether it still is the same."""

import weakref
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


_PLAIN_TYPES = (bool, int, float, complex, str, bytes, type(None), type, torch.dtype, torch.device, torch.Size)
# Of a tensor, where it lies in memory and what lies there. `data_ptr` alone would not see `x.data = x.data.T`.
_PLACES = (torch.Tensor.data_ptr, torch.Tensor.stride, attrgetter("shape"), attrgetter("dtype"))


class Fingerprint:
    """
    All that modules were made of at a moment: their parts, parameters, buffers, attributes, hooks and configs, and the forward
    passes of their classes. What is in weights is not in it. It keeps the memory of parameters and buffers, so that a
    recording never reads what was freed, but neither the first module nor a copy of a weight.

    Args:
        modules (`Iterable[nn.Module]`): what a function reads.
    """

    def __init__(self, modules: Iterable[nn.Module]):
        first, *others = modules
        # not the first module itself: it owns the recordings, and would never go
        self._first, self._others = weakref.ref(first), others
        self._kinds: list[Any] = list(map(type, [first, *others]))
        self._forwards = [(kind, kind.forward) for kind in set(self._kinds)]
        attributes = [module.__dict__ for module in (first, *others)]
        attributes += [config.__dict__ for config in _configs_in(attributes)]
        self._attributes = [(values, _frozen(values)) for values in attributes]
        tensors = [tensor for module in (first, *others) for tensor in tensors_of(module)]
        self._tensors = list({id(tensor): tensor for tensor in tensors}.values())
        self._storages = [tensor.untyped_storage() for tensor in self._tensors]
        self._places = self._places_now()
        self._attention = _attention_functions()

    def still_holds(self) -> bool:
        """Whether nothing of it has changed. It takes a millisecond for 1,000 modules, and does not ask the GPU."""
        try:
            return (
                all(known == values for values, known in self._attributes)
                and list(map(type, [self._first(), *self._others])) == self._kinds
                and all(kind.forward is forward for kind, forward in self._forwards)
                and self._places == self._places_now()
                and self._attention == _attention_functions()
            )
        except (RuntimeError, TypeError, ValueError):
            return False  # an attribute has become a tensor or an array, which nobody can compare

    def _places_now(self) -> list[list[Any]]:
        return [list(map(place, self._tensors)) for place in _PLACES]


class _Same:
    """Equal to one object only, whatever its class says of equality."""

    __slots__ = ("_value",)

    def __init__(self, value: Any):
        self._value = value

    def __eq__(self, other: object) -> bool:
        return other is self._value

    __hash__ = None  # type: ignore[assignment]


def tensors_of(module: nn.Module) -> list[torch.Tensor]:
    """Its own parameters and buffers, and the tensors among its attributes."""
    values = [*module._parameters.values(), *module._buffers.values(), *module.__dict__.values()]
    return [value for value in values if isinstance(value, torch.Tensor)]


def _frozen(value: Any) -> Any:
    """
    What is equal to a value until it, or a container in it, is changed. Dictionaries are compared in C, which takes objects
    that are the same for equal before it asks them: only where they are not, it asks parameters, which raise.
    """
    if isinstance(value, (*_PLAIN_TYPES, nn.Module)) or (type(value) is nn.Parameter and value.numel() > 1):
        return value
    if isinstance(value, dict):
        return {key: _frozen(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_frozen, value))
    if isinstance(value, set | frozenset):
        return frozenset(value)
    return _Same(value)


def _configs_in(attributes: Iterable[dict[str, Any]]) -> list[PreTrainedConfig]:
    """Those among attributes, and those in these."""
    found: dict[int, PreTrainedConfig] = {}
    waiting = [value for values in attributes for value in values.values()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, PreTrainedConfig) and id(value) not in found:
            found[id(value)] = value
            waiting += value.__dict__.values()
    return list(found.values())


def _attention_functions() -> list[Any]:
    return [ALL_ATTENTION_FUNCTIONS.get(name) for name in ("sdpa", "flash_attention_2", "flash_attention_3")]
