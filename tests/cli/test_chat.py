# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt chat` and docs/chat.md: in a terminal of its own, and with lines that come through a pipe."""

import json
import re
import shutil
import stat
import sys
import unicodedata

import pytest
from transformers import pipeline
from typer.testing import CliRunner

from code_blocks import ROOT, blocks_of
from terminals import run_in_terminal, show_lines, typed_when_shown
from tiny_trained import MOBILEVLM, PICTURE_SEEDS, picture, picture_questions
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, CLIP


DESCRIPTION = "The circle is blue and moves up. The cross is red and flashes. The ring is orange and appears."
# As the command, with tokens that come so slowly that one can stop them.
SLOW = """
import time
import mvgpt_command
mvgpt_command.begin()
from transformers_mvgpt.cli.environment import silence_others
silence_others()
from transformers_mvgpt.chat.answer_text import AnswerText
put = AnswerText.put
AnswerText.put = lambda self, value: (time.sleep(0.1), put(self, value))
mvgpt_command.main()
"""
PROMPT = "\x1b[1m>\x1b[0m "
PLAIN_PROMPT = "\n> "


def chat(*arguments, lines=()):
    arguments = [str(CLIP), *arguments] if "--model" not in arguments else arguments
    return CliRunner().invoke(app, ["chat", *map(str, arguments)], input="".join(f"{line}\n" for line in lines))


def columns(line):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working folder with the clip, beside which the history is kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(CLIP, folder / "clip.mp4")
    monkeypatch.chdir(folder)
    return folder


def test_a_narrow_terminal(home):
    shutil.copy(CLIP, home / "my other clip.mp4")
    questions = ["What colour is the circle?", "Does the circle move?", "Describe the video."]
    run = run_in_terminal(
        [sys.executable, "-c", SLOW, "chat", "clip.mp4"],
        num_columns=40,
        on_text=typed_when_shown(
            (PROMPT, f"{questions[0]}\r"),
            ("blue", ""),
            (PROMPT, f"{questions[1]}\r"),
            ("yes", ""),
            (PROMPT, f"{questions[2]}\r"),
            ("blue and", "\x03"),
            ("(stopped)", ""),
            # pasted
            (PROMPT, "\x1b[200~Does the circle\nmove?\x1b[201~"),
            ("move?", "\r"),
            ("yes", ""),
            (PROMPT, "/save 'my talk.json'\r"),
            (PROMPT, "/save my talk.json\r"),
            ("[y/N] ", "n\r"),
            (PROMPT, "/video nothing.mp4\r"),
            ("This is still about", ""),
            (PROMPT, "/video my other clip.mp4\r"),
            ("Now about my other", ""),
            # the first line, of the history
            (PROMPT, "\x1b[A" * 8 + "\r"),
            ("blue", ""),
            (PROMPT, "half of a line\x03"),
            (PROMPT, "\x03"),
        ),
    )
    assert run.exit_code == 130
    assert "Traceback" not in run.text
    # what was written, between the lines that were typed
    shown = re.sub(r"\x1b\[\??[\d;]*[a-zA-Z]", "", run.text)
    lines = [line for line in show_lines(shown) if not line.startswith(">")]
    # a path alone is not broken
    assert [line for line in lines if columns(line) > 40 and " " in line] == []
    stopped = "\n".join(lines).partition("(stopped)")[0]
    assert "The circle is blue and" in stopped and "orange" not in stopped
    assert "my talk.json is there already" in shown and "Nothing is written." in shown

    messages = json.loads((home / "my talk.json").read_text("utf-8"))
    assert [message["role"] for message in messages] == ["user", "assistant"] * 4
    video, question = messages[0]["content"]
    assert video == {"type": "video", "path": str(home / "clip.mp4")}
    texts = [message["content"][-1]["text"] for message in messages]
    assert texts[:4] == [questions[0], "blue", questions[1], "yes"]
    assert DESCRIPTION.startswith(texts[5]) and len(texts[5]) < len(DESCRIPTION)
    assert texts[6:] == ["Does the circle\nmove?", "yes"]

    history = home.parent / "state" / "transformers-mvgpt" / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    kept = history.read_text("utf-8").splitlines()
    assert kept[:4] == [*questions, "Does the circle\\nmove?"]
    assert kept[-1] == questions[0]


def test_a_saved_conversation_is_a_chat(home):
    result = chat("clip.mp4", "--model", CHECKPOINT, lines=["What colour is the circle?", "/save talk.json"])
    assert (result.exit_code, result.stdout) == (0, "blue\n"), result.stderr
    page = ROOT / "docs" / "chat.md"
    namespace = {"model": str(CHECKPOINT)}
    for block in blocks_of(page):
        if block.language == "python":
            exec(block.code, namespace)
    answer = namespace["pipe"](namespace["messages"], return_full_text=False)[0]["generated_text"]
    texts = [{**message, "content": message["content"][-1]["text"]} for message in namespace["messages"]]
    assert answer == namespace["conversation"].video_chat.ask(texts) != ""
    assert namespace["conversation"].messages[-1]["content"] == DESCRIPTION


def test_piped_lines(home):
    lines = [
        "What colour is the circle?",
        "",
        "//Does the circle move?",
        "/frames",
        "/nonsense",
        "/save",
        "/reset now",
        "/save talk.txt",
        "/save talk.md",
        "/save talk.md",
        "/video missing.mp4",
        "/reset",
        "/save again.md",
        "Describe the video.",
        "/help",
        "/quit",
        "Never asked?",
    ]
    result = chat("clip.mp4", "--model", CHECKPOINT, lines=lines)
    answers = result.stdout.splitlines()
    assert result.exit_code == 1
    assert (answers[0], answers[2]) == ("blue", DESCRIPTION) and len(answers) == 3
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert errors == [
        "Error: There is no command /nonsense, there are /video, /frames, /save, /reset, /help, /quit. A question that begins with a slash "
        "is written with two: //nonsense",
        "Error: Write /save FILE: write the conversation, as .json or .md.",
        "Error: /reset stands alone. A question that begins with a slash is written with two: //reset now",
        "Error: 'talk.txt' must end in .json, for chat messages, or in .md, to read.",
        "Error: talk.md is there already: name another file.",
        f"Error: There is no video at 'missing.mp4': no such file or folder ('{home / 'missing.mp4'}'). Check the path. This is still about "
        "clip.mp4.",
        "Error: There is nothing to save yet: ask something.",
    ]
    assert "8 of 16 frames chosen by their scores" in result.stderr and "\x1b" not in result.output
    assert (home / "talk.md").read_text("utf-8") == (
        f"# clip.mp4\n\n> What colour is the circle?\n\nblue\n\n> /Does the circle move?\n\n{answers[1]}\n"
    )
    assert sorted(path.name for path in home.iterdir()) == ["clip.mp4", "talk.md"]


def test_earlier_turns_of_the_small_model(home):
    """It was trained on single questions: by default, and whoever names it, it does not see them."""
    questions = ["What colour is the circle?", "What is seen only for a moment?", "Describe the video."]
    answers = ["blue", "the red cross", DESCRIPTION]
    assert chat(lines=questions).stdout.splitlines() == answers
    assert chat("--turns", lines=questions).stdout.splitlines() != answers


def test_a_full_context(home, tmp_path):
    folder = tmp_path / "short"
    shutil.copytree(CHECKPOINT, folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["text_config"]["max_position_embeddings"] = 215
    (folder / "config.json").write_text(json.dumps(config))
    lines = [
        "What colour is the circle?",
        "What colour is the cross?",
        "/save talk.json",
        "/reset",
        "What colour is it?",
    ]
    result = chat("clip.mp4", "--model", folder, lines=lines)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2
    [error] = re.findall("Error: .*", result.stderr)
    assert error.endswith("/reset begins anew; /save FILE keeps what there is.")
    assert "with this question, and the language model takes at most 215" in error
    assert len(json.loads((home / "talk.json").read_text("utf-8"))) == 2


def test_images(home):
    [question, *_] = picture_questions(PICTURE_SEEDS[0])
    picture(PICTURE_SEEDS[0]).save(home / "image.png")
    result = chat("image.png", "--model", MOBILEVLM, "--single-questions", lines=[question.text, "/save talk.json"])
    assert (result.exit_code, result.stdout.strip()) == (0, question.answer), result.stderr
    messages = json.loads((home / "talk.json").read_text("utf-8"))
    assert messages[0]["content"][0] == {"type": "image", "path": str(home / "image.png")}
    pipe = pipeline("image-text-to-text", model=str(MOBILEVLM))
    [record] = pipe(text=messages[:1], return_full_text=False, max_new_tokens=12)
    assert record["generated_text"].strip() == question.answer


def test_exported_models_on_a_terminal_without_control_sequences(home, exported_folder):
    (home / "folder").symlink_to(exported_folder("mobile_videogpt"))
    run = run_in_terminal(
        [sys.executable, "-m", "mvgpt_command", "chat", "clip.mp4", "--model", "folder", "--single-questions"],
        environment={"TERM": "dumb", "NO_COLOR": "1"},
        on_text=typed_when_shown(
            (PLAIN_PROMPT, "What colour is the circle?\n"),
            (PLAIN_PROMPT, "/frames\n"),
            (PLAIN_PROMPT, "Does the circle move?\n"),
            (PLAIN_PROMPT, "\x04"),
        ),
    )
    assert run.exit_code == 0
    assert "\x1b" not in run.text
    screen = run.screen
    answers = [screen[place + 1] for place, line in enumerate(screen) if line.startswith("> ") and line.endswith("?")]
    assert answers == ["blue", "yes"]
    assert sum(line.startswith("frame ") for line in screen) == 8


def test_an_exported_model_goes_on_from_earlier_turns(home, exported_folder):
    folder = exported_folder("mobile_videogpt")
    lines = ["Does the orange ring vanish or appear?", "Does the circle move?"]
    expected = chat("--turns", lines=lines).stdout
    assert chat("clip.mp4", "--model", folder, lines=lines).stdout == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "There is no video at 'missing.mp4'"),
        (["clip.mp4", "--model", "nowhere"], "There is no model folder 'nowhere'"),
        (["clip.mp4", "--device", "abacus"], "`--device abacus` cannot be used here"),
        (["clip.mp4", "--precision", "int8"], "`--precision` is for exported models"),
    ],
    ids=str,
)
def test_what_is_refused_at_the_start(home, arguments, message):
    result = CliRunner().invoke(app, ["chat", *arguments], input="What?\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr.splitlines()[-1]
