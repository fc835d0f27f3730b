# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a training run is made of: a YAML file, checked before anything is loaded."""

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import yaml
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError

from ..video.limits import shorten
from .stage_records import STAGE_NAMES


SHIPPED_RECIPES = Path(__file__).parent / "recipes"


@strict
@dataclass(kw_only=True)
class LoraSettings:
    """
    Args:
        r (`int`): rank of the adapters.
        alpha (`int`): their products are scaled by alpha / r.
        dropout (`float`): of their inputs, from 0 to below 1.
    """

    r: int = 128
    alpha: int = 256
    dropout: int | float = 0.05

    def __post_init__(self):
        if self.r < 1:
            raise ValueError(f"`lora.r` ({self.r}) must be at least 1.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`lora.dropout` ({self.dropout}) must be from 0 to below 1.")


@strict
@dataclass(kw_only=True)
class Recipe:
    """
    Settings of one stage of training. [`load_recipe`] reads them from a YAML file.

    Args:
        stage (`str`):
            A stage of the model's family. `"video_projector"` and `"image_projector"` train one projector on captions,
            `"pretraining"` (MobileVLM V2) the projector and the language model, `"instruction"` the language model and all
            projectors on conversations.
        model (`str`):
            Where to start: a native folder, such as `mvgpt assemble` writes, a published checkpoint (folder or Hub id) or
            the output of the stage before.
        data (`str`, `list[str]` or `datasets.Dataset`):
            What [`InstructionDataset`] takes.
        output (`str`):
            Folder for the trained model, the checkpoints and the curve of the loss.
        media_folder (`str`, *optional*):
            What paths in the data are relative to, and do not leave; by default the folder of the file that names them.
        media_anywhere (`bool`):
            Whether absolute paths, `..` and links in the data may leave that folder. Only for data that you trust.
        eval_data (*optional*): as `data`, to evaluate on every `eval_steps` steps.
        num_epochs (`float`), max_steps (`int`): length of the run; one of them.
        learning_rate (`float`): of all that learns.
        projector_learning_rate (`float`, *optional*): of the projectors, where it differs.
        batch_size (`int`): samples per process and forward pass.
        gradient_accumulation (`int`): forward passes per step.
        warmup_ratio (`float`): share of the run in which the learning rate rises, from 0 to below 1.
        weight_decay (`float`): of all weights but biases and norms.
        scheduler (`str`): how the learning rate falls, one of transformers' schedulers.
        max_length (`int`): longest sample in tokens, the visual's included.
        pad_images (`bool`):
            Whether images for the image encoder become squares with borders of the mean color, as in the published
            training, instead of being cropped to squares. For Mobile-VideoGPT: MobileVLM's always become squares.
        lora ([`LoraSettings`], *optional*): None trains the language model in full.
        train_encoders (`bool`): whether the encoders learn too. Only in the stage `"instruction"`.
        gradient_checkpointing (`bool`): compute activations twice instead of keeping them.
        dtype (`str`): `"bf16"` and `"fp16"` compute in it; weights are kept in float32.
        num_workers (`int`): processes that read images and videos, at most one for each processor; 0 reads them in between.
        seed (`int`): of the order of the samples, dropout and new weights.
        on_unreadable (`str`):
            What follows on a sample that cannot be used, such as a damaged clip: `"stop"`, or `"report"` it, count it and
            go on without it.
        save_steps (`int`, *optional*): steps from one checkpoint to the next; None keeps none.
        eval_steps (`int`, *optional*): steps from one evaluation to the next; None evaluates after each epoch.
        logging_steps (`int`): steps from one record of the loss to the next.
        report_to (`str` or `list[str]`): `"none"`, or where else the loss goes, such as `"tensorboard"`, `"wandb"`.
        trainer (`dict`): further arguments of transformers' `TrainingArguments`.

    Raises:
        ValueError: on a value that cannot be.
    """

    stage: str
    model: str
    data: Any
    output: str
    media_folder: str | None = None
    media_anywhere: bool = False
    eval_data: Any = None
    num_epochs: int | float | None = None
    max_steps: int | None = None
    learning_rate: int | float
    projector_learning_rate: int | float | None = None
    batch_size: int = 8
    gradient_accumulation: int = 1
    warmup_ratio: int | float = 0.03
    weight_decay: int | float = 0.0
    scheduler: str = "cosine"
    max_length: int = 4096
    pad_images: bool = False
    lora: LoraSettings | None = field(default_factory=LoraSettings)
    train_encoders: bool = False
    gradient_checkpointing: bool = False
    dtype: Literal["bf16", "fp16", "fp32"] = "bf16"
    num_workers: int = 4
    seed: int = 0
    on_unreadable: Literal["stop", "report"] = "stop"
    save_steps: int | None = 500
    eval_steps: int | None = None
    logging_steps: int = 10
    report_to: str | list[str] = "none"
    trainer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.stage not in STAGE_NAMES:
            raise ValueError(f"`stage` ({shorten(self.stage)}) must be {' or '.join(STAGE_NAMES)}.")
        if (self.num_epochs is None) == (self.max_steps is None):
            raise ValueError(
                f"One of `num_epochs` ({self.num_epochs}) and `max_steps` ({self.max_steps}) must say how long to train. Set the "
                "other to null, as in `num_epochs=null`."
            )
        for name in (
            "num_epochs",
            "max_steps",
            "learning_rate",
            "projector_learning_rate",
            "save_steps",
            "eval_steps",
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{name}` ({value}) must be more than 0.")
        for name in ("batch_size", "gradient_accumulation", "max_length", "logging_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` ({getattr(self, name)}) must be at least 1.")
        for name in ("weight_decay", "num_workers", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` ({getattr(self, name)}) must not be negative.")
        if not 0 <= self.warmup_ratio < 1:
            raise ValueError(f"`warmup_ratio` ({self.warmup_ratio}) must be from 0 to below 1.")
        if self.train_encoders and self.stage != "instruction":
            raise ValueError(
                f"`train_encoders` is only for the stage 'instruction': in {self.stage!r} encoders are frozen."
            )

    def to_yaml(self) -> str:
        """The recipe as [`load_recipe`] reads it. A dataset that is no path is named by its fingerprint."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("data", "eval_data"):
            if not _is_plain(values[name]):
                values[name] = f"<dataset {getattr(values[name], '_fingerprint', type(values[name]).__name__)}>"
        values["lora"] = None if self.lora is None else asdict(self.lora)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def load_recipe(path: str | os.PathLike, overrides: Iterable[str] = ()) -> Recipe:
    """
    Args:
        path (`str`):
            A YAML file, or the name of a recipe that comes with the package, such as `instruction_0.5b`.
        overrides (`list[str]`):
            `"key=value"` replaces a value of the file; `"lora.r=64"` one inside of a mapping.

    Raises:
        FileNotFoundError: if there is no such recipe.
        ValueError: on YAML that cannot be read, an unknown or missing key, or a value that cannot be.
    """
    file = Path(path)
    shipped = SHIPPED_RECIPES / f"{path}.yaml"
    if not file.is_file() and not (shipped.parent == SHIPPED_RECIPES and shipped.is_file()):
        names = ", ".join(sorted(recipe.stem for recipe in SHIPPED_RECIPES.glob("*.yaml")))
        raise FileNotFoundError(f"There is no recipe {path}: give a YAML file, or one of those shipped: {names}.")
    file = file if file.is_file() else shipped
    values = _read_yaml(file.read_text("utf-8"), str(path))
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a recipe: it holds a {type(values).__name__}, not `key: value` lines.")
    for override in overrides:
        _apply(override, values)
    return make_recipe(values, str(path))


def make_recipe(values: Mapping[str, Any], origin: str = "The recipe") -> Recipe:
    """
    The recipe with these values.

    Raises:
        ValueError: on an unknown or missing key, or a value that cannot be.
    """
    values = dict(values)
    check_names(values, [name.name for name in fields(Recipe)], origin)
    if isinstance(values.get("lora"), Mapping):
        lora = dict(values["lora"])
        check_names(lora, [name.name for name in fields(LoraSettings)], f"{origin}, `lora`")
        values["lora"] = _checked(LoraSettings, lora, origin)
    required = [f.name for f in fields(Recipe) if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if values.get(name) is None]:
        raise ValueError(
            f"{origin} lacks {', '.join(missing)}: add to the file, or to the command as in `{missing[0]}=...`."
        )
    return _checked(Recipe, values, origin)


def _checked(settings: type, values: dict[str, Any], origin: str) -> Any:
    try:
        return settings(**values)
    except StrictDataclassError as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(f"{origin} has a value that cannot be: {shorten(reason)}.") from error


def check_names(given: Iterable[Any], known: Sequence[str], origin: str) -> None:
    """
    Raises:
        ValueError: if a given name is none of those known; it names the nearest.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
            raise ValueError(f"{origin} has an unknown key `{name}`; the nearest known one is `{near[0]}`.")


class _Loader(yaml.SafeLoader):
    """Reads `1e-3` as a number, as YAML 1.2 does, and takes no key twice."""

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} is there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def _read_yaml(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{origin} is not valid YAML: {' '.join(str(error).split())}.") from error


def _apply(override: str, values: dict[str, Any]) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name:
        raise ValueError(f"{override!r} is not of the form key=value, as in learning_rate=1e-3.")
    *parents, last = name.split(".")
    for parent in parents:
        inner = values.get(parent)
        values[parent] = values = dict(inner) if isinstance(inner, dict) else {}
    values[last] = _read_yaml(text, override)


def _is_plain(data: Any) -> bool:
    return (
        data is None
        or isinstance(data, str)
        or (isinstance(data, list) and all(isinstance(path, str) for path in data))
    )
