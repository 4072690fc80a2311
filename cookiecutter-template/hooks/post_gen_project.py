"""Complete the new project: pinned code, the user's data, profile links, the record, the memory snapshot."""

# ruff: noqa: F821 - cookiecutter fills in the braces
import sys
from pathlib import Path

CWD = Path({{cookiecutter.__cwd | quote}})
ROOT = (CWD / {{cookiecutter._repo_dir | quote}}).resolve().parent
GIVEN = {{cookiecutter._template | quote}}
ANSWERS = {"task": {{cookiecutter.task | quote}}, "data": {{cookiecutter.data | quote}}}

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.config.scaffold import finish_project  # noqa: E402
from gaslamp.core.errors import GaslampError  # noqa: E402
from gaslamp.memory.apply import apply_memory  # noqa: E402
from gaslamp.memory.snapshot import FOLDER, get_home, take_snapshot  # noqa: E402

source = str((CWD / GIVEN).resolve()) if (CWD / GIVEN).exists() else GIVEN
try:
    finish_project(Path.cwd(), ROOT, source, ANSWERS, {{cookiecutter.__data_path | quote}})
    take_snapshot(Path.cwd(), get_home())
    lessons = apply_memory(Path.cwd(), Path.cwd() / FOLDER)
except GaslampError as error:
    sys.exit(str(error))

here = Path.cwd()
print(f"made {here.name}")
for line in lessons:
    print(f"  {line}")
print(f"  cd '{here}'")
print("  make run        # or: snakemake --profile cpu")
