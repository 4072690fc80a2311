"""The data page: what will be learnt from, as one HTML file that opens without a network.

Rows are shown as text, never as markup.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.console import say
from gaslamp.core.contracts import Card, ModelFacts, Template
from gaslamp.core.files import JsonObject, sha256_path, write_text
from gaslamp.data.card import describe_rows
from gaslamp.data.meaning.readings import write_mapping
from gaslamp.data.page_rows import get_page_rows, pick_slices
from gaslamp.data.rows import KINDS, Row, get_images, get_kind
from gaslamp.models.template import Renderer
from gaslamp.pages.html import embed_file, escape_json, render_template

HERE = Path(__file__).parent
NOT_LEARNED = {
    "prompt": "no token here carries loss: the model answers these prompts and rewards score its answers",
    "pair": "no token here carries loss: the embeddings of texts that belong together move closer",
    "score": "no token here carries loss: a reward model reads the whole text of each side and gives it one score",
}
SPLITS = ("train", "valid", "test")
SPLIT_NAMES = {"train": "training", "rehearsal": "general chat data", "valid": "validation", "test": "test"}
SHOWN = 5  # training rows, evenly spread; one validation and one test row come after them
MEASURED = 32  # rows of most bytes, of which the one with most tokens is shown as the longest
LONGEST_TEXT = 6000  # letters of a row that are shown
PICTURE_BYTES = 200_000  # larger pictures are named, not shown
SOUND_BYTES = 2_000_000  # 40 seconds at 24 kHz
VERDICTS = {"blocked": "bad", "warning": "warn", "noted": "even", "fixed": "even", "passed": "good", "off": "off"}
TWINS = ("exact_duplicates", "near_duplicates", "exact_leaks", "near_leaks")
KIND_NAMES = {
    "conversation": "conversations",
    "preference": "pairs of a better and a worse answer",
    "rating": "answers rated good or bad",
    "prompt": "prompts whose answers rewards score",
    "pair": "pairs of texts",
    "text": "running text",
    "speech": "recordings and what is said in them",
}


@dataclass(frozen=True)
class Piece:
    """Some text of a row: one token, or what belongs together, and whether the model learns it."""

    text: str
    learnt: bool


def cut_tokens(renderer: Renderer, pieces: list[tuple[str, bool]]) -> list[Piece]:
    """The tokens of rendered text as pieces of that text.

    Args:
        renderer: a gaslamp.models.template.Renderer.
        pieces: text and whether it is learnt, as Renderer.split gives them.

    Tokens that are parts of one letter (bytes of an emoji) are joined: a page can show them in no other way.
    """
    result: list[Piece] = []
    for text, learnt in pieces:
        if not text:
            continue
        if not getattr(renderer.tokenizer, "is_fast", False):  # it cannot say where a token stands in the text
            result.append(Piece(text, learnt))
            continue
        offsets = renderer.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        borders = sorted({0, len(text), *(start for start, _ in offsets)})
        result += [Piece(text[start:end], learnt) for start, end in zip(borders[:-1], borders[1:], strict=True)]
    return result


def pick_rows(file: Path, count: int, wanted: int, first: int = 0) -> list[tuple[int, Row]]:
    """Some rows of a JSON-lines file, spread over it, with their numbers from 1.

    Not quite evenly: rows are often periodic (ten classes, two languages), and each fortieth would be of the same kind.

    Args:
        file: JSON lines.
        count: how many rows it has.
        wanted: how many to pick.
        first: how many rows at its beginning to skip.
    """
    left = count - first
    chosen = sorted({min(count - 1, first + index * left // wanted + 3 * index) for index in range(min(wanted, left))})
    rows = []
    with file.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle):
            if number in chosen:
                rows.append((number + 1, json.loads(line)))
            if number == chosen[-1] if chosen else True:
                break
    return rows


def find_longest(renderer: Renderer, file: Path, count: int) -> tuple[int, Row] | None:
    """The row with most tokens among the first ``count``, with its number; None when there is none.

    Only the rows with most bytes are tokenized: one of them is the longest.
    """
    from gaslamp.data.encode import encode_rows, split_row

    with file.open("rb") as handle:
        lines = nlargest(MEASURED, enumerate(islice(handle, count), 1), key=lambda item: len(item[1]))
    rows = [(number, json.loads(line)) for number, line in sorted(lines)]
    encoded = encode_rows(renderer, [split_row(renderer, row) for _, row in rows])
    tokens = [max((len(one.ids) for one in sides), default=0) for sides in encoded]
    return max(zip(tokens, rows, strict=True), key=lambda item: item[0])[1] if rows else None


def lay_out(renderer: Renderer, row: Row, folder: Path) -> JsonObject:
    """One row as the page shows it: its sides with coloured tokens, its other columns, its pictures."""
    from gaslamp.data.encode import split_row

    kind = get_kind(row)
    names = {"preference": ("chosen", "rejected"), "pair": ("anchor", "positive", "negative")}.get(kind, ("",))
    sides = []
    sequences = split_row(renderer, row)
    if kind == "conversation" and len(sequences) > 1:  # the template renders earlier turns differently
        names = tuple(f"answer {number}" for number in range(1, len(sequences) + 1))
    for name, pieces in zip(names, sequences, strict=False):
        tokens = cut_tokens(renderer, pieces)
        shown, letters = [], 0
        for token in tokens:
            if letters > LONGEST_TEXT:
                break
            shown.append(token)
            letters += len(token.text)
        sides.append(
            {
                "name": name,
                "runs": _join(shown),
                "total": len(tokens),
                "learnt": sum(token.learnt for token in tokens),
                "cut": len(tokens) - len(shown),
            }
        )
    own = {key for keys in KINDS.values() for key in keys} | {"id", "tools", "columns", "negative", "train"}
    facts = {
        key: value
        for key, value in {**row, **row.get("columns", {})}.items()
        if key not in own - {"label", "answer"} or key == "answer"
    }
    if kind == "rating":
        facts["label"] = "good" if row["label"] else "bad"
    messages = [
        message for key in ("messages", "prompt") for message in row.get(key) or () if isinstance(message, dict)
    ]
    return {
        "sides": sides,
        "facts": {key: str(value)[:200] for key, value in facts.items()},
        "sound": embed_file(folder / str(row["audio"]), SOUND_BYTES) if "audio" in row else None,
        "images": [_get_picture(folder, path) for path in get_images(messages)],
        "tools": [tool.get("function", tool).get("name", "?") for tool in row.get("tools") or ()],
    }


def _join(tokens: list[Piece]) -> list[JsonObject]:
    """Neighbours of one colour together: ``{"learnt", "tokens": [text, ...]}``."""
    runs: list[JsonObject] = []
    for token in tokens:
        if not runs or runs[-1]["learnt"] != token.learnt:
            runs.append({"learnt": token.learnt, "tokens": []})
        runs[-1]["tokens"].append(token.text)
    return runs


def _get_picture(folder: Path, path: str) -> dict[str, str]:
    return {"path": path, "data": embed_file(folder / path, PICTURE_BYTES) or ""}


def get_bars(card: Card, width: int = 720, height: int = 180) -> JsonObject:
    """The length histogram as rectangles in ``width`` x ``height``, with the line of train.max_length if it is inside.

    The axis ends at the longest row or a little after max_length, whichever is nearer; what lies beyond has its own
    colour.
    """
    bins = card.histogram
    most = max((item["rows"] for item in bins), default=1)
    end = max([bins[-1]["to"] if bins else 1])
    limit = card.max_length if card.max_length <= 1.6 * end else None
    if limit is not None:
        end = max(end, round(limit * 1.06))
    scale = width / end
    bars = [
        {
            "x": round(item["from"] * scale, 2),
            "width": round(max(1.0, (item["to"] - item["from"]) * scale - 1), 2),
            "height": round(max(1.5, height * item["rows"] / most), 2) if item["rows"] else 0,
            "over": item["from"] >= card.max_length,
            "title": f"{item['from']} to {item['to'] - 1} tokens: {item['rows']} rows",
        }
        for item in bins
    ]
    step = _get_step(end)
    ticks = [{"x": round(value * scale, 2), "text": f"{value:,}"} for value in range(0, end + 1, step)]
    return {
        "bars": bars,
        "ticks": ticks,
        "limit": None if limit is None else round(limit * scale, 2),
        "most": most,
        "width": width,
        "height": height,
    }


def _get_step(end: int) -> int:
    """A round distance between ticks, at most seven of them."""
    step = 1
    while end / step > 7:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step


def render_page(
    card: Card, template: Template, model: ModelFacts, renderer: Renderer, folder: Path, settings: Slice, digest: str
) -> str:
    """The HTML text.

    Args:
        renderer: the project's Renderer.
        folder: data/, with the rows and their pictures.
        settings: needs project and method.
        digest: sha256 of the card.
    """
    from markupsafe import Markup

    from gaslamp.pages.themes import get_theme_css

    style = get_theme_css("auto", settings.project.domain) + (HERE / "page.css").read_text(encoding="utf-8")
    method = registry.get("methods", settings.method)
    note = NOT_LEARNED.get("score" if method.ARTEFACT == "classifier" else card.kind, "")
    rows = []
    for split, wanted in (("train", SHOWN), ("valid", 1), ("test", 1)):
        file = folder / f"{split}.jsonl"
        own = max(0, card.rows[split] - (card.rows.get("rehearsal", 0) if split == "train" else 0))
        for number, row in pick_rows(file, own, wanted):
            rows.append({"title": f"{split}, row {number}", **lay_out(renderer, row, folder)})
        if split == "train" and own < card.rows[split]:  # they stand behind the rows of the file
            number, row = pick_rows(file, card.rows[split], 1, own)[0]
            rows.append({"title": f"train, row {number}, general chat data", **lay_out(renderer, row, folder)})
        if split == "train":
            here = {int(re.sub(r"\D+", "", row["title"])) for row in rows}
            for number, row in pick_slices(file, here, own):
                rows.append({"title": f"train, row {number}, one of {row['slice']}", **lay_out(renderer, row, folder)})
        longest = find_longest(renderer, file, own) if split == "train" else None
        if longest and f"train, row {longest[0]}" not in [row["title"] for row in rows]:
            rows.append({"title": f"train, row {longest[0]}, the longest", **lay_out(renderer, longest[1], folder)})
    if note:
        for run in (run for row in rows for side in row["sides"] for run in side["runs"]):
            run["learnt"] = False
    listed = get_page_rows(card, folder)
    there = {row["split"] for row in listed["rows"]}
    checks = [{**check, "tone": VERDICTS[check["verdict"]]} for check in card.checks]
    order = list(VERDICTS)
    checks.sort(key=lambda check: (order.index(check["verdict"]), check["name"]))
    counts = {verdict: sum(check["verdict"] == verdict for check in checks) for verdict in VERDICTS}
    return render_template(
        HERE / "page.html.j2",
        style,
        (HERE / "page.js").read_text(encoding="utf-8"),
        data=Markup(escape_json(listed)),  # noqa: S704 - escaped
        listed=len(listed["rows"]),
        left_out=listed["left_out"],
        shown_splits=[(name, title) for name, title in SPLIT_NAMES.items() if name in there],
        slices=sorted({row["slice"] for row in listed["rows"]} - {""}),
        digest=digest,
        card=card,
        model=model,
        template=template,
        project=settings.project,
        method=settings.method,
        account=describe_rows(card.rows),
        kind=KIND_NAMES.get(card.kind, card.kind),
        columns_line=write_mapping(card.mapping),
        note=note,
        also=getattr(method, "LOSS_NOTE", ""),
        splits=SPLITS,
        histogram=get_bars(card),
        checks=checks,
        counts=counts,
        twins=[check for check in checks if check["name"] in TWINS],
        rows=rows,
        share=100 * card.truncated / max(1, sum(card.rows[split] for split in SPLITS)),
    )


def build_data_page(card: Path, template: Path, model: Path, settings: Slice, out: Path) -> None:
    """Write the data page of a project to ``out``; rows and pictures are in the folder of ``card``."""
    from gaslamp.models.template import Renderer

    facts, recorded, base = Card.read(card), Template.read(template), ModelFacts.read(model)
    page = render_page(
        facts, recorded, base, Renderer.load(base.path, recorded), card.parent, settings, sha256_path(card)
    )
    write_text(out, page)
    say(f"{out}: what will be learnt from, with every check; open it in a browser")
