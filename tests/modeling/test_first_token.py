# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `generate` asks of a GPU before the first token, and when it reads the answers."""

import pytest
import torch
from transformers import DynamicCache, GenerationMixin

from recorded_graphs import PretendedAhead, pretend_to_record
from tiny_models import NUM_VIDEO_TOKENS, VIDEO_ID, make_prompt, make_sample, make_videos, tiny_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.compat.encoded_visuals import WithEncodedVisuals
from transformers_mvgpt.compat.visuals_in_chunks import WithChunkedPrefill
from transformers_mvgpt.kernels.dispatch import enable_cuda_graphs
from transformers_mvgpt.kernels.graphs_ahead import Ahead
from transformers_mvgpt.kernels.late_answer import LateAnswer
from transformers_mvgpt.modeling import placeholder_filling
from transformers_mvgpt.modeling.placeholder_filling import fill_placeholders


on_gpu_too = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.needs_cuda)])


@pytest.fixture
def events(monkeypatch):
    """What happens in a call of `generate`, in its order."""
    events = []

    def watch(owner, name, event):
        method = getattr(owner, name)

        def watched(self, *args, **kwargs):
            events.append(event)
            return method(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    watch(PretendedAhead, "__init__", "encoders")
    watch(PretendedAhead, "join", "joined")
    watch(GenerationMixin, "_prepare_special_tokens", "special tokens")
    # in older releases of transformers they are this package's
    bases = (WithEncodedVisuals, WithChunkedPrefill, GenerationMixin)
    methods = {"_maybe_prepare_encoder_kwargs_for_generation": "encoders' turn", "_prefill": "prefill"}
    for name, event in methods.items():
        watch(next(base for base in bases if name in vars(base)), name, event)
    return events


def answer(model, sample, **options):
    return model.generate(**sample, max_new_tokens=4, do_sample=False, **options)


@pytest.mark.parametrize(
    "options", [{}, {"num_beams": 2}, {"prefill_chunk_size": 50}, {"num_return_sequences": 1}], ids=str
)
def test_recorded_encoders_run_before_their_turn(monkeypatch, events, options):
    model, sample = tiny_model(), make_sample(5, "video:a", 6)
    wanted = answer(model, sample, **options)
    assert "encoders" not in events
    pretend_to_record(monkeypatch)
    enable_cuda_graphs(model.model)
    answer(model, sample, **options)
    events.clear()
    assert torch.equal(answer(model, sample, **options), wanted)
    assert events[:5] == ["encoders", "special tokens", "joined", "encoders' turn", "prefill"]


def test_encoders_that_are_not_recorded_wait_for_their_turn(monkeypatch, events):
    """Else all of Python's time for them came first."""
    pretend_to_record(monkeypatch)
    model = tiny_model()
    monkeypatch.setattr(model.model, "_encode_videos", lambda *args, **kwargs: pytest.fail("too early"))
    with pytest.raises(pytest.fail.Exception, match="too early"):
        answer(model, make_sample(5, "video:a", 6))
    assert events[0] == "encoders"
    assert "special tokens" in events


def test_errors_are_those_of_their_turn(monkeypatch):
    pretend_to_record(monkeypatch)
    model, sample = tiny_model(), make_sample(5, "video:a", 6)
    enable_cuda_graphs(model.model)
    answer(model, sample)
    wrong = {**sample, "pixel_values_videos": sample["pixel_values_videos"][..., :-1]}
    with pytest.raises(ValueError, match="`pixel_values_videos` has the shape"):
        answer(model, wrong)
    with pytest.raises(ValueError, match="pass both: raw pixels and pre-computed embeddings for input video"):
        answer(model, sample, mm_encoder_outputs={"video": model.get_video_features(**make_videos("a"))})
    with pytest.raises(ValueError, match="1 image placeholders, but the images given make 0 visual tokens"):
        answer(model, {**make_sample(5, "video:a", 6), "input_ids": make_prompt(5, "video", 6, 97)})


@pytest.fixture
def late(monkeypatch):
    """As on a GPU."""
    monkeypatch.setattr(placeholder_filling, "_may_read_late", lambda inputs_embeds: True)


@torch.no_grad()
@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("parts", [(5, "video:a", 6), ("image:b", "video:a"), (5, 6, 7)], ids=str)
def test_late_counts_change_no_logits(monkeypatch, parts):
    model, sample = tiny_model(), make_sample(*parts)
    found = model(**sample).logits
    monkeypatch.undo()
    assert torch.equal(found, model(**sample).logits)


@on_gpu_too
@torch.no_grad()
@pytest.mark.parametrize("change", [1, -1])
def test_a_wrong_number_is_found_before_the_cache_is_filled(device, monkeypatch, change):
    if device == "cpu":
        monkeypatch.setattr(placeholder_filling, "_may_read_late", lambda inputs_embeds: True)
        pretend_to_record(monkeypatch)
    model = tiny_model().to(device)
    enable_cuda_graphs(model.model)
    ids = torch.tensor([[5, *[VIDEO_ID] * (NUM_VIDEO_TOKENS + change), 6]], device=device)
    videos = {name: value.to(device) for name, value in make_videos("a").items()}
    cache = DynamicCache(config=model.config.text_config)
    message = (
        f"has {NUM_VIDEO_TOKENS + change} video placeholders, but the videos given make {NUM_VIDEO_TOKENS} visual"
    )
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            model(ids, **videos, use_cache=True, **{CACHE_NAME: cache})
        assert cache.get_seq_length() == 0
    with pytest.raises(ValueError, match=message):
        model.generate(ids, **videos, max_new_tokens=2)


def test_gradients_go_the_usual_way():
    embeds = torch.zeros(1, 3, 2)
    tokens = torch.ones(1, 1, 2, requires_grad=True)
    mask = torch.tensor([[False, True, False]])
    filled, check = fill_placeholders(embeds, {"video": mask}, {"video": tokens}, lambda *_: "")
    check()
    filled.sum().backward()
    assert torch.equal(tokens.grad, torch.ones(1, 1, 2))


@on_gpu_too
def test_late_answers(device):
    assert LateAnswer(torch.tensor([3, 4], device=device) + 1).read() == [4, 5]
    assert LateAnswer(torch.ones((), device=device) > 2).read() is False


@pytest.mark.needs_cuda
def test_late_answers_where_tensors_are_made_on_a_gpu():
    with torch.device("cuda"):
        assert LateAnswer(torch.ones(2)).read() == [1, 1]


@pytest.mark.needs_cuda
@torch.no_grad()
def test_waits_of_a_first_token():
    """Between encoders and prefill, Python waits for no kernel."""
    model = tiny_model().cuda()
    model.cuda_graphs_enable()
    sample = {name: value.cuda() for name, value in make_sample(5, "video:a", 6).items()}
    wanted = answer(model, sample)
    run = GenerationMixin._prefill

    def prefill(self, *args, **kwargs):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return run(self, *args, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenerationMixin, "_prefill", prefill)
        assert torch.equal(answer(model, sample), wanted)


@pytest.mark.needs_cuda
def test_the_other_stream_is_waited_for():
    pixels = torch.zeros(1000, 1000, device="cuda")
    torch.cuda._sleep(50_000_000)
    pixels += 1
    ahead = Ahead(pixels.device, lambda: {"sum": [torch.cuda._sleep(50_000_000), pixels.sum()][1]})
    ahead.join()
    assert ahead.encoded["sum"].item() == 1_000_000
