# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re
from dataclasses import fields

import pytest
import yaml
from transformers import TrainingArguments

from transformers_mvgpt.compat.checkpointing_name import CHECKPOINTING
from transformers_mvgpt.training import LoraSettings, load_recipe, make_recipe, requirements
from transformers_mvgpt.training.arguments import _OWN_NAMES, _REFUSED, training_arguments
from transformers_mvgpt.training.recipe import SHIPPED_RECIPES
from transformers_mvgpt.training.stage_records import LANGUAGE_MODEL_STAGE_NAMES


VALUES = {
    "stage": "instruction",
    "model": "model",
    "data": "data.json",
    "output": "output",
    "max_steps": 3,
    "learning_rate": 1e-3,
}
# stage -> learning rate, of the projectors, epochs, samples per process, accumulation (spec of the published training)
PUBLISHED = {
    "video_projector": (1e-3, None, 2, 16, 2),
    "image_projector": (1e-3, None, 2, 8, 2),
    "instruction": (2e-4, 2e-5, 2, 8, 2),
}


# the other families: recipe -> stage, learning rate, of the projectors, samples in a step, GPUs, LoRA's rank, longest sample
OTHERS = {
    "image_projector_mobilevlm": ("image_projector", 1e-3, None, 256, 8, None, 2048),
    "instruction_mobilevlm-1.7b": ("instruction", 2e-5, None, 128, 8, None, 2048),
    "instruction_mobilevlm-3b": ("instruction", 4e-5, None, 128, 8, None, 2048),
    "lora_mobilevlm-1.7b": ("instruction", 1e-4, None, 128, 8, 128, 2048),
    "lora_mobilevlm-3b": ("instruction", 2e-4, None, 128, 8, 128, 2048),
    "pretraining_mobilevlm-v2": ("pretraining", 2e-5, 1e-3, 256, 8, None, 2048),
    "instruction_mobilevlm-v2": ("instruction", 4e-5, None, 128, 8, None, 2048),
    "lora_mobilevlm-v2": ("instruction", 2e-4, None, 128, 8, 128, 2048),
    "video_projector_tinyllava-video": ("video_projector", 1e-4, None, 128, 4, None, 3072),
    "instruction_tinyllava-video": ("instruction", 2e-5, None, 64, 4, None, 3072),
}


def write(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("size", ["0.5b", "1.5b"])
@pytest.mark.parametrize("stage", PUBLISHED)
def test_shipped_recipes_have_the_published_settings(stage, size):
    recipe = load_recipe(f"{stage}_{size}", ["model=m", "data=d.json", "output=o"])
    settings = (recipe.learning_rate, recipe.projector_learning_rate, recipe.num_epochs, recipe.batch_size)
    assert (*settings, recipe.gradient_accumulation) == PUBLISHED[stage]
    assert (recipe.warmup_ratio, recipe.weight_decay, recipe.scheduler) == (0.03, 0, "cosine")
    assert (recipe.max_length, recipe.gradient_checkpointing, recipe.dtype) == (4096, True, "bf16")
    assert recipe.lora == LoraSettings(r=128, alpha=256, dropout=0.05)
    assert not recipe.train_encoders
    assert recipe.pad_images is (stage != "video_projector")  # its images go through the video encoder


@pytest.mark.parametrize("name", OTHERS)
def test_shipped_recipes_of_other_families_have_the_published_settings(name):
    stage, rate, projector_rate, step_size, num_gpus, rank, max_length = OTHERS[name]
    recipe = load_recipe(name, ["model=m", "data=d.json", "output=o"])
    assert (recipe.stage, recipe.learning_rate, recipe.projector_learning_rate) == (stage, rate, projector_rate)
    assert recipe.batch_size * recipe.gradient_accumulation * num_gpus == step_size
    assert (recipe.num_epochs, recipe.warmup_ratio, recipe.weight_decay, recipe.scheduler) == (1, 0.03, 0, "cosine")
    assert (recipe.max_length, recipe.gradient_checkpointing, recipe.dtype) == (max_length, True, "bf16")
    if stage in LANGUAGE_MODEL_STAGE_NAMES:
        assert recipe.lora == (None if rank is None else LoraSettings(r=rank, alpha=2 * rank))
    assert not recipe.train_encoders


def test_all_shipped_recipes_are_tested():
    assert len(list(SHIPPED_RECIPES.glob("*.yaml"))) == 2 * len(PUBLISHED) + len(OTHERS)


def test_numbers_without_a_point_are_numbers(tmp_path):
    path = write(
        tmp_path, "stage: instruction\nmodel: m\ndata: [a.json, b.jsonl]\noutput: o\nmax_steps: 3\nlearning_rate: 1e-3"
    )
    recipe = load_recipe(path)
    assert recipe.learning_rate == 0.001
    assert recipe.data == ["a.json", "b.jsonl"]


def test_overrides(tmp_path):
    path = write(tmp_path, yaml.safe_dump({**VALUES, "lora": {"r": 8}}))
    overrides = ["learning_rate=2e-5", "lora.alpha=32", "trainer.max_grad_norm=0.5", "data=[x.json, y.json]"]
    recipe = load_recipe(path, [*overrides, "output=a=b"])
    assert recipe.learning_rate == 2e-5
    assert recipe.lora == LoraSettings(r=8, alpha=32)
    assert recipe.trainer == {"max_grad_norm": 0.5}
    assert recipe.data == ["x.json", "y.json"]
    assert recipe.output == "a=b"
    assert load_recipe(path, ["lora=null"]).lora is None


def test_saved_recipe_is_the_same(tmp_path):
    recipe = make_recipe({**VALUES, "lora": {"r": 3}, "trainer": {"adam_beta2": 0.9}, "media_folder": "Ä"})
    assert load_recipe(write(tmp_path, recipe.to_yaml())) == recipe


def test_dataset_in_memory_is_named_in_the_saved_recipe():
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"messages": []})
    saved = yaml.safe_load(make_recipe({**VALUES, "data": dataset}).to_yaml())
    assert saved["data"] == f"<dataset {dataset._fingerprint}>"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"learning_rat": 1},
            "The recipe has an unknown key `learning_rat`; the nearest known one is `learning_rate`.",
        ),
        ({"lora": {"rank": 4}}, "The recipe, `lora` has an unknown key `rank`; the nearest known one is `r`."),
        (
            {"output": None, "data": None},
            "The recipe lacks data, output: add to the file, or to the command as in `data=...`.",
        ),
        (
            {"num_epochs": 2},
            "One of `num_epochs` (2) and `max_steps` (3) must say how long to train. Set the other to null, as in "
            "`num_epochs=null`.",
        ),
        ({"max_steps": None}, "One of `num_epochs` (None) and `max_steps` (None) must say how long to train."),
        ({"learning_rate": 0}, "`learning_rate` (0) must be more than 0."),
        ({"learning_rate": float("nan")}, "`learning_rate` (nan) must be more than 0."),
        ({"batch_size": 0}, "`batch_size` (0) must be at least 1."),
        ({"num_workers": -1}, "`num_workers` (-1) must not be negative."),
        ({"warmup_ratio": 1}, "`warmup_ratio` (1) must be from 0 to below 1."),
        ({"lora": {"r": 0}}, "`lora.r` (0) must be at least 1."),
        ({"lora": {"dropout": 1.0}}, "`lora.dropout` (1.0) must be from 0 to below 1."),
        (
            {"stage": "lora"},
            "`stage` (lora) must be video_projector or image_projector or instruction or pretraining.",
        ),
        ({"stage": "image_projector", "train_encoders": True}, "`train_encoders` is only for the stage 'instruction'"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_recipe({**VALUES, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [({"stage": ["lora"]}, ("stage", "lora")), ({"batch_size": "many"}, ("batch_size", "many"))],
)
def test_wrong_types_name_field_and_value(change, words):
    with pytest.raises(ValueError, match="^The recipe has a value that cannot be: .*" + ".*".join(words)):
        make_recipe({**VALUES, **change})


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("- a\n- b", [], "is not a recipe: it holds a list"),
        ("a: [", [], "is not valid YAML: "),
        ("stage: instruction\nstage: instruction", [], "the key 'stage' is there twice"),
        ("a: !!python/object:os.system {}", [], "is not valid YAML: could not determine a constructor"),
        ("stage: instruction", ["output"], "'output' is not of the form key=value"),
    ],
)
def test_files_that_are_no_recipes(tmp_path, text, overrides, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        load_recipe(write(tmp_path, text), overrides)


def test_no_such_recipe():
    with pytest.raises(FileNotFoundError, match="There is no recipe instruction_7b: .* shipped: .*instruction_0.5b, "):
        load_recipe("instruction_7b")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cpu", "MULTI_GPU"), ("fsdp", "FSDP"), ("deepspeed_zero2", "DEEPSPEED"), ("deepspeed_zero3", "DEEPSPEED")],
)
def test_configurations_of_accelerate_can_be_read(name, kind):
    config_args = pytest.importorskip("accelerate.commands.config.config_args")
    config = config_args.load_config_from_file(str(SHIPPED_RECIPES / "accelerate" / f"{name}.yaml"))
    assert config.distributed_type == kind
    settings = {"fsdp": ("fsdp_config", "fsdp_version", 2), "deepspeed_zero3": ("deepspeed_config", "zero_stage", 3)}
    if name in settings:
        section, key, value = settings[name]
        assert getattr(config, section)[key] == value


class TestTrainingArguments:
    def test_values_arrive(self, tmp_path):
        values = {"gradient_accumulation": 3, "warmup_ratio": 0.1, "weight_decay": 0.2, "gradient_checkpointing": True}
        values |= {
            "dtype": "fp32",
            "eval_data": "e.json",
            "eval_steps": 7,
            "save_steps": 9,
            "report_to": ["tensorboard"],
        }
        recipe = make_recipe({**VALUES, **values, "trainer": {"max_grad_norm": 0.5, "use_cpu": True}})
        arguments = training_arguments(recipe, tmp_path)
        assert (arguments.max_steps, arguments.gradient_accumulation_steps) == (3, 3)
        assert arguments.get_warmup_steps(100) == 10
        assert (arguments.weight_decay, arguments.lr_scheduler_type, arguments.max_grad_norm) == (0.2, "cosine", 0.5)
        assert (arguments.bf16, arguments.fp16, getattr(arguments, CHECKPOINTING)) == (False, False, True)
        assert (arguments.eval_strategy, arguments.eval_steps) == ("steps", 7)
        assert (arguments.save_strategy, arguments.save_steps) == ("steps", 9)
        assert arguments.report_to == ["tensorboard"]

    def test_epochs(self, tmp_path):
        recipe = make_recipe({**VALUES, "max_steps": None, "num_epochs": 1.5, "save_steps": None})
        arguments = training_arguments(recipe, tmp_path)
        assert (arguments.num_train_epochs, arguments.max_steps) == (1.5, -1)
        assert (arguments.bf16, arguments.save_strategy, arguments.eval_strategy) == (True, "no", "no")

    def test_unknown_argument(self, tmp_path):
        recipe = make_recipe({**VALUES, "trainer": {"max_grad_nrm": 1}})
        with pytest.raises(ValueError, match="`trainer` of the recipe .* `max_grad_nrm`; .* is `max_grad_norm`"):
            training_arguments(recipe, tmp_path)

    def test_argument_that_the_recipe_has(self, tmp_path):
        recipe = make_recipe({**VALUES, "trainer": {"num_train_epochs": 1}})
        with pytest.raises(ValueError, match="`trainer.num_train_epochs` .* set `num_epochs` instead"):
            training_arguments(recipe, tmp_path)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            (
                "remove_unused_columns",
                True,
                "`trainer.remove_unused_columns` cannot be set: samples need all they have.",
            ),
            ("push_to_hub", True, "`trainer.push_to_hub` cannot be set: checkpoints are not published"),
            (
                "resume_from_checkpoint",
                "c",
                "`trainer.resume_from_checkpoint` cannot be set: the same command goes on",
            ),
            ("do_eval", True, "`trainer.do_eval` cannot be set: set `eval_data` instead."),
            ("train_sampling_strategy", "by_size", "`train_sampling_strategy` ('by_size') must be 'random', "),
        ],
    )
    def test_argument_without_effect(self, tmp_path, name, value, message):
        recipe = make_recipe({**VALUES, "trainer": {name: value}})
        with pytest.raises(ValueError, match=re.escape(message)):
            training_arguments(recipe, tmp_path)

    def test_refused_arguments_exist(self):
        """A name that transformers no longer has would be found by nobody."""
        assert _REFUSED.keys() <= {field.name for field in fields(TrainingArguments)} | {"local_rank"}
        assert not _REFUSED.keys() & _OWN_NAMES.keys()


class TestPackages:
    @pytest.fixture
    def missing(self, monkeypatch):
        names = set()
        monkeypatch.setattr(requirements, "is_installed", lambda package: package not in names)
        return names

    @pytest.mark.parametrize(
        ("package", "values", "message"),
        [
            ("accelerate", {}, "Training needs accelerate: pip install 'transformers-mvgpt[train]'."),
            ("peft", {}, "LoRA needs peft: pip install 'transformers-mvgpt[train]'."),
            ("tensorboard", {"report_to": "tensorboard"}, "`report_to` (tensorboard) needs tensorboard: pip install "),
            ("wandb", {"report_to": ["tensorboard", "wandb"]}, "`report_to` (wandb) needs wandb: pip install wandb."),
        ],
    )
    def test_missing(self, missing, package, values, message):
        recipe = make_recipe({**VALUES, **values})
        requirements.check_packages(recipe)
        missing.add(package)
        with pytest.raises(ImportError, match=re.escape(message)):
            requirements.check_packages(recipe)

    def test_not_needed(self, missing):
        missing |= {"peft", "tensorboard"}
        requirements.check_packages(make_recipe({**VALUES, "lora": None}))
        requirements.check_packages(make_recipe({**VALUES, "stage": "image_projector"}))
