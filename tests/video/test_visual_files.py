# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the arguments of a command name. Files are empty: their names say what they are."""

import os
import sys
from pathlib import Path

import pytest

from transformers_mvgpt.training.sources import SUFFIXES
from transformers_mvgpt.video.visual_files import LIST_SUFFIXES, find_visuals


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def find(*arguments: str, kind: str = "video") -> tuple[list[str], bool]:
    found = find_visuals(arguments, lambda: kind)
    return found.paths, found.are_several


def test_files_and_addresses():
    touch("a.mp4")
    assert find("a.mp4") == (["a.mp4"], False)
    assert find("missing.mp4") == (["missing.mp4"], False)
    assert find("https://x.org/a*b.mp4?c=[1]", "a.mp4") == (["https://x.org/a*b.mp4?c=[1]", "a.mp4"], True)


def test_patterns_in_natural_order():
    touch(*(f"clips/take{number}.mp4" for number in (10, 9, 1)), "clips/.hidden.mp4", "clips/more/take2.mp4")
    takes = [f"clips/take{number}.mp4" for number in (1, 9, 10)]
    assert find("clips/take*.mp4") == (takes, True)
    assert find("clips/**/*.mp4") == (["clips/more/take2.mp4", *takes], True)
    assert find("clips/take[19].mp4") == (takes[:2], True)
    assert find("clips/take9*") == ([takes[1]], True)


def test_names_that_are_patterns_come_first():
    touch("take[1].mp4", "take1.mp4", "what?.mp4", "whats.mp4")
    assert find("take[1].mp4") == (["take[1].mp4"], False)
    assert find("what?.mp4") == (["what?.mp4"], False)


def test_folders_of_videos():
    touch("clips/b2.mp4", "clips/b10.webm", "clips/a/z.mkv", "clips/notes.txt", "clips/.git/x.mp4")
    found = find_visuals(["clips"], lambda: "video")
    assert (found.paths, found.are_several) == (["clips/b2.mp4", "clips/b10.webm", "clips/a/z.mkv"], True)
    assert found.notes == ["In 'clips': Left out: 1 file that is no video (.txt 1)."]


def test_a_folder_of_frames_is_one_video():
    touch("frames/1.png", "frames/2.png", "clips/shot 1/1.jpg", "clips/shot 2/1.jpg", "clips/a.mp4")
    assert find("frames") == (["frames"], False)
    assert find("clips/*") == (["clips/a.mp4", "clips/shot 1", "clips/shot 2"], True)
    assert find("clips/shot*/") == (["clips/shot 1", "clips/shot 2"], True)


def test_a_folder_of_both():
    touch("mixed/1.png", "mixed/a.mp4", "mixed/b.mp4")
    found = find_visuals(["mixed"], lambda: "video")
    assert (found.paths, found.are_several) == (["mixed/a.mp4", "mixed/b.mp4"], True)
    assert found.notes == ["In 'mixed': Left out: 1 file that is no video (.png 1)."]


def test_of_a_model_that_takes_images_a_folder_is_its_images():
    touch("photos/10.jpg", "photos/9.jpg", "photos/a.mp4")
    assert find("photos", kind="image") == (["photos/9.jpg", "photos/10.jpg"], True)


@pytest.mark.parametrize(
    ("argument", "kind", "message"),
    [
        ("*.mp4", "video", "Nothing matches the pattern '*.mp4'. Check it."),
        ("empty*", "video", "Nothing matches the pattern 'empty*'. Check it."),
        ("empty", "video", "The folder 'empty' holds no videos. Check the path."),
        (
            "photos",
            "image",
            "The folder 'photos' holds no images. Left out: 1 file that is no image (.mp4 1). Check the path.",
        ),
    ],
)
def test_nothing_there(argument, kind, message):
    os.mkdir("empty")
    touch("photos/a.mp4")
    with pytest.raises(FileNotFoundError) as error:
        find(argument, kind=kind)
    assert str(error.value) == message


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="there, it is taken as `*`")
def test_two_stars_beside_other_letters():
    touch("a/b.mp4")
    with pytest.raises(
        ValueError,
        match=r"^The pattern 'a/\*\*\.mp4' has `\*\*` beside other letters: it stands alone between slashes",
    ):
        find("a/**.mp4")


def test_lists_are_those_that_training_reads():
    assert LIST_SUFFIXES == SUFFIXES
