# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy

import pytest
import torch
from transformers import AutoModel, AutoModelForImageTextToText, AutoModelForMultimodalLM

from tiny_models import (
    IMAGE_ID,
    NUM_FRAMES,
    NUM_IMAGE_TOKENS,
    NUM_VIDEO_TOKENS,
    VIDEO_ID,
    VOCAB_SIZE,
    make_images,
    make_prompt,
    make_sample,
    make_videos,
    pad_left,
    tiny_config,
    tiny_model,
)
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel
from transformers_mvgpt.compat.cache_name import CACHE_NAME


SAMPLES = {
    "text": (5, 6, 7, 8),
    "image": (5, "image:i", 6, 7),
    "video": (5, "video:a", 6, 7),
    "image, then video": ("image:i", 5, "video:a", 6),
    "video, then image": (5, 6, "video:a", "image:i", 7),
    "two videos": ("video:a", 5, "video:b", 6),
    "two images": (5, "image:i", "image:j", 6),
    "all mixed": ("video:b", "image:j", 5, "video:a", 6, "image:i", 7),
}
every_sample = pytest.mark.parametrize("parts", SAMPLES.values(), ids=SAMPLES)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def count_calls(module):
    """A list that grows with every call of the module."""
    calls = []
    module.register_forward_pre_hook(lambda module, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    return calls


# Sizes


@pytest.mark.parametrize(
    ("text_config", "num_parameters"),
    [
        (None, 656_605_056),
        (
            # Qwen2.5-1.5B
            {
                "hidden_size": 1536,
                "intermediate_size": 8960,
                "num_hidden_layers": 28,
                "num_attention_heads": 12,
                "num_key_value_heads": 2,
                "max_window_layers": 28,
                "tie_word_embeddings": True,
            },
            1_543_714_304 + 85_799_424 + 73_941_504 + 3_557_376 + 3_262_464,
        ),
    ],
    ids=["0.5B", "1.5B"],
)
def test_number_of_parameters_of_the_published_models(text_config, num_parameters):
    with torch.device("meta"):
        model = MobileVideoGPTForConditionalGeneration(MobileVideoGPTConfig(text_config=text_config))
    assert model.num_parameters() == num_parameters


def test_shapes_of_the_published_size():
    with torch.device("meta"):
        model = MobileVideoGPTForConditionalGeneration(MobileVideoGPTConfig())
        video = model.get_video_features(torch.empty(2, 16, 3, 224, 224), torch.empty(2, 16, 3, 224, 224))
        image = model.get_image_features(torch.empty(3, 3, 224, 224))
    assert video.pooler_output.shape == (2, 2402, 896)
    assert video.last_hidden_state.shape == (2, 1569, 576)
    assert video.frame_scores.shape == (2, 16)
    assert video.selected_frames.shape == (2, 8)
    assert image.pooler_output.shape == (3, 144, 896)
    assert image.last_hidden_state.shape == (3, 196, 768)


@pytest.mark.parametrize(
    ("auto_class", "model_class"),
    [
        (AutoModel, MobileVideoGPTModel),
        (AutoModelForImageTextToText, MobileVideoGPTForConditionalGeneration),
        (AutoModelForMultimodalLM, MobileVideoGPTForConditionalGeneration),
    ],
    ids=lambda value: value.__name__,
)
def test_auto_classes(auto_class, model_class):
    assert type(auto_class.from_config(tiny_config())) is model_class


# What comes out


def test_outputs(model):
    outputs = model(**make_sample("video:a", 5, "image:i", "video:b", 6))
    length = 2 * NUM_VIDEO_TOKENS + NUM_IMAGE_TOKENS + 2
    assert outputs.logits.shape == (1, length, VOCAB_SIZE)
    assert outputs.video_hidden_states.shape == (2, NUM_VIDEO_TOKENS, 32)
    assert outputs.image_hidden_states.shape == (1, NUM_IMAGE_TOKENS, 32)
    assert (outputs.frame_scores.shape, outputs.frame_scores.dtype) == ((2, NUM_FRAMES), torch.float32)
    assert (outputs.selected_frames.shape, outputs.selected_frames.dtype) == ((2, 8), torch.int64)
    assert outputs[CACHE_NAME].get_seq_length() == length
    assert outputs.image_outputs.pooler_output is outputs.image_hidden_states
    assert outputs.video_outputs.pooler_output is outputs.video_hidden_states
    assert outputs.loss is outputs.hidden_states is outputs.attentions is None


def test_outputs_without_visuals(model):
    outputs = model(make_prompt(5, 6, 7))
    assert outputs.logits.shape == (1, 3, VOCAB_SIZE)
    assert outputs.video_hidden_states is outputs.image_hidden_states is None
    assert outputs.video_outputs is outputs.image_outputs is None
    assert outputs.frame_scores is outputs.selected_frames is None


def test_outputs_as_a_tuple(model):
    sample = make_sample("video:a", 5, "image:i")
    outputs = model(**sample)
    logits, _, images, videos, frame_scores, selected_frames, *encoded = model(**sample, return_dict=False)
    for actual, name in zip(encoded, ("image_outputs", "video_outputs"), strict=True):
        assert torch.equal(actual.pooler_output, outputs[name].pooler_output), name
    for actual, name in (
        (logits, "logits"),
        (images, "image_hidden_states"),
        (videos, "video_hidden_states"),
        (frame_scores, "frame_scores"),
        (selected_frames, "selected_frames"),
    ):
        assert torch.equal(actual, outputs[name]), name


def test_hidden_states_and_attentions_are_the_language_models():
    model = tiny_model()
    model.set_attn_implementation("eager")
    sample = make_sample("image:i", 5)
    outputs = model(**sample, output_hidden_states=True, output_attentions=True)
    assert [tuple(states.shape) for states in outputs.hidden_states] == [(1, 10, 32)] * 3
    assert [tuple(weights.shape) for weights in outputs.attentions] == [(1, 4, 10, 10)] * 2
    torch.testing.assert_close(outputs.logits, tiny_model()(**sample).logits)


@pytest.mark.parametrize("layer", [-2, -1, 1])
def test_hidden_states_of_the_image_encoder(layer):
    model = tiny_model(tiny_config(vision_feature_layer=layer))
    plain = model.get_image_features(**make_images("i", "j"))
    image = model.get_image_features(**make_images("i", "j"), output_hidden_states=True)
    # those of all layers, beyond the features too
    assert [tuple(states.shape) for states in image.hidden_states] == [(2, 17, 40)] * 4
    assert torch.equal(image.last_hidden_state, image.hidden_states[layer][:, 1:])
    assert torch.equal(image.last_hidden_state, plain.last_hidden_state)
    assert torch.equal(image.pooler_output, plain.pooler_output)


def test_hidden_states_of_the_video_encoder(model):
    video = model.get_video_features(**make_videos("a"), output_hidden_states=True)
    assert [tuple(states.shape) for states in video.hidden_states] == [(1, 73, 24)] * 3
    assert torch.equal(video.hidden_states[-1], video.last_hidden_state)


def test_encoders_record_what_is_asked_for():
    model = tiny_model()
    model.set_attn_implementation("eager")
    sample = make_sample("video:a", "image:i", 5)
    outputs = model(**sample, output_hidden_states=True, output_attentions=True)
    image, video = outputs.image_outputs, outputs.video_outputs
    assert [tuple(states.shape) for states in image.hidden_states] == [(1, 17, 40)] * 4
    assert [tuple(weights.shape) for weights in image.attentions] == [(1, 4, 17, 17)] * 3
    assert [tuple(states.shape) for states in video.hidden_states] == [(1, 73, 24)] * 3
    assert [tuple(states.shape) for states in video.context_hidden_states] == [(NUM_FRAMES, 17, 40)] * 4
    assert [tuple(weights.shape) for weights in video.attentions] == [(NUM_FRAMES, 4, 17, 17)] * 3
    videos = {name: pixels for name, pixels in sample.items() if "videos" in name}
    alone = model.get_video_features(**videos, output_hidden_states=True)
    assert torch.equal(torch.stack(video.context_hidden_states), torch.stack(alone.context_hidden_states))
    assert torch.equal(
        model.model.image_projector(video.context_hidden_states[-2][:, 1:]).flatten(0, 1)[None],
        video.pooler_output[:, : NUM_FRAMES * 9],
    )
    unasked = model(**sample)
    torch.testing.assert_close(unasked.logits, outputs.logits)
    for features in (unasked.image_outputs, unasked.video_outputs):
        assert features.hidden_states is None and features.attentions is None
    only_states = model(**sample, output_hidden_states=[-1])  # of the language model's layers, the last
    assert len(only_states.video_outputs.hidden_states) == 3
    assert only_states.video_outputs.attentions is None


def test_labels_of_placeholders_do_not_count(model):
    sample = make_sample("video:a", 5, 6, 7)
    ids = sample["input_ids"]
    right = ids.masked_fill(ids == VIDEO_ID, -100)
    expected = model(**sample, labels=right).loss
    assert torch.isfinite(expected)
    shifted = torch.nn.functional.pad(ids[:, 1:], (0, 1), value=-100)
    others = ids.masked_fill(ids == VIDEO_ID, 9)  # what a collator with ids of its own might write there
    for labels in ({"labels": ids}, {"labels": others}, {"labels": ids, "shift_labels": shifted}):
        torch.testing.assert_close(model(**sample, **labels).loss, expected)
    # a trainer counts what it is given
    for num_items in (ids.shape[1] - 1, torch.tensor(ids.shape[1] - 1)):
        torch.testing.assert_close(model(**sample, labels=ids, num_items_in_batch=num_items).loss, expected)
    assert model(**sample, labels=torch.full_like(ids, -100), num_items_in_batch=1).loss == 0
    text = make_sample(5, 6, 7)
    loss = model(**text, labels=text["input_ids"]).loss
    assert torch.equal(model(**text, labels=text["input_ids"], num_items_in_batch=8).loss, loss * 2 / 8)


def test_batches_of_a_step_keep_their_weights_without_the_labels_of_placeholders(model):
    samples = [make_sample("image:i", 5, 6, 7), make_sample("image:j", 8, 9, 10)]
    num_items = sum(sample["input_ids"].shape[1] - 1 for sample in samples)
    losses = [model(**sample, labels=sample["input_ids"], num_items_in_batch=num_items).loss for sample in samples]
    alone = [model(**sample, labels=sample["input_ids"]).loss for sample in samples]
    torch.testing.assert_close(sum(losses), sum(alone) / 2)


def test_loss_is_that_of_the_labels(model):
    sample = make_sample("video:a", 5, 6, 7)
    labels = sample["input_ids"].clone()
    labels[:, :-2] = -100
    outputs = model(**sample, labels=labels)
    expected = torch.nn.functional.cross_entropy(outputs.logits[0, -3:-1], torch.tensor([6, 7]))
    torch.testing.assert_close(outputs.loss, expected)


def test_logits_to_keep():
    model, sample = tiny_model(), make_sample("video:a", 5, 6, 7)
    logits = model(**sample).logits
    seen = count_calls(model.lm_head)
    torch.testing.assert_close(model(**sample, logits_to_keep=2).logits, logits[:, -2:])
    positions = torch.tensor([3, 7])
    torch.testing.assert_close(model(**sample, logits_to_keep=positions).logits, logits[:, positions])
    assert [args[0].shape[1] for args, _ in seen] == [2, 2]


# Videos


def test_rows_of_a_video_begin_with_those_of_its_frames(model):
    videos = make_videos("a", "b")
    rows = model.get_video_features(**videos).pooler_output
    frames = model.get_image_features(videos["context_pixel_values_videos"].flatten(0, 1)).pooler_output
    of_frames = rows[:, : NUM_FRAMES * NUM_IMAGE_TOKENS]
    torch.testing.assert_close(of_frames, frames.reshape(2, -1, 32), rtol=1e-5, atol=1e-5)


def test_video_encoder_sees_the_selected_frames():
    model, videos = tiny_model(), make_videos("a", "b")
    calls = count_calls(model.model.video_tower)
    features = model.get_video_features(**videos)
    (((frames,), _),) = calls
    for i, selected in enumerate(features.selected_frames):
        assert torch.equal(frames[i], videos["pixel_values_videos"][i, selected])
    # each chunk of 6 frames has 4
    assert ((features.selected_frames < 6).sum(1) == 4).all()
    assert (features.selected_frames.diff() > 0).all()


@pytest.mark.parametrize("most_attended", [True, False])
def test_selected_frames_are_those_of_the_scores(most_attended):
    model = tiny_model(tiny_config(select_most_attended=most_attended))
    features = model.get_video_features(**make_videos("a", "b"))
    chunks = features.frame_scores.unflatten(1, (2, 6))
    expected = chunks.topk(4, largest=most_attended).indices.sort().values + torch.tensor([[0], [6]])
    assert torch.equal(features.selected_frames, expected.flatten(1))


@pytest.mark.parametrize("num_frames", [1, 5, 7, 11])
def test_short_video_is_followed_by_zero_frames(model, num_frames):
    short = make_videos("a", "b", num_frames=num_frames)
    padding = NUM_FRAMES - num_frames
    padded = {
        name: torch.cat([stream, torch.zeros_like(stream[:, :1]).expand(-1, padding, -1, -1, -1)], dim=1)
        for name, stream in short.items()
    }
    actual, expected = model.get_video_features(**short), model.get_video_features(**padded)
    for name, value in expected.items():
        assert torch.equal(actual[name], value), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_close_and_selects_the_same_frames(model, dtype):
    sample = make_sample("video:a", 5, "image:i", "video:b", 6)
    expected = model(**sample)
    outputs = tiny_model().to(dtype)(**sample)  # the model casts the pixels
    assert outputs.logits.dtype == outputs.video_hidden_states.dtype == dtype
    assert outputs.frame_scores.dtype == torch.float32
    assert torch.equal(outputs.selected_frames, expected.selected_frames)
    assert (outputs.logits - expected.logits).abs().max() < 0.1 * expected.logits.std()


def test_autocast_is_close_and_selects_the_same_frames(model):
    sample = make_sample("video:a", 5, "image:i", "video:b", 6)
    expected = model(**sample)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(**sample)
    assert torch.equal(outputs.selected_frames, expected.selected_frames)
    assert (outputs.logits - expected.logits).abs().max() < 0.1 * expected.logits.std()


# Prompts


@every_sample
def test_rows_stand_in_the_place_of_their_placeholders(model, parts):
    inputs_embeds = []
    for part in parts:
        if isinstance(part, int):
            rows = model.get_input_embeddings()(torch.tensor([[part]]))
        else:
            modality, _, name = part.partition(":")
            features = (
                model.get_video_features(**make_videos(name))
                if modality == "video"
                else model.get_image_features(**make_images(name))
            )
            rows = features.pooler_output
        inputs_embeds.append(rows)
    hidden_states = model.model.language_model(inputs_embeds=torch.cat(inputs_embeds, dim=1)).last_hidden_state
    logits = model(**make_sample(*parts)).logits
    torch.testing.assert_close(logits, model.lm_head(hidden_states), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_samples_of_a_batch_do_not_see_each_other(model, padding_side):
    samples = [make_sample(*parts) for parts in SAMPLES.values()]
    batch = pad_left(*(sample["input_ids"] for sample in samples))
    if padding_side == "right":
        counts = batch["attention_mask"].sum(1).tolist()
        batch = {
            name: torch.stack([row.roll(count) for row, count in zip(rows, counts, strict=True)])
            for name, rows in batch.items()
        }
    names = ("pixel_values", "pixel_values_videos", "context_pixel_values_videos")
    visuals = {name: torch.cat([sample[name] for sample in samples if name in sample]) for name in names}
    logits = model(**batch, **visuals).logits
    for row, mask, sample in zip(logits, batch["attention_mask"], samples, strict=True):
        torch.testing.assert_close(row[mask.bool()], model(**sample).logits[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ids", [(1000, 1001), (VOCAB_SIZE, VIDEO_ID), (IMAGE_ID, VOCAB_SIZE)], ids=str)
@every_sample
def test_placeholders_may_lie_outside_the_vocabulary(model, parts, ids):
    image_id, video_id = ids
    sample = make_sample(*parts)
    expected = model(**sample).logits
    input_ids = sample.pop("input_ids")
    renamed = input_ids.masked_fill(input_ids == IMAGE_ID, image_id).masked_fill(input_ids == VIDEO_ID, video_id)
    other = tiny_model(tiny_config(image_token_id=image_id, video_token_id=video_id))
    assert torch.equal(other(renamed, **sample).logits, expected)


@every_sample
def test_embeddings_instead_of_ids(model, parts):
    sample = make_sample(*parts)
    expected = model(**sample).logits
    inputs_embeds = model.get_input_embeddings()(sample.pop("input_ids"))
    assert torch.equal(model(inputs_embeds=inputs_embeds, **sample).logits, expected)


def test_a_generated_placeholder_is_a_token_like_others(model):
    cache = model(make_prompt(5, 6), use_cache=True)[CACHE_NAME]
    inputs_embeds = model.get_input_embeddings()(make_prompt(VIDEO_ID))
    expected = model(inputs_embeds=inputs_embeds, **{CACHE_NAME: copy.deepcopy(cache)}).logits
    assert torch.equal(model(make_prompt(VIDEO_ID), **{CACHE_NAME: cache}).logits, expected)


@every_sample
def test_encoder_outputs_instead_of_pixels(parts):
    model, sample = tiny_model(), make_sample(*parts)
    expected = model(**sample)
    encoded = {}
    if "pixel_values" in sample:
        encoded["image"] = model.get_image_features(sample["pixel_values"])
    if "pixel_values_videos" in sample:
        encoded["video"] = model.get_video_features(
            sample["pixel_values_videos"], sample["context_pixel_values_videos"]
        )
    calls = [count_calls(module) for module in (model.model.vision_tower.embeddings, model.model.video_tower)]
    outputs = model(sample["input_ids"], mm_encoder_outputs=encoded)
    assert calls == [[], []]
    assert (outputs.image_outputs, outputs.video_outputs) == (encoded.get("image"), encoded.get("video"))
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(outputs[name], value), name


def test_inputs_are_not_changed(model):
    sample = make_sample(5, "video:a", "image:i", 6)
    before = {name: value.clone() for name, value in sample.items()}
    model(**sample)
    for name, value in before.items():
        assert torch.equal(sample[name], value), name


def test_pixels_of_one_modality_beside_encoder_outputs_of_the_other(model):
    sample = make_sample("video:a", 5, "image:i")
    expected = model(**sample).logits
    image = model.get_image_features(sample.pop("pixel_values"))
    assert torch.equal(model(**sample, mm_encoder_outputs={"image": image, "video": None}).logits, expected)


# Only what is needed


@pytest.mark.parametrize("layer", [-2, -1, 1], ids=lambda layer: f"layer {layer}")
def test_layers_beyond_the_features_do_not_run(layer):
    model = tiny_model(tiny_config(vision_feature_layer=layer))
    tower = model.model.vision_tower
    calls = [count_calls(module) for module in (*tower.encoder.layers, tower.post_layernorm)]
    model(**make_sample("video:a", 5, "image:i"))
    num_layers = model.config.num_vision_layers
    assert [len(calls_of_module) for calls_of_module in calls] == [2] * num_layers + [0] * (4 - num_layers)


def test_images_do_not_run_the_video_encoder():
    model = tiny_model()
    calls = [count_calls(module) for module in (model.model.video_tower, model.model.video_projector)]
    model(**make_sample("image:i", 5))
    assert calls == [[], []]


def test_text_does_not_run_any_encoder():
    model = tiny_model()
    names = ("vision_tower.embeddings", "image_projector", "video_tower", "video_projector")
    calls = [count_calls(model.model.get_submodule(name)) for name in names]
    model(make_prompt(5, 6))
    assert calls == [[]] * 4


@pytest.mark.parametrize("implementation", ["sdpa", {"text_config": "sdpa"}, {"vision_config": "sdpa"}], ids=str)
def test_attention_implementations_agree(implementation):
    model, sample = tiny_model(), make_sample("video:a", 5, "image:i", 6)
    model.set_attn_implementation("eager")
    expected = model(**sample).logits
    model.set_attn_implementation(implementation)
    torch.testing.assert_close(model(**sample).logits, expected, rtol=1e-4, atol=1e-4)
