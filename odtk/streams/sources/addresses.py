"""What users write to say where pictures are, taken apart."""

import re
import urllib.parse

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mpe", ".m2v", ".mts", ".m2ts", ".ts"),
    *(".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".vob", ".mxf", ".mjpg", ".mjpeg", ".y4m"),
)
"""Suffixes of video files, in lower case; the actual format is detected from the contents."""

PLAYLIST_SUFFIXES = (".m3u8", ".mpd")
"""Those of videos in pieces, which only addresses have."""

_LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp", "tcp", "mms", "mmsh")
_LIVE_SUFFIXES = (".mjpg", ".mjpeg")
# A user and the start of a password that has one of the signs in it that end a host, and should be quoted.
_NO_PORT = re.compile(r"[^@\[]*:[^@]*[^@\d][^@]*")


def scheme_of(written: str) -> str:
    """`https` of an address; "" of a path."""
    return written.partition("://")[0].lower() if "://" in written else ""


def path_in(address: str) -> str:
    """The path in an address, without what stands after it."""
    return urllib.parse.unquote(urllib.parse.urlsplit(address).path)


def is_live(address: str) -> bool:
    """Whether an address is of a camera: by its protocol, or as it is a stream of JPEGs."""
    return scheme_of(address) in _LIVE_SCHEMES or path_in(address).lower().endswith(_LIVE_SUFFIXES)


def is_video(address: str) -> bool:
    """Whether an address is of a video or a camera, as far as it says."""
    return is_live(address) or path_in(address).lower().endswith((*VIDEO_SUFFIXES, *PLAYLIST_SUFFIXES))


def without_password(address: str) -> str:
    """The address with three dots for a password in it, for messages and files."""
    scheme, slashes, rest = address.partition("://")
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in rest and _NO_PORT.fullmatch(host):
        host = rest[: rest.rindex("@") + 1]
    user, at, server = host.rpartition("@")
    if not (slashes and at and ":" in user):
        return address
    return f"{scheme}://{user.partition(':')[0]}:...@{server}{rest[len(host) :]}"
