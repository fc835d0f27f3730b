# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When CUDA graphs are recorded and forgotten without being asked for. Without a GPU, the recorded functions run instead."""

import threading
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from recorded_graphs import pretend_to_record, watch_replays
from tiny_models import make_prompt, make_sample, make_videos, tiny_config, tiny_model
from transformers_mvgpt.kernels.dispatch import enable_cuda_graphs, usable_cuda_graphs
from transformers_mvgpt.kernels.graphs_model import recordings
from transformers_mvgpt.kernels.graphs_recording import Recording
from transformers_mvgpt.kernels.graphs_turns import Turns, turns


on_gpu_too = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.needs_cuda)])


@pytest.fixture
def device():
    return "cpu"


@pytest.fixture
def recording_class(device, monkeypatch):
    return pretend_to_record(monkeypatch) if device == "cpu" else Recording


@pytest.fixture
def model(device, recording_class):
    return tiny_model().to(device)


@pytest.fixture
def calls(monkeypatch, recording_class):
    return watch_replays(monkeypatch, recording_class)


def encode(model, num_videos=1):
    videos = {name: value.to(model.device) for name, value in make_videos(*"abcd"[:num_videos]).items()}
    with torch.no_grad():
        return model.get_video_features(**videos).pooler_output


def prefill(model, length=70):
    with torch.no_grad():
        return model(make_prompt(*(5 + place % 80 for place in range(length))).to(model.device)).logits


def answer(model):
    sample = {name: value.to(model.device) for name, value in make_sample(5, "video:a", 6).items()}
    return model.generate(**sample, max_new_tokens=4, do_sample=False)


def held(model):
    return recordings[model.model].memory.num_bytes


@on_gpu_too
def test_the_third_call_is_recorded(device, model, calls):
    found = [encode(model) for _ in range(2)]
    assert not calls
    found += [encode(model) for _ in range(2)]
    assert calls == [(1, 12, 3, 24, 24)] * 2
    for one in found[1:]:
        torch.testing.assert_close(one, found[0], rtol=1e-4, atol=1e-4)
    assert held(model) > 0


@on_gpu_too
def test_generate_profits(device, model, calls):
    found = [answer(model) for _ in range(5)]
    assert [shape[1] for shape in calls] == [12, 128] * 3
    assert all(torch.equal(one, found[0]) for one in found)


def test_prompts_of_one_step_of_64_tokens_count_together(model, calls):
    found = [prefill(model, length) for length in (70, 80, 128, 65)]
    assert calls == [(1, 128, 32)] * 2
    torch.testing.assert_close(found[0], found[2][:, :70], rtol=1e-4, atol=1e-4)


def test_disabled_is_never(model, calls):
    model.cuda_graphs_disable()
    for _ in range(4):
        encode(model.double().float())
    assert not calls
    enable_cuda_graphs(model.model)
    encode(model)
    assert len(calls) == 1, "at once"


def test_the_shape_used_longest_ago_goes(model, calls, recording_class):
    recording_class.size = 400
    enable_cuda_graphs(model.model, memory_budget=1000)
    for num_videos in (1, 2, 1, 3, 1):
        encode(model, num_videos)
    assert [shape[0] for shape in recording_class.made] == [1, 2, 3]
    assert held(model) == 800
    encode(model, 2)
    assert len(recording_class.made) == 3, "what had to go waits for twice as many calls"
    encode(model, 2)
    assert [shape[0] for shape in recording_class.made] == [1, 2, 3, 2]
    assert held(model) == 800


def test_prefill_and_encoders_share_the_budget(model, calls, recording_class):
    recording_class.size = 600
    enable_cuda_graphs(model.model, memory_budget=1000)
    encode(model)
    prefill(model)
    assert held(model) == 600
    assert len(recording_class.made) == 2


def test_what_exceeds_the_budget_alone_is_not_recorded_again(model, calls, recording_class):
    recording_class.size = 10**9 + 1
    for _ in range(6):
        encode(model)
    assert len(recording_class.made) == 1
    assert not calls
    assert held(model) == 0


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("capture")], ids=repr)
def test_errors_of_recording_are_none(model, calls, recording_class, error):
    wanted = encode(model)
    tries = []
    recording_class.error = error
    recording_class.made = None  # is not reached
    function = recordings[model.model].encode_videos
    record = function._record
    function._record = lambda *args: tries.append(1) or record(*args)
    for _ in range(5):
        assert torch.equal(encode(model), wanted)
    assert len(tries) == 1
    assert not calls


def replace_weight(model):
    weight = model.model.video_tower.layers[0].mixer.out_proj.weight
    weight.data = weight.data * 2


def replace_parameter(model):
    model.model.video_projector.linear_1.bias = nn.Parameter(model.model.video_projector.linear_1.bias + 1)


def assign_weights(model):
    model.load_state_dict({name: tensor * 1.5 for name, tensor in model.state_dict().items()}, assign=True)


def transpose_weight(model):
    with torch.no_grad():
        weight = model.model.image_projector.linear_2.weight  # as many rows as columns
        weight.data = weight.data.T


def replace_module(model):
    linear = model.model.image_projector.linear_2
    model.model.image_projector.linear_2 = nn.Linear(linear.in_features, linear.out_features, device=model.device)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def change_class(model):
    model.model.image_projector.linear_2.__class__ = Doubled


def change_forward(model):
    projector = model.model.image_projector
    forward = projector.forward
    projector.forward = lambda x: 2 * forward(x)


def add_hook(model):
    model.model.video_tower.layers[1].register_forward_hook(lambda module, args, output: 2 * output)


def change_config(model):
    model.config.select_most_attended = False


def change_config_of_encoder(model):
    model.config.vision_config.layer_norm_eps = 1.0


def change_attribute(model):
    model.model.video_tower.norm.eps = 1.0


def change_attention(model):
    model.set_attn_implementation("eager")


def train_a_part(model):
    model.model.video_tower.layers[0].train()


def move(model):
    model.double().float()


CHANGES = [
    *(replace_weight, replace_parameter, assign_weights, transpose_weight, replace_module, change_class),
    *(change_forward, add_hook, change_config, change_config_of_encoder, change_attribute, change_attention),
    *(train_a_part, move),
]


@on_gpu_too
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changes_end_the_recordings(device, model, calls, change):
    for _ in range(3):
        encode(model)
    assert held(model) > 0
    change(model)
    found = encode(model)
    assert held(model) == 0
    model.cuda_graphs_disable()
    torch.testing.assert_close(found, encode(model), rtol=1e-5, atol=1e-5)


@on_gpu_too
def test_what_is_written_into_weights_is_seen(device, model, calls):
    for _ in range(3):
        before = encode(model)
    with torch.no_grad():
        model.model.video_projector.linear_2.bias.add_(1.0)
    found = encode(model)
    assert len(calls) == 2
    assert held(model) > 0
    assert not torch.allclose(found, before)
    model.cuda_graphs_disable()
    torch.testing.assert_close(found, encode(model), rtol=1e-4, atol=1e-4)


def test_a_model_that_keeps_changing_is_recorded_ever_more_rarely(model, calls, recording_class):
    recorded_at = []
    for number in range(20):
        num_made = len(recording_class.made)
        encode(model)
        if len(recording_class.made) > num_made:
            recorded_at.append(number)
            model.config.num_changes = number
    assert recorded_at == [2, 9], "the third call; the sixth after the one that saw the change"


@on_gpu_too
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`")
@pytest.mark.parametrize("change", ["set_adapter", "disable_adapter", "merge"])
def test_adapters_end_the_recordings(device, model, calls, change):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], r=2, init_lora_weights=False)
    adapted = peft.get_peft_model(model, config).eval()
    adapted.add_adapter("other", config)
    adapted.eval()

    def read():
        return prefill(adapted.base_model.model)

    for _ in range(3):
        first = read()
    assert len(calls) == 1
    if change == "set_adapter":
        adapted.set_adapter("other")
    elif change == "merge":
        adapted.merge_adapter(["other"])
    with adapted.disable_adapter() if change == "disable_adapter" else nullcontext():
        found = read()
        assert held(model) == 0
        model.cuda_graphs_disable()
        torch.testing.assert_close(found, read(), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, first, atol=1e-3)


class Watching(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


MODES = {
    "gradients": torch.enable_grad,
    "function mode": Watching,
    "dispatch mode": lambda: FlopCounterMode(display=False),
    "anomaly": lambda: torch.autograd.detect_anomaly(check_nan=False),
    "autocast": lambda: torch.autocast("cuda", dtype=torch.bfloat16),
    "forward gradients": torch.autograd.forward_ad.dual_level,
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection", "ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize("name", MODES)
def test_modes_without_recordings(model, name):
    with torch.no_grad():
        assert usable_cuda_graphs(model.model) is not None
        if name == "autocast" and not torch.cuda.is_available():
            pytest.skip("there is no autocast without its device")
        with MODES[name]():
            assert usable_cuda_graphs(model.model) is None


def test_a_default_device_does_not_matter(model):
    with torch.no_grad(), torch.device("cpu"):
        assert usable_cuda_graphs(model.model) is not None


def test_functional_transforms_go_the_plain_way(model, calls):
    videos = make_videos("a")
    for _ in range(3):
        encode(model)
    calls.clear()

    def tokens(frames):
        with torch.no_grad():
            assert usable_cuda_graphs(model.model) is None
        return frames.sum()

    torch.func.vmap(tokens)(videos["pixel_values_videos"])


def test_switches_of_the_process_have_recordings_of_their_own(model, calls, recording_class):
    enable_cuda_graphs(model.model)
    encode(model)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        encode(model)
    finally:
        torch.use_deterministic_algorithms(False)
    with torch.inference_mode():
        encode(model)
    encode(model)
    assert len(recording_class.made) == 3


@pytest.mark.parametrize("rope_type", ["dynamic", "longrope"])
def test_rotary_embeddings_that_depend_on_the_length_are_not_recorded(rope_type, calls):
    scaling = {"rope_type": rope_type, "rope_theta": 10000.0, "factor": 2.0}
    if rope_type == "longrope":
        scaling |= {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "original_max_position_embeddings": 64}
    model = tiny_model(tiny_config(text_config={"rope_parameters": scaling}))
    enable_cuda_graphs(model.model)
    prefill(model)
    assert not calls


def test_quantized_weights_are_not_recorded(model, calls):
    class Quantized(nn.Parameter):
        pass

    linear = model.model.video_projector.linear_1
    linear.weight = Quantized(linear.weight.data)
    linear.weight.__class__ = Quantized
    enable_cuda_graphs(model.model)
    encode(model)
    assert not calls


def test_nothing_is_recorded_while_others_generate(model, calls):
    enable_cuda_graphs(model.model)
    generates, may_end = threading.Event(), threading.Event()

    def generate():
        with turns.generating():
            generates.set()
            may_end.wait(10)

    thread = threading.Thread(target=generate)
    thread.start()
    generates.wait(10)
    encode(model)
    assert not calls
    may_end.set()
    thread.join(10)
    encode(model)
    assert len(calls) == 1


def test_others_wait_while_something_is_recorded():
    turns, order = Turns(), []

    def generate():
        with turns.generating(), turns.generating():
            order.append("generated")

    with turns.generating(), turns.recording() as is_alone:
        assert is_alone
        thread = threading.Thread(target=generate)
        thread.start()
        thread.join(0.1)
        with turns.recording() as again:
            assert not again
        order.append("recorded")
    thread.join(10)
    assert order == ["recorded", "generated"]
