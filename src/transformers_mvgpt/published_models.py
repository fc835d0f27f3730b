# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is known of the published checkpoints of each family, for the cards of models that come from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from transformers import PreTrainedConfig


@dataclass(frozen=True)
class PublishedModel:
    """
    One published checkpoint.

    Args:
        repository (`str`):
            Its Hub id.
        fields (`Mapping[str, Any]`):
            What its config has, as far as that tells it from others: `{"text_config.hidden_size": 896}`.
        scores (`Mapping[str, float]`):
            What its authors report, by benchmark.
        paper (`str`, *optional*):
            Number at arXiv of where they report it, if that is not the family's paper.
    """

    repository: str
    fields: Mapping[str, Any]
    scores: Mapping[str, float] = field(default_factory=dict)
    paper: str | None = None


@dataclass(frozen=True)
class License:
    """
    Args:
        name (`str`, *optional*): by the Hub's name for it; without one, none is known.
        note (`str`): what there is to know of it, as sentences.
    """

    name: str | None
    note: str


@dataclass(frozen=True)
class PublishedModels:
    """
    The published checkpoints of a family.

    Args:
        models (`tuple[PublishedModel, ...]`):
            They.
        license ([`License`]):
            Of their weights.
        datasets (`tuple[str, ...]`):
            Hub ids of what they were trained on.
        scores_source (`str`):
            Where their scores stand, for a sentence.
        other_licenses (`Mapping[str, License]`):
            By repository, of those that have another one.
    """

    models: tuple[PublishedModel, ...]
    license: License
    datasets: tuple[str, ...] = ()
    scores_source: str = ""
    other_licenses: Mapping[str, License] = field(default_factory=dict)

    def find(self, config: PreTrainedConfig, source: str | None = None) -> PublishedModel | None:
        """
        The checkpoint that a model is, or was made of.

        Args:
            config (`PreTrainedConfig`): of the model.
            source (`str`, *optional*): folder or Hub id that it was loaded from.

        Returns:
            [`PublishedModel`], *optional*: the one of this Hub id, else the only one with such a config; none where several have.
        """
        named = [model for model in self.models if model.repository == source]
        alike = [
            model
            for model in self.models
            if all(_value(config, name) == value for name, value in model.fields.items())
        ]
        found = named or alike
        return found[0] if len(found) == 1 else None

    def license_of(self, model: PublishedModel | None) -> License:
        """The license of a checkpoint; that of most, where it is not known which one it is."""
        return self.license if model is None else self.other_licenses.get(model.repository, self.license)


def _value(config: PreTrainedConfig, name: str) -> Any:
    return reduce(lambda part, field: getattr(part, field, None), name.split("."), config)


def _scores(names: str, values: str) -> dict[str, float]:
    return {name.strip(): float(value) for name, value in zip(names.split(","), values.split(), strict=True)}


_QUESTION_BENCHMARKS = "ActivityNet-QA, EgoSchema, MLVU, MVBench, NExT-QA, PerceptionTest"
MOBILE_VIDEOGPT = PublishedModels(
    models=(
        PublishedModel(
            "Amshaker/Mobile-VideoGPT-0.5B",
            {"text_config.hidden_size": 896},
            _scores(_QUESTION_BENCHMARKS, "51.6 31.4 47.9 53.5 65.4 58.7"),
        ),
        PublishedModel(
            "Amshaker/Mobile-VideoGPT-1.5B",
            {"text_config.hidden_size": 1536},
            _scores(_QUESTION_BENCHMARKS, "54.4 36.7 48.1 53.6 73.7 65.3"),
        ),
    ),
    license=License(
        "cc-by-nc-sa-4.0",
        "The published weights are under CC BY-NC-SA 4.0 by what their authors say of them, and under CC BY "
        "4.0 by their license file: keep to the\nstricter one, or ask the authors.",
    ),
    datasets=("liuhaotian/LLaVA-CC3M-Pretrain-595K", "lmms-lab/LLaVA-Video-178K"),
    scores_source="Mobile-VideoGPT (arXiv 2503.21782)",
)

_IMAGE_BENCHMARKS = "GQA, ScienceQA (images), TextVQA, POPE, MME (perception), MMBench (dev)"
MOBILEVLM = PublishedModels(
    models=tuple(
        PublishedModel(
            f"mtgv/{name}",
            {"text_config.hidden_size": width, "projector_type": projector_type},
            _scores(_IMAGE_BENCHMARKS, scores),
            paper="2312.16886" if projector_type == "ldp" else None,
        )
        for name, width, projector_type, scores in (
            ("MobileVLM-1.7B", 2048, "ldp", "56.1 57.3 41.5 84.5 1196.2 53.2"),
            ("MobileVLM-3B", 2560, "ldp", "59.0 61.2 47.5 84.9 1288.9 59.6"),
            ("MobileVLM_V2-1.7B", 2048, "ldpv2", "59.3 66.7 52.1 84.3 1302.8 57.7"),
            ("MobileVLM_V2-3B", 2560, "ldpv2", "61.1 70.0 57.5 84.7 1440.5 63.2"),
            ("MobileVLM_V2-7B", 4096, "ldpv2", "62.6 74.8 62.3 85.3 1560.7 69.2"),
        )
    ),
    license=License(
        "apache-2.0",
        "The authors publish code and weights under the Apache License 2.0. CLIP and the texts and images of the training have\n"
        "terms of their own.",
    ),
    scores_source="MobileVLM (arXiv 2312.16886) and MobileVLM V2 (arXiv 2402.03766)",
    other_licenses={
        "mtgv/MobileVLM_V2-7B": License(
            None,
            "The authors publish their code under the Apache License 2.0. The language model in these weights is Vicuna-7B v1.5,\n"
            "which was made from Llama 2 and has terms of its own: read them before you use the weights.",
        )
    },
)

_VIDEO_BENCHMARKS = "Video-MME, MVBench, LongVideoBench, MLVU, MMVU"
_QWEN = {"text_config.model_type": "qwen2", "text_config.hidden_size": 2048}
_PHI = {"text_config.model_type": "phi", "text_config.hidden_size": 2560}
_GROUP_16 = {**_QWEN, "resampler_type": "group", "num_frames": 16}
TINYLLAVA_VIDEO = PublishedModels(
    models=(
        PublishedModel(
            "Zhang199/TinyLLaVA-Video-Qwen2.5-3B-Group-16-512",
            _GROUP_16,
            _scores(_VIDEO_BENCHMARKS, "47.0 45.5 42.4 52.5 34.3"),
        ),
        PublishedModel(
            "Zhang199/TinyLLaVA-Video-Qwen2.5-3B-Group-1fps-512",
            {**_QWEN, "resampler_type": "group", "num_frames": None},
            _scores(_VIDEO_BENCHMARKS, "47.7 47.0 42.0 52.6 36.0"),
        ),
        PublishedModel(
            "Zhang199/TinyLLaVA-Video-Qwen2.5-3B-Naive-16-512",
            {**_QWEN, "resampler_type": "naive", "num_frames": 16},
            _scores(_VIDEO_BENCHMARKS, "44.7 42.5 37.6 48.1 34.1"),
        ),
        PublishedModel(
            "Zhang199/TinyLLaVA-Video-Phi2-Naive-16-512",
            {**_PHI, "resampler_type": "naive", "num_frames": 16},
            _scores(_VIDEO_BENCHMARKS, "42.7 42.0 42.2 46.5 31.6"),
        ),
        PublishedModel(
            "Zhang199/TinyLLaVA-Video-R1",
            _GROUP_16,
            _scores("Video-MME, MVBench, MLVU, MMVU", "46.6 49.5 52.4 46.9"),
            paper="2504.09641",
        ),
        PublishedModel("Zhang199/TinyLLaVA-Video-Coldstart_NextQA_16", _GROUP_16, paper="2504.09641"),
    ),
    license=License(
        None,
        "The authors publish their code under the Apache License 2.0. The weights hold a language model, Qwen2.5-3B or Phi-2, and\n"
        "SigLIP, which have terms of their own: read them, and the authors' pages, before you use the weights.",
    ),
    datasets=("lmms-lab/LLaVA-Video-178K",),
    scores_source="TinyLLaVA-Video (arXiv 2501.15513) and TinyLLaVA-Video-R1 (arXiv 2504.09641)",
)
