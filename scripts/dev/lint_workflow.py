"""Run snakemake --lint over the rules; print each finding that is not accepted below, exit code 1 if there is one."""

import argparse
import subprocess
import sys

_GLOBAL = "Shell command directly uses variable {} from outside of the rule"
# title of the lint -> why it is accepted here
ACCEPTED = {
    "Specify a conda environment or container for each rule.": "pyproject.toml pins one environment for all rules",
    _GLOBAL.format("PYTHON"): "which interpreter runs a step is no reason to repeat it",
    _GLOBAL.format("TRAIN_PYTHON"): "the same, for the training rule",
    **{
        _GLOBAL.format(f"{room}_RUNNER"): "where a step runs is no reason to repeat it"
        for room in ("TRAIN", "EVALUATE", "EXPORT")
    },
    _GLOBAL.format("CONFIG_FILE"): "params.settings says what a step depends on",
    _GLOBAL.format("VISION_TOWER"): "checked when the model is fetched, no reason to fetch it again",
}


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    command = [sys.executable, "-m", "snakemake", "--lint", "text", "--configfile", "profiles/cpu/backend.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output, place, findings = done.stdout + done.stderr, "", []
    for line in output.splitlines():
        if line.startswith("Lints for "):
            place = line.removeprefix("Lints for ").rstrip(":")
        elif line.startswith("    * ") and line.removeprefix("    * ").rstrip(":") not in ACCEPTED:
            findings.append(f"{place}: {line.removeprefix('    * ')}")
    if done.returncode and not place:  # the rules could not be parsed
        findings.append(output.strip())
    print("\n".join(findings) or "snakemake --lint: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
