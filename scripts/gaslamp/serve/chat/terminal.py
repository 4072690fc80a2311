"""Chat with the running server in the terminal: streamed answers, one conversation, /help lists the commands."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gaslamp.core.contracts import Card
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.core.places import get_data_folder
from gaslamp.core.visible import make_safe_console, show_controls
from gaslamp.data.system_turn import begin_with_system
from gaslamp.export.llamacpp.background import SERVED, read_state
from gaslamp.models.endpoint import open_client
from gaslamp.serve.chat.repetition import find_repetition
from gaslamp.serve.server import KEY_FILE, ChatState

if TYPE_CHECKING:
    from openai import OpenAI
    from rich.console import Console

HELP = """/new            start a new conversation
/retry          answer the last message again
/base           show answers of the base model too (again: off)
/system TEXT    another system prompt (empty: none)
/temperature X  0 is greedy, as in the evaluation; now {temperature:g}
/save FILE      the conversation as JSON
/quit           or Ctrl-D, or an empty line; Ctrl-C stops an answer"""


class Terminal:
    """One conversation in the terminal.

    Args:
        clients: column -> OpenAI client of its server.
        state: of the server (serve.json).
        console: rich console to print on.
        system: system prompt to begin with.
        as_user: it is the beginning of the first user turn (data.system_as_user).
    """

    def __init__(
        self, clients: dict[str, OpenAI], state: ChatState, console: Console, system: str | None, as_user: bool = False
    ) -> None:
        self.clients, self.state, self.console, self.system = clients, state, console, system
        self.as_user = as_user
        self.temperature, self.base = 0.7, False
        self.histories: dict[str, list[Any]] = {"tuned": [], "base": []}

    def read(self, line: str) -> bool:
        """Run a command or send a prompt; False when the line ends the conversation."""
        if not line.startswith("/"):
            self.send(line)
            return True
        command, _, rest = line.partition(" ")
        if command in ("/quit", "/exit"):
            return False
        if command == "/new":
            self.histories = {"tuned": [], "base": []}
        elif command == "/retry":
            self.retry()
        elif command == "/base":
            self.set_base()
        elif command == "/system":
            self.system = rest.strip() or None
        elif command == "/temperature":
            self.set_temperature(rest)
        elif command == "/save":
            self.save(rest.strip())
        else:
            self.console.print(HELP.format(temperature=self.temperature), markup=False, highlight=False)
        return True

    def set_base(self) -> None:
        """Switch the answers of the base model on or off."""
        self.base = not self.base and "base" in self.clients
        self.console.print("base and tuned answer" if self.base else "only the tuned model answers", style="dim")

    def set_temperature(self, text: str) -> None:
        """Set the sampling temperature; anything but a number from 0 to 2 is refused."""
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0 <= value <= 2:
            self.temperature = value
        else:
            self.console.print("a temperature is a number from 0 to 2", style="red")

    def save(self, name: str) -> None:
        """Write the conversation to a JSON file."""
        if not name:
            self.console.print("name a file: /save chat.json", style="red")
            return
        try:
            write_json(
                Path(name).expanduser(),
                {"model": self.state["model"], "system": self.system, "messages": self.histories["tuned"]},
            )
        except GaslampError as error:
            self.console.print(str(error), style="red", markup=False)

    def retry(self) -> None:
        """Answer the last message again."""
        history = self.histories["tuned"]
        while history and history[-1]["role"] == "assistant":
            history.pop()
        if history:
            question = history.pop()["content"]
            del self.histories["base"][len(history) :]
            self.send(question)

    def send(self, question: str) -> None:
        """Send ``question`` and print the answer of each column as it comes."""
        for column in ("tuned", "base") if self.base else ("tuned",):
            history = self.histories[column]
            messages = [*history, {"role": "user", "content": question}]
            messages = begin_with_system(messages, self.system, self.as_user)
            if self.base:
                self.console.print(f"{column}> ", style="bold", end="")
            answer = self.stream(messages, column)
            history += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    def stream(self, messages: list[Any], column: str) -> str:
        """Print one answer as it is generated, and return its text; Ctrl-C stops it and keeps the part so far.

        An answer that repeats itself is stopped, and returned without the repetitions.
        """
        from openai import APIConnectionError, APIStatusError

        pieces: list[str] = []
        cut: int | None = None
        started = time.monotonic()
        note = ""
        try:
            parts = self.clients[column].chat.completions.create(
                model=self.state["alias"],
                messages=messages,
                stream=True,
                temperature=self.temperature,
                top_p=0.9,
                max_tokens=1024,
                extra_body=self.state["columns"][column]["request"],
            )
            with contextlib.closing(parts):
                for part in parts:
                    if part.choices and (piece := part.choices[0].delta.content):
                        pieces.append(piece)
                        self.console.out(show_controls(piece), end="", highlight=False)
                        if (cut := find_repetition("".join(pieces))) is not None:
                            note = ", stopped: it repeats itself"
                            break
        except KeyboardInterrupt:
            note = ", stopped"
        except APIConnectionError as error:
            raise GaslampError(
                "the server has ended", "start it again with: make deploy", f"see {self.state['log']}"
            ) from error
        except APIStatusError as error:
            self.console.print(f"no answer: {error.message}", style="red", markup=False)
        seconds = time.monotonic() - started
        # one chunk is one token, except for tokens that end inside a character
        self.console.print(
            f"\n{len(pieces)} tokens, {len(pieces) / max(seconds, 1e-3):.0f} tokens/s{note}",
            style="dim",
            highlight=False,
        )
        return "".join(pieces)[:cut]


def connect() -> tuple[ChatState, dict[str, OpenAI]]:
    """The state of the running server, and column -> its client.

    Raises:
        GaslampError: no server of this project is running, or what it serves does not chat.
    """
    state = cast("ChatState | None", read_state(SERVED))
    if state is None:
        raise GaslampError("no server of this project is running", "start it with: make deploy")
    if not state["columns"]:
        raise GaslampError(
            f"{state['alias']} returns vectors or scores and has no conversations", f"call {state['url']}/v1/embeddings"
        )
    key = KEY_FILE.read_text(encoding="utf-8").strip()
    return state, {
        name: open_client(f"{column['url']}/v1", key, retries=0) for name, column in state["columns"].items()
    }


def chat() -> None:
    """Chat with the running server until an empty line or Ctrl-D.

    Raises:
        GaslampError: no server of this project is running, or it ends.
    """

    state, clients = connect()
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - arrow keys and earlier lines in input()
    console = make_safe_console(highlight=False)
    card = Card.read(get_data_folder(state["run"]) / "card.json")
    terminal = Terminal(clients, state, console, card.system, card.system_as_user)
    console.print(
        f"{state['alias']} ({Path(state['model']).name}): an empty line ends, /help lists the commands", markup=False
    )
    while True:
        try:
            line = input("you> ").strip()
        except EOFError:
            line = ""
        except KeyboardInterrupt:
            print()
            continue
        if not line or not terminal.read(line):
            return
