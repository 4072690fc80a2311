"""Every driver of another machine keeps the contract; a new file in remote/drivers is tested without an edit here.

What a driver does is tested on a stand-in, ``tests/remote_stands/NAME.py``: its ``stand(folder)`` is a context manager
that gives the section ``remote`` of a config whose machine is on this computer, or skips with the reason.
"""

from __future__ import annotations

import importlib
import inspect
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core import registry
from gaslamp.remote.driver import CommandFailed, Lease, Machine, get_driver, is_manual

DRIVERS = registry.names("drivers")
LEASED = [name for name in DRIVERS if not is_manual(name)]
PATIENCE = 90


def get_settings(remote: dict[str, object]) -> Slice:
    whole = Config.model_validate({"project": {"name": "t"}, "remote": remote})
    return parse_slice(get_slice(whole, "project", "remote"))


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_says_what_it_is(name: str) -> None:
    driver = get_driver(name)
    assert driver.TITLE and isinstance(driver.RELEASES, bool)
    assert list(inspect.signature(driver.find_problems).parameters) == ["settings"]
    if is_manual(name):
        assert list(inspect.signature(driver.hand_over).parameters) == ["settings", "bundle", "command", "folder"]
        assert list(inspect.signature(driver.find_archive).parameters) == ["settings", "folder"]
    else:
        assert list(inspect.signature(driver.open).parameters) == ["settings", "lease", "keep"]


@pytest.fixture(scope="module", params=LEASED)
def leased(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Slice]]:
    """The name of a driver, and settings for its stand-in."""
    module = importlib.import_module(f"remote_stands.{request.param}")
    with module.stand(tmp_path_factory.mktemp(request.param)) as remote:
        yield request.param, get_settings(remote)


@pytest.fixture(scope="module")
def machine(leased: tuple[str, Slice]) -> Iterator[Machine]:
    name, settings = leased
    kept: list[Lease] = []
    with get_driver(name).open(settings, None, kept.append) as machine:
        assert kept == [machine.lease], "a new lease is kept at once"
        yield machine
        machine.release()
        machine.release()


def test_settings_of_the_stand_in_have_no_problem(leased: tuple[str, Slice]) -> None:
    name, settings = leased
    assert get_driver(name).find_problems(settings) == []


def test_files_go_there_and_come_home_whole(machine: Machine, tmp_path: Path) -> None:
    names = ("a.bin", "deep/er/a file é'.bin", "empty", "a.bin")
    for number, name in enumerate(names):
        content = b"" if name == "empty" else os.urandom(70_000 + number) + b"\r\n\x00"
        source, home = tmp_path / "source", tmp_path / "home" / "copy"
        source.write_bytes(content)
        machine.put(source, name)
        machine.get(name, home)
        assert home.read_bytes() == content
    assert machine.read(name, 0) == content and machine.read(name, 69_000) == content[69_000:]
    assert machine.read(name, len(content)) == b""
    assert machine.read("no such file", 0) == b""


def test_a_command_gives_its_lines_and_its_exit_code(machine: Machine) -> None:
    code = "import os, sys; print(os.getcwd()); print(sys.argv[1:]); print(sys.stdin.read())"
    words = ["a b", "$HOME", "'\"", "*", "é"]
    lines = machine.run(["python3", "-c", code, *words], 60, stdin="a secret")
    assert os.path.realpath(lines[0]) == os.path.realpath(machine.lease.folder)
    assert lines[1:] == [str(words), "a secret"]
    failing = "import sys; print('out'); print('the reason', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CommandFailed) as caught:
        machine.run(["python3", "-c", failing], 60)
    assert caught.value.status == 3 and "the reason" in caught.value.output and "out" in caught.value.output


def test_what_was_started_outlives_the_connection(leased: tuple[str, Slice], machine: Machine, tmp_path: Path) -> None:
    name, settings = leased
    code = (
        "import os, time\nprint('began', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('ended')"
    )
    handle = machine.start(["python3", "-c", code], "logs/started.log")
    with get_driver(name).open(settings, machine.lease, lambda lease: None) as other:
        assert other.lease.folder == machine.lease.folder
        wait_for(lambda: other.read("logs/started.log", 0) == b"began\n")
        assert other.alive(handle)
    assert machine.alive(handle)
    (tmp_path / "go").write_text("", encoding="utf-8")
    machine.put(tmp_path / "go", "go")
    wait_for(lambda: not machine.alive(handle))
    assert machine.read("logs/started.log", 6) == b"ended\n"


def wait_for(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "not within the patience"
        time.sleep(0.05)
