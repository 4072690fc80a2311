"""``make bench-data``: data phase against `datasets`, tokenization against the bare tokenizer, near-duplicates.

Every measurement is a process of its own, so that its peak memory is its own: ``python -P bench_data.py PART
JOB.json``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

WORDS = [
    "order",
    "coffee",
    "morning",
    "window",
    "paper",
    "river",
    "stone",
    "market",
    "letter",
    "number",
    "garden",
    "winter",
    "answer",
    "question",
    "travel",
    "kitchen",
    "table",
    "music",
    "light",
    "silver",
    "doctor",
    "number",
    "train",
    "ticket",
    "price",
    "house",
    "small",
    "large",
    "green",
    "early",
    "later",
    "write",
    "speak",  # words: ok, data
    "listen",
    "carry",
    "build",
    "finish",
]


def write_rows(path: Path, count: int) -> None:
    """``count`` JSONL rows of a question and an answer, about 250 bytes each; one in fifty is an exact duplicate."""
    size = len(WORDS)
    with path.open("w", encoding="utf-8") as handle:
        for number in range(count):
            n = number if number % 50 else number // 2
            picked = [WORDS[(n * (step + 3) + n // size**step) % size] for step in range(18)]
            question = f"Question {n}: what about the {' '.join(picked[:9])} in the {picked[9]}?"
            answer = (
                f"The {' '.join(picked[9:])} is number {n * 7919 % 1_000_003}, "
                f"as the {picked[3]} \u2014 \u00fc \u4f60\u597d \U0001f642 says."
            )
            handle.write(
                json.dumps({"question": question, "answer": answer, "topic": picked[0]}, ensure_ascii=False) + "\n"
            )


class Watch:
    """Wall and CPU seconds, and peak resident memory, of this process and its children while the block runs.

    Ratios are made of processor seconds: what else the machine does at that moment is not in them.
    """

    def __enter__(self) -> Watch:
        import psutil

        self._me, self._stop, self.peak = psutil.Process(), threading.Event(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        self._started, self._cpu = time.perf_counter(), self._get_cpu()
        return self

    def _get_cpu(self) -> float:
        return sum(os.times()[:4])

    def _look(self) -> None:
        import psutil

        while not self._stop.wait(0.05):
            total = 0
            for process in (self._me, *self._me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)

    def __exit__(self, *problem: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._started, self._get_cpu() - self._cpu
        self._stop.set()
        self._thread.join()

    def get_figures(self) -> dict[str, float]:
        """What was measured: seconds, cpu (seconds), peak (bytes)."""
        return {"seconds": round(self.seconds, 3), "cpu": round(self.cpu, 3), "peak": self.peak}


def run_ours(job: dict[str, Any]) -> dict[str, Any]:
    """Read, detect, convert, leave exact duplicates out, split, write; in one process, as the other side."""
    from gaslamp.config.schema import Config
    from gaslamp.data.checking import load_checks
    from gaslamp.data.dividing import divide_rows

    data = Config.model_validate({"data": {"source": job["source"]}}).data
    wanted = {name: {"severity": "off"} for name in job["off"]}
    work = Path(job["work"])
    work.mkdir()
    with Watch() as watch:
        spool, *_ = divide_rows(data, "sft", 512, load_checks(wanted), wanted, work, processes=1)
    return {**watch.get_figures(), "rows": spool.counts, "duplicates": spool.duplicates}


def _convert(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the other side's script makes it."""
    return {"messages": [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]}


def _convert_batch(rows: dict[str, list[str]]) -> dict[str, Any]:
    """Many rows at once, the faster way of `datasets`."""
    pairs = zip(rows["question"], rows["answer"], strict=True)
    return {"messages": [_convert({"question": question, "answer": answer})["messages"] for question, answer in pairs]}


def run_datasets(job: dict[str, Any]) -> dict[str, Any]:
    """What a script with `datasets` does in one process: load_dataset, map, to_json. No deduplication, no split."""
    import datasets

    datasets.disable_progress_bars()
    work = Path(job["work"])
    work.mkdir()
    with Watch() as watch:
        rows = datasets.load_dataset("json", data_files=job["source"], split="train", cache_dir=str(work / "cache"))
        rows.map(_convert, remove_columns=rows.column_names).to_json(work / "train.jsonl")
    return {**watch.get_figures(), "rows": len(rows)}


def run_datasets_equal(job: dict[str, Any]) -> dict[str, Any]:
    """The same work as ours without row checks, with `datasets` in one process, its functions on rows or on batches.

    load_dataset, map to messages, filter rows with an empty turn, leave exact duplicates out by their hash,
    train_test_split twice, to_json of the three splits.
    """
    import datasets
    import orjson
    import xxhash

    datasets.disable_progress_bars()
    seen: set[bytes] = set()

    def is_full(row: dict[str, Any]) -> bool:
        return all(turn["content"].strip() for turn in row["messages"])

    def is_new(row: dict[str, Any]) -> bool:
        digest = xxhash.xxh3_128_digest(orjson.dumps(row["messages"]))
        new = digest not in seen
        seen.add(digest)
        return new

    def on_batch(keeps: Any) -> Any:
        return lambda rows: [keeps({"messages": messages}) for messages in rows["messages"]]

    batched = job["batched"]
    full, new = (on_batch(is_full), on_batch(is_new)) if batched else (is_full, is_new)
    convert = _convert_batch if batched else _convert

    work = Path(job["work"])
    work.mkdir()
    with Watch() as watch:
        rows = datasets.load_dataset("json", data_files=job["source"], split="train", cache_dir=str(work / "cache"))
        count = len(rows)
        rows = rows.map(convert, batched=batched, remove_columns=["question", "answer"])
        rows = rows.filter(full, batched=batched).filter(new, batched=batched)
        parts = rows.train_test_split(test_size=0.15, seed=3407)
        rest = parts["train"].train_test_split(test_size=0.05, seed=3407)
        for name, split in (("train", rest["train"]), ("valid", rest["test"]), ("test", parts["test"])):
            split.to_json(work / f"{name}.jsonl")
    return {**watch.get_figures(), "rows": count, "duplicates": count - len(rows)}


def _load_spool(job: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The first rows of a divided set, a renderer of the model, and its template."""
    from gaslamp.models.template import Renderer, build_template

    rows = []
    with Path(job["rows"]).open(encoding="utf-8") as handle:
        for line in handle:
            rows.append(json.loads(line))
            if len(rows) == job["count"]:
                break
    template = build_template(job["model"], rows[0]["messages"])
    return rows, Renderer.load(job["model"], template), template


def _reshape(rows: list[dict[str, Any]], shape: str) -> list[dict[str, Any]]:
    """Rows of one question, of six turns, or of one long question and answer, from rows of one question."""
    if shape == "short":
        return rows
    groups = [[row["messages"] for row in rows[start : start + 12]] for start in range(0, len(rows) - 11, 12)]
    if shape == "six turns":
        return [{"messages": [turn for talk in part for turn in talk]} for g in groups for part in (g[:3], g[3:6])]
    return [
        {
            "messages": [
                {"role": role, "content": " ".join(talk[place]["content"] for talk in group)}
                for place, role in enumerate(("user", "assistant"))
            ]
        }
        for group in groups
    ]


def run_tokens(job: dict[str, Any]) -> dict[str, Any]:
    """Ours against the tokenizer's own batches, in turns of 2,000 rows in one process: load slows both alike.

    Theirs: the text rendered before the clock starts, in batches of 1,000. Ours: tokenize, mask, count lengths, run
    every check on tokens; ``rendered``: from rows, so that the rendering is in it.
    """
    from gaslamp.data import lengths as lengths_module
    from gaslamp.data.checking import Facts, Sample, load_checks
    from gaslamp.data.encode import split_row

    rows, renderer, template = _load_spool(job)
    rows = _reshape(rows, job["shape"])
    samples = [Sample(f"row {number}", row, "train") for number, row in enumerate(rows, 1)]
    facts = Facts("conversation", "sft", 4096, {}, tuple(template.stop_ids), template.bos_id)
    pieces = [split_row(renderer, row) for row in rows]
    texts = ["".join(text for text, _ in sides[0]) for sides in pieces]
    bare = ours = rendered = 0.0
    found, tokens = lengths_module.Lengths(), 0

    def encode(part: list[Any], lengths: Any) -> float:
        begin = time.process_time()
        lengths_module.encode_samples(iter(part), "train", renderer, load_checks({}), facts, lengths)
        return time.process_time() - begin

    encode(samples[:500], lengths_module.Lengths())  # what is done once
    for start in range(0, len(rows), 2000):
        begin = time.process_time()
        for first in range(start, min(start + 2000, len(texts)), 1000):
            ids = renderer.tokenizer(texts[first : first + 1000], add_special_tokens=False)["input_ids"]
            tokens += sum(map(len, ids))
        bare += time.process_time() - begin
        here = iter(pieces[start : start + 2000])
        with patch.object(lengths_module, "split_row", lambda renderer, row, here=here: next(here)):
            ours += encode(samples[start : start + 2000], found)
        rendered += encode(samples[start : start + 2000], lengths_module.Lengths())
    own = sum(size * count for size, count in found.total.items())
    return {"bare": bare, "ours": ours, "rendered": rendered, "tokens": tokens, "own_tokens": own, "rows": len(rows)}


def run_near(job: dict[str, Any]) -> dict[str, Any]:
    """The near-duplicate check over so many rows."""
    from itertools import islice

    from gaslamp.core import registry
    from gaslamp.data.checking import Facts, Sample

    class Rows:
        """Read from the disk as often as the check wants, as the pipeline does."""

        def __iter__(self) -> Any:
            import orjson

            with Path(job["rows"]).open("rb") as handle:
                for number, line in enumerate(islice(handle, job["count"]), 1):
                    yield Sample(f"row {number}", orjson.loads(line), "train")

    plugin = registry.get("checks", "near_duplicates")
    with Watch() as watch:
        found = sum(
            1 for _ in plugin.check(Rows(), Facts("conversation", "sft", 512, dict(getattr(plugin, "OPTIONS", {}))))
        )
    return {**watch.get_figures(), "found": found}


PARTS = {
    "ours": run_ours,
    "datasets": run_datasets,
    "datasets_equal": run_datasets_equal,
    "tokens": run_tokens,
    "near": run_near,
}
SHAPES = ("short", "six turns", "long")


def measure(folder: Path, part: str, **job: Any) -> dict[str, Any]:
    """Run one part in a process of its own."""
    from gaslamp.core.errors import GaslampError

    name = f"{part}-{len(list(folder.glob('*.job')))}"
    file, out, log = folder / f"{name}.job", folder / f"{name}.result", folder / f"{name}.log"
    file.write_text(json.dumps({**job, "work": str(folder / name), "out": str(out)}))
    scripts = Path(__file__).resolve().parents[2]
    with log.open("w") as handle:
        code = subprocess.call(
            [sys.executable, "-P", str(Path(__file__)), part, str(file)],
            stdout=handle,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(scripts), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"},
        )
    if code:
        raise GaslampError(
            f"bench part '{part}' failed (exit {code}): {' | '.join(log.read_text().splitlines()[-3:])}",
            "fix what it names and run it again",
        )
    return json.loads(out.read_text())  # type: ignore[no-any-return]


def measure_in_turns(folder: Path, *jobs: dict[str, Any], rounds: int = 2, **shared: Any) -> list[dict[str, Any]]:
    """Each job once a round, and the fastest run of each: other load on the machine slows both sides alike."""
    import shutil

    best: list[dict[str, Any]] = []
    for _ in range(rounds):
        found = [measure(folder, **job, **shared) for job in jobs]
        best = [min(pair, key=lambda run: run["cpu"]) for pair in zip(found, best or found, strict=True)]
        for work in sorted(folder.glob("datasets*-*/")):
            shutil.rmtree(work)
    return best


def run_bench(folder: Path, count: int, out: Path) -> dict[str, Any]:
    """All three comparisons, printed and written to ``out``."""
    from gaslamp.config.schema import Config
    from gaslamp.core import registry
    from gaslamp.core.console import say
    from gaslamp.core.files import read_json, write_json
    from gaslamp.models.fetch import fetch_model

    source = folder / "rows.jsonl"
    write_rows(source, count)
    small = folder / "small.jsonl"
    write_rows(small, count // 10)
    say(f"{count} rows of {source.stat().st_size // count} bytes")
    row_checks = [name for name in registry.names("checks") if registry.get("checks", name).STAGE == "row"]
    theirs, batched, equal, checked, ours = measure_in_turns(
        folder,
        {"part": "datasets"},
        {"part": "datasets_equal", "batched": True},
        {"part": "datasets_equal", "batched": False},
        {"part": "ours", "off": []},
        {"part": "ours", "off": row_checks},
        source=str(source),
    )
    tenth = measure(folder, "ours", source=str(small), off=[])
    rows = max(folder.glob("ours-*/train.jsonl"), key=lambda file: file.stat().st_size)
    say("(1) read, detect, convert, exact dedup, split, write; rows per CPU second, which the ratios use")
    for name, result, size in (
        ("datasets, the same work", equal, count),
        ("the same, on batches", batched, count),
        ("datasets, load map write", theirs, count),
        ("ours, every row check", checked, count),
        ("ours, no row check", ours, count),
        ("ours, a tenth", tenth, count // 10),
    ):
        say(
            f"    {name:26}{size / result['cpu']:10,.0f} rows/s   {result['cpu']:7.1f} s   "
            f"({result['seconds']:7.1f} s wall)   peak {result['peak'] / 1e6:6.0f} MB"
        )
    for name, result in (
        ("the same work, row by row", equal),
        ("the same work, on batches", batched),
        ("load, map row by row and write alone", theirs),
    ):
        say(
            f"    ratio to {name}: {result['cpu'] / ours['cpu']:.1f} "
            f"({result['cpu'] / checked['cpu']:.1f} with every row check)"
        )
    growth = (checked["peak"] - tenth["peak"]) / (count - count // 10)
    say(f"    memory: {growth:.1f} bytes a row from {count // 10} to {count} rows")

    fetch_model(Config().model, folder / "model.json")
    job = {"model": read_json(folder / "model.json")["path"], "rows": str(rows), "count": min(count, 20_000)}
    say("(2) tokens, masks, lengths and their checks against the tokenizer's own batches of the same text")
    tokens = []
    for shape in SHAPES * 2:
        found = measure(folder, "tokens", shape=shape, **job)
        tokens.append({"shape": shape, **found, "ratio": found["ours"] / found["bare"]})
        say(
            f"    {shape:10}{found['tokens'] / found['bare']:10,.0f} tokens/s alone, "
            f"{found['own_tokens'] / found['ours']:10,.0f} ours: ratio {tokens[-1]['ratio']:.2f} "
            f"({found['rendered'] / found['bare']:.2f} with the rendering)"
        )
    result = {
        "rows": count,
        "datasets": theirs,
        "datasets_equal": equal,
        "datasets_equal_batched": batched,
        "ours": ours,
        "ours_checked": checked,
        "ours_tenth": tenth,
        "tokens": tokens,
        "near": {},
    }
    if "near_duplicates" in registry.names("checks"):
        say("(3) near-duplicate search")
        for size in sorted({count // 10, count * 3 // 10, count}):
            near = measure(folder, "near", rows=str(rows), count=size)
            result["near"][str(size)] = near
            say(
                f"    {size:>9,} rows {size / near['cpu']:10,.0f} rows/s   {near['cpu']:7.1f} s   "
                f"peak {near['peak'] / 1e6:6.0f} MB, {near['found']} found"
            )
    write_json(out, result)
    return result


if __name__ == "__main__":
    part, file = sys.argv[1:]
    job = json.loads(Path(file).read_text())
    Path(job["out"]).write_text(json.dumps(PARTS[part](job)))
