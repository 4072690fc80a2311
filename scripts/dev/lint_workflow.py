"""snakemake --lint over the rules, less what is meant: prints each remaining finding and exits with 1 when there is one."""

import argparse
import subprocess
import sys

# title of the lint -> why it is no fault here
ACCEPTED = {
    "Specify a conda environment or container for each rule.": "pyproject.toml pins one environment for all rules",
    "Shell command directly uses variable PYTHON from outside of the rule": "which interpreter runs a step is no reason to repeat it",
    "Shell command directly uses variable TRAIN_PYTHON from outside of the rule": "the same, for the training rule",
    "Shell command directly uses variable CONFIG_FILE from outside of the rule": "params.settings says what a step depends on",
    "Shell command directly uses variable VISION_TOWER from outside of the rule": "checked when the model is fetched, no reason to fetch it again",
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
    if done.returncode and not place:  # it did not even read the rules
        findings.append(output.strip())
    print("\n".join(findings) or "snakemake --lint: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
