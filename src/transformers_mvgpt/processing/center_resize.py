# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The middle of a resized picture, without making the rest: of 6000x60 a center crop keeps 224 of 22,400 columns."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tvF
from transformers.image_processing_backends import TorchvisionBackend
from transformers.image_transforms import get_resize_output_image_size
from transformers.image_utils import ChannelDimension, PILImageResampling, SizeDict
from transformers.image_utils import pil_torch_interpolation_mapping as INTERPOLATIONS


# From this many times the length that is kept, the rest of a resized picture is not made. Video and photographs are far below:
# at 21:9 it is 2.3 times.
MIN_TIMES_LONGER = 8


def resize_center(
    picture: torch.Tensor, size: SizeDict, crop_size: SizeDict, resample: PILImageResampling | int | None
) -> torch.Tensor:
    """
    What is left of a picture whose shortest edge is resized to `size`, with antialias, in the middle of its long side: as much
    as a center crop to `crop_size` needs. Resizing and cropping that gives what they give of the whole picture, but for rounding
    of a few pixels, by at most two grey levels.

    Args:
        picture (`torch.Tensor`): uint8 of shape `(channels, height, width)`.
        size, crop_size (`SizeDict`): with `shortest_edge`, and with `height` and `width`.
        resample (`PILImageResampling`): bilinear or bicubic.

    Returns:
        uint8 of shape `(channels, shortest_edge, n)` or `(channels, n, shortest_edge)`, or the picture itself where resizing all of
        it makes less than 8 times as much, or where the options are others.
    """
    height, width = picture.shape[-2:]
    long, short = max(height, width), min(height, width)
    edge, crop_length = size.shortest_edge, crop_size.width if width > height else crop_size.height
    if not edge or size.longest_edge or not crop_length or resample not in _FILTERS or picture.dtype != torch.uint8:
        return picture
    resized_long = int(edge * long / short)
    kept = max(edge, crop_length)
    if resized_long < MIN_TIMES_LONGER * kept:
        return picture
    if picture.is_meta:
        return picture.new_empty((len(picture), edge, kept) if width > height else (len(picture), kept, edge))

    # cropping the part takes the same pixels as cropping the whole
    first = int((resized_long - crop_length) / 2) - int((kept - crop_length) / 2)
    begin, weights = _resizing_weights(long, resized_long, first, kept, resample)
    weights = weights.to(picture.device)
    end = begin + weights.shape[1]
    # As for a whole picture, columns come before rows, and are rounded between.
    interpolation = INTERPOLATIONS[PILImageResampling(resample)]
    if width > height:
        columns = _round(picture[..., begin:end].double() @ weights.T)
        return tvF.resize(columns, [edge, kept], interpolation=interpolation, antialias=True)
    rows = tvF.resize(picture[..., begin:end, :], [end - begin, edge], interpolation=interpolation, antialias=True)
    return _round(weights @ rows.double())


def resize_as_on_cpu(
    picture: torch.Tensor,
    size: SizeDict,
    resample: PILImageResampling | int | None,
    resize: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """
    `resize` of a picture wherever it is, as on a CPU: columns before rows, and grey levels rounded and cut off at 0 and 255 between
    them. On a GPU, torch does not round there, and edges of noise differ by up to 20 grey levels; this way by one, or two at single
    pixels and where noise is enlarged.

    Args:
        picture (`torch.Tensor`): uint8 of shape `(channels, height, width)`.
        size (`SizeDict`), resample (`PILImageResampling`): as `resize` takes them.
        resize (`Callable`): of a processor, with antialias.
    """
    if picture.device.type in ("cpu", "meta"):
        return resize(picture, size=size, resample=resample)
    return resize_in_two_steps(picture, size, resample, resize)


def resize_in_two_steps(
    picture: torch.Tensor,
    size: SizeDict,
    resample: PILImageResampling | int | None,
    resize: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """As [`resize_as_on_cpu`]: on a CPU, with the same pixels as in one step."""
    if size.shortest_edge and not size.longest_edge:
        height, width = get_resize_output_image_size(
            picture, size.shortest_edge, default_to_square=False, input_data_format=ChannelDimension.FIRST
        )
        size = SizeDict(height=height, width=width)
    if not (size.height and size.width):
        return resize(picture, size=size, resample=resample)
    columns = resize(picture, size=SizeDict(height=picture.shape[-2], width=size.width), resample=resample)
    return resize(columns, size=size, resample=resample)


def center_images(images: Any, image_processor: Any, options: Mapping[str, Any]) -> Any:
    """
    The images, and of those that are far longer than wide only what a center crop needs, as of [`resize_center`]: the image
    processor changes that no more.

    Args:
        images: PIL images, arrays or tensors, also in lists; what else there is, is left alone.
        image_processor (`TorchvisionBackend`): what gets the images. One of another kind gets them as they are.
        options: of the call.
    """
    names = ("do_resize", "do_center_crop", "size", "crop_size", "resample")
    chosen = {name: options.get(name, getattr(image_processor, name, None)) for name in names}
    if (
        not isinstance(image_processor, TorchvisionBackend)
        or not (chosen["do_resize"] and chosen["do_center_crop"])
        or options.get("input_data_format") is not None
    ):
        return images
    if isinstance(images, (list, tuple)):
        return [center_images(image, image_processor, options) for image in images]
    is_picture = isinstance(images, Image.Image)
    sides = images.size if is_picture else tuple(getattr(images, "shape", ()))
    if len(sides) not in (2, 3) or (is_picture and images.mode != "RGB"):
        return images
    long, short, *_ = sorted(sides, reverse=True)
    if long < MIN_TIMES_LONGER * short:
        return images
    sizes = image_processor._standardize_kwargs(size=chosen["size"], crop_size=chosen["crop_size"])
    picture = image_processor.process_image(images, do_convert_rgb=True)
    center = resize_center(picture, sizes["size"], sizes["crop_size"], chosen["resample"])
    return images if center is picture else center


def _round(values: torch.Tensor) -> torch.Tensor:
    return (values + 0.5).floor().clamp(0, 255).to(torch.uint8)


def _resizing_weights(
    length: int, resized_length: int, first: int, num_kept: int, resample: PILImageResampling | int
) -> tuple[int, torch.Tensor]:
    """
    How resizing with antialias from `length` to `resized_length` pixels makes `num_kept` of them, from number `first` on.

    Returns:
        The first pixel that they need, and weights of shape `(num_kept, pixels)`, float64.
    """
    reach, weigh = _FILTERS[PILImageResampling(resample)]
    scale = length / resized_length
    stretch = max(scale, 1.0)
    centers = (torch.arange(first, first + num_kept, dtype=torch.float64) + 0.5) * scale  # (num_kept,)
    begins = (centers - reach * stretch + 0.5).long().clamp(min=0)
    ends = (centers + reach * stretch + 0.5).long().clamp(max=length)
    begin, end = int(begins.min()), int(ends.max())
    pixels = torch.arange(begin, end)  # (pixels,)
    weights = weigh((pixels + 0.5 - centers[:, None]) / stretch)  # (num_kept, pixels)
    weights = weights * ((pixels >= begins[:, None]) & (pixels < ends[:, None]))
    weights = weights / weights.sum(dim=1, keepdim=True)
    # torch computes with 16-bit integers: as many bits behind the point as fit
    bits = max(bits for bits in range(23) if bits == 0 or int(0.5 + float(weights.max()) * 2**bits) < 2**15)
    return begin, (weights * 2**bits).round() / 2**bits


def _triangle(distance: torch.Tensor) -> torch.Tensor:
    return (1 - distance.abs()).clamp(min=0)


def _cubic(distance: torch.Tensor) -> torch.Tensor:
    """Catmull and Rom's, as Pillow and torch have it with antialias."""
    x = distance.abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


# by filter: how far it reaches, in pixels, and its weights
_FILTERS = {PILImageResampling.BILINEAR: (1.0, _triangle), PILImageResampling.BICUBIC: (2.0, _cubic)}
