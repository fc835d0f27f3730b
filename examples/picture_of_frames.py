# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What a model saw, as a picture: the sampled frames in time order, the score of each, and those that the video encoder saw too. The choice can
be another one than the published one: frames at even distances, or those with the lowest scores.

    $ python examples/picture_of_frames.py
    frames-scores.png: 'the red cross' from frames at 0.0 1.8 2.3 2.9 4.7 5.2 6.4 8.2 s
    frames-uniform.png: 'the red cross' from frames at 0.6 1.8 2.9 4.1 5.2 6.4 7.6 8.8 s
    frames-rarest.png: 'the red cross' from frames at 0.6 1.2 3.5 4.1 5.8 7.0 7.6 8.8 s
"""

import sys

from transformers import pipeline

from transformers_mvgpt import plot_frame_selection
from transformers_mvgpt.demo import CHECKPOINT, CLIP


QUESTION = "What is seen only for a moment?"


def main(video: str = str(CLIP), model: str = str(CHECKPOINT), question: str = QUESTION) -> None:
    pipe = pipeline("video-text-to-text", model=model)
    for frame_selection in ("scores", "uniform", "rarest"):
        [record] = pipe(video, text=question, return_selected_frames=True, frame_selection=frame_selection)
        seconds = [frame["seconds"] for frame in record["selected_frames"]]
        plot_frame_selection(record, video).savefig(f"frames-{frame_selection}.png", dpi=100)
        print(
            f"frames-{frame_selection}.png: {record['generated_text']!r} from frames at",
            *(f"{time:.1f}" for time in seconds),
            "s",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
