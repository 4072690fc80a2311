"""The served endpoint as programs use it: the openai client, base and tuned from one process, refused requests."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import tiny
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.files import read_json, read_jsonl
from gaslamp.data.rows import get_prompt, get_text
from gaslamp.export.llamacpp import convert
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.serve.chat.columns import begins_alike

from browser.conftest import Served


def ask(client: Any, served: Served, prompt: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(
        model=served.state["alias"], messages=messages, temperature=0, max_tokens=8, **options
    )


def test_the_openai_client(served: Served) -> None:
    from openai import AuthenticationError, OpenAI

    client = OpenAI(base_url=f"{served.state['url']}/v1", api_key=served.key)
    assert [model.id for model in client.models.list()] == [served.state["alias"]]
    answer = ask(client, served, "5 scone for Ana")
    assert (
        answer.choices[0].message.content == "ok"
        and answer.choices[0].finish_reason == "stop"
        and answer.usage.completion_tokens == 3
    )
    parts = list(ask(client, served, "5 scone for Ana", stream=True, stream_options={"include_usage": True}))
    assert (
        "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == "ok"
        and parts[-1].usage.completion_tokens == 3
    )
    with pytest.raises(AuthenticationError):
        ask(OpenAI(base_url=f"{served.state['url']}/v1", api_key="wrong"), served, "x")


def test_what_base_read_never_reaches_a_client_that_names_no_scale(served: Served) -> None:
    """llama-server would reuse what another scale of the adapter left in its slot: the prompt as base read it."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{served.state['url']}/v1", api_key=served.key)
    base = served.state["requests"]["base"]
    for prompt in ("5 scone for Ana", "7 mocha for Eve"):
        for slot in (0, 1):
            assert ask(client, served, prompt, extra_body={**base, "id_slot": slot}).choices[0].message.content != "ok"
            assert ask(client, served, prompt, extra_body={"id_slot": slot}).choices[0].message.content == "ok"
            again = ask(client, served, prompt, extra_body=served.state["requests"]["tuned"] | {"id_slot": slot})
            assert again.choices[0].message.content == "ok"
    # named together, scale and cache are safe and spare the reading
    again = ask(client, served, "7 mocha for Eve", extra_body=served.state["requests"]["tuned"] | {"id_slot": 1})
    assert again.choices[0].message.content == "ok" and again.timings["cache_n"] > 20


def test_the_adapter_taken_out_is_the_base(served: Served, tmp_path: Path) -> None:
    """f16: the file with the adapter subtracted against a GGUF of the base itself, by token probabilities."""
    project = served.project
    tools = read_json(project / "resources/llama.cpp/toolchain.json")
    facts = ModelFacts.read(next((project / "resources/models").glob("*/model.json")))
    convert.convert_to_gguf(tools, Path(facts.path), tmp_path / "base.gguf", "f16", tmp_path / "log.txt")
    body: dict[str, Any] = {"prompt": "5 scone for Ana", "n_predict": 1, "n_probs": 1000, "temperature": 0}

    def get_probabilities(model: Path, lora: float | None) -> dict[int, float]:
        with LlamaServer(
            tools,
            model,
            lora=project / "outputs/main/lora/adapter.gguf" if lora is not None else None,
            lora_scale=0.0,
            log=tmp_path / "s.log",
        ) as server:
            answer = server.post(
                "/completion", body | ({"lora": [{"id": 0, "scale": lora}]} if lora is not None else {})
            )
        return {item["id"]: item["logprob"] for item in answer["completion_probabilities"][0]["top_logprobs"]}

    base = get_probabilities(tmp_path / "base.gguf", None)
    without = get_probabilities(project / "outputs/main/gguf/model-f16.gguf", -1.0)
    tuned = get_probabilities(project / "outputs/main/gguf/model-f16.gguf", 0.0)
    plain = get_probabilities(project / "outputs/main/gguf/model-f16.gguf", None)
    assert tuned == plain, "at scale 0 the file answers, bit for bit, as without the adapter"
    shared = base.keys() & without.keys() & tuned.keys()
    off, moved = (sum(abs(base[token] - other[token]) for token in shared) / len(shared) for other in (without, tuned))
    # this tiny adapter is many times larger than the weights that it changes, so f16 loses some; a real one loses none
    assert len(shared) > 200 and off < moved / 3, (len(shared), off, moved)


def test_requests_that_are_refused(served: Served) -> None:
    project, url = served.project, served.state["url"]
    client = httpx.Client(base_url=url, trust_env=False)
    assert client.get("/").status_code == client.get("/health").status_code == 200
    for path in ("/chat.json", "/v1/models", "/props", "/metrics", "/slots", "/lora-adapters"):
        assert client.get(path).status_code == 401, path
    assert client.post("/v1/chat/completions", content="{}", headers={"Content-Type": "text/plain"}).status_code == 401
    # a page of another site may send but not read, also after DNS rebinding: it has no key
    for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}, {"Origin": "null"}):
        answer = client.get("/v1/models", headers=headers)
        assert answer.status_code == 401 and answer.headers["Access-Control-Allow-Origin"] == url
        assert (
            client.options("/v1/chat/completions", headers=headers).headers["Access-Control-Allow-Credentials"]
            == "false"
        )
    page = client.get("/").text
    row = get_text(get_prompt(next(read_jsonl(project / "data/test.jsonl")))[-1])
    assert served.key not in page and row not in page, "rows of the test set are not for everybody on this machine"
    assert row in client.get("/chat.json", headers={"Authorization": f"Bearer {served.key}"}).text
    for name in ("outputs/.serve.key", "outputs/.chat/chat.json"):
        assert stat.S_IMODE((project / name).stat().st_mode) == 0o600
    listening = {
        item.laddr
        for item in psutil.Process(served.state["pid"]).net_connections("inet")
        if item.status == psutil.CONN_LISTEN
    }
    assert {(address.ip, address.port) for address in listening} == {("127.0.0.1", served.state["port"])}
    assert served.key not in " ".join(served.state["command"])


def test_facts_about_the_columns(served: Served) -> None:
    facts = json.loads((served.project / "outputs/.chat/chat.json").read_text())
    assert [column["id"] for column in facts["columns"]] == ["base", "tuned"]
    assert served.state["checked"]["tuned"] == {"compared": 4, "same": 4}  # words: ok
    assert any("adapter subtracted" in line for line in facts["about"]) and any(
        "4 of 4 test rows" in line for line in facts["about"]
    )
    assert len(facts["seeds"]) == 6 and all(seed["reference"] == "ok" for seed in facts["seeds"])


@pytest.mark.parametrize(
    ("answer", "wanted", "whole", "alike"),
    [
        ("ok", "ok", True, True),
        ("ok", "okay", True, False),
        ("ok", "okay", False, True),
        ("okay", "ok", False, True),
        ("no", "ok", False, False),
        ("", "ok", False, False),
        ("o\ufffd", "okay", False, True),
    ],
)
def test_how_answers_begin(answer: str, wanted: str, whole: bool, alike: bool) -> None:
    assert begins_alike(answer, wanted, whole) is alike


def test_chat_in_the_terminal(served: Served, tmp_path: Path) -> None:
    lines = (
        "5 scone for Ana\n/base\n7 mocha for Eve\n/retry\n/temperature 9\n/temperature 0\n/system be brief\n"
        f"/save {tmp_path / 'talk.json'}\n/help\n/new\n/quit\n"
    )
    done = tiny.run(
        "bash",
        "-c",
        f"printf '%s' '{lines}' | '{sys.executable}' scripts/serve_model.py chat".replace(
            "printf '%s' '", "printf '%b' '"
        ).replace("\n", "\\n"),
        cwd=served.project,
    )
    assert done.returncode == 0, tiny.get_rules_error(done)
    assert (
        "you> ok" in done.stdout
        and "tokens/s" in done.stdout
        and "base and tuned answer" in done.stdout
        and "tuned> ok" in done.stdout
    )
    assert "a temperature is a number from 0 to 2" in done.stdout and "/retry" in done.stdout
    assert not [letter for letter in done.stdout if not (letter.isprintable() or letter == "\n")], (
        "nothing steers the terminal"
    )
    talk = json.loads((tmp_path / "talk.json").read_text())
    assert [turn["content"] for turn in talk["messages"]] == [
        "5 scone for Ana",
        "ok",
        "7 mocha for Eve",
        "ok",
    ] and talk["system"] == "be brief"
