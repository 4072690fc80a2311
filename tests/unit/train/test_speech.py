"""Text to speech: recordings become tokens of the base model and sound again, on a tiny codec with random weights."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import facts
import numpy
import pytest
import soundfile
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core import registry
from gaslamp.core.contracts import Card, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, write_jsonl
from gaslamp.data.prepare import prepare_data
from gaslamp.export.artefacts import RunFiles
from gaslamp.models.fetch import fetch_model
from gaslamp.models.speech_codec import Codec, load_codec, read_sound, store_sound
from pydantic import ValidationError

OUTPUTS = {
    "train": "train.jsonl",
    "valid": "valid.jsonl",
    "test": "test.jsonl",
    "template": "template.json",
    "card": "card.json",
    "strategy": "strategy.md",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec, 60 recordings with their texts, and a model that has a token for each code."""
    folder = tmp_path_factory.mktemp("speech")
    tiny.write_codec(folder / "codec")
    tiny.write_sounds(folder / "sounds")
    tiny.write_speech_checkpoint(folder / "tiny-speech")
    return folder


def prepare(place: Path, out: Path, model: Path | None = None, source: Path | None = None) -> Card:
    """The data phase of method tts; outputs in ``out``."""
    config = Config.model_validate(
        {
            "method": "tts",
            "model": {"source": str(model or place / "tiny-speech")},
            "train": {"max_length": 256},
            "data": {
                "source": str(source or place / "sounds" / "speech.csv"),
                "speech": {"codec": str(place / "codec")},
            },
        }
    )
    out.mkdir(exist_ok=True)
    fetch_model(config.model, out / "model.json")
    settings = parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking"))
    return prepare_data(settings, out / "model.json", {name: out / file for name, file in OUTPUTS.items()})


@pytest.fixture(scope="module")
def prepared(place: Path) -> Path:
    prepare(place, place / "data")
    return place / "data"


@pytest.mark.parametrize(("pattern", "first"), [("<|c{book}_{code}|>", 0), ("<custom_token_{number}>", 10)])
def test_sound_becomes_tokens_and_sound_again(place: Path, pattern: str, first: int) -> None:
    codec = Codec(str(place / "codec"), pattern, None, first)
    low, high = (read_sound(f"{item}_Ana.wav", place / "sounds", codec.rate) for item in ("tea", "quiche"))
    frames = codec.encode(low)
    assert (
        len(frames) == 8
        and all(len(frame) == 2 and max(frame) < 16 for frame in frames)
        and frames != codec.encode(high)
    )
    text = codec.write(frames)
    assert codec.read(text) == frames and codec.decode(frames).shape == (8 * 320,)
    cut = f"well {text[: len(text) // 2]} {codec.write([[3, 99]])}{codec.write([[5, 6]])}"
    assert codec.read(cut) == [*frames[:4], [5, 6]], "words, and frames that are not whole, are left out"
    assert codec.read("no sound") == [] and len(codec.decode([])) == 0
    assert Codec(str(place / "codec"), pattern, 1, first).encode(low) == [[book] for book, _ in frames], (
        "the coarsest book alone"
    )


def test_what_a_codec_can_lack(place: Path) -> None:
    with pytest.raises(GaslampError, match=r"data\.speech\.codec names none"):
        load_codec({"codec": None, "tokens": "<{number}>", "codebooks": None, "first": 0})
    with pytest.raises(GaslampError, match="of the kind llama"):
        Codec(str(place / "tiny-speech"), "<{number}>")
    with pytest.raises(GaslampError, match="has 2 code books"):
        Codec(str(place / "codec"), "<{number}>", 3)
    with pytest.raises(GaslampError, match="cannot read the codec"):
        Codec(str(place / "none"), "<{number}>")
    with pytest.raises(ValidationError, match="otherwise the token of a code is undefined"):
        Config.model_validate({"data": {"speech": {"tokens": "<{code}>"}}})


def test_sounds_of_every_form(place: Path, tmp_path: Path) -> None:
    file = place / "sounds" / "tea_Ana.wav"
    plain = read_sound(file.name, file.parent, 8000)
    for value in (
        str(file),
        file.read_bytes(),
        {"bytes": file.read_bytes(), "path": None},
        {"path": file.name},
        {"array": plain.tolist(), "sampling_rate": 8000},
    ):
        assert numpy.allclose(read_sound(value, file.parent, 8000), plain)
    soundfile.write(tmp_path / "a.flac", numpy.stack([plain.repeat(2), plain.repeat(2)], axis=1), 16000)
    assert abs(len(read_sound("a.flac", tmp_path, 8000)) - len(plain)) < 2, "two channels at twice the rate"
    (tmp_path / "text.wav").write_text("no sound")
    for value, problem in (
        ("text.wav", "cannot be read"),
        ("none.wav", "no sound"),
        ("../a.wav", "leads out"),
        (b"", "cannot be read"),
        ("", "missing"),
        ("https://a/b.wav", "web address"),
    ):
        with pytest.raises(ValueError, match=problem):
            read_sound(value, tmp_path, 8000)


def test_recordings_become_rows_that_any_phase_can_read(prepared: Path) -> None:
    card = Card.read(prepared / "card.json")
    rows = list(read_jsonl(prepared / "train.jsonl"))
    assert card.kind == "speech" and card.format == "speech" and card.rows["rehearsal"] == 0 and card.rows["read"] == 60
    row = next(row for row in rows if row["messages"][0]["content"] == "Ana: tea please")
    assert row["audio_tokens"] == 16 and row["messages"][1]["content"].count("<|c") == 16
    with wave.open(str(prepared / row["audio"])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (8000, 1, 2400)
    template = Template.read(prepared / "template.json")
    assert sum(template.example_trained) == 17, "each code is one token, and the end is learnt"
    assert card.tokens["total"]["max"] < 100


def test_a_model_without_the_tokens_and_a_damaged_recording_stop(place: Path, tmp_path: Path) -> None:
    plain = tiny.write_checkpoint(tmp_path / "tiny-chat")
    with pytest.raises(GaslampError) as caught:
        prepare(place, tmp_path / "a", plain)
    assert "16 audio tokens became" in caught.value.cause and "a model trained with this codec" in caught.value.fix
    sounds = tiny.write_sounds(tmp_path / "sounds").parent
    (sounds / "tea_Ben.wav").write_bytes(b"RIFF")
    (sounds / "soup_Eve.wav").unlink()
    with pytest.raises(GaslampError, match=r"(?s)line 3: the sound cannot be read.*line \d+: there is no sound"):
        prepare(place, tmp_path / "b", source=sounds / "speech.csv")
    assert not list((tmp_path / "b").glob("*.jsonl"))


def test_recordings_that_teach_badly_are_named(tmp_path: Path) -> None:
    from gaslamp.data.checking import Facts, Sample
    from gaslamp.data.checks import recordings

    time = numpy.arange(8000) / 8000
    tone = 0.5 * numpy.sin(2 * numpy.pi * 200 * time)
    sounds = {"good": tone, "short": tone[:800], "silent": 0.001 * tone, "clipped": numpy.clip(9 * tone, -1, 1)}
    rows = [Sample(name, {"audio": store_sound(sound, 8000, tmp_path)}) for name, sound in sounds.items()]
    found = {
        finding.place: finding.text
        for finding in recordings.check(
            rows, Facts("speech", "tts", 512, dict(recordings.OPTIONS), folder=str(tmp_path))
        )
    }
    assert (
        set(found) == {"short", "silent", "clipped"}
        and "0.1 seconds" in found["short"]
        and "silent" in found["silent"]
        and "clipped" in found["clipped"]
    )


def test_recordings_and_generated_speech(prepared: Path, tmp_path: Path) -> None:
    """The exporter decodes the answers; an answer without a frame has no speech."""
    export = registry.get("exporters", "speech")
    rows = list(read_jsonl(prepared / "test.jsonl"))
    (tmp_path / "eval").mkdir(), (tmp_path / "out").mkdir()
    write_jsonl(
        tmp_path / "eval" / "base.predictions.jsonl", [{"id": row["id"], "text": "tea, please"} for row in rows]
    )
    write_jsonl(
        tmp_path / "eval" / "tuned.predictions.jsonl",
        [{"id": row["id"], "text": row["messages"][-1]["content"]} for row in rows],
    )
    none: Any = tmp_path / "none"
    export.export(
        RunFiles(none, none, none, none, prepared / "card.json", none, tmp_path / "eval" / "compare.json", none),
        None,
        tmp_path / "out",
    )
    heard = sorted(file.name for file in (tmp_path / "out").glob("*.wav"))
    assert heard[:2] == ["01-recording.wav", "01-tuned.wav"] and not any("base" in name for name in heard)
    assert soundfile.info(tmp_path / "out" / "01-tuned.wav").frames == 8 * 320
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count("<audio") == len(heard) and "no speech" in page
    facts.card().write(tmp_path / "card.json")
    write_jsonl(tmp_path / "test.jsonl", [{"id": "a", "messages": []}])
    with pytest.raises(GaslampError, match="no test row has a recording"):
        export.export(
            RunFiles(none, none, none, none, tmp_path / "card.json", none, none, none), None, tmp_path / "out"
        )
