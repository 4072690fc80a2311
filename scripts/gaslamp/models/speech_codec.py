"""Speech as tokens of a language model: a codec turns sound into codes, and each code is a token.

A codec (DAC, Mimi) has several code books; every frame of a few hundredths of a second has one code of each. The tokens
follow a pattern, ``data.speech.tokens``: ``<|c{book}_{code}|>`` writes a frame as ``<|c1_17|><|c2_803|>``.
"""

from __future__ import annotations

import hashlib
import io
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Samples = numpy.typing.NDArray[numpy.float32]

CODECS = {"dac": "n_quantizers", "mimi": "num_quantizers"}
"""Codec models of transformers that are supported -> the argument of their ``encode`` that limits the code books."""

MAX_BYTES = 100 << 20
"""Largest sound file that is read."""


class SpeechSection(TypedDict):
    """The ``data.speech`` section of the config."""

    codec: str | None
    tokens: str
    codebooks: int | None
    first: int


class Codec:
    """A codec and the tokens of a language model for its codes.

    Args:
        source: folder or hub id of a codec that transformers reads.
        tokens: pattern of a token, with {book} (from 1) and {code} (from 0), or with
            {number} = first + (book - 1) * size + code.
        codebooks: how many of its code books are used, the coarsest first; None: all.
        first: the number of the first code, for {number}.

    Raises:
        GaslampError: it cannot be read, or is of a kind that is not supported.
    """

    def __init__(self, source: str, tokens: str, codebooks: int | None = None, first: int = 0) -> None:
        from transformers import AutoConfig, AutoModel

        try:
            config = AutoConfig.from_pretrained(source, trust_remote_code=False)
            if config.model_type not in CODECS:
                raise GaslampError(
                    f"the codec {source} is of the kind {config.model_type}",
                    f"set data.speech.codec to one of the kinds {', '.join(CODECS)}",
                )
            self.model = AutoModel.from_pretrained(source, trust_remote_code=False, use_safetensors=True).eval()
        except (OSError, ValueError) as error:
            raise GaslampError(
                f"cannot read the codec {source}: {str(error)[:300]}",
                "set data.speech.codec to a folder or hub id of a DAC or Mimi codec",
            ) from error
        self.kind, self.rate, self.size = config.model_type, int(config.sampling_rate), int(config.codebook_size)
        most = int(config.n_codebooks if self.kind == "dac" else config.num_quantizers)
        if codebooks and codebooks > most:
            raise GaslampError(
                f"the codec {source} has {most} code books, and data.speech.codebooks asks for {codebooks}",
                f"set data.speech.codebooks to {most} or less",
            )
        self.books, self.tokens, self.first = codebooks or most, tokens, first
        self.hop = int(getattr(config, "hop_length", 0) or self.rate / config.frame_rate)  # samples of a frame

    def encode(self, samples: Samples) -> list[list[int]]:
        """Codes of mono sound at ``rate`` (float, -1 to 1), shape (frames, code books)."""
        import torch

        wave = torch.as_tensor(samples, dtype=torch.float32)
        wave = torch.nn.functional.pad(wave, (0, -len(wave) % self.hop))[None, None]
        with torch.inference_mode():
            codes = self.model.encode(wave, **{CODECS[self.kind]: self.books}).audio_codes
        frames: list[list[int]] = codes[0].T.tolist()
        return frames

    def decode(self, frames: list[list[int]]) -> Samples:
        """Mono sound at ``rate``, shape (samples,); empty without frames."""
        import numpy
        import torch

        if not frames:
            return numpy.zeros(0, dtype=numpy.float32)
        with torch.inference_mode():
            sound: Samples = self.model.decode(audio_codes=torch.tensor(frames).T[None]).audio_values.flatten().numpy()
        return sound

    def write(self, frames: list[list[int]]) -> str:
        """The tokens of some frames, frame by frame."""
        return "".join(self._get_token(book, code) for frame in frames for book, code in enumerate(frame))

    def _get_token(self, book: int, code: int) -> str:
        return self.tokens.format(book=book + 1, code=code, number=self.first + book * self.size + code)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        text = re.escape(self.tokens)
        for name in ("book", "code", "number"):
            text = text.replace(re.escape(f"{{{name}}}"), rf"(?P<{name}>\d+)")
        return re.compile(text)

    def read(self, text: str) -> list[list[int]]:
        """The frames in generated text; other text and frames that lack a book are skipped."""
        frames: list[list[int]] = []
        frame: list[int] = []
        for match in self._pattern.finditer(text):
            found = {name: int(value) for name, value in match.groupdict().items()}
            book, code = (
                (found["book"] - 1, found["code"])
                if "code" in found
                else divmod(found["number"] - self.first, self.size)
            )
            if not 0 <= code < self.size:
                frame = []
                continue
            frame = [*frame, code] if book == len(frame) else [code] if book == 0 else []
            if len(frame) == self.books:
                frames.append(frame)
                frame = []
        return frames


@lru_cache(maxsize=2)
def get_codec(source: str, tokens: str, codebooks: int | None, first: int) -> Codec:
    """A codec with these settings (see Codec), loaded once in a process."""
    return Codec(source, tokens, codebooks, first)


def load_codec(speech: SpeechSection | JsonObject) -> Codec:
    """The codec of a ``data.speech`` section.

    Raises:
        GaslampError: the section names none, or it cannot be read.
    """
    if not speech.get("codec"):
        raise GaslampError(
            "recordings need a codec that turns them into tokens of the base model, and data.speech.codec names none",
            "set data.speech.codec to the codec that the base model was made with (a folder or hub id)",
        )
    return get_codec(speech["codec"], speech["tokens"], speech["codebooks"], speech["first"])


def read_sound(value: object, folder: Path, rate: int) -> Samples:
    """Mono sound of a cell.

    Args:
        value: a path, the bytes of a file, or what ``datasets`` gives: {"bytes"} or {"array", "sampling_rate"}.
        folder: relative paths start here.
        rate: sampling rate of the result, in Hz.

    Returns:
        float32 samples from -1 to 1, shape (samples,).

    Raises:
        ValueError: it is no sound, is missing or too large, or its path leads out of ``folder``.
    """
    import numpy
    import soundfile
    from scipy.signal import resample_poly

    try:
        if isinstance(value, dict) and value.get("array") is not None:
            samples, own = numpy.asarray(value["array"], dtype=numpy.float32), int(value["sampling_rate"])
        else:
            samples, own = soundfile.read(io.BytesIO(_load(value, folder)), dtype="float32")
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise ValueError(f"the sound cannot be read: {str(error)[:100]}") from error
    if samples.ndim > 1:
        samples = samples.mean(axis=int(samples.shape[0] > samples.shape[-1]))
    if not len(samples):
        raise ValueError("the sound is empty")
    if own != rate:
        common = numpy.gcd(own, rate)
        samples = resample_poly(samples, rate // common, own // common)
    return samples.astype(numpy.float32)


def _load(value: object, folder: Path) -> bytes:
    if isinstance(value, dict):
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("the sound is empty or missing")
    if value.startswith(("http://", "https://")):
        raise ValueError(f"the sound is a web address ({value[:80]}): download it and give its path")
    file = Path(value)
    path = file if file.is_absolute() else folder / file
    if ".." in file.parts or (not file.is_absolute() and not path.resolve().is_relative_to(folder.resolve())):
        raise ValueError(f"the path {value} leads out of the folder of the data")
    if not path.is_file():
        raise ValueError(f"there is no sound {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the sound {value} has {path.stat().st_size >> 20} MB; the limit is {MAX_BYTES >> 20} MB")
    return path.read_bytes()


def store_sound(samples: Samples, rate: int, folder: Path) -> str:
    """Write mono sound as a 16-bit ``folder``/audio/<sha16>.wav; returns the path relative to ``folder``."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    name = f"audio/{hashlib.sha256(buffer.getvalue()).hexdigest()[:16]}.wav"
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(buffer.getvalue())
    return name
