"""WAV files: any telephone-like one in, µ-law 8000 Hz out; and headers for those that we write.

Reading is for prompts and the test phone, off the hot path: a minute at 48000 Hz takes ten seconds.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sip_edge.media.g711 import alaw_to_linear, linear_to_ulaw, ulaw_to_linear
from sip_edge.media.resample import resample_to_8000

MAX_WAV_BYTES: Final = 32 * 1024 * 1024
"""35 minutes as we record, 3 minutes of 48000 Hz stereo: more than any prompt or message."""
SAMPLE_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""What sound cards, editors and speech synthesis produce."""

MAX_DATA_BYTES: Final = 0xFFFFFFFF - 64
"""Sizes have 32 bits, and the first one counts most of the header too."""

_UNKNOWN_SIZES: Final = (0, 0xFFFFFFFF)
"""What stands in a header whose writer could not seek back, or did not live to do so."""
_EXTENSIBLE: Final = 0xFFFE


class WavError(ValueError):
    """Not a WAV file that we can read; the text says why, for whoever supplied the file."""


class WavEncoding(Enum):
    """How samples are stored: the format tag (RFC 2361) of the files that we write."""

    PCM16 = 1
    ULAW = 7

    @property
    def sample_bytes(self) -> int:
        """Bytes for each sample."""
        return 2 if self is WavEncoding.PCM16 else 1


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    sample_rate: int
    sample_bits: int


def read_wav(data: bytes) -> bytes:
    """The sound of a WAV file as µ-law, 8000 Hz, mono; µ-law 8000 Hz mono comes out as it went in.

    PCM of 8 or 16 bits, A-law and µ-law, mono or stereo (which is mixed), at any of SAMPLE_RATES.
    Raises WavError.
    """
    wav_format, sound = _read_chunks(data)
    if wav_format.channels not in (1, 2):
        raise WavError(f"{wav_format.channels} channels; mono or stereo is needed")
    if wav_format.sample_rate not in SAMPLE_RATES:
        rates = ", ".join(map(str, SAMPLE_RATES))
        raise WavError(f"{wav_format.sample_rate} Hz; one of {rates} Hz is needed")
    if wav_format == _Format(WavEncoding.ULAW.value, 1, 8000, 8):
        return sound
    samples = _decode(wav_format, sound)
    if wav_format.channels == 2:
        samples = _mix(samples)
    if wav_format.sample_rate != 8000:
        samples = resample_to_8000(samples, wav_format.sample_rate)
    return linear_to_ulaw(_to_little_endian(samples))


def wav_header(*, encoding: WavEncoding, data_bytes: int) -> bytes:
    """What precedes `data_bytes` of mono sound at 8000 Hz; equally long whatever the size.

    A recorder writes it with 0 first, and over it with the true size at the end. An odd size needs
    one zero byte after the sound. Raises ValueError if the size is more than a WAV file can have.
    """
    if not 0 <= data_bytes <= MAX_DATA_BYTES:
        raise ValueError(f"no WAV file holds {data_bytes} bytes of sound")
    fmt = struct.pack(
        "<HHIIHH",
        encoding.value,
        1,
        8000,
        8000 * encoding.sample_bytes,
        encoding.sample_bytes,
        8 * encoding.sample_bytes,
    )
    chunks = b""
    if encoding is not WavEncoding.PCM16:
        # Other encodings than PCM have an extension, here of size 0, and a fact chunk.
        fmt += struct.pack("<H", 0)
        chunks = struct.pack("<4sII", b"fact", 4, data_bytes // encoding.sample_bytes)
    chunks = struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + chunks
    riff_size = 4 + len(chunks) + 8 + data_bytes + data_bytes % 2
    return (
        struct.pack("<4sI4s", b"RIFF", riff_size, b"WAVE")
        + chunks
        + struct.pack("<4sI", b"data", data_bytes)
    )


def ulaw_wav(ulaw: bytes) -> bytes:
    """A whole file that plays everywhere: `ulaw` as 16-bit PCM, 8000 Hz, mono."""
    linear = ulaw_to_linear(ulaw)
    return wav_header(encoding=WavEncoding.PCM16, data_bytes=len(linear)) + linear


def _read_chunks(data: bytes) -> tuple[_Format, bytes]:
    """The format and the sound: the first fmt chunk and the first data chunk after it."""
    if len(data) > MAX_WAV_BYTES:
        raise WavError(f"{len(data)} bytes; at most {MAX_WAV_BYTES} are read")
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WavError("not a WAV file (it does not begin with RIFF and WAVE)")
    is_unfinished = int.from_bytes(data[4:8], "little") in _UNKNOWN_SIZES
    wav_format: _Format | None = None
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"fmt ":
            wav_format = _read_format(data[position : position + size])
        elif name == b"data":
            if wav_format is None:
                raise WavError("the sound comes before its format")
            if is_unfinished and size == 0:
                size = len(data)
            return wav_format, data[position : position + size]
        # Chunks begin at even positions.
        position += size + size % 2
    raise WavError("no sound in the file (no data chunk)")


def _read_format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise WavError("the fmt chunk is too short")
    tag, channels, sample_rate, _, _, sample_bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        # The true tag is at the beginning of the sub-format's GUID.
        tag = int.from_bytes(chunk[24:26], "little")
    return _Format(tag, channels, sample_rate, sample_bits)


def _decode(wav_format: _Format, sound: bytes) -> array[int]:
    """Samples as signed 16-bit numbers, channels interleaved."""
    match wav_format.tag, wav_format.sample_bits:
        case 1, 16:
            return _from_little_endian(sound)
        case 1, 8:
            # Unsigned, with 128 for silence.
            return array("h", ((byte - 128) << 8 for byte in sound))
        case 6, 8:
            return _from_little_endian(alaw_to_linear(sound))
        case 7, 8:
            return _from_little_endian(ulaw_to_linear(sound))
        case tag, bits:
            raise WavError(
                f"format {tag} with {bits} bits; PCM of 8 or 16 bits, A-law or µ-law is needed"
            )


def _from_little_endian(linear: bytes) -> array[int]:
    samples = array("h", linear[: len(linear) - len(linear) % 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _to_little_endian(samples: array[int]) -> bytes:
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def _mix(samples: array[int]) -> array[int]:
    """The mean of left and right. A last sample without its partner is dropped."""
    pairs = zip(samples[0::2], samples[1::2], strict=False)
    return array("h", ((left + right) >> 1 for left, right in pairs))
