"""Renders conversations with the recorded chat template, without the tokenizer of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gaslamp.core.contracts import Template
from gaslamp.core.errors import GaslampError

_PROBE = "gaslamp-probe"
Messages = list[dict[str, str]]


def get_renderer(template: Template) -> Callable[[Messages], str]:
    """A function that renders messages with the recorded Hugging Face template, the generation prompt included."""
    import jinja2
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks trained text; it renders as what it encloses."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    try:
        compiled = environment.from_string(template.chat_template)
    except jinja2.TemplateError as error:
        raise GaslampError(
            f"the chat template does not parse: {error}", "fix chat_template in the model's tokenizer_config.json"
        ) from error

    def render(messages: Sequence[Mapping[str, object]]) -> str:
        return compiled.render(
            messages=messages,
            add_generation_prompt=True,
            bos_token=template.bos_token or "",
            eos_token=template.eos_token,
        )

    # templates of vision models take a turn's content as a list of parts, and drop or refuse plain text
    try:
        takes_text = _PROBE in render([{"role": "user", "content": _PROBE}])
    except jinja2.TemplateError:
        takes_text = False
    if takes_text:
        return render
    return lambda messages: render(
        [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]
    )
