"""Configs that no person would write on purpose: refused with a line and a fix, or taken; never an exception."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import yaml
from gaslamp.config.slices import read_merged
from gaslamp.core.errors import GaslampError

from faults.bench import Bench, Trial

ABOUT = "generated configs: wrong types, extreme numbers, hostile texts, broken YAML, bytes that are no text"
BATCH = 25
SECONDS = 30
"""For one config."""
VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 1e26, -1e26, 1e-300, 2**63, 2**200, float("nan"), float("inf"), 0.5),
    *(
        "",
        " ",
        "nan",
        "null",
        "../..",
        "/",
        "~",
        ".",
        "[",
        "{",
        "\x00",
        "\u202e",
        "a\rb",
        "\x1b]52;c;aGk=\x07",
        "x" * 9999,
    ),
    *("(", "(?P<", "*", "{item}", "{{ 1 }}", "${HOME}", "$(id)", "'; rm -rf .", '"""', "hub:", "hub:a", "hub:a/b/c"),
    *("embedded:", "embedded:nothing", "http://127.0.0.1:1", "file:///etc/passwd", "\ud800", "日本語", "١٢"),
    *(
        [],
        {},
        [[]],
        [None],
        [{}],
        {"a": []},
        {"": 1},
        {1: 2},
        ["a", 1],
        [[[[[[[[1]]]]]]]],
        {"name": "length"},
        ["length"],
    ),
)
TEXTS: tuple[Callable[[str, random.Random], bytes], ...] = (
    lambda text, random: text.encode("utf-16"),
    lambda text, random: text.encode("latin-1", "replace") + b"\n# \xff\xfe\n",
    lambda text, random: text.encode()[: random.randrange(len(text.encode()))],
    lambda text, random: b"",
    lambda text, random: b"\x00" * 100,
    lambda text, random: random.randbytes(500),
    lambda text, random: b"[" * 100_000,
    lambda text, random: text.encode() + b"\nproject: again\n",
    lambda text, random: b"a: &a [*a]\n" + text.encode(),
    lambda text, random: b"a: &a {b: *a}\n" + text.encode(),
    lambda text, random: (
        "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 9))
    ).encode(),
    lambda text, random: text.replace(": ", ":\t", 3).encode(),
    lambda text, random: text.replace("\n", "\n ", random.randrange(1, 9)).encode(),
    lambda text, random: b"!!python/object/apply:os.system ['touch escaped']\n",
    lambda text, random: b"- a\n- b\n",
    lambda text, random: b"just text\n",
    lambda text, random: b"---\na: 1\n---\nb: 2\n",
    lambda text, random: text.replace("\n", "\r").encode(),
)


class TooLong(Exception):
    """Reading a config took more than SECONDS."""


def run(bench: Bench, random: random.Random) -> Trial:
    """BATCH configs, read as every step reads them."""
    with bench.copy("configs") as project:
        trial = Trial(f"{BATCH} configs", faults=BATCH)
        file = project / "config.yaml"
        text = file.read_text(encoding="utf-8")
        for _ in range(BATCH):
            data, what = make(text, random)
            file.write_bytes(data)
            if problem := read(file):
                trial.problems.append(f"{what}: {problem}")
        if (project / "escaped").exists() or Path("escaped").exists():
            trial.problems.append("a config ran a command")
        return trial


def make(text: str, random: random.Random) -> tuple[bytes, str]:
    """A config and what is odd about it."""
    if random.random() < 0.25:
        number = random.randrange(len(TEXTS))
        return TEXTS[number](text, random), f"text {number}"
    values = yaml.safe_load(text)
    what = []
    for _ in range(random.randint(1, 4)):
        path, parent = pick(values, random)
        name = path.split(".")[-1]
        if random.random() < 0.1:
            name = random.choice(("", "x", "__class__", "batch_size", "a.b", "\x1b[2J"))
        parent[name] = value = random.choice(VALUES)
        what.append(f"{path}={value!r:.60}")
    return yaml.dump(values, allow_unicode=True).encode("utf-8", "surrogatepass"), ", ".join(what)


def pick(values: dict[str, object], random: random.Random) -> tuple[str, dict[str, object]]:
    """A key anywhere in the config: its path and the section that holds it."""
    places: list[tuple[str, dict[str, object]]] = []

    def walk(section: dict[str, object], path: str) -> None:
        for key, value in section.items():
            places.append((f"{path}{key}", section))
            if isinstance(value, dict):
                walk(value, f"{path}{key}.")

    walk(values, "")
    return random.choice(places)


def read(file: Path) -> str:
    """What is wrong with how a config is read; empty: it is taken, or refused as it should be."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        read_merged([file])
    except GaslampError as error:
        text = str(error)
        if not error.fix or len(text) > 20_000 or any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
            return f"refused with a text that cannot be read: {text[:200]!r}"
    except TooLong:
        return f"hangs (more than {SECONDS} s)"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return ""
