"""What another machine sends is taken only where something was requested; the rest of the project is never touched."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_path
from gaslamp.remote import lines, steps, there
from gaslamp.remote.arrivals import ForeignFile, unpack
from gaslamp.remote.driver import Lease
from gaslamp.remote.kernel import KernelMachine
from gaslamp.remote.manual import _unpack as unpack_manual
from gaslamp.remote.session import Session
from gaslamp.remote.task import read_task
from safetensors.torch import save_file

OWN = "scripts/watch_run.py"
GOOD = "checkpoints/main/k/checkpoint-5/trainer_state.json"
COMMAND = (
    "scripts/train_model.py --adapters outputs/main/adapters --facts outputs/main/train.json "
    "--metrics logs/main/train.metrics.jsonl --checkpoints checkpoints/main --log logs/main/train_model.log"
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a script and an older output."""
    folder = tmp_path / "project"
    for name in (OWN, "outputs/main/adapters/old.safetensors", "checkpoints/main/k/checkpoint-3/trainer_state.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine", encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def read_all(folder: Path) -> dict[str, bytes]:
    """Every file of the project itself."""
    files = [file for file in folder.rglob("*") if file.is_file() and ".gaslamp" not in file.parts]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def write_tar(file: Path, *members: tuple[str, bytes | str, bytes]) -> Path:
    """Members as (name, content or target of a link, type)."""
    with tarfile.open(file, "w") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, str):
                info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return file


REG = tarfile.REGTYPE
EVIL = [
    ((OWN, b"evil", REG), [OWN, GOOD]),
    ((OWN, b"evil", REG), [GOOD]),
    (("checkpoints/main/../../scripts/watch_run.py", b"evil", REG), [GOOD]),
    (("/tmp/gaslamp-evil", b"evil", REG), [GOOD]),
    (("checkpoints/mainly/x", b"evil", REG), [GOOD]),
    (("checkpoints/main/k/\x1b[2J", b"evil", REG), [GOOD]),
    (("checkpoints/main/k/link", "../../../scripts", tarfile.SYMTYPE), [GOOD]),
    (("checkpoints/main/k/hard", OWN, tarfile.LNKTYPE), [GOOD]),
    (("checkpoints/main/k/fifo", "", tarfile.FIFOTYPE), [GOOD]),
    (("checkpoints/main/k/x", b"", REG), ["../../../../secret.txt", GOOD]),
    (("checkpoints/main/k/x", b"", REG), ["/etc/passwd", GOOD]),
    (("checkpoints/main/k/x", b"", REG), ["checkpoints/main/k/not-in-the-archive", GOOD]),
]


def make_trip(archive: Path, files: list[str]) -> steps.Trip:
    """A trip whose machine sends this archive."""
    packed = lines.Packed(name="../../x.tar", sha256=sha256_path(archive), size=9, files=files)

    def get(name: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(archive, target)

    session = SimpleNamespace(
        machine=SimpleNamespace(get=get),
        lease=SimpleNamespace(backend="cpu", machine="h"),
        settings=SimpleNamespace(backend="ssh"),
        retry=lambda call: call(),
        ask=lambda *arguments, **options: packed,
    )
    return steps.Trip(cast(Session, session), read_task(COMMAND.split()), Path("config.yaml"))


@pytest.mark.parametrize(("member", "listed"), EVIL)
def test_what_nobody_requested_is_refused_and_nothing_is_changed(
    project: Path, tmp_path: Path, member: tuple[str, bytes | str, bytes], listed: list[str]
) -> None:
    archive = write_tar(tmp_path / "a.tar", (GOOD, b"{}", REG), member)
    before = read_all(tmp_path)
    with pytest.raises(ForeignFile) as caught:
        make_trip(archive, listed)._bring_checkpoint(-1)
    assert caught.value.fix and caught.value.cause.isprintable()
    assert read_all(tmp_path) == before and list(project.glob(".gaslamp/remote/incoming/*")) == []


def test_files_without_a_checkpoint_are_said_and_the_older_one_stays(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(steps, "say", said.append)
    for name in ("checkpoints/main/k/a.txt", "checkpoints/main/k/checkpoint-x/a", "checkpoints/main/checkpoint-9/a"):
        before = read_all(project)
        assert make_trip(write_tar(tmp_path / "a.tar", (name, b"{}", REG)), [name])._bring_checkpoint(3) == 3
        assert "no whole checkpoint" in said.pop() and read_all(project) == before
    (tmp_path / "cut.tar").write_bytes(b"no archive")
    assert make_trip(tmp_path / "cut.tar", [GOOD])._bring_checkpoint(3) == 3 and "not a whole archive" in said.pop()


def write_checkpoint(folder: Path, step: int) -> None:
    """A whole one, as far as it is checked; two of its files are hard links of one another."""
    folder.mkdir(parents=True)
    save_file({"a": torch.zeros(1)}, folder / "adapter_model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({"name": name}, folder / name)
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "trainer_state.json").write_text(f'{{"global_step": {step}}}', encoding="utf-8")
    os.link(folder / "adapter_config.json", folder / "linked.json")


def test_a_whole_checkpoint_comes_home_and_the_older_one_goes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the other side packs it: links are files in the archive."""
    newest = Path("checkpoints/main/k/checkpoint-5")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    write_checkpoint(newest, 5)
    there.pack("job", [newest])
    packed = lines.parse(capsys.readouterr().out.splitlines(), lines.Packed)
    monkeypatch.chdir(project)
    assert make_trip(tmp_path / "there" / packed.name, packed.files)._bring_checkpoint(3) == 5
    assert os.listdir("checkpoints/main/k") == ["checkpoint-5"]
    sent = read_all(tmp_path / "there" / "checkpoints")
    assert read_all(project / "checkpoints") == sent and len(sent) == 7
    assert list(project.glob(".gaslamp/remote/incoming/*")) == []


def test_a_notebook_archive_replaces_outputs_only_when_all_of_it_is_wanted(project: Path, tmp_path: Path) -> None:
    task = read_task(COMMAND.split())
    good = [(name, b"new", REG) for name in ("./outputs/main/adapters/a.safetensors", "outputs/main/train.json")]
    before = read_all(project)
    with pytest.raises(ForeignFile, match="watch_run.py"):
        unpack_manual(write_tar(tmp_path / "a.tar", *good, (OWN, b"evil", REG)), task)
    with pytest.raises(GaslampError, match="lacks outputs/main/train.json"):
        unpack_manual(write_tar(tmp_path / "a.tar", good[0]), task)
    assert read_all(project) == before
    unpack_manual(write_tar(tmp_path / "a.tar", ("outputs", b"", tarfile.DIRTYPE), *good), task)
    assert os.listdir("outputs/main/adapters") == ["a.safetensors"], "the older file is gone"
    assert Path("outputs/main/train.json").read_bytes() == b"new" and Path(OWN).read_text() == "mine"


def test_an_option_that_is_missing_requests_nothing(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar", (OWN, b"evil", REG))
    with pytest.raises(ForeignFile):
        unpack(archive, tmp_path / "staging", [Path("")])


def test_parts_of_a_kernel_have_the_names_that_were_requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = Lease(driver="colab", name="h", machine="h", folder="/x", started="2026-01-01T00:00:00+00:00")
    machine = KernelMachine(lease)
    answers = {"fetch": {"data": None}, "split": [["../evil", "0" * 64]]}
    monkeypatch.setattr(machine, "_ask", lambda do, **arguments: answers[do])
    monkeypatch.setattr(machine, "_fetch", lambda path, target: target.write_bytes(b"evil"))
    with pytest.raises(ForeignFile):
        machine.get("a", tmp_path / "home" / "a")
    assert not list(tmp_path.rglob("evil"))


def test_a_line_with_a_hash_that_is_none_is_no_line() -> None:
    with pytest.raises(GaslampError, match="PACKED"):
        line = '{"gaslamp": "PACKED", "name": "a", "sha256": "../../x", "size": 1, "files": []}'
        lines.parse([line], lines.Packed)


def test_of_a_log_without_end_only_its_end_comes_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other machine says how long it is, and only the last part is read; the log of the training is that part."""
    log, begins = b"x" * 9_000_000 + b"\rthe last words\n", []

    def read(name: str, offset: int) -> bytes:
        begins.append(offset)
        return log[offset:]

    def run(command: list[str], timeout: float) -> list[str]:
        assert command == ["wc", "-c", "logs/main/train_model.log"]
        return [f"  {len(log)} {command[-1]}"]

    trip = make_trip(write_tar(tmp_path / "a.tar", (GOOD, b"{}", REG)), [GOOD])
    trip.session.machine = SimpleNamespace(run=run, read=read)  # type: ignore[assignment]
    trip._bring_log()
    assert begins == [len(log) - there.MOST] and Path("logs/main/train_model.log").read_bytes() == log[-there.MOST :]
    log = b"short"
    trip._bring_log()
    assert begins[1:] == [0] and Path("logs/main/train_model.log").read_bytes() == b"short"
