"""Serve one level of a run on 127.0.0.1, open the chat page, and stop exactly that server."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from urllib.parse import urlencode

import httpx

from gaslamp.config.methods import get_pooling
from gaslamp.core.console import get_size
from gaslamp.core.contracts import Card, Ladder, Level, Parity
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.ports import get_free_port
from gaslamp.export.artefacts import require_parity
from gaslamp.export.evaluate_vectors import get_context_length
from gaslamp.export.exporters.gguf import HEAD, MMPROJ
from gaslamp.export.llamacpp.background import SERVED, make_key_file, start_background, stop_background
from gaslamp.export.llamacpp.server import ServerState
from gaslamp.pages.numbers import format_value
from gaslamp.serve.chat.columns import (
    Adapter,
    ColumnCheck,
    ColumnRequest,
    check_columns,
    find_adapter,
    get_requests,
)
from gaslamp.serve.chat.page import build_page, get_facts, get_seeds, write_facts

PAGE = Path("outputs") / ".chat"
KEY_FILE = Path("outputs") / ".serve.key"
TOOLCHAIN = Path("resources") / "llama.cpp" / "toolchain.json"


class ChatState(ServerState, total=False):
    """outputs/serve.json: the server, and what its clients send."""

    run: str
    level: str
    requests: dict[str, ColumnRequest]  # column -> fields of its requests
    checked: dict[str, ColumnCheck]


def start(
    run: str,
    level: str,
    port: int,
    context: int,
    alias: str,
    open_page: bool,
    compare: bool = True,
    domain: str = "general",
) -> ChatState:
    """Start the server of a run and print how to reach it. An earlier server of this project is stopped first.

    Args:
        run: name of the run.
        level: ``recommended`` or a level of the ladder.
        port: first port to try.
        context: tokens of a conversation.
        alias: name of the model in the API.
        open_page: open the chat page in the browser when a person is at the terminal.
        compare: load the adapter too, so that the page shows base and tuned side by side. Without it the server keeps
            its prompt cache for every client.
        domain: of the audience; decides the page's accent colour.

    Raises:
        GaslampError: the parity gate failed, or the level does not exist.
    """
    folder = Path("outputs") / run / "gguf"
    parity, ladder, chosen = choose_level(folder, level)
    adapter = find_adapter(Path("outputs") / run / "lora") if compare else Adapter(None, reason="started without it")
    free = _prepare_port(port)
    build_page(PAGE, domain)
    key = make_key_file(KEY_FILE)
    server = start_background(
        read_json(TOOLCHAIN),
        folder / chosen.file,
        state_file=SERVED,
        log=Path("logs") / run / "serve.log",
        port=free,
        alias=alias,
        context=context,
        parallel=2 if adapter.file else 1,
        lora=adapter.file,
        lora_scale=0.0,
        mmproj=folder / MMPROJ if (folder / MMPROJ).is_file() else None,
        page=PAGE,
        api_key_file=KEY_FILE,
    )
    requests = get_requests(adapter)
    checked = _check_columns(run, chosen.level, server, key, requests)
    system = Card.read("data/card.json").system
    facts = get_facts(alias, run, chosen, ladder, parity, requests, checked, adapter.reason)
    write_facts(PAGE, facts | {"system": system or "", "seeds": get_seeds(Path("data") / "test.jsonl")})
    state: ChatState = {**server, "run": run, "level": chosen.level, "requests": requests, "checked": checked}
    write_json(SERVED, state)
    # browsers never send the fragment of an address to a server, so the key stays on this machine
    page = f"{server['url']}/#{urlencode({'key': key})}"
    print(f"serving {chosen.file} ({alias}) at {server['url']}/v1 for any OpenAI client; key in {KEY_FILE}")
    for line in facts["about"][1:]:
        print(line)
    if system:
        print(f"the model was trained with this system prompt, send it too: {system}")
    print(f"chat: {page}")
    print("stop it with: make stop")
    if open_page and sys.stdout.isatty():
        webbrowser.open(page)
    return state


def _check_columns(
    run: str, level: str, server: ServerState, key: str, requests: dict[str, ColumnRequest]
) -> dict[str, ColumnCheck]:
    """Compare the first answers of each column with those of the evaluation."""
    evaluated = {
        "tuned": Path("outputs") / run / "eval" / f"gguf-{level}.predictions.jsonl",
        "base": Path("outputs") / run / "eval" / "base.predictions.jsonl",
    }
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=server["url"], headers=headers, timeout=600.0, trust_env=False) as client:
        return check_columns(client, requests, Path("data") / "test.jsonl", evaluated)


def start_vectors(run: str, level: str, port: int, context: int, alias: str, method: str) -> ChatState:
    """Start the server of a run whose model returns vectors or scores, and print how to use it; it has no chat page.

    Args:
        run, level, port, context, alias: as for ``start``.
        method: of the run; it decides how token vectors are pooled.

    Raises:
        GaslampError: the parity gate failed, or the level does not exist.
    """
    folder = Path("outputs") / run / "gguf"
    parity, ladder, chosen = choose_level(folder, level)
    free = _prepare_port(port)
    make_key_file(KEY_FILE)
    server = start_background(
        read_json(TOOLCHAIN),
        folder / chosen.file,
        state_file=SERVED,
        log=Path("logs") / run / "serve.log",
        port=free,
        alias=alias,
        context=min(context, get_context_length(folder / chosen.file)),
        pooling=get_pooling(method),
        api_key_file=KEY_FILE,
    )
    state: ChatState = {**server, "run": run, "level": chosen.level, "requests": {}, "checked": {}}
    write_json(SERVED, state)
    score = f"{format_value(chosen.score.value, ladder.unit)} on {chosen.score.n} test rows ({ladder.metric})"
    print(f"serving {chosen.file} ({alias}) at {server['url']}/v1/embeddings for any OpenAI client; key in {KEY_FILE}")
    print(f"{chosen.file} of run {run}: {get_size(chosen.size_bytes)}, {score}. {parity.summary}.")
    if (folder / HEAD).is_file():
        print(
            f"a score is the product of {folder / HEAD} and the vector that /embedding returns for the rendered "
            "conversation (docs/serve.md)"
        )
    print("stop it with: make stop")
    return state


def choose_level(folder: Path, level: str) -> tuple[Parity, Ladder, Level]:
    """The GGUF file to serve.

    Args:
        folder: of the GGUF files of a run.
        level: ``recommended`` or a level of the ladder.

    Raises:
        GaslampError: the parity gate failed, or the level does not exist.
    """
    parity, ladder = Parity.read(folder / "parity.json"), Ladder.read(folder / "ladder.json")
    require_parity(parity, "serve")
    level = ladder.recommended if level == "recommended" else level
    levels = {each.level: each for each in ladder.levels}
    if level not in levels:
        raise GaslampError(
            f"there is no level {level}", f"choose one of {', '.join(levels)}, or add it to export.levels and run again"
        )
    return parity, ladder, levels[level]


def _prepare_port(port: int) -> int:
    """Stop this project's earlier server and return a free port, from ``port`` on."""
    if stop_background(SERVED):
        print("stopped the server that this project ran before")
    free = get_free_port(port)
    if free != port:
        print(f"port {port} is taken, using {free}")
    return free


def stop() -> None:
    """Stop this project's server, or print that none runs."""
    print("server stopped" if stop_background(SERVED) else "no server of this project is running")
    KEY_FILE.unlink(missing_ok=True)
