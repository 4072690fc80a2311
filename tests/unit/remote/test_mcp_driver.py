"""The driver mcp against a labelled stand-in for colab-mcp: a real MCP server over stdio with a real kernel."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core.errors import GaslampError
from gaslamp.remote.driver import RemoteError
from gaslamp.remote.drivers import mcp
from gaslamp.remote.kernel import KernelMachine
from gaslamp.remote.mcp_holder import read_result
from remote_stands.mcp import SERVER, stand


def get_settings(remote: dict[str, object]) -> Slice:
    whole = Config.model_validate({"project": {"name": "t"}, "remote": remote})
    return parse_slice(get_slice(whole, "project", "remote"))


@pytest.mark.parametrize(
    ("structured", "texts", "printed"),
    [
        ({"result": [{"output_type": "stream", "name": "stdout", "text": "a\nb\n"}]}, [], "a\nb\n"),
        (
            None,
            ['[{"output_type": "stream", "text": "a"}, {"output_type": "error", "ename": "E", "evalue": "v"}]'],
            "a\nE\nv",
        ),
        (None, ["plain words"], "plain words"),
        (None, ['{"output_type": "stream", "text": "x"}', "y"], "x\ny"),
        ({"result": [{"data": {"text/plain": "3", "image/png": "iVBOR"}}]}, [], "3"),
        ({"result": None}, [], ""),
    ],
)
def test_what_a_tool_returns_is_read_as_text(structured: object, texts: list[str], printed: str) -> None:
    assert read_result(structured, texts) == printed


def check_parts_and_kernels(machine: KernelMachine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all drivers with a kernel share; the command line of Colab does it by hand (test_colab_driver.py)."""
    monkeypatch.setattr(machine, "part", 200_000)
    (folder / "source").write_bytes(content := os.urandom(450_000))
    machine.put(folder / "source", "data/large")
    assert (Path(machine.lease.folder) / "data" / "large").read_bytes() == content
    whole, cut = machine._fetch, list[str]()

    def fetch(path: str, target: Path) -> None:
        whole(path, target)
        if not cut:
            cut.append(path)
            target.write_bytes(target.read_bytes()[:1000])

    monkeypatch.setattr(machine, "_fetch", fetch)
    machine.get("data/large", folder / "home")
    assert cut and (folder / "home").read_bytes() == content and not list(folder.glob(".home*"))
    assert list((Path(machine.lease.folder) / ".parts").iterdir()) == []
    with pytest.raises(RemoteError, match="no answer"):
        machine._ask("run", command=["true"], folder=machine.lease.folder, nonsense=1)  # an exception in the cell
    machine._execute("import sys; [sys.modules.pop(m) for m in list(sys.modules) if 'gaslamp_side' in m]", 5)
    assert machine.run(["echo", "again"], 60) == ["again"], "a kernel that was started again"


def test_a_server_that_ends_takes_its_machine_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stand(tmp_path) as remote:
        settings = get_settings(remote)
        with mcp.open(settings, None, lambda lease: None) as machine:
            assert machine.run(["seq", "50000"], 60) == [str(n) for n in range(1, 50001)], "longer than one answer"
            assert machine.run(["sleep", "5"], 60) == [], "longer than a cell may be silent"
            check_parts_and_kernels(machine, tmp_path, monkeypatch)
            socket = Path(machine.lease.details["socket"])
            assert socket.stat().st_mode & 0o77 == 0 and socket.parent.stat().st_mode & 0o77 == 0
            os.kill(int(machine.lease.details["pid"]), signal.SIGKILL)
            with pytest.raises(RemoteError) as caught:
                machine.run(["true"], 60)
            assert caught.value.kind == "lost" and caught.value.retry == "lease"
            with pytest.raises(RemoteError) as caught:
                mcp.open(settings, machine.lease, lambda lease: None)
            assert caught.value.kind == "lost"
            assert "gives it back" in machine.release() and not socket.parent.exists()


def test_what_is_missing_is_said_and_a_server_that_cannot_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "mcp_command is not set" in mcp.find_problems(get_settings({}))[0].cause
    [problem] = mcp.find_problems(get_settings({"mcp_command": ["no-such-program"]}))
    assert "no-such-program, which is no program here" in problem.cause
    [problem] = mcp.find_problems(get_settings({"mcp_command": [sys.executable], "hf_token": True}))
    assert "may log all that it runs" in problem.cause
    command = [sys.executable, "-P", str(SERVER), str(tmp_path)]
    with pytest.raises(GaslampError) as caught:
        mcp.open(get_settings({"mcp_command": command, "mcp_tool": "shell"}), None, lambda lease: None)
    assert "no tool shell; it has: runtime_execute_code" in caught.value.cause
    with pytest.raises(GaslampError, match="did not start: .*No module named nothing"):
        mcp.open(get_settings({"mcp_command": [sys.executable, "-m", "nothing"]}), None, lambda lease: None)
