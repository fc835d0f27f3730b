# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How frames are chosen: by the config, by a call, by `forward` and `generate`; and what is no choice."""

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForImageTextToText

from recorded_graphs import pretend_to_record, watch_replays
from tiny_models import make_sample, make_videos, tiny_config, tiny_model
from transformers_mvgpt import MobileVideoGPTConfig
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.modeling.configuration_mvgpt import FRAME_SELECTIONS


SELECTIONS = pytest.mark.parametrize("frame_selection", FRAME_SELECTIONS)
ALL_TOKENS = {"max_new_tokens": 3, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def encode(model, **options):
    with torch.no_grad():
        return model.get_video_features(**make_videos("a", "b"), **options)


def test_each_selects_other_frames(model):
    chosen = {name: encode(model, frame_selection=name) for name in FRAME_SELECTIONS}
    scores = chosen["scores"].frame_scores.unflatten(1, (2, 6))
    for name, is_largest in (("scores", True), ("rarest", False)):
        expected = scores.topk(4, largest=is_largest).indices.sort().values + torch.tensor([[0], [6]])
        assert torch.equal(chosen[name].selected_frames, expected.flatten(1))
    assert chosen["uniform"].selected_frames.tolist() == [[0, 2, 3, 5, 6, 8, 9, 11]] * 2
    # the image stream, and so the scores, are the same
    assert all(torch.equal(one.frame_scores, chosen["scores"].frame_scores) for one in chosen.values())
    assert not torch.equal(chosen["uniform"].pooler_output, chosen["rarest"].pooler_output)


@SELECTIONS
def test_config_and_call_are_one(model, frame_selection):
    of_config = encode(tiny_model(tiny_config(frame_selection=frame_selection)))
    of_call = encode(model, frame_selection=frame_selection)
    assert torch.equal(of_config.selected_frames, of_call.selected_frames)
    assert_close(of_config.pooler_output, of_call.pooler_output, rtol=0, atol=0)


def test_least_attended_is_rarest(model):
    by_flag = tiny_model(tiny_config(select_most_attended=False))
    rarest = encode(model, frame_selection="rarest")
    assert torch.equal(encode(by_flag).selected_frames, rarest.selected_frames)
    # a call chooses anew, whatever the config says
    assert torch.equal(encode(by_flag, frame_selection="scores").selected_frames, encode(model).selected_frames)


def test_nothing_said_is_as_published(model):
    assert MobileVideoGPTConfig().resolve_frame_selection() == "scores"
    assert torch.equal(encode(model).selected_frames, encode(model, frame_selection="scores").selected_frames)


def test_contradictions_and_unknown_names_are_refused(model):
    for frame_selection in ("scores", "uniform"):
        with pytest.raises(
            ValueError, match=f"`frame_selection` .'{frame_selection}'. contradicts `select_most_attended`"
        ):
            tiny_config(select_most_attended=False, frame_selection=frame_selection)
    assert tiny_config(select_most_attended=False, frame_selection="rarest").resolve_frame_selection() == "rarest"
    with pytest.raises(
        ValueError, match="field 'frame_selection' must be 'scores', 'uniform', 'rarest' or null, not 'best'"
    ):
        tiny_config(frame_selection="best")
    with pytest.raises(ValueError, match="`frame_selection` .'best'. must be one of 'scores', 'uniform', 'rarest'"):
        encode(model, frame_selection="best")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frame_selection": "best"}, "`frame_selection` .'best'. must be one of"),
        (
            {"frame_selection": "uniform", "select_most_attended": False},
            "'uniform'. contradicts `select_most_attended`",
        ),
    ],
    ids=["unknown", "contradiction"],
)
def test_fields_that_are_set_later_are_checked(tmp_path, fields, message):
    """Before they are used, and before a folder is written that could not be loaded."""
    model = tiny_model(tiny_config())
    for name, value in fields.items():
        setattr(model.config, name, value)
    with pytest.raises(ValueError, match=message):
        encode(model)
    with pytest.raises(ValueError, match=message):
        model.save_pretrained(tmp_path / "model")
    assert not list(tmp_path.rglob("*.*"))


def test_saved_and_loaded(tmp_path):
    tiny_model(tiny_config(frame_selection="uniform")).save_pretrained(tmp_path)
    assert AutoModelForImageTextToText.from_pretrained(tmp_path).config.resolve_frame_selection() == "uniform"
    # the small model's file says `select_most_attended` itself, which is no contradiction
    loaded = AutoModelForImageTextToText.from_pretrained(CHECKPOINT, frame_selection="rarest")
    assert loaded.config.resolve_frame_selection() == "rarest"


@SELECTIONS
def test_forward_and_generate(model, frame_selection):
    sample = make_sample(5, "video:a", 6)
    pixels = {name: sample.pop(name) for name in model.pixel_inputs["video"]}
    with torch.no_grad():
        encoded = model.get_video_features(**pixels, frame_selection=frame_selection)
        expected = model(**sample, mm_encoder_outputs={"video": encoded})
        found = model(**sample, **pixels, frame_selection=frame_selection)
    assert torch.equal(found.selected_frames, encoded.selected_frames)
    assert_close(found.logits, expected.logits)

    generated = model.generate(**sample, **pixels, frame_selection=frame_selection, **ALL_TOKENS)
    expected = model.generate(**sample, mm_encoder_outputs={"video": encoded}, **ALL_TOKENS)
    assert_close(torch.stack(generated.logits), torch.stack(expected.logits))


def test_of_a_video_that_is_encoded_already(model):
    sample = make_sample(5, "video:a", 6)
    pixels = {name: sample.pop(name) for name in model.pixel_inputs["video"]}
    encoded = {"video": model.get_video_features(**pixels)}
    with pytest.raises(ValueError, match="'frame_selection' cannot be applied to a video that is encoded already"):
        model(**sample, mm_encoder_outputs=encoded, frame_selection="rarest")


def test_recordings_are_of_the_choice_of_the_config(monkeypatch):
    """A recording holds one choice: another one is not replayed, in `get_video_features` and in `generate`, and leaves it alone."""
    recording_class = pretend_to_record(monkeypatch)
    model, plain = tiny_model(), tiny_model()
    calls = watch_replays(monkeypatch, recording_class)
    for _ in range(4):
        encode(model)
    num_replays = len(calls)
    assert num_replays > 0
    rarest = encode(model, frame_selection="rarest")
    assert len(calls) == num_replays
    assert torch.equal(rarest.selected_frames, encode(plain, frame_selection="rarest").selected_frames)
    # the choice of the config, said aloud, is the same one
    encode(model, frame_selection="scores")
    assert len(calls) == num_replays + 1

    sample = make_sample(5, "video:a", 6)
    expected = plain.generate(**sample, frame_selection="uniform", **ALL_TOKENS)
    for _ in range(4):
        model.generate(**sample, **ALL_TOKENS)
        found = model.generate(**sample, frame_selection="uniform", **ALL_TOKENS)
        assert_close(torch.stack(found.logits), torch.stack(expected.logits))
    said_aloud = model.generate(**sample, frame_selection="scores", **ALL_TOKENS)
    assert_close(torch.stack(said_aloud.logits), torch.stack(plain.generate(**sample, **ALL_TOKENS).logits))
