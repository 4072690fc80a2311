"""The chat page as one file, and the facts that it shows in a second one, which the server sends only with the key."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NotRequired, TypedDict

from gaslamp.core.console import get_size
from gaslamp.core.contracts import Card, Ladder, Level, Parity
from gaslamp.core.files import read_jsonl, write_json, write_text
from gaslamp.data.rows import get_images, get_kind, get_prompt, get_reference, get_text
from gaslamp.export.first_answers import Agreement
from gaslamp.pages.html import embed_file, get_base_style, get_csp_hash
from gaslamp.pages.numbers import format_value
from gaslamp.pages.themes import get_colors
from gaslamp.serve.chat.columns import BasePlan, Column

SOURCES = Path(__file__).parent / "page"
SEEDS = 6
SEED_ROWS = 200
"""Test rows from which seed prompts are chosen."""
MAX_IMAGE = 2_000_000
"""Most bytes of an image in a seed prompt."""


class Seed(TypedDict):
    """A prompt of the test set to begin with."""

    prompt: str
    reference: str | None
    images: list[str]  # data URLs


class ChatFacts(TypedDict):
    """chat.json: what the page shows about the model."""

    name: str
    served: str  # file, size, parity
    columns: list[dict[str, object]]  # id, title, file, note, url, request
    about: list[str]
    welcome: str
    system: NotRequired[str]
    system_as_user: NotRequired[bool]
    seeds: NotRequired[list[Seed]]


def build_page(folder: Path, domain: str = "general", base_url: str | None = None) -> None:
    """Write the page to ``folder``/index.html as one file: llama-server requires the key for every other file.

    Its Content-Security-Policy allows exactly this script and this style, and no string can become HTML.

    Args:
        folder: that the server serves.
        domain: of the audience; decides the colours.
        base_url: address of the base model's server, which the page may ask too.
    """
    page, *scripts, style = (
        (SOURCES / name).read_text(encoding="utf-8") for name in ("index.html", "markdown.js", "chat.js", "chat.css")
    )
    script, style = "".join(scripts), get_base_style() + get_palette(domain) + style
    page = page.replace("OTHER_SERVER", f" {base_url}" if base_url else "")
    page = page.replace("SCRIPT_HASH", get_csp_hash(script)).replace("STYLE_HASH", get_csp_hash(style))
    write_text(folder / "index.html", page.replace("STYLE", style).replace("SCRIPT", script))


def get_palette(domain: str) -> str:
    """The demo page's colours for a domain, as CSS custom properties for light and dark."""
    light, dark = get_colors(domain, dark=False), get_colors(domain, dark=True)
    names = ("paper", "card", "recede", "sunk", "line", "ink", "soft", "good", "bad", "accent", "accent-text")
    pairs = {name: (light[name], dark[name]) for name in names}
    pairs |= {"on": (light["card"], dark["card"]), "edge": ("#8a9099", "#6d7580"), "wait": ("#a06a00", "#f0c050")}
    return ":root{" + "".join(f"--{name}:light-dark({a},{b});" for name, (a, b) in pairs.items()) + "}\n"


def write_facts(folder: Path, facts: ChatFacts) -> None:
    """Write ``folder``/chat.json, readable by its owner only: it has rows of the test set."""
    file = folder / "chat.json"
    write_json(file, facts)
    file.chmod(0o600)


def get_seeds(test: Path, card: Card | None = None, count: int = SEEDS) -> list[Seed]:
    """Prompts of the test set to begin with: single questions, spread over the rows.

    Args:
        test: data/test.jsonl; its folder has the images.
        card: data/card.json; the page adds its system prompt, so it is cut off where the rows begin with it.
        count: most prompts.
    """
    seeds: list[Seed] = []
    start = f"{card.system}\n\n" if card and card.system and card.system_as_user else ""
    for row in islice(read_jsonl(test), SEED_ROWS):
        if get_kind(row) in ("text", "pair"):
            continue
        turns = [message for message in get_prompt(row) if message["role"] != "system"]
        if len(turns) != 1 or not get_text(turns[0]).strip():
            continue
        files = get_images(turns)
        images = [image for name in files if (image := embed_file(test.parent / name, MAX_IMAGE))]
        if len(images) == len(files):
            seeds.append(
                {"prompt": get_text(turns[0]).removeprefix(start), "reference": get_reference(row), "images": images}
            )
    step = max(1, len(seeds) // count)
    return seeds[::step][:count]


def get_facts(
    alias: str,
    run: str,
    level: Level,
    ladder: Ladder,
    parity: Parity,
    columns: dict[str, Column],
    checked: dict[str, Agreement],
    plan: BasePlan,
) -> ChatFacts:
    """What the page shows about the model and its columns: which file answers, and how that was checked.

    Args:
        alias: name of the model in the API.
        run: name of the run.
        level: that is served.
        ladder, parity: of the run.
        columns: that are served.
        checked: column -> comparison with the evaluation.
        plan: how the base column is served, and why so.
    """
    proof = "parity passed" if parity.passed else "parity FAILED, served by export.parity: warn"
    file = f"{level.file}, {get_size(level.size_bytes)}"
    texts = {
        "tuned": ("Tuned", level.file, f"the file that ships, as the parity gate checked it ({proof})"),
        "base": ("Base", *describe_base(plan, level.level)),
    }
    shown: list[dict[str, object]] = []
    score = f"{format_value(level.score.value, ladder.unit)} on {level.score.n} test rows ({ladder.metric})"
    about = [f"{level.file} of run {run}: {get_size(level.size_bytes)}, {score}. {parity.summary}."]
    for name in ("base", "tuned"):
        title, short, note = texts[name]
        note += describe_agreement(name, checked.get(name))
        if name in columns:
            shown.append({"id": name, "title": title, "file": short, "note": note, **columns[name]})
            about.append(f"{title.lower()}: {note}")
    if "base" not in columns:
        about.append(f"base is not shown: {plan.reason}")
    welcome = (
        "Each prompt goes to the tuned model and to the base model it came from."
        if len(shown) > 1
        else "Each prompt goes to the tuned model."
    )
    return {
        "name": alias,
        "served": f"{file}, {proof}",
        "columns": shown,
        "about": about,
        "welcome": f"{welcome} These prompts are rows of the test set, which training never saw.",
    }


def describe_agreement(column: str, found: Agreement | None) -> str:
    """What the comparison with the evaluation at the start of the server found."""
    if not found or not found["compared"]:
        return "; not compared with the evaluation: this machine was too slow for it"
    if column == "tuned":
        return f"; {found['same']} of {found['compared']} test rows begin as in the evaluation"
    return f"; on this server now: {count_tokens(found)}"


def count_tokens(found: Agreement) -> str:
    """How many tokens of the evaluated answers are the most likely ones here too."""
    share = format_value(found["same"] / found["compared"])
    return f"{share} of {found['compared']} tokens as evaluated ({found['rows']} test rows)"


def describe_base(plan: BasePlan, level: str) -> tuple[str, str]:
    """What answers in the base column, as a short and as a long text."""
    if plan.file is None:
        return (
            "the tuned file, adapter subtracted",
            "NOT the base model's own file but the tuned one with the adapter subtracted at run time (LoRA scale -1), "
            f"because {plan.reason}; in a quantized file that is only near the base model",
        )
    note = f"the base model's own file at {level}, converted and quantized as the tuned one, untrained"
    known = [f"{what} {count_tokens(found)}" for what, found in plan.file.agreement.items() if found["compared"]]
    note += f"; compared when it was made: {', '.join(known)}" if known else ""
    return f"base model at {level}, {get_size(plan.file.size_bytes)}", note
