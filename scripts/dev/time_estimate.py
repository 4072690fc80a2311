"""Hold the estimate of a training's time to the clock: after one measured step against the training itself.

Run it on a quiet machine, in a project whose data is prepared (`make data`). Two trainings of runs of their own: one
of a single step, from which the estimate is made as `make plan` makes it, and the real one. The goal is an error under
30 %.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.files import JsonObject, read_json, write_json
from gaslamp.guide.step_times import TRAIN_START

ONE, REAL = "estimate-one", "estimate-real"
LIMIT = 0.30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, required=True, help="a project with prepared data")
    parser.add_argument("--profile", default="cpu", help="default: cpu")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    args = parser.parse_args()
    first = train(args.project, args.profile, ONE, 1)
    plan = read_plan(args.project, args.profile)
    job = next((job for job in plan["jobs"] if job["step"].startswith("train_model")), None)
    if job is None or job["seconds"] is None:
        raise GaslampError(
            f"make plan has no time for the training of {REAL}",
            f"delete outputs/{REAL} of the project, then run this again",
        )
    real = train(args.project, args.profile, REAL, None)
    estimated = job["seconds"] - TRAIN_START
    error = estimated / real["seconds"] - 1
    figures: JsonObject = {
        "estimated_seconds": estimated,
        "training_seconds": real["seconds"],  # as train.json has them: from the first step to the last
        "wall_seconds": real["wall"],  # of the whole job: Snakemake, loading, probe and saving too
        "one_step_seconds": first["seconds"],
        "error": round(error, 4),
        "error_with_start": round(job["seconds"] / real["wall"] - 1, 4),
        "speed": plan["speed"],
    }
    print(json.dumps(figures, indent=2))
    if args.out:
        write_json(args.out, figures)
    print(f"error {error:+.0%} of the training's own time (goal: within {LIMIT:.0%})")
    return 0 if abs(error) <= LIMIT else 1


def train(project: Path, profile: str, run: str, steps: int | None) -> dict[str, float]:
    """Train a run and nothing else: seconds of the training by train.json, and of the whole command."""
    settings = {"run": run, **({"train": {"max_steps": steps}} if steps else {})}
    target = f"outputs/{run}/train.json"
    command = [str(Path(sys.executable).with_name("snakemake")), target, "--profile", profile, "--configfile"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as own:  # --config would replace a section
        yaml.safe_dump(settings, own)
        own.flush()
        started = time.monotonic()
        files = ["config.yaml", f"profiles/{profile}/backend.yaml", own.name]
        done = subprocess.run([*command, *files], cwd=project, check=False)
    if done.returncode:
        raise GaslampError(f"the training of {run} failed", f"read logs/{run}/train_model.log of the project")
    facts = read_json(project / target)
    return {"seconds": float(facts["seconds"]), "wall": time.monotonic() - started}


def read_plan(project: Path, profile: str) -> JsonObject:
    """`make plan JSON=1 RUN=`, which measures by the newest training of the project."""
    command = [sys.executable, "scripts/plan_run.py", "--json", "--run", REAL, "--profile", profile]
    done = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True, check=False)
    plan: JsonObject = json.loads(done.stdout)
    if "jobs" not in plan:
        raise GaslampError(f"make plan failed: {plan.get('error')}", "make plan, in the project, says more")
    return plan


if __name__ == "__main__":
    exit_with_help(main)
