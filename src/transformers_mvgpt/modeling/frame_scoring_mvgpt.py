# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Attention-based frame scoring (paper § 3.2): which frames of a video go on to the video encoder. It has no parameters.

Symbols in the shape comments: V videos, F frames, C chunks, n frames per chunk, P patches per frame, D width.
"""

import math

import torch
from transformers.utils.generic import maybe_autocast

from ..compat.export_mode import is_exporting
from ..kernels.dispatch_video import attend_to_frames


@torch.no_grad()
def score_frames(image_features: torch.Tensor, frames_per_chunk: int) -> torch.Tensor:
    r"""
    How much attention each frame draws from the patches of its chunk, A = softmax(X Xᵀ / sqrt(D)).

    Args:
        image_features (`torch.Tensor` of shape `(num_videos, num_frames, num_patches, hidden_size)`):
            Features X of the image encoder.
        frames_per_chunk (`int`):
            Number n of consecutive frames that are scored against each other.

    Returns:
        `torch.Tensor` of shape `(num_videos, num_frames)` and dtype float32, whatever the dtype of the features: close
        scores would tie in a 16-bit one. The scores of a chunk add up to its n * P patches.
    """
    return attend_to_frames(image_features, frames_per_chunk, plain=_score_frames)


def _score_frames(image_features: torch.Tensor, frames_per_chunk: int) -> torch.Tensor:
    num_videos, num_frames, num_patches, hidden_size = image_features.shape
    chunks = image_features.float().reshape(-1, frames_per_chunk * num_patches, hidden_size)  # (V * C, n * P, D)
    # autocast would bring the 16-bit scores back
    with maybe_autocast(image_features.device.type, enabled=False):
        if is_exporting():  # a graph for any number of chunks
            received = torch.softmax(chunks @ chunks.mT / math.sqrt(hidden_size), dim=-1).sum(1)
        else:  # chunk by chunk: the attention matrix of one is all that has to be held
            received = torch.stack([torch.softmax(x @ x.T / math.sqrt(hidden_size), dim=-1).sum(0) for x in chunks])
    return received.reshape(num_videos, num_frames, num_patches).sum(-1)


def select_frames(
    frame_scores: torch.Tensor, frames_per_chunk: int, num_selected_frames: int, frame_selection: str = "scores"
) -> torch.Tensor:
    r"""
    The frames of each chunk that go on to the video encoder, in time order. Of equal scores the earlier frame counts.

        frames of a chunk      0 1 2 3 4 5 6 7
        4 of them, "uniform"     ^   ^   ^   ^      each in the middle of its share; evenly spread over several chunks too

    Args:
        frame_scores (`torch.Tensor` of shape `(num_videos, num_frames)`):
            What [`score_frames`] returns.
        frames_per_chunk (`int`):
            Number of frames that compete with each other.
        num_selected_frames (`int`):
            Number k of frames to keep of each chunk.
        frame_selection (`str`, defaults to `"scores"`):
            `"scores"` keeps the highest scores, `"rarest"` the lowest, `"uniform"` frames at even distances, whatever their scores.

    Returns:
        `torch.Tensor` of shape `(num_videos, num_chunks * num_selected_frames)`: indices into the frames of the video.
    """
    first = torch.arange(0, frame_scores.shape[1], frames_per_chunk, device=frame_scores.device)
    if frame_selection == "uniform":
        in_chunk = torch.arange(num_selected_frames, device=frame_scores.device)
        in_chunk = (2 * in_chunk + 1) * frames_per_chunk // (2 * num_selected_frames)  # (k,)
        return (in_chunk + first[:, None]).flatten().expand(frame_scores.shape[0], -1)
    chunks = frame_scores.unflatten(1, (-1, frames_per_chunk))  # (V, C, n)
    # No stable sort, which neither ONNX nor ExecuTorch has: the rank of a frame is the number of those that come before it.
    score, other = chunks.unsqueeze(-1), chunks.unsqueeze(-2)  # (V, C, n, 1), (V, C, 1, n)
    is_nan, is_other_nan = score != score, other != other  # above all numbers, as in a sort
    is_above, is_tied = (other > score) | (is_other_nan & ~is_nan), (other == score) | (is_other_nan & is_nan)
    frame = torch.arange(frames_per_chunk, device=frame_scores.device)
    is_before = is_above if frame_selection == "scores" else ~(is_above | is_tied)
    ranks = (is_before | (is_tied & (frame < frame[:, None]))).sum(-1)  # (V, C, n)
    kept = torch.where(ranks < num_selected_frames, frame, frames_per_chunk)
    in_chunk = kept.topk(num_selected_frames, largest=False).values  # (V, C, k)
    return (in_chunk + first[:, None]).flatten(1)
