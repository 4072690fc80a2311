"""Which files a rule depends on: the modules its script really imports, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gaslamp.core import code_graph, registry
from gaslamp.core.code_graph import get_code

ROOT = Path(__file__).resolve().parents[3]
BARE = ("install_packages.py",)  # runs before anything is installed, by no rule
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


def forget() -> None:
    """As a new process: nothing is read yet."""
    for function in (code_graph.get_imports, code_graph._get_parsed, code_graph._find, code_graph._is_own):
        function.cache_clear()


@pytest.mark.parametrize("script", SCRIPTS)
def test_all_files_exist_and_the_script_is_among_them(script: str) -> None:
    files = get_code(script)
    assert f"scripts/{script}" in files and files == sorted(set(files))
    assert all((ROOT / name).is_file() for name in files)
    assert len(files) > 1 or script in BARE, "a script without a library module has nothing to say"


def test_imports_inside_functions_count() -> None:
    """The gate is imported by merge_adapters; load_model by the evaluation."""
    assert "scripts/gaslamp/models/loading.py" in get_code("evaluate_model.py")
    assert "scripts/gaslamp/evaluate/gate.py" in get_code("merge_adapters.py")


def test_plugins_are_only_there_when_named() -> None:
    plain = get_code("train_model.py")
    assert not [name for name in plain if "/backends/" in name and not name.endswith("__init__.py")]
    named = get_code("train_model.py", "backends/cpu", "methods/sft")
    assert {
        "scripts/gaslamp/train/backends/cpu.py",
        "scripts/gaslamp/train/methods/sft.py",
        "scripts/gaslamp/train/trl/engine.py",
    } <= set(named)
    assert "scripts/gaslamp/train/backends/cuda.py" not in named


@pytest.mark.parametrize("kind", registry.ROOMS)
def test_a_plugin_of_the_project_counts_with_what_it_imports(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own file wins over one of the library; it is watched, and so is what it imports."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.setattr(code_graph, "SCRIPTS", tmp_path / "scripts")
    forget()
    (tmp_path / kind).mkdir()
    name = registry.get_library_names(kind)[0]
    (tmp_path / kind / f"{name}.py").write_text("from gaslamp.serve import server\n", encoding="utf-8")
    files = get_code("train_model.py", f"{kind}/{name}")
    forget()
    assert {f"{kind}/{name}.py", "scripts/gaslamp/serve/server.py"} <= set(files)
    assert f"scripts/gaslamp/{registry.ROOMS[kind]}/{kind}/{name}.py" not in files


def test_only_edited_files_are_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept by their bytes: an edit is seen although size and time stay, and a damaged file of them costs nothing."""
    library = tmp_path / "scripts" / "gaslamp"
    library.mkdir(parents=True)
    for name in ("one", "two"):
        (library / f"{name}.py").write_text("", encoding="utf-8")
    script, kept = tmp_path / "scripts" / "do_it.py", tmp_path / ".snakemake" / "gaslamp_imports.json"
    script.write_text("def f():\n    if 1:\n        from gaslamp import one\n", encoding="utf-8")
    monkeypatch.setattr(code_graph, "SCRIPTS", tmp_path / "scripts")
    monkeypatch.chdir(tmp_path)
    parsed: list[bytes] = []
    parse = code_graph.ast.parse
    monkeypatch.setattr(code_graph.ast, "parse", lambda text: parsed.append(text) or parse(text))

    def look() -> tuple[set[str], int]:
        forget()
        parsed.clear()
        return set(get_code("do_it.py")) - {"scripts/do_it.py"}, len(parsed)

    assert look() == ({"scripts/gaslamp/one.py"}, 2) and not kept.exists()  # not one of Snakemake's folders: not kept
    kept.parent.mkdir()
    assert look() == ({"scripts/gaslamp/one.py"}, 2)
    assert look() == ({"scripts/gaslamp/one.py"}, 0)
    before = script.stat()
    script.write_text(script.read_text().replace("one", "two"), encoding="utf-8")
    os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look() == ({"scripts/gaslamp/two.py"}, 1)  # two.py is as empty as one.py
    for damaged in ("[1]", "{", "null"):
        kept.write_text(damaged, encoding="utf-8")
        assert look() == ({"scripts/gaslamp/two.py"}, 2)
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]
    forget()


def test_training_does_not_depend_on_what_comes_after_it() -> None:
    """An edited page, ladder or exporter must not train again."""
    files = set(get_code("train_model.py", "backends/cpu", "methods/sft"))
    later = (
        "/demo/",
        "/roadbook/",
        "/memory/",
        "/exporters/",
        "/llamacpp/",
        "/chat/",
        "/evaluate/",
        "/parity/",
        "preflight.py",
    )
    assert not [name for name in files if any(part in name for part in later)]


def test_no_module_is_dead() -> None:
    """Every module is imported by a script, is a plug-in, or is named by a rule or by another module."""
    reached = {name for script in SCRIPTS for name in get_code(script)}
    plugins = {
        f"scripts/gaslamp/{registry.ROOMS[kind]}/{kind}/{name}.py"
        for kind in registry.ROOMS
        for name in registry.names(kind)
    }
    files = [*(ROOT / "scripts").rglob("*.py"), *(ROOT / "rules").glob("*.smk"), ROOT / "workflow" / "Snakefile"]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    for path in (ROOT / "scripts" / "gaslamp").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if path.name != "__init__.py" and name not in reached | plugins:
            assert any(path.stem in text for other, text in texts.items() if other != path), f"{name}: nothing uses it"


def test_it_sees_what_python_really_loads() -> None:
    """Run a light script for real and compare the gaslamp modules in memory with the list."""
    code = (
        "import runpy, sys; sys.path.insert(0, 'scripts'); sys.argv = ['check_config.py', '--help']\n"
        "try: runpy.run_path('scripts/check_config.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(*[m.__file__ for n, m in sorted(sys.modules.items()) if n.startswith('gaslamp.')], sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {
        Path(line).resolve().relative_to(ROOT).as_posix() for line in done.stdout.splitlines() if line.endswith(".py")
    }
    assert loaded and loaded <= set(get_code("check_config.py"))
