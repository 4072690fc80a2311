"""Serve one level of a run on 127.0.0.1, open the chat page, and stop exactly that server."""

from __future__ import annotations

import socket
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx

from gaslamp.config.methods import get_pooling
from gaslamp.core.console import get_size
from gaslamp.core.contracts import BaseFile, Card, Ladder, Level, Parity
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, write_json
from gaslamp.core.places import get_data_folder
from gaslamp.core.ports import get_number, hold_port
from gaslamp.core.seals import require_intact
from gaslamp.data.system_turn import describe_system
from gaslamp.export.artefacts import require_parity
from gaslamp.export.evaluate_vectors import get_context_length
from gaslamp.export.exporters.gguf import HEAD, MMPROJ
from gaslamp.export.first_answers import Agreement
from gaslamp.export.llamacpp.background import SERVED, SERVED_BASE, make_key_file, start_background, stop_background
from gaslamp.export.llamacpp.memory import get_cache_bytes
from gaslamp.export.llamacpp.server import ServerState
from gaslamp.pages.numbers import format_value
from gaslamp.serve.chat.columns import BasePlan, Column, check_columns, find_adapter, get_columns, plan_base
from gaslamp.serve.chat.page import build_page, get_facts, get_seeds, write_facts

PAGE = Path("outputs") / ".chat"
KEY_FILE = Path("outputs") / ".serve.key"
TOOLCHAIN = Path("resources") / "llama.cpp" / "toolchain.json"


class ChatState(ServerState, total=False):
    """outputs/serve.json: the server, and what its clients send."""

    run: str
    level: str
    columns: dict[str, Column]  # tuned, base: address and fields of the requests
    checked: dict[str, Agreement]


@dataclass(frozen=True)
class ServeOptions:
    """How a run is served.

    Args:
        port: first port to try.
        context: tokens of a conversation.
        alias: name of the model in the API.
        domain: of the audience; decides the page's accent colour.
        open_page: open the chat page in the browser when a person is at the terminal.
    """

    port: int
    context: int
    alias: str
    domain: str = "general"
    open_page: bool = False


def start(run: str, level: str, options: ServeOptions, get_base: Callable[[str], BaseFile] | None) -> ChatState:
    """Start the servers of a run and print how to reach them. Earlier ones of this project are stopped first.

    Args:
        run: name of the run.
        level: ``recommended`` or a level of the ladder.
        options: of the server.
        get_base: level -> the base model's own file, for the page that shows base and tuned side by side; ``None``:
            the tuned model alone.

    Raises:
        GaslampError: the parity gate failed, or the level does not exist.
    """
    folder = Path("outputs") / run / "gguf"
    parity, ladder, chosen = choose_level(folder, level)
    tuned = folder / chosen.file
    if get_base:
        require_intact([Path("outputs") / run / "lora"], full=True)
        adapter = find_adapter(Path("outputs") / run / "lora")
        plan = plan_base(get_base(chosen.level), tuned, get_cache_bytes(tuned, options.context), adapter)
    else:
        plan = BasePlan(reason="started without it")
    held = _prepare_port(options.port)
    port = get_number(held)
    key = make_key_file(KEY_FILE)
    shared = {"alias": options.alias, "context": options.context, "api_key_file": KEY_FILE}
    toolchain = read_json(TOOLCHAIN)
    base: ServerState | None = None
    if plan.file and plan.file.file:
        base = start_background(
            toolchain,
            Path(plan.file.file),
            state_file=SERVED_BASE,
            log=Path("logs") / run / "serve_base.log",
            port=hold_port(port + 1),
            mmproj=Path(plan.file.mmproj) if plan.file.mmproj else None,
            origin=f"http://127.0.0.1:{port}",
            **shared,
        )
    build_page(PAGE, options.domain, base["url"] if base else None)
    lora = plan.adapter.file if plan.adapter else None
    try:
        server = start_background(
            toolchain,
            tuned,
            state_file=SERVED,
            log=Path("logs") / run / "serve.log",
            port=held,
            parallel=2 if lora else 1,
            lora=lora,
            lora_scale=0.0,
            mmproj=folder / MMPROJ if (folder / MMPROJ).is_file() else None,
            page=PAGE,
            **shared,
        )
    except BaseException:
        stop_background(SERVED_BASE)
        raise
    columns = get_columns(server["url"], base["url"] if base else None, plan.adapter)
    checked = _check_columns(run, chosen.level, key, columns)
    _require_agreement(checked.get("tuned"), chosen.file)
    card = Card.read(get_data_folder(run) / "card.json")
    facts = get_facts(options.alias, run, chosen, ladder, parity, columns, checked, plan)
    seeds = get_seeds(get_data_folder(run) / "test.jsonl", card)
    write_facts(PAGE, facts | {"system": card.system or "", "system_as_user": card.system_as_user, "seeds": seeds})
    state: ChatState = {**server, "run": run, "level": chosen.level, "columns": columns, "checked": checked}
    write_json(SERVED, state)
    # browsers never send the fragment of an address to a server, so the key stays on this machine
    page = f"{server['url']}/#{urlencode({'key': key})}"
    print(f"serving {chosen.file} ({options.alias}) at {server['url']}/v1 for any OpenAI client; key in {KEY_FILE}")
    for line in facts["about"][1:]:
        print(line)
    if card.system:
        print(describe_system(card.system, card.system_as_user))
    print(f"chat: {page}")
    print("stop it with: make stop")
    if options.open_page and sys.stdout.isatty():
        webbrowser.open(page)
    return state


def _check_columns(run: str, level: str, key: str, columns: dict[str, Column]) -> dict[str, Agreement]:
    """Compare the first answers of each column with those of the evaluation."""
    evaluated = {
        "tuned": Path("outputs") / run / "eval" / f"gguf-{level}.predictions.jsonl",
        "base": Path("outputs") / run / "eval" / "base.predictions.jsonl",
    }
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, trust_env=False) as client:

        def post(url: str, body: JsonObject, seconds: float) -> JsonObject:
            try:
                answer: JsonObject = client.post(url, json=body, timeout=seconds).raise_for_status().json()
            except httpx.ReadTimeout as error:
                raise TimeoutError from error
            return answer

        return check_columns(post, columns, get_data_folder(run) / "test.jsonl", evaluated)


def _require_agreement(found: Agreement | None, file: str) -> None:
    """Stop a server that answers as another model would: the file was evaluated by such a server on these rows.

    A close decision may fall the other way on another processor; most of them do not.

    Raises:
        GaslampError: more than half of the answers begin otherwise than in the evaluation.
    """
    if not found or found["same"] * 2 >= found["compared"]:
        return
    stop_servers()
    raise GaslampError(
        f"the server was stopped: {found['same']} of {found['compared']} test rows begin as they did in the evaluation "
        f"of {file}, so it does not answer as the model that was evaluated",
        "another llama.cpp than the run's answers them: snakemake --forcerun build_llamacpp",
        "data/test.jsonl or the predictions in outputs/*/eval were edited: run snakemake again",
    )


def start_vectors(run: str, level: str, options: ServeOptions, method: str) -> ChatState:
    """Start the server of a run whose model returns vectors or scores, and print how to use it; it has no chat page.

    Args:
        run, level, options: as for ``start``.
        method: of the run; it decides how token vectors are pooled.

    Raises:
        GaslampError: the parity gate failed, or the level does not exist.
    """
    folder = Path("outputs") / run / "gguf"
    parity, ladder, chosen = choose_level(folder, level)
    held = _prepare_port(options.port)
    make_key_file(KEY_FILE)
    server = start_background(
        read_json(TOOLCHAIN),
        folder / chosen.file,
        state_file=SERVED,
        log=Path("logs") / run / "serve.log",
        port=held,
        alias=options.alias,
        context=min(options.context, get_context_length(folder / chosen.file)),
        pooling=get_pooling(method),
        api_key_file=KEY_FILE,
    )
    state: ChatState = {**server, "run": run, "level": chosen.level, "columns": {}, "checked": {}}
    write_json(SERVED, state)
    score = f"{format_value(chosen.score.value, ladder.unit)} on {chosen.score.n} test rows ({ladder.metric})"
    address = f"{server['url']}/v1/embeddings"
    print(f"serving {chosen.file} ({options.alias}) at {address} for any OpenAI client; key in {KEY_FILE}")
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
        GaslampError: the parity gate failed, the level does not exist, or a file is not the one that the gate saw.
    """
    parity, ladder = Parity.read(folder / "parity.json"), Ladder.read(folder / "ladder.json")
    require_parity(parity, "serve")
    require_intact([folder / "parity.json", folder / "ladder.json"], full=True)
    level = ladder.recommended if level == "recommended" else level
    levels = {each.level: each for each in ladder.levels}
    if level not in levels:
        raise GaslampError(
            f"there is no level {level}", f"choose one of {', '.join(levels)}, or add it to export.levels and run again"
        )
    require_intact([folder / name for name in (levels[level].file, MMPROJ, HEAD)], full=True)
    return parity, ladder, levels[level]


def _prepare_port(port: int) -> socket.socket:
    """Stop this project's earlier server and hold a free port, from ``port`` on."""
    if stop_servers():
        print("stopped the server that this project ran before")
    held = hold_port(port)
    if get_number(held) != port:
        print(f"port {port} is taken, using {get_number(held)}")
    return held


def stop_servers() -> bool:
    """Stop the servers of this project, that of the base model too; False when none ran."""
    return any([stop_background(SERVED), stop_background(SERVED_BASE)])


def stop() -> None:
    """Stop this project's server, or print that none runs."""
    print("server stopped" if stop_servers() else "no server of this project is running")
    KEY_FILE.unlink(missing_ok=True)
