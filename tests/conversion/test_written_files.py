# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import os
import stat
import threading
from pathlib import Path

import pytest

from transformers_mvgpt.conversion.written_files import check_new_file, write_file


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "answers.jsonl"
    write_file(path, "ä\n")
    assert path.read_bytes() == "ä\n".encode()
    path.chmod(0o640)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def fail_in_the_middle(self, data):
        self.open("wb").write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail_in_the_middle)
    with pytest.raises(OSError, match="No space left on device, it was not written: make room, .*answers.jsonl"):
        write_file(path, b"newer")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["answers.jsonl"]


def test_a_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "file")
    for content in ("first", "second"):
        write_file(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "disk" / "file").read_text() == content
        assert os.listdir(tmp_path / "disk") == ["file"]


def test_a_pipe_is_written_to(tmp_path):
    pipe, contents = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: contents.append(pipe.read_text()))
    reader.start()
    check_new_file(pipe, overwrite=False)
    write_file(pipe, "content")
    reader.join(10)
    assert contents == ["content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_where_no_new_file_can_be(tmp_path):
    (tmp_path / "answers.jsonl").touch()
    with pytest.raises(
        FileExistsError, match=r"answers.jsonl is there already: choose another file, or let it be replaced"
    ):
        check_new_file(tmp_path / "answers.jsonl", overwrite=False)
    check_new_file(tmp_path / "answers.jsonl", overwrite=True)
    check_new_file(tmp_path / "new.jsonl", overwrite=False)
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*none for answers.jsonl: make it first"):
        check_new_file(tmp_path / "none" / "answers.jsonl", overwrite=False)
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        check_new_file(tmp_path, overwrite=True)
