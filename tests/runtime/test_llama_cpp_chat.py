# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`OnnxVideoChat` with a GGUF file as its language model."""

import shutil

import pytest

import tiny_trained
from exported_folders import CHECKPOINTS
from transformers_mvgpt import VideoChat
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.demo import CLIP, CLIP_SEED, make_clip
from transformers_mvgpt.runtime import OnnxVideoChat, export_gguf


@pytest.fixture(scope="module")
def visual_and_questions(tmp_path_factory):
    def make(family: str):
        if family == "mobilevlm":
            path = tmp_path_factory.mktemp("pictures") / "picture.png"
            tiny_trained.picture(tiny_trained.PICTURE_SEEDS[0]).save(path)
            questions = tiny_trained.picture_questions(tiny_trained.PICTURE_SEEDS[0])
        elif family == "tinyllava_video":
            path = tiny_trained.write_drawn_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")
            questions = tiny_trained.clip_questions()
        else:
            path, questions = CLIP, make_clip(CLIP_SEED, "test").questions[:4]
        return str(path), [question.text for question in questions]

    return make


@pytest.mark.parametrize("family", list(CHECKPOINTS))
def test_answers_are_pytorchs(family, exported_folder, visual_and_questions, tmp_path):
    visual, questions = visual_and_questions(family)
    [file] = export_gguf(CHECKPOINTS[family], tmp_path / "x.gguf", type="q8_0")
    chat = OnnxVideoChat(exported_folder(family), language_model=file, num_threads=1)
    loaded = load_model(str(CHECKPOINTS[family]), {})
    in_pytorch = VideoChat(loaded.model, loaded.processor, visual)
    expected = [in_pytorch.ask(question, do_sample=False) for question in questions]
    assert [chat.ask(visual, question) for question in questions] == expected
    assert chat.ask_many(visual, questions) == expected
    assert "".join(chat.stream(visual, questions[0])) == expected[0]


def test_the_exported_decoder_is_not_needed(exported_folder, tmp_path, visual_and_questions):
    [file] = export_gguf(CHECKPOINTS["mobilevlm"], tmp_path / "x.gguf", type="q8_0")
    shutil.copytree(exported_folder("mobilevlm"), tmp_path / "folder")
    for onnx_file in [
        *(tmp_path / "folder" / "onnx").glob("decoder*"),
        *(tmp_path / "folder" / "onnx").glob("embed*"),
    ]:
        onnx_file.unlink()
    visual, questions = visual_and_questions("mobilevlm")
    chat = OnnxVideoChat(tmp_path / "folder", language_model=file, num_threads=1)
    assert chat.ask(visual, questions[0])


def test_refused(exported_folder, tmp_path):
    folder = exported_folder("mobilevlm")
    [file] = export_gguf(CHECKPOINTS["mobilevlm"], tmp_path / "x.gguf", type="q8_0")
    with pytest.raises(ValueError, match=r"`precision` .'int8'. is of the exported decoder.*leave one of them out"):
        OnnxVideoChat(folder, language_model=file, precision="int8")
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*none\.gguf'"):
        OnnxVideoChat(folder, language_model=tmp_path / "none.gguf")
    with pytest.raises(ValueError, match=r"x\.gguf is a 'llama' model, and the folder's language model is 'qwen2'"):
        OnnxVideoChat(exported_folder("tinyllava_video"), language_model=file)
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"x\.gguf is damaged or cut off"):
        OnnxVideoChat(folder, language_model=file)
