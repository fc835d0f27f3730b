# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A folder of videos in batches: one question about each, with the frames that the video encoder looked at. A file that is no video does not
end the run. For runs of hours, `mvgpt caption` does this with a progress bar, and goes on where it was killed.

    $ python examples/folder_of_videos.py
    broken.mp4: The video 'FOLDER/broken.mp4' could not be read: it is a text, not a video. Pass the video itself.
    clip-0.mp4: The cross is orange and moves up.
      frames at 0.0 0.4 1.6 2.0 3.2 3.6 4.8 6.0 s
    clip-1.mp4: The circle is yellow and comes and goes. The square is purple and comes and goes.
      frames at 0.3 0.6 1.3 1.6 3.8 4.2 4.5 4.8 s
    clip-2.mp4: The cross is orange and moves right.
      frames at 0.0 2.4 3.0 3.6 4.8 5.4 7.8 8.4 s

`python examples/folder_of_videos.py FOLDER MODEL QUESTION` takes a folder of yours.
"""

import sys
import tempfile
from pathlib import Path

from transformers import pipeline

from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip


def main(folder: str | Path, model: str = str(CHECKPOINT), question: str = "Describe the video.") -> None:
    pipe = pipeline("video-text-to-text", model=model)
    paths = sorted(Path(folder).glob("*.mp4"))
    answers = pipe(map(str, paths), text=question, batch_size=4, return_selected_frames=True, on_error="return")
    for path, [answer] in zip(paths, answers, strict=True):
        if "error" in answer:
            print(f"{path.name}: {answer['error'].replace(str(path.parent), 'FOLDER')}")
            continue
        print(f"{path.name}: {answer['generated_text']}")
        seconds = [frame["seconds"] for frame in answer["selected_frames"]]
        print("  frames at", *(f"{time:.1f}" for time in seconds), "s")


def draw(folder: Path) -> None:
    """Three clips of colored shapes, and a file that only looks like one."""
    for seed in range(3):
        write_clip(make_clip(seed, "test"), folder / f"clip-{seed}.mp4")
    (folder / "broken.mp4").write_bytes(b"no video" * 100)


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*sys.argv[1:])
    else:
        with tempfile.TemporaryDirectory() as drawn:
            draw(Path(drawn))
            main(drawn)
