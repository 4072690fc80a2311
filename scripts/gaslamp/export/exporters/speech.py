"""Hear the difference: the recordings of the test rows beside what base and tuned model say, as sound files and one page."""

from __future__ import annotations

import html
import shutil
import wave
from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, write_text
from gaslamp.data.rows import get_prompt, get_text
from gaslamp.export.sources import Sources

REQUIRES = ("soundfile",)
ROWS = 12
WHO = ("recording", "base", "tuned")
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What it says</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }} th, td {{ text-align: left; padding: .5rem; border-bottom: 1px solid #ccc }} audio {{ width: 14rem }}</style>
<h1>What it says</h1>
<p>{rows} test rows that training never saw. A model that wrote no whole frame of audio tokens says nothing.</p>
<table><tr><th>text<th>recording<th>base<th>tuned</tr>
{lines}
</table></html>
"""


def export(sources: Sources, settings: Any, out: Path) -> None:
    """Write ``<row>-<who>.wav`` and index.html to ``out``.

    Raises:
        GaslampError: the run did not learn from recordings.
    """
    import soundfile
    from gaslamp.models.speech_codec import load_codec

    test = sources.card.parent / "test.jsonl"
    rows = list(islice((row for row in read_jsonl(test) if "audio" in row), ROWS))
    if not rows:
        raise GaslampError(
            "there are no recordings among the test rows: nothing to hear",
            "take speech out of export.formats; it belongs to method: tts",
        )
    made = Card.read(sources.card).provenance
    codec = load_codec(made.settings["data"]["speech"] if made else {})
    answers = {
        who: {line["id"]: line["text"] for line in read_jsonl(sources.compare.parent / f"{who}.predictions.jsonl")}
        for who in WHO[1:]
    }
    lines, said = [], dict.fromkeys(WHO[1:], 0)
    for number, row in enumerate(rows, 1):
        cells = [html.escape(get_text(get_prompt(row)[-1]))]
        for who in WHO:
            name = f"{number:02d}-{who}.wav"
            if who == "recording":
                shutil.copyfile(sources.card.parent / row["audio"], out / name)
            else:
                frames = codec.read(answers[who][row["id"]])
                if not frames:
                    cells.append("nothing")
                    continue
                soundfile.write(out / name, codec.decode(frames), codec.rate, subtype="PCM_16")
                said[who] += 1
            cells.append(f'<audio controls preload="metadata" src="{name}"></audio>')
        lines.append("<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>")
    write_text(out / "index.html", PAGE.format(rows=len(rows), lines="\n".join(lines)))
    verify(out)
    say(
        f"of {len(rows)} texts base says {said['base']}, tuned {said['tuned']}: {out.name.strip('.').split('.')[0]}/index.html"
    )


def verify(folder: Path) -> None:
    """Every sound file holds sound, and the page names each. Raises GaslampError otherwise."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    for file in folder.glob("*.wav"):
        with wave.open(str(file)) as sound:
            if not sound.getnframes() or file.name not in page:
                raise GaslampError(f"{file} is empty, or the page does not name it", "delete the folder and run again")
