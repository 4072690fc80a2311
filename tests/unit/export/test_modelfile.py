"""The Modelfile says the recorded template, or nothing."""

from __future__ import annotations

from pathlib import Path

import facts
import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.export.exporters import ollama
from gaslamp.export.modelfile.families import CHATS, detect_family
from gaslamp.export.modelfile.quoting import quote, to_go
from gaslamp.export.modelfile.rendering import get_renderer

QWEN = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a helper.<|im_end|>\\n' }}{%- endif %}"
    "{%- for m in messages %}"
    "{%- if m.role != 'system' %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}"
    "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA_DATE = (
    "{{ bos_token }}{% set s = messages[0].content if messages[0].role == 'system' else '' %}"
    "<|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n{{ s }}<|eot_id|>"
    "{% for m in messages if m.role != 'system' %}<|start_header_id|>"
    "{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{% for m in messages %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content }}<end_of_turn>\n{% endfor %}{{ '<start_of_turn>model\n' }}"
)
GEMMA3 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set p = messages[0].content + '\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set p = '' %}{% set rest = messages %}{% endif %}{% for m in rest %}<start_of_turn>"
    "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ p if loop.first else '' }}"
    "{{ m.content }}<end_of_turn>\n{% endfor %}"
    "{{ '<start_of_turn>model\n' }}"
)
LAST = (
    "{{ bos_token }}{% set turns = messages[1:] if messages[0].role == 'system' else messages %}{% for m in turns %}"
    "{% if m.role == 'user' %}{{ '[INST] ' }}"
    "{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}"
    "{{ m.content + '[/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('roles') }}{% endif %}{% endfor %}"
)
GENERATION = facts.CHATML.replace("{{ m['content'] }}", "{% generation %}{{ m['content'] }}{% endgeneration %}")


@pytest.mark.parametrize(
    ("text", "family", "default", "bos", "eos"),
    [
        (facts.CHATML, "ChatML", facts.SYSTEM_PROMPT, "<|im_start|>", "<|im_end|>"),
        (GENERATION, "ChatML", facts.SYSTEM_PROMPT, "<|im_start|>", "<|im_end|>"),
        (QWEN, "ChatML", "You are a helper.", None, "<|im_end|>"),
        (LLAMA, "Llama 3", "", "<|begin_of_text|>", "<|eot_id|>"),
        (LLAMA_DATE, "Llama 3", "", "<|begin_of_text|>", "<|eot_id|>"),
        (GEMMA, "Gemma", "", "<bos>", "<end_of_turn>"),
        (GEMMA3, "Gemma", "", "<bos>", "<end_of_turn>"),
        (LAST, "Mistral (v3)", "", "<s>", "</s>"),
        (LAST.replace("[INST] ", "[INST]").replace("' ' + ", ""), "Mistral (Tekken)", "", "<s>", "</s>"),
        (MISTRAL, "Derived", "", "<s>", "</s>"),  # Mistral's own place of a system prompt is the last question
    ],
)
def test_families(text: str, family: str, default: str, bos: str | None, eos: str) -> None:
    found = detect_family(facts.template(text, bos_token=bos, eos_token=eos))
    assert (found.family.name, found.default) == (family, default)


def test_date_before_the_system_prompt_is_kept() -> None:
    template = facts.template(LLAMA_DATE, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    found = detect_family(template)
    assert "Today Date: 26 Jul 2024\n\n{{ .System }}" in found.get_template(adds_bos=True)
    assert "{{ if .System }}" not in found.get_template(adds_bos=True)


def test_the_bos_token_is_written_where_llama_cpp_does_not_add_it() -> None:
    found = detect_family(facts.template(LLAMA, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>"))
    assert found.get_template(adds_bos=False) == "<|begin_of_text|>" + found.get_template(adds_bos=True)


def make(system: str | None = None, level: str = "recommended", **changes: object) -> str:
    return ollama.export(facts.parity(**changes), facts.ladder(), facts.template(), level, 4096, system)


def test_text() -> None:
    text = make()
    assert "FROM ./model-q8_0.gguf" in text and "PARAMETER num_ctx 4096" in text
    assert f'SYSTEM """{facts.SYSTEM_PROMPT}"""' in text
    assert text.count('PARAMETER stop "<|im_end|>"') == 1 and 'PARAMETER stop "<|im_start|>"' in text
    assert 'SYSTEM """Answer in JSON."""' in make("Answer in JSON.")
    assert "FROM ./model-f16.gguf" in make(level="f16")


def test_failed_parity_is_refused_unless_overridden() -> None:
    with pytest.raises(GaslampError, match="parity"):
        make(passed=False)
    assert make(passed=False, override="export.parity")


PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
ZEPHYR = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}<|assistant|>\n"
LLAMA2 = (
    "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set s = messages[0].content %}"
    "{% else %}{% set rest = messages %}{% set s = '' %}{% endif %}"
    "{% for m in rest %}{% if m.role == 'user' %}{{ bos_token }}[INST] "
    "{{ '<<SYS>>\\n' + s + '\\n<</SYS>>\\n\\n' if s and loop.first else '' }}{{ m.content }} [/INST]"
    "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}</s>{% endfor %}<assistant>"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}"
    "{% elif m.role == 'user' %}<｜User｜>{{ m.content }}{% else %}<｜Assistant｜>{{ m.content }}{{ eos_token }}"
    "{% endif %}{% endfor %}<｜Assistant｜><think>\n"
)


@pytest.mark.parametrize(
    "text", [PHI, ZEPHYR, LLAMA2, NO_SYSTEM, DEEPSEEK], ids=["phi", "zephyr", "llama2", "no", "r1"]
)
def test_a_template_without_a_family_is_derived(text: str) -> None:
    """The texts between the turns, as Go text; a twin in Python renders what the template renders."""
    template = facts.template(text, bos_token="<s>", eos_token="</s>")
    found = detect_family(template)
    assert found.family.name == "Derived" and found.takes_system == (text != NO_SYSTEM)
    render = get_renderer(template)
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert found.cut + found.family.render(chat, "", "") == render(chat)
    if found.takes_system:
        with_system = render([{"role": "system", "content": "Be brief."}, *chat])
        assert found.cut + found.family.render(chat, "Be brief.", "") == with_system
    else:
        assert found.family.render(chat, "Be brief.", "") == render(
            [{**chat[0], "content": "Be brief.\n\na"}, *chat[1:]]
        )


def test_the_derived_go_text() -> None:
    found = detect_family(facts.template(PHI, eos_token="<|end|>"))
    assert found.get_template(adds_bos=False) == (
        "{{ if .System }}<|system|>\n{{ .System }}<|end|>\n<|user|>\n{{ else }}<|user|>\n{{ end }}"
        '{{ $first := true }}{{ range .Messages }}{{ if eq .Role "user" }}{{ if not $first }}<|end|>\n<|user|>\n'
        '{{ end }}{{ $first = false }}{{ .Content }}{{ else if eq .Role "assistant" }}<|end|>\n<|assistant|>\n'
        "{{ .Content }}{{ end }}{{ end }}<|end|>\n<|assistant|>\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "### Human: {{ messages[0].content }}",  # later turns are lost
        "{% for",
        "{{ raise_exception('no') }}",
        "{% for m in messages %}{{ loop.length }}{{ m.role }}{{ m.content }}{% endfor %}",  # changes earlier turns
    ],
)
def test_a_template_that_nothing_renders_costs_the_modelfile_only(text: str) -> None:
    template = facts.template(text)
    with pytest.raises(GaslampError) as caught:
        detect_family(template)
    assert caught.value.fix
    written = ollama.export(facts.parity(), facts.ladder(), template, "recommended", 4096, None)
    assert written.startswith("# No Modelfile: ") and all(line.startswith("# ") for line in written.splitlines())
    assert not ollama.is_complete(written)


def test_a_system_prompt_for_a_template_without_one() -> None:
    template = facts.template(GEMMA, bos_token="<bos>")
    text = ollama.export(facts.parity(), facts.ladder(), template, "recommended", 4096, "hi")
    assert "data.system_as_user: true" in text and not ollama.is_complete(text)


@pytest.mark.parametrize(
    ("text", "family"), [(GEMMA, "Gemma"), (MISTRAL, "Derived"), (GEMMA3, "Gemma"), (QWEN, "Derived")]
)
def test_a_system_prompt_in_the_first_user_turn(text: str, family: str) -> None:
    """data.system_as_user: Ollama puts it where the rows have it, also for a template that has a system turn."""
    template = facts.template(text, bos_token="<bos>", eos_token="</s>")
    found = detect_family(template, as_user=True)
    assert found.family.name == family and not found.default
    render = get_renderer(template)
    for chat in CHATS:
        trained = render([{"role": "user", "content": "Be brief.\n\n" + chat[0]["content"]}, *chat[1:]])
        assert trained.removeprefix(found.cut) == found.family.render(chat, "Be brief.", found.family.preamble)
    known = facts.parity(), facts.ladder(), template, "recommended", 4096, "Be brief."
    written = read_modelfile(ollama.export(*known, as_user=True))
    assert written["SYSTEM"] == "Be brief." and "{{ .System }}\n\n" in written["TEMPLATE"].replace("$.", ".")


def read_modelfile(text: str) -> dict[str, str]:
    """The commands of a Modelfile, by the rules of Ollama's parser."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, _, value = line.partition(" ")
        while value.strip().startswith('"""') and not (len(value.strip()) >= 6 and value.strip().endswith('"""')):
            value += "\n" + next(lines)
        value = value.strip()
        found[name] = value[3:-3] if value.startswith('"""') else value
    return found


@pytest.mark.parametrize(
    "system",
    [
        'Reply only with "yes" or "no"',
        '"Quoted" from the start',
        'two\n"lines"',
        'three """ inside',
        "tab\tand \\ {{ }}",
        '"',
    ],
)
def test_system_prompts_with_quotes(system: str) -> None:
    found = read_modelfile(make(system))
    assert found["SYSTEM"] == system and found["TEMPLATE"].endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize("system", ['ends """\nin a line', '"""\nx', "zero\u200bwidth", "cr\rlf"])
def test_what_a_modelfile_cannot_hold_is_said(system: str) -> None:
    assert quote(system) is None
    assert "Ollama would read another SYSTEM" in make(system)


def test_go_text_that_is_no_command() -> None:
    assert to_go("<|a|>\n") == "<|a|>\n"
    assert to_go('{{ "x" }}') == '{{ "{\\u007b \\"x\\" }\\u007d" }}'
    assert to_go("\u200b") == '{{ "\\U0000200b" }}'


def test_verify_reads_the_vocabulary(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    assert any("does not exist" in problem for problem in _written(tmp_path))
    for tokens, expected in ((["<|im_start|>", "<|im_end|>"], 0), (["<|im_end|>"], 1)):
        writer = gguf.GGUFWriter(tmp_path / "model-q8_0.gguf", "llama")
        writer.add_token_list(tokens)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        problems = _written(tmp_path)
        assert len(problems) == expected, problems


def _written(folder: Path) -> list[str]:
    (folder / "Modelfile").write_text(make(), encoding="utf-8")
    return ollama.verify(folder / "Modelfile")
