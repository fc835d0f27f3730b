# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The resamplers of TinyLLaVA-Video (arXiv 2501.15513): the tokens of all frames of a video become a fixed number of them.

Learned queries attend to the frames' tokens and to themselves, layer by layer; the frames' tokens stay as they are. A group
resampler cuts a video's tokens into chunks, each of which starts from the same queries:

    tokens   |...............|...............|..............|..............|    L tokens, G chunks, the longer ones first
    queries  n               n               n              n                  n each, joined to G * n

Of a long video the keys are made and read in parts, so that the memory for them does not grow with the video.

Symbols in the shape comments: L tokens of a video, G groups of n queries, h width of the language model, A attention heads, d their
width.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.nn import functional as F


NUM_HEADS = 8
HEAD_DIM = 64

# Bytes that the keys made at a time and all that comes with them may take
MAX_BYTES = 2**27
# Tokens of a video that are projected once for all layers; those of a longer one, for each layer.
MAX_KEPT_TOKENS = 16_384


class ResamplerAttention(nn.Module):
    """Queries attend to tokens, and to themselves."""

    def __init__(self, hidden_size: int):
        super().__init__()
        width = NUM_HEADS * HEAD_DIM
        self.norm_media = nn.LayerNorm(hidden_size)
        self.norm_latents = nn.LayerNorm(hidden_size)
        self.to_q = nn.Linear(hidden_size, width, bias=False)
        self.to_kv = nn.Linear(hidden_size, 2 * width, bias=False)
        self.to_out = nn.Linear(width, hidden_size, bias=False)

    def forward(self, latents: torch.Tensor, media: list["MediaOfGroups"]) -> torch.Tensor:
        """
        Args:
            latents (`torch.Tensor` of shape `(G, n, h)`): the queries.
            media (`list[MediaOfGroups]`): the tokens that they attend to, of some groups each, in the order of the groups.

        Returns:
            `torch.Tensor` of shape `(G, n, h)`.
        """
        latents = self.norm_latents(latents)
        queries = _split_heads(self.to_q(latents) * HEAD_DIM**-0.5)  # (G, A, n, d)
        own_keys, own_values = self._keys_and_values(latents)
        attended, first = [], 0
        for groups in media:
            chosen = slice(first, first + groups.num_groups)
            softmax = SoftmaxInParts(queries[chosen])
            for part in groups.parts():  # (g, t, h) each
                softmax.add(*self._keys_and_values(self.norm_media(part)))
            softmax.add(own_keys[chosen], own_values[chosen])
            attended.append(softmax.result())
            first = chosen.stop
        return self.to_out(torch.cat(attended).transpose(1, 2).flatten(2))

    def _keys_and_values(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(G, t, h) -> (G, A, t, d) each."""
        keys, values = self.to_kv(tokens).chunk(2, dim=-1)
        return _split_heads(keys), _split_heads(values)


class ResamplerMLP(nn.Module):
    def __init__(self, hidden_size: int):
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.fc1 = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.fc2 = nn.Linear(4 * hidden_size, hidden_size, bias=False)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(self.norm(latents))))


class ResamplerLayer(nn.Module):
    def __init__(self, hidden_size: int):
        super().__init__()
        self.attention = ResamplerAttention(hidden_size)
        self.mlp = ResamplerMLP(hidden_size)

    def forward(self, latents: torch.Tensor, media: list["MediaOfGroups"]) -> torch.Tensor:
        latents = latents + self.attention(latents, media)
        return latents + self.mlp(latents)


class Resampler(nn.Module):
    """
    What both resamplers do.

    Args:
        input_size (`int`): width of the encoder.
        hidden_size (`int`): width h of the language model.
        num_queries (`int`): visual tokens that are made of a video.
        num_groups (`int`): groups G; 1 where all queries attend to all tokens.
        num_layers (`int`): layers.
    """

    def __init__(self, input_size: int, hidden_size: int, num_queries: int, num_groups: int, num_layers: int):
        super().__init__()
        self.num_groups = num_groups
        self.linear = nn.Linear(input_size, hidden_size)
        self.latents = nn.Parameter(torch.randn(num_queries // num_groups, hidden_size))
        self.layers = nn.ModuleList([ResamplerLayer(hidden_size) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """
        Args:
            tokens (`torch.Tensor` of shape `(L, input_size)`): the tokens of all frames of a video, in time order.

        Returns:
            `torch.Tensor` of shape `(num_queries, hidden_size)`.
        """
        media = self._media(tokens)
        latents = self.latents.expand(self.num_groups, -1, -1)
        for layer in self.layers:
            latents = layer(latents, media)
        return self.norm(latents).flatten(0, 1)

    def project(self, tokens: torch.Tensor, first: int) -> torch.Tensor:
        """
        Args:
            tokens (`torch.Tensor` of shape `(g, t, input_size)`): tokens of g chunks.
            first (`int`): position of the first of them in the video.

        Returns:
            `torch.Tensor` of shape `(g, t, hidden_size)`.
        """
        return self.linear(tokens)

    def _media(self, tokens: torch.Tensor) -> list["MediaOfGroups"]:
        """The chunks of a video's tokens (L, input_size): as many of the same length together as may be keys at a time."""
        length, num_longer = divmod(len(tokens), self.num_groups)
        is_kept = len(tokens) <= MAX_KEPT_TOKENS
        max_bytes = MAX_BYTES if is_kept else min(MAX_BYTES, tokens.nbytes // 2)
        max_keys = keys_at_a_time(max_bytes, self.latents, tokens.element_size())
        media, first = [], 0
        for chunk_length, num_chunks in ((length + 1, num_longer), (length, self.num_groups - num_longer)):
            at_once = max(1, max_keys // max(1, chunk_length))
            for number in range(0, num_chunks, at_once):
                num_groups = min(at_once, num_chunks - number)
                end = first + num_groups * chunk_length
                chunks = tokens[first:end].reshape(num_groups, chunk_length, tokens.shape[1])
                media.append(MediaOfGroups(self, chunks, first, max_keys, is_kept))
                first = end
        return media


class GroupResampler(Resampler):
    """Each group of queries attends to its chunk of the video's tokens. Positions are added to the queries' answers."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        output = super().forward(tokens)
        return output + position_table(0, output.shape[0], output.shape[1], output.device).to(output.dtype)


class NaiveResampler(Resampler):
    """All queries attend to all tokens of the video, to which positions are added."""

    def __init__(self, input_size: int, hidden_size: int, num_queries: int, num_layers: int):
        super().__init__(input_size, hidden_size, num_queries, num_groups=1, num_layers=num_layers)

    def project(self, tokens: torch.Tensor, first: int) -> torch.Tensor:
        projected = super().project(tokens, first)
        _, length, width = projected.shape
        return projected + position_table(first, length, width, projected.device).to(projected.dtype)


class MediaOfGroups:
    """
    Tokens that g groups attend to, in parts.

    Args:
        resampler ([`Resampler`]): projects them.
        chunks (`torch.Tensor` of shape `(g, t, input_size)`): tokens of as many chunks.
        first (`int`): position of the first of them in the video.
        max_keys (`int`): tokens of a part.
        is_kept (`bool`): whether they are projected once, for all layers.
    """

    def __init__(self, resampler: Resampler, chunks: torch.Tensor, first: int, max_keys: int, is_kept: bool):
        self.num_groups, self._max_keys = len(chunks), max_keys
        self._resampler, self._chunks, self._first = resampler, chunks, first
        self._kept = list(self._project()) if is_kept else None

    def parts(self) -> Iterable[torch.Tensor]:
        """(g, t, hidden_size) each."""
        return self._project() if self._kept is None else self._kept

    def _project(self) -> Iterator[torch.Tensor]:
        for start in range(0, self._chunks.shape[1], self._max_keys):
            part = self._chunks[:, start : start + self._max_keys]
            yield self._resampler.project(part, self._first + start)


class SoftmaxInParts:
    """
    Attention of queries (G, A, n, d), already scaled, to keys that come in parts: weights are relative to the largest score so far, and
    what was summed before is scaled when a larger one comes. In float32 at least.
    """

    def __init__(self, queries: torch.Tensor):
        self._queries = queries
        # (G, A, n, 1), (G, A, n, 1) and (G, A, n, d): the largest score, and relative to it the sums of weights and of weighted values
        self._sums: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def add(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """A part of the keys and values, (G, A, t, d) each."""
        scores = self._queries @ keys.transpose(-1, -2)  # (G, A, n, t)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        largest = scores.detach().amax(-1, keepdim=True)
        if self._sums is not None:
            largest = torch.maximum(largest, self._sums[0])
        weights = scores.sub_(largest).exp_()
        total = weights.sum(-1, keepdim=True)
        if values.dtype == scores.dtype:
            attended = weights @ values
        else:
            # sums of thousands of values are beyond float16; a power of two rounds nothing
            scale = total.detach().log2().ceil().exp2()
            attended = ((weights / scale).to(values.dtype) @ values).to(scores.dtype) * scale
        if self._sums is not None:
            before, total_before, attended_before = self._sums
            scale = (before - largest).exp()
            total = total + total_before * scale
            attended = attended + attended_before * scale
        self._sums = largest, total, attended

    def result(self) -> torch.Tensor:
        """(G, A, n, d)"""
        assert self._sums is not None
        _, total, attended = self._sums
        return (attended / total).to(self._queries.dtype)


def keys_at_a_time(max_bytes: int, latents: torch.Tensor, item_size: int) -> int:
    """How many keys for the queries (n, h) are made at a time, if all that is held for them shall take no more than `max_bytes`."""
    num_queries, hidden_size = latents.shape
    # projected and normalized tokens; keys and values, and what a matrix product copies of them; scores and weights
    num_items = 3 * hidden_size + 4 * NUM_HEADS * HEAD_DIM + 2 * NUM_HEADS * num_queries
    return max(64, max_bytes // (num_items * item_size))


def _split_heads(hidden_states: torch.Tensor) -> torch.Tensor:
    """(G, t, A * d) -> (G, A, t, d)"""
    return hidden_states.unflatten(-1, (NUM_HEADS, HEAD_DIM)).transpose(1, 2)


def position_table(first: int, num_positions: int, hidden_size: int, device: torch.device) -> torch.Tensor:
    """
    Sinusoids of the positions `first` to `first + num_positions - 1`, (num_positions, hidden_size) in float16, as the release rounds
    them. Angles are made in float32 in the release's order: at large positions they are off by more than that rounding, and the weights
    have learned with it.
    """
    positions = torch.arange(first, first + num_positions, dtype=torch.float32, device=device)[:, None]
    columns = torch.arange(0, hidden_size, 2, dtype=torch.float32, device=device)
    angles = positions * torch.exp(columns * -(math.log(10000.0) / hidden_size))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :hidden_size].half()


def make_resampler(
    resampler_type: str, input_size: int, hidden_size: int, *, num_queries: int, num_groups: int, num_layers: int
) -> Resampler:
    """A resampler of a type of [`TinyLlavaVideoConfig`], `"group"` or `"naive"`, which has no groups."""
    if resampler_type == "naive":
        return NaiveResampler(input_size, hidden_size, num_queries, num_layers)
    return GroupResampler(input_size, hidden_size, num_queries, num_groups, num_layers)
