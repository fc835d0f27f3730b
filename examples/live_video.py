# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Questions about a stream while it goes on. Frames are put into a window over the last seconds, in which each goes through the image encoder
once. `mvgpt live` does this with cameras and addresses, at their own pace; here the stream is the clip of the package.

    $ python examples/live_video.py
    5.0 s: The circle is blue and moves up.
    7.0 s: The circle is blue and moves up. The cross is red and appears.
    9.0 s: The circle is blue and moves up. The cross is red and flashes. The ring is orange and appears.
    20 frames are in the window, which takes 0.6 MB.
"""

import sys

import av
from transformers import AutoModelForImageTextToText, AutoProcessor

from transformers_mvgpt import LiveVideo
from transformers_mvgpt.demo import CHECKPOINT, CLIP


def main(source: str = str(CLIP), model_name: str = str(CHECKPOINT)) -> None:
    processor = AutoProcessor.from_pretrained(model_name)
    model = AutoModelForImageTextToText.from_pretrained(model_name)
    live = LiveVideo(model, processor, window_seconds=5, frames_per_second=4)
    next_question = 5.0
    with av.open(source) as stream:
        for frame in stream.decode(video=0):
            # of 12 frames per second in the file, 4 are taken
            if live.wants(frame.time):
                live.add_frame(frame.to_image(), frame.time)
            if frame.time >= next_question:
                print(f"{frame.time:.1f} s: {live.ask('Describe the video.')}")
                next_question += 2
    print(f"{live.num_frames} frames are in the window, which takes {live.num_bytes / 1e6:.1f} MB.")


if __name__ == "__main__":
    main(*sys.argv[1:])
