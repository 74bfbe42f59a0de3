"""The audio of a video, taken along to another one."""

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

# What MP4 holds and players know: copied as it is. Anything else is encoded as AAC.
_COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac")
_ENCODER, _AAC_FRAME = "aac", 1024


def open_audio(source: str, target: OutputContainer, notes: list[str]) -> "AudioTrack | None":
    """The first audio stream of the file `source`, to be copied to `target`; None, with a note, if that fails."""
    try:
        container = av.open(source)
    except (av.error.FFmpegError, OSError):
        return None  # its frames came from elsewhere
    if not container.streams.audio:
        container.close()
        return None
    try:
        return AudioTrack(container, container.streams.audio[0], target, notes)
    except (av.error.FFmpegError, ValueError) as error:
        notes.append(f"it has no audio, as that of the source cannot be used ({error}).")
        container.close()
        return None


class AudioTrack:
    """Reads audio at the pace of the frames, so that neither has to wait in memory for the other."""

    def __init__(self, container: InputContainer, stream: AudioStream, target: OutputContainer, notes: list[str]):
        self._container, self._from, self._target, self._notes = container, stream, target, notes
        self._is_copied = stream.codec_context.name in _COPIED
        self._start = (container.start_time or 0) / av.time_base
        self._last = self._end = 0.0  # when the last packet begins and ends
        if self._is_copied:
            self._to = target.add_stream_from_template(stream)
        else:
            self._to = target.add_stream(_ENCODER, rate=stream.rate)
            self._to.layout = "mono" if stream.channels == 1 else "stereo"
            # AAC takes floats, so many at once.
            self._to_floats = av.AudioResampler("fltp", self._to.layout, stream.rate, frame_size=_AAC_FRAME)
        self._packets = container.demux(stream)
        self._waiting: av.Packet | None = None

    def copy_until(self, seconds: float) -> None:
        """Copies the audio before `seconds` since the start of the source."""
        try:
            while (packet := self._waiting or next(self._packets, None)) is not None:
                self._waiting = packet
                if packet.pts is not None and not self._is_before(packet, seconds):
                    return
                self._waiting = None
                self._copy(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:
            self._notes.append(f"its audio ends at {seconds:.1f} s, where that of the source is damaged ({error}).")
            self._packets = iter(())

    def close(self) -> None:
        """Ends the track; the target stays open."""
        if not self._is_copied:
            self._encode(None)
            self._target.mux(self._to.encode(None))
        self._container.close()

    def _is_before(self, packet: av.Packet, seconds: float) -> bool:
        """Whether the packet is next; recordings that were joined begin at 0 again, behind what there was."""
        begins = float(packet.pts * packet.time_base) - self._start
        if begins < self._last:
            self._start -= self._end - begins
            begins = self._end
        if begins >= seconds:
            return False
        self._last, self._end = begins, begins + float((packet.duration or 0) * packet.time_base)
        return True

    def _copy(self, packet: av.Packet) -> None:
        if self._is_copied:
            if packet.dts is None:  # the end
                return
            shift = round(self._start / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = self._to
            self._target.mux(packet)
            return
        for frame in packet.decode():
            if frame.pts is not None:
                frame.pts -= round(self._start / frame.time_base)
            self._encode(frame)

    def _encode(self, frame: av.AudioFrame | None) -> None:
        for part in self._to_floats.resample(frame):
            self._target.mux(self._to.encode(part))
