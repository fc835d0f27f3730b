# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import subprocess
import sys

import pytest
import torch

from transformers_mvgpt.modeling import resampler_tinyllava
from transformers_mvgpt.modeling.resampler_tinyllava import HEAD_DIM, NUM_HEADS, make_resampler, position_table


TYPES = ("group", "naive")
every_type = pytest.mark.parametrize("resampler_type", TYPES)


def small_resampler(resampler_type):
    torch.manual_seed(0)
    return make_resampler(resampler_type, 24, 32, num_queries=20, num_groups=4, num_layers=2).double()


@pytest.mark.parametrize(
    ("resampler_type", "hidden_size", "num_parameters"),
    [
        ("group", 2048, 115_714_048),
        ("group", 2560, 176_099_840),
        ("naive", 2048, 116_697_088),
        ("naive", 2560, 177_328_640),
    ],
)
def test_number_of_parameters_of_the_published_sizes(resampler_type, hidden_size, num_parameters):
    with torch.device("meta"):
        resampler = make_resampler(resampler_type, 1152, hidden_size, num_queries=512, num_groups=16, num_layers=3)
    assert sum(parameter.numel() for parameter in resampler.parameters()) == num_parameters


def attend(layer, latents, media):
    """As the paper has it, of one group: latents (n, h), media (t, h)."""
    attention = layer.attention
    queries = attention.norm_latents(latents)
    keys, values = attention.to_kv(torch.cat([attention.norm_media(media), queries])).chunk(2, dim=-1)
    queries, keys, values = (
        part.unflatten(-1, (NUM_HEADS, HEAD_DIM)).transpose(0, 1) for part in (attention.to_q(queries), keys, values)
    )
    weights = (queries @ keys.transpose(1, 2) / HEAD_DIM**0.5).softmax(-1)
    latents = latents + attention.to_out((weights @ values).transpose(0, 1).flatten(1))
    return latents + layer.mlp(latents)


@pytest.mark.parametrize("num_tokens", [3, 15, 403])
@every_type
def test_groups_and_positions(resampler_type, num_tokens):
    resampler = small_resampler(resampler_type)
    tokens = torch.randn(num_tokens, 24, dtype=torch.float64)
    table = position_table(0, max(num_tokens, 20), 32, tokens.device).double()
    media = resampler.linear(tokens)
    if resampler_type == "naive":
        media = media + table[:num_tokens]
    groups = []
    # the longer chunks come first
    for chunk in media.tensor_split(resampler.num_groups):
        latents = resampler.latents
        for layer in resampler.layers:
            latents = attend(layer, latents, chunk)
        groups.append(resampler.norm(latents))
    expected = torch.cat(groups)
    if resampler_type == "group":
        expected = expected + table[:20]
    torch.testing.assert_close(resampler(tokens), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_tokens", [3, 15, 403])
@pytest.mark.parametrize("max_kept_tokens", [0, 1000], ids=["projected for each layer", "projected once"])
@every_type
def test_parts_of_the_keys_change_nothing(resampler_type, max_kept_tokens, num_tokens, monkeypatch):
    def run():
        tokens = torch.randn(num_tokens, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        tokens.requires_grad_()
        output = resampler(tokens)
        gradients = torch.autograd.grad((output * weights).sin().sum(), [tokens, *resampler.parameters()])
        return output, *gradients

    resampler, weights = small_resampler(resampler_type), torch.arange(20.0)[:, None]
    expected = run()
    monkeypatch.setattr(resampler_tinyllava, "keys_at_a_time", lambda *_: 7)
    monkeypatch.setattr(resampler_tinyllava, "MAX_KEPT_TOKENS", max_kept_tokens)
    calls = []
    resampler.linear.register_forward_pre_hook(lambda _, args: calls.append(args[0].shape[0] * args[0].shape[1]))
    for actual, value in zip(run(), expected, strict=True):
        torch.testing.assert_close(actual, value, rtol=1e-9, atol=1e-9)
    assert max(calls) <= 7 and sum(calls) == num_tokens * (1 if max_kept_tokens else 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_sums_over_many_tokens_do_not_overflow(dtype):
    softmax = resampler_tinyllava.SoftmaxInParts(torch.zeros(1, 1, 2, 4, dtype=dtype))
    for _ in range(2):
        # 7,000 times 12 is more than float16 has
        softmax.add(torch.zeros(1, 1, 7000, 4, dtype=dtype), torch.full((1, 1, 7000, 4), 12.0, dtype=dtype))
    torch.testing.assert_close(softmax.result(), torch.full((1, 1, 2, 4), 12.0, dtype=dtype))


# Prints, for either type, how much the peak of the memory grows when a video of 1,024 frames comes, in sizes of the encoder's features.
MEMORY = """
import torch
from transformers_mvgpt import TinyLlavaVideoConfig, TinyLlavaVideoForConditionalGeneration

def read(name):
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith(name)).split()[1])

def generate(model, num_frames):
    pixels = torch.zeros(1, num_frames, 3, 28, 28)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is that of now
    before = read("VmRSS")
    model.generate(ids, pixel_values_videos=pixels, max_new_tokens=2)
    return read("VmHWM") - before

layers = {"num_attention_heads": 2, "intermediate_size": 64}
vision = {**layers, "hidden_size": 256, "num_hidden_layers": 2, "image_size": 28, "patch_size": 4}
text = {**layers, "model_type": "qwen2", "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 1, "num_key_value_heads": 2}
text |= {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
ids = torch.tensor([[5, *[98] * 32, 6]])
for resampler_type in ("group", "naive"):
    config = TinyLlavaVideoConfig(
        vision_config=vision, text_config=text, resampler_type=resampler_type, num_queries=32, video_token_id=98
    )
    model = TinyLlavaVideoForConditionalGeneration(config).eval()
    generate(model, 32)
    print(generate(model, 1024) / (1024 * config.num_frame_tokens * 256 * 4))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_of_a_long_video_is_that_of_its_features():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    sizes = [float(line) for line in run.stdout.split()]
    assert len(sizes) == 2 and max(sizes) < 2
