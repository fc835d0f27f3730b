# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The methods that stand in for those of older releases do what the installed ones do, where it has them."""

import pytest
import torch
from transformers import BatchFeature, ProcessorMixin

from transformers_mvgpt.compat.chat_processors import ChatProcessorMethods


class Processor(ChatProcessorMethods):
    def __init__(self, chat_template):
        self.chat_template = chat_template


KNOWN = {"default": "the default", "tools": "with tools"}
TEMPLATES = {
    "the only one": ("the only one", None, "the only one"),
    "another one instead": ("the only one", "{{ messages }}", "{{ messages }}"),
    "no name of the only one": ("the only one", "default", "default"),
    "the default of several": (KNOWN, None, "the default"),
    "one by its name": (KNOWN, "tools", "with tools"),
    "another one than several": (KNOWN, "{{ messages }}", "{{ messages }}"),
}
OURS = pytest.param(ChatProcessorMethods, id="ours")
BOTH = [OURS] + (
    [pytest.param(ProcessorMixin, id="installed")] if hasattr(ProcessorMixin, "_resolve_chat_template") else []
)
each_class = pytest.mark.parametrize("methods", BOTH)


@each_class
@pytest.mark.parametrize("known, given, found", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_template(methods, known, given, found):
    assert methods._resolve_chat_template(Processor(known), given) == found


@each_class
@pytest.mark.parametrize("known", [None, {"tools": "with tools"}], ids=["none", "none of several"])
def test_no_default_template(methods, known):
    with pytest.raises(ValueError, match="default|does not have a chat template"):
        methods._resolve_chat_template(Processor(known), None)


@each_class
def test_tokens_of_the_assistant_behind_placeholders(methods):
    # "a<v>bc" and "bcd", whose first placeholder is 3 characters and becomes 6
    inputs = BatchFeature(
        {
            "input_ids": torch.zeros(2, 5, dtype=torch.long),
            "offset_mapping": [[(0, 1), (1, 4), (4, 7), (7, 8), (8, 9)], [(0, 0), (0, 0), (0, 1), (1, 2), (2, 3)]],
            "text_replacement_offsets": [[{"span": (1, 4), "new_span": (1, 7)}], []],
        }
    )
    found = methods._adjust_assistant_masks_indices(Processor("one"), inputs, [[(4, 5)], [(0, 1), (2, 3)]])
    assert found["assistant_masks"] == [[0, 0, 0, 1, 0], [0, 0, 1, 0, 1]]
    assert set(found) == {"input_ids", "assistant_masks"}


def test_installed_methods_come_first():
    class Both(ProcessorMixin, ChatProcessorMethods): ...

    if hasattr(ProcessorMixin, "_resolve_chat_template"):
        assert Both._resolve_chat_template is ProcessorMixin._resolve_chat_template
    else:
        assert Both._resolve_chat_template is ChatProcessorMethods._resolve_chat_template
