"""Requests to an OpenAI-compatible server, against a stub of one: answers, errors with fixes, and where keys go."""

from __future__ import annotations

import json
import socket

import openai_stub
import pytest
from gaslamp.config.sections.endpoint import Endpoint, find_url_problem
from gaslamp.core.errors import GaslampError
from gaslamp.models.endpoint import EndpointClient, EndpointError, is_loopback, is_near, read_key

KEY = "sk-not-for-logs-0123"


def make(url: str, key_env: str | None = None) -> EndpointClient:
    return EndpointClient(url, "m", key_env, place="eval.endpoint", kept="answers are kept", retries=0)


def test_an_answer_with_thoughts_calls_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": "two words", "reasoning_content": "hm", "tool_calls": [call]}
    with openai_stub.serve(lambda body: message) as received:
        reply = make(received.url, "MY_KEY").ask([{"role": "user", "content": "q"}], temperature=0.5, max_tokens=7)
    assert (reply.text, reply.thoughts, reply.finish) == ("two words", "hm", "stop")
    assert reply.calls[0]["function"]["name"] == "f" and (reply.prompt_tokens, reply.completion_tokens) == (10, 2)
    assert received.bodies == [
        {"model": "m", "messages": [{"role": "user", "content": "q"}], "temperature": 0.5, "max_tokens": 7}
    ]
    assert received.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("status", "said", "parts"),
    [
        (401, "bad key", ["refused the key in MY_KEY (HTTP 401)", "check the key"]),
        (403, "no", ["refused the key in MY_KEY (HTTP 403)", "no access to m"]),
        (404, "no such model", ["check model in eval.endpoint", "/models"]),
        (429, "slow down", ["refuses more requests", "quota"]),
        (400, "context too long", ["larger context", "context too long"]),
        (503, "loading", ["in some minutes"]),
    ],
)
def test_an_error_status_has_a_fix_and_no_key(
    monkeypatch: pytest.MonkeyPatch, status: int, said: str, parts: list[str]
) -> None:
    monkeypatch.setenv("MY_KEY", "not-a-usual-prefix-99")
    answer = {"error": {"message": f"{said}; you sent not-a-usual-prefix-99"}}
    with openai_stub.serve(lambda body: (status, answer)) as received:
        client = make(received.url, "MY_KEY")
        with pytest.raises(GaslampError) as found:
            client.ask([{"role": "user", "content": "q"}])
    shown = str(found.value)
    assert all(part in shown for part in [*parts, "answers are kept"]), shown
    assert "not-a-usual-prefix" not in shown


def test_a_request_is_tried_again() -> None:
    """429 with Retry-After, then an answer: the library's own retries."""
    answers: list[object] = [(429, {"error": {"message": "wait"}}, {"Retry-After": "0"}), "ok"]
    with openai_stub.serve(lambda body: answers.pop(0)) as received:
        client = EndpointClient(received.url, "m", place="x", retries=1)
        assert client.ask([{"role": "user", "content": "q"}]).text == "ok"


def test_a_redirect_is_not_followed() -> None:
    with openai_stub.serve(lambda body: "stolen") as other:
        moved = (307, "", {"Location": f"{other.url}/chat/completions"})
        pattern = "redirects to http://127.0.0.1.*which config.yaml does not name"
        with openai_stub.serve(lambda body: moved) as received, pytest.raises(GaslampError, match=pattern):
            make(received.url).ask([{"role": "user", "content": "private"}])
        assert other.bodies == []


def test_a_page_is_no_answer_and_a_closed_port_no_server() -> None:
    page = (200, "<html>login</html>", {"Content-Type": "text/html"})
    pattern = "not as an OpenAI-compatible server"
    with openai_stub.serve(lambda body: page) as received, pytest.raises(GaslampError, match=pattern):
        make(received.url).ask([])
    with socket.socket() as taken:  # bound, not listening: nobody else gets the port meanwhile
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(GaslampError, match="no connection to http://127.0.0.1") as found:
            make(f"http://127.0.0.1:{taken.getsockname()[1]}/v1").ask([])
    assert "make deploy" in found.value.fix


def say(message: object = None, **fields: object) -> str:
    """The body of an answer in which something is odd."""
    shown = {"role": "assistant", "content": "ok"} if message is None else message
    return json.dumps({"choices": [{"index": 0, "message": shown}], **fields})


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("<html>a page</html>", "its body is no JSON"),
        ("", "its body is no JSON"),
        ("[" * 100_000, "its body is no JSON"),
        ("null", "no list of choices"),
        (say(choices="abc"), "no list of choices"),
        (say(choices=[]), "no list of choices"),
        (say(choices=[None]), "holds no message"),
        (say(choices=[{"index": 0}]), "holds no message"),
        (say("hi"), "holds no message"),
        (say({"content": [{"type": "text", "text": "hi"}]}), "is a list, no text"),
        (say({"content": {"a": 1}}), "is a dict, no text"),
        (say({"content": 7}), "is a int, no text"),
        (say({"content": "ok", "tool_calls": ["x"]}), "no list of calls"),
        (say({"content": "ok", "tool_calls": "x"}), "no list of calls"),
    ],
)
def test_an_odd_answer_is_an_error_with_a_fix(body: str, part: str) -> None:
    with openai_stub.serve(lambda request: (200, body)) as received, pytest.raises(EndpointError) as found:
        make(received.url).ask([{"role": "user", "content": "q"}])
    assert part in found.value.cause and received.url in found.value.cause
    assert "eval.endpoint" in found.value.fix and "answers are kept" in str(found.value.less_likely)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 1e30, "completion_tokens": -5}, (None, None)),
        ({"prompt_tokens": "9", "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": 9.0, "completion_tokens": 1.5}, (9, None)),
        ("many", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_count_that_is_none_is_unknown(usage: object, counts: tuple[int | None, int | None]) -> None:
    """Nor does half a character reach a file."""
    body = say({"content": "a \ud83d", "reasoning": 5}, usage=usage)
    with openai_stub.serve(lambda request: (200, body)) as received:
        reply = make(received.url).ask([{"role": "user", "content": "q"}])
    assert (reply.prompt_tokens, reply.completion_tokens) == counts
    assert (reply.text, reply.thoughts, reply.finish) == ("a \ufffd", "", "")


def test_no_proxy_is_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with openai_stub.serve(lambda body: "here") as received:
        assert make(received.url).ask([]).text == "here"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", None),
        ("http://127.0.0.1:8081/v1", None),
        ("https://api.example.com/v1/", None),
        ("http://[::1]:8080/v1", None),
        ("127.0.0.1:8081/v1", "no http or https"),
        ("localhost", "no http or https"),
        ("ftp://host/v1", "no http or https"),
        ("http://host:port/v1", "is no URL"),
        ("https://me:secret@host/v1", "key_env"),
        ("https://host/v1?key=1", "query"),
        ("https://host/v1/chat/completions", "leave out /chat/completions"),
    ],
)
def test_urls(url: str, problem: str | None) -> None:
    found = find_url_problem(url)
    assert found is None if problem is None else found and problem in found
    assert "secret" not in str(found)
    if problem:
        with pytest.raises(ValueError, match="Value error"):
            Endpoint(url=url)


def test_where_a_key_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    near = ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://gpu-box:8000/v1", "http://192.168.1.9/v1"]
    assert all(is_near(url) for url in near) and [is_loopback(url) for url in near] == [True, True, False, False]
    far = "http://api.example.com/v1"
    assert not is_near(far) and not is_loopback("http://127.0.0.1.example.com/v1")
    monkeypatch.setenv("MY_KEY", KEY)
    assert [read_key(url, "MY_KEY") for url in near] == [KEY] * 4
    assert read_key(far.replace("http:", "https:"), "MY_KEY") == KEY and read_key(far, None) is None
    with pytest.raises(GaslampError, match="unencrypted") as found:
        read_key(far, "MY_KEY")
    assert KEY not in str(found.value)
    monkeypatch.setenv("MY_KEY", "“quoted”")
    with pytest.raises(GaslampError, match="no HTTP header"):
        read_key(near[0], "MY_KEY")
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(GaslampError, match="MY_KEY is not set"):
        read_key(near[0], "MY_KEY")


def test_what_the_config_leaves_out() -> None:
    with pytest.raises(GaslampError, match="eval.endpoint in config.yaml names no url and model"):
        EndpointClient("", "", place="eval.endpoint")
    with pytest.raises(GaslampError, match="leave out /completions"):
        EndpointClient("http://h/v1/completions", "m", place="eval.endpoint")
