"""Refuse answers that cannot make a project, before any file is written; cookiecutter then removes the folder."""

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
        "describe in one sentence what the model should do",
    )
if not (ROOT / "workflow" / "Snakefile").is_file():
    refuse(
        f"{ROOT} is not a gaslamp repository: it has no workflow/Snakefile",
        "call cookiecutter with the whole repository and --directory cookiecutter-template",
    )
if ANSWER.startswith("embedded:"):
    names = sorted(file.stem for file in (ROOT / "scripts" / "gaslamp" / "data" / "embedded").glob("[a-z]*.py"))
    if ANSWER.removeprefix("embedded:") not in names:
        refuse(
            f"there is no embedded data set {ANSWER!r}",
            f"choose one of: {', '.join('embedded:' + name for name in names)}; or give a file",
        )
elif not Path(DATA).exists():
    refuse(
        f"no such file or folder: {ANSWER!r} (looked for {DATA})",
        "give its path, absolute or relative to the current folder; Enter selects the embedded data set",
    )
elif Path.cwd().resolve().is_relative_to(Path(DATA).resolve()):
    refuse(
        f"the data folder {DATA} contains the new project itself",
        "give the file, or a folder that contains only the data",
    )
elif Path(DATA).is_file() and Path(DATA).stat().st_size == 0:
    refuse(f"{DATA} is empty (0 bytes)", "give a file that contains rows")
