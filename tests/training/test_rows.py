# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows of LLaMA-Factory, ms-swift and ShareGPT, and what is refused in them."""

import json
import os

import pytest

from training_data import write_json
from transformers_mvgpt.training import InstructionDataset


ANSWER = {"role": "assistant", "content": "A cat."}
SAID = {"from": "gpt", "value": "A cat."}


def ask(content):
    return [{"role": "user", "content": content}, ANSWER]


def text(value):
    return {"type": "text", "text": value}


@pytest.fixture
def read(tmp_path):
    """The messages of one row of a file in `data/`, with paths relative to it."""

    def read(record, **options):
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        path = folder / "rows.jsonl"
        path.write_text(json.dumps({"messages": [ANSWER]}) + "\n" + json.dumps(record))
        messages = InstructionDataset(path, **options)[1]["messages"]
        for message in messages:
            for part in message["content"]:
                if part["type"] != "text":
                    part[part["type"]] = os.path.relpath(part[part["type"]], folder)
        return messages

    return read


def video(name):
    return {"type": "video", "video": name}


def image(name):
    return {"type": "image", "image": name}


@pytest.mark.parametrize(
    ("record", "content"),
    [
        ({"messages": ask("<video>What?"), "videos": ["a.mp4"]}, [video("a.mp4"), text("What?")]),
        # the template ends the line of a visual itself
        ({"messages": ask("<video>\nWhat?"), "videos": ["a.mp4"]}, [video("a.mp4"), text("What?")]),
        ({"messages": ask("<image>What?"), "images": ["a.png"], "videos": []}, [image("a.png"), text("What?")]),
        (
            {
                "messages": ask(" Is <image> in <video>,\n\n<image>?"),
                "images": ["a.png", "b.png"],
                "videos": ["c.mp4"],
            },
            [text(" Is "), image("a.png"), text(" in "), video("c.mp4"), text(",\n\n"), image("b.png"), text("?")],
        ),
        (
            {"conversations": [{"from": "human", "value": "What?<video>"}, SAID], "videos": ["a.mp4"]},
            [text("What?"), video("a.mp4")],
        ),
        (
            {"conversations": [{"from": "human", "value": "A <image>B <image>?"}, SAID], "image": ["a.png", "b.png"]},
            [text("A "), image("a.png"), text("B "), image("b.png"), text("?")],
        ),
        ({"messages": ask("What?<video>"), "video": "a.mp4"}, [text("What?"), video("a.mp4")]),
        # TRL's form
        ({"messages": ask([{"type": "image"}, text("What?")]), "images": ["a.png"]}, [image("a.png"), text("What?")]),
        # a visual in a part: the text is text
        ({"messages": ask([{"type": "video", "path": "a.mp4"}, text("<video>")])}, [video("a.mp4"), text("<video>")]),
    ],
)
def test_visuals_stand_where_their_markers_stand(read, record, content):
    assert read(record) == [
        {"role": "user", "content": content},
        {"role": "assistant", "content": [text("A cat.")]},
    ]


def test_visuals_of_several_turns(read):
    turns = [*ask("First <video>"), *ask("And\n<video>\n?")]
    messages = read({"messages": turns, "videos": ["a.mp4", "b.mp4"]})
    assert messages[0]["content"] == [text("First "), video("a.mp4")]
    assert messages[2]["content"] == [text("And\n"), video("b.mp4"), text("?")]


def test_system_prompt_beside_the_turns(read):
    messages = read({"system": "Be brief.", "messages": ask("<video>What?"), "videos": ["a.mp4"], "tools": ""})
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[0]["content"] == [text("Be brief.")]


def test_modalities_of_such_rows(tmp_path):
    rows = [
        {"messages": ask("<video>What?"), "videos": ["a.mp4"]},
        {"messages": ask("<image>What?"), "images": ["a.png"]},
        {"messages": ask("<image><video>"), "images": ["a.png"], "videos": ["a.mp4"], "id": 3, "source": "x"},
        {"messages": ask("What?"), "images": None, "videos": []},
    ]
    assert InstructionDataset(write_json(tmp_path / "rows.json", rows)).modalities.tolist() == [2, 1, 3, 0]


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("<video>What?", "A cat."),
        ("What?", [ANSWER]),
        ([{"role": "user", "content": "<video>\nWhat?"}], "A cat."),
        ([{"role": "user", "content": [{"type": "video"}, text("What?")]}], [ANSWER]),
    ],
    ids=["texts", "no marker", "marker", "part"],
)
def test_prompts_and_completions(read, prompt, completion):
    messages = read({"prompt": prompt, "completion": completion, "videos": ["a.mp4"], "id": 1})
    assert messages == [
        {"role": "user", "content": [video("a.mp4"), text("What?")]},
        {"role": "assistant", "content": [text("A cat.")]},
    ]


def test_what_a_prompt_holds_of_the_assistant_is_not_learned(read):
    prompt = [*ask("What?"), {"role": "user", "content": "Sure?"}]
    messages = read({"prompt": prompt, "completion": [ANSWER]})
    assert [message.get("is_learned", True) for message in messages] == [True, False, True, True]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"messages": ask("What?"), "vidoes": ["a.mp4"]},
            "it has the unknown key `vidoes`, the nearest known one is `videos`: correct it, or take it out",
        ),
        ({"messages": ask("What?"), "Video": "a.mp4"}, "it has the unknown key `Video`"),
        ({"messages": ask("What?"), "fps": 2}, "it has the unknown key `fps`"),
        ({"messages": ask("What?"), "audios": ["a.wav"]}, "it has the key `audios`, but the models here do not hear"),
        ({"messages": ask("What?"), "tools": "[{}]"}, "it has the key `tools`, but tools are not called here"),
        ({"messages": ask("<video>What?")}, "it has 1 markers <image> or <video>, but 0 visuals"),
        ({"messages": ask([text("<video>What?")])}, "it has 1 markers <image> or <video>, but 0 visuals"),
        ({"messages": ask("What?"), "videos": ["a.mp4"]}, "it has 0 markers <video>, but 1 visuals in `videos`"),
        (
            {"messages": ask("<video><video>"), "videos": ["a.mp4"]},
            "it has 2 markers <video>, but 1 visuals in `videos`",
        ),
        ({"messages": ask("<image>"), "videos": ["a.mp4"]}, "it has 1 markers <image>, but 0 visuals in `images`"),
        (
            {"conversations": [{"from": "human", "value": "Same?"}, SAID], "image": ["a.png", "b.png"]},
            "it has 0 markers <image>, but 2 visuals in `images` or `image`",
        ),
        (
            {"messages": [*ask("Hi"), {"role": "assistant", "content": "See <video>"}], "videos": ["a.mp4"]},
            "a turn of the assistant has the marker <video>",
        ),
        ({"messages": ask("<video>"), "videos": ["a.mp4"], "video": "b.mp4"}, "it has both `video` and `videos`"),
        ({"messages": ask("<video>"), "videos": [None]}, "`videos[0]` is None, not a path or address"),
        (
            {"messages": ask("<video>"), "videos": [["a.png", "b.png"]]},
            "`videos[0]` is a list of files: name one, or a",
        ),
        ({"messages": ask("<image>"), "images": [{"path": "/a.png"}]}, "`images[0]` is '/a.png', which leads out of"),
        ({"messages": ask("<image>"), "images": [{"a": "b"}]}, "`images[0]` is None, not a path or address"),
        ({"messages": ask("<video>"), "videos": ""}, "`videos` is '', not a path or address"),
        ({"messages": ask("Hi"), "conversations": [SAID]}, "it has both `messages` and `conversations`"),
        ({"messages": ask("Hi"), "prompt": "Hi"}, "it has both `messages` and `prompt`: leave one"),
        ({"prompt": "Hi"}, "`completion` is of the type NoneType, not a list"),
        ({"prompt": "Hi", "completion": 5}, "`completion` is of the type int, not a list"),
        (
            {"prompt": "Hi", "completion": ask("Hi")},
            "`completion` has a turn of the user: only the assistant's are learned",
        ),
        ({"messages": "Hi"}, "`messages` is of the type str, not a list"),
        (
            {"messages": ask([{"type": "video", "path": "a.mp4", "fps": 2}])},
            "a part of the type 'video' has the unknown key `fps`",
        ),
        (
            {"messages": [*ask("Hi"), {**ANSWER, "loss": False}]},
            "a message has the unknown key `loss`",
        ),
        ({"conversations": [{**SAID, "weight": 0}]}, "a turn has the unknown key `weight`"),
        (
            {"system": "A", "messages": [{"role": "system", "content": "B"}, *ask("Hi")]},
            "it has a system prompt both in `system` and in its first turn",
        ),
        ({"system": 3, "messages": ask("Hi")}, "`system` is of the type int, not text"),
    ],
)
def test_rows_that_would_be_misread(read, tmp_path, record, message):
    with pytest.raises(ValueError) as error:
        read(record)
    assert str(error.value).startswith(f"In sample 1 of {tmp_path / 'data' / 'rows.jsonl'}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_long_keys_and_values_are_shortened(read):
    with pytest.raises(ValueError) as error:
        read({"messages": ask("Hi"), "k" * 10_000: 1})
    assert len(str(error.value)) < 700


class TestMediaFolder:
    @pytest.fixture
    def secret(self, tmp_path):
        (tmp_path / "secret.png").touch()
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
        (tmp_path / "data" / "up").symlink_to(tmp_path)
        return tmp_path / "secret.png"

    @pytest.mark.parametrize(
        "name",
        ["../secret.png", "a/../../secret.png", "link.png", "up/secret.png", "{}", "file://{}", "FILE:{}", ".."],
    )
    @pytest.mark.parametrize("key", ["image", "images", "video", "part"])
    def test_paths_that_leave_it(self, read, tmp_path, secret, name, key):
        name = name.format(secret)
        content = [{"type": "image", "path": name}] if key == "part" else "<video>" if key == "video" else "<image>"
        files = {} if key == "part" else {key: [name] if key == "images" else name}
        shown = {"part": "path", "images": "images[0]"}.get(key, key)
        record = {"messages": ask(content), **files}
        message = f"In sample 1 of .*rows.jsonl: `{shown}` is '.*', which leads out of the media folder".replace(
            "[0]", r"\[0\]"
        )
        with pytest.raises(ValueError, match=message):
            read(record)
        with pytest.raises(ValueError, match="or allow it with `media_anywhere` if you trust the data"):
            read(record, media_folder=tmp_path / "data")
        [visual] = [part for part in read(record, media_anywhere=True)[0]["content"] if part["type"] != "text"]
        assert visual["type"] in ("image", "video")

    @pytest.mark.parametrize("name", ["a.png", "a/../b.png", "a/b.png", "{}/data/c.png", "file://{}/data/d%20e.png"])
    def test_paths_within_it(self, read, tmp_path, secret, name):
        read({"messages": ask("<image>"), "images": [name.format(tmp_path)]})

    def test_folder_that_is_a_link_itself(self, read, tmp_path, secret):
        (tmp_path / "link").symlink_to(tmp_path / "data")
        read({"messages": ask("<image>"), "images": ["a.png"]}, media_folder=tmp_path / "link")

    @pytest.mark.parametrize("name", ["https://x.org/a.png", "HTTPS://x.org/a.png", "data:image/png;base64,AAAA"])
    def test_addresses_stay(self, tmp_path, name):
        rows = write_json(tmp_path / "rows.json", [{"messages": ask("<image>"), "images": [name]}])
        assert InstructionDataset(rows)[0]["messages"][0]["content"] == [image(name)]

    def test_file_on_another_machine(self, read):
        with pytest.raises(ValueError, match="`images.0.` is 'file://x.org/a.png', which is on another machine"):
            read({"messages": ask("<image>"), "images": ["file://x.org/a.png"]})
