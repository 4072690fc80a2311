"""Serve one level of a run on 127.0.0.1, open the chat page, stop exactly that server, or talk to it in the terminal."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gaslamp.contracts import Card, Ladder, Parity
from gaslamp.errors import GaslampError
from gaslamp.files import get_csp_hash, read_json, write_text
from gaslamp.llamacpp.server import get_free_port, make_key_file, read_state, start_detached, stop_detached

SOURCES = Path(__file__).parent / "page"
PAGE = Path("outputs") / ".chat"
STATE = Path("outputs") / "serve.json"
KEY_FILE = Path("outputs") / ".serve.key"


def build_page(folder: Path) -> None:
    """Write the chat page to ``folder`` as one file: llama-server asks for the key for every other file it serves."""
    page, script, style = ((SOURCES / name).read_text(encoding="utf-8") for name in ("index.html", "chat.js", "chat.css"))
    page = page.replace("SCRIPT_HASH", get_csp_hash(script)).replace("STYLE_HASH", get_csp_hash(style))
    write_text(folder / "index.html", page.replace("STYLE", style).replace("SCRIPT", script))


def start(run: str, level: str, port: int, context: int, alias: str, open_page: bool) -> dict[str, Any]:
    """Start the server of ``run`` (an earlier one of this project is stopped first) and say how to reach it.

    Args:
        run: name of the run.
        level: ``recommended`` or a level of the ladder.
        port: first port to try.
        context: tokens of a conversation.
        alias: name of the model in the API.
        open_page: open the chat page in the browser.

    Raises:
        GaslampError: the parity gate failed, or the level was not made.
    """
    folder = Path("outputs") / run / "gguf"
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
        raise GaslampError(f"there is no level {level}", f"choose one of {', '.join(known)}, or add it to export.levels and run again")
    if stop_detached(STATE):
        print("stopped the server that this project ran before")
    free = get_free_port(port)
    if free != port:
        print(f"port {port} is taken, using {free}")
    build_page(PAGE)
    key = make_key_file(KEY_FILE)
    state = start_detached(
        read_json("resources/llama.cpp/toolchain.json"),
        folder / known[level].file,
        state_file=STATE,
        log=Path("logs") / run / "serve.log",
        alias=alias,
        context=context,
        parallel=1,
        port=free,
        page=PAGE,
        api_key_file=KEY_FILE,
    )
    # key and system prompt travel in the fragment, which browsers never send to a server
    system = Card.read("data/card.json").system
    page = f"{state['url']}/#{urlencode({'key': key} | ({'system': system} if system else {}))}"
    print(f"serving {known[level].file} ({alias}) at {state['url']}/v1 for any OpenAI client; key in {KEY_FILE}")
    if system:
        print(f"the model was trained with this system prompt, send it too: {system}")
    print(f"chat: {page}")
    print("stop it with: make stop")
    if open_page and sys.stdout.isatty():
        webbrowser.open(page)
    return state


def stop() -> None:
    """Stop this project's server; says so when none runs."""
    print("server stopped" if stop_detached(STATE) else "no server of this project is running")
    KEY_FILE.unlink(missing_ok=True)


def chat() -> None:
    """Talk to the running server in the terminal; an empty line or Ctrl-D ends it."""
    from openai import APIConnectionError, OpenAI

    state = read_state(STATE)
    if state is None:
        raise GaslampError("no server of this project is running", "start it with: make deploy")
    client = OpenAI(base_url=f"{state['url']}/v1", api_key=KEY_FILE.read_text(encoding="utf-8").strip())
    system = Card.read("data/card.json").system
    messages: list[Any] = [{"role": "system", "content": system}] if system else []
    print(f"{state['alias']} - empty line ends")
    while line := _ask("you> "):
        messages.append({"role": "user", "content": line})
        answer = ""
        try:
            for part in client.chat.completions.create(model=state["alias"], messages=messages, stream=True, temperature=0):
                piece = part.choices[0].delta.content if part.choices else None
                if piece:
                    answer += piece
                    print("".join(c for c in piece if c.isprintable() or c in "\n\t"), end="", flush=True)
        except APIConnectionError as error:
            raise GaslampError("the server went away", "start it again with: make deploy", f"see {state['log']}") from error
        print()
        messages.append({"role": "assistant", "content": answer})


def _ask(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        return ""
