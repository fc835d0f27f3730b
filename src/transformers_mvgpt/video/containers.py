# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What a file is, by its first bytes and whatever its name. Videos are containers that hold their own frames. Playlists and scripts
make decoders open what they name, and so they reach none.
"""

import codecs
import contextlib
import re
from typing import BinaryIO, NamedTuple


class Container(NamedTuple):
    """
    Args:
        name (`str`):
            `"mp4"` (and MOV), `"matroska"` (and WebM), `"picture"` (Pillow reads it), `"other"` or `"unknown"`.
        demuxers (`str`):
            FFmpeg's names, with commas, of all that may read it.
    """

    name: str
    demuxers: str = ""


# FFmpeg looks at no more to find out what a file is.
_MAX_PROBED_BYTES = 1 << 20
_HEAD_BYTES = 8192

_UNKNOWN = Container("unknown")
_PICTURE = Container("picture")
_MP4 = Container("mp4", "mov")
_ELEMENTARY_STREAMS = Container("other", "h264,hevc,vvc,mpegvideo,m4v,mpeg,vc1,cavsvideo,avs2,avs3,evc")
_MJPEG = Container("other", "mjpeg,jpeg_pipe")
_AVI = Container("other", "avi")
_MPEG_PS = Container("other", "mpeg")
_MPEG_TS = Container("other", "mpegts")

_MP4_BOXES = (
    b"ftyp",
    b"moov",
    b"mdat",
    b"free",
    b"skip",
    b"wide",
    b"pnot",
    b"udta",
    b"styp",
    b"moof",
    b"sidx",
    b"uuid",
    b"junk",
)
_BY_FIRST_BYTES = {
    b"\x1a\x45\xdf\xa3": Container("matroska", "matroska"),
    b"FLV": Container("other", "flv,live_flv"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": Container("other", "asf,asf_o"),
    b"OggS": Container("other", "ogg"),
    b"DKIF": Container("other", "ivf"),
    b"YUV4MPEG2 ": Container("other", "yuv4mpegpipe"),
    b"nut/multimedia container\0": Container("other", "nut"),
    b".RMF": Container("other", "rm"),
    b"\xb7\xd8\x00\x20\x37\x49\xda\x11": Container("other", "wtv"),
    b"\0\0\0\0\x01\xbc": Container("other", "gxf"),
    b"\x12\0\x0a": Container("other", "obu"),
    b"BBCD": Container("other", "dirac"),
    b"\0\x0aSMJPEG": Container("other", "smjpeg"),
    b"\x84\x10\xff\xff\xff\xff": Container("other", "roq"),
    b"FILM": Container("other", "film_cpk"),
    b"SMK2": Container("other", "smk"),
    b"SMK4": Container("other", "smk"),
    b"BIK": Container("other", "bink"),
    b"FWS": Container("other", "swf"),
    b"CWS": Container("other", "swf"),
    b"\0\0\x02\x80\x01": Container("other", "dnxhd"),
    b"\0\0\x01\xba": _MPEG_PS,
    b"\xff\xd8\xff": _PICTURE,
    b"\x89PNG\r\n\x1a\n": _PICTURE,
    b"GIF87a": _PICTURE,
    b"GIF89a": _PICTURE,
    b"II*\0": _PICTURE,
    b"MM\0*": _PICTURE,
    b"\0\0\0\x0cjP  ": _PICTURE,
    b"\xff\x4f\xff\x51": _PICTURE,
}
_BY_RIFF_TYPE = {
    b"AVI ": _AVI,
    b"AVIX": _AVI,
    b"AVI\x19": _AVI,
    b"AMV ": _AVI,
    b"CDXA": _MPEG_PS,
    b"WEBP": _PICTURE,
}
_SOUND = {
    b"ID3": "MP3",
    b"fLaC": "FLAC",
    b"#!AMR": "AMR",
    b"ADIF": "AAC",
    b".snd": "AU",
    b"caff": "CAF",
    b"MThd": "MIDI",
    b"wvpk": "WavPack",
    b"\x0b\x77": "AC-3",
}
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

# What begins a playlist, after marks and blanks, or stands anywhere in one that FFmpeg recognizes by searching its text.
_PLAYLIST_STARTS = {
    b"#extm3u": "an HLS or M3U playlist",
    b"#ext-x-": "an HLS playlist",
    b"ffconcat": "an ffconcat script",
    b"file ": "an ffconcat script",
    b"[playlist]": "a PLS playlist",
    b"[reference]": "an ASX playlist",
    b"rtsptext": "a playlist",
    b"v=0": "an SDP description",
}
_PLAYLIST_PARTS = {
    rb"<mpd[\s>]|dash:profile": "a DASH manifest",
    rb"<compositionplaylist|<assetmap": "an IMF playlist",
    rb"<smoothstreamingmedia": "a Smooth Streaming manifest",
    rb"<(asx|smil)[\s>]": "a playlist",
    rb"(^|[\r\n])c=in ip|(^|[\r\n])m=video ": "an SDP description",
    rb"(^|[\r\n])ffconcat version": "an ffconcat script",
}


def recognize_container(file: BinaryIO) -> Container:
    """
    Reads 8 KB; more only of what looks like text.

    Raises:
        ValueError: if it is a playlist, a text, a web page or sound. The message goes on after "The video ... ".
    """
    head = file.read(_HEAD_BYTES)
    text = head
    if b"\0" not in head and len(head) == _HEAD_BYTES:
        text += file.read(_MAX_PROBED_BYTES - _HEAD_BYTES)
    # FFmpeg, too, searches up to the first zero: bytes that begin like a container may be a playlist to it
    _refuse_playlists(text.partition(b"\0")[0])
    container = _known(head)
    if container in (_UNKNOWN, _ELEMENTARY_STREAMS):
        _refuse_sound(head)
    if container is _UNKNOWN:
        _refuse_text(head)
    if (
        container is _PICTURE
        and head.startswith(b"\xff\xd8\xff")
        and b"MPF\0" not in head
        and _has_several_jpegs(file)
    ):
        return _MJPEG
    return container


def _known(head: bytes) -> Container:
    if head[4:8] in _MP4_BOXES:
        return _MP4
    if head.startswith(b"RIFF") or head.startswith(b"ON2 "):
        return _BY_RIFF_TYPE.get(head[8:12], _AVI if head.startswith(b"ON2 ") else _UNKNOWN)
    for start, container in _BY_FIRST_BYTES.items():
        if head.startswith(start):
            return container
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return _PICTURE
    if re.match(rb"P[1-7]\s", head):
        return _PICTURE
    if re.match(rb"\x1f\x07\0[\x3f\xbf]", head):
        return Container("other", "dv")
    if b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02" in head:
        return Container("other", "mxf")
    if _is_transport_stream(head):
        return _MPEG_TS
    # the picture headers of H.263 and H.261, which have no start codes of whole bytes
    if re.match(rb"\0\0[\x80-\x83]", head):
        return Container("other", "h263")
    if re.match(rb"\0\x01[\0-\x0f]", head):
        return Container("other", "h261")
    # recordings may begin in the middle of a picture
    return _ELEMENTARY_STREAMS if b"\0\0\x01" in head else _UNKNOWN


def _is_transport_stream(head: bytes) -> bool:
    """Whether it is one of packets of 188, 192 (Blu-ray) or 204 bytes. Recordings need not begin at one."""
    for size in (188, 192, 204):
        for start in range(min(size, len(head))):
            marks = head[start::size][:8]
            if len(marks) >= 3 and marks.count(b"G") == len(marks):
                return True
    return False


def _has_several_jpegs(file: BinaryIO) -> bool:
    """Whether this is motion JPEG. A single picture is read to its end, which may be a few megabytes."""
    file.seek(0)
    before = b""
    while block := file.read(1 << 20):
        if b"\xff\xd9\xff\xd8\xff" in before + block:
            return True
        before = block[-4:]
    return False


def _refuse_playlists(text: bytes) -> None:
    text = text.lower()
    start = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    what = next((what for mark, what in _PLAYLIST_STARTS.items() if start.startswith(mark)), None)
    what = what or next((what for part, what in _PLAYLIST_PARTS.items() if re.search(part, text)), None)
    if what is not None:
        raise ValueError(
            f"could not be read: it is {what}: it holds no frames but names other files, and those are not opened. Pass the video itself."
        )
    if re.match(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!doctype html|html|head|body)\b", start, re.DOTALL):
        raise ValueError(
            "could not be read: it is a web page (HTML), not a video. Pass the address or the file of the video itself."
        )


def _refuse_sound(head: bytes) -> None:
    kind = next((kind for start, kind in _SOUND.items() if head.startswith(start)), None)
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        kind = "WAV"
    if head.startswith(b"FORM") and head[8:11] == b"AIF":
        kind = "AIFF"
    # a frame of MPEG audio: eleven bits of ones, then neither the reserved version nor, but for AAC, the reserved layer
    if re.match(rb"\xff[\xe2-\xe7\xf0-\xf7\xf9-\xfd]", head):
        kind = "MP3 or AAC"
    if kind is not None:
        raise ValueError(f"has no video stream. Pass a file that has one: this is sound ({kind}).")


def _refuse_text(head: bytes) -> None:
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    is_readable = sum(byte < 127 for byte in head) >= 0.7 * len(head)
    with contextlib.suppress(UnicodeDecodeError):
        # the last character may be cut
        codecs.getincrementaldecoder("utf-8")().decode(head)
        is_readable = True
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (control == 0 and is_readable):
        raise ValueError("could not be read: it is a text, not a video. Pass the video itself.")
