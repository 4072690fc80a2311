"""The driver colab: the real command line of Colab against a STUB that hands machines out, and real Jupyter servers.

Google's sign-in, quota and GPUs are in no test.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core.errors import GaslampError
from gaslamp.remote.driver import Lease, RemoteError
from gaslamp.remote.drivers import colab
from gaslamp.remote.drivers.colab import ColabMachine, Program
from remote_stands.colab import Assigner, assigning, find_cli, get_remote

ROOT = Path(__file__).parents[3]


def get_settings(remote: dict[str, object]) -> Slice:
    whole = Config.model_validate({"project": {"name": "t"}, "remote": remote})
    return parse_slice(get_slice(whole, "project", "remote"))


@pytest.fixture
def assigner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Assigner]:
    """The stub; the working folder is a project's."""
    find_cli()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    with assigning(tmp_path) as server:
        yield server


def test_refusals_of_colab_have_their_names_and_leave_no_machine(assigner: Assigner, tmp_path: Path) -> None:
    assigner.refusals = [412, 400, 500]
    settings = get_settings({**get_remote(tmp_path, assigner), "gpu": "L4"})
    kept: list[Lease] = []
    found = []
    for _ in range(3):
        with pytest.raises(RemoteError) as caught:
            colab.open(settings, None, kept.append)
        found.append((caught.value.kind, caught.value.retry))
    assert found == [("refused", "wait"), ("no_entitlement", ""), ("network", "again")]
    assert assigner.requested == [] and assigner.runtimes == {} and len(kept) == 3
    assert len({lease.name for lease in kept}) == 3


def test_a_machine_that_is_taken_away_is_lost_and_secrets_stay_out_of_files(assigner: Assigner, tmp_path: Path) -> None:
    """One machine for the ways in which Colab takes one away, for the type of GPU, and for what is written here."""
    settings = get_settings({**get_remote(tmp_path, assigner), "gpu": "G4"})
    with colab.open(settings, None, lambda lease: None) as machine:
        assert assigner.requested == ["G4"] and machine.lease.machine == "Colab's G4"
        assert machine.run(["wc", "-c"], 60, stdin="hf_SECRET") == ["9"]
        left = [file for file in tmp_path.rglob("*") if file.is_file() and b"hf_SECRET" in file.read_bytes()]
        assert [file for file in left if "jupyter" not in file.parts] == []
        state = tmp_path / "project" / ".gaslamp" / "remote" / "colab"
        assert state.stat().st_mode & 0o77 == 0 and (state / "sessions.json").stat().st_mode & 0o77 == 0
        assert not any("stub-token" in file.read_text() for file in state.rglob("*.jsonl"))
        assert os.readlink(state / "home" / ".config" / "colab-cli" / "colab.log") == os.devnull
        assigner.lose("m-0")
        with pytest.raises(RemoteError) as caught:
            machine.run(["true"], 60)
        assert caught.value.kind == "lost" and caught.value.retry == "lease"
        with pytest.raises(RemoteError) as caught:
            colab.open(settings, machine.lease, lambda lease: None)
        assert caught.value.kind == "lost"
        assert machine.release().endswith("is given back")
    assert assigner.returned == [], "it was gone"


CUT = """
from colab_cli.contents import ContentsClient
import pathlib
whole, seen = ContentsClient.download, pathlib.Path(__file__).with_name("cut")
def download(self, remote, local):
    whole(self, remote, local)
    if not seen.exists():
        seen.touch()
        data = open(local, "rb").read()
        open(local, "wb").write(data[: len(data) // 2])
ContentsClient.download = download
"""


@pytest.mark.by_hand
def test_a_cut_download_is_fetched_again_and_a_new_kernel_is_entered_again(
    assigner: Assigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ColabMachine, "part", 200_000)
    settings = get_settings(get_remote(tmp_path, assigner, CUT))
    source = tmp_path / "source"
    source.write_bytes(os.urandom(450_000))
    with colab.open(settings, None, lambda lease: None) as machine:
        machine.put(source, "data/large")
        assert (Path(machine.lease.folder) / "data" / "large").read_bytes() == source.read_bytes()
        machine.get("data/large", tmp_path / "home")
        assert (tmp_path / "cut").exists() and (tmp_path / "home").read_bytes() == source.read_bytes()
        assert not list(tmp_path.glob(".home*")), "the parts are gone"
        assert [path.name for path in (Path(machine.lease.folder) / ".parts").iterdir()] == []
        with pytest.raises(RemoteError, match="no answer"):
            machine._ask("run", command=["true"], folder=machine.lease.folder, nonsense=1)  # an exception in the cell
        assert machine.run(["seq", "60000"], 60) == [str(n) for n in range(1, 60001)], "too long for one answer"
        machine._execute("import sys; [sys.modules.pop(m) for m in list(sys.modules) if 'gaslamp_side' in m]", 5)
        assert machine.run(["echo", "again"], 60) == ["again"], "a kernel that was started again"
        machine.release()
    assert assigner.returned == ["m-0"]


INTERRUPTED = """
import sys, _thread, time, threading
from pathlib import Path
from gaslamp.remote.drivers import colab
sys.path.insert(0, {tests!r})
from unit.remote.test_colab_driver import get_settings
marker = Path({folder!r}) / "asking"
def press():
    while not marker.exists(): time.sleep(0.02)
    _thread.interrupt_main()
threading.Thread(target=press, daemon=True).start()
colab.open(get_settings({remote!r}), None, lambda lease: None)
"""
ASKING = """
import pathlib
client.Client.assign = lambda self, *a, _real=client.Client.assign, **k: (
    pathlib.Path(__file__).with_name("asking").touch(), _real(self, *a, **k))[1]
"""


def test_ctrl_c_while_a_machine_is_handed_out_gives_it_back(assigner: Assigner, tmp_path: Path) -> None:
    code = INTERRUPTED.format(
        tests=str(ROOT / "tests"), folder=str(tmp_path), remote=get_remote(tmp_path, assigner, ASKING)
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == -signal.SIGINT and done.stderr.endswith("interrupted\n"), done.stderr
    assert assigner.requested == ["NONE"] and assigner.returned == ["m-0"]


def test_what_is_missing_here_is_said_before_anything_is_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    [problem] = colab.find_problems(get_settings({}))
    assert (
        "no colab command" in problem.cause and "uv tool install" in problem.fix and "notebook" in problem.less_likely
    )
    with pytest.raises(GaslampError, match="no colab command"):
        colab.open(get_settings({}), None, lambda lease: None)
    [problem] = colab.find_problems(get_settings({"colab_cli": str(tmp_path / "gone")}))
    assert "which is not there" in problem.cause
    program = tmp_path / "bin" / "colab"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    [problem] = colab.find_problems(get_settings({}))
    assert "no sign-in" in problem.cause and f"{program} --auth oauth2 sessions" in problem.fix
    monkeypatch.setattr(colab, "PRODUCT", tmp_path / "product")
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    [problem] = colab.find_problems(get_settings({"colab_auth": "adc"}))
    assert "no application-default credentials" in problem.cause and "gcloud auth" in problem.fix
    (tmp_path / ".config" / "gcloud").mkdir(parents=True)
    credentials = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    credentials.write_text("{}")
    assert colab.find_problems(get_settings({"colab_auth": "adc"})) == []
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone"))
    assert colab.find_problems(get_settings({"colab_auth": "adc"})) != [], "the named file is the one that counts"
    (tmp_path / "product").write_text("Google Compute Engine\n")
    assert colab.find_problems(get_settings({"colab_auth": "adc"})) == []
    (tmp_path / ".config" / "colab-cli").mkdir(parents=True)
    (tmp_path / ".config" / "colab-cli" / "token.json").write_text("{}")
    assert colab.find_problems(get_settings({})) == []
    with pytest.raises(ValueError, match="'T4', 'L4', 'G4', 'H100', 'A100' or 'none'"):
        get_settings({"gpu": "V100"})


def test_an_expired_sign_in_and_a_call_that_hangs_have_their_names(tmp_path: Path) -> None:
    program = tmp_path / "colab"
    program.write_text("#!/bin/sh\necho 'google.auth.exceptions.RefreshError: invalid_grant' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(RemoteError) as caught:
        Program(program, "oauth2", tmp_path / "state").call("sessions", seconds=60)
    assert caught.value.kind == "auth" and f"{program} --auth oauth2 sessions" in caught.value.fix
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    with pytest.raises(RemoteError) as caught:
        Program(program, "adc", tmp_path / "state").call("exec", seconds=0.2)
    assert caught.value.kind == "network" and caught.value.retry == "again"
