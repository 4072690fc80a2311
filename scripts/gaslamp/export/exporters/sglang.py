"""SGLang: a script that starts it on the merged model. SGLang itself needs an NVIDIA or AMD GPU."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Parity
from gaslamp.core.files import write_json
from gaslamp.export.artefacts import RunFiles, get_context, require_parity
from gaslamp.export.start_script import verify_scripts, write_script

TITLE = "a script that starts SGLang"
REQUIRES: tuple[str, ...] = ()


def export(run: RunFiles, settings: Slice, out: Path) -> None:
    """Write start.sh and the arguments as JSON."""
    require_parity(Parity.read(run.gguf / "parity.json"), "serve")
    command = ["python", "-m", "sglang.launch_server", "--model-path", "../../merged", "--host", "127.0.0.1"]
    command += [
        "--served-model-name",
        settings.project.name,
        "--context-length",
        str(get_context(settings, run.merged)),
    ]
    # SGLang takes its key on the command line only, where anyone who may list that machine's processes can read it
    more = '--port "${PORT:-30000}" --api-key "$SGLANG_API_KEY"'
    write_script(out / "start.sh", command, "SGLANG_API_KEY", 30000, "pip install 'sglang[all]'", more)
    write_json(out / "arguments.json", {"start": command})
    verify(out)
    say(f"{out}: start.sh")


def verify(folder: Path) -> None:
    """The script parses, and the files it names exist. Raises GaslampError otherwise."""
    verify_scripts(folder)
