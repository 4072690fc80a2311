"""`make new` and `make reconfigure` as a person calls them; a project that waits for its data."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from baking import ROOT, bake_in, get_environ, run
from gaslamp.config import scaffold
from gaslamp.config.load import read_config
from gaslamp.core.errors import GaslampError
from gaslamp.data.adopt import adopt
from gaslamp.guide.documents import ReconfigureDocument
from ten_tasks import make_mails, make_thumbs, make_translations
from terminal import Terminal


def script(project: Path, name: str) -> list[str]:
    return [sys.executable, str(project / "scripts" / name)]


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of mails; tests copy it."""
    folder = tmp_path_factory.mktemp("mails")
    make_mails(folder)
    baked = bake_in(folder / "out", folder / "home", "data=mails.csv", "task=sort mails for our support", cwd=folder)
    assert baked.code == 0, baked.output
    return baked.project


@pytest.fixture
def project(mails: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(mails, tmp_path / "project", symlinks=True))


def test_new_makes_a_project_in_the_folder_of_projects(tmp_path: Path, home: Path) -> None:
    make_mails(tmp_path)
    command = [*script(ROOT, "new_project.py"), "--folder", str(tmp_path / "projects")]
    person = Terminal(command, tmp_path, get_environ(home))
    person.expect("What should the model do")
    person.answer('it\'s "{{ 7*7 }}": sort mails')
    person.expect("Where is the data?")
    person.answer("mai\t")  # the Tab key completes the path
    person.expect("prompt = Subject + Body")
    person.expect("q stops")
    person.answer("5 max")
    person.expect("profile cannot be max")
    person.expect("q stops")
    person.answer("")
    assert person.close() == 0, person.text
    (made,) = (tmp_path / "projects").iterdir()
    config = read_config(made / "config.yaml")
    assert config.project.task == 'it\'s "{{ 7*7 }}": sort mails' and config.data.source == "data/raw/mails.csv"
    answers = ("--task", 'it\'s "{{ 7*7 }}": sort mails', "--data", "mails.csv")
    person = Terminal([*command, *answers], tmp_path, get_environ(home))
    person.expect("q stops")  # both answers are there: the plan is shown all the same
    person.answer("q")
    assert person.close() != 0 and "stopped: nothing was written" in person.text
    again = run(*command, *answers, "--no-input", cwd=tmp_path, home=home)
    assert again.returncode == 0 and f"made {made.name}_2:" in again.stdout, "both projects of the day stand"
    assert {one.name for one in made.parent.iterdir()} == {made.name, f"{made.name}_2"}


def test_ctrl_c_while_a_project_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(subprocess.Popen[str]):
        is_first = True

        def communicate(self, *args: object, **kwargs: object) -> tuple[str, str]:  # type: ignore[override]
            if type(self).is_first:
                type(self).is_first = False
                raise KeyboardInterrupt
            return super().communicate()

    monkeypatch.setattr(scaffold, "subprocess", SimpleNamespace(Popen=Stopped, PIPE=-1, STDOUT=-2))
    with pytest.raises(KeyboardInterrupt):
        scaffold.make_project(ROOT, tmp_path / "projects", "sort mails", "none", {})
    assert not Stopped.is_first and list((tmp_path / "projects").iterdir()) == []


def test_reconfigure_keeps_what_was_set_by_hand_and_asks_first(project: Path, home: Path) -> None:
    file = project / "config.yaml"
    edited = (
        file.read_text(encoding="utf-8")
        .replace("  max_length: auto", "  max_length:   200")
        .replace("r: 16 #", "r: 8 # mine,")
    )
    file.write_text(edited, encoding="utf-8")
    command = script(project, "reconfigure_project.py")
    person = Terminal(command, project, get_environ(home))
    person.expect("[sort mails")
    person.answer("")
    person.expect("[data/raw/mails.csv]")
    person.answer("")
    person.expect("200")
    person.expect("q stops")
    person.answer("metric=rouge, chrf")
    person.expect("rouge, chrf")
    person.expect("q stops")
    person.answer("")
    person.expect("eval.metrics: [] -> [rouge, chrf] (you chose it)")
    person.expect("still to run, as before")
    person.expect("write it? [y/N]")
    person.answer("n")
    assert person.close() == 0 and file.read_text(encoding="utf-8") == edited
    given = ("SET=metric=rouge, chrf; demo language=de", "YES=1")
    done = run("make", "reconfigure", *given, cwd=project, home=home, DATA="of something else")
    assert done.returncode == 0, done.stdout
    text = file.read_text(encoding="utf-8")
    config = read_config(file)
    assert config.eval.metrics == ["rouge", "chrf"] and config.demo.language == "de" and config.train.max_length == 200
    assert "r: 8 # mine," in text and "max_length:   200" in text
    changed = [line for line in text.splitlines() if line not in edited.splitlines()]
    assert sum(not line.strip().startswith("# why: ") for line in changed) == 2, changed
    done = run(*command, "--yes", cwd=project, home=home)
    assert "config.yaml stays as it is" in done.stdout, "what was chosen is remembered"


def test_reconfigure_takes_other_data_and_keeps_the_old(project: Path, home: Path, tmp_path: Path) -> None:
    thumbs = make_thumbs(tmp_path)
    command = script(project, "reconfigure_project.py")
    before = (project / "config.yaml").read_bytes()
    done = run(*command, "--data", str(thumbs), "--json", cwd=project, home=home)
    preview = ReconfigureDocument.model_validate_json(done.stdout[done.stdout.index("{\n") :])
    assert done.returncode == 0 and not preview.is_written and "method: sft -> kto" in "\n".join(preview.differences)
    assert "every step from prepare_data on" in preview.reruns and preview.data == str(thumbs)
    done = run(*command, "--data", str(thumbs), cwd=project, home=home)
    assert done.returncode != 0 and "nobody is there to say yes" in done.stdout
    assert "method: sft -> kto" in done.stdout and "every step from prepare_data on" in done.stdout
    assert (project / "config.yaml").read_bytes() == before and not (project / "data/raw/thumbs.jsonl").exists()
    done = run(*command, "--data", str(thumbs), "--yes", cwd=project, home=home)
    assert done.returncode == 0, done.stdout
    config = read_config(project / "config.yaml")
    assert config.method == "kto" and config.data.source == "data/raw/thumbs.jsonl"
    assert (project / "data/raw/mails.csv").is_file() and (project / "data/raw/thumbs.jsonl").is_file()
    assert json.loads((project / ".gaslamp.json").read_text())["answers"]["data"] == str(thumbs)


def test_a_project_without_data_waits_for_it(tmp_path: Path, home: Path) -> None:
    baked = bake_in(tmp_path / "out", home, "data=none", "task=translate notes into German")
    assert baked.code == 0, baked.output
    project, raw = baked.project, baked.project / "data" / "raw"
    with pytest.raises(GaslampError, match="put a file with the columns prompt, completion there"):
        read_config(project / "config.yaml")
    with pytest.raises(GaslampError, match="there is no data yet") as refused:
        adopt(project)
    assert "the columns prompt, completion" in refused.value.fix
    shutil.copy2(make_thumbs(tmp_path), raw / "thumbs.jsonl")
    said = adopt(project)
    assert said[0] == "data.source is now data/raw/thumbs.jsonl (it was data/raw)" and said[1].startswith(
        "method is now kto"
    )
    assert said[-1].startswith("make reconfigure") and not (raw / "README").exists()
    assert adopt(project) == []
    shutil.copy2(make_translations(tmp_path), raw / "pairs.csv")
    assert "is not read" in adopt(project)[0], "what was chosen stays"
    assert yaml.safe_load((project / "config.yaml").read_text())["method"] == "kto"
