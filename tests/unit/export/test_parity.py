"""The parity gate: each classic way to ship another model than the evaluated one fails the check that is named for it.

All artefacts come from the tiny project that ran for real; each case breaks a copy of one of them, in place where it
can.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import parse_slice
from gaslamp.core.contracts import Ladder, ModelFacts, Parity, ParityCheck, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json, read_jsonl, write_json, write_jsonl
from gaslamp.export.artefacts import require_parity
from gaslamp.export.exporters.merged import export
from gaslamp.export.llamacpp.client import UNREADABLE, LlamaClient
from gaslamp.export.llamacpp.convert import convert_to_gguf
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import ensure_toolchain
from gaslamp.export.parity import endpoint
from gaslamp.export.parity.checks import Ended, make_check, name_difference
from gaslamp.export.parity.endpoint import check_endpoint
from gaslamp.export.parity.gate import check_parity, conclude
from gaslamp.export.parity.levels import check_answers
from gaslamp.export.parity.merged import (
    AnsweredPrompt,
    Reference,
    answer_greedily,
    check_merged,
    compare_answers,
    get_evaluated,
)
from gaslamp.export.parity.prompts import (
    SPECIAL,
    Conversation,
    Prompt,
    encode_prompts,
    get_conversations,
    get_special_tokens,
)
from gaslamp.export.parity.served import check_metadata, check_served
from gaslamp.models.loading import load_model
from gaslamp.models.template import Renderer

pytestmark = pytest.mark.usefixtures("warm_converter")
LEVELS = ("f16", "q8_0", "q4_k_m")
COUNT = 5


@dataclass
class Run:
    """The artefacts of the finished project, and what the adapter itself answers."""

    folder: Path
    facts: ModelFacts
    model: Path
    template: Template
    renderer: Renderer
    evaluated: list[AnsweredPrompt]
    prompts: list[Prompt]
    references: dict[str, Reference]
    checks: list[ParityCheck]

    def serve(self, file: Path, place: Path) -> list[ParityCheck]:
        """All checks of one GGUF file."""
        tools = read_json(self.folder.parents[1] / "resources" / "llama.cpp" / "toolchain.json")
        checks = check_metadata(file, self.template, Path(self.facts.path))
        return checks + check_served(
            file, tools, self.renderer, self.template, self.prompts, self.references, place / "server.log"
        )

    def copy_gguf(self, place: Path) -> Path:
        return Path(shutil.copy(self.folder / "gguf" / "model-f16.gguf", place / "model-f16.gguf"))


@pytest.fixture(scope="module")
def run(finished: Path) -> Run:
    folder = finished / "outputs" / "main"
    model = next(finished.glob("resources/models/*/model.json"))
    facts, template = ModelFacts.read(model), Template.read(finished / "data" / "template.json")
    renderer = Renderer.load(facts.path, template)
    test = finished / "data" / "test.jsonl"
    prompts = encode_prompts(renderer, get_conversations(test, COUNT, get_special_tokens(template)))
    evaluated = get_evaluated(renderer, template, test, folder / "eval" / "tuned.predictions.jsonl", prompts, COUNT)
    assert len(evaluated) == COUNT
    checks, references = check_merged(
        facts, template, renderer, folder / "adapters", folder / "merged", evaluated, prompts[COUNT:]
    )
    return Run(folder, facts, model, template, renderer, evaluated, prompts, references, checks)


def get_failed(checks: list[ParityCheck]) -> dict[tuple[str, str], ParityCheck]:
    assert all(bool(check.cause and check.fix) != check.passed for check in checks), "what fails says why, and a fix"
    return {(check.artefact, check.name): check for check in checks if not check.passed}


def edit_field(file: Path, key: str, value: float | bool) -> None:
    """Change a number in the head of a GGUF file, in place."""
    from gguf import GGUFReader

    field = GGUFReader(file, "r+").get_field(key)
    assert field is not None and field.parts[field.data[0]][0] != value
    field.parts[field.data[0]][0] = value


def test_answers_that_the_server_cannot_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama-server answers those that do not keep to the format of gpt-oss with an error: compared as tokens."""
    post = LlamaClient.post

    def refuse(self: LlamaClient, path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/chat/completions":
            raise GaslampError(f"llama-server refused {path}: The model produced output that {UNREADABLE} format", "-")
        return post(self, path, body)

    monkeypatch.setattr(LlamaClient, "post", refuse)
    file, tools = run.folder / "gguf" / "model-f16.gguf", read_json(next(run.folder.parents[1].rglob("toolchain.json")))
    common = (tools, run.renderer, run.template, run.prompts)
    log = tmp_path / "server.log"
    checks = check_served(file, *common, run.references, log)
    assert get_failed(checks) == {}
    assert f"{len(run.references)} do not keep to the model's format" in " ".join(check.detail for check in checks)
    name, reference = next(iter(run.references.items()))
    others = {**run.references, name: replace(reference, ids=reference.ids[1:], ranked=reference.ranked[1:])}
    assert set(get_failed(check_served(file, *common, others, log))) == {("f16", "endpoint answers")}
    with LlamaServer(tools, file, context=512, log=log) as server:
        (prompt,) = [prompt for prompt in run.prompts if prompt.name == name]
        answer = server.chat(prompt.served, 32)
    assert answer["text"] == "" and answer["unread"] == run.renderer.tokenizer.decode(reference.ids)


def test_the_shipped_model_is_the_evaluated_model(finished: Path, run: Run, tmp_path: Path) -> None:
    """The gate as the rule runs it, with the f16 file."""
    folder = run.folder
    predictions = {
        "tuned": folder / "eval/tuned.predictions.jsonl",
        **{level: folder / f"eval/gguf-{level}.predictions.jsonl" for level in LEVELS},
    }
    settings = parse_slice(
        json.dumps(
            {
                "method": "sft",
                "train": {"options": {}, "max_length": 128},
                "export": {"levels": ["q8_0", "q4_k_m"], "tolerance": 0.05, "parity": "block", "parity_prompts": COUNT},
            }
        )
    )
    parity = check_parity(
        settings,
        model=run.model,
        adapters=folder / "adapters",
        merged=folder / "merged",
        gguf=[folder / "gguf/model-f16.gguf"],
        toolchain=finished / "resources/llama.cpp/toolchain.json",
        test=finished / "data/test.jsonl",
        template=finished / "data/template.json",
        ladder=folder / "gguf/ladder.json",
        predictions=predictions,
        out=tmp_path / "parity.json",
        log=tmp_path / "log.txt",
    )
    assert get_failed(parity.checks) == {} and parity.passed and parity.prompts == COUNT + 9 and parity.override is None
    assert {check.name for check in parity.checks} == {
        "answers",
        "end token",
        "chat template",
        "rotary base",
        "prompt text",
        "prompt tokens",
        "BOS tokens",
        "endpoint prompt",
        "endpoint answers",
        "stop reason",
    }
    assert Parity.read(tmp_path / "parity.json").summary == parity.summary
    words = next(check.detail for check in parity.checks if check.name == "prompt tokens")
    assert "special tokens that a user writes become those tokens, in training and here (3 of them)" in words


def test_another_chat_template(run: Run, tmp_path: Path) -> None:
    """The newline after the role goes: what a hand-written template forgets."""
    file = run.copy_gguf(tmp_path)
    data = file.read_bytes()
    assert data.count(b"assistant\\n") == 1
    file.write_bytes(data.replace(b"assistant\\n", b"assistant: "))
    failed = get_failed(run.serve(file, tmp_path))
    assert {("f16", "chat template"), ("f16", "prompt text"), ("f16", "prompt tokens")} <= set(failed)
    assert "test row 1: from character" in failed["f16", "prompt text"].detail and "chat template" in (
        failed["f16", "prompt text"].cause or ""
    )


def test_another_end_token(run: Run, tmp_path: Path) -> None:
    file = run.copy_gguf(tmp_path)
    edit_field(file, "tokenizer.ggml.eos_token_id", 0)
    failed = get_failed(check_metadata(file, run.template, Path(run.facts.path)))
    assert (
        set(failed) == {("f16", "end token")} and "end token 0, trained with [2]" in failed["f16", "end token"].detail
    )
    assert "never stop" in (failed["f16", "end token"].cause or "")


def test_another_bos_token(run: Run, tmp_path: Path) -> None:
    """A file that adds another BOS token before the prompt (llama.cpp itself prevents the same one twice)."""
    shutil.copytree(run.folder / "merged", tmp_path / "merged")
    settings = tmp_path / "merged" / "tokenizer_config.json"
    write_json(settings, {**read_json(settings), "add_bos_token": True})
    tools = read_json(run.folder.parents[1] / "resources" / "llama.cpp" / "toolchain.json")
    convert_to_gguf(tools, tmp_path / "merged", tmp_path / "model-f16.gguf", "f16", tmp_path / "log.txt")
    edit_field(tmp_path / "model-f16.gguf", "tokenizer.ggml.bos_token_id", 0)
    failed = get_failed(run.serve(tmp_path / "model-f16.gguf", tmp_path))
    assert {("f16", "BOS tokens"), ("f16", "prompt tokens"), ("f16", "endpoint prompt")} <= set(failed)
    assert "0 BOS tokens instead of 1" in failed["f16", "BOS tokens"].detail
    assert "adds a BOS token that the template already has" in (failed["f16", "BOS tokens"].cause or "")


def test_another_rotary_base(run: Run, tmp_path: Path) -> None:
    file = run.copy_gguf(tmp_path)
    edit_field(file, "llama.rope.freq_base", 500.0)
    failed = get_failed(check_metadata(file, run.template, Path(run.facts.path)))
    assert (
        set(failed) == {("f16", "rotary base")}
        and "rotary base 500.0, trained with 10000.0" in failed["f16", "rotary base"].detail
    )


def test_an_adapter_with_another_scale(finished: Path, run: Run, tmp_path: Path) -> None:
    adapters = tmp_path / "adapters"
    shutil.copytree(run.folder / "adapters", adapters)
    write_json(adapters / "adapter_config.json", {**read_json(adapters / "adapter_config.json"), "lora_alpha": 1})
    check = compare_answers(
        load_model(run.facts.path, "float32", adapters, merge=False), "adapter", run.evaluated, run.renderer
    )
    assert set(get_failed([check])) == {("adapter", "answers")}
    export(run.model, adapters, finished / "data" / "template.json", tmp_path / "merged")
    check = compare_answers(load_model(str(tmp_path / "merged"), "float32"), "merged", run.evaluated, run.renderer)
    assert set(get_failed([check])) == {("merged", "answers")}
    assert re.match(r"test row \d+, token \d+: '.*' instead of '.*'$", check.detail) and "another scale" in (
        check.cause or ""
    )


def test_merged_folder_with_another_end(run: Run, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    shutil.copytree(run.folder / "merged", merged)
    write_json(merged / "generation_config.json", {**read_json(merged / "generation_config.json"), "eos_token_id": 0})
    checks, _ = check_merged(
        run.facts, run.template, run.renderer, run.folder / "adapters", merged, run.evaluated[:1], []
    )
    assert set(get_failed(checks)) == {("merged", "end token")}


def test_a_server_with_other_answers(run: Run) -> None:
    """Another answer, another end and a longer prompt each fail one check; a quantized level may differ in words."""
    prompts = [prompt for prompt in run.prompts if prompt.name in run.references]

    def answer(prompt: Prompt) -> Any:
        wanted = run.references[prompt.name]
        count = len(run.renderer.tokenize(prompt.text))
        text = run.renderer.tokenizer.decode(wanted.ids, skip_special_tokens=True)
        return {
            "text": text,
            "ids": wanted.ids,
            "finish_reason": "stop" if wanted.stopped else "length",
            "prompt_tokens": count,
        }

    other = run.renderer.tokenize("no")
    good = [answer(prompt) for prompt in prompts]
    assert get_failed(check_endpoint("f16", prompts, good, run.references, run.renderer)) == {}
    for change, broken in {
        "text": "endpoint answers",
        "ids": "endpoint answers",
        "finish_reason": "stop reason",
        "prompt_tokens": "endpoint prompt",
    }.items():
        first = good[0] | {
            change: {
                "text": "no",
                "ids": other,
                "finish_reason": "length" if good[0]["finish_reason"] == "stop" else "stop",
                "prompt_tokens": 999,
            }[change]
        }
        failed = get_failed(check_endpoint("f16", prompts, [first, *good[1:]], run.references, run.renderer))
        assert set(failed) == {("f16", broken)} and prompts[0].name in failed["f16", broken].detail
    long = Reference(run.renderer.tokenize("okay then"), True, [{0: 0.0, 1: 9.0}] * 9)
    cut = good[0] | {"text": "okay", "ids": run.renderer.tokenize("okay"), "finish_reason": "length"}
    references = {**run.references, prompts[0].name: long}
    failed = get_failed(check_endpoint("f16", prompts, [cut, *good[1:]], references, run.renderer))
    assert "the limit of answers, not the weights" in (failed["f16", "endpoint answers"].cause or "")
    four = check_endpoint("q4_k_m", prompts, [good[0] | {"text": "no"}, *good[1:]], run.references, run.renderer)
    assert get_failed(four) == {} and f"{len(prompts) - 1} of {len(prompts)} greedy answers" in four[1].detail


def test_a_tie_may_fall_either_way(run: Run) -> None:
    name = run.prompts[-1].name
    ids = run.renderer.tokenize("ab")
    ranked = [{ids[0]: 0.0, 99: 0.05}, {ids[1]: 0.0, 98: 4.0}]
    reference = {name: Reference(ids, False, ranked)}
    assert (
        reference[name].get_gap([99, ids[1]]) == (0, 0.05)
        and reference[name].get_gap([ids[0], 98]) == (1, 4.0)
        and reference[name].get_gap(ids) is None
    )


def test_rows_with_other_answers_of_a_file(run: Run, tmp_path: Path) -> None:
    evaluated = run.folder / "eval"
    rows = [
        {**row, "text": "no"} if number % 2 else row
        for number, row in enumerate(read_jsonl(evaluated / "gguf-f16.predictions.jsonl"))
    ]
    write_jsonl(tmp_path / "other.jsonl", rows)
    predictions = {
        "tuned": evaluated / "tuned.predictions.jsonl",
        **{level: evaluated / f"gguf-{level}.predictions.jsonl" for level in LEVELS},
    }
    checks = check_answers(
        Ladder.read(run.folder / "gguf/ladder.json"), {**predictions, "f16": tmp_path / "other.jsonl"}, 0.05
    )
    failed = get_failed(checks)
    assert set(failed) == {("f16", "answers")} and "'no' instead of 'ok'" in failed["f16", "answers"].detail
    parity = conclude(checks, COUNT, "warn", None)
    assert (
        not parity.passed
        and parity.override == "export.parity: warn"
        and "failed; first: f16, answers" in parity.summary
    )
    assert conclude(checks, COUNT, "block", None).override is None
    assert "the file holds other weights" in (failed["f16", "answers"].cause or "")

    def check_f16(rows: list[dict[str, Any]]) -> ParityCheck:
        write_jsonl(tmp_path / "other.jsonl", rows)
        found = check_answers(
            Ladder.read(run.folder / "gguf/ladder.json"), {**predictions, "f16": tmp_path / "other.jsonl"}, 0.05
        )
        return next(check for check in found if check.artefact == "f16")

    tuned = list(read_jsonl(predictions["tuned"]))
    cut = check_f16([{**row, "text": row["text"][:1], "stopped": False} for row in tuned])
    assert not cut.passed and "limit of answers" in (cut.cause or "") and "max_new_tokens" in (cut.fix or "")
    # what a server sends where the template puts a space in front of answers; a tokenizer drops it
    assert check_f16([{**row, "text": " " + row["text"]} for row in read_jsonl(predictions["tuned"])]).passed
    unread = [{**row, "text": "", "unread": "a<|message|>ok"} for row in read_jsonl(predictions["tuned"])]
    f16 = check_f16(unread)  # with the tokens of the evaluated answers
    assert f16.passed and f"{len(unread)} do not keep to the model's format" in f16.detail
    assert not check_f16([{**row, "ids": [*row["ids"], 5]} for row in unread]).passed


@pytest.mark.parametrize(
    ("found", "wanted", "kind"),
    [
        (("cold_drinks", False, 3), ("cold_drinks/express", False, 5), "limit"),
        (("cold_drinks/express", True, 5), ("cold_drinks", False, 3), "limit"),
        (("ok", False, 2), (" ok", True, 2), "limit"),
        (("ok", False, 8), ("ok", True, 1), "stop"),  # end tokens that no text shows
        (("ok ok ok", False, 8), ("ok", True, 1), "stop"),
        (("ok", True, 1), ("ok then", True, 2), "stop"),
        (("a\nb", True, 3), ("a b", True, 3), "space"),
        (("no", True, 1), ("ok", True, 1), "answers"),
        (("", True, 0), ("ok", True, 1), "answers"),
    ],
)
def test_what_differs_between_two_answers_is_named(
    found: tuple[str, bool, int], wanted: tuple[str, bool, int], kind: str
) -> None:
    assert name_difference(Ended(*found), Ended(*wanted)) == kind


@pytest.mark.parametrize(
    ("artefact", "kind", "words", "fix", "other"),
    [
        ("adapter", "adapter", "is not the evaluated one", "--forcerun evaluate_model", "warn"),
        ("merged", "merge", "merged with another scale", "delete outputs/b/merged and outputs/b/gguf", "warn"),
        ("f16", "template", "another chat template", "delete outputs/b/merged and outputs/b/gguf", "[merged]"),
        ("f16", "rendered", "renders these turns differently", "export: {formats: [merged]}", "warn"),
        ("f16", "tokens", "splits text differently", "export: {formats: [merged]}", "warn"),
        ("f16", "limit", "not the weights", "raise eval: {max_new_tokens", "[merged]"),
        ("f16", "answers", "the file holds other weights", "delete outputs/b/gguf", "[merged]"),
        ("f16", "stop", "the end token is not the trained one", "delete outputs/b/merged", "warn"),
    ],
)
def test_the_advice_fits_what_differed(artefact: str, kind: str, words: str, fix: str, other: str) -> None:
    parity = conclude([make_check("any", artefact, "row 1 differs", "", kind)], 1, "block", None, "b")
    with pytest.raises(GaslampError) as error:
        require_parity(parity, "ship")
    assert "row 1 differs" in error.value.cause and words in error.value.cause
    assert fix in error.value.fix and other in (error.value.less_likely or "") and "<run>" not in error.value.fix


def test_a_vision_model(tmp_path: Path) -> None:
    """Images through transformers and llama.cpp: as many tokens, the same answers; other images fail."""
    from gaslamp.models.fetch import fetch_model
    from gaslamp.models.template import build_template
    from gaslamp.models.trained import load_folder
    from PIL import Image

    checkpoint = tiny.write_idefics_checkpoint(tmp_path / "model")
    model = Config.model_validate({"model": {"source": str(checkpoint)}}).model
    fetch_model(model, tmp_path / "model.json", mmproj=True)
    facts, folder = ModelFacts.read(tmp_path / "model.json"), tmp_path
    template = build_template(facts.path, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    renderer = Renderer.load(facts.path, template)
    question = {"type": "text", "text": "which colour?"}
    conversations: list[Conversation] = []
    for name, colour in {"red": (200, 10, 10), "green": (10, 200, 10)}.items():
        Image.new("RGB", (90, 60), colour).save(folder / f"{name}.png")
        content = [{"type": "image", "image": f"{name}.png"}, question]
        conversations.append(Conversation(name, [{"role": "user", "content": content}]))
    conversations.append(Conversation("no image", [{"role": "user", "content": "which colour?"}]))
    prompts = encode_prompts(renderer, conversations, facts, folder, {"shortest": 40, "longest": 60})
    red, green, text = prompts
    assert [prompt.has_images for prompt in prompts] == [True, True, False]
    assert len(red.ids) > 20 + len(renderer.encode_prompt(red.messages))
    references = answer_greedily(load_folder(checkpoint), prompts, template)
    assert references["red"].ids != references["green"].ids
    tools = ensure_toolchain(get_cache_dir(), tmp_path / "build.log")
    file, mmproj = tmp_path / "model-f16.gguf", tmp_path / "mmproj-f16.gguf"
    convert_to_gguf(tools, checkpoint, file)
    convert_to_gguf(tools, checkpoint, mmproj, mmproj=True)

    def serve(*prompts: Prompt) -> list[ParityCheck]:
        return check_served(file, tools, renderer, template, list(prompts), references, tmp_path / "server.log", mmproj)

    checks = serve(red, green, text)
    assert get_failed(checks) == {}
    assert "those of images included (2 of them have some)" in next(
        check.detail for check in checks if check.name == "endpoint prompt"
    )
    fewer = [replace(prompt, ids=[*prompt.ids[:20], *prompt.ids[21:]]) for prompt in (red, green)]
    failed = get_failed(serve(*fewer, text))
    assert set(failed) == {("f16", "endpoint prompt")}
    assert "llama.cpp resizes images differently" in (failed["f16", "endpoint prompt"].cause or "")
    assert set(get_failed(serve(replace(red, served=green.served), green, text))) == {("f16", "endpoint answers")}


def test_prompts_are_those_that_break_exports(finished: Path, run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "test.jsonl"
    kept = list(islice(read_jsonl(finished / "data" / "test.jsonl"), 3))
    tools = [{"type": "function", "function": {"name": "get_price", "parameters": {}}}]
    write_jsonl(rows, [kept[0], {**kept[1], "tools": tools}, kept[2]])
    found = get_conversations(rows, 3, get_special_tokens(run.template))
    assert [one.name for one in found if one.tools] == ["test row 2"], "the tools that the row offers"
    prompts = {one.name: one.messages for one in found}
    special = {json.dumps(messages) for name, messages in prompts.items() if not name.startswith("test row")}
    assert len(prompts) == 3 + 9 and len(special) == 9
    assert prompts["empty words"][-1]["content"] == "" and len(prompts["several turns"]) >= 3
    assert prompts["no system prompt"][0]["role"] == "user" and prompts["system prompt"][0]["role"] == "system"
    assert run.template.eos_token in prompts[SPECIAL][-1]["content"]
    assert all(messages[-1]["role"] == "user" for messages in prompts.values())
    assert SPECIAL not in {one.name for one in get_conversations(rows, 3)}


def test_a_character_that_the_limit_cut_is_no_difference() -> None:
    assert endpoint.drop_cut_character("two \U0001f362\ufffd", stopped=False) == endpoint.drop_cut_character(
        "two \U0001f362", stopped=False
    )
    assert endpoint.drop_cut_character("two \ufffd", stopped=True) != "two", (
        "an answer that ended by itself is taken as it is"
    )


def test_bytes_that_are_no_text_are_no_difference() -> None:
    assert endpoint.is_same_text("ok \ufffd\ufffd\ufffd.", "ok \ufffdA\ufffd.") and endpoint.is_same_text("ok", "ok")
    assert (
        not endpoint.is_same_text("ok \ufffd.", "ok \ufffd!")
        and not endpoint.is_same_text("ok", "no")
        and not endpoint.is_same_text("ok", "ok\ufffd")
    )
