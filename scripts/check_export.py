"""Try, before any training, whether a small copy of the base model converts and is served with the right prompts.

No file when it does not. A run without GGUF files tries nothing, and the file says so.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import Slice, add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.contracts import ModelFacts, Verdict
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import get_cache_dir, write_json

KEYS = ("method", "export.formats", "export.hub.files", "export.parity")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, model="model.json of the base model", out="export.json to write, the gate before the training")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        verdict = check(load_slice(args.config, KEYS), ModelFacts.read(args.model), args.log)
        write_json(args.out, verdict.model_dump())
        say(verdict.summary)
        for warning in verdict.warnings:
            say(f"warning: {warning}")


def check(settings: Slice, facts: ModelFacts, log: Path) -> Verdict:
    """The verdict on a base model; raises GaslampError when it must not be trained for GGUF files."""
    verdict = Verdict(passed=True, verdict="not tried", summary="", blocking=[], warnings=[])
    if not is_converted(settings):
        verdict.summary = f"no GGUF file is planned ({', '.join(settings.export.formats)}): its export is not tried"
        return verdict
    from gaslamp.core.threads import prepare_process

    prepare_process()
    from gaslamp.export.llamacpp.toolchain import ensure_toolchain
    from gaslamp.export.trial import require_trial, try_export

    tools = ensure_toolchain(get_cache_dir(), log.with_name("check_export_toolchain.log"))
    trial = try_export(Path(facts.path), facts.source, tools, log.with_name("check_export_server.log"))
    require_trial(trial, settings.export.parity)
    verdict.verdict = "tried" if trial.tried else "not tried"
    verdict.summary, verdict.warnings = trial.summary, [*trial.problems, *trial.warnings]
    verdict.override = "export.parity: warn" if trial.problems else None
    if trial.family:
        verdict.summary += f"; Ollama: {trial.family} prompts"
    return verdict


if __name__ == "__main__":
    exit_with_help(main)
