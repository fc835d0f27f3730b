# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from fuzz.forked_reading import read_forked
from fuzz.mutations import mutate
from fuzz.seed_files import STILL_PICTURES, make_seed_files


ROOT = Path(__file__).parents[2]
# on a busy machine, filling so much memory takes a second or two
MAX_SECONDS, MAX_BYTES = 4.0, 300_000_000


def answer(path):
    pass


def raise_named(path):
    raise ValueError(f"The video '{path.name}' is damaged.")


def raise_unnamed(path):
    raise ValueError("damaged")


def raise_many_lines(path):
    raise OSError(f"{path.name}\nis damaged")


def raise_foreign(path):
    raise RuntimeError(f"{path.name} is damaged")


def end_by_signal(path):
    os.write(2, b"double free")
    os.kill(os.getpid(), signal.SIGKILL)


def exit_at_once(path):
    os._exit(7)


def sleep_for_ever(path):
    time.sleep(60)


def take_memory(path):
    bytearray(MAX_BYTES * 3 // 2)


def take_much_more_memory(path):
    held = []
    for _ in range(100):
        held.append(bytearray(MAX_BYTES // 4))
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("read", "outcome", "message"),
    [
        (answer, "answered", "^$"),
        (raise_named, "named error", "is damaged"),
        (raise_unnamed, "unnamed error", "^damaged$"),
        (raise_many_lines, "unnamed error", "is damaged"),
        (raise_foreign, "unnamed error", "RuntimeError: a.mp4 is damaged"),
        (end_by_signal, "crash", r"exit status -9\. double free"),
        (exit_at_once, "crash", "exit status 7"),
        (sleep_for_ever, "hang", ""),
        (take_memory, "memory", ""),
        (take_much_more_memory, "memory", ""),
    ],
)
def test_every_ending_is_told_from_the_others(tmp_path, read, outcome, message):
    [ending] = read_forked([tmp_path / "a.mp4"], read, tmp_path, 1, MAX_SECONDS, MAX_BYTES)
    assert ending.outcome == outcome
    assert re.search(message, ending.message)
    assert ending.seconds < MAX_SECONDS + 1


def test_some_files_are_read_at_once_and_all_are_counted(tmp_path):
    def sleep(path):
        time.sleep(0.3)

    begun = time.monotonic()
    paths = [tmp_path / f"{number}.mp4" for number in range(8)]
    endings = list(read_forked(paths, sleep, tmp_path, 8, 10.0, MAX_BYTES))
    assert time.monotonic() - begun < 8 * 0.3
    assert sorted(ending.path for ending in endings) == paths
    assert not list(tmp_path.iterdir())


def test_seeds_are_whole_files_of_twenty_containers_and_codecs(tmp_path):
    files = make_seed_files()
    kinds = set()
    for name, content in files.items():
        if name.rpartition(".")[2] in STILL_PICTURES or name == "moving.webp":  # which FFmpeg has no decoder for
            continue
        path = tmp_path / name
        path.write_bytes(content)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            kinds.add((container.format.name, stream.codec_context.name))
            assert sum(1 for _ in container.decode(stream)) > 1
    assert len({container for container, _ in kinds}) >= 16
    assert len(kinds) >= 28


def test_mutations_follow_from_the_seed_and_differ():
    files = list(make_seed_files().values())
    first = [mutate(files[0], files, random.Random(f"0/{index}")) for index in range(50)]
    assert first == [mutate(files[0], files, random.Random(f"0/{index}")) for index in range(50)]
    assert len(set(first)) > 45
    assert sum(mutated == files[0] for mutated in first) <= 3


def run_fuzz(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools"), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


def test_mutated_files_end_in_an_answer_or_a_named_error(tmp_path):
    result = run_fuzz("--number", 120, "--seed", 5, "--keep", tmp_path / "bad")
    assert result.returncode == 0, result.stdout
    counts = re.search(r"^all +(\d+) +(\d+) +0 +0 +0 +0$", result.stdout, re.MULTILINE)
    assert counts is not None, result.stdout
    answered, named = map(int, counts.groups())
    assert answered + named == 120 and answered > 20 and named > 20
    assert not (tmp_path / "bad").exists()


def test_what_ends_badly_is_named_kept_and_fails(tmp_path):
    # no time at all is enough
    result = run_fuzz("--number", 2, "--seconds", 0, "--keep", tmp_path / "bad")
    assert result.returncode == 1
    kept = sorted((tmp_path / "bad").iterdir())
    assert [path.name for path in kept] == ["000000-h264.mp4", "000001-fragmented.mp4"]
    assert f"hang: {kept[0]}" in result.stdout
    replayed = run_fuzz("--replay", kept[0])
    assert replayed.returncode == 0, replayed.stdout
    assert "1 files" in replayed.stdout
    assert kept[0].exists()
