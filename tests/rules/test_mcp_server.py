"""The MCP server as an agent meets it: over stdio, with the SDK's client, on a finished project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import tiny
from asynchronous import run_async
from gaslamp.core.background import RunDocument
from gaslamp.core.document import ErrorDocument
from gaslamp.core.files import read_json
from gaslamp.guide.agents import list_commands
from gaslamp.guide.documents import RunPlanDocument
from gaslamp.report.results import ResultsDocument
from gaslamp.report.status import StatusDocument
from mcp import Client, StdioServerParameters, stdio_client

TOOLS = {
    "status", "results", "plan", "describe_data", "check_config", "advise", "memory", "chat",
    "run", "stop", "stop_server", "hint",
}  # fmt: skip


def talk(project: Path, command: list[str], work: Callable[[Any], Awaitable[None]]) -> None:
    """Start a server with ``command`` and hold a session with it."""
    environ = tiny.get_environ(project.parent / "gaslamp_home", PYTHONPATH=str(tiny.ROOT / "scripts"))
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=environ, cwd=project.parent)

    async def main() -> None:
        async with Client(stdio_client(parameters)) as client:
            await work(client)

    run_async(main)


async def ask(client: Any, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    value = answer.structured_content
    assert json.loads(answer.content[0].text) == value
    return value


async def fail(client: Any, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return ErrorDocument.model_validate_json(answer.content[0].text)


def test_an_agent_sees_what_a_person_sees(finished: Path) -> None:
    """Connected as AGENTS.md says."""
    shown = re.search(r"```json\n(.*?)```", (finished / "AGENTS.md").read_text(), re.DOTALL)
    assert shown
    server = json.loads(shown[1])["mcpServers"]["gaslamp"]
    arguments = [str(finished) if part == "<this folder>" else part for part in server["args"]]

    async def work(client: Any) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == TOOLS and all(tool.description and tool.output_schema for tool in tools.values())
        assert {name for name, tool in tools.items() if not tool.annotations.read_only_hint} == {
            "run", "stop", "stop_server", "hint"
        }  # fmt: skip
        state: Any = StatusDocument.model_validate(await ask(client, "status"))
        assert not state.is_running and state.training.run == "main" and state.next == "make deploy"
        results = ResultsDocument.model_validate(await ask(client, "results"))
        compare = read_json(finished / "outputs/main/eval/compare.json")
        assert results.metrics[0].tuned.model_dump() == compare["metrics"][0]["tuned"]
        missing = await fail(client, "results", run="other")
        assert "outputs/other" in missing.error and any("main" in fix for fix in missing.fixes)
        data = await ask(client, "describe_data")
        assert data["readings"][0]["mapping"] == {"prompt": "prompt", "completion": "completion"}
        assert "outside the project" in (await fail(client, "describe_data", source="/etc/passwd")).error
        plan = RunPlanDocument.model_validate(await ask(client, "plan", settings={"train.max_steps": 30}))
        change = plan.changed["train.max_steps"]
        assert (change.then, change.now) == (40, 30) and "train_model_cpu" in {one.rule for one in plan.jobs}
        assert (await ask(client, "stop"))["was_stopped"] is False
        config = await client.read_resource("gaslamp://config")
        assert config.contents[0].text == (finished / "config.yaml").read_text()
        report = await client.read_resource("gaslamp://report")
        assert report.contents[0].mime_type == "text/html" and "<title>" in report.contents[0].text
        before = (finished / "config.yaml").read_bytes()
        (finished / "config.yaml").write_bytes(before.replace(b"max_steps: 40", b"max_steps: many"))
        try:
            for tool in ("run", "check_config", "results"):
                problem = await fail(client, tool)
                assert 'train.max_steps = "many"' in problem.error and problem.where.startswith("config.yaml, line "), (
                    tool
                )
        finally:
            (finished / "config.yaml").write_bytes(before)

    talk(finished, [server["command"], *arguments], work)


def test_a_run_is_started_once_and_ends_by_itself(finished: Path, tmp_path: Path) -> None:
    project = tiny.copy_project(finished, tmp_path)
    tiny.set_config(project, **{"demo.language": "de"})
    page = project / "demos/main/index.html"
    assert 'lang="en"' in page.read_text()

    async def work(client: Any) -> None:
        first = RunDocument.model_validate(await ask(client, "run", profile="cpu"))
        second = RunDocument.model_validate(await ask(client, "run", profile="cpu"))
        assert first.is_new and first.is_running and first.profile == "cpu"
        assert not second.is_new and second.pid == first.pid
        state: Any = StatusDocument.model_validate(await ask(client, "status"))
        end = time.monotonic() + 180
        while state.is_running:
            assert state.running is None or state.running.pid == first.pid
            assert time.monotonic() < end, state
            await anyio.sleep(0.5)
            state = StatusDocument.model_validate(await ask(client, "status"))
        assert state.last_background.pid == first.pid and state.last_background.log == "logs/background.log"
        assert 'lang="de"' in page.read_text(), state.last_background.log_end

    talk(project, [sys.executable, "-m", "gaslamp", "mcp", f"--project={project}"], work)


def test_without_a_project_the_command_says_what_to_do(tmp_path: Path) -> None:
    done = tiny.run(sys.executable, "-m", "gaslamp", "mcp", cwd=tmp_path, PYTHONPATH=str(tiny.ROOT / "scripts"))
    assert done.returncode == 1 and done.stdout == "" and "is not a generated project" in done.stderr
    (tmp_path / ".gaslamp.json").write_text("{}")
    done = tiny.run(sys.executable, "-m", "gaslamp", "mcp", cwd=tmp_path, PYTHONPATH=str(tiny.ROOT / "scripts"))
    assert done.returncode == 1 and "make upgrade" in done.stderr


def test_agents_md_is_complete(finished: Path) -> None:
    text = (finished / "AGENTS.md").read_text()
    targets = subprocess.run(
        ["make", "-C", str(finished), "-qp", "--no-print-directory"], capture_output=True, text=True, check=False
    ).stdout
    phony = set(re.search(r"^\.PHONY: (.*)$", targets, re.MULTILINE)[1].split())
    listed = set(list_commands(finished / "Makefile"))
    # `new` only says that it belongs to the repository
    assert listed <= phony and phony - listed <= {"ready", "checked", "new"}, phony - listed
    for target in listed:
        assert f"| `make {target}` |" in text, target
    for place in ("config.yaml", "data/raw/", "make hint", "JSON=1", "gaslamp://config", "make check-pin"):
        assert place in text, place
