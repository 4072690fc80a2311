"""Measure training on this machine's NVIDIA GPU: our script with Unsloth and with plain TRL, against a bare TRL script."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from gaslamp.console import step
from gaslamp.errors import exit_with_help


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, help="folder with a tokenizer and chat template; default: the embedded model's")
    parser.add_argument("--shapes", nargs="+", default=["1b", "8b"], help="135m, 1b, 8b; default: 1b 8b (20 GB of disk)")
    parser.add_argument("--steps", type=int, default=14, help="steps of each training; the first 4 are not timed")
    parser.add_argument("--length", type=int, default=2048, help="tokens of a row")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3600, help="rows that would start later are left out")
    parser.add_argument("--only", default="", help="regular expression for the names of the rows")
    parser.add_argument("--folder", type=Path, help="where models and runs go; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=Path("bench_gpu.json"))
    args = parser.parse_args()
    from gaslamp.bench_gpu import run_bench_gpu
    from gaslamp.config import Config
    from gaslamp.contracts import ModelFacts
    from gaslamp.models import fetch_model

    with tempfile.TemporaryDirectory(prefix="gaslamp-gpu-") as temporary, step("run_bench_gpu"):
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = args.tokenizer
        if tokenizer is None:
            fetch_model(Config().model, folder / "embedded.json")
            tokenizer = Path(ModelFacts.read(folder / "embedded.json").path)
        run_bench_gpu(
            folder, tokenizer.resolve(), args.shapes, args.steps, args.length, args.batch_size, args.accumulation, args.seconds, args.only, args.out
        )


if __name__ == "__main__":
    exit_with_help(main)
