# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Lets ms-swift train and ask the models of this package, of all families. Rows, prompts and labels are those of `mvgpt train`.

    swift sft --external_plugins examples/ms_swift_plugin.py --model my-model --dataset rows.jsonl ...

ms-swift 4.6.0 wants transformers below 5.20 and trl below 1.0: it needs an environment of its own.
"""

from typing import Any

import torch
from swift.model import ModelMeta, MultiModelKeys, register_model, register_model_arch
from swift.template import Template, TemplateMeta, register_template

from transformers_mvgpt.families import FAMILIES, Family
from transformers_mvgpt.training import RowCollator
from transformers_mvgpt.training.media_folder import MediaFolder
from transformers_mvgpt.training.messages import to_messages


class MvgptTemplate(Template):
    """The chat template that the processor has, and its videos and images."""

    def _encode(self, inputs: Any) -> dict[str, Any]:
        messages = [{"role": message["role"], "content": message["content"]} for message in inputs.messages]
        if inputs.system:
            messages.insert(0, {"role": "system", "content": inputs.system})
        if not self.is_training and messages[-1]["content"] is None:
            messages.pop()  # the answer that is to come
        row = {"messages": messages, "images": [*inputs.images], "videos": [*inputs.videos]}
        encoded = self._encode_row(row) if self.is_training else self._encode_question(row)
        ids, labels = encoded.pop("input_ids"), encoded.pop("labels", None)
        encoded.pop("attention_mask", None)
        return {"input_ids": ids[0].tolist(), "labels": None if labels is None else labels[0].tolist(), **encoded}

    def _encode_row(self, row: dict[str, Any]) -> dict[str, Any]:
        return RowCollator(self.processor, media_anywhere=True)([row])

    def _encode_question(self, row: dict[str, Any]) -> dict[str, Any]:
        answer = {"role": "assistant", "content": ""}  # rows have one
        *chat, _ = to_messages({**row, "messages": [*row["messages"], answer]}, MediaFolder(".", anywhere=True))
        options = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "add_generation_prompt": True}
        return dict(self.processor.apply_chat_template(chat, **options))

    def _data_collator_mm_data(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        images = [row["pixel_values"] for row in batch if row.get("pixel_values") is not None]
        joined = {"pixel_values": torch.cat(images)} if images else {}
        video_processor = getattr(self.processor, "video_processor", None)
        return joined if video_processor is None else {**joined, **video_processor.join(batch)}


def register(family: Family) -> None:
    name = family.model_type
    towers = [f"model.{encoder.module}" for encoder in family.encoders.values()]
    projectors = [f"model.{projector}" for projector in family.projectors]
    register_model_arch(
        MultiModelKeys(name, language_model="model.language_model", aligner=projectors, vision_tower=towers)
    )
    # what these say of texts is not used: the processor has its own template
    meta = TemplateMeta(
        name, [], ["{{QUERY}}"], [], [["eos_token_id"]], template_cls=MvgptTemplate, system_prefix=["{{SYSTEM}}"]
    )
    register_template(meta)
    architectures = [family.model_class.__name__]
    register_model(
        ModelMeta(name, [], template=name, model_arch=name, architectures=architectures, is_multimodal=True)
    )


for each in FAMILIES:
    register(each)
