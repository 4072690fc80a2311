"""The lines of the plan that people see in the result: language, demo page, theme, where the model is served."""

from __future__ import annotations

from gaslamp.config.edit import CHOSEN
from gaslamp.guide.language import NAMES, detect, get_name
from gaslamp.guide.options import get_options
from gaslamp.guide.plan import Line, Situation
from gaslamp.guide.plugins import get_constant
from gaslamp.guide.task import get_domain
from gaslamp.pages.themes import ACCENTS


def choose_language(now: Situation) -> Line:
    """The language of the answers in the data, else of the task."""
    if wanted := now.wanted.get("language"):
        return Line("language", get_name(get_code(wanted) or wanted), CHOSEN, fixed=True)
    task, data = detect([now.task]), now.look.language
    if data:
        same = " and of the task" if task == data else f"; the task is written in {get_name(task)}" if task else ""
        return Line("language", get_name(data), f"the language of the answers in the data{same}")
    if task:
        return Line("language", get_name(task), "the language of the task")
    return Line("language", get_name("en"), "neither task nor data say another one clearly")


def get_code(name: str) -> str:
    """The code of a language by its code or name; empty when it is not known."""
    return next((code for code, known in NAMES.items() if name.lower() in (code.lower(), known.lower())), "")


def choose_demo_language(now: Situation, language: str) -> Line:
    """The language of the demo page: that of the answers where there is a page in it."""
    options = get_options("demo language")
    if wanted := now.wanted.get("demo language"):
        return Line("demo language", wanted, CHOSEN, {"demo.language": wanted}, options, fixed=True)
    code = get_code(language)
    if code in options:
        return Line("demo language", code, "the language of the answers", {"demo.language": code}, options)
    reason = f"the demo page has no {language} yet: one file in scripts/gaslamp/report/demo/languages adds it"
    return Line("demo language", "en", reason, {"demo.language": "en"}, options)


def choose_deploy(now: Situation, method: str) -> Line:
    """The formats that a model ends in, by what it gives: answers, scores or vectors."""
    options = get_options("deploy")
    if wanted := now.wanted.get("deploy"):
        names = [name.strip() for name in wanted.split(",")]
        return Line("deploy", ", ".join(names), CHOSEN, {"export.formats": names}, options, fixed=True)
    artefact = get_constant("methods", method, "ARTEFACT", "causal_lm")
    if artefact != "causal_lm":
        what = "vectors" if artefact == "encoder" else "scores"
        reason = f"llama.cpp serves the {what} on this machine"
        return Line("deploy", "gguf", reason, {"export.formats": ["gguf"]}, options)
    reason = "one file for llama.cpp (make deploy serves it here) and a Modelfile for Ollama"
    return Line("deploy", "gguf, ollama", reason, {"export.formats": ["gguf", "ollama"]}, options)


def choose_theme(now: Situation) -> Line:
    """The field of the task, which decides the colours of the demo page."""
    domain = now.wanted.get("theme") or get_domain(now.task)
    theme, accent = ACCENTS[domain][:2]
    reason = CHOSEN if "theme" in now.wanted else f"the task names the field {domain}"
    if domain == "general" and "theme" not in now.wanted:
        reason = "the task names no field"
    reason += f"; {theme}, {accent}"
    return Line("theme", domain, reason, {"project.domain": domain}, get_options("theme"), "theme" in now.wanted)
