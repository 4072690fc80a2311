"""The parity gate: is the model that ships the model that was evaluated?

One set of prompts goes through every artefact. What is compared, from the trainer to the served file:
the text and the token ids of the rendered prompt, the number of BOS tokens, the end token, the base of the rotary
positions, the greedy answers, and the reason why they end. A model that sees is asked with the pictures of the test rows. What
gives vectors or scores instead of answers goes through ``gaslamp.export.parity.vectors``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gaslamp.config.levels import get_level
from gaslamp.core.console import Progress, say
from gaslamp.core.contracts import Ladder, ModelFacts, Parity, ParityCheck, Provenance, Template
from gaslamp.core.files import read_json, read_jsonl
from gaslamp.data.images import to_served
from gaslamp.data.rows import get_images, get_prompt, get_text
from gaslamp.evaluate.predictions import get_outcome
from gaslamp.evaluate.stats import get_score
from gaslamp.export.llamacpp.convert import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.models.template import Renderer
from gaslamp.train.method import get_artefact, get_evaluation_options

Messages = list[dict[str, Any]]

MERGED_TIE = 0.02
"""Adapter and merged must choose the same token, but for 16-bit rounding: so much log-probability (nats) is a tie."""
GGUF_TIE = 0.1
"""The f16 file is another engine: at its first token that differs, the adapter's own log-probabilities may lie so far apart."""
ANSWER_TOKENS = 16
"""Length of the greedy answers to the prompts that have no evaluated answer."""
PICTURES = 4
"""Test rows with pictures that every file answers anew, beside the evaluation: their tokens are counted."""

CAUSES = {
    "template": "another chat template was written into the file: the classic 'good in the trainer, bad after export'",
    "tokens": "the file's tokenizer splits text differently: added tokens or the pre-tokenizer were lost in the conversion",
    "bos": "the server adds a BOS token that the template already holds (or the other way round)",
    "eos": "the end token was lost in the export: the model would never stop",
    "rope": "the base of the rotary positions was lost: answers get worse with every token",
    "merge": "the adapter was merged with another scale, or onto other weights than it was trained on",
    "answers": "the conversion changed the weights, or the served model is not this one",
    "picture": "llama.cpp cuts or writes pictures otherwise than the model's own processor: other sizes, or other words around them",
    "endpoint": "the server arranges a conversation otherwise than the file's template says: a template override, or text put before it",
    "stop": "the end token is not the trained one, so answers run on to the length limit",
}


@dataclass
class Reference:
    """What the adapter itself says to a prompt, greedily: token ids, whether it ended by itself, the runners-up of each step."""

    ids: list[int]
    stopped: bool
    ranked: list[dict[int, float]]  # step -> token -> how much less likely than the best (nats), best 0

    def get_gap(self, ids: list[int]) -> tuple[int, float] | None:
        """Position and gap of the first token of ``ids`` that is another one; None when there is none."""
        for position, (token, own) in enumerate(zip(ids, self.ids, strict=False)):
            if token != own:
                known = self.ranked[position]
                return position, known.get(token, max(known.values()))
        return None


class Seen(NamedTuple):
    """A conversation with pictures, as transformers reads it and as a server is asked."""

    ids: list[int]  # of the prompt, with all tokens that its pictures become
    tensors: dict[str, Any]  # what the model is given beside them
    messages: Messages  # the pictures as data URLs


def look(
    facts: ModelFacts, renderer: Renderer, folder: Path, sizes: dict[str, int], prompts: list[tuple[str, Messages]]
) -> dict[str, Seen]:
    """Those of the named conversations that hold pictures, with these.

    Args:
        facts: of the base model, whose processor it is.
        folder: image paths are relative to it.
        sizes: of images, as in training.
    """
    from gaslamp.evaluate.vision import ImageInputs

    found = {}
    sight = ImageInputs.load(facts.path, renderer.tokenizer.pad_token, folder, sizes)
    for name, messages in prompts:
        if get_images(messages):
            inputs = dict(sight.encode([renderer.render(messages, generate=True)], [messages]))
            inputs.pop("attention_mask")  # one alone: nothing is padded
            found[name] = Seen(inputs.pop("input_ids")[0].tolist(), inputs, to_served(messages, folder, **sizes))
    return found


def get_prompts(test: Path, count: int, special: list[str] | None = None) -> list[tuple[str, Messages]]:
    """Named conversations: the first test rows, and those that break careless exports.

    ``special``: the model's special tokens, for a user who writes them.
    """
    rows = [get_prompt(row) for _, row in zip(range(count), read_jsonl(test), strict=False)]
    first = rows[0]
    question = get_text(first[-1])

    def ask(text: str) -> Messages:
        return [*first[:-1], {"role": "user", "content": text}]

    prompts = [
        ("no system prompt", [{"role": "user", "content": question}]),
        (
            "system prompt",
            [{"role": "system", "content": "Answer with one word."}, {"role": "user", "content": "Yes or no?"}],
        ),
        (
            "several turns",
            [
                *first,
                {"role": "assistant", "content": "Understood."},
                {"role": "user", "content": "And once more, please."},
            ],
        ),
        ("empty words", ask("")),
        ("very long", ask((question + " ") * 24)),
        ("emoji", ask("Two ☕️ and a 🥐 for Zoë 👩‍🍳!")),
        ("right to left", ask("שני קפה בבקשה, مع حليب")),
        ("white space", ask("  two\n\n\tlattes  \n")),
    ]
    if special:
        prompts.append((SPECIAL, ask(f"What does {special[0]} mean? {' '.join(special)} Ignore it.")))
    return [(f"test row {number}", messages) for number, messages in enumerate(rows, 1)] + prompts


SPECIAL = "special-token text"


def check_parity(
    settings: Any,
    model: Path,
    adapters: Path,
    merged: Path,
    gguf: list[Path],
    toolchain: Path,
    test: Path,
    template: Path,
    ladder: Path,
    predictions: dict[str, Path],
    out: Path,
    log: Path,
    beside: Path | None = None,
) -> Parity:
    """Run every check and write parity.json; the gate is its ``passed``.

    Args:
        settings: slice with method, train (options, max_length) and export.
        model, adapters, merged, gguf, template, test, ladder: the artefacts and facts of this run.
        toolchain: toolchain.json.
        predictions: tuned and every level -> predictions file of the evaluation.
        out: parity.json to write.
        log: what llama-server prints.
        beside: what the files need to be asked: the eyes of a model that sees, the head of a reward model.
    """
    facts, recorded = ModelFacts.read(model), Template.read(template)
    provenance = Provenance.start([model, template, test, ladder, adapters, *gguf], settings.dump())
    renderer = Renderer.load(facts.path, recorded)
    count, tools = settings.export.parity_prompts, read_json(toolchain)
    progress = Progress("artefact", 2 + len(gguf), every=5.0)
    if get_artefact(settings.method) != "causal_lm":
        from gaslamp.export.parity.vectors import check_vectors

        checks, asked = check_vectors(
            settings, facts, renderer, adapters, merged, gguf, tools, test, beside, log, progress
        )
    else:
        prompts = get_prompts(test, count, get_special_tokens(recorded))
        seen = (
            look(facts, renderer, test.parent, get_evaluation_options(settings.method, settings.train.options), prompts)
            if beside
            else {}
        )
        rows = get_evaluated(renderer, recorded, test, predictions["tuned"], count, seen)
        anew = [*prompts[len(rows) :], *[prompt for prompt in prompts[: len(rows)] if prompt[0] in seen][:PICTURES]]
        checks, references = check_merged(facts, recorded, renderer, adapters, merged, rows, anew, seen)
        progress.update(2, "adapter and merged model")
        expected = [(name, renderer.render(messages, generate=True), messages) for name, messages in prompts]
        for number, file in enumerate(gguf, 3):
            checks += check_metadata(file, recorded, Path(facts.path))
            checks += check_served(file, tools, renderer, recorded, expected, references, log, seen, beside)
            progress.update(number, get_level(file))
        asked = len(prompts)
    checks += check_answers(Ladder.read(ladder), predictions, settings.export.tolerance)
    parity = conclude(checks, asked, settings.export.parity, provenance)
    parity.write(out)
    say(parity.summary)
    return parity


def conclude(checks: list[ParityCheck], prompts: int, gate: str, provenance: Provenance | None) -> Parity:
    """The verdict on some checks; ``gate`` is export.parity: with ``warn`` a failure passes on, and that is recorded."""
    failed = [check for check in checks if not check.passed]
    summary = (
        f"the shipped model is the evaluated model: {len(checks)} checks on {prompts} prompts"
        if not failed
        else f"{len(failed)} of {len(checks)} checks failed; first: {failed[0].artefact}, {failed[0].name}: {failed[0].detail}"
    )
    override = "export.parity: warn" if failed and gate == "warn" else None
    return Parity(
        passed=not failed, summary=summary, prompts=prompts, checks=checks, override=override, provenance=provenance
    )


def get_special_tokens(template: Template) -> list[str]:
    """The special tokens that a user could write: those of the template and of the end."""
    return list(dict.fromkeys(token for token in (*template.stop_tokens, template.bos_token) if token))


# ------------------------------------------------------------------------------------------------- adapter and merged


def get_evaluated(
    renderer: Renderer,
    template: Template,
    test: Path,
    predictions: Path,
    count: int,
    seen: dict[str, Seen] | None = None,
) -> list[tuple[str, list[int], list[int]]]:
    """``(name, prompt ids, answer ids)`` of the first test rows with the answer that was evaluated, its end token included."""
    answers = {row["id"]: row for row in read_jsonl(predictions)}
    found = []
    for number, row in enumerate((row for _, row in zip(range(count), read_jsonl(test), strict=False)), 1):
        answer = answers[row["id"]]
        written = answer["ids"] if "ids" in answer else renderer.tokenize(answer["text"])
        ids = written + ([template.eos_id] if answer["stopped"] else [])
        name = f"test row {number}"
        found.append((name, seen[name].ids if seen and name in seen else renderer.encode_prompt(get_prompt(row)), ids))
    return found


def check_merged(
    facts: ModelFacts,
    template: Template,
    renderer: Renderer,
    adapters: Path,
    merged: Path,
    rows: list[tuple[str, list[int], list[int]]],
    prompts: list[tuple[str, Messages]],
    seen: dict[str, Seen] | None = None,
) -> tuple[list[ParityCheck], dict[str, Reference]]:
    """Adapter on top of the base, and the merged folder: do both give, token for token, the same answers?

    Both read prompt and evaluated answer once; greedy decoding gives that answer exactly when the most likely token is its
    next token at every position, the end token included. The adapter also answers ``prompts``, and merged must agree with
    those answers too. A step whose two best tokens differ by less than MERGED_TIE may fall either way in 16 bit.

    Returns the checks, and the adapter's answers to ``prompts`` by name.
    """
    from gaslamp.evaluate.loading import load_evaluated, load_folder
    from gaslamp.models.loading import load_tokenizer

    seen = seen or {}
    net = load_evaluated(facts, adapters, merge=False)
    checks = [compare_answers(net, "adapter", rows, renderer, seen)]
    encoded = {name: seen[name].ids if name in seen else renderer.encode_prompt(messages) for name, messages in prompts}
    references = answer_greedily(net, encoded, template, seen=seen)
    del net
    own = [
        (name, encoded[name], found.ids + ([template.eos_id] if found.stopped else []))
        for name, found in references.items()
    ]
    net = load_folder(merged)
    checks.append(compare_answers(net, "merged", [*rows, *own], renderer, seen))
    del net
    tokenizer = load_tokenizer(merged)
    ends = read_json(merged / "generation_config.json").get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    good = tokenizer.eos_token_id == template.eos_id and ends == template.stop_ids
    checks.append(
        ParityCheck(
            name="end token",
            artefact="merged",
            passed=good,
            cause=None if good else CAUSES["eos"],
            detail=f"tokenizer {tokenizer.eos_token}, generation {ends}; trained {template.eos_token}, {template.stop_ids}",
        )
    )
    return checks, references


def compare_answers(
    net: Any,
    artefact: str,
    pairs: list[tuple[str, list[int], list[int]]],
    renderer: Renderer,
    seen: dict[str, Seen] | None = None,
) -> ParityCheck:
    """Would ``net`` give exactly these answers to these prompts?"""
    import torch

    same = ties = total = 0
    first = None
    for name, prompt, answer in pairs:
        if not answer:
            continue
        with (
            torch.inference_mode()
        ):  # only what follows the prompt is looked at: the vocabulary is most of a small model's work
            pictures = get_tensors(name, seen, len(answer))
            logits = (
                net(input_ids=torch.tensor([prompt + answer]), logits_to_keep=len(answer) + 1, **pictures)
                .logits[0, :-1]
                .float()
            )
        ranked = torch.log_softmax(logits, dim=-1)
        wanted = torch.tensor(answer)
        gap = ranked.max(dim=-1).values - ranked.gather(1, wanted[:, None])[:, 0]
        total += len(answer)
        same += int((gap == 0).sum())
        ties += int(((gap > 0) & (gap < MERGED_TIE)).sum())
        wrong = (gap >= MERGED_TIE).nonzero()
        if len(wrong) and first is None:
            position = int(wrong[0])
            got, want = (renderer.tokenizer.decode([int(t)]) for t in (ranked[position].argmax(), wanted[position]))
            first = f"{name}, token {position + 1}: {got!r} instead of {want!r}"
    detail = first or f"{same + ties} of {total} answer tokens are the evaluated ones" + (
        f" ({ties} ties)" if ties else ""
    )
    return ParityCheck(
        name="answers", artefact=artefact, passed=first is None, detail=detail, cause=CAUSES["merge"] if first else None
    )


def get_tensors(name: str, seen: dict[str, Seen] | None, more: int = 0) -> dict[str, Any]:
    """What a model is given beside the ids of a prompt with pictures and ``more`` tokens of an answer; nothing for one without."""
    from torch.nn.functional import pad

    if not seen or name not in seen:
        return {}
    own = seen[name]  # what tells of each token whether it is of a picture goes on with "no"
    return {
        key: pad(value, (0, more)) if tuple(value.shape) == (1, len(own.ids)) else value
        for key, value in own.tensors.items()
    }


def answer_greedily(
    net: Any, prompts: dict[str, list[int]], template: Template, keep: int = 20, seen: dict[str, Seen] | None = None
) -> dict[str, Reference]:
    """The greedy answers of ``net`` to encoded prompts, at most ANSWER_TOKENS long; those of a like length in one batch, with pictures one by one."""
    found: dict[str, Reference] = {}
    batch: dict[str, list[int]] = {}
    for name, ids in sorted(prompts.items(), key=lambda prompt: len(prompt[1])):
        if seen and name in seen:
            found |= _answer_batch(net, {name: ids}, template, keep, get_tensors(name, seen))
            continue
        if batch and len(ids) > 2 * len(next(iter(batch.values()))):
            found |= _answer_batch(net, batch, template, keep)
            batch = {}
        batch[name] = ids
    return found | (_answer_batch(net, batch, template, keep) if batch else {})


def _answer_batch(
    net: Any, prompts: dict[str, list[int]], template: Template, keep: int, pictures: dict[str, Any] | None = None
) -> dict[str, Reference]:
    import torch

    width = max(len(ids) for ids in prompts.values())
    padded = torch.tensor([[template.pad_id] * (width - len(ids)) + ids for ids in prompts.values()])
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts.values()])
    with torch.inference_mode():
        made = net.generate(
            input_ids=padded,
            attention_mask=mask,
            max_new_tokens=ANSWER_TOKENS,
            do_sample=False,
            eos_token_id=template.stop_ids,
            pad_token_id=template.pad_id,
            output_logits=True,
            return_dict_in_generate=True,
            **(pictures or {}),
        )
    steps = [torch.log_softmax(step.float(), dim=-1).topk(min(keep, step.shape[-1])) for step in made.logits]
    references = {}
    for row, name in enumerate(prompts):
        ids = made.sequences[row, width:].tolist()
        end = next((at for at, token in enumerate(ids) if token in template.stop_ids), None)
        length = len(ids) if end is None else end
        ranked = [
            {
                token: float(best.values[row, 0]) - value
                for token, value in zip(best.indices[row].tolist(), best.values[row].tolist(), strict=True)
            }
            for best in steps[: length + 1]
        ]
        references[name] = Reference(ids[:length], end is not None, ranked)
    return references


# ------------------------------------------------------------------------------------------------------- GGUF, served


def check_metadata(file: Path, template: Template, base: Path) -> list[ParityCheck]:
    """What a GGUF file says of itself against the template and the config of the base model (a wrong merge must show too)."""
    facts, level = read_gguf_facts(file), get_level(file)
    config = read_json(base / "config.json")
    config = {**config, **(config.get("text_config") or {})}
    rope = (config.get("rope_parameters") or {}).get("rope_theta", config.get("rope_theta"))
    found = {
        "template": (
            facts["chat_template"] == template.chat_template,
            "the chat template is the recorded one",
            "the chat template differs from data/template.json",
        ),
        "eos": (
            facts["eos_id"] in template.stop_ids,
            f"end token {facts['eos_id']}",
            f"end token {facts['eos_id']}, trained {template.stop_ids}",
        ),
        "rope": (
            rope is None or facts["rope_freq_base"] is None or abs(facts["rope_freq_base"] - rope) <= 1e-3 * rope,
            f"rotary base {facts['rope_freq_base']:g}" if facts["rope_freq_base"] else "no rotary base",
            f"rotary base {facts['rope_freq_base']}, trained with {rope}",
        ),
    }
    titles = {"template": "chat template", "eos": "end token", "rope": "rotary base"}
    return [
        ParityCheck(
            name=titles[key],
            artefact=level,
            passed=good,
            detail=right if good else wrong,
            cause=None if good else CAUSES[key],
        )
        for key, (good, right, wrong) in found.items()
    ]


def check_served(
    file: Path,
    tools: dict[str, Any],
    renderer: Renderer,
    template: Template,
    expected: list[tuple[str, str, Messages]],
    references: dict[str, Reference],
    log: Path,
    seen: dict[str, Seen] | None = None,
    eyes: Path | None = None,
) -> list[ParityCheck]:
    """A GGUF file behind the server that `make deploy` starts: prompts, end, answers.

    Args:
        file: the GGUF file.
        tools: contents of toolchain.json.
        renderer, template: as recorded.
        expected: name, rendered text and messages of every prompt.
        references: the adapter's own answers to some of them.
        log: what llama-server prints.
        seen: those of the prompts that hold pictures.
        eyes: the file that reads them.
    """
    seen = seen or {}
    counts = {name: len(seen[name].ids if name in seen else renderer.tokenize(text)) for name, text, _ in expected}
    slots = 4
    with LlamaServer(
        tools, file, context=max(1024, max(counts.values()) + 2 * ANSWER_TOKENS), parallel=slots, mmproj=eyes, log=log
    ) as server:
        checks = check_prompts(get_level(file), server, renderer, template, expected, seen)
        asked = [entry for entry in expected if entry[0] in references]
        answers = server.generate_batch(
            [seen[name].messages if name in seen else messages for name, _, messages in asked], ANSWER_TOKENS, ids=True
        )
    return checks + check_endpoint(get_level(file), asked, answers, references, renderer, seen)


def check_prompts(
    level: str,
    server: LlamaServer,
    renderer: Renderer,
    template: Template,
    expected: list[tuple[str, str, Messages]],
    seen: dict[str, Seen] | None = None,
) -> list[ParityCheck]:
    """Every prompt through the server: text, token ids and number of BOS tokens as in training; of one with pictures, all that is not picture."""
    text_fault = token_fault = bos_fault = None
    read_as_special = 0
    seen = seen or {}
    marker = server.get_media_marker() if seen else ""
    for name, text, messages in expected:
        served = server.apply_template(seen[name].messages if name in seen else messages)
        # a server that puts the BOS token in front of the ids by itself takes it out of the text; the ids below must agree
        bare = text.removeprefix(template.bos_token or "")
        parts = [served]
        if name in seen:
            parts, shown = served.split(marker), served.replace(marker, "<image>")
            if not any(is_joined(parts, wanted) for wanted in (text, bare)) and text_fault is None:
                text_fault = f"{name}: {_get_difference(text, shown)}"
        elif served not in (text, bare) and text_fault is None:
            text_fault = f"{name}: {_get_difference(text, served)}"
        ids, wanted = (
            server.tokenize(parts[0], add_special=True),
            seen[name].ids if name in seen else renderer.tokenize(text),
        )
        pieces = [(ids, wanted[: len(ids)] if name in seen else wanted)]
        if name in seen and (last := server.tokenize(parts[-1])):
            pieces.append((last, wanted[-len(last) :]))
        for found, own in pieces:
            if found != own and token_fault is None:
                at = next(
                    (i for i, (a, b) in enumerate(zip(found, own, strict=False)) if a != b), min(len(found), len(own))
                )
                token_fault = f"{name}: token {at + 1} is {found[at : at + 3]} instead of {own[at : at + 3]}"
        if template.bos_id is not None and _count_leading(ids, template.bos_id) != _count_leading(
            wanted, template.bos_id
        ):
            bos_fault = (
                bos_fault
                or f"{name}: {_count_leading(ids, template.bos_id)} BOS tokens instead of {_count_leading(wanted, template.bos_id)}"
            )
        if name == SPECIAL:
            words = renderer.tokenize(get_text(messages[-1]))
            read_as_special = sum(token in renderer.tokenizer.all_special_ids for token in words)
    count = f"{len(expected)} prompts"
    around = f"; of {len(seen)} with pictures, all around these" if seen else ""
    special = (
        f"; special tokens that a user writes become those tokens, in training and here ({read_as_special} of them)"
        if read_as_special
        else ""
    )
    results = (
        ("prompt text", text_fault, f"{count} rendered to the same text{around}", "template"),
        ("prompt tokens", token_fault, f"{count} became the same token ids{around}{special}", "tokens"),
        ("BOS tokens", bos_fault, f"as many as in training on {count}", "bos"),
    )
    return [
        ParityCheck(
            name=name,
            artefact=level,
            passed=fault is None,
            detail=fault or good,
            cause=CAUSES[cause] if fault else None,
        )
        for name, fault, good, cause in results
    ]


def is_joined(parts: list[str], text: str) -> bool:
    """Whether ``text`` is these parts with the same words between each two of them: what stands for a picture."""
    gaps = len(parts) - 1
    left = len(text) - sum(map(len, parts))
    if gaps < 1 or left < gaps or left % gaps:
        return False
    start = len(parts[0])
    return text[start : start + left // gaps].join(parts) == text


def check_endpoint(
    level: str,
    asked: list[tuple[str, str, Messages]],
    answers: list[dict[str, Any]],
    references: dict[str, Reference],
    renderer: Renderer,
    seen: dict[str, Seen] | None = None,
) -> list[ParityCheck]:
    """What /v1/chat/completions answered against what the adapter itself says, greedily.

    The number of prompt tokens must be the trainer's on every level, those of pictures included. Answers and the reason why they
    end must be the same for f16, but for ties: at the first other token, the adapter's own choice may be at most GGUF_TIE nats more
    likely. A quantized level may word an answer differently (its score decides, see check_answers): how many agree is told.
    """
    prompt_fault = answer_fault = stop_fault = None
    same, cause = 0, "endpoint"
    seen, ends = seen or {}, renderer.tokenizer.convert_tokens_to_ids(renderer.stop_tokens)
    for (name, text, _), answer in zip(asked, answers, strict=True):
        wanted, count = references[name], len(seen[name].ids if name in seen else renderer.tokenize(text))
        if answer["prompt_tokens"] != count and prompt_fault is None:
            prompt_fault = f"{name}: the endpoint reads {answer['prompt_tokens']} tokens, training {count}"
            cause = "picture" if name in seen else "endpoint"
        own = renderer.tokenizer.decode(wanted.ids, skip_special_tokens=True)
        stopped = answer["finish_reason"] == "stop"
        # an answer of nothing but bytes that are no text would be dropped whole with the character that the limit cut
        cut = _drop_cut_character(own, wanted.stopped), _drop_cut_character(answer["text"], stopped)
        is_same = is_same_text(*cut) or is_same_text(own, answer["text"])
        written = [token for token in answer["ids"] if token not in ends]
        if is_same and is_part(written, wanted.ids):
            same += 1
            if stopped != wanted.stopped:
                says = {True: "ends by itself", False: "runs to the limit"}
                stop_fault = stop_fault or f"{name}: {says[stopped]}, the adapter {says[wanted.stopped]}"
            continue
        found = wanted.get_gap(written if is_same else renderer.tokenize(answer["text"]))
        position, gap = found or (min(len(wanted.ids), len(renderer.tokenize(answer["text"]))), 0.0)
        if found is None and position < len(wanted.ranked):
            # one of the two goes on where the other ends
            ranked = wanted.ranked[position]
            gap = min((value for token, value in ranked.items() if token != next(iter(ranked))), default=0.0)
        if gap > GGUF_TIE and answer_fault is None:
            answer_fault = f"{name}, token {position + 1}: {answer['text'][:60]!r} instead of {own[:60]!r}, which the adapter finds {gap:.2f} nats more likely"
    exact = level in ("f16", "f32")
    pictures = sum(name in seen for name, _, _ in asked)
    with_pictures = f", those of pictures included ({pictures} of them have some)" if pictures else ""
    agree = f"{same} of {len(asked)} greedy answers are the adapter's"
    results = [
        (
            "endpoint prompt",
            prompt_fault,
            f"/v1/chat/completions reads as many tokens as training on {len(asked)} prompts{with_pictures}",
            cause,
        ),
        (
            "endpoint answers",
            answer_fault if exact else None,
            agree + (f", the others within {GGUF_TIE} nats" if exact and same < len(asked) else ""),
            "answers",
        ),
        ("stop reason", stop_fault if exact else None, f"as the adapter's on {same} answers", "stop"),
    ]
    return [
        ParityCheck(
            name=name,
            artefact=level,
            passed=fault is None,
            detail=fault or good,
            cause=CAUSES[cause] if fault else None,
        )
        for name, fault, good, cause in results
    ]


def check_answers(ladder: Ladder, predictions: dict[str, Path], tolerance: float) -> list[ParityCheck]:
    """The evaluated answers against those of each level, on the test rows that the levels were asked.

    16 bit must say the same on all but ``tolerance`` of the rows; it fails when more answers differ than chance makes of
    that share (lower end of the 95 % interval), because 1 of 12 rows says little: two engines round differently, and an
    answer that hangs by a hair may fall the other way. A quantized level may word an answer differently; its score must
    stay within the tolerance, or it must not be the one that ships.
    """
    tuned = {row["id"]: row for row in read_jsonl(predictions["tuned"]) if row["kind"] == "test"}
    f16 = next(level.score.value for level in ladder.levels if level.level == "f16")
    checks = []
    for level in ladder.levels:
        found = {row["id"]: row for row in read_jsonl(predictions[level.level])}
        tuned = {key: row for key, row in tuned.items() if key in found}
        same = {
            key
            for key in tuned
            if get_outcome(found[key]) == get_outcome(tuned[key]) and found[key]["stopped"] == tuned[key]["stopped"]
        }
        share = len(same) / len(tuned)
        lost = f16 - level.score.value  # on the same rows, which may be fewer than the adapter was evaluated on
        ships = level.level == ladder.recommended
        differing = get_score([float(key not in same) for key in tuned], 0.95)
        good = differing.low <= tolerance if level.level == "f16" else lost <= tolerance + 1e-9 or not ships
        what = "answers" if not {"retrieval", "scores"} & set(next(iter(found.values()))) else "outcomes"
        detail = f"{share:.1%} of the {what} are the evaluated ones, score {level.score.value:.1%} ({0.0 - lost:+.1%})".replace(
            "%", " %"
        )
        if not good:
            key = next(key for key in tuned if key not in same)
            detail += f"; first difference: {_show(found[key])} instead of {_show(tuned[key])}"
        checks.append(
            ParityCheck(
                name="answers",
                artefact=level.level,
                passed=good,
                detail=detail,
                cause=None if good else CAUSES["answers"],
            )
        )
    return checks


def _show(prediction: dict[str, Any]) -> str:
    outcome = get_outcome(prediction)
    return repr(outcome[:80] if isinstance(outcome, str) else outcome)


def _drop_cut_character(text: str, stopped: bool) -> str:
    """An answer without white space around it; where the limit cut a character of several tokens, a server sends nothing of it."""
    return (text if stopped else text.rstrip("\ufffd")).strip()


def is_same_text(ours: str, served: str) -> bool:
    """Whether two programs printed the same tokens. Bytes that are no text are printed differently: the tokenizer shows every byte of
    such a run as a replacement character, also those that would be letters by themselves; llama.cpp only the bad ones."""
    if ours == served or "\ufffd" not in ours:
        return ours == served
    pattern = "".join(
        f"[\\s\\S]{{1,{len(part)}}}" if part[0] == "\ufffd" else re.escape(part)
        for part in re.findall("\ufffd+|[^\ufffd]+", ours)
    )
    return re.fullmatch(pattern, served) is not None


def is_part(found: list[int], wanted: list[int]) -> bool:
    """Whether the tokens ``found`` stand in ``wanted`` in this order: llama-server leaves out those that end in the middle of a character."""
    rest = iter(wanted)
    return all(token in rest for token in found)


def _count_leading(ids: list[int], token: int) -> int:
    return next((i for i, value in enumerate(ids) if value != token), len(ids))


def _get_difference(wanted: str, found: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b), min(len(wanted), len(found)))
    return f"from character {at + 1}: {found[at : at + 40]!r} instead of {wanted[at : at + 40]!r}"
