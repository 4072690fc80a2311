"""llama.cpp: found, built, proven; conversion, quantization, serving and stopping, with real (tiny) models."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import httpx
import numpy
import psutil
import pytest
import tiny as tiny_chat
from gaslamp.config import levels
from gaslamp.config.base_models import ENCODERS, VISION_TOWERS
from gaslamp.core import ports
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, sha256_path, write_json, write_jsonl
from gaslamp.environment.programs import get_llama_version
from gaslamp.export.llamacpp import (
    background,
    build,
    convert,
    log_pump,
    measure,
    process,
    proof,
    server,
    source,
    toolchain,
)
from gaslamp.export.llamacpp.gguf_facts import open_gguf, read_gguf_facts, stop_adding_bos
from gaslamp.export.llamacpp.toolchain import Toolchain
from safetensors.numpy import save_file


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """The real toolchain; the first use on a machine builds it."""
    return toolchain.ensure_toolchain(get_cache_dir(), tmp_path_factory.mktemp("toolchain") / "build.log")


@pytest.fixture(scope="session")
def tiny(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny random model as a folder, as f16 and as q8_0 GGUF."""
    folder = tmp_path_factory.mktemp("tiny")
    paths = {"hf": folder / "hf", "f16": folder / "f16.gguf", "q8_0": folder / "q8_0.gguf"}
    proof.write_tiny_model(paths["hf"])
    convert.convert_to_gguf(tools, paths["hf"], paths["f16"], "f16", folder / "convert.log")
    convert.quantize(tools, paths["f16"], paths["q8_0"], "q8_0", folder / "quantize.log")
    return paths


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


# ------------------------------------------------------------------------------------------------------- toolchain


def put_tool(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{text}' >&2\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "build"),
    [
        ("version: 0.5.0 (build 11500, commit abc1234)", "11500"),
        ("version: 9672 (abc1234)", "9672"),
        ("version: 0.5.0-dev (build 0, commit unknown)", "0"),
        ("something else", ""),
    ],
)
def test_version_of_a_tool(tmp_path: Path, version: str, build: str) -> None:
    put_tool(tmp_path, "llama-server", version)
    assert get_llama_version(tmp_path / "llama-server") == build


def test_only_new_enough_tools_are_taken_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    options = " ".join(toolchain.NEEDED_OPTIONS)
    for name in set(toolchain.TOOLS) - {"llama-server"}:
        put_tool(tmp_path, name, "")
    found, reason = toolchain.find_on_path()
    assert not found and "llama-server" in reason
    put_tool(tmp_path, "llama-server", f"version: 6000 (abc)\n{options}")
    found, reason = toolchain.find_on_path()
    assert not found and "build 6000" in reason
    put_tool(tmp_path, "llama-server", "version: 0.6.0 (build 12000, commit abc)")
    found, reason = toolchain.find_on_path()
    assert not found and "--api-key-file" in reason
    put_tool(tmp_path, "llama-server", f"version: 0.6.0 (build 12000, commit abc)\n{options}")
    found, _ = toolchain.find_on_path()
    assert found == {name: str(tmp_path / name) for name in toolchain.TOOLS}


@pytest.mark.parametrize(("present", "named"), [((), "cmake"), (("cmake", "ninja"), "C++ compiler")])
def test_missing_build_tools_name_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], named: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in present:
        put_tool(folder, name, "")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(GaslampError) as error:
        toolchain.ensure_toolchain(tmp_path / "cache", tmp_path / "log.txt")
    assert named in error.value.cause
    for word in ("Debian", "Fedora", "macOS", "xcode-select"):
        assert word in error.value.fix
    assert not list((tmp_path / "cache").rglob("*.tar.gz"))


def test_full_disk_is_reported_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "DISK_BYTES", 10**18)
    with pytest.raises(GaslampError, match="GASLAMP_CACHE"):
        toolchain.ensure_toolchain(tmp_path / "cache", tmp_path / "log.txt")


def write_archive(path: Path, hostile: bool = False) -> None:
    """A source package with a llama.cpp part and other parts; hostile: with members that try to leave the folder."""
    start = f"llama_cpp_python-{source.VERSION}"
    files = {
        f"{start}/pyproject.toml": '[build-system]\nrequires = ["scikit-build-core"]\n'
        'build-backend = "scikit_build_core.build"\n[project]\nname = "llama_cpp_python"\ndynamic = ["version"]\n',
        f"{start}/PKG-INFO": f"Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: {source.VERSION}\n",
        f"{start}/vendor/llama.cpp/CMakeLists.txt": "# build\n",
        f"{start}/vendor/llama.cpp/src/a.cpp": "int a;\n",
        f"{start}/vendor/llama.cpp/models/big.gguf": "no\n",
    }
    if hostile:
        files[f"{start}/vendor/llama.cpp/src/../../../../escaped.txt"] = "no\n"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        if not hostile:
            return
        link = tarfile.TarInfo(f"{start}/vendor/llama.cpp/src/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)


def test_a_changed_source_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, folder = tmp_path / "shelf", tmp_path / "download"
    shelf.mkdir()
    folder.mkdir()
    write_archive(shelf / source.SDIST)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(GaslampError, match="not the file that was tested"):
        source.download_source(folder, tmp_path / "log.txt")

    monkeypatch.setattr(source, "SDIST_SHA256", sha256_path(shelf / source.SDIST))
    shutil.rmtree(folder)
    folder.mkdir()
    assert source.download_source(folder, tmp_path / "log.txt") == folder / source.SDIST


def test_no_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(GaslampError, match="cannot download llama-cpp-python") as error:
        source.download_source(tmp_path, tmp_path / "log.txt")
    assert "connect this machine" in error.value.fix
    assert "127.0.0.1" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_unpacking_stays_inside_and_takes_only_what_is_needed(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.tar.gz", hostile=True)
    with pytest.raises(tarfile.OutsideDestinationError):
        source.unpack_source(tmp_path / "a.tar.gz", tmp_path / "x" / "tree")
    assert not list(tmp_path.rglob("escaped.txt"))
    found = {path.relative_to(tmp_path / "x" / "tree").as_posix() for path in (tmp_path / "x").rglob("*.*")}
    assert found == {"CMakeLists.txt", "src/a.cpp"}


WRAPPER = """cmake_minimum_required(VERSION 3.18)
project(tiny C CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(llama-quantize ${GASLAMP_LLAMA_SOURCE}/main.cpp)
"""


def test_build_failure_then_success_then_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.cpp").write_text("int main() { return nonsense; }\n", encoding="utf-8")
    monkeypatch.setenv("PATH", os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep)))
    monkeypatch.setattr(build, "_get_wrapper", lambda: WRAPPER)
    monkeypatch.setattr(toolchain, "ensure_source", lambda root, log: source)
    monkeypatch.setattr(toolchain, "find_on_path", lambda tools: ({}, "not looked for"))
    arguments = (tmp_path / "cache", tmp_path / "log.txt", ("llama-quantize",))
    with pytest.raises(GaslampError, match="nonsense"):
        toolchain.ensure_toolchain(*arguments)
    assert not list((tmp_path / "cache").rglob("complete.json"))
    (source / "main.cpp").write_text("int main() { return 0; }\n", encoding="utf-8")
    built = toolchain.ensure_toolchain(*arguments)
    assert built["source"] == "built"
    assert subprocess.run([built["tools"]["llama-quantize"]], check=False).returncode == 0
    cached = toolchain.ensure_toolchain(*arguments)
    assert cached["source"] == "cache" and cached["tools"] == built["tools"]
    assert cached["build_seconds"] == built["build_seconds"]
    for damage in (Path.unlink, lambda tool: tool.write_bytes(tool.read_bytes()[:1000])):
        damage(Path(built["tools"]["llama-quantize"]))
        assert toolchain.ensure_toolchain(*arguments)["source"] == "built"
        assert subprocess.run([built["tools"]["llama-quantize"]], check=False).returncode == 0
        assert toolchain.ensure_toolchain(*arguments)["source"] == "cache"


def test_another_tool_is_built_next_to_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when something asks for it; the first tools stay, and the cache has the seconds of both builds."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.cpp").write_text("int main() { return 0; }\n", encoding="utf-8")
    second = WRAPPER + "add_executable(llama-imatrix ${GASLAMP_LLAMA_SOURCE}/main.cpp)\n"
    monkeypatch.setattr(build, "_get_wrapper", lambda: second)
    monkeypatch.setattr(toolchain, "ensure_source", lambda root, log: source)
    monkeypatch.setattr(toolchain, "find_on_path", lambda tools: ({}, "not looked for"))
    first = toolchain.ensure_toolchain(tmp_path / "cache", tmp_path / "log.txt", ("llama-quantize",))
    assert set(first["tools"]) == {"llama-quantize"}
    path = Path(toolchain.get_tool(first, "llama-imatrix", tmp_path / "log.txt", tmp_path / "cache"))
    assert path.is_file() and path.parent == Path(first["tools"]["llama-quantize"]).parent
    both = toolchain.ensure_toolchain(tmp_path / "cache", tmp_path / "log.txt", ("llama-quantize", "llama-imatrix"))
    assert both["source"] == "cache" and both["build_seconds"] >= first["build_seconds"]
    toolchain.link_tools(both["tools"], [], tmp_path / "bin")
    assert {link.name: link.resolve() for link in (tmp_path / "bin").iterdir()} == {
        name: Path(tool).resolve() for name, tool in both["tools"].items()
    }


def test_progress_reads_ninja_and_make() -> None:
    progress = build.BuildProgress()
    progress.read("[12/92] Building CXX object x.o")
    assert progress.state == "built 12 of 92 files"
    progress.read("[ 45%] Building CXX object x.o")
    assert progress.state == "built 45 %"


def test_the_toolchain_is_proven_end_to_end(tools: Toolchain, tmp_path: Path) -> None:
    facts = proof.prove_toolchain(tools, tmp_path / "log.txt")
    assert facts["completion_tokens"] == 8
    assert facts["quantizations"]["Q8_0"] == 16
    assert toolchain.ensure_toolchain(get_cache_dir(), tmp_path / "log.txt")["source"] in ("cache", "path")


def test_a_toolchain_is_proven_once_as_long_as_its_files_are_the_same(
    tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tool, or another version of what converts, is tried again; a trial that failed is not kept."""
    trials: list[str] = []

    def prove(toolchain: Toolchain, log: Path) -> dict[str, int]:
        trials.append(toolchain["tools"]["llama-server"])
        if len(trials) == 1:
            raise GaslampError("no token", "build it again")
        return {"completion_tokens": 8}

    monkeypatch.setattr(proof, "prove_toolchain", prove)
    prove_once: Any = proof.prove_once
    server = tmp_path / "llama-server"
    server.write_bytes(b"1")
    own: Any = {**tools, "tools": {**tools["tools"], "llama-server": str(server)}}
    with pytest.raises(GaslampError, match="no token"):
        prove_once(own, tmp_path, tmp_path / "log.txt")
    assert prove_once(own, tmp_path, tmp_path / "log.txt") == ({"completion_tokens": 8}, "")
    known, day = prove_once(own, tmp_path, tmp_path / "log.txt")
    assert known == {"completion_tokens": 8} and re.fullmatch(r"\d{4}-\d\d-\d\d", day) and len(trials) == 2
    server.write_bytes(b"22")
    assert prove_once(own, tmp_path, tmp_path / "log.txt")[1] == "" and len(trials) == 3
    monkeypatch.setattr(proof, "get_versions", lambda names: {"torch": "9.9"})
    assert prove_once(own, tmp_path, tmp_path / "log.txt")[1] == "" and len(trials) == 4
    for file in (tmp_path / "llama.cpp" / "proofs").iterdir():
        file.write_text("[]")
    assert prove_once(own, tmp_path, tmp_path / "log.txt")[1] == "" and len(trials) == 5, "a damaged record"


# --------------------------------------------------------------------------------------------------------- convert


def test_facts_of_a_gguf(tiny: dict[str, Path]) -> None:
    facts = read_gguf_facts(tiny["q8_0"])
    assert facts["architecture"] == "llama" and facts["n_tensors"] == 21
    assert (facts["bos_id"], facts["eos_id"], facts["vocab_size"]) == (1, 2, 260)
    assert facts["rope_freq_base"] == 10000.0 and facts["context_length"] == 256
    assert facts["size_bytes"] == tiny["q8_0"].stat().st_size
    assert 8.5 < facts["bits_per_weight"] < 8.7 < 16 < read_gguf_facts(tiny["f16"])["bits_per_weight"]


def test_quantize_failure_keeps_the_tool_s_own_words(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(GaslampError, match="q9_9") as error:
        convert.quantize(tools, tiny["f16"], tmp_path / "out.gguf", "q9_9", tmp_path / "log.txt")
    assert "q4_k_m" in error.value.fix
    (tmp_path / "broken.gguf").write_bytes(tiny["f16"].read_bytes()[:5000])
    with pytest.raises(GaslampError, match="failed"):
        convert.quantize(tools, tmp_path / "broken.gguf", tmp_path / "out.gguf", "q8_0", tmp_path / "log.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.gguf", "log.txt"]


def test_convert_failure_names_the_architecture(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    shutil.copytree(tiny["hf"], folder)
    config = folder / "config.json"
    config.write_text(
        config.read_text(encoding="utf-8").replace("LlamaForCausalLM", "NobodyForCausalLM"), encoding="utf-8"
    )
    with pytest.raises(GaslampError, match="NobodyForCausalLM") as error:
        convert.convert_to_gguf(tools, folder, tmp_path / "out.gguf", "f16", tmp_path / "log.txt")
    assert "another base model" in error.value.fix
    assert not list(tmp_path.rglob("*.gguf"))


@pytest.mark.parametrize(
    ("config", "tensor", "lacks"),
    [
        ({"model_type": "qwen3_5", "text_config": {"model_type": "qwen3_5_text"}}, "model.norm.weight", True),
        ({"model_type": "qwen3_5", "text_config": {"model_type": "qwen3_5_text"}}, "mtp.norm.weight", False),
        ({"model_type": "qwen3"}, "model.norm.weight", False),
    ],
)
def test_the_converter_leaves_out_missing_draft_layers(
    config: dict[str, Any], tensor: str, lacks: bool, tmp_path: Path
) -> None:
    write_json(tmp_path / "config.json", config)
    save_file({tensor: numpy.zeros(2, dtype=numpy.float32)}, tmp_path / "model.safetensors")
    assert convert._lacks_draft_layers(tmp_path) == lacks


def test_something_else_is_not_a_gguf(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"PK" * 20)
    with pytest.raises(GaslampError, match="not a GGUF"):
        read_gguf_facts(tmp_path / "x.gguf")


def test_levels_are_those_of_llama_quantize(tools: Toolchain) -> None:
    """Read from the program itself: a new llama.cpp with other names fails here."""
    done = subprocess.run([tools["tools"]["llama-quantize"], "--help"], capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^ +\d+ +or +(\w+) +: +(.*)$", done.stdout + done.stderr, re.MULTILINE))
    real = {name.lower() for name, what in found.items() if not what.startswith("alias")} - {"copy", "mxfp4_moe"}
    assert real | {"f32"} == set(levels.ALL)


def test_vision_towers_are_those_that_the_converter_supports(tools: Toolchain) -> None:
    code = (Path(tools["converter"]).parent / "conversion" / "__init__.py").read_text(encoding="utf-8")
    known = code.partition("MMPROJ_MODEL_MAP")[2].partition("\n}")[0]
    assert [name for name in VISION_TOWERS if f'"{name}":' not in known] == []


def test_encoders_are_those_that_the_converter_supports(tools: Toolchain) -> None:
    code = (Path(tools["converter"]).parent / "conversion" / "__init__.py").read_text(encoding="utf-8")
    known = code.partition("TEXT_MODEL_MAP")[2].partition("\n}")[0]
    assert [name for name in ENCODERS if f'"{name}":' not in known] == []


def test_an_importance_matrix_makes_a_level_possible(tools: Toolchain, tmp_path: Path) -> None:
    """iq2_xxs of rows that 256 divides: refused with llama.cpp's own words without a matrix, made with one."""
    proof.write_tiny_model(tmp_path / "hf", hidden=256, layers=1)
    convert.convert_to_gguf(tools, tmp_path / "hf", tmp_path / "f16.gguf", "f16", tmp_path / "log.txt")
    with pytest.raises(GaslampError, match="importance matrix"):
        convert.quantize(tools, tmp_path / "f16.gguf", tmp_path / "out.gguf", "iq2_xxs", tmp_path / "log.txt")
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 20, encoding="utf-8")
    convert.build_imatrix(
        tools,
        tmp_path / "f16.gguf",
        tmp_path / "text.txt",
        tmp_path / "imatrix.gguf",
        tmp_path / "log.txt",
        context=64,
        chunks=4,
    )
    convert.quantize(
        tools, tmp_path / "f16.gguf", tmp_path / "out.gguf", "iq2_xxs", tmp_path / "log.txt", tmp_path / "imatrix.gguf"
    )
    found = read_gguf_facts(tmp_path / "out.gguf")
    assert "IQ2_XXS" in found["quantizations"] and found["bits_per_weight"] < 6


def test_what_a_level_loses_is_measured(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    write_json(tmp_path / "toolchain.json", tools)
    rows = [
        {
            "id": str(n),
            "messages": [
                {"role": "user", "content": f"{n} times {n + 1}"},
                {"role": "assistant", "content": f"it is {n * (n + 1)}"},
            ],
        }
        for n in range(30)
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    files = [tmp_path / f"model-{level}.gguf" for level in ("f16", "q8_0")]
    for file in files:
        shutil.copy(tiny[file.stem.removeprefix("model-")], file)
    found = measure.measure_levels(
        files, tmp_path / "toolchain.json", [tmp_path / "rows.jsonl"], tmp_path / "bench.json", tmp_path / "log.txt"
    )
    f16, q8_0 = found.levels["f16"], found.levels["q8_0"]
    assert (
        f16["kl_divergence"] == 0.0
        and f16["same_top"] == 1.0
        and 0 < q8_0["kl_divergence"] < 0.01 < 1 < q8_0["perplexity"]
    )
    assert (
        min(q8_0[key] for key in ("load_seconds", "peak_memory_gb", "prompt_tps", "gen_tps")) > 0
        and found.perplexity_tokens >= 100
    )
    assert not list(tmp_path.glob(".measure-*")), "distributions of f16 are large and go at once"


def test_a_measurement_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it works, and is ended when that takes too long."""
    lines: list[str] = []
    monkeypatch.setattr(convert, "say", lines.append)
    monkeypatch.setattr(convert, "HEARTBEAT", 0.1)
    with pytest.raises(GaslampError, match="measuring it was ended after 0.5 s"):
        convert.run_tool([sys.executable, "-c", "import time; time.sleep(600)"], None, "measuring it", 0.5)
    assert lines and all(line.startswith("measuring it: works, for 0.") for line in lines)


def test_figures_that_cannot_be_had_end_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise GaslampError("it took too long", "")

    write_json(tmp_path / "toolchain.json", {})
    write_jsonl(tmp_path / "rows.jsonl", [{"text": "words"}])
    files = [tmp_path / f"model-{level}.gguf" for level in ("q8_0", "f16")]
    for file in files:
        file.touch()
    monkeypatch.setattr(
        measure,
        "LlamaServer",
        lambda *args, **options: contextlib.nullcontext(SimpleNamespace(tokenize=lambda *a, **o: [1] * 999)),
    )
    monkeypatch.setattr(measure, "read_gguf_facts", lambda file: {"context_length": 64})
    said: list[str] = []
    monkeypatch.setattr(measure, "say", said.append)
    monkeypatch.setattr(measure, "bench", refuse)
    monkeypatch.setattr(measure, "measure_loss", refuse)
    found = measure.measure_levels(
        files, tmp_path / "toolchain.json", [tmp_path / "rows.jsonl"], tmp_path / "bench.json", tmp_path / "log.txt"
    )
    assert [list(level) for level in found.levels.values()] == [["load_seconds"]] * 2 and found.perplexity_tokens == 0
    lines = "\n".join(said)
    assert lines.count("speed not measured: it took too long") == 2
    assert lines.count("distance from f16 not measured") == 1, "without f16 nothing is compared with it"


@pytest.mark.parametrize(("busy", "percent"), [(2.4, 5.0), (6.0, 50.0), (1.0, 0.0)])
def test_a_speed_says_how_much_others_computed(busy: float, percent: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2 s on 4 cores, of which llama-bench took 2 s of one."""
    rows: list[dict[str, Any]] = [
        {"n_prompt": prompt, "n_gen": gen, "avg_ts": 9, "stddev_ts": 1, "n_threads": 4, "backends": "", "cpu_info": ""}
        for prompt, gen in ((512, 0), (0, 128))
    ]
    output = convert.Output(json.dumps(rows), "", 0.1, cpu_seconds=2.0)
    seconds, clock = iter([100.0, 100.0 + busy]), iter([7.0, 9.0])
    monkeypatch.setattr(convert, "run_tool", lambda *command: output)
    monkeypatch.setattr(convert, "get_busy_seconds", lambda: next(seconds))
    monkeypatch.setattr(convert, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(convert.os, "cpu_count", lambda: 4)
    speed = convert.bench({"tools": {"llama-bench": "llama-bench"}}, Path("model-q8_0.gguf"))
    assert speed["others_percent"] == pytest.approx(percent)
    line = measure.describe_level({"load_seconds": 0.4, "gen_tps": 9.0, "others_percent": percent})
    assert ("other programs used 50 % of the processor" in line) == (percent == 50.0), line


def test_bench_gives_both_speeds(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    speed = convert.bench(tools, tiny["q8_0"], n_prompt=16, n_gen=4, log=tmp_path / "log.txt", repetitions=2)
    assert speed["prompt_tps"] > 0 and speed["gen_tps"] > 0
    assert (speed["n_prompt"], speed["n_gen"]) == (16, 4)


# ---------------------------------------------------------------------------------------------------------- server


def test_a_taken_port_is_skipped() -> None:
    first = ports.get_free_port(18300)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert not ports.is_free(first)
        assert ports.get_free_port(first) > first
        with pytest.raises(GaslampError, match="taken by another"):
            ports.get_free_port(first, tries=1)


def test_the_wrong_process_is_never_stopped(sleeper: subprocess.Popen[bytes]) -> None:
    created = psutil.Process(sleeper.pid).create_time()
    assert not process.stop_process(sleeper.pid, created - 100)
    assert sleeper.poll() is None
    assert process.stop_process(sleeper.pid, created)
    assert process.find_process(sleeper.pid, created) is None


def test_stopping_an_old_state_leaves_a_reused_pid_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    state = tmp_path / "server.json"
    assert not background.stop_background(state)
    state.write_text(f'{{"pid": {sleeper.pid}, "created": 1.0}}', encoding="utf-8")
    assert not background.stop_background(state)
    assert sleeper.poll() is None and not state.exists()


def test_the_key_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "api.key"
    key = background.make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text(encoding="utf-8").strip() == key
    assert background.make_key_file(path) != key


def test_server_answers_and_ends(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "Modèle für 模型" / "model q8_0.gguf"
    file.parent.mkdir()
    file.symlink_to(tiny["q8_0"])
    with server.LlamaServer(tools, file, context=128, parallel=2, log=tmp_path / "server.log") as running:
        pid, created = running.state["pid"], running.state["created"]
        assert running.tokenize("hi") == running.tokenize("hi", add_special=False)
        assert running.tokenize("hi", add_special=True)[0] == 1
        assert "hello" in running.apply_template([{"role": "user", "content": "hello"}])
        answer = running.chat([{"role": "user", "content": "hello"}], max_tokens=5)
        assert answer["completion_tokens"] <= 5 and answer["prompt_tokens"] > 5
        again = running.chat([{"role": "user", "content": "hello"}], max_tokens=5)
        assert again["text"] == answer["text"]
        # a bias decides a token: what the trial asks, to see whether the end token is kept out of the text
        forced = running.chat([{"role": "user", "content": "hello"}], max_tokens=2, bias={70: 1000.0})
        assert forced["text"] == "CC" and forced["completion_tokens"] == 2
        assert running.complete([1, 70, 71], max_tokens=3)["prompt_tokens"] == 3
        done: list[int] = []
        rows = [[{"role": "user", "content": str(n)}] for n in range(6)]
        answers = running.generate_batch(rows, max_tokens=4, on_done=lambda index, _: done.append(index))
        assert len(answers) == 6 and sorted(done) == list(range(6))
        with pytest.raises(GaslampError, match=r"larger context|exceed"):
            running.complete("x" * 500, max_tokens=4)
        listeners = {c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN}
        assert listeners == {"127.0.0.1"}
        origin = httpx.get(
            running.state["url"] + "/health", headers={"Origin": "https://elsewhere.example"}, trust_env=False
        )
        assert origin.headers["Access-Control-Allow-Origin"] == running.state["url"]
        assert httpx.get(running.state["url"] + "/", trust_env=False).status_code == 404
    assert process.find_process(pid, created) is None


def test_detached_server_with_key_and_page(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    key = background.make_key_file(tmp_path / "api.key")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<p>chat</p>", encoding="utf-8")
    state_file = tmp_path / "server.json"
    options: dict[str, Any] = {"page": tmp_path / "page", "api_key_file": tmp_path / "api.key", "context": 64}
    state = background.start_background(
        tools, tiny["q8_0"], state_file=state_file, log=tmp_path / "s.log", port=ports.get_free_port(18500), **options
    )
    try:
        assert background.read_state(state_file) == state
        assert "<p>chat</p>" in httpx.get(state["url"] + "/", trust_env=False).text
        body = {"prompt": "a", "n_predict": 2}
        assert httpx.post(state["url"] + "/completion", json=body, trust_env=False).status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.post(state["url"] + "/completion", json=body, headers=headers, trust_env=False).status_code == 200
        assert key not in " ".join(state["command"])
    finally:
        assert background.stop_background(state_file)
    assert background.read_state(state_file) is None and ports.is_free(state["port"])


def test_a_server_that_dies_says_why(tools: Toolchain, tiny: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny["q8_0"].read_bytes()[:9000])
    with pytest.raises(GaslampError, match="llama-server ended") as error:
        server.LlamaServer(tools, tmp_path / "cut.gguf", log=tmp_path / "server.log").start()
    assert "damaged" in error.value.fix
    port = ports.get_free_port(18400)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(GaslampError, match=f"port {port}"):
            server.LlamaServer(tools, tiny["q8_0"], port=port, log=tmp_path / "server.log").start()
        with ports.hold_port(port) as held, ports.hold_port(port) as other:
            assert port < ports.get_number(held) < ports.get_number(other), "a held port is nobody else's"


def test_the_log_of_a_server_in_the_background_stays_small(tmp_path: Path) -> None:
    file = tmp_path / "serve.log"
    done = subprocess.run(
        [sys.executable, "-I", "-S", log_pump.__file__, str(file), "1000"],
        input=b"0123456789" * 500 + b"end\n",
        check=True,
    )
    assert done.returncode == 0
    both = (tmp_path / "serve.log.1").read_bytes() + file.read_bytes()
    assert file.stat().st_size <= 1000 and len(both) <= 2000 and both.endswith(b"6789end\n")


def test_the_command_line_of_llama_server() -> None:
    tools: Any = {"tools": {"llama-server": "llama-server"}}
    plain = server.ServerOptions(alias="orders, to JSON").get_command(tools, Path("m.gguf"), 8081)
    assert plain[plain.index("--alias") + 1] == "orders  to JSON", "a comma would begin another name"
    assert plain[plain.index("--cors-origins") + 1] == "http://127.0.0.1:8081" and "--no-cache-prompt" not in plain
    options = server.ServerOptions(alias="m", lora=Path("a.gguf"), lora_scale=0.0, mmproj=Path("mmproj.gguf"))
    both = options.get_command(tools, Path("m.gguf"), 8081)
    text = " ".join(both)
    assert (
        "--lora-scaled a.gguf:0" in text
        and "--cache-ram 0 --no-cache-prompt" in text
        and "--mmproj mmproj.gguf" in text
    )


def test_progress_of_a_program() -> None:
    """What llama-quantize and the converter print; the last figure counts."""
    assert convert.get_percentage(b"[   1/ 272] output.weight\n[ 136/ 272] blk.15.attn_k.weight - [576, 192]\n") == 50
    assert convert.get_percentage(b"Writing:  12%|#   | 31M/271M\rWriting:  83%|###  | 225M/271M") == 83
    assert convert.get_percentage(b"main: quantizing") is None


def test_tools_are_in_the_prompt_of_a_file(tools: Toolchain, tmp_path: Path) -> None:
    """A row with tools is prompted with them, as in training, and its call comes back as text."""
    from transformers import AutoTokenizer

    template = (
        "{% if tools %}<tools>{% for tool in tools %}{{ tool['function']['name'] }};{% endfor %}</tools>{% endif %}"
        + tiny_chat.CHATML
    )
    folder = tiny_chat.write_checkpoint(tmp_path / "caller", template)
    convert.convert_to_gguf(tools, folder, tmp_path / "caller.gguf")
    named = [
        {
            "type": "function",
            "function": {
                "name": "get_time",
                "description": "the time",
                "parameters": {"type": "object", "properties": {}},
            },
        }
    ]
    messages = [{"role": "user", "content": "what time is it"}]
    ours = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        messages, tools=named, add_generation_prompt=True, tokenize=False
    )
    with server.LlamaServer(tools, tmp_path / "caller.gguf", log=tmp_path / "server.log") as served:
        assert served.apply_template(messages, named) == ours and "get_time;" in ours
        answer, plain = served.generate_batch([messages, messages], 6, tools=[named, None])
        assert answer["text"] == served.complete(served.tokenize(ours), 6)["text"]
        assert answer["prompt_tokens"] == len(served.tokenize(ours)) > plain["prompt_tokens"]


@pytest.mark.parametrize("order", [gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG])
def test_metadata_is_what_the_package_reads(tmp_path: Path, order: gguf.GGUFEndian) -> None:
    """Our reader takes lists in one pass; every field is that of gguf's own reader, and can be changed in place."""
    file = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama", endianess=order)
    writer.add_array("tokenizer.ggml.tokens", ["a", "", "\u00e9\u2603", "b" * 300])
    writer.add_array("tokenizer.ggml.scores", [0.5, -1.0])
    writer.add_array("tokenizer.ggml.token_type", [1, 3, 6])
    writer.add_array("some.flags", [True, False])
    writer.add_add_bos_token(True)
    writer.add_tensor("x", numpy.arange(6, dtype=numpy.float32).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    own, theirs = open_gguf(file), gguf.GGUFReader(file)
    assert list(own.fields) == list(theirs.fields) and own.data_offset == theirs.data_offset
    for name, field in theirs.fields.items():
        assert own.fields[name].contents() == field.contents() and own.fields[name].types == field.types, name
    assert len(own.fields["tokenizer.ggml.tokens"].data) == 4
    assert own.tensors[0].data.tolist() == theirs.tensors[0].data.tolist()
    stop_adding_bos(file)
    assert gguf.GGUFReader(file).fields["tokenizer.ggml.add_bos_token"].contents() is False
