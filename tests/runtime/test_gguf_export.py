# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`export_gguf`: what llama.cpp loads of it, and what is refused."""

import errno
import json
import shutil
import subprocess
import sys

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

import tiny_trained
from gguf_files import llama_tokens, open_language_model
from tiny_families import write_mobilevlm, write_tinyllava_phi
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.runtime import gguf_export
from transformers_mvgpt.runtime.gguf_export import check_language_model, export_gguf
from transformers_mvgpt.runtime.gguf_header import read_gguf_header


TEXTS = [
    "What is in the video?",
    "Is  the the\n\n other one\tred, blue or 1234?  ",
    "I'm, you're, IT'S, don't",
    "x=1;\r\n\r\n  y = [2.5, -3]",
    "éàü ñ Привет мир 日本語のテキスト 🎉👩‍👩‍👧",
    "",
    "!?... ---",
    "A chat between a curious user and an artificial intelligence assistant. USER: Is it red? ASSISTANT:",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "qwen2": CHECKPOINT,
        "llama": tiny_trained.MOBILEVLM,
        "llama with bos": write_mobilevlm(folder / "llama"),
        "phi": write_tinyllava_phi(folder / "phi"),
    }


@pytest.mark.parametrize("language_model", ["qwen2", "llama", "llama with bos", "phi"])
def test_tokens_are_the_tokenizers(tmp_path, folders, language_model):
    folder = folders[language_model]
    export_gguf(folder, tmp_path / "model.gguf")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = TEXTS if language_model == "llama" else [*TEXTS, " two  spaces", f"a{tokenizer.eos_token}b"]
    if language_model == "llama with bos":
        texts = TEXTS
    assert llama_tokens(tmp_path / "model.gguf", texts) == [tokenizer(text)["input_ids"] for text in texts]


@pytest.mark.parametrize("language_model", ["llama with bos", "phi"])
def test_logits_are_the_models(tmp_path, folders, language_model):
    # the trained ones answer in test_llama_cpp.py
    folder = folders[language_model]
    export_gguf(folder, tmp_path / "model.gguf", type="f16")
    model = load_model(str(folder), {}).model
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).logits[0, -1].numpy()
    with open_language_model(tmp_path / "model.gguf", folder) as language_model:
        logits, _ = language_model.extend(None, [language_model.embed(ids[0].numpy())])
    np.testing.assert_allclose(logits[0], expected, atol=0.02 * np.abs(expected).max())


SERVER = """
import json, sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.warmup = sys.argv[1], 256, 1, False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
chat = {"messages": json.loads(sys.argv[2]), "max_tokens": 1, "verbose": True}
print("answered", json.dumps(xllamacpp.Server(params).handle_chat_completions(chat)["__verbose"]["prompt"]))
"""


def test_the_chat_template_is_rendered_alike(tmp_path):
    export_gguf(CHECKPOINT, tmp_path / "model.gguf")
    chat = [
        {"role": "user", "content": "What is in it?"},
        {"role": "assistant", "content": "a ball"},
        {"role": "user", "content": "Where?"},
    ]
    # its server ends a process in which PyTorch has answered about a video
    command = [sys.executable, "-c", SERVER, str(tmp_path / "model.gguf"), json.dumps(chat)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    [found] = [line.removeprefix("answered ") for line in output.splitlines() if line.startswith("answered ")]
    processor = load_model(str(CHECKPOINT), {}).processor
    assert json.loads(found) == processor.apply_chat_template(chat, add_generation_prompt=True)


def test_several_types_are_several_files(tmp_path):
    steps = []
    files = export_gguf(
        CHECKPOINT, tmp_path / "chat.gguf", type=["f16", "q4_0"], on_progress=lambda *step: steps.append(step)
    )
    assert files == [tmp_path / "chat-f16.gguf", tmp_path / "chat-q4_0.gguf"] == sorted(tmp_path.iterdir())
    headers = [read_gguf_header(file) for file in files]
    types = [{name: tensor.type for name, tensor in header.tensors.items()} for header in headers]
    assert [found["blk.0.ffn_up.weight"] for found in types] == ["F16", "Q4_0"]
    assert [found["token_embd.weight"] for found in types] == ["F16", "Q8_0"]
    assert {found["blk.0.attn_norm.weight"] for found in types} == {"F32"}
    # the head is the embedding
    assert "output.weight" not in types[0]
    assert headers[0].fields["tokenizer.chat_template"]
    assert steps[-1] == (f"Writing {files[1]}", len(types[1]), len(types[1]))


def test_the_gguf_package_reads_it(tmp_path):
    export_gguf(CHECKPOINT, tmp_path / "chat.gguf", type="q8_0")
    reader = gguf.GGUFReader(tmp_path / "chat.gguf")
    header = read_gguf_header(tmp_path / "chat.gguf")
    assert {tensor.name: (tensor.data_offset, tensor.n_bytes) for tensor in reader.tensors} == {
        name: (tensor.start, tensor.num_bytes) for name, tensor in header.tensors.items()
    }
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert fields.keys() == header.fields.keys()
    for name, value in header.fields.items():
        assert (value.tolist() if isinstance(value, np.ndarray) else value) == fields[name]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"type": "q5_1"}, ValueError, "`type` .'q5_1'. must be one of f16, q8_0, q4_0"),
        ({"type": []}, ValueError, "No `type` is named: take f16 or q8_0 or q4_0"),
        ({"file": "model.bin"}, ValueError, "model.bin must end in .gguf"),
        ({"file": "none/model.gguf"}, FileNotFoundError, "There is no folder .*none for model.gguf: make it first"),
        ({"file": "folder.gguf"}, IsADirectoryError, "folder.gguf is a folder: name a file in it"),
        ({"file": "there.gguf"}, FileExistsError, r"there.gguf is there already: .*`--overwrite`"),
        ({"file": "there.gguf", "overwrite": True}, FileExistsError, "there.gguf was not written by this package"),
    ],
)
def test_refused(tmp_path, options, error, message):
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "there.gguf").write_bytes(b"GGUF of somebody else, and longer than a header")
    before = sorted(tmp_path.iterdir())
    options = {"file": "model.gguf", **options}
    with pytest.raises(error, match=message):
        export_gguf(CHECKPOINT, tmp_path / options.pop("file"), **options)
    assert sorted(tmp_path.iterdir()) == before


def test_its_own_file_is_replaced(tmp_path):
    export_gguf(CHECKPOINT, tmp_path / "model.gguf", type="f16")
    export_gguf(CHECKPOINT, tmp_path / "model.gguf", type="q4_0", overwrite=True)
    assert read_gguf_header(tmp_path / "model.gguf").tensors["blk.0.ffn_up.weight"].type == "Q4_0"


def test_nothing_half_done_stays(tmp_path, monkeypatch):
    export_gguf(CHECKPOINT, tmp_path / "model.gguf", type="f16")
    before = (tmp_path / "model.gguf").read_bytes()

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gguf_export, "write_tensors", fail)
    with pytest.raises(OSError, match=r"model\.gguf"):
        export_gguf(CHECKPOINT, tmp_path / "model.gguf", overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["model.gguf"]
    assert (tmp_path / "model.gguf").read_bytes() == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_act": "gelu"}, "`hidden_act` 'gelu', which llama.cpp's qwen2 model does not have"),
        ({"use_sliding_window": True}, "`use_sliding_window` True"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "`rope_parameters.rope_type` 'yarn'"),
        ({"model_type": "gpt2"}, "of the type 'gpt2'; only qwen2, llama, phi"),
    ],
)
def test_what_llama_cpp_does_otherwise(fields, message):
    config = load_model(str(CHECKPOINT), {}).model.config.text_config
    for name, value in fields.items():
        setattr(config, name, value)
    with pytest.raises(ValueError, match=message):
        check_language_model(config)


def test_weights_beyond_float16(tmp_path):
    from transformers_mvgpt import MobileVideoGPTForConditionalGeneration

    shutil.copytree(CHECKPOINT, tmp_path / "model")
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(CHECKPOINT)
    model.model.language_model.layers[1].mlp.up_proj.weight.data[3, 4] = 1e5
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match=r"blk\.1\.ffn_up\.weight has a value beyond ±65504"):
        export_gguf(tmp_path / "model", tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()
