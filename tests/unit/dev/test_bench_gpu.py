"""make bench-gpu without a GPU: its bookkeeping. Its parts were run by hand on a CPU (--tiny), see docs/hardware.md."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.bare_trl import count_tokens
from benchmarks.gpu import GpuBench, NotHere, get_slug
from benchmarks.gpu_context import draw_line
from benchmarks.gpu_parts import (
    Part,
    get_parts,
    has_test_prompts,
    judge_overhead,
    judge_search,
    render_table,
    run_parts,
)
from benchmarks.gpu_profile import get_kind, summarize
from gaslamp.core.errors import GaslampError


def get_bench(folder: Path) -> GpuBench:
    return GpuBench(folder, folder, 128, 2, 4, tiny=True)


def test_memory_by_length_is_a_straight_line_through_what_was_measured() -> None:
    measured = [(16_384, 11.0), (32_768, 16.0), (65_536, 24.5)]  # 8B in 4 bit on an H200
    base, slope = draw_line(measured)
    assert base + slope * 131_072 == pytest.approx(42.9, rel=0.03), "and 131,072 tokens were measured too"
    assert (24.564 * 1.048576 - 0.6 - base) / slope == pytest.approx(67_584, rel=0.05), "an RTX 4090"


LETTERS = """
def make(folder, letter):
    (folder / "first").write_text(letter)
    if letter == "x":
        raise SystemExit("stopped in the middle")
    (folder / "second").write_text(letter)
"""


def test_a_folder_that_was_left_half_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "letters_module.py").write_text(LETTERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    bench = get_bench(tmp_path)
    with pytest.raises(GaslampError, match="stopped in the middle"):
        bench.make("letters", "letters_module", "make", "x")
    place = bench.make("letters", "letters_module", "make", "y")
    assert (place / "first").read_text() == (place / "second").read_text() == "y"
    assert bench.make("letters", "letters_module", "make", "z") == place
    assert (place / "first").read_text() == "y", "what is complete is kept"


def test_parts_cover_the_list_and_fit_a_lent_machine(tmp_path: Path) -> None:
    parts = get_parts(get_bench(tmp_path), ["1b", "8b"], 14)
    assert {part.item for part in parts} == set(range(1, 13)) and len({get_slug(part.name) for part in parts}) == len(
        parts
    )
    assert all(part.minutes <= 9 for part in parts)
    assert {part.item for part in parts if has_test_prompts(part, "2,5")} == {2, 5} and {
        part.name for part in parts if has_test_prompts(part, "^kill")
    } == {"kill and resume"}


def test_a_call_goes_on_where_the_last_one_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def make(name: str, result: Any, minutes: float = 0.0) -> Part:
        def run(bench: GpuBench) -> dict[str, Any]:
            ran.append(name)
            if isinstance(result, Exception):
                raise result
            return result

        return Part(name, 1, minutes, run)

    row = {
        "shape": "1b",
        "mixed": False,
        "tokens_per_second": 100,
        "peak_memory_gb": 4.0,
        "losses": [3.0, 2.0],
        "mfu": 0.31,
    }
    parts = [
        make("1b bare TRL, 16 bit", row),
        make("1b gaslamp with Unsloth, 16 bit", {**row, "tokens_per_second": 250}),
        make("other", {"longest": 9}),
        make("absent", NotHere("no such card")),
        make("slip", KeyError(2)),
        make("broken", GaslampError("it broke", "fix it")),
        make("long", {}, minutes=9.0),
    ]
    bench, out = get_bench(tmp_path), tmp_path / "b.json"
    bench.tiny = False
    result = run_parts(bench, parts, out, seconds=60.0, only="")
    assert ran == [part.name for part in parts[:6]], "the long one would not have ended in time"
    assert (
        result == json.loads(out.read_text())
        and result["failed"] == {"slip": "KeyError: 2", "broken": "it broke"}
        and result["left_out"]["absent"] == "no such card"
    )
    table = capsys.readouterr().out
    assert "| 1b gaslamp with Unsloth, 16 bit | 250 | 2.50 times | 4.0 GB | 31 % | 3.00 → 2.00 |" in table
    for line in (
        "other: longest 9",
        "left out: absent: no such card",
        "failed: broken: it broke",
        "left out: long: no time left",
    ):
        assert line in table
    ran.clear()
    run_parts(bench, parts, out, seconds=3600.0, only="")
    assert ran == ["absent", "slip", "broken", "long"], "what is done is not done again, what failed is"
    ran.clear()
    run_parts(bench, parts, tmp_path / "new.json", seconds=3600.0, only="", dry_run=True)
    assert ran == [] and not (tmp_path / "new.json").exists()
    out.write_text(json.dumps({"parts": {"x": {}}, "device": "NVIDIA L4"}))
    with pytest.raises(GaslampError, match="cannot stand in one table"):
        run_parts(bench, parts, out, seconds=60.0, only="")


def test_what_is_chosen_is_judged_by_the_best_that_was_found_by_hand() -> None:
    parts = {
        f"1b search: {name}": {"tokens_per_second": rate, "shape": "1b", "mixed": True}
        for name, rate in (("what is chosen", 97), ("1 x 8", 50), ("8 x 1", 100))
    }
    assert (
        "97 % of the tokens/s of the best by hand (8 x 1, 2 tried)" in str(judge_search(parts, "1b"))
        and judge_search(parts, "8b") is None
    )
    parts["1b search: 16 x 1"] = {"shape": "1b", "ran_out": True}
    assert "2 tried" in str(judge_search(parts, "1b")), "what ran out of memory has no speed"
    del parts["1b search: 16 x 1"]
    full = {name: {**row, "peak_memory_gb": 1.0, "losses": [1.0], "mfu": None} for name, row in parts.items()}
    assert "1b: the chosen settings reach 97 %" in render_table({"parts": full, "left_out": {}, "failed": {}})


def test_the_overhead_is_the_median_of_the_pairs_and_says_how_far_they_lie_apart() -> None:
    parts = {
        f"overhead of the whole rule, pair {pair}": {"overhead_percent": value}
        for pair, value in enumerate((3.0, -6.4, 0.5), 1)
    }
    assert judge_overhead({"other": {}}) is None
    assert judge_overhead(parts) == "overhead of the whole rule: +0.5 % in the median of 3 (-6.4 to +3.0 %)"
    assert "(-6.4 to +3.0 %)" in render_table({"parts": parts, "left_out": {}, "failed": {}})


def test_tokens_of_a_step_are_counted_where_the_trainer_logs_none() -> None:
    rows = [[0] * length for length in (5, 1, 2, 7)]
    assert count_tokens([3, 0, 2, 1], rows, 2) == [12, 3]


def test_kernels_are_sorted_into_kinds_by_their_names() -> None:
    names = {  # as an H200 with Unsloth 2026.10 has them
        "nvjet_sm90_tst_320x128_64x3_1x2_h_bz_coopB_TNT": "matrix products",
        "cudnn_generated_fort_native_sdpa_sm90_flash_bprop_wgmma_f16_knob_26": "attention",
        "_DWf_DW_dfg_kernel": "norms, rotary embedding and SwiGLU",
        "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast>": "elementwise",
        "Memcpy HtoD (Pinned -> Device)": "copies",
        "void kDequantizeBlockwise<__nv_bfloat16, 512, 64, 8, 2>": "unpacking of 4-bit weights",
    }
    assert {name: get_kind(name) for name in names} == names


def test_a_profile_adds_kernels_by_kind_and_counts_time_without_one_once() -> None:
    kernels = [
        ("nvjet_a", 0.0, 2.0),
        ("Memcpy HtoD", 1.0, 0.5),
        ("nvjet_a", 5.0, 1.0),
    ]  # the copy overlaps a product
    found = summarize(kernels, seconds=8.0, steps=2)
    assert found["seconds"] == {"matrix products": 1.5, "copies": 0.25}
    assert found["idle_share"] == pytest.approx(5 / 8) and found["step_seconds"] == 4.0
    assert found["longest"][0] == ["nvjet_a", 1.5, 1] and found["kernels"] == 2


def test_a_process_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    import sys

    bench = get_bench(tmp_path)
    bench.deadline = time.monotonic() + 1.0
    with pytest.raises(GaslampError, match="was not done after"):
        bench.call("sleeps", [sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(GaslampError, match=r"fails failed \(exit 3\): last words"):
        bench.deadline = time.monotonic() + 30.0
        bench.call("fails", [sys.executable, "-c", "print('last words'); raise SystemExit(3)"])
    assert SimpleNamespace(**bench.get_environment(tmp_path)).HF_HUB_OFFLINE == "1"
