"""The other machine's side of a remote step: one line of JSON for each call. Only scripts/run_remote.py calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.core.cli import add_optional_paths, get_parser, split_command
from gaslamp.core.errors import exit_with_help
from gaslamp.remote import lines, there


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument(
        "what", choices=("setup", "verify", "model", "find", "supervise", "poll", "checkpoint", "pack", "jobs", "stop")
    )
    parser.add_argument("--backend", default="cpu", help="what trains here")
    parser.add_argument("--need-gb", type=float, default=0.0, help="verify: disk space of the run")
    parser.add_argument("--job", default="", help="name of the step")
    parser.add_argument("--key", default="", help="supervise: of the command and its inputs")
    parser.add_argument("--offset", type=int, default=0, help="poll: bytes of the metrics that are at home")
    parser.add_argument("--prefix", default="", help="poll: their sha256")
    parser.add_argument("--output-from", type=int, default=0, help="poll: bytes of the output that are at home")
    add_optional_paths(
        parser,
        facts="model: model.json to write",
        checkpoints="of a training: the folder of the run's checkpoints",
        metrics="of a training: its metrics.jsonl",
    )
    own, rest = split_command(sys.argv[1:])  # after --: the command, or the files to pack
    args = parser.parse_args(own)
    training = there.Training(args.backend, args.checkpoints, args.metrics) if args.checkpoints else None
    if args.what == "setup":
        there.set_up()
    elif args.what == "verify":
        there.verify(args.backend, args.need_gb)
    elif args.what == "model":
        there.fetch_model(rest, args.facts, sys.stdin.readline().strip())
    elif args.what == "find":
        lines.write(there.find_job(args.job, training))
    elif args.what == "supervise":
        there.supervise(args.job, args.key, rest)
    elif args.what == "poll":
        there.poll(args.job, training, args.offset, args.prefix, args.output_from)
    elif args.what == "checkpoint":
        newest = there.find_newest(args.checkpoints, args.backend)
        more = [file for file in newest.parent.iterdir() if file.is_file()] if newest else []
        there.pack(args.job, [newest, *more] if newest else [])
    elif args.what == "pack":
        there.pack(args.job, [Path(part) for part in rest])
    elif args.what == "jobs":
        there.list_jobs()
    else:
        there.stop(args.job)


if __name__ == "__main__":
    exit_with_help(main)
