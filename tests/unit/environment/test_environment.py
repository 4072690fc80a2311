"""Detection: the machine and the Python, on this machine for real and on others through what their tools print."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from gaslamp.core import registry
from gaslamp.environment import hardware, python_env, system

ROOT = Path(__file__).resolve().parents[3]
SMI_ROWS = (
    "NVIDIA A100-SXM4-40GB, 40960, 40500, 550.54.15\nNVIDIA GB10, [N/A], [N/A], 580.95\n"
    "Tesla T4, 15360, 15000, 550.54.15\n"
)
SMI_TABLE = "| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4     |"


def fake_tools(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
    """Let ``run_text`` give the longest matching answer."""

    def run_text(*command: str) -> str:
        line = " ".join(command)
        return next((answers[key] for key in sorted(answers, key=len, reverse=True) if line.startswith(key)), "")

    monkeypatch.setattr(hardware, "run_text", run_text)


def get_backend(**values: Any) -> types.SimpleNamespace:
    plain: dict[str, Any] = {"BUILT": True, "EXTRA": "cpu", "REQUIRES": (), "find_machine_problems": lambda system: []}
    return types.SimpleNamespace(**{**plain, **values})


def test_this_machine() -> None:
    found = system.detect_system()
    assert found["cores"] >= 1 and 0 < found["memory_available_gb"] <= found["memory_gb"] and found["disk_free_gb"] > 0
    assert found["current_python"]["path"] == sys.executable
    assert json.loads(json.dumps(found)) == found and set(found) == set(system.System.__annotations__)
    assert f"{found['cores']} cores" in system.describe_system(found)


def test_every_gpu_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, {"nvidia-smi": SMI_TABLE, "nvidia-smi --query-gpu": SMI_ROWS})
    gpus = hardware.get_gpus()
    assert [gpu["name"] for gpu in gpus] == ["NVIDIA A100-SXM4-40GB", "NVIDIA GB10", "Tesla T4"]
    assert gpus[0] == {
        "index": 0,
        "name": "NVIDIA A100-SXM4-40GB",
        "vram_gb": 42.9,
        "vram_free_gb": 42.5,
        "driver": "550.54.15",
        "cuda": "12.4",
    }
    assert gpus[1]["vram_gb"] is None, "boards with shared memory report none"


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tools(monkeypatch, {})
    assert hardware.get_gpus() == []


def test_memory_of_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    pages = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\nPages free: 100000.\n"
        "Pages active: 5.\nPages inactive: 200000.\n"
    )
    fake_tools(monkeypatch, {"sysctl -n hw.memsize": "17179869184", "vm_stat": pages})
    assert hardware.get_memory() == {"total": 17.2, "available": 4.9}


def test_limits_of_a_container_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    files = {
        "/proc/meminfo": "MemTotal: 64000000 kB\nMemAvailable: 60000000 kB\n",
        "/sys/fs/cgroup/memory.max": "8000000000\n",
        "/sys/fs/cgroup/memory.current": "3000000000\n",
        "/sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 1000000000\n",
        "/sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    monkeypatch.setattr(hardware, "read_system_file", lambda path: files.get(path, ""))
    assert hardware.get_memory() == {"total": 8.0, "available": 6.0}
    assert hardware.get_cores() == 1


@pytest.mark.parametrize(
    ("facts", "name", "extra"),
    [
        (("Darwin", True, False, False, False), "mlx", "mlx"),
        (("Linux", False, True, False, False), "cuda", "cuda"),
        (("Linux", False, False, False, False), "cpu", "cpu"),
        (("Linux", False, True, True, True), "colab", "cuda"),
        (("Windows", False, True, False, False), "wsl", "cpu"),
    ],
)
def test_install_path(facts: tuple[str, bool, bool, bool, bool], name: str, extra: str) -> None:
    path = system.get_install_path(*facts)
    is_built = registry.get("backends", {"mlx": "mac"}.get(extra, extra)).BUILT
    assert path["name"] == name and path["reason"]
    assert path["extra"] == (extra if is_built else "cpu"), "never an extra that leads nowhere"
    assert path["command"] == ("make setup mlx" if name == "mlx" else f'pip install ".[{path["extra"]}]"')


def test_every_machine_is_detected_before_anything_is_installed() -> None:
    """The install path of a Mac and of a GPU, too, reads backends with the standard library alone."""
    code = (
        "import sys; sys.path.insert(0, 'scripts'); from gaslamp.environment.system import get_install_path as get;"
        "print(*(get(*f)['extra'] for f in (('Darwin', 1, 0, 0, 0), ('Linux', 0, 1, 0, 0), ('Linux', 0, 0, 1, 0))))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["mlx", "cuda", "cpu"], done.stderr


def test_training_has_its_own_interpreter_where_the_backend_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac, cpu, project = registry.get("backends", "mac"), registry.get("backends", "cpu"), tmp_path / "project"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert (
        python_env.get_train_python(None, mac, project)
        == sys.executable
        == python_env.get_train_python(None, cpu, project)
    )
    for place in (tmp_path, project):  # next to .venv, and before it the project's own
        (place / ".venv-mlx" / "bin").mkdir(parents=True)
        (place / ".venv-mlx" / "bin" / "python").touch()
        assert python_env.get_train_python(None, mac, project) == str(place / ".venv-mlx" / "bin" / "python")
    assert (
        python_env.get_train_python("other", mac, project) == "other"
        and python_env.get_train_python(None, cpu, project) == sys.executable
    )
    env = python_env.detect_env(get_backend(REQUIRES=("nowhere_one",), VENV=".venv-mlx"), "mac")  # type: ignore[arg-type]
    assert not env["ready"] and env["issues"][0]["fix"].startswith("make mlx")


@pytest.mark.parametrize(
    ("files", "environ", "is_venv", "expected"),
    [
        (["conda-meta/", "container"], {}, False, ("docker", "isolated")),
        (["conda-meta/"], {"POETRY_ACTIVE": "1"}, True, ("conda", "isolated")),
        (["conda-meta/", "condabin/"], {}, False, ("conda-base", "shared")),
        ([], {"POETRY_ACTIVE": "1", "PIPENV_ACTIVE": "1"}, True, ("poetry", "isolated")),
        ([], {"PIPENV_ACTIVE": "1"}, True, ("pipenv", "isolated")),
        (["pyvenv.cfg=home = /usr\nuv = 0.9.1\n"], {}, True, ("uv-venv", "isolated")),
        (["pyvenv.cfg=home = /usr/uv = 3\n"], {}, True, ("venv", "isolated")),
        ([], {"PYENV_ROOT": "{prefix}"}, False, ("pyenv", "shared")),
        ([], {}, False, ("system", "shared")),
    ],
)
def test_env_type_order(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    files: list[str],
    environ: dict[str, str],
    is_venv: bool,
    expected: tuple[str, str],
) -> None:
    for entry in files:
        name, _, text = entry.partition("=")
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_text(text)
    for name in ("POETRY_ACTIVE", "PIPENV_ACTIVE", "PYENV_ROOT", "container"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value.format(prefix=tmp_path))
    monkeypatch.setattr(system, "IN_CONTAINER", (tmp_path / "container",))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", "/usr" if is_venv else str(tmp_path))
    assert python_env.get_env_type() == expected


def test_fix_commands_fit_the_environment() -> None:
    assert python_env.get_install_command("uv-venv", "x").startswith("uv pip install --python ")
    assert python_env.get_install_command("poetry", "x") == "poetry run pip install x"
    assert python_env.get_install_command("conda-base", "x").startswith("conda create")
    assert "make setup" in python_env.get_install_command("system", "x")
    assert python_env.get_install_command("venv", "x") == f'"{sys.executable}" -m pip install x'


def test_missing_and_broken_packages_are_reported_with_their_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('driver too old')\n")
    (tmp_path / "inner_one.py").write_text("import nowhere_two\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    env = python_env.detect_env(get_backend(REQUIRES=("json", "nowhere_one", "broken_one", "inner_one")), "cpu")  # type: ignore[arg-type]
    assert not env["ready"]
    problems = [issue["problem"] for issue in env["issues"]]
    assert problems == [
        "not installed: nowhere_one",
        "broken_one is installed and does not load (RuntimeError: driver too old)",
        "inner_one is installed and does not load (ModuleNotFoundError: No module named 'nowhere_two')",
    ]
    text = str(python_env.get_env_error(env))
    assert (
        "NOT READY" in text
        and "1. not installed" in text
        and ".[cpu]" in text
        and "--force-reinstall broken_one" in text
    )


def test_packages_are_not_imported_where_the_backend_cannot_work() -> None:
    backend = get_backend(
        REQUIRES=("nowhere_one",), BUILT=False, find_machine_problems=lambda system: [("no GPU", "use another")]
    )
    env = python_env.detect_env(backend, "cuda")  # type: ignore[arg-type]
    assert env["issues"] == [] and not env["ready"]
    assert env["machine_issues"] == ["the backend cuda is not built yet", "no GPU"]


def test_hf_cache_is_created_or_warned_about(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert python_env.detect_env(get_backend(), "cpu")["hf_cache"] == str(tmp_path / "hf" / "hub")  # type: ignore[arg-type]
    assert (tmp_path / "hf" / "hub").is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    env = python_env.detect_env(get_backend(), "cpu")  # type: ignore[arg-type]
    assert env["ready"] and any("HF_HOME" in text for text in env["warnings"])


def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_scripts_print_json_without_out() -> None:
    assert json.loads(call("detect_system.py").stdout)["schema_version"] == 1
    other = "cuda" if sys.platform == "darwin" else "mac"
    done = call("detect_env.py", "--backend", other)
    assert done.returncode == 1 and json.loads(done.stdout)["backend"] == other and "NOT READY" in done.stderr


def test_not_ready_writes_nothing(tmp_path: Path) -> None:
    """An interpreter without any package: the scripts still start, and say what to install."""
    bare = [sys.executable, "-I", "-S", str(ROOT / "scripts" / "detect_env.py"), "--out", str(tmp_path / "env.json")]
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); sys.argv = {bare[3:]!r}; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run([*bare[:3], "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "not installed: torch, transformers" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        *(f"environment/{name}.py" for name in ("system", "hardware", "programs", "python_env", "fitness")),
        *(f"core/{name}.py" for name in ("errors", "files", "console", "registry")),
        "models/cache.py",
        "../detect_system.py",
        "../detect_env.py",
    ],
)
def test_detection_parses_on_python_3_8(name: str) -> None:
    ast.parse((ROOT / "scripts" / "gaslamp" / name).read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("name", registry.names("backends"))
def test_backends_declare_themselves(name: str) -> None:
    backend = registry.get("backends", name)
    assert isinstance(backend.BUILT, bool) and backend.EXTRA and backend.REQUIRES and "sft" in backend.METHODS
    assert backend.BUILT or backend.REASON
    found = system.detect_system()
    assert all(problem and fix for problem, fix in backend.find_machine_problems(found))
    bare = {**found, "os": "Linux", "gpus": [], "is_apple_silicon": False, "colab_cli": None}
    # MLX computes on Linux too, and the preflight says that it is slow; ssh and colab train on another machine
    elsewhere = ("colab", "ssh")
    assert bool(backend.find_machine_problems(bare)) == (name not in ("cpu", "mac", *elsewhere))
