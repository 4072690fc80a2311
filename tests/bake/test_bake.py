"""The template: what it makes, from wherever it is reached, whatever is answered; and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest
import yaml
from baking import ROOT, TEMPLATE, Bake, bake_in, get_environ, run
from gaslamp import __version__
from gaslamp.config.load import load_config
from gaslamp.config.pin import FOR_MAINTAINERS, PINNED
from gaslamp.config.projects import find_project
from gaslamp.config.schema import Config
from gaslamp.config.sections.train import AUTO, Train
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_path
from gaslamp.data.meaning import decide
from gaslamp.guide.answers import read_data_answer
from gaslamp.guide.look import look_at_data
from gaslamp.guide.machine import look_at_machine
from gaslamp.guide.plan import Situation
from gaslamp.guide.recommend import recommend
from gaslamp.report.documents import DoctorDocument

OWN_FILES = {
    ".gaslamp.json",
    ".gitignore",
    "AGENTS.md",
    "Makefile",
    "README.md",
    "config.yaml",
    "gaslamp.md",
    "memory.md",
    "project_brief.md",
    "pyproject.toml",
    "data/raw/.gitkeep",
    "logs/.gitkeep",
    "outputs/.gitkeep",
}
PROFILES = ("cpu", "cuda", "mac", "mps", "colab", "ssh", "slurm")
TODAY = datetime.now().astimezone().strftime("%Y_%m_%d")


def list_files(folder: Path) -> set[str]:
    """Every file below ``folder``, links to folders not followed."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    return {name for name in found if not name.startswith(tuple(f"{link}/" for link in (*PROFILES, ".venv")))}


def list_repository(*folders: str) -> set[str]:
    """What git would carry of ``folders``: tracked files and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *folders],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split("\0")
    return {name for name in listed if name and (ROOT / name).is_file()}


def test_exact_file_set(default_project: Path) -> None:
    pinned = {
        name
        for name in list_repository(*PINNED)
        if not Path(name).name.startswith(".") and not {*FOR_MAINTAINERS} & {*Path(name).parts}
    }
    links = {*PROFILES} | ({".venv"} if (default_project / ".venv").is_symlink() else set())
    assert list_files(default_project) == pinned | OWN_FILES | links


def test_name_is_slug_and_date(default_project: Path) -> None:
    assert re.fullmatch(r"order_extraction_\d{4}_\d\d_\d\d", default_project.name)


def test_nothing_compiled_is_left(default_project: Path) -> None:
    assert not [path for path in default_project.rglob("*") if path.suffix == ".pyc" and ".venv" not in path.parts]


def test_record_has_answers_and_hashes(default_project: Path) -> None:
    record = json.loads((default_project / ".gaslamp.json").read_text())
    assert record["answers"].keys() == {"task", "data"}
    assert record["version"] and record["created"] and Path(record["source"]) == ROOT
    assert "workflow/Snakefile" in record["files"] and "scripts/gaslamp/config/schema.py" in record["files"]
    for name, digest in record["files"].items():
        assert sha256_path(default_project / name) == digest, name


def test_bare_profile_names_are_relative_links(default_project: Path) -> None:
    for name in PROFILES:
        link = default_project / name
        assert link.is_symlink() and str(link.readlink()) == f"profiles/{name}" and (link / "config.yaml").is_file()


def test_environment_is_linked(default_project: Path) -> None:
    assert (default_project / ".venv").resolve() == Path(sys.prefix).resolve()
    assert (default_project / ".venv" / "bin" / "snakemake").is_file()


def test_config_has_every_key_with_its_default(default_project: Path) -> None:
    values = yaml.safe_load((default_project / "config.yaml").read_text())
    expected = {**Config().model_dump(), "train": Train().model_dump()}  # null where the method's preset decides
    own = {key: values["project"].pop(key) for key in list(values["project"])}
    assert own.keys() == expected.pop("project").keys()
    values.pop("project")
    assert {key for key, value in values["train"].items() if value == "auto"} >= set(AUTO)
    values["train"] |= dict.fromkeys(AUTO)  # two words for the same: the preset for the size of the model decides
    assert values == expected
    assert (
        own["name"] == "order_extraction"
        and own["audience"] == "the people at the counter"
        and own["domain"] == "general"
    )


def test_config_is_commented_for_people_and_editors(default_project: Path) -> None:
    lines = (default_project / "config.yaml").read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=workflow/schemas/config.schema.json"
    assert (default_project / "workflow" / "schemas" / "config.schema.json").is_file()
    bare = [line for line in lines if re.match(r"\s*\w+: \S", line) and "#" not in line]
    assert bare == [], "every value says why and in which range"


def test_agents_page_has_every_command_and_what_never_to_edit(default_project: Path, home: Path) -> None:
    text = (default_project / "AGENTS.md").read_text()
    listed = re.findall(r"^  make ([a-z-]+) ", run("make", cwd=default_project, home=home).stdout, re.MULTILINE)
    commands, programs = text[: text.index("## For programs")], text[text.index("## For programs") :]
    assert re.findall(r"^\| `make ([a-z-]+)` \|", commands, re.MULTILINE) == listed
    assert set(re.findall(r"^\| `make ([a-z-]+)", programs, re.MULTILINE)) <= set(listed)
    for name in ("workflow", "rules", "scripts", "profiles", ".gaslamp_context", "data/raw", "outputs", "checkpoints"):
        assert f"`{name}/`" in text[text.index("## Never edit") :], name
    assert "turn cafe orders" in text and 'make hint HINT="..."' in text and "hint" in listed
    assert "`outputs/<run>/eval/compare.json`" in text[text.index("## Files") :]


def test_memory_has_its_marks(default_project: Path) -> None:
    text = (default_project / "memory.md").read_text()
    assert (
        text.index("<!-- gaslamp:facts:start -->")
        < text.index("<!-- gaslamp:facts:end -->")
        < text.index("## Discoveries & Notes")
    )


# ---------------------------------------------------------------------------------------------- ways to the template


def test_relative_path(tmp_path: Path, home: Path) -> None:
    """Also from a folder with spaces, and through a link."""
    place = tmp_path / "a place"
    place.mkdir()
    (place / "link").symlink_to(ROOT)
    baked = bake_in(place / "out", home, source="./link", cwd=place)
    assert baked.code == 0, baked.output
    assert (baked.project / "workflow" / "Snakefile").is_file()


def test_git_url_has_everything(tmp_path: Path, home: Path, default_project: Path) -> None:
    """What git carries is enough: nothing that the project needs is ignored."""
    copy = tmp_path / "repository"
    for name in list_repository():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "all"]):
        done = run("git", *command, cwd=copy, home=home)
        assert done.returncode == 0, done.stdout
    baked = bake_in(tmp_path / "out", home, source=f"git+file://{copy}")
    assert baked.code == 0, baked.output
    assert list_files(baked.project) == list_files(default_project)
    assert json.loads((baked.project / ".gaslamp.json").read_text())["source"] == f"git+file://{copy}"


# ---------------------------------------------------------------------------------------------------------- answers


def test_two_questions(bake: Bake) -> None:
    baked = bake(stdin="sort tickets for our support team\n\n")
    assert baked.code == 0, baked.output
    assert baked.output.count("[1/2]") == 1 and baked.output.count("[2/2]") == 1 and "/3]" not in baked.output
    config = yaml.safe_load((baked.project / "config.yaml").read_text())
    assert baked.project.name == f"sort_tickets_for_our_support_team_{TODAY}"
    assert config["data"]["source"] == "embedded:orders_json"
    assert config["project"]["audience"] == "our support team" and config["project"]["domain"] == "support"


TASKS = [
    r"""it's "quoted" \ back\nslash #hash: {{ 7*7 }} {% raw %} *bold* <b>&amp; `code` | $x $(id) [a](b) %s {x}""",
    "ünïcödé 日本語 — «größte» 🦙 עברית",
    "- [ ] key: value, !!python/object:os.system @at &anchor",
    "'single",
    "x" * 300,
]


@pytest.mark.parametrize("task", TASKS)
def test_symbols_land_as_they_are(bake: Bake, task: str) -> None:
    baked = bake(stdin=f"{task}\n\n")
    assert baked.code == 0, baked.output
    project = baked.project
    assert yaml.safe_load((project / "config.yaml").read_text())["project"]["task"] == task
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"] == task
    assert json.loads((project / ".gaslamp.json").read_text())["answers"]["task"] == task
    assert "<b>" not in (project / "README.md").read_text().replace("\\<b\\>", "")
    assert re.fullmatch(r"[\w]{1,40}_" + TODAY, project.name)
    load_config(yaml.safe_load((project / "config.yaml").read_text()), project / "config.yaml", project)


def test_newlines_and_control_characters(bake: Bake) -> None:
    from gaslamp.config.scaffold import quote_for_jinja

    task = "first line\nsecond: \t\x7f\x1b[31m\u2028 end\x85"
    baked = bake(f"task={quote_for_jinja(task)}")
    assert baked.code == 0, baked.output
    assert yaml.safe_load((baked.project / "config.yaml").read_text())["project"]["task"] == task
    assert tomllib.loads((baked.project / "pyproject.toml").read_text())["project"]["description"] == task
    assert "second: [31m end" in (baked.project / "README.md").read_text().replace("\\", "").replace("   ", " ")


@pytest.mark.parametrize("task", ["!!!", "___", " ", "🦙"])
def test_no_name_is_refused_and_nothing_stays(bake: Bake, task: str) -> None:
    baked = bake(f"task={task}")
    assert baked.code != 0
    assert "no project name can be made" in baked.output and "usual fix" in baked.output
    assert list(baked.folder.iterdir()) == []


# ------------------------------------------------------------------------------------------------------------- data


def test_data_file_is_copied(bake: Bake, tmp_path: Path) -> None:
    place = tmp_path / "here"
    place.mkdir()
    (place / "my {rows}.csv").write_text("prompt,completion\na,b\n")
    baked = bake("data=my {rows}.csv", cwd=place)
    assert baked.code == 0, baked.output
    config = yaml.safe_load((baked.project / "config.yaml").read_text())
    assert config["data"]["source"] == "data/raw/my_rows_.csv" and config["method"] == "sft"
    assert (baked.project / config["data"]["source"]).read_text() == "prompt,completion\na,b\n"
    assert (place / "my {rows}.csv").read_text() == "prompt,completion\na,b\n"


def test_data_folder_is_copied(bake: Bake, tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    baked = bake(f"data={tmp_path / 'rows'}")
    assert baked.code == 0, baked.output
    assert (baked.project / "data" / "raw" / "rows" / "deep" / "a.jsonl").is_file()
    assert yaml.safe_load((baked.project / "config.yaml").read_text())["data"]["source"] == "data/raw/rows"


def test_method_and_rewards_follow_the_columns(bake: Bake, tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"problem": "6 x 7", "ground_truth": "42"}\n')
    baked = bake(f"data={tmp_path / 'sums.jsonl'}")
    config = yaml.safe_load((baked.project / "config.yaml").read_text())
    assert config["method"] == "grpo" and config["train"]["rewards"] == [{"name": "exact_answer"}]


def get_recommended(data: str) -> dict[str, object]:
    """What the plan writes into config.yaml for data of a task that names nothing."""
    answer = read_data_answer(data)
    return recommend(Situation("a task", answer, look_at_data(answer), look_at_machine())).settings


@pytest.mark.parametrize(
    ("row", "method"),
    [
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, "dpo"),
        ({"prompt": "q", "completion": "a", "label": True}, "kto"),
        ({"image": "1.png", "question": "q", "answer": "a"}, "vision_sft"),
        ({"anchor": "q", "positive": "a", "negative": "b"}, "embedding"),
        ({"problem": "q", "ground_truth": "4"}, "grpo"),
        ({"text": "words"}, "cpt"),
        ({"question": "q", "answer": "a"}, "sft"),
        ({"text": "words", "label": "x"}, "sft"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, "sft"),
        ({"Betreff": "b", "Nachricht": "n", "Kategorie": "k"}, "sft"),
        ({"a": 1}, "sft"),
    ],
)
def test_recommended_method(row: dict[str, object], method: str, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps(row) + "\n")
    settings = get_recommended(str(data))
    assert settings["method"] == method and ("train.rewards" in settings) == (method == "grpo")


@pytest.mark.parametrize("name", registry.names("embedded"))
def test_recommended_method_of_an_embedded_set(name: str) -> None:
    """ROWS of an embedded set is what its columns mean."""
    rows = list(islice(registry.get("embedded", name).generate(), 20))
    settings = get_recommended(f"embedded:{name}")
    assert settings["method"] == decide(rows).method
    assert settings.get("train.rewards") == ([{"name": "reasoning_gym"}] if name == "sums_prompts" else None)


def test_the_extension_needs_only_what_cookiecutter_brings() -> None:
    """Cookiecutter may run in an environment of its own: its dependencies, PyYAML and rich among them, are there."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'cookiecutter-template')!r}); import gaslamp_extension, json; "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))))"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", "import site; site.main(); " + code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert not {"pydantic", "orjson", "pyarrow", "pandas", "httpx", "numpy", "torch"} & set(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("nowhere.csv", "no such file or folder: 'nowhere.csv' (looked for {cwd}/nowhere.csv)"),
        ("embedded:nope", "no embedded data set 'embedded:nope'"),
        ("empty.csv", "{cwd}/empty.csv is empty (0 bytes)"),
        (".", "contains the new project itself"),
    ],
)
def test_wrong_data_is_refused_and_nothing_stays(tmp_path: Path, home: Path, data: str, message: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "empty.csv").touch()
    baked = bake_in(place / "out", home, f"data={data}", cwd=place)
    assert baked.code != 0
    assert message.format(cwd=place) in baked.output and "usual fix" in baked.output
    assert list((place / "out").iterdir()) == []


def test_a_failure_while_copying_removes_the_project(bake: Bake, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (folder / "gone.csv").symlink_to("nowhere")
    baked = bake(f"data={folder}")
    assert baked.code != 0 and "cannot make the project" in baked.output
    assert list(baked.folder.iterdir()) == []


# ------------------------------------------------------------------------------------------- memory, Makefile, the pin


def test_memory_is_taken_along(bake: Bake, home: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    (memory / "lessons.md").write_text("## Small models take higher learning rates\n")
    recipe = {"candidate_id": "cafe:section_6:0a1b2c3d", "title": "t", "body": "memory ran out", "date": "2026-11-20"}
    settings = {"train.batch_size": 1, "train.gradient_checkpointing": True, "train.lora.r": 8}
    wrong = {**recipe, "candidate_id": "cafe:section_6:00000000", "when": "size<1B", "settings": {"train.epochs": 9}}
    right = {**recipe, "when": "task=sft AND hardware=cpu AND model_size<=1B", "settings": settings}
    (memory / "skills.json").write_text(json.dumps({"entries": [right, wrong]}))
    baked = bake(GASLAMP_HOME=str(memory))
    assert baked.code == 0, baked.output
    manifest = json.loads((baked.project / ".gaslamp_context" / "manifest.json").read_text())
    assert set(manifest["files"]) == {"lessons.md", "skills.json"}
    text = (baked.project / "config.yaml").read_text()
    train = load_config(yaml.safe_load(text), baked.project / "config.yaml", baked.project).train
    assert (train.batch_size, train.gradient_checkpointing, train.lora.r) == (1, True, 8)
    assert train.epochs is None and text.count("Undo: make memory UNDO=0a1b2c3d") == 3
    assert "because of cafe, run main: memory ran out" in baked.output and "unknown name 'size'" in baked.output


def test_a_broken_memory_costs_no_project(bake: Bake, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    (memory / "skills.json").write_text("[")
    baked = bake(GASLAMP_HOME=str(memory))
    assert baked.code == 0 and "nothing of the memory was applied" in baked.output, baked.output
    assert "repair it, or move it away: mv " in baked.output and (baked.project / "config.yaml").is_file()


def make(
    project: Path, *arguments: str, home: Path, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    return run("make", *arguments, cwd=project, home=home, stdin=stdin, **variables)


def test_makefile_help_is_the_default(default_project: Path, home: Path) -> None:
    done = make(default_project, home=home)
    assert done.returncode == 0
    for target in (
        "run",
        "deploy",
        "serve",
        "stop",
        "chat",
        "dashboard",
        "watch",
        "status",
        "replay",
        "check-pin",
        "upgrade",
        "doctor",
        "reflect",
        "reflect-dry",
        "hint",
        "memory",
        "clean-run",
        "try",
        "setup",
    ):
        assert re.search(rf"^  make {target} ", done.stdout, re.MULTILINE), target


def test_status_of_a_fresh_project(default_project: Path, home: Path) -> None:
    done = make(default_project, "status", home=home)
    assert done.returncode == 0 and "Error" not in done.stdout
    assert "No run is going on, and no training has logged a step yet.\nnext: make run\n" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [\n", "config.yaml is not valid YAML"),
        ("nope: 1\n", "config.yaml, line 1: unknown key 'nope'"),
        (None, "config.yaml does not exist"),
    ],
)
def test_make_run_says_what_is_wrong_with_the_config(
    default_project: Path, tmp_path: Path, home: Path, text: str | None, message: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(default_project, project, symlinks=True)
    (project / "config.yaml").unlink()
    if text is not None:
        (project / "config.yaml").write_text(text)
    done = make(project, "run", home=home)
    assert done.returncode != 0 and message in done.stdout and "Traceback" not in done.stdout, done.stdout
    assert not (project / ".snakemake").exists()


def test_clean_run(default_project: Path, tmp_path: Path, home: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(default_project, project, symlinks=True)
    for name in ("main", "env"):
        (project / "outputs" / name).mkdir(parents=True)
    assert (
        make(project, "clean-run", home=home, stdin="n\n").returncode != 0 and (project / "outputs" / "main").is_dir()
    )
    for name in ("env", "../data", ".", "a b"):
        assert make(project, "clean-run", f"RUN={name}", "YES=1", home=home).returncode != 0
    assert make(project, "clean-run", "YES=1", home=home).returncode == 0
    assert (
        not (project / "outputs" / "main").exists()
        and (project / "outputs" / "env").is_dir()
        and (project / "data").is_dir()
    )


def test_pin_and_upgrade(default_project: Path, tmp_path: Path, home: Path) -> None:
    project = tmp_path / "my project"
    shutil.copytree(default_project, project, symlinks=True)
    assert make(project, "check-pin", home=home).returncode == 0
    own = project / "scripts" / "gaslamp" / "data" / "formats" / "mine.py"
    own.write_text('"""My own format."""\n')
    assert make(project, "check-pin", home=home).returncode == 0, "an added plug-in is no edit"

    snakefile, script = project / "workflow" / "Snakefile", project / "scripts" / "detect_env.py"
    before = snakefile.read_bytes()
    snakefile.write_bytes(before + b"# edited\n")
    script.unlink()
    done = make(project, "check-pin", home=home)
    assert (
        done.returncode != 0
        and "edited: workflow/Snakefile" in done.stdout
        and "missing: scripts/detect_env.py" in done.stdout
    )
    done = make(project, "upgrade", home=home)
    assert done.returncode != 0 and "2 pinned files were edited" in done.stdout and snakefile.read_bytes() != before
    config = (project / "config.yaml").read_bytes()
    done = make(project, "upgrade", "FORCE=1", home=home)
    assert done.returncode == 0, done.stdout
    assert "restored workflow/Snakefile" in done.stdout and "restored scripts/detect_env.py" in done.stdout
    assert (
        snakefile.read_bytes() == before
        and script.is_file()
        and own.is_file()
        and (project / "config.yaml").read_bytes() == config
    )
    assert make(project, "check-pin", home=home).returncode == 0


def test_upgrade_brings_a_newer_version(default_project: Path, tmp_path: Path, home: Path) -> None:
    newer, project = tmp_path / "newer", tmp_path / "project"
    for name in list_repository():
        (newer / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, newer / name)
    (newer / "rules" / "new.smk").write_text("# a new phase\n")
    (newer / "rules" / "memory.smk").unlink()
    shutil.copytree(newer / "profiles" / "cpu", newer / "profiles" / "cluster")
    shutil.copytree(default_project, project, symlinks=True)
    changelog = (
        "# Changes\n\n## Unreleased\n\n## 9.1\n\nA new phase.\n\n## 9.0\n\nFaster.\n\n## {pinned}\n\nOld news.\n"
    )
    (newer / "CHANGELOG.md").write_text(changelog.format(pinned=__version__))
    before = {file: file.read_bytes() for file in project.rglob("*") if file.is_file() and not file.is_symlink()}
    done = make(project, "upgrade", f"FROM={newer}", "DRY_RUN=1", home=home)
    assert done.returncode == 0 and "nothing was replaced" in done.stdout and "new      rules/new.smk" in done.stdout
    assert {file: file.read_bytes() for file in before} == before
    done = make(project, "upgrade", f"FROM={newer}", home=home)
    assert done.returncode == 0, done.stdout
    assert "A new phase." in done.stdout and "Faster." in done.stdout and "Old news." not in done.stdout
    assert "Unreleased" not in done.stdout, "it is empty"
    rooms = done.stdout[done.stdout.index("\nmemory\n") :]
    assert rooms.index("removed  rules/memory.smk") < rooms.index("\nnew\n") < rooms.index("new      rules/new.smk")
    assert (project / "rules" / "new.smk").is_file() and not (project / "rules" / "memory.smk").exists()
    assert (project / "cluster" / "config.yaml").is_file()
    record = json.loads((project / ".gaslamp.json").read_text())
    assert record["source"] == str(newer) and record["upgraded"] and record["created"]


def make_in_root(project: str | Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A command of the repository's Makefile on a project; the environment counts as installed."""
    return run("make", "-o", ".venv/.installed", *arguments, f"PROJECT={project}", cwd=ROOT, home=home)


def test_the_root_acts_on_a_project_and_prints_paths_that_work(
    default_project: Path, tmp_path: Path, home: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(default_project, project, symlinks=True)
    done = make_in_root(project, "status", home=home)
    assert done.returncode == 0 and f"project {project.name}\n" in done.stdout
    assert f"make run PROJECT={project}" in done.stdout
    (project / "config.yaml").write_text("nope: 1\n")
    done = make_in_root(project, "push", home=home)
    assert f"error: {project}/config.yaml, line 1: unknown key 'nope'" in done.stdout
    assert f"usual fix:       edit {project}/config.yaml" in done.stdout
    done = make(project, "push", home=home)
    assert "error: config.yaml, line 1" in done.stdout, "in the project itself"
    done = make_in_root("nowhere", "status", home=home)
    assert done.returncode != 0 and "PROJECT=nowhere is no project" in done.stdout


def test_the_newest_project_is_the_one_worked_on_last(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "new", "older")):
        (tmp_path / name / "logs").mkdir(parents=True)
        for file in (".gaslamp.json", "config.yaml"):
            (tmp_path / name / file).write_text("{}")
            os.utime(tmp_path / name / file, (1000 + number, 1000 + number))
    assert find_project(tmp_path).name == "older"
    (tmp_path / "old" / "logs" / "phases.jsonl").write_text("")
    assert find_project(tmp_path) == tmp_path / "old" and find_project(tmp_path, "new") == tmp_path / "new"
    with pytest.raises(GaslampError, match="is no project"):
        find_project(tmp_path, "nowhere")
    with pytest.raises(GaslampError, match="there is no project"):
        find_project(tmp_path / "empty")


def test_doctor_is_one_block_without_secrets(default_project: Path, tmp_path: Path, home: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(default_project, project, symlinks=True)
    done = make(project, "doctor", home=home, HF_TOKEN="hf_abcdefghijklmnop")
    assert done.returncode == 0 and "no problem found" in done.stdout, done.stdout
    for title in ("versions", "machine", "backend cpu", "disk", "llama.cpp", "config", "last failure"):
        assert re.search(rf"^{re.escape(title)}: \S", done.stdout, re.MULTILINE), title
    (project / "config.yaml").write_text("nope: 1\n")
    (project / "logs" / "prepare_data.log").write_text("reading\nhf_abcdefghijklmnop\nGET ?token=abc\nboom\n")
    events = [
        {"step": "prepare_data", "event": "start", "log": "logs/prepare_data.log"},
        {"step": "prepare_data", "event": "end", "status": "failed", "error": f"no file {home}/rows.csv"},
    ]
    lines = [json.dumps({"time": "2026-11-20T10:00:00+01:00", "pid": 1, **event}) for event in events]
    (project / "logs" / "phases.jsonl").write_text("\n".join(lines) + "\n")
    done = make(project, "doctor", home=home)
    assert done.returncode != 0 and "2 to look at: config, last failure" in done.stdout
    assert "prepare_data failed" in done.stdout and "no file ~/rows.csv" in done.stdout and "    boom" in done.stdout
    assert "unknown key 'nope'" in done.stdout
    assert "hf_abc" not in done.stdout and "token=abc" not in done.stdout and str(home) not in done.stdout
    done = make(project, "doctor", "JSON=1", home=home)
    found = DoctorDocument.model_validate_json(re.search(r"^\{\n.*^\}$", done.stdout, re.MULTILINE | re.DOTALL)[0])
    assert done.returncode != 0 and found.problems == ["config", "last failure"] and found.project == "project"
    assert "hf_abc" not in done.stdout and str(home) not in done.stdout


def test_current_project_is_kept(tmp_path: Path) -> None:
    from gaslamp.config.pin import is_behind
    from gaslamp.config.scaffold import ensure_current

    first, is_new = ensure_current(tmp_path / "projects", ROOT)
    assert is_new and first.name == f"order_extraction_{TODAY}"
    assert ensure_current(tmp_path / "projects", ROOT) == (first, False)
    assert not is_behind(first, ROOT)
    record = json.loads((first / ".gaslamp.json").read_text())
    record["files"]["workflow/Snakefile"] = "older"
    (first / ".gaslamp.json").write_text(json.dumps(record))
    assert is_behind(first, ROOT)


def test_status_before_the_first_project_is_no_error(tmp_path: Path, home: Path) -> None:
    start = (sys.executable, ROOT / "scripts/start_project.py", "--folder", tmp_path, "--newest")
    done = run(*start, "--or-none", cwd=ROOT, home=home)
    assert done.returncode == 0 and "no project yet: make run makes one" in done.stdout
    assert run(*start, cwd=ROOT, home=home).returncode == 1, "other commands need one"


def test_makefile_of_the_repository_lists_its_commands(home: Path) -> None:
    done = run("make", cwd=ROOT, home=home)
    targets = ("setup", "dev", "run", "deploy", "push", "status", "doctor", "new", "test", "test-all", "lint", "schema")
    for target in targets:
        assert re.search(rf"^  make {target} ", done.stdout, re.MULTILINE), target


def test_profiles_that_are_not_built_are_never_offered(default_project: Path, home: Path) -> None:
    """One text, from the backends: in `make help` of repository and project, in config.yaml, in the schema."""
    from gaslamp.config.backends import list_profiles

    assert list_profiles() == "colab, cpu, cuda, mac, mps, ssh"
    for folder in (ROOT, default_project):
        listed = run("make", cwd=folder, home=home).stdout
        assert f"PROFILE={list_profiles('|')}" in listed
        assert max(map(len, listed.splitlines())) <= 100, "a window of usual width holds it"
    assert f"(snakemake --profile NAME): {list_profiles()}\n" in (default_project / "config.yaml").read_text()


# -------------------------------------------------------------------------------------------------------- snakemake


@pytest.mark.parametrize(
    ("profile", "jobs", "absent"),
    [
        ("cpu", {"train_model_cpu"}, {"run_remote_push"}),
        ("mac", {"train_model_mac"}, {"train_model_cpu"}),
        ("cuda", {"train_model_cuda"}, {"train_model_cpu"}),
        (
            "colab",
            {"run_remote_push", "run_remote_train", "run_remote_poll", "run_remote_pull"},
            {"train_model_cpu", "train_model"},
        ),
    ],
)
def test_dry_run_lists_the_jobs_of_the_profile(
    default_project: Path, home: Path, profile: str, jobs: set[str], absent: set[str]
) -> None:
    done = run(
        Path(sys.executable).with_name("snakemake"),
        "-n",
        "--profile",
        profile,
        "--quiet",
        "rules",
        cwd=default_project,
        home=home,
    )
    assert done.returncode == 0, done.stdout
    listed = {line.split()[0] for line in done.stdout.splitlines() if re.fullmatch(r"\w+\s+\d+", line.strip())}
    assert jobs <= listed and not absent & listed, done.stdout
    assert {"check_preflight", "prepare_data", "check_parity", "reflect"} <= listed


def test_wrong_machine_is_refused_before_anything(default_project: Path, tmp_path: Path, home: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(default_project, project, symlinks=True)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "--profile", "cuda", "outputs/env/preflight.json"],
        cwd=project,
        env=get_environ(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "no NVIDIA GPU here" in done.stdout and "use snakemake --profile cpu" in done.stdout
    assert not (project / "outputs" / "env" / "preflight.json").exists() and not (project / "resources").exists()
    assert not list((home / ".cache").rglob("*.gguf"))


def test_template_folder_is_what_the_commands_name() -> None:
    assert (ROOT / TEMPLATE / "cookiecutter.json").is_file()
