// Model text is untrusted: it only ever becomes textContent.
"use strict";
const $ = (id) => document.getElementById(id);
const given = new URLSearchParams(location.hash.slice(1));
const key = given.get("key") || "";
const headers = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
let messages = [];
let running = null;

function add(role, text) {
  $("log").querySelector(".empty")?.remove();
  const box = document.createElement("div");
  box.className = `message ${role}`;
  box.textContent = text;
  $("log").append(box);
  box.scrollIntoView({ block: "end" });
  return box;
}

function fail(box, text) {
  box.classList.add("failed");
  box.textContent = text;
}

function clear() {
  running?.abort();
  messages = [];
  const hint = document.createElement("p");
  hint.className = "empty";
  hint.textContent = "Ask the tuned model something like a row of your data.";
  $("log").replaceChildren(hint);
  $("prompt").focus();
}

async function send() {
  const prompt = $("prompt").value.trim();
  if (!prompt || running) return;
  $("prompt").value = "";
  messages.push({ role: "user", content: prompt });
  add("user", prompt);
  const box = add("assistant", "…");
  const system = $("system").value.trim();
  const body = {
    messages: system ? [{ role: "system", content: system }, ...messages] : messages,
    temperature: Number($("temperature").value),
    top_p: Number($("top_p").value),
    max_tokens: Number($("max_tokens").value),
    stream: true,
    stream_options: { include_usage: true },
  };
  running = new AbortController();
  const started = performance.now();
  let text = "";
  let usage = null;
  try {
    const response = await fetch("/v1/chat/completions", { method: "POST", headers, body: JSON.stringify(body), signal: running.signal });
    if (!response.ok) throw new Error(response.status === 401 ? "wrong key: open the address that make deploy printed" : `the server answered ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
        const part = JSON.parse(line.slice(6));
        usage = part.usage || usage;
        text += part.choices?.[0]?.delta?.content || "";
        box.textContent = text;
      }
      box.scrollIntoView({ block: "end" });
    }
  } catch (error) {
    if (error.name !== "AbortError") {
      fail(box, `No answer: ${error.message}`);
      messages.pop();
      running = null;
      return;
    }
  }
  running = null;
  messages.push({ role: "assistant", content: text });
  const seconds = (performance.now() - started) / 1000;
  const facts = document.createElement("div");
  facts.className = "facts";
  const tokens = usage ? usage.completion_tokens : 0;
  facts.textContent = usage ? `${tokens} tokens, ${seconds.toFixed(1)} s, ${(tokens / seconds).toFixed(0)} tokens/s` : "stopped";
  box.append(facts);
}

async function check() {
  try {
    const health = await fetch("/health");
    $("status").className = health.ok ? "ok" : "bad";
    $("status").title = health.ok ? "connected" : "the server is not ready";
    const models = await (await fetch("/v1/models", { headers })).json();
    const name = models.data?.[0]?.id;
    if (name) document.title = $("model").textContent = name;
  } catch {
    $("status").className = "bad";
    $("status").title = "no server: start it with make deploy";
  }
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); send(); }
  if (event.key === "Escape") running?.abort();
});
$("clear").addEventListener("click", clear);
$("system").value = given.get("system") || "";
clear();
check();
setInterval(check, 10000);
