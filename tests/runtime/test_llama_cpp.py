# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""llama.cpp answers as PyTorch does, from embeddings, and keeps what it has computed."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny_trained
from gguf_files import answer, open_language_model, prompt_embeddings
from torch_free import run_torch_free
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.demo import CHECKPOINT, CLIP, CLIP_SEED, make_clip
from transformers_mvgpt.runtime import llama_library
from transformers_mvgpt.runtime.gguf_checks import check_belongs
from transformers_mvgpt.runtime.gguf_export import GGUF_TYPES as TYPES
from transformers_mvgpt.runtime.gguf_export import export_gguf
from transformers_mvgpt.runtime.gguf_header import read_gguf_header
from transformers_mvgpt.runtime.llama_cpp import LlamaCppLanguageModel


def chats(family: str, folder) -> list:
    """Questions with their visual, of which the family's trained model knows the answers."""
    if family == "mobilevlm":
        picture = tiny_trained.picture(tiny_trained.PICTURE_SEEDS[0])
        questions = tiny_trained.picture_questions(tiny_trained.PICTURE_SEEDS[0])
        visual = {"type": "image", "image": picture}
    elif family == "tinyllava":
        questions = tiny_trained.clip_questions()
        visual = {"type": "video", "path": tiny_trained.write_drawn_clip(folder / "clip.mp4")}
    else:
        questions = make_clip(CLIP_SEED, "test").questions[:4]
        visual = {"type": "video", "path": str(CLIP)}
    return [tiny_trained.ask(visual, question) for question in questions]


FOLDERS = {"mvgpt": CHECKPOINT, "mobilevlm": tiny_trained.MOBILEVLM, "tinyllava": tiny_trained.TINYLLAVA}


@pytest.fixture(scope="module", params=list(FOLDERS))
def case(request, tmp_path_factory):
    """A folder, its GGUF files by type, and prompts as embeddings with the tokens that PyTorch answers."""
    path = tmp_path_factory.mktemp(request.param)
    folder = FOLDERS[request.param]
    files = dict(zip(TYPES, export_gguf(folder, path / "x.gguf", type=TYPES), strict=True))
    loaded = load_model(str(folder), {})
    prompts, answers = [], []
    for chat in chats(request.param, path):
        inputs = loaded.processor.apply_chat_template(
            chat, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
        )
        with torch.no_grad():
            ids = loaded.model.generate(**inputs, max_new_tokens=24, do_sample=False)
        prompts.append(prompt_embeddings(loaded.model, inputs))
        answers.append(ids[0, inputs["input_ids"].shape[1] :].tolist())
    return folder, files, prompts, answers


@pytest.mark.parametrize("type", TYPES)
def test_answers_are_pytorchs(case, type):
    folder, files, prompts, answers = case
    with open_language_model(files[type], folder) as model:
        assert [answer(model, prompt, len(ids)) for prompt, ids in zip(prompts, answers, strict=True)] == answers


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return export_gguf(CHECKPOINT, tmp_path_factory.mktemp("mvgpt") / "x.gguf", type="f16")[0]


@pytest.fixture
def model(file):
    with open_language_model(file, CHECKPOINT) as model:
        yield model


def prompt(model: LlamaCppLanguageModel, seed: int, num_tokens: int) -> np.ndarray:
    return model.embed(np.random.default_rng(seed).integers(0, 500, num_tokens))


def test_a_prefix_serves_many_questions(model):
    prefix = prompt(model, 0, 40)
    questions = [prompt(model, seed, 5 + seed) for seed in range(1, 4)]
    alone = [answer(model, np.concatenate([prefix, question]), 6) for question in questions]
    _, cache = model.extend(None, [prefix])
    assert [answer(model, question, 6, cache) for question in questions] == alone
    # and again, now that others have gone on from it
    assert answer(model, questions[0], 6, cache) == alone[0]
    logits, rows = model.extend(cache, questions)
    batch = [logits.argmax(1)]
    for _ in range(5):
        logits, rows = model.step(rows, batch[-1])
        batch.append(logits.argmax(1))
    assert np.stack(batch, 1).tolist() == alone


def test_a_cache_that_was_given_stays_valid(model):
    _, first = model.extend(None, [prompt(model, 0, 20)])
    one, longer = model.step(first, np.array([7]))
    other, _ = model.step(first, np.array([9]))
    again, _ = model.step(first, np.array([7]))
    np.testing.assert_allclose(again, one, atol=0.01)
    assert np.abs(other - one).max() > 0.1
    after, _ = model.step(longer, np.array([11]))
    expected, _ = model.extend(first, [model.embed(np.array([7, 11]))])
    np.testing.assert_allclose(after, expected, atol=0.01)


def test_embeddings_are_tokens(model):
    ids = np.array([5, 6, 7])
    _, cache = model.extend(None, [prompt(model, 0, 20)])
    given, _ = model.extend(cache, [model.embed(ids)])
    for id in ids:
        stepped, cache = model.step(cache, np.array([id]))
    np.testing.assert_allclose(given, stepped, atol=0.01)
    # placeholders may lie outside of the vocabulary
    np.testing.assert_array_equal(model.embed(np.array([-1, 100_000])), model.embed(np.array([0, 0])))


def test_it_grows_and_does_not_leak(model):
    """More cells, more sequences, and what was computed before."""
    _, prefix = model.extend(None, [prompt(model, 0, 30)])
    expected = answer(model, prompt(model, 1, 5), 4, prefix)
    rows = [model.extend(prefix, [prompt(model, seed, 60)])[1] for seed in range(12)]
    cells, sequences = model._num_cells, model._num_sequences
    assert cells >= 12 * 60 and sequences >= 13
    assert answer(model, prompt(model, 1, 5), 4, prefix) == expected
    del rows
    for seed in range(100):
        model.extend(None, [prompt(model, seed, 50)])
    assert (model._num_cells, model._num_sequences) == (cells, sequences)
    assert answer(model, prompt(model, 1, 5), 4, prefix) == expected


@pytest.mark.parametrize("grow", [lambda model: model._make_context(0), lambda model: model._make_context(0, 10**6)])
def test_without_memory_to_grow_it_stays_as_it_was(model, monkeypatch, grow):
    _, prefix = model.extend(None, [prompt(model, 0, 30)])
    expected = answer(model, prompt(model, 1, 5), 4, prefix)
    sizes = model._num_cells, model._num_sequences
    make = model._new_context

    def make_no_larger(params):
        if (params.n_ctx, params.n_seq_max) != sizes:
            raise MemoryError("no room")
        return make(params)

    monkeypatch.setattr(model, "_new_context", make_no_larger)
    with pytest.raises(MemoryError, match="no room"):
        grow(model)
    assert (model._num_cells, model._num_sequences) == sizes
    assert answer(model, prompt(model, 1, 5), 4, prefix) == expected


def test_without_any_memory_it_is_closed(model, monkeypatch):
    _, prefix = model.extend(None, [prompt(model, 0, 30)])

    def make_none(params):
        raise MemoryError("no room")

    monkeypatch.setattr(model, "_new_context", make_none)
    with pytest.raises(MemoryError, match="no room"):
        model._make_context(0)
    with pytest.raises(ValueError, match=r"x\.gguf was closed: open it again"):
        model.step(prefix, np.array([1]))


def test_a_long_prompt_is_computed_in_parts(model, monkeypatch):
    values = prompt(model, 0, 900)
    whole, _ = model.extend(None, [values])
    monkeypatch.setattr("transformers_mvgpt.runtime.llama_cpp._BATCH", 128)
    parts, _ = model.extend(None, [values])
    np.testing.assert_allclose(parts, whole, atol=0.01)


def test_what_does_not_fit(model):
    _, cache = model.extend(None, [prompt(model, 0, 3)])
    with pytest.raises(ValueError, match=r"a row of the shape \(0, 128\), not \(tokens, 128\)"):
        model.extend(None, [np.zeros((0, 128), np.float32)])
    with pytest.raises(ValueError, match="At most 256 rows are answered together"):
        model.extend(None, [prompt(model, 0, 1)] * 257)
    model.close()
    with pytest.raises(ValueError, match=r"x\.gguf was closed"):
        model.step(cache, np.array([1]))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "llama", "is a 'qwen2' model, and the folder's language model is 'llama'"),
        ("num_hidden_layers", 5, "has `block_count` 4, and the folder's `num_hidden_layers` is 5"),
        ("num_key_value_heads", 2, "has `attention.head_count_kv` 4, and the folder's `num_key_value_heads` is 2"),
        ("hidden_size", 64, "has `embedding_length` 128, and the folder's `hidden_size` is 64"),
        ("vocab_size", 600, r"embeddings of the shape \(541, 128\), and the folder's are \(600, 128\)"),
    ],
)
def test_of_another_model(file, field, value, message):
    config = json.loads((CHECKPOINT / "config.json").read_text())["text_config"] | {field: value}
    with pytest.raises(ValueError, match=message):
        LlamaCppLanguageModel(file, text_config=config)


def test_of_another_tokenizer(file):
    config = json.loads((CHECKPOINT / "config.json").read_text())["text_config"]
    with pytest.raises(ValueError, match=r"has '.*' as token 40, and the folder's tokenizer has 'house'"):
        LlamaCppLanguageModel(file, text_config=config, vocabulary={"house": 40})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attention.layer_norm_rms_epsilon", float("nan")),
        ("attention.layer_norm_rms_epsilon", -1.0),
        ("attention.key_length", 33),
        ("rope.dimension_count", 31),
        ("rope.dimension_count", 16),
        ("rope.freq_base", 0.0),
        ("context_length", 0),
    ],
)
def test_absurd_numbers(file, key, value):
    """llama.cpp would end the process on some of them."""
    header = read_gguf_header(file)
    header.fields[f"qwen2.{key}"] = value
    config = json.loads((CHECKPOINT / "config.json").read_text())["text_config"]
    with pytest.raises(
        ValueError, match=rf"x\.gguf has `{key}` {value}, which the folder's language model cannot have"
    ):
        check_belongs(header, config, None)


@pytest.mark.parametrize("shape", [(128,), (1, 128)])
def test_norms_of_another_type(file, shape):
    """llama.cpp would end the process. It does not tell one shape from the other."""
    header = read_gguf_header(file)
    header.tensors["output_norm.weight"] = replace(header.tensors["output_norm.weight"], type="Q4_0", shape=shape)
    config = json.loads((CHECKPOINT / "config.json").read_text())["text_config"]
    with pytest.raises(
        ValueError, match=r"x\.gguf has `output_norm.weight` in Q4_0, and norms and biases must be in F32"
    ):
        check_belongs(header, config, None)


def test_damaged_files(file, tmp_path):
    content = file.read_bytes()
    for size in (10, 1000, 9000, len(content) - 200):
        (tmp_path / "cut.gguf").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"cut\.gguf is (damaged or cut off|no GGUF file)"):
            open_language_model(tmp_path / "cut.gguf", CHECKPOINT)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(llama_library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="not installed: `pip install xllamacpp`"):
        llama_library.llama_library.__wrapped__()


def test_another_interface_is_refused(monkeypatch):
    monkeypatch.setitem(llama_library._CONTEXT_DEFAULTS, "n_batch", 2047)
    with pytest.raises(
        ImportError, match=r"another interface than the one known here \(n_batch is 2048, expected 2047\)"
    ):
        llama_library.llama_library.__wrapped__()


def test_it_needs_neither_torch_nor_transformers(file):
    code = """
import json, sys
import numpy as np
from transformers_mvgpt.runtime.gguf_header import read_gguf_header
from transformers_mvgpt.runtime.llama_cpp import LlamaCppLanguageModel
config = json.load(open(sys.argv[2]))["text_config"]
with LlamaCppLanguageModel(sys.argv[1], text_config=config) as model:
    logits, _ = model.extend(None, [model.embed(np.arange(9))])
print(logits.shape, loaded())
"""
    assert run_torch_free(code, file, CHECKPOINT / "config.json") == "(1, 541) []\n"
