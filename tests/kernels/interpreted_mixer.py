# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
VideoMamba's layers as Triton kernels, against plain PyTorch. test_triton_scan.py runs these tests in a process of their own: in
Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import copy

import pytest
import torch
from torch import nn

from transformers_mvgpt import VideoMambaConfig, VideoMambaModel
from transformers_mvgpt.kernels import dispatch_video, gates_video_encoder, triton_mixer, video_layers
from transformers_mvgpt.kernels.triton_mixer import mix
from triton_runs import DEVICE, IS_INTERPRETED, use_small_blocks


HALF = torch.float16 if IS_INTERPRETED else torch.bfloat16  # the interpreter cuts bfloat16 off where a GPU rounds
needs_a_gpu = pytest.mark.skipif(IS_INTERPRETED, reason="takes the interpreter minutes")


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    use_small_blocks(monkeypatch)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # convolutions of plain PyTorch


def make_model(implementation="torch", **config):
    """With weights that are all different, and time steps far into both ends of the softplus."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "image_size": 32, "num_frames": 2, "clip_decoder_size": None}
    model = VideoMambaModel(VideoMambaConfig(**sizes | config, scan_implementation=implementation)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter += (4 if "dt_proj" in name else 0.3) * torch.randn_like(parameter)
    return model.requires_grad_(False).to(DEVICE)


def relative_error(found, wanted):
    return ((found.float() - wanted).norm() / wanted.norm()).item()


def assert_mixer_is_as_exact_as_plain_pytorch(batch, length, **config):
    mixer = make_model(num_hidden_layers=1, **config).layers[0].mixer.double()
    hidden = torch.randn(batch, length, mixer.config.hidden_size).to(DEVICE)
    exact, weights = mixer._mix(hidden.double()).float(), copy.deepcopy(mixer.state_dict())
    for dtype in (torch.float32, HALF):
        mixer.double().load_state_dict(weights)
        x = hidden.to(dtype)
        errors = [relative_error(run(x), exact) for run in (mixer.to(dtype)._mix, lambda x: mix(mixer, x))]
        assert errors[1] <= 1.5 * errors[0] + 1e-6, dtype


# what does not fill a block of tokens, channels or states; several segments; states that are loaded one by one
@pytest.mark.parametrize(("batch", "length", "states"), [(4, 1, 16), (2, 21, 4), (1, 9, 5)])
def test_mixer(batch, length, states):
    assert_mixer_is_as_exact_as_plain_pytorch(batch, length, state_size=states)


@needs_a_gpu
@pytest.mark.parametrize("batch", [1, 8, 32], ids=["many segments", "some", "one"])
def test_published_width(batch):
    assert_mixer_is_as_exact_as_plain_pytorch(batch, 197, hidden_size=576)


@pytest.mark.parametrize("num_frames", [1, 2])
def test_patches_as_a_matrix_product(num_frames):
    embedding = make_model(image_size=48, num_channels=2, patch_size=16).embeddings.patch_embed
    frames = torch.randn(3, num_frames, 2, 48, 48).to(DEVICE)
    exact = embedding.double()._project(frames.double()).float()
    for dtype in (torch.float32, HALF):
        embedding.to(dtype)
        assert gates_video_encoder.may_project_patches(embedding.proj, frames) is (
            dtype == HALF and not IS_INTERPRETED
        )
        found = video_layers.project_patches(embedding.proj, frames)
        assert found.dtype == dtype
        assert found.shape == (3, num_frames, 9, 12)
        assert relative_error(found, exact) <= 1.5 * relative_error(embedding._project(frames), exact) + 1e-6


@pytest.fixture
def calls(monkeypatch):
    """What ran: "layers" of the encoder, and the kernels of each "mixer"."""
    calls = []

    def count(module, name, call):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *arguments: calls.append(call) or function(*arguments))

    count(dispatch_video.fast, "run_video_layers", "layers")
    count(video_layers, "scan_projected", "mixer")
    count(triton_mixer, "scan_projected", "mixer")
    return calls


def test_model_is_that_of_plain_pytorch(calls):
    model, frames = make_model("triton"), torch.randn(1, 2, 3, 32, 32).to(DEVICE)
    found = model(frames).last_hidden_state
    assert calls == ["layers", "mixer", "mixer"]
    model.layers[0].mixer.A_log += 1  # weights are read where they are
    changed = model(frames).last_hidden_state
    model.config.scan_implementation = "torch"
    assert relative_error(changed, model(frames).last_hidden_state) < 1e-5
    model.layers[0].mixer.A_log -= 1
    exact = model(frames).last_hidden_state
    assert relative_error(found, exact) < 1e-5
    errors = {}
    for implementation in ("torch", "triton"):
        model.to(HALF).config.scan_implementation = implementation
        hidden = model(frames.to(HALF)).last_hidden_state
        assert hidden.dtype == HALF
        errors[implementation] = relative_error(hidden, exact)
    assert errors["triton"] <= 1.5 * errors["torch"]
    assert len(calls) == 9
    frames = frames[:, :1].to(HALF)
    model(frames, output_hidden_states=True)
    assert calls[9:] == ["mixer", "mixer"]
    model(frames)
    assert calls[11:] == ["layers", "mixer", "mixer"], "recorders that stay do nothing"


class Adapted(nn.Linear):
    """As an adapter of a layer's weights is one."""

    def forward(self, input):
        return super().forward(input) + 1


def adapt(mixer, name):
    linear = getattr(mixer, name)
    adapted = Adapted(linear.in_features, linear.out_features, bias=linear.bias is not None)
    adapted.load_state_dict(linear.state_dict())
    setattr(mixer, name, adapted.to(DEVICE).requires_grad_(False))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda model: adapt(model.layers[0].mixer, "in_proj"), ["layers", "mixer", "mixer"]),
        (lambda model: adapt(model.layers[1].mixer, "x_proj"), ["layers", "mixer"]),
        (lambda model: adapt(model.layers[1].mixer, "dt_proj_b"), ["layers", "mixer"]),
        (lambda model: model.layers[0].mixer.register_forward_hook(lambda *_: None), ["layers", "mixer", "mixer"]),
        (lambda model: model.layers[0].mixer.conv1d.register_forward_hook(lambda *_: None), ["layers", "mixer"]),
        (lambda model: model.layers[0].register_forward_hook(lambda *_: None), ["mixer", "mixer"]),
        (lambda model: model.norm.register_forward_hook(lambda *_: None), ["mixer", "mixer"]),
        (lambda model: model.layers[1].requires_grad_(True), ["mixer"]),
        (lambda model: model.train(), ["layers", "mixer", "mixer"]),
        (lambda model: setattr(model.config, "output_hidden_states", True), ["mixer", "mixer"]),
        (lambda model: setattr(model.config, "hidden_act", "relu"), ["layers"]),
    ],
)
def test_what_has_been_changed_is_called(calls, change, expected):
    model, frames = make_model("triton"), torch.randn(1, 1, 3, 32, 32).to(DEVICE)
    change(model)
    found = model(frames.to(model.dtype)).last_hidden_state
    assert calls == expected
    model.config.scan_implementation = "torch"
    wanted = model(frames.to(model.dtype)).last_hidden_state
    assert relative_error(found.detach(), wanted.detach()) < 1e-5


def test_residual_of_half_precision_is_that_of_the_modules(calls):
    model = make_model("triton", residual_in_fp32=False).to(HALF)
    model(torch.randn(1, 1, 3, 32, 32).to(DEVICE, HALF))
    assert calls == ["mixer", "mixer"]


def test_gradients_are_those_of_plain_pytorch():
    model, frames = make_model("triton").requires_grad_(True), torch.randn(1, 1, 3, 32, 32).to(DEVICE)
    model.clip_decoder = torch.nn.ModuleList()
    model.embeddings.temporal_pos_embedding.requires_grad_(False)  # a single image has no time
    grads = {}
    for implementation in ("triton", "torch"):
        model.config.scan_implementation = implementation
        model.zero_grad()
        model(frames).last_hidden_state.square().sum().backward()
        grads[implementation] = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    for name, wanted in grads["torch"].items():
        assert (grads["triton"][name] - wanted).norm() <= 1e-4 * wanted.norm() + 1e-6, name


def test_float64_goes_the_plain_way():
    assert gates_video_encoder._mixer_kernels("triton", DEVICE, torch.float64) is None
    assert gates_video_encoder._mixer_kernels("triton", DEVICE, torch.float16) is not None
    assert gates_video_encoder._mixer_kernels("torch", DEVICE, torch.float32) is None
