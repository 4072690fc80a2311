"""Complete the new project: pinned code, the user's data, profile links, the record, the plan, the memory snapshot."""

# ruff: noqa: F821 - cookiecutter fills in the braces
import json
import sys
from pathlib import Path

CWD = Path({{cookiecutter.__cwd | quote}})
ROOT = (CWD / {{cookiecutter._repo_dir | quote}}).resolve().parent
GIVEN = {{cookiecutter._template | quote}}
OUTCOME = json.loads({{cookiecutter.__outcome | quote}})

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.config.pin import RECORD  # noqa: E402
from gaslamp.config.scaffold import finish_project  # noqa: E402
from gaslamp.core.errors import GaslampError  # noqa: E402
from gaslamp.guide.plan import read_facts  # noqa: E402
from gaslamp.guide.write import list_untouched, write_project  # noqa: E402
from gaslamp.memory.apply import apply_memory  # noqa: E402
from gaslamp.memory.snapshot import FOLDER, get_home, take_snapshot  # noqa: E402

source = str((CWD / GIVEN).resolve()) if (CWD / GIVEN).exists() else GIVEN
here = Path.cwd()
has_data = OUTCOME["source"] != "data/raw"
try:
    answers = {"task": OUTCOME["task"], "data": OUTCOME["data"]}
    finish_project(here, ROOT, source, answers, OUTCOME["path"])
    write_project(here, here / RECORD, OUTCOME["task"], read_facts(OUTCOME["plan"]), OUTCOME["wanted"], has_data)
    take_snapshot(here, get_home())
except GaslampError as error:
    sys.exit(str(error))
lessons = []
try:
    if OUTCOME["wanted"].get("memory") != "off":
        lessons = apply_memory(here, here / FOLDER, defaults=list_untouched(here, read_facts(OUTCOME["plan"])))
except GaslampError as error:  # a broken memory costs no project
    lessons = [f"note: nothing of the memory was applied: {error.cause}", f"      usual fix: {error.fix}"]

print(f"made {here.name}:")
print("  config.yaml has each decision with its reason, project_brief.md all of them on one page")
for line in lessons:
    print(f"  {line}")
print(f"  cd '{here}'")
if has_data:
    print("  make run        # or: snakemake --profile {}".format(read_facts(OUTCOME["plan"]).get("profile").value))
else:
    print("  make data       # once there is a file in data/raw; data/raw/README says which")
