# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy
import logging

import pytest
import torch
from transformers import CompileConfig, DynamicCache, Qwen2Config, Qwen2ForCausalLM, StaticCache
from transformers.generation import BaseStreamer

from tiny_models import (
    IMAGE_ID,
    NUM_VIDEO_TOKENS,
    TEXT_CONFIG,
    VIDEO_ID,
    make_prompt,
    make_sample,
    make_videos,
    pad_left,
    tiny_config,
    tiny_model,
    with_seeded_weights,
)
from transformers_mvgpt.compat.cache_name import CACHE_NAME


NUM_NEW_TOKENS = 8
SAMPLES = {
    "text": (5, 6, 7, 8),
    "image": (5, "image:i", 6),
    "video": (5, "video:a", 6, 7),
    "video and image": ("video:a", 5, "image:i", 7, 8),
    "two videos": (5, "video:b", "video:a", 6),
}
every_sample = pytest.mark.parametrize("parts", SAMPLES.values(), ids=SAMPLES)
VIDEO = SAMPLES["video"]
PLACEHOLDERS = [IMAGE_ID, VIDEO_ID]  # one that is drafted beside the prompt would not fit the visuals


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def generate(model, parts, num_new_tokens=NUM_NEW_TOKENS, **options):
    """The new ids of each sequence."""
    sample = make_sample(*parts)
    generated = model.generate(**sample, max_new_tokens=num_new_tokens, **options)
    return generated[:, sample["input_ids"].shape[1] :]


@torch.no_grad()
def generate_token_by_token(model, parts):
    """Greedy decoding without any cache: the whole sequence again for each token."""
    sample = make_sample(*parts)
    length = sample["input_ids"].shape[1]
    for _ in range(NUM_NEW_TOKENS):
        next_id = model(**sample).logits[:, -1:].argmax(-1)
        sample["input_ids"] = torch.cat([sample["input_ids"], next_id], dim=1)
    return sample["input_ids"][:, length:]


@every_sample
def test_greedy_decoding(model, parts):
    expected = generate_token_by_token(model, parts)
    assert torch.equal(generate(model, parts), expected)
    assert len(expected.unique()) > 1  # not one token for ever


@every_sample
@pytest.mark.parametrize(
    "options",
    [
        {"use_cache": False},
        {"cache_implementation": "static", "disable_compile": True},
        {"cache_implementation": "dynamic"},
        {"prefill_chunk_size": 7},
        {"prefill_chunk_size": 64},
        {"prompt_lookup_num_tokens": 3},
    ],
    ids=lambda options: ", ".join(f"{name}={value}" for name, value in options.items()),
)
def test_options_that_change_nothing(model, parts, options):
    assert torch.equal(generate(model, parts, **options), generate(model, parts))


def test_compiled_decoding(model):
    compile_config = CompileConfig(backend="eager", mode=None, fullgraph=True)
    generated = generate(model, VIDEO, cache_implementation="static", compile_config=compile_config)
    assert torch.equal(generated, generate(model, VIDEO))
    torch.compiler.reset()


@pytest.fixture
def quiet_transformers(caplog):
    """Its assisted decoding uses what it has deprecated."""
    caplog.set_level(logging.ERROR, logger="transformers")


@every_sample
@pytest.mark.usefixtures("quiet_transformers")
def test_drafts_of_the_same_model_are_all_accepted(model, parts):
    assistant = copy.deepcopy(model)
    generated = generate(model, parts, assistant_model=assistant, suppress_tokens=PLACEHOLDERS)
    assert torch.equal(generated, generate(model, parts, suppress_tokens=PLACEHOLDERS))


@every_sample
@pytest.mark.usefixtures("quiet_transformers")
def test_drafts_of_a_language_model(model, parts):
    config = Qwen2Config(**{name: value for name, value in TEXT_CONFIG.items() if name != "model_type"})
    assistant = with_seeded_weights(Qwen2ForCausalLM(config))
    generated = generate(model, parts, assistant_model=assistant, suppress_tokens=PLACEHOLDERS)
    assert torch.equal(generated, generate(model, parts, suppress_tokens=PLACEHOLDERS))


def test_sampling_repeats_with_its_seed(model):
    sequences = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        sequences.append(generate(model, VIDEO, do_sample=True, temperature=2.0))
    assert torch.equal(sequences[0], sequences[1])
    assert not torch.equal(sequences[0], sequences[2])


@every_sample
def test_beams(model, parts):
    # an exhaustive search over two tokens
    sample = make_sample(*parts)
    with torch.no_grad():
        first = model(**sample).logits[0, -1].log_softmax(-1)
        ids = sample.pop("input_ids")
        scores = []
        for id in range(IMAGE_ID):  # a generated placeholder would not fit the visuals
            logits = model(torch.cat([ids, torch.tensor([[id]])], dim=1), **sample).logits[0, -1]
            scores.append(first[id] + logits.log_softmax(-1)[:IMAGE_ID])
    best = torch.stack(scores).flatten().topk(3).indices
    expected = torch.stack([best // IMAGE_ID, best % IMAGE_ID], dim=1)
    beams = generate(
        model, parts, num_new_tokens=2, num_beams=60, num_return_sequences=3, suppress_tokens=PLACEHOLDERS
    )
    assert torch.equal(beams, expected)


def test_several_sequences_of_each_sample_of_a_batch(model):
    samples = [make_sample(*SAMPLES[name]) for name in ("two videos", "text", "video and image")]
    batch = merge(samples)
    options = {"max_new_tokens": 4, "num_beams": 4, "num_return_sequences": 2}
    generated = model.generate(**batch, **options)[:, -4:].unflatten(0, (3, 2))
    for row, sample in zip(generated, samples, strict=True):
        assert torch.equal(row, model.generate(**sample, **options)[:, -4:])


def merge(samples):
    """A batch of samples, padded on the left."""
    visuals = {
        name: torch.cat([sample[name] for sample in samples if name in sample])
        for name in ("pixel_values", "pixel_values_videos", "context_pixel_values_videos")
    }
    return {**pad_left(*(sample["input_ids"] for sample in samples)), **visuals}


@pytest.mark.parametrize(
    "options",
    [{}, {"cache_implementation": "static", "disable_compile": True}, {"prefill_chunk_size": 50}],
    ids=["dynamic cache", "static cache", "chunks"],
)
def test_samples_of_a_batch_generate_as_they_do_alone(model, options):
    batch = merge([make_sample(*parts) for parts in SAMPLES.values()])
    generated = model.generate(**batch, max_new_tokens=NUM_NEW_TOKENS, **options)[:, -NUM_NEW_TOKENS:]
    alone = torch.cat([generate(model, parts) for parts in SAMPLES.values()])
    assert torch.equal(generated, alone)


def test_streamer_gets_the_prompt_and_each_token(model):
    class Recorder(BaseStreamer):
        def __init__(self):
            self.ids, self.has_ended = [], False

        def put(self, value):
            self.ids.append(value.flatten().tolist())

        def end(self):
            self.has_ended = True

    streamer = Recorder()
    expected = generate(model, VIDEO, streamer=streamer)
    assert streamer.ids[0] == make_sample(*VIDEO)["input_ids"][0].tolist()
    assert streamer.ids[1:] == expected.T.tolist()
    assert streamer.has_ended


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_dtypes(model, dtype):
    other = copy.deepcopy(model).to(dtype)
    assert torch.equal(generate(other, VIDEO), generate(model, VIDEO))


@every_sample
def test_eager_attention(model, parts):
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    assert torch.equal(generate(eager, parts), generate(model, parts))


@pytest.mark.needs_cuda
@every_sample
def test_flash_attention(model, parts):
    pytest.importorskip("flash_attn")
    config = tiny_config(vision_config={"hidden_size": 32})  # heads of a size that flash attention takes
    flash = tiny_model(config).to("cuda", torch.bfloat16)
    sample = {name: value.cuda() for name, value in make_sample(*parts).items()}
    expected = flash(**sample).logits
    flash.set_attn_implementation("flash_attention_2")
    assert (flash(**sample).logits - expected).abs().max() < 0.1 * expected.std()


@every_sample
def test_ids_outside_the_vocabulary(model, parts):
    image_id, video_id = 1000, 1001
    other = tiny_model(tiny_config(image_token_id=image_id, video_token_id=video_id))
    sample = make_sample(*parts)
    ids = sample.pop("input_ids")
    renamed = ids.masked_fill(ids == IMAGE_ID, image_id).masked_fill(ids == VIDEO_ID, video_id)
    for options in ({}, {"prefill_chunk_size": 7}, {"prompt_lookup_num_tokens": 10}, {"use_cache": False}):
        generated = other.generate(renamed, **sample, max_new_tokens=NUM_NEW_TOKENS, **options)
        assert torch.equal(generated[:, ids.shape[1] :], generate(model, parts)), options


def test_prompt_lookup_may_guess_placeholders(model):
    # after 69, which is generated, the prompt goes on with the video
    parts = (69, "video:a", 6, 7)
    expected = generate(model, parts)
    assert 69 in expected[0, :-1]
    assert torch.equal(generate(model, parts, prompt_lookup_num_tokens=5), expected)


@every_sample
def test_embeddings_instead_of_ids(model, parts):
    sample = make_sample(*parts)
    inputs_embeds = model.get_input_embeddings()(sample.pop("input_ids"))
    for options in ({}, {"num_beams": 2}):
        generated = model.generate(inputs_embeds=inputs_embeds, **sample, max_new_tokens=NUM_NEW_TOKENS, **options)
        assert torch.equal(generated, generate(model, parts, **options)), options


# Each visual is encoded once


def count_calls(module):
    calls = []
    module.register_forward_pre_hook(lambda module, args: calls.append(args))
    return calls


@pytest.mark.parametrize(
    "options",
    [{}, {"num_beams": 3}, {"use_cache": False}, {"prefill_chunk_size": 16}, {"prompt_lookup_num_tokens": 3}],
    ids=str,
)
def test_visuals_are_encoded_once(options):
    model = tiny_model()
    tower = model.model.vision_tower
    modules = [tower.embeddings, *tower.encoder.layers, tower.post_layernorm, model.model.video_tower]
    calls = [count_calls(module) for module in modules]
    generate(model, ("video:a", 5, "image:i", 6), **options)
    # the image encoder gets the image and the frames; its last layer and norm never run
    assert [len(calls_of_module) for calls_of_module in calls] == [2, 2, 2, 0, 0, 1]


def test_only_the_logits_of_the_last_position_are_computed():
    model = tiny_model()
    calls = count_calls(model.lm_head)
    generate(model, VIDEO, num_new_tokens=3)
    assert [args[0].shape[1] for args in calls] == [1, 1, 1]


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}, {"prefill_chunk_size": 50}], ids=str)
def test_encoder_outputs_instead_of_pixels(model, options):
    sample = make_sample("video:a", 5, "image:i", 6)
    encoded = {
        "image": model.get_image_features(sample["pixel_values"]),
        "video": model.get_video_features(sample["pixel_values_videos"], sample["context_pixel_values_videos"]),
    }
    expected = model.generate(**sample, max_new_tokens=NUM_NEW_TOKENS, **options)
    assert torch.equal(
        model.generate(sample["input_ids"], mm_encoder_outputs=encoded, max_new_tokens=NUM_NEW_TOKENS, **options),
        expected,
    )


def test_encoder_outputs_can_be_used_again(model):
    sample = make_sample(5, "video:a")
    encoded = {"video": model.get_video_features(sample["pixel_values_videos"], sample["context_pixel_values_videos"])}
    expected = generate(model, (5, "video:a"))
    for options in ({"num_beams": 2}, {"num_return_sequences": 2, "do_sample": True}, {}):
        generated = model.generate(
            sample["input_ids"], mm_encoder_outputs=encoded, max_new_tokens=NUM_NEW_TOKENS, **options
        )
    assert torch.equal(generated[:, -NUM_NEW_TOKENS:], expected)


@every_sample
def test_absent_visuals_may_be_none(model, parts):
    names = ("pixel_values", "pixel_values_videos", "context_pixel_values_videos", "mm_encoder_outputs")
    inputs = {**dict.fromkeys(names), **make_sample(*parts)}
    generated = model.generate(**inputs, max_new_tokens=NUM_NEW_TOKENS)
    assert torch.equal(generated[:, -NUM_NEW_TOKENS:], generate(model, parts))


def test_pixels_beside_encoder_outputs_are_refused(model):
    sample = make_sample(5, "video:a")
    encoded = model.get_video_features(sample["pixel_values_videos"], sample["context_pixel_values_videos"])
    with pytest.raises(ValueError, match="both: raw pixels and pre-computed embeddings for input video"):
        model.generate(**sample, mm_encoder_outputs={"video": encoded}, max_new_tokens=2)


# A second turn


@pytest.mark.parametrize("make_cache", [DynamicCache, StaticCache], ids=["dynamic", "static"])
@pytest.mark.parametrize("is_question_alone", [False, True], ids=["whole conversation", "new ids only"])
@every_sample
def test_second_turn_goes_on_from_the_cache(model, parts, make_cache, is_question_alone):
    text_config = model.config.text_config
    cache = DynamicCache(config=text_config) if make_cache is DynamicCache else StaticCache(text_config, 400)
    sample = make_sample(*parts)
    first = model.generate(
        **sample, max_new_tokens=4, **{CACHE_NAME: cache}, return_dict_in_generate=True, disable_compile=True
    )
    question = torch.tensor([[11, 12, 13]])
    conversation = torch.cat([first.sequences, question], dim=1)

    visuals = {name: value for name, value in sample.items() if name != "input_ids"}
    expected = model.generate(conversation, **visuals, max_new_tokens=NUM_NEW_TOKENS)
    if is_question_alone:
        # the last id of the answer has not been read yet
        new_ids = conversation[:, first[CACHE_NAME].get_seq_length() :]
        mask = torch.ones_like(conversation)
        second = model.generate(
            new_ids,
            attention_mask=mask,
            **{CACHE_NAME: first[CACHE_NAME]},
            max_new_tokens=NUM_NEW_TOKENS,
            disable_compile=True,
        )
    else:
        second = model.generate(
            conversation,
            **{CACHE_NAME: first[CACHE_NAME]},
            max_new_tokens=NUM_NEW_TOKENS,
            disable_compile=True,
        )
    assert torch.equal(second[:, -NUM_NEW_TOKENS:], expected[:, -NUM_NEW_TOKENS:])


@pytest.mark.parametrize("is_encoded", [False, True], ids=["pixels", "encoded"])
def test_visuals_of_earlier_turns_are_not_encoded_again(model, is_encoded):
    """A batch of two: one prompt brings a video in the first turn, the other two, one in each."""
    names = ("pixel_values_videos", "context_pixel_values_videos")
    videos = make_videos("a", "b", "c")
    turns = (
        [make_prompt(5, "video", 6, 7), make_prompt(8, "video", 9, 10)],
        [
            make_prompt(*[20] * NUM_VIDEO_TOKENS, 5),
            make_prompt("video", 12),
        ],
    )
    first = model.generate(
        torch.cat(turns[0]),
        **{name: videos[name][[0, 1]] for name in names},
        max_new_tokens=4,
        min_new_tokens=4,
        return_dict_in_generate=True,
    )
    conversation = torch.cat([first.sequences, torch.cat(turns[1])], dim=1)
    expected = model.generate(conversation, **videos, max_new_tokens=4)

    encoded_videos = []
    hook = model.model.video_tower.register_forward_pre_hook(
        lambda _, args: encoded_videos.append(len(args[0])),
    )
    if is_encoded:
        hook.remove()
        visuals = {"mm_encoder_outputs": {"video": model.get_video_features(**videos)}}
    else:
        visuals = videos
    generated = model.generate(conversation, **visuals, **{CACHE_NAME: first[CACHE_NAME]}, max_new_tokens=4)
    hook.remove()
    assert torch.equal(generated, expected)
    assert encoded_videos == ([] if is_encoded else [1])


@every_sample
def test_second_turn_may_repeat_the_visuals(model, parts):
    sample = make_sample(*parts)
    first = model.generate(**sample, max_new_tokens=4, return_dict_in_generate=True)
    conversation = torch.cat([first.sequences, torch.tensor([[11, 12, 13]])], dim=1)
    visuals = {name: value for name, value in sample.items() if name != "input_ids"}
    expected = model.generate(conversation, **visuals, max_new_tokens=NUM_NEW_TOKENS)
    second = model.generate(conversation, **visuals, **{CACHE_NAME: first[CACHE_NAME]}, max_new_tokens=NUM_NEW_TOKENS)
    assert torch.equal(second, expected)


def test_new_tokens_alone_may_bring_a_video(model):
    first, second = make_sample(5, 6), make_sample(7, "video:b", 8)
    outputs = model.generate(**first, max_new_tokens=4, min_new_tokens=4, return_dict_in_generate=True)
    new_ids = torch.cat([outputs.sequences[:, -1:], second.pop("input_ids")], dim=1)
    conversation = torch.cat([outputs.sequences[:, :-1], new_ids], dim=1)
    expected = model.generate(conversation, **second, max_new_tokens=4)
    generated = model.generate(
        new_ids,
        **second,
        attention_mask=torch.ones_like(conversation),
        **{CACHE_NAME: outputs[CACHE_NAME]},
        max_new_tokens=4,
    )
    assert torch.equal(generated[:, -4:], expected[:, -4:])


def test_second_video_in_the_second_turn(model):
    first_part, second_part = (5, "video:a", 6), (7, "video:b", 8)
    first, second = make_sample(*first_part), make_sample(*second_part)
    outputs = model.generate(**first, max_new_tokens=4, return_dict_in_generate=True)
    conversation = torch.cat([outputs.sequences, second.pop("input_ids")], dim=1)
    names = ("pixel_values_videos", "context_pixel_values_videos")
    expected = model.generate(
        conversation, **{name: torch.cat([first[name], second[name]]) for name in names}, max_new_tokens=4
    )
    generated = model.generate(conversation, **second, **{CACHE_NAME: outputs[CACHE_NAME]}, max_new_tokens=4)
    assert torch.equal(generated, expected)
