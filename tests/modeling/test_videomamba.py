# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from checkpointing import enable_checkpointing
from tiny_models import VIDEO_SIZE, tiny_video_config, with_seeded_weights
from transformers_mvgpt import VideoMambaConfig, VideoMambaModel


def make_model(**fields):
    return with_seeded_weights(VideoMambaModel(tiny_video_config(**fields)))


def make_frames(batch_size=2, num_frames=8, **options):
    return torch.randn(batch_size, num_frames, 3, VIDEO_SIZE, VIDEO_SIZE, **options)


# The encoder once more, as it is described: one video, one patch and one token after the other, in float64.


def encode_by_the_description(frames, model):
    config = model.config
    weights = {name: weight.detach().double() for name, weight in model.state_dict().items()}
    hidden = embed(frames.double(), weights, config.patch_size)
    residual = torch.zeros_like(hidden)
    for layer in range(config.num_hidden_layers):
        of_layer = {
            name.removeprefix(f"layers.{layer}."): weight
            for name, weight in weights.items()
            if name.startswith(f"layers.{layer}.")
        }
        residual = residual + hidden
        hidden = mix(rms_norm(residual, of_layer["norm.weight"], config), of_layer, config)
    return rms_norm(residual + hidden, weights["norm.weight"], config)


def embed(frames, weights, patch_size):
    positions = weights["embeddings.pos_embed"][0]
    times = weights["embeddings.temporal_pos_embedding"][0]
    kernel, bias = weights["embeddings.patch_embed.proj.weight"][:, :, 0], weights["embeddings.patch_embed.proj.bias"]
    tokens = [weights["embeddings.cls_token"][0, 0] + positions[0]]
    for time, frame in enumerate(frames):
        place = 1
        for row in frame.split(patch_size, dim=1):
            for patch in row.split(patch_size, dim=2):
                token = (kernel * patch).sum((1, 2, 3)) + bias + positions[place]
                tokens.append(token if len(frames) == 1 else token + times[time])
                place += 1
    return torch.stack(tokens)


def rms_norm(tokens, weight, config):
    return tokens / (tokens.square().mean(-1, keepdim=True) + config.layer_norm_epsilon).sqrt() * weight


def mix(tokens, weights, config):
    x, z = (tokens @ weights["mixer.in_proj.weight"].T).split(config.intermediate_size, dim=-1)
    forward = scan(x, z, weights, "", weights["mixer.A_log"], config)
    backward = scan(x.flip(0), z.flip(0), weights, "_b", weights["mixer.A_b_log"], config).flip(0)
    return (forward + backward) @ weights["mixer.out_proj.weight"].T


def scan(x, z, weights, direction, A_log, config):
    def weight(name):
        return weights["mixer." + name.replace("{}", direction)]

    kernel = weight("conv1d{}.weight")[:, 0].T  # (tokens, channels), the newest token last
    before = torch.zeros(len(kernel) - 1, x.shape[1], dtype=x.dtype)
    history = torch.cat([before, x])
    x = torch.stack([(history[t : t + len(kernel)] * kernel).sum(0) for t in range(len(x))]) + weight("conv1d{}.bias")
    x = silu(x)
    sizes = [config.time_step_rank, config.state_size, config.state_size]
    dt, B, C = (x @ weight("x_proj{}.weight").T).split(sizes, dim=-1)
    dt = torch.log1p(torch.exp(dt @ weight("dt_proj{}.weight").T + weight("dt_proj{}.bias")))
    h = torch.zeros(config.intermediate_size, config.state_size, dtype=x.dtype)
    ys = []
    for t in range(len(x)):
        h = torch.exp(dt[t][:, None] * -torch.exp(A_log)) * h + (dt[t] * x[t])[:, None] * B[t][None]
        ys.append((h @ C[t] + weight("D{}") * x[t]) * silu(z[t]))
    return torch.stack(ys)


def silu(x):
    return x / (1 + torch.exp(-x))


@pytest.mark.parametrize("num_frames", [8, 1], ids=["video", "image"])
def test_output_matches_the_description(num_frames):
    model, frames = make_model(), make_frames(num_frames=num_frames)
    expected = torch.stack([encode_by_the_description(video, model) for video in frames])
    # in float64: what is left in float32 is rounding
    output = model.double()(frames.double()).last_hidden_state
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
    output = model.float()(frames).last_hidden_state
    assert (output - expected).abs().max() < 1e-5 * expected.std()


@pytest.mark.parametrize(
    ("fields", "num_frames", "num_tokens"),
    [
        ({}, 8, 1 + 8 * 9),
        ({}, 1, 1 + 9),
        ({"num_frames": 1}, 1, 1 + 9),
        ({"num_frames": 3, "patch_size": 12}, 3, 1 + 3 * 4),
        ({"num_frames": 4, "tubelet_size": 2}, 4, 1 + 2 * 9),
    ],
    ids=["video", "image", "only images", "other sizes", "tubelets"],
)
def test_output_shape(fields, num_frames, num_tokens):
    output = make_model(**fields)(make_frames(num_frames=num_frames))
    assert output.last_hidden_state.shape == (2, num_tokens, 24)


def test_published_size_on_the_meta_device():
    with torch.device("meta"):
        model = VideoMambaModel(VideoMambaConfig())
        assert model(torch.empty(2, 8, 3, 224, 224)).last_hidden_state.shape == (2, 1569, 576)
        assert model(torch.empty(2, 1, 3, 224, 224)).last_hidden_state.shape == (2, 197, 576)
    unread = sum(parameter.numel() for parameter in model.clip_decoder.parameters())
    assert (model.num_parameters(), unread) == (73_941_504, 296_448)


def test_videos_of_a_batch_do_not_see_each_other():
    model, frames = make_model(), make_frames()
    alone = torch.cat([model(video[None]).last_hidden_state for video in frames])
    torch.testing.assert_close(model(frames).last_hidden_state, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("moved", [0, 72], ids=["first token", "last token"])
def test_every_token_sees_the_first_and_the_last(moved):
    model = make_model()
    embeddings = model.embeddings(make_frames())
    outputs = []
    for change in (0.0, 0.5):
        hidden_states = embeddings.clone()
        hidden_states[:, moved] += change
        outputs.append(model.layers[0](hidden_states))
    is_changed = (outputs[0] != outputs[1]).any(-1)
    assert is_changed.all()


def test_order_of_frames_matters():
    model, frames = make_model(), make_frames()
    difference = model(frames).last_hidden_state[:, 0] - model(frames.flip(1)).last_hidden_state[:, 0]
    assert difference.abs().max() > 0.01


def test_gradients_reach_all_that_is_read():
    model, frames = make_model().train(), make_frames().requires_grad_()
    (model(frames).last_hidden_state * torch.randn(2, 73, 24)).sum().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {name for name, _ in model.named_parameters() if name.startswith("clip_decoder.")}
    for name, parameter in model.named_parameters():
        if name not in without:
            assert parameter.grad.abs().max() > 0, name
    assert frames.grad.abs().amin((1, 2, 3, 4)).shape == (2,)
    assert (frames.grad.flatten(2).abs().amax(-1) > 0).all()


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing_but_memory(use_reentrant):
    frames, weights = make_frames().requires_grad_(), torch.randn(2, 73, 24)
    results = []
    for is_checkpointing in (False, True):
        model = make_model().train()
        calls = []
        model.layers[0].mixer.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        if is_checkpointing:
            enable_checkpointing(model, use_reentrant=use_reentrant)
        output = model(frames).last_hidden_state
        (output * weights).sum().backward()
        grads = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
        results.append((output, grads, len(calls)))
    (plain, plain_grads, plain_calls), (checkpointed, grads, calls) = results
    assert (plain_calls, calls) == (1, 2)
    assert torch.equal(plain, checkpointed)
    assert plain_grads.keys() == grads.keys()
    for name, grad in plain_grads.items():
        torch.testing.assert_close(grads[name], grad)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_half_precision_is_close(dtype, tolerance):
    model, frames = make_model(), make_frames()
    expected = model(frames).last_hidden_state
    output = model.to(dtype)(frames)  # the model casts the frames
    assert output.last_hidden_state.dtype == dtype
    assert (output.last_hidden_state - expected).abs().max() < tolerance * expected.std()


def test_autocast_is_close():
    model, frames = make_model(), make_frames()
    expected = model(frames).last_hidden_state
    with torch.autocast("cpu", torch.bfloat16):
        output = model(frames).last_hidden_state
    assert (output - expected).abs().max() < 0.05 * expected.std()


@pytest.mark.parametrize(("residual_in_fp32", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_residual_stream_is_float32_if_configured(residual_in_fp32, dtype):
    model = make_model(residual_in_fp32=residual_in_fp32).bfloat16()
    hidden_states = model(make_frames(), output_hidden_states=True).hidden_states
    assert hidden_states[1].dtype == dtype


def test_hidden_states():
    model, frames = make_model(), make_frames()
    outputs = model(frames, output_hidden_states=True)
    embeddings, first, last = outputs.hidden_states
    assert torch.equal(embeddings, model.embeddings(frames))
    assert torch.equal(first, model.layers[0](embeddings))
    assert torch.equal(last, outputs.last_hidden_state)
    assert model(frames).hidden_states is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 5, 3, 24, 24), r"has the shape \(2, 5, 3, 24, 24\); expected .* 3, 24, 24\) with num_frames 1 or 8"),
        ((2, 8, 3, 24, 32), r"has the shape \(2, 8, 3, 24, 32\)"),
        ((2, 8, 1, 24, 24), r"has the shape \(2, 8, 1, 24, 24\)"),
        ((8, 3, 24, 24), r"has the shape \(8, 3, 24, 24\)"),
        ((2, 3, 8, 24, 24), r"has the shape \(2, 3, 8, 24, 24\)"),
    ],
)
def test_wrong_shape_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        make_model()(torch.zeros(shape))


def test_single_frame_does_not_fill_a_tubelet():
    with pytest.raises(ValueError, match=r"expected \(batch_size, num_frames, 3, 24, 24\) with num_frames 4\."):
        make_model(num_frames=4, tubelet_size=2)(make_frames(num_frames=1))


def test_pixels_that_are_not_normalized_are_refused():
    with pytest.raises(ValueError, match="must be normalized floating point frames, got torch.uint8"):
        make_model()(make_frames().to(torch.uint8))


# Weights


def test_fresh_weights():
    config = tiny_video_config(hidden_size=64, time_step_min=0.01, time_step_max=0.05)
    mixer = VideoMambaModel(config).layers[0].mixer
    for A_log, D, dt_proj in ((mixer.A_log, mixer.D, mixer.dt_proj), (mixer.A_b_log, mixer.D_b, mixer.dt_proj_b)):
        torch.testing.assert_close(A_log.exp(), torch.arange(1.0, 5.0).expand(128, 4))
        assert torch.equal(D, torch.ones(128))
        time_steps = torch.nn.functional.softplus(dt_proj.bias)
        assert 0.0099 < time_steps.min() < 0.012 < 0.04 < time_steps.max() < 0.0501
        assert dt_proj.weight.abs().max() <= 1 / math.sqrt(config.time_step_rank)
    assert not torch.equal(mixer.dt_proj.bias, mixer.dt_proj_b.bias)


@pytest.mark.parametrize("save_original_format", [True, False], ids=["published names", "own names"])
@pytest.mark.parametrize("clip_decoder_size", [10, None], ids=["with head", "without head"])
def test_saved_model_loads_unchanged(save_original_format, clip_decoder_size, tmp_path):
    model = make_model(clip_decoder_size=clip_decoder_size)
    model.save_pretrained(tmp_path, save_original_format=save_original_format)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert ("pos_embed" in names, "embeddings.pos_embed" in names) == (save_original_format, not save_original_format)
    assert any(name.startswith("clip_decoder.0.") for name in names) == (clip_decoder_size is not None)

    loaded, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is VideoMambaModel
    assert not any(info.values())
    frames = make_frames()
    assert torch.equal(loaded(frames).last_hidden_state, model(frames).last_hidden_state)

    loaded.save_pretrained(tmp_path / "again")
    assert load_file(tmp_path / "again" / "model.safetensors").keys() == names


def test_missing_head_is_not_reported(tmp_path):
    make_model(clip_decoder_size=None).save_pretrained(tmp_path)
    _, info = VideoMambaModel.from_pretrained(tmp_path, clip_decoder_size=10, output_loading_info=True)
    assert not any(info.values())
