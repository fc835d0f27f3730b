# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A `VideoDecoder` of TorchCodec gives the frames and times that its file gives, and no others are decoded."""

import re
from functools import partial

import pytest
import torch

from input_forms import make_decoder, need_torchcodec
from transformers_mvgpt import MobileVideoGPTVideoProcessor, TinyLlavaVideoVideoProcessor, UntrustedInput
from transformers_mvgpt.video.given_decoders import is_video_decoder
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import REFUSED, WHOLE_CLIPS, read_marks, sample


FAMILIES = [MobileVideoGPTVideoProcessor(num_frames=4), TinyLlavaVideoVideoProcessor(num_frames=5)]
READ = [name for name in WHOLE_CLIPS if name not in REFUSED["torchcodec"]]


@pytest.fixture(autouse=True)
def torchcodec():
    need_torchcodec()


class Recording:
    """A decoder that says which frames it was asked for."""

    def __init__(self, decoder):
        self.decoder, self.metadata, self.asked = decoder, decoder.metadata, []

    def __len__(self):
        return len(self.decoder)

    def get_frame_at(self, number):
        self.asked.append(number)
        return self.decoder.get_frame_at(number)

    def get_frames_in_range(self, start, stop):
        self.asked += range(start, stop)
        return self.decoder.get_frames_in_range(start, stop)


@pytest.mark.parametrize("noted", [False, True], ids=["bare", "noted"])
@pytest.mark.parametrize("name", READ)
def test_frames_and_times_are_those_of_the_file(clip, name, noted):
    path = clip(name)
    for family in FAMILIES:
        for options in ({}, {"start_seconds": 0.4, "end_seconds": 1.1}, {"sampling": "time"}):
            sampler = partial(family.sample_frames, num_frames=family.num_frames, **options)
            try:
                frames, metadata = decode_video(path, sampler, backend="torchcodec")
            except ValueError as error:  # it has no such segment
                with pytest.raises(type(error), match=re.escape(str(error))):
                    decode_video(make_decoder(path, noted), sampler)
                continue
            given_frames, given_metadata = decode_video(make_decoder(path, noted), sampler)
            assert given_frames.equal(frames)
            assert given_metadata == metadata


def test_only_sampled_frames_are_decoded(clip):
    decoder = Recording(make_decoder(clip("h264.mp4")))
    assert is_video_decoder(decoder)
    frames, _ = decode_video(decoder, sample(7, 21, 7))
    assert read_marks(frames) == [7, 21, 7]
    assert sorted(decoder.asked) == [0, 7, 21, 39]  # and the two that tell the rate


def test_all_are_decoded_once_to_learn_the_times_of_a_variable_rate(clip):
    decoder = Recording(make_decoder(clip("variable.mp4")))
    decode_video(decoder, sample(7, 21))
    assert len(decoder.asked) == 2 + 40 + 2


def test_options_of_the_decoder_stay(clip):
    transforms = pytest.importorskip("torchcodec.transforms")
    path = clip("h264.mp4")
    expected, metadata = decode_video(path, sample(3, 9), backend="torchcodec")
    for options in ({"dimension_order": "NHWC"}, {"num_ffmpeg_threads": 2}, {"seek_mode": "approximate"}):
        frames, given_metadata = decode_video(make_decoder(path, **options), sample(3, 9))
        assert frames.equal(expected) and given_metadata == metadata
    frames, given_metadata = decode_video(make_decoder(path, transforms=[transforms.Resize((24, 36))]), sample(3, 9))
    assert frames.shape == (2, 3, 24, 36) and (given_metadata.height, given_metadata.width) == (24, 36)
    as_floats, _ = decode_video(make_decoder(path, output_dtype=torch.float32), sample(3, 9))
    assert as_floats.dtype == torch.uint8 and read_marks(as_floats) == [3, 9]


def test_stream_of_the_decoder_stays(clip):
    path = clip("two_tracks.mp4")
    decoders = [make_decoder(path, stream_index=number) for number in (0, 1)]
    first, second = (decode_video(decoder, sample(0, 1))[0] for decoder in decoders)
    assert not first.equal(second)
    assert first.equal(decoders[0][:2]) and second.equal(decoders[1][:2])


def test_guessed_frames_are_refused(clip):
    decoder = make_decoder(clip("variable.mp4"), seek_mode="approximate")
    message = r'made with `seek_mode="approximate"`, which takes other frames for those of this video: make it with'
    with pytest.raises(ValueError, match=message):
        decode_video(decoder, sample(4, 7, 21))


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"max_pixels_per_frame": 3071}, "is 64x48, 3,072 pixels; at most 3,071 are taken"),
        (
            {"max_decoded_bytes": 2 * 64 * 48 * 3 - 1},
            "2 frames of .* at 64x48 are 18,432 bytes; at most 18,431 are held",
        ),
    ],
)
@pytest.mark.parametrize("noted", [False, True], ids=["bare", "noted"])
def test_limits_hold(clip, limits, message, noted):
    decoder = Recording(make_decoder(clip("h264.mp4"), noted))
    with pytest.raises(ValueError, match=message):
        decode_video(decoder, sample(3, 9), untrusted_input=UntrustedInput(**limits))
    assert len(decoder.asked) <= 2


def test_noted_file_does_not_leave_the_media_folder(clip, tmp_path):
    decoder = make_decoder(clip("h264.mp4"), noted=True)
    decode_video(decoder, sample(0), untrusted_input=UntrustedInput(media_folder=clip("h264.mp4").parent))
    with pytest.raises(ValueError, match=f"h264.mp4' leads to .*, out of the folder '{tmp_path}'"):
        decode_video(decoder, sample(0), untrusted_input=UntrustedInput(media_folder=tmp_path))


def test_noted_file_that_torchcodec_would_mistake(clip):
    with pytest.raises(ValueError, match="is not for torchcodec, which reads MP4, MOV, Matroska and WebM only"):
        decode_video(make_decoder(clip("h264.avi"), noted=True), sample(0))


def test_other_backend(clip):
    message = r"The video <VideoDecoder> is a VideoDecoder of TorchCodec, .*: leave `video_backend` \(pyav\) out"
    with pytest.raises(ValueError, match=message):
        decode_video(make_decoder(clip("h264.mp4")), backend="pyav")
    decode_video(make_decoder(clip("h264.mp4")), sample(0), backend="torchcodec")


def test_decoder_without_frames(clip):
    class Empty(Recording):
        def __len__(self):
            return 0

    with pytest.raises(ValueError, match="The video <VideoDecoder> has no frames"):
        decode_video(Empty(make_decoder(clip("h264.mp4"))))
