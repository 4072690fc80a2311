# What happens before the config is read: the library is found, and a file that is no config is refused.
import sys
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.interrupts import catch, end_before_start
from gaslamp.core.places import localize

if workflow.is_main_process:
    catch(end_before_start)

# Snakemake's own reading of the file says less about what is wrong with it. The repository, which is linted, has none.
try:
    if Path("config.yaml").exists() or not (ROOT / "cookiecutter-template").is_dir():
        read_yaml(Path("config.yaml"))
except GaslampError as error:
    raise WorkflowError(localize(str(error)))
