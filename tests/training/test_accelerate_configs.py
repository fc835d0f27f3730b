# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""accelerate understands the configurations that come with the package, down to the plugins that it makes of them."""

import pytest
from transformers import AutoModelForImageTextToText

from tiny_families import write_mobilevlm, write_tinyllava
from tiny_models import tiny_model
from transformers_mvgpt.training.recipe import SHIPPED_RECIPES


pytest.importorskip("accelerate")

from accelerate.commands.config.config_args import load_config_from_file  # noqa: E402
from accelerate.commands.launch import _validate_launch_command, launch_command_parser  # noqa: E402
from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin  # noqa: E402
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env  # noqa: E402


FOLDER = SHIPPED_RECIPES / "accelerate"


def launched(name, monkeypatch):
    """Sets what `accelerate launch` tells the processes that it starts."""
    arguments = [f"--config_file={FOLDER / name}.yaml", "--main_process_port=0", "script.py"]
    arguments, config, _ = _validate_launch_command(launch_command_parser().parse_args(arguments))
    arguments.deepspeed_fields_from_accelerate_config = ",".join(config.deepspeed_config)
    if arguments.use_deepspeed:
        _, environment = prepare_deepspeed_cmd_env(arguments)
    else:
        environment = prepare_multi_gpu_env(arguments)
    for variable, value in environment.items():
        if variable.startswith(("ACCELERATE_", "FSDP_")):
            monkeypatch.setenv(variable, value)
    return environment


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_no_key_is_unknown(file):
    config = load_config_from_file(str(file))
    known = vars(launch_command_parser().parse_args(["script.py"]))
    assert {*config.fsdp_config, *config.deepspeed_config} <= known.keys()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("fsdp", "video_tower.layers"),
        ("fsdp_mobilevlm", None),
        ("fsdp_tinyllava-video", None),
    ],
)
def test_fsdp(monkeypatch, tmp_path, name, other):
    environment = launched(name, monkeypatch)
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"
    plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.reshard_after_forward) == (2, True)
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    write = {"fsdp": None, "fsdp_mobilevlm": write_mobilevlm, "fsdp_tinyllava-video": write_tinyllava}[name]
    model = tiny_model() if write is None else AutoModelForImageTextToText.from_pretrained(write(tmp_path))
    plugin.set_auto_wrap_policy(model)  # looks for the layers in the model
    layers = plugin.auto_wrap_policy.keywords["transformer_layer_cls"]
    wrapped = [name for name, module in model.named_modules() if type(module) in layers]
    expected = {"language_model.layers", "vision_tower.encoder.layers", other} - {None}
    assert {name.rpartition(".")[0] for name in wrapped} == {f"model.{layers}" for layers in expected}


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed(monkeypatch, stage):
    environment = launched(f"deepspeed_zero{stage}", monkeypatch)
    assert environment["ACCELERATE_USE_DEEPSPEED"] == "true"
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"
    plugin = DeepSpeedPlugin()
    zero = plugin.deepspeed_config["zero_optimization"]
    assert zero["stage"] == plugin.zero_stage == stage
    assert zero["offload_optimizer"]["device"] == zero["offload_param"]["device"] == "none"
    # without it, ZeRO-3 has no whole weights to write the model from
    assert zero["stage3_gather_16bit_weights_on_model_save"] is True
    assert plugin.zero3_init_flag is False
