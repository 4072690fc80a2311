"""Seals: what differs from what its step wrote is found, named, and put back or set aside."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from gaslamp.core.console import step
from gaslamp.core.errors import GaslampError
from gaslamp.core.seals import ASIDE, COPIED, STORE, find_damage, require_intact, restore, seal, unseal
from gaslamp.core.workflow_state import runs_jobs

BIG = bytes(range(256)) * (COPIED // 256 + 1)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a large file, a small one, and a folder of both, all sealed."""
    monkeypatch.chdir(tmp_path)
    Path("logs").mkdir()
    Path("config.yaml").write_text("run: main\n")
    folder = Path("outputs/main/adapters")
    folder.mkdir(parents=True)
    Path("outputs/main/model.gguf").write_bytes(BIG)
    Path("outputs/main/train.json").write_text('{"loss": 1}')
    (folder / "adapter_model.safetensors").write_bytes(BIG)
    (folder / "adapter_config.json").write_text('{"r": 8}')
    for name in ("model.gguf", "train.json", "adapters"):
        seal(Path("outputs/main") / name, "a_step")
    return tmp_path


def flip(file: Path) -> None:
    """Change one byte in the middle and put the time of the last change back."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    with file.open("r+b") as handle:
        handle.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(file: Path) -> None:
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size // 2)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def point_nowhere(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


FILES = [
    "outputs/main/model.gguf",
    "outputs/main/train.json",
    "outputs/main/adapters/adapter_model.safetensors",
    "outputs/main/adapters/adapter_config.json",
]


@pytest.mark.parametrize("harm", [flip, cut, empty, make_folder, point_nowhere])
@pytest.mark.parametrize("name", FILES)
def test_harm_of_any_kind_is_found_and_put_right(project: Path, name: str, harm: Callable[[Path], None]) -> None:
    file = Path(name)
    whole = file.read_bytes()
    top = Path("outputs/main/adapters") if "adapters" in name else file
    harm(file)
    with pytest.raises(GaslampError, match=f"{top} is not as a_step left it"):
        require_intact([Path("outputs/main")])
    (line,) = restore([Path("outputs/main")], dry_run=True)
    assert line.endswith("a run puts it back or makes it again")
    (line,) = restore([Path("outputs/main")])
    if len(whole) <= COPIED:
        assert line.endswith("put back from its copy")
        assert file.read_bytes() == whole
    else:
        assert line.endswith(f"set aside as {top.name}{ASIDE} and made again")
        assert not top.exists() and os.path.lexists(top.with_name(top.name + ASIDE))
    assert restore([Path("outputs/main")]) == []


def test_deleted_files_come_back_where_they_are_wanted(project: Path) -> None:
    """With their old time, and not when their whole folder was deleted: that is a new start."""
    small, large = Path("outputs/main/train.json"), Path("outputs/main/model.gguf")
    before, text = small.stat().st_mtime_ns, small.read_bytes()
    small.unlink(), large.unlink()
    assert restore([Path("outputs/main")]) == [], "its step makes it again"
    (line,) = restore([], dry_run=True, wanted=[small, large])
    assert line == f"{small} was deleted: a run puts it back from its copy" and not small.exists()
    (line,) = restore([], wanted=[small, large])
    assert line == f"{small} was deleted: put back from its copy" and not large.exists()
    assert (small.read_bytes(), small.stat().st_mtime_ns) == (text, before)
    later = before + 10**12  # as in a project that was copied without its times
    os.utime(small, ns=(later, later))
    assert restore([Path("outputs/main")]) == []
    small.unlink()
    assert len(restore([], wanted=[small])) == 1 and (small.read_bytes(), small.stat().st_mtime_ns) == (text, later)
    shutil.rmtree(small.parent)
    assert restore([], wanted=[small]) == []


def test_a_file_put_back_has_its_old_time(project: Path) -> None:
    """So that Snakemake runs no step because of it."""
    file = Path("outputs/main/train.json")
    before = file.stat().st_mtime_ns
    file.write_text("{}")
    restore([file])
    assert file.stat().st_mtime_ns == before


def test_a_missing_file_of_a_folder_is_damage_and_a_missing_path_is_not(project: Path) -> None:
    Path("outputs/main/adapters/adapter_config.json").unlink()
    (damage,) = find_damage(Path("outputs/main/adapters"))
    assert damage.files == ["adapter_config.json"] and "is missing" in damage.what
    restore([Path("outputs")])
    assert Path("outputs/main/adapters/adapter_config.json").read_text() == '{"r": 8}'
    shutil.rmtree("outputs/main/adapters")
    Path("outputs/main/model.gguf").unlink()
    assert find_damage(Path("outputs")) == [], "its step runs again"


def test_a_folder_whose_files_are_all_gone_is_damage(project: Path) -> None:
    folder = Path("outputs/main/adapters")
    (folder / "adapter_model.safetensors").write_bytes(b"small")
    seal(folder, "a_step")
    for file in list(folder.iterdir()):
        file.unlink()
    with pytest.raises(GaslampError, match="adapters is not as a_step left it"):
        require_intact([folder], full=True)
    restore([folder])
    assert (folder / "adapter_model.safetensors").read_bytes() == b"small"


def test_bytes_that_change_under_the_same_state_are_found_by_a_full_check_and_then_by_any(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that gives other bytes changes no time."""
    file = Path("outputs/main/model.gguf")
    state = [1, 2, 3, 4]
    monkeypatch.setattr("gaslamp.core.seals.get_state", lambda _: state)
    seal(file, "a_step")
    flip(file)
    assert find_damage(file) == []
    with pytest.raises(GaslampError, match=r"model\.gguf is not as a_step left it \(sha256 [0-9a-f]{12}… instead of"):
        require_intact([file], full=True)
    assert len(find_damage(file)) == 1


def test_a_copied_project_is_read_once_in_full(project: Path) -> None:
    file = Path("outputs/main/model.gguf")
    os.utime(file, ns=(1, 1))
    stored = STORE / "outputs/main/model.gguf.seal.json"
    before = stored.read_text()
    assert find_damage(file) == []
    assert stored.read_text() != before, "the new state is known from now on"


def test_what_has_no_seal_is_not_judged(project: Path, tmp_path: Path) -> None:
    unseal(Path("outputs/main/model.gguf"))
    flip(Path("outputs/main/model.gguf"))
    require_intact([Path("outputs/main/model.gguf"), Path("elsewhere"), Path("/dev/null"), tmp_path.parent], full=True)
    seal(Path("/dev/null"), "a_step")
    seal(Path("missing"), "a_step")
    assert sorted(path.name for path in STORE.rglob("*.seal.json")) == ["adapters.seal.json", "train.json.seal.json"]


@pytest.mark.parametrize("text", ["{", "", "[]", "{}", '{"step": 1, "written": 1, "files": {"": 1}}', "\ud800"])
def test_a_damaged_seal_says_nothing(project: Path, text: str) -> None:
    (STORE / "outputs/main/model.gguf.seal.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert find_damage(Path("outputs")) == []


def test_a_step_refuses_damaged_input_and_seals_what_it_wrote(project: Path) -> None:
    args = argparse.Namespace(
        source=Path("outputs/main/model.gguf"), out=Path("outputs/new.txt"), level="q8_0", log=None
    )
    with step(files=args):
        args.out.write_text("new")
    assert find_damage(args.out) == [] and (STORE / "outputs/new.txt.seal.json").is_file()
    flip(args.source)
    with pytest.raises(GaslampError) as caught, step(files=args):
        args.out.write_text("worse")
    assert args.out.read_text() == "new", "the step did not begin"
    assert "run snakemake again" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["--profile", "profiles/cpu"], True),
        (["-n"], False),
        (["--profile", "cpu", "-np"], False),
        (["--dry-run"], False),
        (["--lint"], False),
        (["-j", "1", "all"], True),
        (["--cores", "all", "--config", "run=night"], True),
    ],
)
def test_which_command_lines_run_jobs(arguments: list[str], runs: bool) -> None:
    assert runs_jobs(arguments) is runs
