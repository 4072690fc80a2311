"""Recordings of the test rows, and the speech of base and tuned model, as sound files and a page."""

from __future__ import annotations

import html
import shutil
import wave
from itertools import islice
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, write_text
from gaslamp.data.rows import get_prompt, get_text
from gaslamp.export.artefacts import RunFiles

TITLE = "sound files of the test rows"
NEEDS_ANSWERS = True  # not for models that return scores or vectors
REQUIRES = ("soundfile",)
ROWS = 12
VERSIONS = ("recording", "base", "tuned")
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Speech of base and tuned model</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .5rem; border-bottom: 1px solid #ccc }}
audio {{ width: 14rem }}</style>
<h1>Speech of base and tuned model</h1>
<p>{rows} test rows that training never saw. "No speech": the model generated no complete frame of audio tokens.</p>
<table><tr><th>text<th>recording<th>base<th>tuned</tr>
{lines}
</table></html>
"""


def export(run: RunFiles, settings: Slice, out: Path) -> None:
    """Write ``<row>-<who>.wav`` and index.html to ``out``.

    Raises:
        GaslampError: the training data has no recordings.
    """
    import soundfile
    from gaslamp.models.speech_codec import load_codec

    test = run.card.parent / "test.jsonl"
    rows = list(islice((row for row in read_jsonl(test) if "audio" in row), ROWS))
    if not rows:
        raise GaslampError(
            "no test row has a recording, so there is no speech to export",
            "take speech out of export.formats; it belongs to method: tts",
        )
    made = Card.read(run.card).provenance
    codec = load_codec(made.settings["data"]["speech"] if made else {})
    answers = {
        who: {line["id"]: line["text"] for line in read_jsonl(run.compare.parent / f"{who}.predictions.jsonl")}
        for who in VERSIONS[1:]
    }
    lines, spoken = [], dict.fromkeys(VERSIONS[1:], 0)
    for number, row in enumerate(rows, 1):
        cells = [html.escape(get_text(get_prompt(row)[-1]))]
        for who in VERSIONS:
            name = f"{number:02d}-{who}.wav"
            if who == "recording":
                shutil.copyfile(run.card.parent / row["audio"], out / name)
            else:
                frames = codec.read(answers[who][row["id"]])
                if not frames:
                    cells.append("no speech")
                    continue
                soundfile.write(out / name, codec.decode(frames), codec.rate, subtype="PCM_16")
                spoken[who] += 1
            cells.append(f'<audio controls preload="metadata" src="{name}"></audio>')
        lines.append("<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>")
    write_text(out / "index.html", PAGE.format(rows=len(rows), lines="\n".join(lines)))
    verify(out)
    say(
        f"speech for {spoken['base']} of {len(rows)} texts by base, {spoken['tuned']} by tuned: "
        f"{out.name.strip('.').split('.')[0]}/index.html"
    )


def verify(folder: Path) -> None:
    """No sound file is empty, and the page names each. Raises GaslampError otherwise."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    for file in folder.glob("*.wav"):
        with wave.open(str(file)) as sound:
            if not sound.getnframes() or file.name not in page:
                raise GaslampError(f"{file} is empty, or the page does not name it", "delete the folder and run again")
