"""Scores, intervals, tests and verdicts against known values; generation that does not depend on how it is batched."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import facts
import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Compare, Ladder
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, write_jsonl
from gaslamp.evaluate import compare as comparing
from gaslamp.evaluate import gate as gating
from gaslamp.evaluate import generate as generating
from gaslamp.evaluate import predictions, run
from gaslamp.evaluate.choose_metrics import choose_metrics
from gaslamp.evaluate.decode import Sampling
from gaslamp.evaluate.eval_set import get_eval_prompts
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.retention import RETENTION, get_retention_scores
from gaslamp.evaluate.stats import get_p_value, get_score
from gaslamp.export import ladder as laddering
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.models.fetch import fetch_model
from gaslamp.models.loading import load_model
from gaslamp.models.template import Renderer, build_template

# ------------------------------------------------------------------------------------------------------------- stats


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.490162, 0.943318),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (50, 100, 0.403832, 0.596168),
        (1, 1, 0.206549, 1.0),
    ],
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    score = get_score([1.0] * hits + [0.0] * (n - hits), 0.95)
    assert (score.value, score.n) == (round(hits / n, 6), n)
    assert score.low == pytest.approx(low, abs=2e-6) and score.high == pytest.approx(high, abs=2e-6)


def test_bootstrap_holds_the_mean_narrows_with_rows_and_is_the_same_every_time() -> None:
    few, many = [0.2, 0.4, 0.9, 0.5] * 3, [0.2, 0.4, 0.9, 0.5] * 100
    a, b = get_score(few, 0.95), get_score(many, 0.95)
    assert a.low < a.value == b.value == 0.5 < b.high < a.high and a.low < b.low
    assert get_score(few, 0.95) == a
    expected = 1.96 * math.sqrt(sum((v - 0.5) ** 2 for v in many) / len(many)) / math.sqrt(len(many))
    assert b.high - b.value == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf]])
def test_a_score_of_nothing_is_refused(values: list[float]) -> None:
    with pytest.raises(GaslampError):
        get_score(values, 0.95)


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [(1, 9, 22 / 1024), (0, 5, 2 / 32), (5, 5, 1.0), (0, 0, 1.0), (3, 0, 0.25), (2, 12, 2 * (1 + 14 + 91) / 2**14)],
)
def test_mcnemar(worse: int, better: int, p: float) -> None:
    base = [1.0] * worse + [0.0] * better + [1.0, 0.0] * 7
    tuned = [0.0] * worse + [1.0] * better + [1.0, 0.0] * 7
    assert get_p_value(base, tuned) == pytest.approx(p)


def test_sign_flips_for_graded_scores() -> None:
    base = [0.1 * (n % 5) for n in range(40)]
    assert get_p_value(base, [v + 0.3 for v in base]) < 0.002
    assert get_p_value(base, [v + (0.3 if n % 2 else -0.3) for n, v in enumerate(base)]) > 0.5
    assert get_p_value(base, base) == 1.0


# ----------------------------------------------------------------------------------------------------------- verdict


def make_rows(count: int, reference: str = "yes") -> list[dict[str, Any]]:
    def turns(n: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": reference}]

    return [{"id": f"id{n}", "messages": turns(n), "slice": "new" if n % 4 == 0 else "known"} for n in range(count)]


def write_answers(
    file: Path, rows: list[dict[str, Any]], right: int, stopped: bool = True, retention: float | None = None
) -> Path:
    """Predictions that are right on the first ``right`` rows, and know a share of the retention questions."""
    lines = [
        {
            "id": row["id"],
            "kind": "test",
            "text": "yes" if n < right else "no",
            "stopped": stopped,
            "tokens": 2,
            "seconds": 0.5,
        }
        for n, row in enumerate(rows)
    ]
    if retention is not None:
        known = list(read_jsonl(RETENTION))
        lines += [
            {
                "id": f"retention-{n}",
                "kind": "retention",
                "text": row["accept"][0] if n <= retention * len(known) else "?",
                "stopped": True,
                "tokens": 1,
                "seconds": 0.0,
            }
            for n, row in enumerate(known, 1)
        ]
    write_jsonl(file, lines)
    return file


def get_settings(method: str = "sft", **settings: Any) -> Any:
    """The slice that asking, comparing and the ladder get."""
    config = Config.model_validate({"eval": settings, "method": method})
    return parse_slice(
        get_slice(
            config,
            "eval",
            "data.slice",
            "diagnose.answers",
            "method",
            "export.tolerance",
            "train.rewards",
            "train.options",
            "train.max_length",
        )
    )


def compare(
    folder: Path,
    base: int,
    tuned: int,
    n: int = 40,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    rows = make_rows(n)
    write_jsonl(folder / "test.jsonl", rows)
    outputs = {name: folder / name for name in ("compare", "verdict", "report", "side_by_side", "page")}
    comparing.compare_models(
        get_settings(**settings),
        write_answers(folder / "base.jsonl", rows, base, **before or {}),
        write_answers(folder / "tuned.jsonl", rows, tuned, **after or {}),
        folder / "test.jsonl",
        outputs,
    )
    return Compare.read(outputs["compare"]), json.loads(outputs["verdict"].read_text()), outputs


@pytest.mark.parametrize(
    ("base", "tuned", "verdict"),
    [
        (0, 40, "better"),
        (40, 0, "worse"),
        (20, 20, "no clear difference"),
        (20, 24, "no clear difference"),
        (20, 27, "better"),
    ],
)
def test_verdict_follows_the_test(tmp_path: Path, base: int, tuned: int, verdict: str) -> None:
    result, gate, outputs = compare(tmp_path, base, tuned)
    assert result.verdict == verdict and gate["passed"] == (verdict == "better")
    assert result.gained == max(0, tuned - base) and result.lost == max(0, base - tuned)
    assert result.metrics[0].name == "exact_match" and set(result.metrics[0].slices) == {"new", "known"}
    assert result.metrics[0].slices["new"]["tuned"].n == 10
    assert f"{tuned / 40:.1%}".replace("%", "\u00a0%") in result.headline
    if verdict != "better":
        with pytest.raises(GaslampError) as caught:
            gating.require(outputs["verdict"])
        assert "eval.gate: warn" in (caught.value.less_likely or "")
    else:
        gating.require(outputs["verdict"])


def test_the_confidence_of_the_config_decides(tmp_path: Path) -> None:
    """Six rows gained and none lost: p = 2 / 64."""
    assert compare(tmp_path, 20, 26)[0].verdict == "better"
    assert compare(tmp_path, 20, 26, confidence=0.99)[0].verdict == "no clear difference"


def test_few_test_rows_are_a_hint_and_no_proof(tmp_path: Path) -> None:
    """The gate passes as the test says, but every headline names what the interval shows."""
    result, gate, outputs = compare(tmp_path, 0, 29, n=29)
    assert gate["passed"] and result.headline.endswith("on 29 rows it never saw (few: under 30, so read the interval)")
    assert any(text.startswith("only 29 test rows") for text in gate["warnings"])
    assert any(text.startswith("add rows, or raise data.split.test") for text in gate["advice"])
    page = outputs["page"].read_text(encoding="utf-8")
    assert '<h1 class="few">' in page and "became better, on 29 test rows only: " in page
    result, gate, outputs = compare(tmp_path, 0, 30, n=30)
    assert result.headline.endswith("on 30 rows it never saw") and gate["warnings"] == gate["advice"] == []
    assert '<h1 class="good">' in outputs["page"].read_text(encoding="utf-8")


def test_an_override_is_recorded(tmp_path: Path) -> None:
    _, gate, outputs = compare(tmp_path, 40, 0, gate="warn")
    assert (
        gate["passed"]
        and gate["override"] == "eval.gate: warn"
        and "worse" in gate["warnings"][0]
        and not gate["blocking"]
    )
    gating.require(outputs["verdict"])


def test_what_was_forgotten_is_said(tmp_path: Path) -> None:
    result, gate, _ = compare(tmp_path, 0, 40, before={"retention": 0.8}, after={"retention": 0.25})
    assert result.retention["base"].value == pytest.approx(0.8) and result.retention["tuned"].value == pytest.approx(
        0.25
    )
    assert (
        len(result.retention_lost) == 22
        and "the base model answers 80% of the general questions, the tuned model 25%" in gate["warnings"][0]
    )
    _, gate, _ = compare(tmp_path, 0, 40, before={"retention": 0.8}, after={"retention": 0.6})
    assert gate["warnings"] == []


def test_answers_that_never_end_warn(tmp_path: Path) -> None:
    result, gate, _ = compare(tmp_path, 0, 40, after={"stopped": False})
    assert (
        result.stop_rate == {"base": 1.0, "tuned": 0.0}
        and "answers are cut at the limit: 40 of 40 answers (100.0 %)" in gate["warnings"][0]
    )


def test_the_verdict_file_is_the_same_for_the_same_answers(tmp_path: Path) -> None:
    _, first, outputs = compare(tmp_path, 0, 40)
    text = outputs["verdict"].read_bytes()
    compare(tmp_path, 0, 40)
    assert outputs["verdict"].read_bytes() == text and "started" not in first


def test_a_row_without_an_answer_is_refused(tmp_path: Path) -> None:
    rows = make_rows(5)
    write_answers(tmp_path / "a.jsonl", rows[:3], 3)
    with pytest.raises(GaslampError, match="no prediction for 2 test rows"):
        predictions.read_predictions(tmp_path / "a.jsonl", rows)


@pytest.mark.parametrize(
    ("references", "first"),
    [
        (['{"a": 1}', "[2]"], "json_match"),
        (["yes", "no", "maybe"], "exact_match"),
        (["a long answer of many words here"] * 3, "token_f1"),
    ],
)
def test_the_metric_follows_the_answers(references: list[str], first: str) -> None:
    rows = [
        {"id": str(n), "messages": make_rows(1, reference)[0]["messages"]} for n, reference in enumerate(references)
    ]
    assert choose_metrics(get_settings(), rows)[0].name == first
    assert [metric.name for metric in choose_metrics(get_settings(metrics=["token_f1"]), rows)] == ["token_f1"]


def test_retention_wants_whole_words() -> None:
    rows = list(read_jsonl(RETENTION))
    answers = {f"retention-{n}": f"It is {row['accept'][0].upper()}!" for n, row in enumerate(rows, 1)}
    assert all(hit == 1.0 for _, hit in get_retention_scores(answers).values())
    glued = {key: f"x{rows[n]['accept'][0]}x" for n, key in enumerate(answers)}
    assert sum(hit for _, hit in get_retention_scores(glued).values()) == 0


# -------------------------------------------------------------------------------------------------------- generation


@pytest.fixture(scope="module")
def prompted(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tiny base model, its renderer, and ten questions of very different lengths."""
    folder = tmp_path_factory.mktemp("prompted")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, folder / "model.json")
    rows = make_rows(10)
    for n, row in enumerate(rows):
        row["messages"][0]["content"] = f"question {n} " * (1 + n)
    write_jsonl(folder / "test.jsonl", rows)
    template = build_template(tiny_model, rows[0]["messages"])
    template.write(folder / "template.json")
    renderer = Renderer.load(tiny_model, template)
    questions = get_eval_prompts(folder / "test.jsonl", renderer.tokenize, 12, False)
    return {
        "folder": folder,
        "net": load_model(tiny_model, "float32"),
        "renderer": renderer,
        "template": template,
        "questions": questions,
    }


def get_texts(prompted: dict[str, Any], batch_size: int, net: Any = None) -> dict[str, tuple[str, bool, int]]:
    runner = generating.ModelRunner(
        net or prompted["net"], prompted["renderer"], prompted["template"], Sampling(), batch_size, Path(), Path()
    )
    rows = runner.answer(prompted["questions"])
    return {row["id"]: (row["text"], row["stopped"], row["tokens"]) for row in rows}


@pytest.mark.parametrize("batch_size", [3, 10, 64])
def test_batches_answer_as_one_by_one(prompted: dict[str, Any], batch_size: int) -> None:
    single = get_texts(prompted, 1)
    assert len(single) == 10 and len({text for text, _, _ in single.values()}) > 1
    assert get_texts(prompted, batch_size) == single


def test_length_limit_of_a_question() -> None:
    rows = make_rows(3, "x" * 10)
    file = Path(facts.__file__).with_name("none")
    with pytest.raises(FileNotFoundError):
        get_eval_prompts(file, list, None, False)  # type: ignore[arg-type]
    assert EvalPrompt("a", "test", rows[0]["messages"][:-1], 16).max_tokens == math.ceil(1.2 * 10) + 4


def test_too_little_memory_halves_the_batch_and_keeps_what_is_done(prompted: dict[str, Any]) -> None:
    net, sizes = prompted["net"], []

    def generate(input_ids: Any, **settings: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return net.generate(input_ids=input_ids, **settings)

    small = SimpleNamespace(device=net.device, generate=generate)
    assert get_texts(prompted, 8, small) == get_texts(prompted, 1) and sizes[:3] == [8, 4, 2]

    def never(**settings: Any) -> Any:
        raise RuntimeError("out of memory")

    with pytest.raises(GaslampError, match="not enough memory for one prompt"):
        get_texts(prompted, 4, SimpleNamespace(device=net.device, generate=never))


def test_other_errors_are_not_taken_for_memory(prompted: dict[str, Any]) -> None:
    def broken(**settings: Any) -> Any:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        get_texts(prompted, 4, SimpleNamespace(device=prompted["net"].device, generate=broken))


def test_an_interrupted_evaluation_asks_only_what_is_missing(
    prompted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = prompted["folder"], tmp_path / "eval" / "base.predictions.jsonl"
    settings = get_settings(max_new_tokens=12, batch_size=1, retention=False)
    arguments = (settings, folder / "model.json", None, folder / "test.jsonl", folder / "template.json")
    real, given = generating.decode, []

    def stopping(model: Any, prompts: list[list[int]], *rest: Any) -> Any:
        given.append(len(prompts))
        for number, answer in enumerate(real(model, prompts, *rest)):
            if number == 4 and len(given) == 1:
                raise KeyboardInterrupt
            yield answer

    monkeypatch.setattr(generating, "decode", stopping)
    out.parent.mkdir()
    other = out.parent / ".base.predictions.0123456789ab.partial.jsonl"
    other.write_text('{"id": "id0", "kind": "test", "text": "of other data"}\n')
    with pytest.raises(KeyboardInterrupt):
        run.evaluate_model(*arguments, out)
    partial = next(out.parent.glob(".*.partial.jsonl"))
    with partial.open("a") as handle:
        handle.write('{"id": "id9", "te')  # the line that the kill cut
    assert not out.exists() and not other.exists()
    run.evaluate_model(*arguments, out)
    assert given == [10, 6] and not list(out.parent.glob(".*"))
    rows = list(read_jsonl(out))
    assert [row["id"] for row in rows] == [f"id{n}" for n in range(10)]
    assert {row["id"]: (row["text"], row["stopped"], row["tokens"]) for row in rows} == get_texts(prompted, 1)


def test_a_base_model_is_prompted_once(
    prompted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GASLAMP_ANSWERS")
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "cache"))
    folder, settings = prompted["folder"], get_settings(max_new_tokens=12, retention=False)
    arguments = (settings, folder / "model.json", None, folder / "test.jsonl", folder / "template.json")
    run.evaluate_model(*arguments, tmp_path / "first.jsonl")
    monkeypatch.setattr(run, "load_evaluated", lambda *_: pytest.fail("the model was loaded again"))
    run.evaluate_model(*arguments, tmp_path / "second.jsonl")
    assert (tmp_path / "second.jsonl").read_bytes() == (tmp_path / "first.jsonl").read_bytes()


def test_the_evaluation_of_a_gguf_file_resumes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a stub of the server: what came before the kill is not prompted again;
    for a target the ladder's answers count, and general questions follow.
    """
    from gaslamp.export import evaluate_gguf

    prompted: list[str] = []

    class StubServer:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __enter__(self) -> StubServer:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def tokenize(self, text: str) -> list[int]:
            return list(text.encode())

        def generate_batch(self, talks: list[Any], limit: int, note: Any, **drawn: Any) -> None:
            assert drawn == {"temperature": 0.0, "top_p": 1.0, "seed": 3407, "tools": None} and set(drawn) < set(
                inspect.signature(LlamaServer.chat).parameters
            )
            for number, talk in enumerate(talks):
                prompted.append(talk[-1]["content"])
                if len(prompted) == 4:
                    raise KeyboardInterrupt
                note(
                    number,
                    {"text": "yes", "finish_reason": "stop", "completion_tokens": 3, "timings": {"predicted_ms": 10.0}},
                )

    monkeypatch.setattr(evaluate_gguf, "LlamaServer", StubServer)
    rows, gguf = make_rows(15), tmp_path / "model-q8_0.gguf"
    write_jsonl(tmp_path / "test.jsonl", rows)
    (tmp_path / "toolchain.json").write_text("{}")
    gguf.write_bytes(b"GGUF")
    config = Config.model_validate({"export": {"ladder_rows": 10}})
    arguments = (
        parse_slice(get_slice(config, "method", "train", "eval", "export.ladder_rows")),
        gguf,
        tmp_path / "toolchain.json",
        tmp_path / "test.jsonl",
    )
    with pytest.raises(KeyboardInterrupt):
        evaluate_gguf.evaluate_gguf(*arguments, tmp_path / "ladder.jsonl", tmp_path / "log")
    evaluate_gguf.evaluate_gguf(*arguments, tmp_path / "ladder.jsonl", tmp_path / "log")
    assert (
        prompted == [f"q{n}" for n in (0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9)]
        and len(list(read_jsonl(tmp_path / "ladder.jsonl"))) == 10
    )
    prompted.clear()
    prompted += ["not counted"] * 4
    evaluate_gguf.evaluate_gguf(
        *arguments, tmp_path / "target.jsonl", tmp_path / "log", ladder_answers=tmp_path / "ladder.jsonl"
    )
    found = list(read_jsonl(tmp_path / "target.jsonl"))
    assert (
        prompted[4:9] == [f"q{n}" for n in range(10, 15)]
        and len(prompted) == 4 + 5 + 40
        and [row["kind"] for row in found] == ["test"] * 15 + ["retention"] * 40
    )


# ------------------------------------------------------------------------------------------------------------ ladder

SIZES = {"f16": 200, "q8_0": 100, "q4_k_m": 60, "q2_k": 30}


def climb(
    folder: Path, monkeypatch: pytest.MonkeyPatch, right: dict[str, int], tolerance: float, n: int = 100
) -> Ladder:
    """The ladder of levels that answer so many of ``n`` rows right."""
    monkeypatch.setattr(
        laddering,
        "read_gguf_facts",
        lambda file: {"size_bytes": SIZES[file.stem.removeprefix("model-")], "bits_per_weight": 8.5},
    )
    rows = make_rows(n)
    write_jsonl(folder / "test.jsonl", rows)
    judged = facts.compare()
    judged.metrics[0].name = "exact_match"
    judged.write(folder / "compare.json")
    files = []
    for level in right:
        files.append(folder / f"model-{level}.gguf")
        files[-1].write_text("only its name counts here")
    predictions = [write_answers(folder / f"{level}.jsonl", rows, hits) for level, hits in right.items()]
    config = Config.model_validate(
        {"export": {"tolerance": tolerance, "ladder_rows": None}, "eval": {"metrics": ["exact_match"]}}
    )
    settings = parse_slice(
        get_slice(
            config,
            "export.tolerance",
            "export.imatrix",
            "export.ladder_rows",
            "eval",
            "method",
            "data.slice",
            "diagnose.answers",
            "train.rewards",
        )
    )
    facts.bench(list(right)).write(folder / "bench.json")
    paths = [folder / name for name in ("bench.json", "compare.json", "test.jsonl", "ladder.json")]
    return laddering.build_ladder(settings, files, predictions, *paths)


@pytest.mark.parametrize(
    ("right", "tolerance", "recommended"),
    [
        ({"f16": 90, "q8_0": 90, "q4_k_m": 89}, 0.05, "q4_k_m"),
        ({"f16": 90, "q8_0": 90, "q4_k_m": 85}, 0.05, "q4_k_m"),  # exactly the tolerance is within it
        ({"f16": 90, "q8_0": 90, "q4_k_m": 84}, 0.05, "q8_0"),
        ({"f16": 90, "q8_0": 90, "q4_k_m": 86, "q2_k": 2}, 0.05, "q4_k_m"),
        ({"f16": 90, "q8_0": 89, "q4_k_m": 89}, 0.0, "f16"),
        ({"f16": 90, "q8_0": 95, "q4_k_m": 20}, 0.0, "q8_0"),  # better than f16 is no loss
        ({"f16": 0, "q8_0": 0, "q4_k_m": 0}, 0.0, "q4_k_m"),
        ({"f16": 90, "q8_0": 90, "q4_k_m": 0}, 1.0, "q4_k_m"),
    ],
)
def test_the_smallest_within_the_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: dict[str, int], tolerance: float, recommended: str
) -> None:
    ladder = climb(tmp_path, monkeypatch, right, tolerance)
    assert ladder.recommended == recommended and Ladder.read(tmp_path / "ladder.json") == ladder
    levels = {level.level: level for level in ladder.levels}
    assert levels["f16"].within_tolerance and levels["f16"].same_as_f16 == 1.0
    for name, level in levels.items():
        assert level.score.value == right[name] / 100 and level.same_as_f16 == pytest.approx(
            1 - abs(right[name] - right["f16"]) / 100
        )
        assert set(level.slices) == {"new", "known"} and level.slices["new"].n == 25
    smaller = [name for name in right if SIZES[name] < SIZES[recommended]]
    assert all(name in ladder.reason for name in smaller) and ("would be smaller" in ladder.reason) == bool(smaller)


def test_results_of_rows_that_are_no_longer_wanted_are_left_out(tmp_path: Path) -> None:
    """Fewer rows for the ladder after a kill: the answers that were written then are no error."""
    from gaslamp.evaluate.partial_results import PartialResults

    answer = {"text": "a", "stopped": True, "tokens": 1, "seconds": 0.1}
    with pytest.raises(KeyboardInterrupt), PartialResults(tmp_path / "q4.predictions.jsonl", "key") as first:
        for name in ("one", "two"):
            first.add(("answer", name), answer)
        raise KeyboardInterrupt
    again = PartialResults(tmp_path / "q4.predictions.jsonl", "key")
    assert again.merge([{"id": "one"}], []) == [{"id": "one", "kind": "test", **answer}]
