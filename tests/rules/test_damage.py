"""A damaged file goes no further, and the same command puts it right (core/seals.py)."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path
from gaslamp.core.seals import ASIDE, STORE, find_damage
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.report.crate_file import open_crate

LEVEL = "outputs/main/gguf/model-q8_0.gguf"


@pytest.fixture(scope="module")
def project(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.copy_project(finished, tmp_path_factory.mktemp("damage"))


def overwrite(file: Path) -> None:
    """2 kB in the middle, with size and time kept."""
    before = file.stat()
    with file.open("r+b") as handle:
        handle.seek(before.st_size // 2)
        handle.write(os.urandom(2048))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def forget_copies(project: Path, path: str) -> None:
    """Tiny as they are, these files have copies in the store; those of a real model are too large."""
    shutil.rmtree((project / STORE / path).with_name(Path(path).name + ".seal.copies"))


def test_every_file_that_a_later_step_reads_has_a_seal(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of them was changed after its step had ended."""
    monkeypatch.chdir(finished)
    sealed = {str(file.relative_to(STORE)).removesuffix(".seal.json") for file in STORE.rglob("*.seal.json")}
    levels = ("f16", "q8_0", "q4_k_m")
    wanted = [
        *(f"data/{name}" for name in ("train.jsonl", "valid.jsonl", "test.jsonl", "template.json", "card.json")),
        *(f"outputs/main/{name}" for name in ("adapters", "train.json", "merged")),
        *(f"outputs/main/eval/{name}" for name in ("compare.json", "verdict.json")),
        *(
            f"outputs/main/eval/{who}.predictions.jsonl"
            for who in ("base", "tuned", *(f"gguf-{one}" for one in levels))
        ),
        *(f"outputs/main/gguf/model-{level}.gguf" for level in levels),
        *(f"outputs/main/gguf/{name}" for name in ("bench.json", "ladder.json", "parity.json", "Modelfile")),
        "outputs/env/preflight.json",
    ]
    assert set(wanted) <= sealed, set(wanted) - sealed
    assert [
        damage for top in ("data", "outputs", "demos", "logs", "resources") for damage in find_damage(Path(top))
    ] == []


def test_a_crate_holds_the_run_and_is_checked_before_it_is_repeated(project: Path, tmp_path: Path) -> None:
    """As somebody gets it: every file by its hash, weights left out or not, and no place outside of the archive."""

    def export(*flags: str) -> tuple[int, str]:
        done = tiny.run(sys.executable, "scripts/export_crate.py", "--run", "main", *flags, cwd=project)
        return done.returncode, done.stdout + done.stderr

    file, light = tmp_path / "crate.zip", tmp_path / "light.zip"
    code, said = export("--out", str(file))
    assert code == 0 and "by hash alone: " in said and "outputs/main/merged" in said, said
    assert export("--light", "--out", str(light))[0] == 0
    chosen = "outputs/main/gguf/model-q4_k_m.gguf"
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(light) as small:
        names = set(archive.namelist())
        assert {chosen, "gaslamp.md", "config.yaml", "workflow/Snakefile", "environment.txt"} <= names
        assert chosen not in small.namelist() and not [name for name in names if name.endswith(".pyc")]
        graph = {one["@id"]: one for one in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
        assert graph[chosen]["sha256"] == sha256_path(project / chosen)
    run = graph["#run-main"]
    assert run["instrument"] == {"@id": "workflow/Snakefile"} and {"@id": chosen} in run["result"]
    assert {"@id": "config.yaml"} in run["object"] and run["startTime"] <= run["endTime"]
    compare = read_json(project / "outputs/main/eval/compare.json")["metrics"][0]
    score = graph[f"#score-{compare['name']}-tuned"]
    assert (score["value"], score["minValue"]) == (compare["tuned"]["value"], compare["tuned"]["low"])

    with open_crate(file) as roadbook:
        assert roadbook.read_bytes() == (project / "gaslamp.md").read_bytes()
    for name, content, text in (
        ("config.yaml", "run: other\n", "config.yaml is another one"),
        ("../outside.txt", "x", "a place outside of itself"),
    ):
        with zipfile.ZipFile(file) as archive, zipfile.ZipFile(tmp_path / "changed.zip", "w") as changed:
            for member in archive.namelist():
                changed.writestr(member, content if member == name else archive.read(member))
            if name not in names:
                changed.writestr(name, content)
        with pytest.raises(GaslampError, match=text), open_crate(tmp_path / "changed.zip"):
            pass
    for content, text in ((b"PK cut", "no whole .zip"), (None, "no crate of a run")):
        if content:
            (tmp_path / "changed.zip").write_bytes(content)
        else:
            with zipfile.ZipFile(tmp_path / "changed.zip", "w") as changed:
                changed.writestr("a.txt", "a")
        with pytest.raises(GaslampError, match=text), open_crate(tmp_path / "changed.zip"):
            pass
    model = project / chosen
    kept, times = model.read_bytes(), model.stat()
    overwrite(model)
    code, said = export("--out", str(file))
    assert code == 1 and "are not what its records say" in said and "model-q4_k_m.gguf" in said
    model.write_bytes(kept)
    os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_verify_names_the_first_record_that_does_not_fit(project: Path, tmp_path: Path) -> None:
    """From the rows to the GGUF files; a file from elsewhere is one of them, or none."""

    def verify(*flags: str) -> tuple[int, str]:
        done = tiny.run(sys.executable, "scripts/verify_run.py", "--run", "main", *flags, cwd=project)
        return done.returncode, done.stdout + done.stderr

    shutil.copy(project / LEVEL, tmp_path / "sent.gguf")
    code, said = verify("--file", str(tmp_path / "sent.gguf"))
    assert code == 0 and "run main is what its records say" in said, said
    assert [f"{name}: fits" in said for name in ("data/card.json", "outputs/main/train.json")] == [True, True]
    assert "outputs/main/gguf/parity.json: fits, 8 checked" in said

    train = read_json(project / "outputs/main/train.json")
    origin = f"gaslamp run main; training rows sha256 {sha256_path(project / 'data/train.jsonl')}; adapter sha256 "
    assert read_gguf_facts(project / LEVEL)["origin"] == origin + train["adapter_sha256"]

    overwrite(tmp_path / "sent.gguf")
    code, said = verify("--file", str(tmp_path / "sent.gguf"))
    assert code == 1 and "is none of the GGUF files of this run" in said.splitlines()[-1]

    rows, adapter = project / "data/train.jsonl", project / "outputs/main/adapters/adapter_model.safetensors"
    kept = {file: file.read_bytes() for file in (rows, adapter)}
    overwrite(adapter)
    code, said = verify()
    last = said.splitlines()[-1]
    assert code == 1 and last.startswith("the first that does not fit: outputs/main/train.json was made with"), last
    code, said = verify("--json")
    assert code == 1 and json.loads(said)["problem"] == last.removeprefix("the first that does not fit: ")
    rows.write_bytes(kept[rows].replace(b"tea", b"tee", 1))
    code, said = verify()
    last = said.splitlines()[-1]
    assert code == 1 and last.startswith(
        "the first that does not fit: data/card.json was made with data/train.jsonl"
    ), last
    for file, content in kept.items():
        file.write_bytes(content)
    assert verify()[0] == 0


def test_a_damaged_level_is_made_again(project: Path) -> None:
    file = project / LEVEL
    whole = sha256_path(file)
    forget_copies(project, LEVEL)
    overwrite(file)
    assert f"{LEVEL} is not as quantize_gguf_q8_0 left it" in tiny.get_rules_error(tiny.snakemake(project, "-n", LEVEL))
    done = tiny.snakemake(project, LEVEL)
    said = tiny.get_rules_error(done)
    assert done.returncode == 0 and f"set aside as model-q8_0.gguf{ASIDE} and made again" in said, said
    assert sha256_path(file) == whole
    file.with_name(file.name + ASIDE).unlink()


def test_damaged_facts_are_put_back_and_nothing_runs(project: Path, finished: Path) -> None:
    names = ("outputs/main/eval/compare.json", "outputs/main/train.json", "data/test.jsonl", "outputs/main/report.html")
    for name in names:
        (project / name).write_text("")
    done = tiny.snakemake(project, "outputs/main/report.html", "outputs/main/gguf/parity.json")
    said = tiny.get_rules_error(done)
    assert done.returncode == 0 and said.count("put back from its copy") == len(names), said
    assert "Nothing to be done" in said
    assert [sha256_path(project / name) for name in names] == [sha256_path(finished / name) for name in names]


def test_a_damaged_adapter_is_refused_by_the_step_that_reads_it(project: Path) -> None:
    """Between two steps of one run nobody looks at the start."""
    forget_copies(project, "outputs/main/adapters")
    overwrite(project / "outputs/main/adapters/adapter_model.safetensors")
    command = ["scripts/merge_adapters.py", "--verdict", "outputs/main/eval/verdict.json", "--template"]
    command += ["data/template.json", "--adapters", "outputs/main/adapters", "--out", "outputs/main/merged"]
    (model,) = (project / "resources" / "models").glob("*/model.json")
    command += ["--model", str(model.relative_to(project)), "--log", "logs/main/merge_adapters.log"]
    done = tiny.run(tiny.SNAKEMAKE.with_name("python"), *command, cwd=project)
    said = tiny.get_rules_error(done)
    assert done.returncode != 0 and "outputs/main/adapters is not as train_model left it" in said, said
    done = tiny.snakemake(project, "outputs/main/adapters")
    assert done.returncode == 0, tiny.get_rules_error(done)
    assert (project / "outputs/main/adapters/adapter_model.safetensors").is_file()


@pytest.mark.parametrize(
    "file", [LEVEL, "outputs/main/gguf/model-f16.gguf", "outputs/main/merged", "outputs/main/adapters"]
)
def test_what_a_person_uses_is_made_again_when_it_is_gone(finished: Path, file: str) -> None:
    (finished / file).rename(finished / f"{file}.away")
    try:
        assert tiny.get_jobs(finished)
    finally:
        (finished / f"{file}.away").rename(finished / file)
    assert tiny.get_jobs(finished) == {}
