"""Try the export of every family of tests/real_tokenizers.py; what was seen goes to tests/golden/models_export.json.

Each is what a project does before its training (``check_export``): a small copy of the family's architecture with its
very tokenizer and chat template is converted, served and compared. ``--family`` tries some and keeps the other entries.
``--graph FAMILY PROJECT`` takes up what a whole run of tests/end_to_end/test_real_models.py left instead (its folder is
kept by pytest's ``--basetemp``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaslamp.export.trial import Trial

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]
OUT = ROOT / "tests" / "golden" / "models_export.json"


def try_family(name: str, log: Path) -> dict[str, Any]:
    """What the trial of a family found: converted, family for Ollama, problems, warnings, or why it is refused."""
    import real_tokenizers
    from gaslamp.core.errors import GaslampError
    from gaslamp.core.files import get_cache_dir
    from gaslamp.export.llamacpp.toolchain import ensure_toolchain
    from gaslamp.export.trial import try_export

    tools = ensure_toolchain(get_cache_dir(), log)
    try:
        trial = try_export(real_tokenizers.folder(name), name, tools, log)
    except GaslampError as error:
        return {"converted": False, "refused": error.cause}
    return describe(trial)


def describe(trial: Trial) -> dict[str, Any]:
    """What the file records of a trial."""
    return {
        "converted": trial.tried,
        **({} if trial.tried else {"reason": trial.summary}),
        "checks": sorted({check.name for check in trial.checks if check.passed}),
        "problems": trial.problems,
        "warnings": trial.warnings,
        "ollama": trial.family,
    }


def read_graph(project: Path) -> dict[str, Any]:
    """What a finished run of a family proved: steps, and the artefacts with the checks that each passed."""
    from gaslamp.core.files import read_json

    run = project / "outputs" / "main"
    parity = read_json(run / "gguf" / "parity.json")
    artefacts = sorted({check["artefact"] for check in parity["checks"]})
    return {
        "passed": parity["passed"] and all(check["passed"] for check in parity["checks"]),
        "steps": read_json(run / "train.json")["steps"],
        "checks": {
            name: sorted(check["name"] for check in parity["checks"] if check["artefact"] == name) for name in artefacts
        },
    }


def main() -> None:
    import real_tokenizers
    from gaslamp.core.cli import get_parser
    from gaslamp.core.files import read_json, write_json

    parser = get_parser(__doc__)
    parser.add_argument("--family", nargs="*", default=sorted(real_tokenizers.FAMILIES), help="names of families")
    parser.add_argument("--log", type=Path, default=Path("/dev/null"), help="receives what the programs print")
    parser.add_argument("--graph", nargs=2, metavar=("FAMILY", "PROJECT"), help="a finished run to take up")
    args = parser.parse_args()
    for name in [args.graph[0]] if args.graph else args.family:
        seen = {"graph": read_graph(Path(args.graph[1]))} if args.graph else {"trial": try_family(name, args.log)}
        known = read_json(OUT) if OUT.is_file() else {}
        write_json(OUT, dict(sorted({**known, name: known.get(name, {}) | seen}.items())))
        trial = seen.get("trial", {})
        print(name, trial.get("refused") or trial.get("problems") or trial.get("reason") or "good", flush=True)


if __name__ == "__main__":
    main()
