"""The parity gate: is the model that ships the model that was evaluated?

One set of prompts goes through every artefact. What is compared, from the trainer to the served file:
the text and the token ids of the rendered prompt, the number of BOS tokens, the end token, the base of the rotary
positions, the greedy answers, and the reason why they end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.console import say
from gaslamp.contracts import Ladder, ModelFacts, Parity, ParityCheck, Provenance, Template
from gaslamp.evaluation.stats import get_score
from gaslamp.files import read_json, read_jsonl
from gaslamp.levels import get_level
from gaslamp.llamacpp.convert import read_gguf_facts
from gaslamp.llamacpp.server import LlamaServer
from gaslamp.rows import get_prompt
from gaslamp.template import Renderer

Messages = list[dict[str, str]]

CAUSES = {
    "template": "another chat template was written into the file: the classic 'good in the trainer, bad after export'",
    "tokens": "the file's tokenizer splits text differently: added tokens or the pre-tokenizer were lost in the conversion",
    "bos": "the server adds a BOS token that the template already holds (or the other way round)",
    "eos": "the end token was lost in the export: the model would never stop",
    "rope": "the base of the rotary positions was lost: answers get worse with every token",
    "merge": "the adapter was merged with another scale, or onto other weights than it was trained on",
    "answers": "the conversion changed the weights, or the served model is not this one",
}


def get_prompts(test: Path, count: int) -> list[tuple[str, Messages]]:
    """Named conversations: the first test rows, and those that break careless exports."""
    rows = [get_prompt(row) for _, row in zip(range(count), read_jsonl(test), strict=False)]
    first = rows[0]
    question = first[-1]["content"]
    special = [
        ("no system prompt", [{"role": "user", "content": question}]),
        ("system prompt", [{"role": "system", "content": "Answer with one word."}, {"role": "user", "content": "Yes or no?"}]),
        (
            "several turns",
            [*first, {"role": "assistant", "content": "Understood."}, {"role": "user", "content": "And once more, please."}],
        ),
        ("empty words", [*first[:-1], {"role": "user", "content": ""}]),
        ("very long", [*first[:-1], {"role": "user", "content": (question + " ") * 24}]),
        ("emoji", [*first[:-1], {"role": "user", "content": "Two ☕️ and a 🥐 for Zoë 👩‍🍳!"}]),
        ("right to left", [*first[:-1], {"role": "user", "content": "שני קפה בבקשה, مع حليب"}]),
        ("white space", [*first[:-1], {"role": "user", "content": "  two\n\n\tlattes  \n"}]),
    ]
    return [(f"test row {number}", messages) for number, messages in enumerate(rows, 1)] + special


def check_parity(
    settings: Any, model: Path, adapters: Path, merged: Path, gguf: list[Path], toolchain: Path, test: Path, template: Path,
    ladder: Path, predictions: dict[str, Path], out: Path, log: Path,
) -> Parity:  # fmt: skip
    """Run every check and write parity.json; the gate is its ``passed``.

    Args:
        settings: slice with export.
        model, adapters, merged, gguf, template, test, ladder: the artefacts and facts of this run.
        toolchain: toolchain.json.
        predictions: tuned and every level -> predictions file of the evaluation.
        out: parity.json to write.
        log: what llama-server prints.
    """
    facts, recorded = ModelFacts.read(model), Template.read(template)
    provenance = Provenance.start([model, template, test, ladder, adapters, *gguf], settings.dump())
    renderer = Renderer.load(facts.path, recorded)
    prompts = get_prompts(test, settings.export.parity_prompts)
    checks = check_merged(facts, recorded, renderer, adapters, merged, test, predictions["tuned"], settings.export.parity_prompts)
    expected = [(name, renderer.render(messages, generate=True), messages) for name, messages in prompts]
    tools = read_json(toolchain)
    for file in gguf:
        checks += check_metadata(file, recorded, Path(facts.path))
        longest = max(len(renderer.tokenize(text)) for _, text, _ in expected)
        with LlamaServer(tools, file, context=max(2048, 2 * longest), log=log) as server:
            checks += check_prompts(get_level(file), server, renderer, recorded, expected)
    checks += check_answers(Ladder.read(ladder), predictions, settings.export.tolerance)
    failed = [check for check in checks if not check.passed]
    override = "export.parity: warn" if failed and settings.export.parity == "warn" else None
    summary = (
        f"the shipped model is the evaluated model: {len(checks)} checks on {len(prompts)} prompts"
        if not failed
        else f"{len(failed)} of {len(checks)} checks failed; first: {failed[0].artefact}, {failed[0].name}: {failed[0].detail}"
    )
    parity = Parity(
        passed=not failed, summary=summary, prompts=len(prompts), checks=checks, override=override, provenance=provenance
    )
    parity.write(out)
    say(summary)
    return parity


def check_merged(
    facts: ModelFacts, template: Template, renderer: Renderer, adapters: Path, merged: Path, test: Path, predictions: Path, count: int
) -> list[ParityCheck]:
    """Adapter on top of the base, and the merged folder: do both give, token for token, the answers that were evaluated?

    Both models read prompt and evaluated answer once; greedy decoding gives that answer exactly when the most likely
    token is its next token at every position. A step whose two best tokens are as good as equal (a difference in
    log-probability under 0.02) may fall either way in 16 bit and is counted as a tie.
    """
    import torch

    from gaslamp.models import load_model, load_tokenizer

    answers = {row["id"]: row for row in read_jsonl(predictions)}
    rows = [row for _, row in zip(range(count), read_jsonl(test), strict=False)]
    pairs = []
    for row in rows:
        prompt = renderer.encode_prompt(get_prompt(row))
        answer = renderer.tokenize(answers[row["id"]]["text"]) + ([template.eos_id] if answers[row["id"]]["stopped"] else [])
        pairs.append((prompt, answer))
    checks = []
    for name, path, adapter in (("adapter", facts.path, adapters), ("merged", str(merged), None)):
        net = load_model(path, "float32", adapter, merge=False)
        same, ties, total, first = 0, 0, 0, None
        for number, (prompt, answer) in enumerate(pairs, 1):
            if not answer:
                continue
            with torch.inference_mode():
                logits = net(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].float()
            ranked = torch.log_softmax(logits, dim=-1)
            wanted = torch.tensor(answer)
            gap = ranked.max(dim=-1).values - ranked.gather(1, wanted[:, None])[:, 0]
            total += len(answer)
            same += int((gap == 0).sum())
            ties += int(((gap > 0) & (gap < 0.02)).sum())
            wrong = (gap >= 0.02).nonzero()
            if len(wrong) and first is None:
                position = int(wrong[0])
                got, want = (renderer.tokenizer.decode([int(t)]) for t in (ranked[position].argmax(), wanted[position]))
                first = f"test row {number}, token {position + 1}: {got!r} instead of {want!r}"
        detail = first or f"{same + ties} of {total} answer tokens are the evaluated ones" + (f" ({ties} ties)" if ties else "")
        checks.append(ParityCheck(name="answers", artefact=name, passed=first is None, detail=detail, cause=CAUSES["merge"] if first else None))
        del net
    tokenizer = load_tokenizer(merged)
    ends = read_json(merged / "generation_config.json").get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    good = tokenizer.eos_token_id == template.eos_id and ends == template.stop_ids
    checks.append(
        ParityCheck(
            name="end token", artefact="merged", passed=good, cause=None if good else CAUSES["eos"],
            detail=f"tokenizer {tokenizer.eos_token}, generation {ends}; trained {template.eos_token}, {template.stop_ids}",
        )  # fmt: skip
    )
    return checks


def check_metadata(file: Path, template: Template, base: Path) -> list[ParityCheck]:
    """What a GGUF file says of itself against the template and the config of the base model (a wrong merge must show too)."""
    facts, level = read_gguf_facts(file), get_level(file)
    config = read_json(base / "config.json")
    rope = (config.get("rope_parameters") or {}).get("rope_theta", config.get("rope_theta"))
    found = {
        "template": (facts["chat_template"] == template.chat_template, "the chat template is the recorded one", "the chat template differs from data/template.json"),
        "eos": (facts["eos_id"] in template.stop_ids, f"end token {facts['eos_id']}", f"end token {facts['eos_id']}, trained {template.stop_ids}"),
        "rope": (
            rope is None or facts["rope_freq_base"] is None or abs(facts["rope_freq_base"] - rope) <= 1e-3 * rope,
            f"rotary base {facts['rope_freq_base']:g}" if facts["rope_freq_base"] else "no rotary base",
            f"rotary base {facts['rope_freq_base']}, trained with {rope}",
        ),
    }  # fmt: skip
    titles = {"template": "chat template", "eos": "end token", "rope": "rotary base"}
    return [
        ParityCheck(name=titles[key], artefact=level, passed=good, detail=right if good else wrong, cause=None if good else CAUSES[key])
        for key, (good, right, wrong) in found.items()
    ]


def check_prompts(
    level: str, server: LlamaServer, renderer: Renderer, template: Template, expected: list[tuple[str, str, Messages]]
) -> list[ParityCheck]:
    """Every prompt through the server: text, token ids and number of BOS tokens as in training."""
    text_fault = token_fault = bos_fault = None
    for name, text, messages in expected:
        served = server.apply_template(messages)
        # a server that puts the BOS token in front of the ids by itself takes it out of the text; the ids below must agree
        if served not in (text, text.removeprefix(template.bos_token or "")) and text_fault is None:
            text_fault = f"{name}: {_get_difference(text, served)}"
        ids, wanted = server.tokenize(served, add_special=True), renderer.tokenize(text)
        if ids != wanted and token_fault is None:
            at = next((i for i, (a, b) in enumerate(zip(ids, wanted, strict=False)) if a != b), min(len(ids), len(wanted)))
            token_fault = f"{name}: token {at + 1} is {ids[at : at + 3]} instead of {wanted[at : at + 3]}"
        if template.bos_id is not None and _count_leading(ids, template.bos_id) != _count_leading(wanted, template.bos_id):
            bos_fault = bos_fault or f"{name}: {_count_leading(ids, template.bos_id)} BOS tokens instead of {_count_leading(wanted, template.bos_id)}"
    count = f"{len(expected)} prompts"
    results = (
        ("prompt text", text_fault, f"{count} rendered to the same text", "template"),
        ("prompt tokens", token_fault, f"{count} became the same token ids", "tokens"),
        ("BOS tokens", bos_fault, f"as many as in training on {count}", "bos"),
    )
    return [
        ParityCheck(name=name, artefact=level, passed=fault is None, detail=fault or good, cause=CAUSES[cause] if fault else None)
        for name, fault, good, cause in results
    ]


def check_answers(ladder: Ladder, predictions: dict[str, Path], tolerance: float) -> list[ParityCheck]:
    """The evaluated answers against those of each level, on all test rows.

    16 bit must say the same on all but ``tolerance`` of the rows; it fails when more answers differ than chance makes of
    that share (lower end of the 95 % interval), because 1 of 12 rows says little: two engines round differently, and an
    answer that hangs by a hair may fall the other way. A quantized level may word an answer differently; its score must
    stay within the tolerance, or it must not be the one that ships.
    """
    tuned = {row["id"]: row for row in read_jsonl(predictions["tuned"]) if row["kind"] == "test"}
    checks = []
    for level in ladder.levels:
        found = {row["id"]: row for row in read_jsonl(predictions[level.level])}
        same = {key for key in tuned if found[key]["text"] == tuned[key]["text"] and found[key]["stopped"] == tuned[key]["stopped"]}
        share = len(same) / len(tuned)
        lost = ladder.tuned.value - level.score.value
        ships = level.level == ladder.recommended
        differing = get_score([float(key not in same) for key in tuned], 0.95)
        good = differing.low <= tolerance if level.level == "f16" else lost <= tolerance + 1e-9 or not ships
        detail = f"{share:.1%} of the answers are the evaluated ones, score {level.score.value:.1%} ({0.0 - lost:+.1%})".replace("%", " %")
        if not good:
            key = next(key for key in tuned if key not in same)
            detail += f"; first difference: {found[key]['text'][:80]!r} instead of {tuned[key]['text'][:80]!r}"
        checks.append(ParityCheck(name="answers", artefact=level.level, passed=good, detail=detail, cause=None if good else CAUSES["answers"]))
    return checks


def _count_leading(ids: list[int], token: int) -> int:
    return next((i for i, value in enumerate(ids) if value != token), len(ids))


def _get_difference(wanted: str, found: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b), min(len(wanted), len(found)))
    return f"from character {at + 1}: {found[at : at + 40]!r} instead of {wanted[at : at + 40]!r}"
