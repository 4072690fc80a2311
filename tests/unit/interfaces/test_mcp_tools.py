"""Which command each tool runs, and what an agent cannot name. The commands themselves: tests/rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asynchronous import run_async
from gaslamp.core.document import ErrorDocument
from gaslamp.interfaces.mcp import server as server_module
from gaslamp.interfaces.mcp.commands import CommandFailed, call
from gaslamp.interfaces.mcp.server import make_server
from gaslamp.report.status import StatusDocument
from mcp import Client

PLAN = {"train.max_steps": 5, "eval.gate": "warn", "train.packing": True}


def ask(project: Path, tool: str, **arguments: Any) -> Any:
    async def main() -> Any:
        async with Client(make_server(project)) as client:
            return await client.call_tool(tool, arguments)

    return run_async(main)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What would be run; each command fails."""
    found: list[tuple[str, list[str]]] = []

    async def record(project: Path, script: str, contract: type, options: list[str] = ()) -> None:
        found.append((script, list(options)))
        raise CommandFailed(ErrorDocument(error="recorded", fixes=["none"]))

    monkeypatch.setattr(server_module, "call", record)
    return found


@pytest.mark.parametrize(
    ("tool", "arguments", "script", "options"),
    [
        ("status", {"run": "b"}, "watch_run.py status", ["--run=b"]),
        ("plan", {"settings": PLAN}, "plan_run.py", ["--set=train.max_steps=5; eval.gate=warn; train.packing=true"]),
        ("plan", {"profile": "cuda"}, "plan_run.py", ["--profile=cuda"]),
        ("describe_data", {"source": "data/raw/a.csv"}, "describe_data.py", ["--", "data/raw/a.csv"]),
        ("describe_data", {"source": "hub:o/n", "method": "k"}, "describe_data.py", ["--method=k", "--", "hub:o/n"]),
        ("describe_data", {"source": "--help"}, "describe_data.py", ["--", "--help"]),
        ("advise", {"machine": "t4", "needs": "a, b"}, "advise_models.py", ["--machine=t4", "--needs=a, b"]),
        ("chat", {"prompt": "--json"}, "serve_model.py chat", ["--prompt=--json", "--max-tokens=256"]),
        ("run", {"target": "data"}, "control_run.py start", ["--target=data/report.html"]),
        ("run", {"profile": "cpu", "run": "b"}, "control_run.py start", ["--profile=cpu", "--run=b"]),
        ("stop", {}, "control_run.py stop", []),
        ("stop_server", {}, "serve_model.py stop", []),
        ("hint", {"text": "-x", "kind": "skill"}, "add_reflect_hint.py", [".", "--hint=-x", "--type=skill"]),
        ("memory", {}, "manage_memory.py", ["--project=."]),
        ("check_config", {}, "check_config.py", []),
    ],
)  # fmt: skip
def test_a_tool_runs_one_command(
    tool: str, arguments: dict[str, Any], script: str, options: list[str], tmp_path: Path, commands: list[Any]
) -> None:
    answer = ask(tmp_path, tool, **arguments)
    assert commands == [(script, options)]
    assert answer.is_error and json.loads(answer.content[0].text)["error"] == "recorded"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("results", {"run": "../other"}),
        ("status", {"run": "--help"}),
        ("status", {"run": "a/b"}),
        ("plan", {"settings": {"train_python": "/bin/sh"}}),
        ("plan", {"settings": {"train.python": "/bin/sh"}}),
        ("plan", {"settings": {"data.source": "~/.ssh"}}),
        ("plan", {"settings": {"train.max_steps": "5; train_python=x"}}),
        ("plan", {"settings": {"train.max_steps": [1]}}),
        ("describe_data", {"source": "/etc/passwd"}),
        ("describe_data", {"source": "../other/data.csv"}),
        ("describe_data", {"source": "~/mails.csv"}),
        ("describe_data", {"source": "https://example.org/a.csv"}),
        ("describe_data", {"source": "hub:../../x"}),
        ("describe_data", {"source": "link.csv"}),
        ("describe_data", {"source": ""}),
        ("run", {"target": "--unlock"}),
        ("run", {"profile": "../profile"}),
        ("chat", {"prompt": "hi", "max_tokens": 100_000}),
        ("advise", {"machine": "a b"}),
        ("hint", {"text": "x", "phase": 0}),
    ],
)
def test_what_an_agent_cannot_name(tool: str, arguments: dict[str, Any], tmp_path: Path, commands: list[Any]) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("secret\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.csv").symlink_to(outside)
    answer = ask(project, tool, **arguments)
    assert answer.is_error and commands == [] and "secret" not in answer.content[0].text


def test_a_command_without_a_document_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "watch_run.py").write_text(
        "import sys\nprint('hello')\nsys.exit('token=abcdef and gone')\n"
    )
    with pytest.raises(CommandFailed) as failed:
        run_async(call, tmp_path, "watch_run.py status", StatusDocument)
    assert "no document" in failed.value.document.error and "and gone" in failed.value.document.error
    assert "abcdef" not in failed.value.document.error


def test_files_that_are_not_there_or_lie_outside(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "project" / "gaslamp.md").symlink_to(tmp_path / "secret")

    async def main() -> list[str]:
        problems = []
        async with Client(make_server(tmp_path / "project")) as client:
            for name in ("roadbook", "agents", "report"):
                with pytest.raises(Exception, match="does not exist") as refused:
                    await client.read_resource(f"gaslamp://{name}")
                problems.append(str(refused.value))
        return problems

    assert len(run_async(main)) == 3


@pytest.mark.parametrize(
    ("tool", "arguments", "where", "part"),
    [
        ("nope", {}, None, "there is no tool nope"),
        ("results", {"run": "../x"}, "run", "results: run: "),
        ("advise", {"rows": 0, "machine": "-x"}, "machine", "rows: "),
        ("hint", {}, "text", "text: Field required"),
        ("hint", {"text": "a\0b"}, None, "cannot be called with this argument: embedded null byte"),
        ("describe_data", {"source": "data/\0x"}, "source", "NUL"),
        ("describe_data", {"source": "a" * 5000}, "source", "too long"),
        ("describe_data", {"source": "a" * 900}, "source", "cannot be looked up"),
    ],
)
def test_every_error_is_json(
    tmp_path: Path, tool: str, arguments: dict[str, Any], where: str | None, part: str
) -> None:
    answer = ask(tmp_path, tool, **arguments)
    error = ErrorDocument.model_validate_json(answer.content[0].text)
    assert answer.is_error and part in error.error and error.where == where and error.fixes[0]
    assert "://" not in error.error and "\n" not in error.error


def test_a_resource_that_there_is_not_is_json_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with Client(make_server(tmp_path)) as client:
            for uri in ("gaslamp://nope", "gaslamp://roadbook"):
                with pytest.raises(Exception, match="nope|roadbook") as refused:
                    await client.read_resource(uri)
                error = ErrorDocument.model_validate_json(getattr(refused.value, "message", str(refused.value)))
                assert error.where == uri and "gaslamp://config" in error.fixes[0]

    run_async(main)
