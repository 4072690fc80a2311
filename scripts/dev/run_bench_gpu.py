"""Measure training on this machine's NVIDIA GPU, part by part: our script with Unsloth and with plain TRL against bare
scripts, the longest context, the whole graph, GRPO, vision, a kill, and the chosen settings against a search. Run
it again to resume.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        help="regular expression for the names of the parts, or numbers of items such as 2,5 (see --dry-run)",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the parts, and which are done")
    parser.add_argument(
        "--seconds",
        type=float,
        default=6 * 3600,
        help="a part that is not expected to end within them is left for the next call",
    )
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="a trial on a CPU: every part with a tiny model; its figures mean nothing",
    )
    parser.add_argument(
        "--tokenizer", type=Path, help="folder with a tokenizer and chat template; default: the embedded model's"
    )
    parser.add_argument(
        "--newest-trl",
        type=Path,
        help="folder with another TRL (pip install --no-deps --target FOLDER trl), for the bare script",
    )
    parser.add_argument("--shapes", nargs="+", help="135m, 1b, 8b; default: 1b 8b (20 GB of disk)")
    parser.add_argument("--steps", type=int, help="steps of each training; the first 4 are not timed; default: 14")
    parser.add_argument("--length", type=int, help="tokens of a row; default: 2048")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".bench-gpu"),
        help="folder for models, rows and runs, kept for the next call",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="JSON with the results so far; default: bench_gpu.json in the folder; copied to $OUT when that is set",
    )
    args = parser.parse_args()
    from benchmarks.gpu import GpuBench
    from benchmarks.gpu_parts import get_parts, run_parts
    from gaslamp.config.schema import Config
    from gaslamp.core.contracts import ModelFacts
    from gaslamp.models.fetch import fetch_model

    with step():
        folder = (args.folder / "tiny" if args.tiny else args.folder).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = args.tokenizer
        if tokenizer is None:
            if not (folder / "embedded.json").is_file():
                fetch_model(Config().model, folder / "embedded.json")
            tokenizer = Path(ModelFacts.read(folder / "embedded.json").path)
        length, steps = args.length or (96 if args.tiny else 2048), args.steps or (5 if args.tiny else 14)
        shapes = args.shapes or (["tiny"] if args.tiny else ["1b", "8b"])
        newest = args.newest_trl.resolve() if args.newest_trl else None
        bench = GpuBench(folder, tokenizer.resolve(), length, args.batch_size, args.accumulation, args.tiny, newest)
        out = args.out or folder / "bench_gpu.json"
        run_parts(bench, get_parts(bench, shapes, steps), out, args.seconds, args.only, args.dry_run)
        if (place := os.environ.get("OUT")) and not args.dry_run:
            for file in (out, folder / "grpo_reward.svg", folder / "graph.tar.gz"):
                if file.is_file():
                    shutil.copy(file, place)


if __name__ == "__main__":
    exit_with_help(main)
