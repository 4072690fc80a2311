"""AGENTS.md of a project: what a program that works on it must know, from the project's own Makefile and rules."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.config.pin import PINNED, RECORD
from gaslamp.core import registry
from gaslamp.guide.json_forms import render_table
from gaslamp.pages.markdown import escape, escape_cell
from gaslamp.report.roadbook.inventory import ROLES

_TARGET = re.compile(r"^([a-z][a-z-]*):.*?## (.+)$", re.MULTILINE)

RULES = (
    "Read `config.yaml`, `project_brief.md`, `progress_log.md` and `make status` before you change anything.",
    "Settings are changed in `config.yaml` alone; `make run` then runs only what depends on them. The comment of a key "
    "has its range, and `# why:` above it the reason of a recommended value: keep the comments.",
    "One run at a time. It may take hours: start it in the background and look with `make status`. Ctrl-C stops it, "
    "the same command goes on; never remove Snakemake's lock or end its steps.",
    "An error names its cause, the usual fix and the less likely one: do the usual fix, then the same command again.",
    "Gates (`gate`, `parity`, `forgetting_gate`, `checks`) stop a run for a reason: only the person relaxes one.",
    "Test rows judge the model: never train on them, never choose settings by looking at them one by one.",
    "Report scores with their intervals from `outputs/<run>/eval/compare.json`, not the loss.",
    "No token, key or password in any file: they belong into environment variables, such as `HF_TOKEN`.",
    'What later projects should know: `make hint HINT="..."`. Notes of this one: `memory.md`, under its notes heading.',
)
"""What holds in every project, one sentence each."""

PROGRAMS = """With `JSON=1` a command writes one JSON document to its standard output and everything else to the
standard error: `make status JSON=1`. Each document has `schema_version`; paths are relative to this folder. A command
that fails writes `{"error": the cause, "fixes": [the usual fix, a less likely one], "where": file and line, config key
or null}` instead, and its exit code is not 0."""
"""How every JSON form behaves."""

SERVER = """The same over MCP, on the standard input and output (`make setup EXTRA=mcp` installs it). A client
connects with:

```json
{"mcpServers": {"gaslamp": {"command": "make", "args": ["-sC", "<this folder>", "mcp"]}}}
```

with the path of this folder in the place of `<this folder>`. Tools: `status`, `results`, `plan`, `describe_data`,
`check_config`, `advise`, `memory`, `chat`, `run`, `stop`, `stop_server`, `hint`. Resources: `gaslamp://agents`,
`gaslamp://config`, `gaslamp://roadbook`, `gaslamp://brief`, `gaslamp://data-card`, `gaslamp://report`. The server reads
no file outside of this folder, runs no other command, and leaves `config.yaml` to your own tools."""
"""How an agent connects."""


def list_commands(makefile: Path) -> dict[str, str]:
    """Target -> what its comment says, in the order of the file."""
    return dict(_TARGET.findall(makefile.read_text(encoding="utf-8")))


def render_agents(project: Path, name: str, task: str) -> str:
    """AGENTS.md as Markdown.

    Args:
        project: its folder, with Makefile.
        name: of the project.
        task: the first answer.
    """
    commands = list_commands(project / "Makefile")
    never = [*(f"`{folder}/`" for folder in (*PINNED, ".gaslamp_context")), f"`{RECORD}`", "`Makefile`", "this file"]
    own = ", ".join(f"`{kind}/`" for kind in registry.ROOMS)
    parts = [f"# {escape(name)}: for programs that work on this project", escape(task)]
    parts += ["## Commands", "| command | what it does |\n|---|---|"]
    parts[-1] += "".join(f"\n| `make {target}` | {escape_cell(text)} |" for target, text in commands.items())
    parts += ["## For programs", PROGRAMS, render_table(), SERVER]
    parts += ["## Rules", "\n".join(f"{number}. {rule}" for number, rule in enumerate(RULES, 1))]
    parts += [
        "## Never edit",
        f"- {', '.join(never)}: a pinned copy; `make check-pin` compares it, `make upgrade` replaces it. "
        f"Your own plug-ins go into folders of these names next to `config.yaml`: {own}.\n"
        "- `data/raw/`: the person's own data. Add a file with another name, or a query in `data.sql`.\n"
        "- `outputs/`, `logs/`, `checkpoints/`, `demos/`, `resources/`, `data/*.jsonl`: made by the run. "
        "Change what they are made from; `make clean-run` deletes the results of a run.",
    ]
    files = {name.replace("{run}", "<run>"): role for name, role in ROLES.items()}
    parts += ["## Files", "| file | what it is |\n|---|---|"]
    parts[-1] += "".join(f"\n| `{name}` | {escape_cell(role)} |" for name, role in files.items())
    return "\n\n".join(parts) + "\n"
