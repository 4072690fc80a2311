"""Refuse answers that no project can be made from, before a file is written; cookiecutter then removes the folder."""

# ruff: noqa: F821, UP036 - cookiecutter fills in the braces, and may run on an older Python
import sys
from pathlib import Path


def refuse(cause, fix):
    sys.exit(f"error: {cause}\n  usual fix:       {fix}")


if sys.version_info < (3, 11):
    refuse(
        "Python {}.{} runs cookiecutter, 3.11 or newer is needed".format(*sys.version_info),
        "install cookiecutter with a newer Python (pipx install --python python3.12 cookiecutter)",
    )

NAME = {{cookiecutter.__name | quote}}
DATA = {{cookiecutter.__data_path | quote}}
ANSWER = {{cookiecutter.data | quote}}
CWD = {{cookiecutter.__cwd | quote}}
ROOT = (Path(CWD) / {{cookiecutter._repo_dir | quote}}).resolve().parent

if not NAME:
    task = {{cookiecutter.task | quote}}
    refuse(
        f"no project name can be made from the task {task!r}: it has no letters or digits",
        "say in a sentence what the model shall do",
    )
if not (ROOT / "workflow" / "Snakefile").is_file():
    refuse(
        f"{ROOT} is not a gaslamp repository: it has no workflow/Snakefile",
        "point cookiecutter at the whole repository, with --directory cookiecutter-template",
    )
if ANSWER.startswith("embedded:"):
    names = sorted(file.stem for file in (ROOT / "scripts" / "gaslamp" / "data" / "embedded").glob("[a-z]*.py"))
    if ANSWER.removeprefix("embedded:") not in names:
        refuse(
            f"there is no embedded data set {ANSWER!r}",
            f"take one of: {', '.join('embedded:' + name for name in names)}; or name a file",
        )
elif not Path(DATA).exists():
    refuse(
        f"no such file or folder: {ANSWER!r} (looked for {DATA})",
        "give its path, from the folder you stand in or from the root; Enter takes the embedded set",
    )
elif Path.cwd().resolve().is_relative_to(Path(DATA).resolve()):
    refuse(
        f"the data folder {DATA} contains the new project itself", "name the file or a folder with nothing but the data"
    )
elif Path(DATA).is_file() and Path(DATA).stat().st_size == 0:
    refuse(f"{DATA} is empty (0 bytes)", "give a file with rows")
