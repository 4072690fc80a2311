"""What a generation says: before it begins, when it ends, and when nothing came of it."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.data.generation.facts import Generation
from gaslamp.data.generation.replies import Rejected
from gaslamp.data.generation.requests import Brief, make_request
from gaslamp.data.generation.sender import LETTERS, Sender
from gaslamp.models.endpoint import EndpointClient, is_loopback


def announce(brief: Brief, sender: Sender, writer: EndpointClient, judge: EndpointClient | None) -> None:
    """What is sent where, how much at least and at most, and what that costs."""
    settings, price = brief.settings, brief.settings.price
    if not (brief.seeds or brief.documents):
        say("warning: neither data.generate.seeds nor documents: the model knows the task only by its sentence")
    for client in {one.url: one for one in (writer, judge) if one}.values():
        if not is_loopback(client.url):
            what = [f"{len(brief.seeds)} example rows"] * bool(brief.seeds)
            what += [f"{len(brief.documents)} pieces of documents"] * bool(brief.documents)
            say(f"{client.url} is another machine: the task{''.join(f', {one}' for one in what)} are sent there")
    if sender.kept:
        say(f"{sender.kept} replies of an earlier start are kept: they are not requested again")
    least = settings.rows * (2 if judge else 1)
    prompt = sum(len(str(turn["content"])) for turn in make_request(brief, 0).messages) / LETTERS
    tokens = least * (prompt + settings.max_tokens / 2)
    text = f"{settings.rows} rows: {least} requests or more, {settings.limits.requests} at most"
    text += f"; about {tokens:,.0f} tokens"
    if price.input or price.output:
        cost = least * (prompt * price.input + settings.max_tokens / 2 * price.output) / 1e6
        most = settings.limits.cost
        text += f", {_show_cost(cost)}" + (f", {_show_cost(most)} at most" if most else "")
    elif not all(is_loopback(one.url) for one in (writer, judge) if one):
        text += "; data.generate.price is not set, so the cost is not known"
    say(text)


def report(facts: Generation, sender: Sender, price: Slice) -> None:
    """What came of it, and what it cost."""
    rejected = ", ".join(f"{count} {kind}" for kind, count in facts.rejected.items())
    say(f"{facts.accepted} of {facts.wanted} rows passed; rejected: {rejected or 'none'}")
    about = "about " if facts.estimated else ""
    cost = f", {_show_cost(facts.cost)}" if price.input or price.output else ""
    say(
        f"{facts.requests} requests ({sender.fresh.requests} of them now), {about}{facts.prompt_tokens:,} tokens read "
        f"and {facts.completion_tokens:,} written{cost}"
    )
    if facts.stopped:
        say(f"warning: {facts.accepted} rows instead of {facts.wanted}: {facts.stopped}")


def _show_cost(dollars: float) -> str:
    return f"${dollars:.2f}" if dollars >= 0.01 else f"${dollars:.4f}"


def get_fruitless(facts: Generation, rejected: list[Rejected], file: Path) -> GaslampError:
    """No row passed: the usual reason decides the advice."""
    reasons = list(facts.rejected)
    first = next((one.reason for one in rejected if one.kind == reasons[0]), "")
    fixes = {
        "judge": "read the reasons in {file}; add data.generate.seeds, take a stronger model, or lower judge.threshold",
        "no score": "take a judge that follows instructions: data.generate.judge.endpoint",
        "near copy": "add documents, styles or higher temperatures: the model repeats itself",
        "cut": "raise data.generate.max_tokens",
        "refused": "shorten the task, the seeds or the documents, or serve with a larger context",
    }
    fix = fixes.get(
        reasons[0] if reasons else "", "take a stronger model: this one does not write the JSON that is wanted"
    )
    why = f"{reasons[0]}; the first: {first}" if reasons else facts.stopped
    return GaslampError(
        f"none of {len(rejected)} generated rows passed: {why}",
        fix.format(file=file),
        f"{facts.stopped}; what came is kept" if facts.stopped else None,
    )
