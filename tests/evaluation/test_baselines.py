# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy
import functools
import gc
import importlib.util
import time
import weakref

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedTokenizerFast
from transformers.video_utils import VideoMetadata

from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.evaluation import baseline_configs, baselines
from transformers_mvgpt.evaluation.baseline_inputs import process_frames
from transformers_mvgpt.evaluation.choices import BASELINE_NAMES, check_baselines


CPU = torch.device("cpu")
NUM_PARAMETERS = {
    "llava-onevision-0.5b": 893_675_552,
    "smolvlm2-500m": 507_482_304,
    "smolvlm2-256m": 256_484_928,
    "fastvlm-0.5b": 756_553_440,
    "lfm2-vl-450m": 450_822_656,
    "qwen3.5-0.8b": 852_985_920,
    "internvl3.5-1b": 1_060_897_792,
}
NARROW = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
# of the video at 640 x 360 and, where that is another, at 224 x 224: size of a frame, visual tokens of two of them, other tokens
FRAMES = {
    "llava-onevision-0.5b": [((384, 384), 2 * 196 + 1, 0)],
    "smolvlm2-500m": [((512, 512), 2 * 64, 2 * 3)],
    "smolvlm2-256m": [((512, 512), 2 * 64, 2 * 3)],
    "fastvlm-0.5b": [((1024, 1024), 2 * 256, 0)],
    "lfm2-vl-450m": [((640, 352), 2 * 220, 2 * 2), ((256, 256), 2 * 64, 2 * 2)],
    "qwen3.5-0.8b": [((640, 352), 220, 2), ((224, 224), 49, 2)],
    "internvl3.5-1b": [((448, 448), 2 * 256, 2 * 2)],
}


def narrow(name, monkeypatch):
    """The same model with a layer or few, and little in them."""
    family, arguments = copy.deepcopy(baseline_configs.CONFIGS[name])
    arguments["text_config"] |= NARROW
    arguments["vision_config"] |= {} if name == "fastvlm-0.5b" else NARROW
    if name == "lfm2-vl-450m":
        arguments["text_config"] |= {"num_hidden_layers": 2, "layer_types": ["conv", "full_attention"]}
    if name == "qwen3.5-0.8b":
        arguments["text_config"] |= {"num_hidden_layers": 4}
        arguments["vision_config"] |= {"depth": 1, "num_heads": 2, "out_hidden_size": 16}
    monkeypatch.setitem(baseline_configs.CONFIGS, name, (family, arguments))


def skip_without_packages(name):
    if name == "fastvlm-0.5b":
        pytest.importorskip("timm", reason="timm is not installed")


def test_names():
    assert tuple(baseline_configs.CONFIGS) == BASELINE_NAMES


@pytest.mark.parametrize(("name", "num_parameters"), NUM_PARAMETERS.items())
def test_sizes_are_the_published_ones(name, num_parameters):
    skip_without_packages(name)
    with torch.device("meta"):
        model = baseline_configs.make_baseline(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == num_parameters


@pytest.mark.parametrize(
    ("name", "sizes"),
    [pytest.param(*item, marks=pytest.mark.slow if item[0] == "fastvlm-0.5b" else ()) for item in FRAMES.items()],
)
def test_frames_and_prompt_fit(name, sizes, monkeypatch):
    """The models refuse placeholders that do not match the visual tokens they make."""
    skip_without_packages(name)
    narrow(name, monkeypatch)
    frames = torch.zeros(2, 3, 30, 40, dtype=torch.uint8)
    calls = []
    ours = {"our_seconds": lambda: calls.append(time.sleep(0.01)), "our_eager_seconds": lambda: None}
    results = baselines.measure_baseline(name, frames, 5, CPU, torch.float32, ours, runs=3)
    clips = [(640, 360), (224, 224)][: len(sizes)]
    assert list(results) == [name, f"{name}, video of 224 x 224"][: len(sizes)]
    assert len(calls) == 4 * len(sizes)
    for result, clip, (size, num_visual, num_markers) in zip(results.values(), clips, sizes, strict=True):
        assert (result["clip_size"], result["frame_size"]) == (clip, size)
        assert result["num_prompt_tokens"] == num_visual + num_markers + 5
        assert 0.01 <= result["our_seconds"] < 5
        assert result["our_eager_seconds"] < result["our_seconds"]
        assert 0 < result["seconds"] < 60
        assert "compiled_seconds" not in result
        assert set(result["slower_without"]) <= {"flash-linear-attention", "causal-conv1d"}


def make_tokenizer(**special_tokens):
    """Whatever is in a text between its special tokens is one token."""
    tokens = {"<unk>": 0, **{token: number for number, token in enumerate(special_tokens.values(), 1)}}
    tokenizer = Tokenizer(models.WordLevel(tokens, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("never", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, extra_special_tokens=special_tokens)


SPECIAL_TOKENS = {
    "llava-onevision-0.5b": {"image_token": "<image>", "video_token": "<video>"},
    "smolvlm2-256m": {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "video_token": "<video>",
        "end_of_utterance_token": "<end_of_utterance>",
    },
    "lfm2-vl-450m": {
        "image_token": "<image>",
        "image_start_token": "<|image_start|>",
        "image_end_token": "<|image_end|>",
        "image_thumbnail_token": "<|img_thumbnail|>",
    },
    "qwen3.5-0.8b": {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_start_token": "<|vision_start|>",
        "vision_end_token": "<|vision_end|>",
    },
    "internvl3.5-1b": {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    },
    "fastvlm-0.5b": {"image_token": "<image>"},
}


def process_with_their_own(name, frames):
    """What the processor class of the model makes of the frames, with its repository's options, but a tokenizer of few words."""
    tokenizer = make_tokenizer(**SPECIAL_TOKENS[name])
    metadata = VideoMetadata(
        total_num_frames=len(frames), fps=1.0, duration=float(len(frames)), frames_indices=list(range(len(frames)))
    )
    video = {"videos": [frames], "video_metadata": [metadata], "do_sample_frames": False}
    images = {"images": [list(frames)]}
    if name == "llava-onevision-0.5b":
        process = transformers.LlavaOnevisionProcessor(
            transformers.LlavaOnevisionImageProcessor(),
            tokenizer,
            transformers.LlavaOnevisionVideoProcessor(size={"height": 384, "width": 384}),
            num_image_tokens=729,
            vision_feature_select_strategy="full",
        )
        return tokenizer, process(text="<video>", **video, return_tensors="pt")
    if name == "smolvlm2-256m":
        pytest.importorskip("num2words", reason="num2words is not installed")
        edge = {"longest_edge": 512}
        process = transformers.SmolVLMProcessor(
            transformers.SmolVLMImageProcessor(),
            tokenizer,
            transformers.SmolVLMVideoProcessor(size=edge, max_image_size=edge),
            image_seq_len=64,
        )
        return tokenizer, process(text="<video>", **video, return_tensors="pt")
    if name == "lfm2-vl-450m":
        process = transformers.Lfm2VlProcessor(transformers.Lfm2VlImageProcessor(use_thumbnail=False), tokenizer)
        return tokenizer, process(text="<image>" * len(frames), **images, return_tensors="pt")
    if name == "qwen3.5-0.8b":
        process = transformers.Qwen3VLProcessor(
            transformers.Qwen2VLImageProcessor(),
            tokenizer,
            transformers.Qwen3VLVideoProcessor(size={"shortest_edge": 4096, "longest_edge": 25165824}),
        )
        return tokenizer, process(text="<|video_pad|>", **video, cap_pixels_per_frame=False, return_tensors="pt")
    if name == "internvl3.5-1b":
        statistics = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
        process = transformers.InternVLProcessor(
            transformers.GotOcr2ImageProcessor(),
            tokenizer,
            transformers.InternVLVideoProcessor(size={"height": 448, "width": 448}, **statistics),
        )
        return tokenizer, process(text="<video>", **video, return_tensors="pt")
    size = {"height": 1024, "width": 1024}
    process = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(
            size={"shortest_edge": 1024}, crop_size=size, image_mean=[0.0] * 3, image_std=[1.0] * 3
        ),
        tokenizer,
        patch_size=64,
    )
    return tokenizer, process(text="<image>" * len(frames), **images, return_tensors="pt")


@pytest.mark.parametrize("size", [(360, 640), (224, 224)], ids=str)
@pytest.mark.parametrize("name", SPECIAL_TOKENS)
def test_inputs_are_those_of_their_own_processor(name, size):
    frames = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
    tokenizer, theirs = process_with_their_own(name, frames)
    ours = process_frames(name, frames)
    for key, tensor in ours.pixels.items():
        torch.testing.assert_close(tensor, theirs[key].reshape(tensor.shape))
    placeholder = (
        SPECIAL_TOKENS[name].get("context_image_token")
        or SPECIAL_TOKENS[name]["video_token" if ours.placeholder == "video_token_id" else "image_token"]
    )
    ids = theirs["input_ids"][0]
    assert (ids == tokenizer.convert_tokens_to_ids(placeholder)).sum() == sum(ours.tokens)
    # the text between frames is left out
    assert (ids != 0).sum() == sum(ours.tokens) + len(ours.tokens) * sum(ours.markers)


def test_runs_of_placeholders():
    inputs = process_frames("qwen3.5-0.8b", torch.zeros(4, 3, 64, 96, dtype=torch.uint8))
    [ids] = inputs.prompt(baseline_configs.class_of_transformers("Qwen3_5Config", "")(), 5).tolist()
    video = 248057
    assert ids == [1, 1, *[video] * 6, 1, 1, *[video] * 6, 1, 1, 1, 1, 1]


def test_a_model_is_gone_before_the_next(monkeypatch):
    made = []

    def make(name):
        gc.collect()
        assert all(model() is None for model in made)
        model = make_baseline(name)
        made.append(weakref.ref(model))
        return model

    make_baseline = baseline_configs.make_baseline
    monkeypatch.setattr(baselines, "make_baseline", make)
    frames = torch.zeros(1, 3, 30, 40, dtype=torch.uint8)
    for name in ("smolvlm2-256m", "smolvlm2-500m"):
        narrow(name, monkeypatch)
        baselines.measure_baseline(name, frames, 5, CPU, torch.float32, {}, runs=1)
    assert len(made) == 2


def test_compiled(monkeypatch):
    narrow("smolvlm2-256m", monkeypatch)
    frames = torch.zeros(1, 3, 30, 40, dtype=torch.uint8)
    called = []

    def compile_nothing(call):
        return functools.wraps(call)(lambda *args, **options: called.append(call) or call(*args, **options))

    monkeypatch.setattr(torch, "compile", compile_nothing)
    [result] = baselines.measure_baseline(
        "smolvlm2-256m", frames, 5, CPU, torch.float32, {}, runs=1, compiled=True
    ).values()
    assert result["compiled_seconds"] > 0
    assert len(called) == 2

    def fail(*args, **options):
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(torch, "compile", lambda call: functools.wraps(call)(fail))
    [result] = baselines.measure_baseline(
        "smolvlm2-256m", frames, 5, CPU, torch.float32, {}, runs=1, compiled=True
    ).values()
    assert result["seconds"] > 0
    assert result["compiled_error"] == "RuntimeError: no compiler"


def test_unknown_model_is_refused():
    with pytest.raises(ValueError, match=r"no model 'gpt' to compare with: take 'llava-onevision-0.5b' or 'smolvlm2"):
        check_baselines(["smolvlm2-500m", "gpt"])
    with pytest.raises(ValueError, match=r"no model 'gpt' to compare with"):
        baselines.check_requirements("gpt")


def test_what_is_not_installed_is_named(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"'fastvlm-0.5b' needs timm: pip install timm, or leave it out of"):
            baselines.check_requirements("fastvlm-0.5b")
        baselines.check_requirements("smolvlm2-256m")
    monkeypatch.setitem(baseline_configs.CONFIGS, "qwen3.5-0.8b", ("Qwen9", {}))
    message = rf"'qwen3.5-0.8b' needs Qwen9ForCond\w+, which transformers {transformers.__version__} does not have"
    with pytest.raises(ImportError, match=message):
        baselines.check_requirements("qwen3.5-0.8b")


def test_all_that_are_asked_for(monkeypatch):
    """What is missing, or does not fit, does not end the others."""
    model = AutoModelForImageTextToText.from_pretrained(CHECKPOINT)
    processor = AutoProcessor.from_pretrained(CHECKPOINT)
    narrow("smolvlm2-256m", monkeypatch)
    monkeypatch.setitem(baseline_configs.CONFIGS, "qwen3.5-0.8b", ("Qwen9", {}))
    measure = baselines.measure_baseline

    def measure_some(name, *args, **options):
        if name == "internvl3.5-1b":
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 MB.")
        return measure(name, *args, **options)

    monkeypatch.setattr(baselines, "measure_baseline", measure_some)
    shown = []
    names = ["qwen3.5-0.8b", "internvl3.5-1b", "smolvlm2-256m"]
    found = dict(baselines.measure_baselines(names, model, processor, str(CLIP), runs=1, on_part=shown.append))
    assert shown == names
    assert found["qwen3.5-0.8b"].startswith("'qwen3.5-0.8b' needs Qwen9For")
    assert found["internvl3.5-1b"] == "CUDA out of memory."
    [result] = found["smolvlm2-256m"].values()
    assert result["num_prompt_tokens"] == 16 * (64 + 3) + 30
    assert result["our_seconds"] > 0 and "our_eager_seconds" not in result
    assert list(baselines.measure_baselines([], model, processor, "none.mp4")) == []
