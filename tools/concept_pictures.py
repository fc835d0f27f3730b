# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The drawings of docs/concepts.md, in docs/images: how a video of Mobile-VideoGPT becomes visual tokens. `make pictures` writes them. Numbers are those of
the configuration, and the scores those of the small model about the package's clip.
"""

import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from transformers import AutoModelForImageTextToText, AutoProcessor

from transformers_mvgpt import MobileVideoGPTConfig
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.viewing import encode_with_frames


FOLDER = Path(__file__).parents[1] / "docs" / "images"
# Both themes: a browser takes the dark colors where the page around is dark.
STYLE = """
  text { font: 15px sans-serif; fill: #1f2328; text-anchor: middle; }
  .small { font-size: 13px; fill: #57606a; }
  .left { text-anchor: start; }
  .box { fill: #f6f8fa; stroke: #57606a; }
  .image { fill: #b6e3e0; stroke: #1b7c83; }
  .video { fill: #ffd8b5; stroke: #bc4c00; }
  .line { fill: none; stroke: #57606a; stroke-width: 1.5; }
  .head { fill: #57606a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #c3cad3; }
    .box { fill: #2a303a; stroke: #9ea7b3; }
    .image { fill: #14555b; stroke: #56d4dd; }
    .video { fill: #7a3a0c; stroke: #ffa657; }
    .line { stroke: #9ea7b3; }
    .head { fill: #9ea7b3; }
  }
"""


@dataclass
class Picture:
    """An SVG picture of `width` x `height` pixels that is drawn from the top left corner on."""

    title: str
    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>')

    def rectangle(self, x: float, y: float, width: float, height: float, kind: str = "box", corner: int = 3) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner}" class="{kind}"/>'
        )

    def box(self, x: float, y: float, width: float, height: float, *lines: str, kind: str = "box") -> None:
        """A box with its name in the first line and what it does, smaller, in the others."""
        self.rectangle(x, y, width, height, kind, corner=6)
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for index, line in enumerate(lines):
            self.text(x + width / 2, top + 18 * index, line, "small" if index else "")

    def arrow(self, *points: tuple[float, float]) -> None:
        """A line from point to point with a head at the last one."""
        self.parts.append(f'<polyline class="line" points="{" ".join(f"{x:g},{y:g}" for x, y in points)}"/>')
        (from_x, from_y), (x, y) = points[-2:]
        length = max(abs(x - from_x), abs(y - from_y))
        along_x, along_y = 7 * (x - from_x) / length, 7 * (y - from_y) / length
        corners = (
            (x, y),
            (x - along_x - along_y / 2, y - along_y + along_x / 2),
            (x - along_x + along_y / 2, y - along_y - along_x / 2),
        )
        self.parts.append(f'<polygon class="head" points="{" ".join(f"{a:g},{b:g}" for a, b in corners)}"/>')

    def grid(self, x: float, y: float, cells: int, side: float, kind: str) -> None:
        """A square grid of `cells` x `cells`, `side` pixels wide."""
        self.rectangle(x, y, side, side, kind, corner=0)
        lines = "".join(
            f"M{x + side * i / cells:.1f} {y}v{side:g}M{x:g} {y + side * i / cells:.1f}h{side:g}"
            for i in range(1, cells)
        )
        self.parts.append(f'<path class="{kind}" stroke-width="0.5" d="{lines}"/>')

    def svg(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n" + "\n".join(self.parts) + "\n</svg>\n"
        )


def data_flow(config: MobileVideoGPTConfig) -> Picture:
    frames, per_frame, per_chunk = config.num_frames, config.num_image_tokens, config.video_grid_size**2
    chosen = config.num_chunks * config.num_selected_frames
    picture = Picture("From a video to an answer", 720, 560)
    picture.box(270, 10, 180, 44, f"{frames} frames of the video")
    picture.arrow((360, 54), (360, 80))
    picture.box(230, 80, 260, 62, "image encoder", "CLIP ViT-B/16", kind="image")
    picture.arrow((290, 142), (150, 190))
    picture.arrow((430, 142), (560, 190))
    picture.box(30, 190, 240, 62, "image ET-Proj", f"{per_frame} tokens of each frame", kind="image")
    picture.box(
        440, 190, 240, 62, "frame scoring", f"{config.num_selected_frames} of each {config.frames_per_chunk} frames"
    )
    picture.arrow((560, 252), (560, 282))
    picture.box(440, 282, 240, 62, "video encoder", f"VideoMamba, on {chosen} frames", kind="video")
    picture.arrow((560, 344), (560, 374))
    picture.box(440, 374, 240, 62, "video ET-Proj", f"{per_chunk} tokens of each half", kind="video")
    picture.arrow((150, 252), (150, 481), (200, 481))
    picture.arrow((560, 436), (560, 481), (520, 481))
    picture.box(200, 456, 320, 50, "language model", "Qwen2.5: visual tokens, then the question")
    picture.text(88, 440, f"{frames * per_frame:,} tokens", "small")
    picture.text(628, 462, f"{config.num_chunks * per_chunk} tokens", "small")
    picture.arrow((360, 506), (360, 530))
    picture.text(360, 548, "the answer")
    return picture


def frame_scoring(config: MobileVideoGPTConfig) -> Picture:
    model = AutoModelForImageTextToText.from_pretrained(CHECKPOINT)
    _, selection = encode_with_frames(model, AutoProcessor.from_pretrained(CHECKPOINT), str(CLIP))
    scores = [frame.score or 0.0 for frame in selection.frames]
    picture = Picture("Frame scoring: the scores of a clip's frames, and which are chosen", 720, 240)
    per_chunk = config.frames_per_chunk
    for index, frame in enumerate(selection.frames):
        x = 20 + 41 * index + 24 * (index // per_chunk)
        height = round(100 * scores[index] / max(scores))
        picture.rectangle(x, 150 - height, 34, height, "video" if frame.is_selected else "box")
        picture.text(x + 17, 144 - height, f"{scores[index]:.0f}", "small")
        picture.text(x + 17, 168, str(index), "small")
    for chunk in range(config.num_chunks):
        x = 20 + (41 * per_chunk + 24) * chunk
        picture.parts.append(f'<path class="line" d="M{x} 178v8h{41 * per_chunk - 7}v-8"/>')
        picture.text(
            x + 41 * per_chunk / 2, 206, f"chunk {chunk + 1}: the {config.num_selected_frames} highest are chosen"
        )
    picture.text(360, 232, "score: the attention that a frame draws from all patches of its chunk", "small")
    return picture


def et_proj(config: MobileVideoGPTConfig) -> Picture:
    patches, pooled = 14, config.image_grid_size
    picture = Picture("ET-Proj: a grid of patches becomes fewer tokens of the language model's width", 720, 250)
    picture.grid(20, 50, patches, 126, "image")
    picture.text(83, 40, f"{patches} x {patches} patches")
    picture.text(83, 196, f"{config.vision_config.hidden_size} numbers each", "small")
    picture.arrow((152, 113), (182, 113))
    picture.box(182, 78, 130, 70, "two linear", "layers, GELU")
    picture.arrow((312, 113), (342, 113))
    picture.grid(342, 59, pooled, 108, "image")
    picture.text(396, 40, f"pooled to {pooled} x {pooled}")
    picture.text(396, 196, f"{config.text_config.hidden_size} numbers each", "small")
    picture.arrow((450, 113), (610, 113))
    picture.arrow((470, 113), (470, 190), (485, 190))
    picture.box(485, 165, 130, 50, "convolution", "3 x 3, per channel")
    picture.arrow((615, 190), (632, 190), (632, 128))
    picture.parts.append('<circle cx="632" cy="113" r="13" class="box"/>')
    picture.text(632, 118, "+")
    picture.arrow((645, 113), (680, 113))
    picture.text(620, 76, f"{pooled**2} tokens")
    picture.text(360, 242, "The video's ET-Proj does the same, with VideoMamba's patches of a chunk.", "small")
    return picture


def videomamba(config: MobileVideoGPTConfig) -> Picture:
    video = config.video_config
    patches = (video.image_size // video.patch_size) ** 2
    picture = Picture(
        "VideoMamba: the patches of the chosen frames as one sequence, scanned in both directions", 720, 250
    )
    picture.rectangle(20, 90, 44, 44)
    picture.text(42, 117, "class", "small")
    for index in range(video.num_frames):
        x = 72 + 79 * index
        picture.rectangle(x, 90, 72, 44, "video")
        picture.text(x + 36, 109, f"frame {index}", "small")
        picture.text(x + 36, 127, str(patches), "small")
    picture.text(42, 32, "forward", "small left")
    picture.arrow((42, 70), (42, 50), (664, 50), (664, 80))
    picture.text(42, 200, "backward", "small left")
    picture.arrow((664, 144), (664, 174), (42, 174), (42, 150))
    picture.text(360, 32, f"state of {video.state_size} numbers per channel, carried from patch to patch", "small")
    picture.text(
        360,
        222,
        f"{video.num_hidden_layers} layers; in each, both scans are added. "
        f"1 + {video.num_frames} x {patches} = {1 + video.num_frames * patches:,} tokens, {video.hidden_size} numbers each.",
        "small",
    )
    return picture


def visual_tokens(config: MobileVideoGPTConfig) -> Picture:
    picture = Picture("The visual tokens of a video, as wide as there are of them", 720, 130)
    x, width = 20.0, 680 / config.num_video_tokens
    for _ in range(config.num_frames):
        picture.rectangle(x, 40, config.num_image_tokens * width - 2, 34, "image", corner=1)
        x += config.num_image_tokens * width
    for _ in range(config.num_chunks):
        picture.rectangle(x, 40, config.video_grid_size**2 * width - 2, 34, "video", corner=1)
        x += config.video_grid_size**2 * width
    image_tokens = config.num_frames * config.num_image_tokens
    video_tokens = config.num_chunks * config.video_grid_size**2
    picture.text(20, 28, f"{config.num_frames} frames x {config.num_image_tokens} = {image_tokens:,}", "left")
    picture.parts.append(
        f'<text x="700" y="28" style="text-anchor: end">{config.num_chunks} x {config.video_grid_size**2} = {video_tokens}</text>'
    )
    picture.text(
        360, 104, f"together {config.num_video_tokens:,} visual tokens in one block, in front of the question"
    )
    return picture


PICTURES = (data_flow, frame_scoring, et_proj, videomamba, visual_tokens)


def write_pictures(folder: Path) -> None:
    config = MobileVideoGPTConfig()
    for draw in PICTURES:
        (folder / f"{draw.__name__}.svg").write_text(draw(config).svg(), "utf-8")


if __name__ == "__main__":
    write_pictures(FOLDER)
    sys.stdout.write(f"Wrote {', '.join(f'{draw.__name__}.svg' for draw in PICTURES)} to {FOLDER}\n")
