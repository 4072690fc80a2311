"""All that is asked of one model: answers, and how likely it finds given texts. Finished rows outlive a kill and are not asked again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.core.console import Progress
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.data.rows import Row, get_images, get_kind, get_prompt, get_reference
from gaslamp.evaluate.decode import Sampling, decode
from gaslamp.evaluate.finished import Finished
from gaslamp.evaluate.measure import WINDOW, Sequence, get_continuation, get_likelihoods, get_scores, get_windows
from gaslamp.evaluate.metric import choose_metrics, get_measures
from gaslamp.evaluate.probe import find_batch_size
from gaslamp.evaluate.questions import (
    Question,
    get_prediction,
    get_retention_questions,
    get_row_questions,
    read_retention,
)
from gaslamp.models.template import Renderer
from gaslamp.train.method import get_evaluation_options

Measures = dict[str, dict[str, Any]]
LIKELIHOOD_BATCH = 8


def evaluate_model(settings: Any, model: Path, adapters: Path | None, test: Path, template: Path, out: Path) -> None:
    """Ask base (no adapter) or tuned and write one prediction a line.

    Args:
        settings: slice with method, train.rewards, train.options, for an encoder train.max_length, and of eval: metrics, options,
            max_new_tokens, sampling, batch_size, retention, retention_file.
        model, test, template: files of the earlier phases.
        adapters: what training left, or ``None``.
        out: predictions file; finished rows of a killed run are kept beside it and not asked again.
    """
    facts, recorded = ModelFacts.read(model), Template.read(template)
    if sha256_text(recorded.chat_template) != recorded.sha256:
        raise GaslampError(
            f"the chat template in {template} is not the one that was recorded: the model would be asked otherwise than it was trained",
            f"delete {template} and run the same command: the data phase writes it again",
        )
    rows, artefact = list(read_jsonl(test)), getattr(registry.get("methods", settings.method), "ARTEFACT", "causal_lm")
    measures = get_measures(choose_metrics(settings, rows))
    renderer = Renderer.load(facts.path, recorded)
    sampling = Sampling(**settings.eval.sampling.dump())
    own = Path(settings.eval.retention_file) if settings.eval.retention_file else None
    questions: list[Question] = []
    if artefact == "causal_lm" and "answer" in measures:
        questions = get_row_questions(rows, renderer.tokenize, settings.eval.max_new_tokens)
        # a model that learns running text answers nothing of its own, but what it forgot is asked all the same
        questions += get_retention_questions(own) if settings.eval.retention else []
    sizes = get_evaluation_options(settings.method, settings.train.options)
    texts = get_texts(rows, measures, renderer, recorded, facts.context, artefact)
    key = sha256_text(
        json.dumps(
            [
                facts.sha256,
                recorded.sha256,
                sha256_path(test),
                settings.eval.max_new_tokens,
                sha256_path(adapters) if adapters else None,
                measures,
                settings.eval.sampling.dump(),
                settings.eval.retention,
                read_retention(own) if settings.eval.retention else None,
                sizes,
                settings.train.max_length if artefact == "encoder" else None,
            ]
        )
    )[:12]
    with Finished(out, key) as finished:
        waiting = [question for question in questions if ("answer", question.id) not in finished.known]
        unread = [text for text in texts if text.key not in finished.known]
        ranked = "retrieval" in measures and artefact == "encoder"
        if waiting or unread or ranked:
            from gaslamp.evaluate.loading import load_evaluated

            net = load_evaluated(facts, adapters, artefact)
            ask = Asker(
                net, renderer, recorded, sampling, settings.eval.batch_size, test.parent, Path(facts.path), sizes
            )
            for prediction in ask.answer(waiting, len(questions) - len(waiting)):
                finished.add(("answer", prediction["id"]), prediction)
            for text, value in ask.read(unread, artefact):
                finished.add(text.key, value)
            if ranked:
                from gaslamp.evaluate.retrieval import embed, rank

                options = settings.train.options
                encode = partial(
                    embed,
                    net,
                    renderer.tokenizer,
                    pooling=options.get("pooling", "mean"),
                    max_length=settings.train.max_length,
                )
                for row_id, value in rank(rows, encode):
                    finished.add(("retrieval", row_id), value)
        write_jsonl(out, finished.merge(rows, questions))


@dataclass(frozen=True)
class Text:
    """A text whose likelihood (or score) is asked: ``key`` = what, row, name [, number of the window]."""

    key: tuple[str, ...]
    sequence: Sequence = field(compare=False)


def get_texts(
    rows: list[Row], measures: Measures, renderer: Renderer, template: Template, context: int | None, artefact: str
) -> list[Text]:
    """Every text that the measures need, as tokens.

    ``reference`` (or ``text``), ``chosen``, ``rejected``, ``completion`` and ``choice:<text>`` are the names that metrics
    find in ``prediction["likelihood"]``; a classifier's go to ``prediction["scores"]``.
    """
    texts = []
    for row in rows:
        kind, continuations = get_kind(row), {}
        if artefact == "encoder":
            continue
        if "reference" in measures and kind == "text":
            limit = min(WINDOW, context or WINDOW)
            for number, window in enumerate(get_windows(renderer.tokenize(row["text"]), template.bos_id, limit)):
                texts.append(Text(("likelihood", row["id"], "text", str(number)), window))
            continue
        if get_images(get_prompt(row)):
            continue  # images become tokens in the model's processor: such rows are judged by their answers
        if "reference" in measures and (reference := get_reference(row)) is not None:
            continuations["reference"] = [{"role": "assistant", "content": reference}]
        if "preference" in measures and kind == "preference":
            continuations |= {"chosen": row["chosen"], "rejected": row["rejected"]}
        if "preference" in measures and kind == "rating":
            continuations["completion"] = row["completion"]
        if "choices" in measures:
            for choice in get_choices(row, rows, measures["choices"]):
                continuations[f"choice:{choice}"] = [{"role": "assistant", "content": choice}]
        for name, messages in continuations.items():
            sequence = (
                _encode_scored(renderer, row, messages, context)
                if artefact == "classifier"
                else _encode(renderer, row, messages, context)
            )
            texts.append(Text(("score" if artefact == "classifier" else "likelihood", row["id"], name), sequence))
    return texts


def _encode(renderer: Renderer, row: Row, completion: list[dict[str, Any]], context: int | None) -> Sequence:
    """Prompt and completion as they are trained: the end of the answer belongs to it."""
    tools = {"tools": row["tools"]} if row.get("tools") else {}
    encoded = renderer.encode([*get_prompt(row), *completion], **tools)
    start = max((n for n, trained in enumerate(encoded.trained) if not trained), default=-1) + 1
    return get_continuation(encoded.ids[:start], encoded.ids[start:], None, context)


def _encode_scored(renderer: Renderer, row: Row, completion: list[dict[str, Any]], context: int | None) -> Sequence:
    """The whole conversation as a reward model was trained on it: it is scored at the very last token of the template, which may
    stand behind the end of the answer."""
    ids = renderer.tokenize(renderer.render([*get_prompt(row), *completion], generate=False, tools=row.get("tools")))
    return Sequence(ids[-context:] if context else ids, 1)


def get_choices(row: Row, rows: list[Row], options: dict[str, Any]) -> list[str]:
    """The answers a row may have: of the option ``choices``, of a column, or all references of the test set."""
    if options.get("choices"):
        return [str(choice) for choice in options["choices"]]
    if column := options.get("column"):
        value = row.get("columns", {}).get(column, "")
        parts = (
            value
            if isinstance(value, list)
            else json.loads(value)
            if str(value).lstrip().startswith("[")
            else str(value).split("|")
        )
        return [str(part).strip() for part in parts]
    return sorted({reference.strip() for other in rows if (reference := get_reference(other)) is not None})


class Silence(Progress):
    """A progress that is not told."""

    def update(self, done: int, extra: str = "") -> None:
        """Nothing."""


@dataclass
class Asker:
    """One loaded model and what its prompts are rendered with."""

    model: Any
    renderer: Renderer
    template: Template
    sampling: Sampling
    batch_size: int | None
    folder: Path  # image paths in rows are relative to it
    model_path: Path
    sizes: dict[str, int] = field(
        default_factory=dict
    )  # shortest and longest of images, in pixels, as in training; empty: as they are
    quiet: bool = False  # no progress lines

    def answer(self, questions: list[Question], before: int = 0) -> Iterator[dict[str, Any]]:
        """Yield one prediction for each question as it ends; ``before``: answered earlier, for the progress line."""
        seeing = [question for question in questions if get_images(question.messages)]
        if seeing:
            from gaslamp.evaluate.vision import answer_images

            yield from answer_images(self, seeing)
            before, questions = (
                before + len(seeing),
                [question for question in questions if not get_images(question.messages)],
            )
        prompts = [self._encode(question) for question in questions]
        if not prompts:
            return
        limits = [question.max_tokens for question in questions]
        size = self.batch_size or find_batch_size(self.model, prompts, limits, self.template.pad_id)
        progress = self.get_progress("answer", before + len(questions))
        progress.update(before)
        answers = decode(self.model, prompts, limits, self.template.stop_ids, self.template.pad_id, size, self.sampling)
        for done, answer in enumerate(answers, before + 1):
            text = self.renderer.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            yield get_prediction(
                questions[answer.index], text, answer.stopped, len(answer.tokens), answer.seconds, list(answer.tokens)
            )
            progress.update(done)

    def get_progress(self, what: str, total: int) -> Progress:
        """Progress lines, or none for a quiet one."""
        return Silence(what, total) if self.quiet else Progress(what, total)

    def _encode(self, question: Question) -> list[int]:
        tools = {"tools": question.tools} if question.tools else {}
        return self.renderer.encode_prompt(question.messages, **tools)

    def read(self, texts: list[Text], artefact: str = "causal_lm") -> Iterator[tuple[Text, dict[str, Any]]]:
        """Yield what the model makes of each text, batch by batch."""
        if not texts:
            return
        size = min(self.batch_size or LIKELIHOOD_BATCH, LIKELIHOOD_BATCH)
        progress = Progress("read", len(texts))
        progress.update(0)
        if artefact == "classifier":
            pad = self.template.pad_id
            self.model.config.pad_token_id = pad
            for done, (number, score) in enumerate(
                get_scores(self.model, [text.sequence.ids for text in texts], pad, size), 1
            ):
                yield texts[number], {"score": score}
                progress.update(done)
            return
        found = get_likelihoods(self.model, [text.sequence for text in texts], self.template.pad_id, size)
        for done, (number, logp, tokens) in enumerate(found, 1):
            yield texts[number], {"logp": logp, "tokens": tokens}
            progress.update(done)


def generate(
    model: Any, renderer: Renderer, template: Template, questions: list[Question], batch_size: int | None
) -> Iterator[dict[str, Any]]:
    """Yield one greedy prediction for each text question, as it ends."""
    return Asker(model, renderer, template, Sampling(), batch_size, Path(), Path()).answer(questions)
