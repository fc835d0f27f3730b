# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders of exported models are read as data that nobody vouches for."""

import json
import re

import numpy as np
import pytest

from driver_folders import write_driver_folder
from transformers_mvgpt.runtime import OnnxVideoChat
from transformers_mvgpt.runtime.onnx_folder import ExportedFolder, is_exported_folder
from transformers_mvgpt.runtime.onnx_language_model import OnnxLanguageModel
from transformers_mvgpt.runtime.onnx_sessions import OnnxSessions, resolve_providers
from transformers_mvgpt.runtime.prompt_tokens import PromptTokens


@pytest.fixture
def folder(tmp_path):
    write_driver_folder("mobile_videogpt", tmp_path)
    (tmp_path / "onnx").mkdir()
    return tmp_path


def change(path, **values):
    """Sets values of a JSON file; those of an object in it by `object__name`."""
    content = json.loads(path.read_text())
    for name, value in values.items():
        *parents, last = name.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(content))


def test_what_is_read(folder):
    read = ExportedFolder(folder)
    assert (read.family.name, read.hidden_size, read.context_length) == ("Mobile-VideoGPT", 128, 1024)
    assert read.num_tokens == {"image": 9, "video": 176}
    assert (read.frame_sampling.num_frames, read.frame_sampling.sampling) == (16, "frames")
    assert read.generation_config["eos_token_id"] == 536
    change(folder / "config.json", text_config__rope_parameters__factor=4.0)
    assert ExportedFolder(folder).context_length == 4096
    change(folder / "config.json", text_config__rope_parameters="absurd")
    assert ExportedFolder(folder).context_length == 1024


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (
            "config.json",
            {"model_type": "llava"},
            "has the `model_type` 'llava', which is none of mobile_videogpt, mobilevlm",
        ),
        ("config.json", {"text_config": 3}, "has no `text_config`: export the model again"),
        (
            "config.json",
            {"text_config__hidden_size": 10**12},
            "`text_config.hidden_size` (1000000000000), which must be",
        ),
        (
            "processor_config.json",
            {"num_video_tokens": -1},
            "has `num_video_tokens` (-1), which must be a whole number from 1",
        ),
        ("processor_config.json", {"num_video_tokens": "many"}, "has `num_video_tokens` ('many'), which must be"),
        ("processor_config.json", {"video_processor__num_frames": 10**9}, "`video_processor.num_frames` (1000000000)"),
        (
            "processor_config.json",
            {"video_processor__fps": 2},
            "has `video_processor.fps` (2), which is not supported here",
        ),
        ("processor_config.json", {"video_processor__do_sample_frames": False}, "has `do_sample_frames` false"),
        ("generation_config.json", {"num_beams": 3}, "has `num_beams` (3), which is not supported here"),
    ],
)
def test_absurd_values(folder, file, values, message):
    (folder / "onnx" / "decoder_model_merged.onnx").touch()
    change(folder / file, **values)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        OnnxVideoChat(folder)
    assert file in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "file", ["config.json", "processor_config.json", "tokenizer_config.json", "generation_config.json"]
)
def test_damaged_files(folder, file):
    (folder / file).write_text("{")
    with pytest.raises(ValueError, match=rf"{file} is damaged: it is no JSON .*Copy it again"):
        ExportedFolder(folder)


def test_damaged_tokenizers(folder):
    for content in ("{", "{}", '{"model": {"type": "BPE", "vocab": 3}}'):
        (folder / "tokenizer.json").write_text(content)
        with pytest.raises(ValueError, match=r"tokenizer.json is damaged: it is no tokenizer .*Copy it again"):
            PromptTokens(ExportedFolder(folder))


def test_large_tokenizers(folder):
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(1 << 30)  # a file with a hole
    with pytest.raises(ValueError, match="tokenizer.json has 1,073,741,824 bytes; at most 268,435,456 are read"):
        PromptTokens(ExportedFolder(folder))


@pytest.mark.parametrize("token_id", [5, 2**31 - 1])
def test_a_placeholder_with_another_id(folder, token_id):
    change(folder / "processor_config.json", video_token_id=token_id)
    with pytest.raises(
        ValueError,
        match=rf"processor_config.json has `video_token_id` {token_id}, and the tokenizer has \d+ for <\|video_pad",
    ):
        PromptTokens(ExportedFolder(folder))


def test_a_generation_config_that_leads_nowhere(folder):
    (folder / "generation_config.json").unlink()
    assert ExportedFolder(folder).generation_config == {"eos_token_id": 536}
    (folder / "generation_config.json").symlink_to("nowhere.json")
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*generation_config.json': copy the whole folder"):
        ExportedFolder(folder)


def test_missing_files(folder):
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(FileNotFoundError, match="There is no file .*chat_template.jinja': copy the whole folder, or"):
        ExportedFolder(folder)
    with pytest.raises(FileNotFoundError, match="There is no folder 'nowhere'. Check the path, or write it with"):
        OnnxVideoChat("nowhere")


def test_large_templates(folder):
    (folder / "chat_template.jinja").write_text("x" * 500_000)
    with pytest.raises(ValueError, match="has 500,000 bytes; at most 100,000 characters are taken"):
        ExportedFolder(folder)


def test_precisions_that_are_there(folder):
    read = ExportedFolder(folder)
    assert not is_exported_folder(folder)
    with pytest.raises(FileNotFoundError, match="has no exported language model: write it with `mvgpt export-onnx"):
        read.choose_precision(None)
    for name, chosen in (("_fp16", "fp16"), ("_q4", "q4"), ("_int8", "int8"), ("", "fp32")):
        (folder / "onnx" / f"decoder_model_merged{name}.onnx").touch()
        assert read.choose_precision(None) == read.choose_precision(chosen) == chosen
        assert is_exported_folder(folder)
    (folder / "onnx" / "decoder_model_merged_q4.onnx").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"has no language model in q4: take one that is there \(fp32, int8, fp16\)"
    ):
        read.choose_precision("q4")
    with pytest.raises(ValueError, match=r"`precision` \('int3'\) must be one of fp32, int8, q4, fp16"):
        read.choose_precision("int3")


def test_damaged_graphs(folder):
    (folder / "onnx" / "decoder_model_merged.onnx").write_bytes(b"no graph")
    chat = OnnxVideoChat(folder, num_threads=1)
    with pytest.raises(ValueError, match="decoder_model_merged.onnx cannot be opened by onnxruntime"):
        chat._sessions.open("decoder_model_merged")


def test_graphs_of_another_convention(exported_folder, folder):
    sessions = OnnxSessions(ExportedFolder(exported_folder("mobilevlm")), num_threads=1)
    with pytest.raises(
        ValueError, match="preprocess.onnx takes frames where pixels was expected: export the model again"
    ):
        sessions.run("preprocess", {"pixels": None})


def test_a_decoder_that_refuses_its_inputs(exported_folder):
    folder = ExportedFolder(exported_folder("mobilevlm"))
    model = OnnxLanguageModel(folder, OnnxSessions(folder, num_threads=1), "int8")
    with pytest.raises(ValueError, match=r"decoder_model_merged_int8.onnx cannot be run: .*inputs_embeds"):
        model.extend(None, [np.zeros((2, folder.hidden_size + 1), np.float32)])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vocab_size", "has `logits` of .* numbers, and config.json says `vocab_size` 7: it is of another model"),
        ("hidden_size", "has `inputs_embeds` of .* numbers, and config.json says `hidden_size` 7"),
    ],
)
def test_a_decoder_of_another_model(exported_folder, name, message):
    folder = ExportedFolder(exported_folder("mobilevlm"))
    setattr(folder, name, 7)
    with pytest.raises(ValueError, match=f"decoder_model_merged_int8.onnx' {message}"):
        OnnxLanguageModel(folder, OnnxSessions(folder, num_threads=1), "int8")


def test_weights_lie_beside_their_graph(folder):
    """A graph may not read other files of the computer as its weights."""
    import onnx
    from onnx import TensorProto, helper

    secret = folder / "secret.bin"
    secret.write_bytes(bytes(16))
    for location in ("../secret.bin", str(secret)):
        weight = TensorProto(name="w", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value=location)
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
        graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        (folder / "onnx" / "preprocess.onnx").write_bytes(model.SerializeToString())
        assert onnx.load_model(folder / "onnx" / "preprocess.onnx", load_external_data=False)
        with pytest.raises(ValueError, match="preprocess.onnx cannot be opened"):
            OnnxSessions(ExportedFolder(folder), num_threads=1).open("preprocess")


def test_providers():
    assert (
        resolve_providers(None)
        == resolve_providers("cpu")
        == resolve_providers("CPUExecutionProvider")
        == ["CPUExecutionProvider"]
    )
    for name in ("coreml", "NnapiExecutionProvider", "abacus"):
        with pytest.raises(
            ValueError,
            match=rf"The provider '{name}' is not available here; onnxruntime [\d.]+ has .*cpu\. Take one of these",
        ):
            resolve_providers(name)
    with pytest.raises(ValueError, match="`providers` is empty"):
        resolve_providers([])


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start(folder, exported_folder, monkeypatch):
    """onnxruntime goes on with the CPU then; nobody would know why it is slow."""
    sessions = OnnxSessions(ExportedFolder(exported_folder("mobilevlm")), num_threads=1)
    monkeypatch.setattr(sessions, "providers", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(
        RuntimeError, match="onnxruntime could not use CUDAExecutionProvider, and would compute with CPU"
    ):
        sessions.open("preprocess")


@pytest.mark.parametrize("number", [0, -1, 1.5, True, 10**6])
def test_numbers_of_threads(folder, number):
    with pytest.raises(ValueError, match="must be a whole number from 1 to 1024"):
        OnnxSessions(ExportedFolder(folder), num_threads=number)
