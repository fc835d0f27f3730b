# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders are there whole or not at all, whatever happens to the process that writes them."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from tiny_models import tiny_model, tiny_video_config
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, VideoMambaModel
from transformers_mvgpt.compat.safetensors_files import full_disk_is_named, usual_file_mode
from transformers_mvgpt.conversion import convert, export_hub, hub_export, native_folder, target_folder
from transformers_mvgpt.conversion.target_folder import replacing
from transformers_mvgpt.demo import CHECKPOINT


WRITER = """
import sys, time
from pathlib import Path
from transformers_mvgpt.conversion.target_folder import replacing

with replacing(Path(sys.argv[1])) as folder:
    (folder / "config.json").write_text("half of a fi")
    print("writing", flush=True)
    time.sleep(60)
"""


def write(target, content):
    with replacing(target) as folder:
        (folder / "config.json").write_text(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def save_model(source, target):
    MobileVideoGPTForConditionalGeneration.from_pretrained(source).save_pretrained(target)


def start_writer(target):
    process = subprocess.Popen([sys.executable, "-c", WRITER, target], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()


def test_a_killed_run_and_one_beside_it(tmp_path):
    target = tmp_path / "model"
    write(target, "old")
    process = start_writer(target)
    with pytest.raises(
        FileExistsError, match="being written by another run: wait until it has ended, or choose another"
    ):
        write(target, "new")
    write(tmp_path / "another", "new")  # is in nobody's way
    assert names(tmp_path) == [".model-unfinished", "another", "model"]
    kill(process)
    assert (target / "config.json").read_text() == "old"
    assert names(tmp_path) == [".model-unfinished", "another", "model"]
    write(target, "new")
    assert names(tmp_path) == ["another", "model"]
    assert (target / "config.json").read_text() == "new"


class Killed(BaseException):
    """What comes after it does not happen, as after a kill."""


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_at_each_step_of_the_exchange(tmp_path, monkeypatch, moment):
    target, steps = tmp_path / "model", []
    write(target, "old")

    def killed_at(function):
        def run(*args, **kwargs):
            if len(steps) >= moment:
                raise Killed
            steps.append(function.__name__)
            return function(*args, **kwargs)

        return run

    with monkeypatch.context() as patch, pytest.raises(Killed):
        with replacing(target) as folder:
            (folder / "config.json").write_text("new")
            for owner, name in ((os, "rename"), (target_folder.shutil, "rmtree"), (os, "rmdir")):
                patch.setattr(owner, name, killed_at(getattr(owner, name)))
        raise Killed  # all steps were made
    assert len(steps) == moment
    with pytest.raises(ZeroDivisionError), replacing(target):
        content = (target / "config.json").read_text()  # the next run finds it whole
        raise ZeroDivisionError
    assert content == ("old" if moment < 2 else "new")
    assert (target / "config.json").read_text() == content
    assert names(tmp_path) == ["model"]


def test_errors_leave_what_was_there(tmp_path):
    target = tmp_path / "some" / "where" / "model"
    with pytest.raises(ZeroDivisionError), replacing(target):
        raise ZeroDivisionError
    assert names(tmp_path) == []
    write(target, "old")
    with pytest.raises(ZeroDivisionError), replacing(target) as folder:
        (folder / "config.json").write_text("new")
        raise ZeroDivisionError
    assert names(target.parent) == ["model"]
    assert (target / "config.json").read_text() == "old"


def test_a_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk" / "model", "old")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "model" / "config.json").read_text() == "new"
    assert names(tmp_path) == ["disk", "link"] and names(tmp_path / "disk") == ["model"]


@pytest.mark.parametrize("has_locks", ["no module", "no locks on this disk"])
def test_without_locks_nothing_of_others_is_touched(tmp_path, monkeypatch, has_locks):
    if has_locks == "no module":
        monkeypatch.setattr(target_folder, "fcntl", None)
    else:

        def refuse(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(target_folder.fcntl, "flock", refuse)
    (tmp_path / ".model-unfinished").mkdir()
    (tmp_path / ".model-unfinished" / "new").mkdir()
    write(tmp_path / "model", "new")
    assert names(tmp_path) == [".model-unfinished", "model"]
    assert names(tmp_path / ".model-unfinished") == ["new"]


def test_what_somebody_else_keeps_in_a_folder_of_this_name_stays(tmp_path):
    (tmp_path / ".model-unfinished").mkdir()
    (tmp_path / ".model-unfinished" / "diary.txt").write_text("mine")
    write(tmp_path / "model", "new")
    assert names(tmp_path / ".model-unfinished") == ["diary.txt"]


# Files of weights


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def usual_mode(request):
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


@pytest.mark.parametrize("kind", ["with a head", "base", "encoder", "in shards"])
def test_saved_weights_have_the_mode_that_the_umask_says(tmp_path, usual_mode, kind):
    model = tiny_model() if kind != "encoder" else VideoMambaModel(tiny_video_config())
    model = model.model if kind == "base" else model
    model.save_pretrained(tmp_path, **({"max_shard_size": "50KB"} if kind == "in shards" else {}))
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 1 if kind == "in shards" else len(files) == 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {usual_mode}


@pytest.mark.parametrize("write", [convert, export_hub], ids=lambda function: function.__name__)
def test_written_folders_have_the_mode_that_the_umask_says(tmp_path, usual_mode, write):
    write(CHECKPOINT, tmp_path / "model")
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "model").iterdir()} == {usual_mode}
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == usual_mode | (usual_mode & 0o444) >> 2


def test_other_files_keep_their_mode(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "private.safetensors")
    with usual_file_mode(tmp_path):
        save_file({"a": torch.ones(1)}, tmp_path / "new.safetensors")
    assert stat.S_IMODE((tmp_path / "private.safetensors").stat().st_mode) == 0o600
    assert names(tmp_path) == ["new.safetensors", "private.safetensors"]


@pytest.fixture
def no_file_beyond():
    """Files cannot grow beyond a size, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1_000, 100_000], ids=["a config", "weights"])
@pytest.mark.parametrize("write", [convert, export_hub, save_model], ids=lambda function: function.__name__)
def test_no_room_for_a_file(tmp_path, no_file_beyond, write, size):
    target = tmp_path / "model"
    message = f"File too large, it was not written: make room, or choose another place: '{target}'"
    no_file_beyond(size)
    with pytest.raises(OSError, match=re.escape(message)) as error:
        write(CHECKPOINT, target)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(target))
    assert write is save_model or names(tmp_path) == []


@pytest.mark.parametrize("write", [convert, export_hub], ids=lambda function: function.__name__)
def test_two_runs_into_one_folder(tmp_path, monkeypatch, write):
    monkeypatch.setattr(native_folder, "load_model", lambda *_: pytest.fail("a model was loaded"))
    monkeypatch.setattr(hub_export, "load_model", lambda *_: pytest.fail("a model was loaded"))
    with replacing(tmp_path / "model"), pytest.raises(FileExistsError, match="is being written by another run"):
        write(CHECKPOINT, tmp_path / "model")


def test_full_disks_are_named():
    with pytest.raises(OSError, match="No space left on device, it was not written: make room") as error:
        with full_disk_is_named("model"):
            raise SafetensorError("Error while serializing: I/O error: No space left (os error 28)")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, "model")
    for other in (PermissionError(13, "Permission denied", "x"), SafetensorError("(os error 13)")):
        with pytest.raises(type(other)) as raised, full_disk_is_named("model"):
            raise other
        assert raised.value is other
