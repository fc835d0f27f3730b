# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`hub_configs/`: what is there is what export writes, and makes the models it is said to make."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoConfig, GenerationConfig, Qwen2Tokenizer

from hub_configs import FILES, HUB_CONFIGS, PUBLISHED, SMALL, published_config, without_version, write_hub_config
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTProcessor
from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.families import family_of
from transformers_mvgpt.modeling.vision_language_model import VisionLanguageForConditionalGeneration


NAMES = [*PUBLISHED, SMALL]
NUM_PARAMETERS = {
    "mobile-videogpt-0.5b": 656_605_056,
    "mobile-videogpt-1.5b": 1_710_275_072,
    SMALL: 1_795_008,
    "mobilevlm-1.7b": 1_686_742_016,
    "mobilevlm-3b": 3_033_981_696,
    "mobilevlm-v2-1.7b": 1_674_121_216,
    "mobilevlm-v2-3b": 3_014_273_536,
    "mobilevlm-v2-7b": 7_062_943_744,
    "tinyllava-video-qwen2.5-3b-group-16": 3_629_878_336,
    "tinyllava-video-qwen2.5-3b-group-1fps": 3_629_878_336,
    "tinyllava-video-qwen2.5-3b-naive-16": 3_630_861_376,
    "tinyllava-video-phi2-naive-16": 3_385_238_080,
}
# of which in the projector, as the papers' modules have them
NUM_PROJECTOR_PARAMETERS = {
    "mobilevlm-1.7b": 18_936_832,
    "mobilevlm-3b": 28_913_920,
    "mobilevlm-v2-1.7b": 6_316_032,
    "mobilevlm-v2-3b": 9_205_760,
    "mobilevlm-v2-7b": 21_020_672,
    "tinyllava-video-qwen2.5-3b-group-16": 115_714_048,
    "tinyllava-video-qwen2.5-3b-group-1fps": 115_714_048,
    "tinyllava-video-qwen2.5-3b-naive-16": 116_697_088,
    "tinyllava-video-phi2-naive-16": 177_328_640,
}
# hidden sizes of CLIP, VideoMamba and the language model, visual tokens of an image and of a video, patches of a frame
SHAPES = {
    "mobile-videogpt-0.5b": (768, 576, 896, 144, 2402, 196),
    "mobile-videogpt-1.5b": (768, 576, 1536, 144, 2402, 196),
    SMALL: (128, 64, 128, 9, 176, 36),
}

every_model = pytest.mark.parametrize("name", NAMES)


@functools.cache
def make_on_meta(name: str) -> VisionLanguageForConditionalGeneration:
    config = AutoConfig.from_pretrained(HUB_CONFIGS / name)
    with torch.device("meta"):
        return family_of(config).model_class(config)


@every_model
def test_files(name):
    assert sorted(file.name for file in (HUB_CONFIGS / name).iterdir()) == sorted(FILES)


def test_models():
    assert sorted(folder.name for folder in HUB_CONFIGS.iterdir()) == sorted(NAMES)


@every_model
def test_export_writes_these_files(tmp_path, name):
    write_hub_config(name, tmp_path)
    for file in FILES:
        assert without_version(tmp_path / file) == without_version(HUB_CONFIGS / name / file), (
            f"{file} has changed: `make hub-configs` writes it anew"
        )


@every_model
def test_number_of_parameters(name):
    model = make_on_meta(name)
    assert model.num_parameters() == NUM_PARAMETERS[name]
    if name in NUM_PROJECTOR_PARAMETERS:
        [projector] = model.projectors
        weights = model.model.get_submodule(projector).parameters()
        assert sum(weight.numel() for weight in weights) == NUM_PROJECTOR_PARAMETERS[name]


@pytest.mark.parametrize("name", NUM_PROJECTOR_PARAMETERS)
def test_visual_tokens(name):
    model = make_on_meta(name)
    config = model.config
    size, width = config.vision_config.image_size, config.text_config.hidden_size
    pixels = torch.empty(2, 3, size, size, device="meta")
    if "image" in model.pixel_inputs:
        features, num_tokens = model.get_image_features(pixels), config.num_image_tokens
    else:
        features, num_tokens = model.get_video_features(pixels[None].expand(2, -1, -1, -1, -1)), 512
    assert features.pooler_output.shape == (2, num_tokens, width)
    assert num_tokens in (144, 512)


@pytest.mark.parametrize("name", SHAPES)
def test_output_shapes(name):
    model = make_on_meta(name)
    config = model.config
    vision_width, video_width, width, image_tokens, video_tokens, patches = SHAPES[name]
    assert (config.num_image_tokens, config.num_video_tokens) == (image_tokens, video_tokens)
    size = config.vision_config.image_size
    videos = torch.empty(2, 16, 3, size, size, device="meta")
    selected = videos[:, :8]

    frames = model.model.vision_tower(videos.flatten(0, 1)).last_hidden_state
    assert frames.shape == (32, 1 + patches, vision_width)
    clips = model.model.video_tower(selected).last_hidden_state
    assert clips.shape == (2, 1 + 8 * patches, video_width)
    assert model.model.image_projector(frames[:, 1:]).shape == (32, image_tokens, width)
    features = model.get_video_features(videos, videos)
    assert features.pooler_output.shape == (2, video_tokens, width)
    assert features.frame_scores.shape == (2, 16)
    assert features.selected_frames.shape == (2, 8)
    assert model.get_image_features(videos[:, 0]).pooler_output.shape == (2, image_tokens, width)
    embeddings = torch.empty(1, 5, width, device="meta")
    assert model(inputs_embeds=embeddings).logits.shape == (1, 5, config.text_config.vocab_size)


@every_model
def test_generation_config(name):
    config = AutoConfig.from_pretrained(HUB_CONFIGS / name)
    generation_config = GenerationConfig.from_pretrained(HUB_CONFIGS / name)
    assert generation_config.eos_token_id == config.text_config.eos_token_id
    assert not generation_config.do_sample


@every_model
def test_chat_template(name):
    processor_class = family_of(AutoConfig.from_pretrained(HUB_CONFIGS / name)).processor_class
    template = sys.modules[processor_class.__module__].CHAT_TEMPLATE
    assert (HUB_CONFIGS / name / "chat_template.jinja").read_text("utf-8") == template


@every_model
def test_card_is_about_the_model(name):
    card = ModelCard.load(HUB_CONFIGS / name / "README.md")
    assert f"of {NUM_PARAMETERS[name] / 1e6:,.1f} million parameters" in card.text
    assert f'model="{name}"' in card.text
    family = family_of(AutoConfig.from_pretrained(HUB_CONFIGS / name))
    assert card.data.pipeline_tag == family.task
    if name in PUBLISHED:
        repository = PUBLISHED[name].repository
        [published] = [model for model in family.published.models if model.repository == repository]
        assert repository in card.data.base_model
        # of the license, what is known, and nothing else
        assert card.data.license == family.published.license_of(published).name
        for benchmark, score in published.scores.items():
            assert f"| {benchmark} | {score} |" in card.text


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_are_told_apart(name):
    config = AutoConfig.from_pretrained(HUB_CONFIGS / name)
    published, repository = family_of(config).published, PUBLISHED[name].repository
    assert published.find(config, repository).repository == repository
    found = published.find(config, "/some/folder")
    if name == "tinyllava-video-qwen2.5-3b-group-16":
        assert found is None  # TinyLLaVA-Video-R1 has the same config
    else:
        assert found.repository == repository


def published_tokenizer() -> Qwen2Tokenizer:
    """With the ids of Qwen2.5's special tokens, behind words that mean nothing."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|other_{n}|>" for n in range(9))]
    special += ["<|image_pad|>", "<|video_pad|>"]
    vocabulary = {f"word{number}": number for number in range(151_643)}
    return Qwen2Tokenizer(
        vocab=vocabulary, merges=[], eos_token="<|im_end|>", extra_special_tokens=special, padding_side="left"
    )


# Weights may be mapped from the file: they count once they are read, here a byte of each page.
MEASURE_LOADING = """
import sys
import torch
import transformers_mvgpt
from transformers import AutoModelForImageTextToText

def peak():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

before = peak()
model = AutoModelForImageTextToText.from_pretrained(sys.argv[1])
assert model.dtype == torch.bfloat16
for parameter in model.parameters():
    parameter.detach().flatten().view(torch.uint8)[::4096].sum()
print(peak() - before)
"""


@pytest.fixture(scope="module")
def exported_0_5b(tmp_path_factory) -> Path:
    """The 0.5B model with random weights, as export writes it."""
    name = "mobile-videogpt-0.5b"
    folder = tmp_path_factory.mktemp("full-size")
    config = published_config(name)
    model = MobileVideoGPTForConditionalGeneration(config).to(torch.bfloat16)
    model.save_pretrained(folder / "native", save_original_format=False)
    MobileVideoGPTProcessor.from_config(config, published_tokenizer()).save_pretrained(folder / "native")
    del model
    export_hub(folder / "native", folder / name)
    return folder / name


@pytest.mark.slow
def test_export_of_the_full_size_writes_these_files(exported_0_5b):
    for file in FILES:
        expected = HUB_CONFIGS / exported_0_5b.name / file
        assert without_version(exported_0_5b / file) == without_version(expected), file


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_full_size_loads_in_little_more_memory_than_it_has(exported_0_5b):
    size = sum(file.stat().st_size for file in exported_0_5b.glob("*.safetensors"))
    result = subprocess.run(
        [sys.executable, "-c", MEASURE_LOADING, str(exported_0_5b)], capture_output=True, text=True, check=True
    )
    used = int(result.stdout.split()[-1])
    assert 0.9 * size <= used <= 1.3 * size
