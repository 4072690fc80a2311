"""The Modelfile says the recorded template, or nothing."""

from __future__ import annotations

from pathlib import Path

import facts
import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.export.exporters import ollama

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
        (MISTRAL, "Mistral", "", "<s>", "</s>"),
    ],
)
def test_families(text: str, family: str, default: str, bos: str | None, eos: str) -> None:
    found, system, _ = ollama.detect_family(facts.template(text, bos_token=bos, eos_token=eos))
    assert (found.name, system) == (family, default)


def test_date_before_the_system_prompt_is_kept() -> None:
    template = facts.template(LLAMA_DATE, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    family, _, _ = ollama.detect_family(template)
    assert "Today Date: 26 Jul 2024\n\n{{ .System }}" in family.get_template()
    assert "{{ if .System }}" not in family.get_template()


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


@pytest.mark.parametrize(
    "text",
    ["### Human: {{ messages[0].content }}", "{% for", "{{ raise_exception('no') }}", facts.CHATML.replace("\n", " ")],
)
def test_unknown_template_is_refused(text: str) -> None:
    with pytest.raises(GaslampError) as caught:
        ollama.detect_family(facts.template(text))
    assert caught.value.fix


def test_system_prompt_for_a_template_without_one_is_refused() -> None:
    with pytest.raises(GaslampError, match="refuses system prompts"):
        ollama.export(
            facts.parity(), facts.ladder(), facts.template(GEMMA, bos_token="<bos>"), "recommended", 4096, "hi"
        )


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
