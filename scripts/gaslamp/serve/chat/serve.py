"""Serve one level of a run on 127.0.0.1, open the chat page, and stop exactly that server."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from gaslamp.core.console import get_size
from gaslamp.core.contracts import Card, Ladder, Level, Parity
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.export.exporters.gguf import HEAD, VISION_TOWERS
from gaslamp.export.llamacpp.server import get_free_port, make_key_file, start_detached, stop_detached
from gaslamp.export.vectors import get_limit
from gaslamp.pages.numbers import format_value
from gaslamp.serve.chat.columns import Adapter, check_columns, find_adapter, get_requests
from gaslamp.serve.chat.page import build_page, get_seeds, write_facts
from gaslamp.train.method import get_pooling

PAGE = Path("outputs") / ".chat"
STATE = Path("outputs") / "serve.json"
KEY_FILE = Path("outputs") / ".serve.key"


def start(
    run: str,
    level: str,
    port: int,
    context: int,
    alias: str,
    open_page: bool,
    compare: bool = True,
    domain: str = "general",
) -> dict[str, Any]:
    """Start the server of ``run`` (an earlier one of this project is stopped first) and say how to reach it.

    Args:
        run: name of the run.
        level: ``recommended`` or a level of the ladder.
        port: first port to try.
        context: tokens of a conversation.
        alias: name of the model in the API.
        open_page: open the chat page in the browser when a person is at the terminal.
        compare: load the adapter too, so that the page shows base beside tuned. Off, the server keeps what it has read of
            earlier prompts for every client.
        domain: of the audience; decides the page's accent colour.

    Raises:
        GaslampError: the parity gate failed, or the level was not made.
    """
    folder = Path("outputs") / run / "gguf"
    parity, ladder, rung = choose_level(folder, level)
    level = rung.level
    adapter = find_adapter(Path("outputs") / run / "lora") if compare else Adapter(None, reason="started without it")
    free = make_room(port)
    build_page(PAGE, domain)
    key = make_key_file(KEY_FILE)
    state = start_detached(
        read_json("resources/llama.cpp/toolchain.json"),
        folder / rung.file,
        state_file=STATE,
        log=Path("logs") / run / "serve.log",
        alias=alias,
        context=context,
        parallel=2 if adapter.file else 1,
        lora=adapter.file,
        lora_scale=0.0,
        mmproj=folder / VISION_TOWERS if (folder / VISION_TOWERS).is_file() else None,
        port=free,
        page=PAGE,
        api_key_file=KEY_FILE,
    )
    requests = get_requests(adapter)
    evaluated = {
        "tuned": Path("outputs") / run / "eval" / f"gguf-{level}.predictions.jsonl",
        "base": Path("outputs") / run / "eval" / "base.predictions.jsonl",
    }
    with httpx.Client(
        base_url=state["url"], headers={"Authorization": f"Bearer {key}"}, timeout=600.0, trust_env=False
    ) as client:
        checked = check_columns(client, requests, Path("data") / "test.jsonl", evaluated)
    system = Card.read("data/card.json").system
    facts = get_facts(alias, run, rung, ladder, parity, requests, checked, adapter.reason)
    write_facts(PAGE, facts | {"system": system or "", "seeds": get_seeds(Path("data") / "test.jsonl")})
    state |= {"run": run, "level": level, "requests": requests, "checked": checked}
    write_json(STATE, state)
    # the key travels in the fragment, which browsers never send to a server
    page = f"{state['url']}/#{urlencode({'key': key})}"
    print(f"serving {rung.file} ({alias}) at {state['url']}/v1 for any OpenAI client; key in {KEY_FILE}")
    for line in facts["about"][1:]:
        print(line)
    if system:
        print(f"the model was trained with this system prompt, send it too: {system}")
    print(f"chat: {page}")
    print("stop it with: make stop")
    if open_page and sys.stdout.isatty():
        webbrowser.open(page)
    return state


def start_vectors(run: str, level: str, port: int, context: int, alias: str, method: str) -> dict[str, Any]:
    """Start the server of a run whose model gives vectors or scores, and say how to ask it; there is nothing to chat with.

    Args:
        run, level, port, context, alias: as for ``start``.
        method: of the run; it decides how the vectors of a text's tokens become one.

    Raises:
        GaslampError: the parity gate failed, or the level was not made.
    """
    folder = Path("outputs") / run / "gguf"
    parity, ladder, rung = choose_level(folder, level)
    free = make_room(port)
    make_key_file(KEY_FILE)
    state = start_detached(
        read_json("resources/llama.cpp/toolchain.json"),
        folder / rung.file,
        state_file=STATE,
        log=Path("logs") / run / "serve.log",
        alias=alias,
        context=min(context, get_limit(folder / rung.file)),
        pooling=get_pooling(method),
        port=free,
        api_key_file=KEY_FILE,
    )
    write_json(STATE, state | {"run": run, "level": rung.level})
    score = f"{format_value(rung.score.value, ladder.unit)} on {rung.score.n} test rows ({ladder.metric})"
    print(f"serving {rung.file} ({alias}) at {state['url']}/v1/embeddings for any OpenAI client; key in {KEY_FILE}")
    print(f"{rung.file} of run {run}: {get_size(rung.size_bytes)}, {score}. {parity.summary}.")
    if (folder / HEAD).is_file():
        print(
            f"a score is the product of {folder / HEAD} with the vector that /embedding gives for the rendered conversation (docs/deploy.md)"
        )
    print("stop it with: make stop")
    return state


def choose_level(folder: Path, level: str) -> tuple[Parity, Ladder, Level]:
    """What of a run's GGUF files is served: ``recommended`` or a level of the ladder.

    Raises:
        GaslampError: the parity gate failed, or the level was not made.
    """
    parity, ladder = Parity.read(folder / "parity.json"), Ladder.read(folder / "ladder.json")
    if not parity.passed and not parity.override:
        raise GaslampError(
            f"the parity gate failed: {parity.summary}",
            f"read {folder / 'parity.json'}: it names the first difference and its usual cause",
            "serve it all the same: set export.parity: warn in config.yaml (the override is recorded)",
        )
    level = ladder.recommended if level == "recommended" else level
    known = {rung.level: rung for rung in ladder.levels}
    if level not in known:
        raise GaslampError(
            f"there is no level {level}", f"choose one of {', '.join(known)}, or add it to export.levels and run again"
        )
    return parity, ladder, known[level]


def make_room(port: int) -> int:
    """Stop this project's earlier server and find a port, from ``port`` on; says what it did."""
    if stop_detached(STATE):
        print("stopped the server that this project ran before")
    free = get_free_port(port)
    if free != port:
        print(f"port {port} is taken, using {free}")
    return free


def get_facts(
    alias: str,
    run: str,
    rung: Level,
    ladder: Ladder,
    parity: Parity,
    requests: dict[str, Any],
    checked: dict[str, dict[str, int]],
    reason: str,
) -> dict[str, Any]:
    """What the page says of the model and its columns: which file answers, and how that was checked."""
    proof = "parity passed" if parity.passed else "parity FAILED, served by export.parity: warn"
    file = f"{rung.file}, {get_size(rung.size_bytes)}"
    texts = {
        "tuned": ("Tuned", rung.file, f"the file that ships, as the parity gate saw it ({proof})"),
        "base": (
            "Base",
            "the same file, adapter taken out",
            "the served file with the adapter subtracted while it computes (LoRA scale -1)",
        ),
    }
    columns = []
    about = [
        f"{rung.file} of run {run}: {get_size(rung.size_bytes)}, {format_value(rung.score.value, ladder.unit)} on {rung.score.n} test rows ({ladder.metric}). {parity.summary}."
    ]
    for name in ("base", "tuned"):
        title, short, note = texts[name]
        found = checked.get(name)
        said = (
            f"; {found['same']} of {found['asked']} test rows begin as in the evaluation"
            if found and found["asked"]
            else ""
        )
        if name in requests:
            columns.append({"id": name, "title": title, "file": short, "note": note + said, "request": requests[name]})
            about.append(f"{title.lower()}: {note}{said}")
    if "base" not in requests:
        about.append(f"base is not shown: {reason}")
    welcome = (
        "Each prompt goes to the tuned model and to the base model it came from."
        if len(columns) > 1
        else "Each prompt goes to the tuned model."
    )
    return {
        "name": alias,
        "served": f"{file}, {proof}",
        "columns": columns,
        "about": about,
        "welcome": f"{welcome} These prompts are rows of the test set, which training never saw.",
    }


def stop() -> None:
    """Stop this project's server; says so when none runs."""
    print("server stopped" if stop_detached(STATE) else "no server of this project is running")
    KEY_FILE.unlink(missing_ok=True)
