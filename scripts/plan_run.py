"""Show what a run would do before it starts: jobs, time, downloads, memory, disk, price. Starts nothing.

With --set it shows what another setting would do and redo. Exit code 1 when something would stop the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from check_preflight import CHECKS, KEYS
from gaslamp.config.length import CARD, get_span, is_length_open, set_length
from gaslamp.config.load import load_config, load_stage
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, merge, parse_slice
from gaslamp.config.stages import get_earlier
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core import registry
from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.files import JsonObject, write_json
from gaslamp.environment.preflight import check_preflight
from gaslamp.environment.profile import get_project_profile
from gaslamp.environment.python_env import detect_env, get_train_python, is_known_to_load
from gaslamp.environment.system import System, detect_system
from gaslamp.guide.documents import RunPlanDocument
from gaslamp.guide.dry_run import SECONDS, DryRunError
from gaslamp.guide.run_plan import get_demand, make_plan, read_settings
from gaslamp.guide.run_plan_show import print_run_plan
from gaslamp.guide.show import make_console

ENV = Path("outputs/env/env.json")


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--profile", help="cpu, cuda, mac, mps; default: what fits this machine")
    parser.add_argument("--run", help="another run than that of config.yaml")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings to try: train.max_steps=100"
    )
    args = parser.parse_args()
    values = read_yaml(Path("config.yaml"))
    settings = read_settings([*args.set, *([f"run={args.run}"] if args.run else [])])
    machine = detect_system(is_quick=True)
    profile = get_project_profile(Path(), machine, values.get("method"))
    if args.profile:
        profile = profile._replace(name=args.profile, reason="PROFILE")
    merge(values, read_yaml(Path("profiles") / profile.name / "backend.yaml"))
    merge(values, settings)
    config = load_config(values)
    stages = {name: load_stage(values, name) for name in get_earlier(values)}
    counted = get_demand(Path(), config, machine)
    preflight, problem = run_preflight(config, machine, counted[0].tokens)
    try:
        plan = make_plan(Path(), config, profile, machine, preflight, problem, settings, stages, counted)
    except DryRunError as error:
        raise GaslampError(
            f"Snakemake cannot plan this run:\n{error}", "correct what it names, then run the same command"
        ) from error
    if args.json:
        put_document(RunPlanDocument.make(plan))
    else:
        print_run_plan(plan, make_console())
    return 1 if problem else 0


def run_preflight(config: Config, machine: System, longest: int) -> tuple[JsonObject, str]:
    """What the preflight says of a config on this machine, and the problem that would stop the run.

    Args:
        config: as the run would see it.
        machine: its facts.
        longest: tokens of the longest row, which the memory is calculated for until the data phase has counted.
    """
    settings = parse_slice(get_slice(config, *KEYS))
    if is_length_open(settings) and not CARD.is_file():
        span = get_span(config.method, settings.dump()["train"])
        settings = set_length(settings, span.preset if span.cuts else max(span.least, longest + span.room))
    with tempfile.TemporaryDirectory() as folder:
        system, env = Path(folder) / "system.json", Path(folder) / "env.json"
        write_json(system, dict(machine))
        backend = registry.get("backends", config.backend)
        try:
            env.write_text(describe_python(config, backend), encoding="utf-8")
            facts = check_preflight(settings, system, env, CHECKS)
        except GaslampError as error:
            return {}, str(error)
    return json.loads(facts.model_dump_json()), ""


def describe_python(config: Config, backend: ModuleType) -> str:
    """The facts of the Python that trains, as JSON text; it is started where packages have to be loaded."""
    python = get_train_python(config.train_python, backend)
    if python == sys.executable and is_known_to_load(backend, config.backend):
        return json.dumps(detect_env(backend, config.backend, is_quick=True))
    command = [python, "scripts/detect_env.py", "--backend", config.backend, "--quick"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS).stdout
    except subprocess.TimeoutExpired:
        raise GaslampError(
            f"{python} did not answer within {SECONDS // 60} minutes which packages it has",
            "run the same command again when this machine is less busy",
            "a package there hangs when it is loaded: train_python names that Python",
        ) from None


if __name__ == "__main__":
    exit_with_help(main)
