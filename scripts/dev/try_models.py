"""Try the export of every family of tests/real_tokenizers.py; what was seen goes to tests/golden/models_export.json.

Each is what a project does before its training (``check_export``): a small copy of the family's architecture with its
very tokenizer and chat template is converted, served and compared. ``--family`` tries some and keeps the other entries.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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
    return {
        "converted": trial.tried,
        **({} if trial.tried else {"reason": trial.summary}),
        "checks": sorted({check.name for check in trial.checks if check.passed}),
        "problems": trial.problems,
        "warnings": trial.warnings,
        "ollama": trial.family,
    }


def main() -> None:
    import real_tokenizers
    from gaslamp.core.cli import get_parser
    from gaslamp.core.files import read_json, write_json

    parser = get_parser(__doc__)
    parser.add_argument("--family", nargs="*", default=sorted(real_tokenizers.FAMILIES), help="names of families")
    parser.add_argument("--log", type=Path, default=Path("/dev/null"), help="receives what the programs print")
    args = parser.parse_args()
    for name in args.family:
        known = read_json(OUT) if OUT.is_file() else {}
        entry = known.get(name, {}) | {"trial": try_family(name, args.log)}
        write_json(OUT, dict(sorted({**known, name: entry}.items())))
        print(name, entry["trial"].get("refused") or entry["trial"]["problems"] or "good", flush=True)


if __name__ == "__main__":
    main()
