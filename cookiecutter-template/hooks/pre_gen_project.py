"""Refuse what cannot make a project, before any file is written; cookiecutter then removes the folder."""

# ruff: noqa: F821 - cookiecutter fills in the braces
import json
import sys
from pathlib import Path

OUTCOME = json.loads({{cookiecutter.__outcome | quote}})
CWD = Path({{cookiecutter.__cwd | quote}})
ROOT = (CWD / {{cookiecutter._repo_dir | quote}}).resolve().parent

if not (ROOT / "workflow" / "Snakefile").is_file():
    sys.exit(
        f"error: {ROOT} is not a gaslamp repository: it has no workflow/Snakefile\n"
        "  usual fix:       call cookiecutter with the whole repository and --directory cookiecutter-template"
    )

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.core.errors import GaslampError  # noqa: E402
from gaslamp.guide.answers import check_data, read_data_answer  # noqa: E402

try:  # again: the interview does not know the new folder, and a replay holds no interview
    check_data(read_data_answer(OUTCOME["data"], CWD), Path.cwd())
except GaslampError as error:
    sys.exit(str(error))
