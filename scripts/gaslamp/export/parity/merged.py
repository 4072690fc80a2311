"""Adapter on top of the base, and the merged folder: both must give, token for token, the evaluated answers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gaslamp.core.contracts import ModelFacts, ParityCheck, Template
from gaslamp.core.files import read_json, read_jsonl
from gaslamp.export.parity.checks import make_check
from gaslamp.export.parity.prompts import Prompt
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_evaluated, load_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MERGED_TIE = 0.02
"""Log-probabilities (nats) that differ by less are a tie: 16-bit rounding may choose either token."""
ANSWER_TOKENS = 16
"""Length of the greedy answers to the prompts that have no evaluated answer."""
RANKED = 20
"""Most likely tokens of each step that are kept."""


class AnsweredPrompt(NamedTuple):
    """A prompt with the token ids of an answer, the end token included when the answer ended by itself."""

    prompt: Prompt
    ids: list[int]


@dataclass
class Reference:
    """The adapter's own greedy answer to a prompt."""

    ids: list[int]  # without the end token
    stopped: bool  # it ended by itself
    ranked: list[dict[int, float]]  # step -> token -> how much less likely than the best (nats), best 0

    def get_gap(self, ids: list[int]) -> tuple[int, float] | None:
        """Position and gap (nats) of the first token of ``ids`` that is another one; None when there is none."""
        for position, (token, own) in enumerate(zip(ids, self.ids, strict=False)):
            if token != own:
                known = self.ranked[position]
                return position, known.get(token, max(known.values()))
        return None


def get_evaluated(
    renderer: Renderer, template: Template, test: Path, predictions: Path, prompts: list[Prompt], count: int
) -> list[AnsweredPrompt]:
    """The first test rows with the answers that were evaluated.

    Args:
        renderer, template: as recorded by the data phase.
        test: data/test.jsonl.
        predictions: of the tuned model.
        prompts: begin with those of the test rows.
        count: most test rows to take.
    """
    answers = {row["id"]: row for row in read_jsonl(predictions)}
    found = []
    for prompt, row in zip(prompts, islice(read_jsonl(test), count), strict=False):
        answer = answers[row["id"]]
        ids = answer["ids"] if "ids" in answer else renderer.tokenize(answer["text"])
        found.append(AnsweredPrompt(prompt, ids + ([template.eos_id] if answer["stopped"] else [])))
    return found


def check_merged(
    facts: ModelFacts,
    template: Template,
    renderer: Renderer,
    adapters: Path,
    merged: Path,
    evaluated: list[AnsweredPrompt],
    others: list[Prompt],
) -> tuple[list[ParityCheck], dict[str, Reference]]:
    """Do adapter and merged model give the same answers?

    Both read prompt and evaluated answer in one forward pass; greedy decoding gives that answer exactly when the most
    likely token is its next token at every position, the end token included. The adapter also answers ``others``, and
    the merged model must agree with those answers too.

    Returns:
        The checks, and the adapter's answers to ``others`` by name.
    """
    net = load_evaluated(facts, adapters, merge=False)
    checks = [compare_answers(net, "adapter", evaluated, renderer)]
    references = answer_greedily(net, others, template)
    del net
    own = []
    for prompt in others:
        reference = references[prompt.name]
        own.append(AnsweredPrompt(prompt, reference.ids + ([template.eos_id] if reference.stopped else [])))
    net = load_folder(merged)
    checks.append(compare_answers(net, "merged", [*evaluated, *own], renderer))
    del net
    return [*checks, _check_end_token(merged, template)], references


def _check_end_token(merged: Path, template: Template) -> ParityCheck:
    tokenizer = load_tokenizer(merged)
    ends = read_json(merged / "generation_config.json").get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    detail = (
        f"tokenizer {tokenizer.eos_token}, generation {ends}; trained with {template.eos_token}, {template.stop_ids}"
    )
    is_good = tokenizer.eos_token_id == template.eos_id and ends == template.stop_ids
    return make_check("end token", "merged", None if is_good else detail, detail, "eos")


def compare_answers(
    net: PreTrainedModel, artefact: str, answered: list[AnsweredPrompt], renderer: Renderer
) -> ParityCheck:
    """Would ``net`` give exactly these answers, greedily? A gap below MERGED_TIE counts as the same token."""
    import torch

    same = ties = total = 0
    fault = None
    for prompt, answer in answered:
        if not answer:
            continue
        with torch.inference_mode():
            # logits of the answer only: the vocabulary is most of a small model's work
            logits = net(
                input_ids=torch.tensor([prompt.ids + answer]),
                logits_to_keep=len(answer) + 1,
                **prompt.get_inputs(len(answer)),
            ).logits[0, :-1]
        ranked = torch.log_softmax(logits.float(), dim=-1)
        wanted = torch.tensor(answer)
        gap = ranked.max(dim=-1).values - ranked.gather(1, wanted[:, None])[:, 0]
        total += len(answer)
        same += int((gap == 0).sum())
        ties += int(((gap > 0) & (gap < MERGED_TIE)).sum())
        wrong = (gap >= MERGED_TIE).nonzero()
        if len(wrong) and fault is None:
            position = int(wrong[0])
            got, want = (renderer.tokenizer.decode([int(t)]) for t in (ranked[position].argmax(), wanted[position]))
            fault = f"{prompt.name}, token {position + 1}: {got!r} instead of {want!r}"
    detail = f"{same + ties} of {total} answer tokens are the evaluated ones{f' ({ties} ties)' if ties else ''}"
    return make_check("answers", artefact, fault, detail, "adapter" if artefact == "adapter" else "merge")


def answer_greedily(net: PreTrainedModel, prompts: list[Prompt], template: Template) -> dict[str, Reference]:
    """The greedy answers of ``net`` by name, at most ANSWER_TOKENS long.

    Prompts of similar length are one batch; those with images are answered one at a time.
    """
    found: dict[str, Reference] = {}
    batch: list[Prompt] = []
    for prompt in sorted(prompts, key=lambda prompt: len(prompt.ids)):
        if prompt.has_images:
            found |= _answer_batch(net, [prompt], template)
            continue
        if batch and len(prompt.ids) > 2 * len(batch[0].ids):
            found |= _answer_batch(net, batch, template)
            batch = []
        batch.append(prompt)
    return found | (_answer_batch(net, batch, template) if batch else {})


def _answer_batch(net: PreTrainedModel, prompts: list[Prompt], template: Template) -> dict[str, Reference]:
    import torch

    width = max(len(prompt.ids) for prompt in prompts)
    padded = torch.tensor([[template.pad_id] * (width - len(prompt.ids)) + prompt.ids for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts])
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
            **(prompts[0].get_inputs() if len(prompts) == 1 else {}),
        )
    steps = [torch.log_softmax(step.float(), dim=-1).topk(min(RANKED, step.shape[-1])) for step in made.logits]
    references = {}
    for row, prompt in enumerate(prompts):
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
        references[prompt.name] = Reference(ids[:length], end is not None, ranked)
    return references
