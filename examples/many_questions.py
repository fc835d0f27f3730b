# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Many questions about one video. It is decoded and encoded once; what is encoded can be kept in a small file for another day.

    $ python examples/many_questions.py
    What colour is the circle? blue
    What is seen only for a moment? the red cross
    The encoded video is a file of 165 kB.
    Does the blue circle move down or up? up
    Does the ring move? no

`python examples/many_questions.py VIDEO MODEL` asks the same about a video of yours. The questions are those that the small model knows.
"""

import sys
import tempfile
from pathlib import Path

from transformers import AutoModelForImageTextToText, AutoProcessor

from transformers_mvgpt import VideoChat, load_video_features, save_video_features
from transformers_mvgpt.demo import CHECKPOINT, CLIP


def main(video: str = str(CLIP), model_name: str = str(CHECKPOINT)) -> None:
    processor = AutoProcessor.from_pretrained(model_name)
    model = AutoModelForImageTextToText.from_pretrained(model_name)

    chat = VideoChat(model, processor, video)
    for question in ("What colour is the circle?", "What is seen only for a moment?"):
        print(question, chat.ask(question))

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.safetensors"
        save_video_features(chat.video, file)
        print(f"The encoded video is a file of {file.stat().st_size / 1000:.0f} kB.")
        chat = VideoChat(model, processor, load_video_features(file))

    for question in ("Does the blue circle move down or up?", "Does the ring move?"):
        print(question, chat.ask(question))


if __name__ == "__main__":
    main(*sys.argv[1:])
