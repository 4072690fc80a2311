"""The served endpoint as programs use it: the openai client, base and tuned from one process, refused requests."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import tiny
from asynchronous import run_async
from gaslamp.core.contracts import BaseFile, ModelFacts, Provenance, Template
from gaslamp.core.files import read_json, read_jsonl
from gaslamp.core.visible import CONTROLS
from gaslamp.data.rows import get_prompt, get_text
from gaslamp.export.llamacpp import convert
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.interfaces.mcp.server import make_server
from gaslamp.serve import server
from gaslamp.serve.chat import columns
from gaslamp.serve.documents import AnswersDocument
from mcp import Client

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


@pytest.fixture(scope="module")
def subtracting(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same project on a machine whose memory holds one model only."""
    project = tiny.copy_project(finished, tmp_path_factory.mktemp("subtracting"))
    made = tiny.snakemake(project, "outputs/main/lora", "--allowed-rules", "convert_lora")
    assert made.returncode == 0, tiny.get_rules_error(made)
    own = BaseFile(level="q8_0", file="/absent.gguf", size_bytes=10**9, provenance=Provenance())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr(columns, "get_memory", lambda: {"total": 2.0, "available": 1.5})
        state = server.start("main", "q8_0", server.ServeOptions(8200, 512, "notes"), lambda level: own)
        try:
            yield Served(project, dict(state), (project / "outputs/.serve.key").read_text().strip())
        finally:
            server.stop()


def test_memory_for_one_model_subtracts_and_says_so(subtracting: Served) -> None:
    facts = json.loads((subtracting.project / "outputs/.chat/chat.json").read_text())
    base = next(column for column in facts["columns"] if column["id"] == "base")
    assert base["file"] == "the tuned file, adapter subtracted" and base["url"] == subtracting.state["url"]
    assert "two models need 2.1 GB of memory, 1.5 GB are free" in base["note"]
    assert not (subtracting.project / "outputs/serve_base.json").exists()


def test_what_base_read_never_reaches_a_client_that_names_no_scale(subtracting: Served) -> None:
    """llama-server would reuse what another scale of the adapter left in its slot: the prompt as base read it."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{subtracting.state['url']}/v1", api_key=subtracting.key)
    base, tuned = (subtracting.state["columns"][name]["request"] for name in ("base", "tuned"))
    for prompt in ("5 scone for Ana", "7 mocha for Eve"):
        for slot in (0, 1):
            found = ask(client, subtracting, prompt, extra_body={**base, "id_slot": slot})
            assert found.choices[0].message.content != "ok"
            found = ask(client, subtracting, prompt, extra_body={"id_slot": slot})
            assert found.choices[0].message.content == "ok"
            again = ask(client, subtracting, prompt, extra_body=tuned | {"id_slot": slot})
            assert again.choices[0].message.content == "ok"
    # named together, scale and cache are safe and spare the reading
    again = ask(client, subtracting, "7 mocha for Eve", extra_body=tuned | {"id_slot": 1})
    assert again.choices[0].message.content == "ok" and again.timings["cache_n"] > 20


def get_probabilities(tools: Any, model: Path, log: Path, lora: tuple[Path, float] | None = None) -> dict[int, float]:
    """Token -> log-probability of what follows one prompt."""
    body: dict[str, Any] = {"prompt": [5, 9, 7, 12, 8], "n_predict": 1, "n_probs": 1000, "temperature": 0}
    body |= {"lora": [{"id": 0, "scale": lora[1]}]} if lora else {}
    with LlamaServer(tools, model, lora=lora[0] if lora else None, lora_scale=0.0, log=log) as running:
        answer = running.post("/completion", body)
    return {item["id"]: item["logprob"] for item in answer["completion_probabilities"][0]["top_logprobs"]}


def test_the_base_file_is_the_base_model_at_the_same_level(served: Served, tmp_path: Path) -> None:
    """What llama.cpp makes of the base model's own folder; and its f16 answers as evaluated."""
    project = served.project
    tools = read_json(project / "resources/llama.cpp/toolchain.json")
    facts = ModelFacts.read(next((project / "resources/models").glob("*/model.json")))
    file, log = Path(read_json(project / "outputs/serve_base.json")["model"]), tmp_path / "log.txt"
    made = read_json(file.parent / "base.json")
    assert file.name == "model-q8_0.gguf" and made["level"] == "q8_0"
    exact = made["agreement"]["f16"]
    assert exact["rows"] == 8 and exact["same"] >= 0.98 * exact["compared"] > 0, exact
    convert.convert_to_gguf(tools, Path(facts.path), tmp_path / "base.gguf", "f16", log)
    convert.quantize(tools, tmp_path / "base.gguf", tmp_path / "base-q8_0.gguf", "q8_0", log)
    own, same, tuned = (
        get_probabilities(tools, each, log)
        for each in (file, tmp_path / "base-q8_0.gguf", project / "outputs/main/gguf/model-q8_0.gguf")
    )
    assert own.keys() == same.keys() and max(abs(own[token] - same[token]) for token in own) < 0.01
    assert max(abs(own[token] - tuned[token]) for token in own.keys() & tuned.keys()) > 0.1
    template = Template.read(project / "data/template.json")
    assert read_gguf_facts(file)["chat_template"] == template.chat_template


def test_the_adapter_taken_out_is_near_the_base(subtracting: Served, tmp_path: Path) -> None:
    """f16: the file with the adapter subtracted against a GGUF of the base itself, by token probabilities."""
    project, log = subtracting.project, tmp_path / "log.txt"
    tools = read_json(project / "resources/llama.cpp/toolchain.json")
    facts = ModelFacts.read(next((project / "resources/models").glob("*/model.json")))
    convert.convert_to_gguf(tools, Path(facts.path), tmp_path / "base.gguf", "f16", log)
    file, adapter = project / "outputs/main/gguf/model-f16.gguf", project / "outputs/main/lora/adapter.gguf"
    base = get_probabilities(tools, tmp_path / "base.gguf", log)
    without = get_probabilities(tools, file, log, (adapter, -1.0))
    tuned = get_probabilities(tools, file, log, (adapter, 0.0))
    assert tuned == get_probabilities(tools, file, log), "at scale 0 the file answers, bit for bit, as without"
    shared = base.keys() & without.keys() & tuned.keys()
    off, moved = (sum(abs(base[token] - other[token]) for token in shared) / len(shared) for other in (without, tuned))
    # this tiny adapter is many times larger than the weights that it changes, so f16 loses some; a real one loses none
    assert len(shared) > 200 and off < moved / 3, (len(shared), off, moved)


def test_base_answers_from_its_own_server_with_the_same_key(served: Served) -> None:
    from openai import AuthenticationError, OpenAI

    prompted = served.state["columns"]
    assert prompted["base"]["url"] != prompted["tuned"]["url"] == served.state["url"]
    address = f"{prompted['base']['url']}/v1"
    answer = ask(OpenAI(base_url=address, api_key=served.key), served, "5 scone for Ana")
    assert answer.choices[0].message.content != "ok"
    with pytest.raises(AuthenticationError):
        ask(OpenAI(base_url=address, api_key="wrong"), served, "x")
    # only pages of the tuned server may read it, and they may send the key
    headers = {"Origin": served.state["url"], "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = httpx.options(f"{address}/chat/completions", headers=headers, trust_env=False).headers
    assert allowed["Access-Control-Allow-Origin"] == served.state["url"]
    assert "authorization" in allowed["Access-Control-Allow-Headers"].lower()
    listening = read_json(served.project / "outputs/serve_base.json")
    assert "127.0.0.1" in listening["command"] and served.key not in " ".join(listening["command"])


def test_requests_that_are_refused(served: Served) -> None:
    project, url = served.project, served.state["url"]
    client = httpx.Client(base_url=url, trust_env=False)
    assert client.get("/").status_code == client.get("/health").status_code == 200
    for path in ("/chat.json", "/v1/models", "/props", "/metrics", "/slots", "/lora-adapters"):
        assert client.get(path).status_code == 401, path
    assert client.post("/v1/chat/completions", content="{}", headers={"Content-Type": "text/plain"}).status_code == 401
    # a page of another site gets nothing, also after DNS rebinding
    for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}, {"Origin": "null"}):
        for answer in (
            client.get("/v1/models", headers=headers),
            client.options("/v1/chat/completions", headers=headers),
        ):
            assert answer.status_code == 403 and "Access-Control-Allow-Origin" not in answer.headers
    page = client.get("/").text
    row = get_text(get_prompt(next(read_jsonl(project / "data/test.jsonl")))[-1])
    assert served.key not in page and row not in page, "rows of the test set are not for everybody on this machine"
    assert row in client.get("/chat.json", headers={"Authorization": f"Bearer {served.key}"}).text
    for name in ("outputs/.serve.key", "outputs/.chat/chat.json"):
        assert stat.S_IMODE((project / name).stat().st_mode) == 0o600
    listening = [
        {
            (item.laddr.ip, item.laddr.port)
            for item in process.net_connections("inet")
            if item.status == psutil.CONN_LISTEN
        }
        for process in (psutil.Process(served.state["pid"]), psutil.Process(int(served.state["front"][0])))
    ]
    assert [len(addresses) for addresses in listening] == [1, 1] and {ip for ip, _ in listening[0]} == {"127.0.0.1"}
    assert listening[1] == {("127.0.0.1", served.state["port"])} != listening[0]
    assert served.key not in " ".join(served.state["command"])


def test_facts_about_the_columns(served: Served) -> None:
    facts = json.loads((served.project / "outputs/.chat/chat.json").read_text())
    assert [column["id"] for column in facts["columns"]] == ["base", "tuned"]
    assert served.state["checked"]["tuned"] == {"rows": 4, "compared": 4, "same": 4}
    assert served.state["checked"]["base"]["rows"] == 4
    assert any("the base model's own file at q8_0" in line for line in facts["about"])
    assert any("4 of 4 test rows" in line for line in facts["about"])
    assert len(facts["seeds"]) == 6 and all(seed["reference"] == "ok" for seed in facts["seeds"])


def test_an_agent_chats_through_mcp(served: Served) -> None:
    async def chat() -> Any:
        async with Client(make_server(served.project)) as client:
            return await client.call_tool("chat", {"prompt": "5 scone for Ana", "max_tokens": 4})

    answer = run_async(chat)
    assert not answer.is_error, answer.content
    facts = AnswersDocument.model_validate(answer.structured_content)
    assert facts.source == "served" and [part.text for part in facts.answers] == ["ok"]


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
    assert not CONTROLS.search(done.stdout), "nothing steers the terminal"
    talk = json.loads((tmp_path / "talk.json").read_text())
    assert [turn["content"] for turn in talk["messages"]] == [
        "5 scone for Ana",
        "ok",
        "7 mocha for Eve",
        "ok",
    ] and talk["system"] == "be brief"
