"""Have the embedded model write rows through a real llama-server, and print what passed and what was rejected.

What `make generate` does, from the request to the file, without a stub: the model is converted, served and prompted.
It is slow (minutes on two cores), and a model of 135 million parameters writes few good rows: this shows that the way
works.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import yaml
from gaslamp.config.load import load_config
from gaslamp.config.slices import load_slice
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.files import get_cache_dir, read_jsonl, write_jsonl
from gaslamp.data.generation.facts import CANDIDATES, FOLDER, REJECTS
from gaslamp.data.generation.generate import generate_rows
from gaslamp.export.llamacpp.convert import convert_to_gguf
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import ensure_toolchain
from gaslamp.models.embedded import unpack_embedded

KEYS = ("project.task", "project.audience", "method", "data.system", "data.redact", "data.generate")
CLASSES = ("billing", "delivery", "returns")
SEEDS = (
    ("I was charged twice this month", "billing"),
    ("The parcel never came", "delivery"),
    ("How do I send the shoes back?", "returns"),
    ("Please send the invoice to my new address", "billing"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=30, help="how many should pass, default 30")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="name of an embedded model")
    parser.add_argument("--requests", type=int, default=120, help="most requests, default 120")
    parser.add_argument("--out", type=Path, help="folder to keep; default: one that is removed")
    args = parser.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        try_it(args.out, args.model, args.rows, args.requests)
        return
    with tempfile.TemporaryDirectory(prefix="gaslamp-generate-") as folder:
        try_it(Path(folder), args.model, args.rows, args.requests)


def try_it(folder: Path, model: str, rows: int, requests: int) -> None:
    """Convert, serve, generate, and print the figures."""
    gguf, log = folder.resolve() / f"{model}-f16.gguf", folder.resolve() / "try.log"
    if not gguf.is_file():
        convert_to_gguf(ensure_toolchain(get_cache_dir(), log), unpack_embedded(model), gguf, log=log)
    write_jsonl(folder / "seeds.jsonl", [{"prompt": prompt, "completion": answer} for prompt, answer in SEEDS])
    toolchain = ensure_toolchain(get_cache_dir(), log)
    server = LlamaServer(toolchain, gguf, log=log, alias=model, context=2048, parallel=2)
    state = server.start()
    try:
        os.chdir(folder)
        own = {
            "rows": rows,
            "endpoint": {"url": f"{state['url']}/v1", "model": model},
            "licence": "apache-2.0",
            "seeds": "seeds.jsonl",
            "answer": {"enum": list(CLASSES)},
            "max_tokens": 96,
            "judge": {"threshold": None},
            "limits": {"requests": requests},
            "parallel": 2,
        }
        config = {
            "project": {"task": "Sort the mails of our customers into billing, delivery and returns"},
            "data": {"source": "data/generated/rows.jsonl", "generate": own},
        }
        Path("config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        load_config(config, Path("config.yaml"))
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        outputs = {"candidates": Path(CANDIDATES), "facts": Path(FOLDER) / "generation.json"}
        facts = generate_rows(load_slice([Path("config.yaml")], KEYS), outputs)
    finally:
        server.stop()
    shown = [line["row"] for line in read_jsonl(Path(CANDIDATES))][:5]
    print(json.dumps({**facts.model_dump(exclude={"provenance"}), "first_rows": shown}, indent=2, ensure_ascii=False))
    rejected = Path(FOLDER) / REJECTS
    if not facts.accepted:
        raise GaslampError("no row passed", f"read {rejected}")


if __name__ == "__main__":
    exit_with_help(main)
