"""WAV files in and out. Reference files are made with the standard library's `wave` or by hand."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from support.audio import correlation

from sip_edge.media.g711 import linear_to_alaw, linear_to_ulaw, ulaw_to_linear
from sip_edge.media.levels import rms_dbfs
from sip_edge.media.wav import (
    MAX_DATA_BYTES,
    MAX_WAV_BYTES,
    WavEncoding,
    WavError,
    read_wav,
    ulaw_wav,
    wav_header,
)

MILLIWATT = bytes.fromhex("1E0B0B1E9E8B8B9E") * 100


def pcm_file(linear: bytes, *, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """A file as the standard library writes it."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(linear)
    return buffer.getvalue()


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body) if size is None else size) + b"WAVE" + body


def fmt(*, tag: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)


def sine(frequency: int, *, rate: int, amplitude: int = 10000, seconds: float = 0.5) -> bytes:
    times = np.arange(int(rate * seconds)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * frequency * times)).astype("<i2").tobytes()


class TestReading:
    def test_16_bit_pcm_is_coded(self) -> None:
        assert read_wav(pcm_file(struct.pack("<4h", 0, 1000, -1000, 32767))) == b"\xff\xce\x4e\x80"

    def test_8_bit_pcm_is_unsigned_around_128(self) -> None:
        assert read_wav(pcm_file(b"\x80\x84\x7c", width=1)) == linear_to_ulaw(
            struct.pack("<3h", 0, 1024, -1024)
        )

    def test_ulaw_comes_out_as_it_went_in(self) -> None:
        codes = bytes(range(256))
        assert read_wav(riff((b"fmt ", fmt(tag=7, bits=8)), (b"data", codes))) == codes

    def test_alaw_is_translated(self) -> None:
        file = riff((b"fmt ", fmt(tag=6, bits=8)), (b"data", bytes.fromhex("34212134B4A1A1B4")))
        assert read_wav(file) == bytes.fromhex("1E0B0B1E9E8B8B9E")

    def test_stereo_is_mixed_to_the_mean_of_left_and_right(self) -> None:
        file = pcm_file(struct.pack("<4h", 1000, 3000, -4000, 4000), channels=2)
        assert read_wav(file) == linear_to_ulaw(struct.pack("<2h", 2000, 0))

    def test_stereo_alaw_is_mixed_too(self) -> None:
        sound = linear_to_alaw(struct.pack("<2h", 1000, 1000))
        file = riff((b"fmt ", fmt(tag=6, bits=8, channels=2)), (b"data", sound))
        assert read_wav(file) == b"\xce"

    def test_last_sample_without_its_partner_is_dropped(self) -> None:
        file = riff((b"fmt ", fmt(channels=2)), (b"data", struct.pack("<3h", 1000, 1000, 7)))
        assert read_wav(file) == b"\xce"

    def test_half_a_sample_at_the_end_is_dropped(self) -> None:
        file = riff((b"fmt ", fmt()), (b"data", struct.pack("<h", 1000) + b"\x01"))
        assert read_wav(file) == b"\xce"

    def test_extensible_format_is_read_by_its_sub_format(self) -> None:
        guid = bytes.fromhex("0100000000001000800000AA00389B71")
        extension = struct.pack("<HHI", 22, 16, 4) + guid
        file = riff((b"fmt ", fmt(tag=0xFFFE) + extension), (b"data", struct.pack("<h", 1000)))
        assert read_wav(file) == b"\xce"

    def test_other_format_is_not_taken_from_an_extension(self) -> None:
        file = riff((b"fmt ", fmt() + bytes(8) + b"\x06\0"), (b"data", struct.pack("<h", 1000)))
        assert read_wav(file) == b"\xce"

    def test_unknown_chunks_are_skipped_with_their_padding(self) -> None:
        file = riff(
            (b"LIST", b"odd"), (b"fmt ", fmt(tag=7, bits=8)), (b"fact", b"1234"), (b"data", b"\xce")
        )
        assert read_wav(file) == b"\xce"

    def test_what_follows_the_sound_is_not_played(self) -> None:
        file = riff((b"fmt ", fmt(tag=7, bits=8)), (b"data", b"\xce\xcf"), (b"LIST", b"Artist"))
        assert read_wav(file) == b"\xce\xcf"

    def test_sound_cut_short_is_read_as_far_as_it_goes(self) -> None:
        assert read_wav(pcm_file(bytes(320))[:-20]) == b"\xff" * 150

    @pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
    def test_file_whose_writer_died_is_read_to_its_end(self, size: int) -> None:
        file = riff((b"fmt ", fmt(tag=7, bits=8)), (b"data", b""), size=size) + b"\xce\xcf"
        assert read_wav(file) == b"\xce\xcf"

    def test_file_that_says_that_it_has_no_sound_has_none(self) -> None:
        file = riff((b"fmt ", fmt(tag=7, bits=8)), (b"data", b""), (b"LIST", b"Artist"))
        assert read_wav(file) == b""

    def test_sound_of_unknown_size_reaches_to_the_end(self) -> None:
        file = riff((b"fmt ", fmt(tag=7, bits=8))) + b"data\xff\xff\xff\xff\xce\xcf"
        assert read_wav(file) == b"\xce\xcf"

    def test_empty_file_has_no_sound(self) -> None:
        assert read_wav(pcm_file(b"")) == b""


class TestResampling:
    @pytest.mark.parametrize("rate", [11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
    def test_speech_frequencies_pass_unchanged_and_in_time(self, rate: int) -> None:
        heard = read_wav(pcm_file(sine(1000, rate=rate), rate=rate))
        expected = linear_to_ulaw(sine(1000, rate=8000))
        assert len(heard) == 4000
        assert correlation(expected, heard, 3) == (pytest.approx(1.0, abs=0.001), 0)
        assert rms_dbfs(heard) == pytest.approx(-13.3, abs=0.1)

    @pytest.mark.parametrize("frequency", [300, 3400])
    def test_the_edges_of_the_telephone_band_lose_nothing(self, frequency: int) -> None:
        heard = read_wav(pcm_file(sine(frequency, rate=48000), rate=48000))
        assert rms_dbfs(heard[400:-400]) == pytest.approx(-13.3, abs=0.1)

    @pytest.mark.parametrize("frequency", [4200, 5000, 7000])
    def test_what_would_fold_into_speech_is_gone(self, frequency: int) -> None:
        heard = read_wav(pcm_file(sine(frequency, rate=48000), rate=48000))
        assert rms_dbfs(heard[400:-400]) < -70

    def test_silence_and_a_constant_stay_what_they_are(self) -> None:
        constant = read_wav(pcm_file(struct.pack("<h", 1000) * 44100, rate=44100))
        assert len(constant) == 8000
        assert set(constant[200:-200]) == {0xCE}
        assert read_wav(pcm_file(bytes(2 * 4410), rate=44100)) == b"\xff" * 800

    def test_overshoot_is_clipped_and_does_not_wrap_around(self) -> None:
        square = struct.pack("<h", 32767) * 240 + struct.pack("<h", -32768) * 240
        heard = ulaw_to_linear(read_wav(pcm_file(square * 10, rate=48000)))
        samples = np.frombuffer(heard, dtype="<i2")
        # Each half lasts 40 samples; away from the edges it keeps its sign.
        assert all(np.all(samples[start + 5 : start + 35] > 30000) for start in range(80, 720, 80))

    def test_stereo_at_another_rate_is_mixed_first(self) -> None:
        left = np.frombuffer(sine(1000, rate=16000), dtype="<i2")
        stereo = np.column_stack((left, np.zeros_like(left))).astype("<i2").tobytes()
        heard = read_wav(pcm_file(stereo, rate=16000, channels=2))
        assert len(heard) == 4000
        assert rms_dbfs(heard) == pytest.approx(-19.3, abs=0.1)


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "not a WAV file"),
            (b"ID3\x04" + bytes(100), "not a WAV file"),
            (b"RIFX" + pcm_file(b"")[4:], "not a WAV file"),
            (b"RIFF\x04\0\0\0AVI " + bytes(100), "not a WAV file"),
            (riff(), "no sound"),
            (riff((b"fmt ", fmt())), "no sound"),
            (riff((b"data", b"\0\0"), (b"fmt ", fmt())), "before its format"),
            (riff((b"fmt ", b"\x01\0\x01\0"), (b"data", b"")), "too short"),
            (riff((b"fmt ", fmt(channels=0)), (b"data", b"")), "0 channels"),
            (riff((b"fmt ", fmt(channels=6)), (b"data", b"")), "6 channels"),
            (riff((b"fmt ", fmt(rate=96000)), (b"data", b"")), "96000 Hz"),
            (riff((b"fmt ", fmt(rate=0)), (b"data", b"")), "0 Hz"),
            (riff((b"fmt ", fmt(bits=24)), (b"data", b"")), "format 1 with 24 bits"),
            (riff((b"fmt ", fmt(tag=3, bits=32)), (b"data", b"")), "format 3 with 32 bits"),
            (riff((b"fmt ", fmt(tag=0x55, bits=0)), (b"data", b"")), "format 85"),
            (riff((b"fmt ", fmt(tag=0xFFFE)), (b"data", b"")), "format 65534"),
            (bytes(MAX_WAV_BYTES + 1), "at most 33554432"),
        ],
    )
    def test_file_that_cannot_be_read_is_refused_with_the_reason(
        self, data: bytes, reason: str
    ) -> None:
        with pytest.raises(WavError, match=reason):
            read_wav(data)


class TestWriting:
    def test_pcm_header_is_the_one_of_the_standard_library(self) -> None:
        assert wav_header(encoding=WavEncoding.PCM16, data_bytes=320) + bytes(320) == (
            pcm_file(bytes(320))
        )

    def test_ulaw_header_has_an_extension_and_a_fact_chunk(self) -> None:
        assert wav_header(encoding=WavEncoding.ULAW, data_bytes=160) == bytes.fromhex(
            "52494646 D2000000 57415645"  # RIFF, 210, WAVE
            "666D7420 12000000 0700 0100 401F0000 401F0000 0100 0800 0000"
            "66616374 04000000 A0000000"  # fact: 160 samples
            "64617461 A0000000"
        )

    @pytest.mark.parametrize("encoding", WavEncoding)
    def test_header_is_equally_long_whatever_the_size(self, encoding: WavEncoding) -> None:
        sizes = {
            len(wav_header(encoding=encoding, data_bytes=size)) for size in (0, 1, MAX_DATA_BYTES)
        }
        assert len(sizes) == 1

    def test_padding_of_an_odd_size_is_counted_in_the_file_but_not_in_the_sound(self) -> None:
        header = wav_header(encoding=WavEncoding.ULAW, data_bytes=3)
        assert struct.unpack_from("<I", header, 4) == (50 + 3 + 1,)
        assert header[-4:] == b"\x03\0\0\0"

    @pytest.mark.parametrize("size", [-1, MAX_DATA_BYTES + 1])
    def test_size_that_no_file_can_have_is_an_error(self, size: int) -> None:
        with pytest.raises(ValueError, match="no WAV file"):
            wav_header(encoding=WavEncoding.PCM16, data_bytes=size)

    def test_recording_whose_sizes_are_patched_at_the_end_can_be_read(self) -> None:
        file = bytearray(wav_header(encoding=WavEncoding.ULAW, data_bytes=0))
        file += MILLIWATT
        file[:58] = wav_header(encoding=WavEncoding.ULAW, data_bytes=len(MILLIWATT))
        assert read_wav(bytes(file)) == MILLIWATT

    def test_whole_file_is_16_bit_pcm_that_the_standard_library_reads(self) -> None:
        with wave.open(io.BytesIO(ulaw_wav(MILLIWATT))) as file:
            assert file.getparams()[:4] == (1, 2, 8000, 800)
            assert file.readframes(4) == struct.pack("<4h", -8828, -20860, -20860, -8828)

    def test_whole_file_is_read_back_as_it_was(self) -> None:
        assert read_wav(ulaw_wav(MILLIWATT)) == MILLIWATT
