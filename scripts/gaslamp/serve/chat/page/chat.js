// The chat page: one prompt, an answer from each column, streamed from one llama-server. What the page may know of the project
// (chat.json: columns, seed prompts, system prompt) is behind the server's key, which came in the fragment of the address.
const $ = (id) => document.getElementById(id);
const key = new URLSearchParams(location.hash.slice(1)).get("key") || "";
const headers = { "Content-Type": "application/json", Authorization: `Bearer ${key}` };
const NUMBERS = ["temperature", "top_p", "max_tokens"];
const MAX_SIDE = 1000; // pixels: larger images are made smaller before they are sent
let facts = { name: "model", columns: [{ id: "tuned", title: "Tuned", file: "", request: {} }], seeds: [], system: "", about: [] };
let turns = [];
let images = []; // data addresses for the next message
let running = null; // AbortController while answers come in
let context = 0; // tokens that the server remembers for one conversation

// ------------------------------------------------------------------------------------------------------------ the server

async function load() {
  if (location.protocol === "file:") return fail("This page is served by the model's own server: open the address that make deploy prints.");
  try {
    const response = await fetch("chat.json", { headers, cache: "no-store" });
    if (response.status === 401) return fail("Wrong or missing key: open the whole address that make deploy printed, with what follows #.");
    if (!response.ok) return fail(`The server answered ${response.status} for chat.json: run make deploy again.`);
    facts = await response.json();
    const props = await (await fetch("props", { headers, cache: "no-store" })).json();
    context = props.default_generation_settings?.n_ctx ?? 0;
    $("attach").hidden = !props.modalities?.vision;
  } catch (error) {
    return fail(`No server: start it with make deploy (${error.message}).`);
  }
  document.title = $("name").textContent = facts.name;
  $("served").textContent = `· ${facts.served}`;
  $("served").title = facts.served;
  $("system").value = facts.system;
  $("welcome-text").textContent = facts.welcome;
  $("about").replaceChildren(...facts.about.map((text) => el("p", {}, text)));
  $("compare-label").hidden = facts.columns.length < 2;
  showSeeds();
  showWidth();
  return check();
}

function fail(text) {
  $("banner").textContent = text;
  $("banner").hidden = false;
  setStatus("bad", "not connected");
}

function setStatus(kind, text) {
  $("status").className = `dot ${kind}`;
  if ($("status-text").textContent !== text) $("status-text").textContent = text;
}

async function check() {
  if (running || !$("banner").hidden) return;
  try {
    const health = await fetch("health", { cache: "no-store" });
    if (!running) setStatus(health.ok ? "ok" : "bad", health.ok ? "ready" : "the server is not ready");
  } catch {
    if (!running) setStatus("bad", "no server: make deploy starts it");
  }
}

function getColumns() {
  return facts.columns.length > 1 && !$("compare").checked ? facts.columns.filter((column) => column.id === "tuned") : facts.columns;
}

function showWidth() {
  document.body.classList.toggle("single", getColumns().length === 1);
}

// ------------------------------------------------------------------------------------------------------ the conversation

/** The messages of a column: it has its own history, so that base and tuned each continue from their own answers. */
function getMessages(turn, column) {
  const system = $("system").value.trim();
  const messages = system && !facts.system_as_user ? [{ role: "system", content: system }] : [];
  for (const earlier of turns) {
    const answer = earlier.answers[column.id];
    if (earlier !== turn && !(answer && answer.text)) continue;
    // as the rows have it whose template takes no system turn (data.system_as_user)
    const start = system && facts.system_as_user && !messages.length ? `${system}\n\n` : "";
    const words = { type: "text", text: earlier.prompt };
    const pictures = earlier.images.map((url) => ({ type: "image_url", image_url: { url } }));
    const before = start && pictures.length ? [{ type: "text", text: start }] : [];
    messages.push({ role: "user", content: pictures.length ? [...before, ...pictures, words] : start + earlier.prompt });
    if (earlier === turn) break;
    messages.push({ role: "assistant", content: answer.text });
  }
  return messages;
}

function getSettings() {
  const settings = {};
  for (const name of NUMBERS) settings[name] = $(name).checkValidity() ? Number($(name).value) : Number($(name).defaultValue);
  if ($("seed").value !== "" && $("seed").checkValidity()) settings.seed = Number($("seed").value);
  return settings;
}

async function send(prompt, pictures = [], reference = null) {
  if (running || !(prompt.trim() || pictures.length)) return;
  const turn = { prompt, images: pictures, reference, answers: {} };
  turns.push(turn);
  addTurn(turn);
  await ask(turn);
}

/** Ask every column in turn, tuned first: two models at a time would share the processor, and each would be slower. */
async function ask(turn) {
  running = new AbortController();
  setStatus("busy", "answering");
  $("send").textContent = "Stop";
  $("send").classList.add("stop");
  const columns = getColumns();
  turn.settings = getSettings();
  turn.answers = Object.fromEntries(columns.map((column) => [column.id, { text: "", state: "waiting", tokens: 0 }]));
  showAnswers(turn, columns);
  scrollDown(true);
  for (const column of [...columns].reverse()) await stream(turn, column, running.signal);
  running = null;
  $("send").textContent = "Send";
  $("send").classList.remove("stop");
  setStatus("ok", "ready");
  $("announce").textContent = columns.map((column) => `${column.title}: ${getFacts(turn.answers[column.id])}.`).join(" ");
  check();
}

async function stream(turn, column, signal) {
  const answer = turn.answers[column.id];
  if (signal.aborted) {
    answer.state = "stopped";
    return draw(turn, column, true);
  }
  const own = new AbortController(); // one that repeats itself is stopped alone
  signal.addEventListener("abort", () => own.abort());
  const body = {
    model: facts.name, messages: getMessages(turn, column), ...turn.settings, ...column.request,
    stream: true, stream_options: { include_usage: true }, timings_per_token: true,
  };
  const started = performance.now();
  try {
    const response = await fetch(new URL("v1/chat/completions", column.url || location.href), { method: "POST", headers, body: JSON.stringify(body), signal: own.signal });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error?.message || `the server answered ${response.status}`);
    for await (const part of readEvents(response.body)) {
      if (part.error) throw new Error(part.error.message || "the server stopped");
      const choice = part.choices?.[0];
      const piece = choice?.delta?.content || "";
      answer.thinking = (answer.thinking || "") + (choice?.delta?.reasoning_content || "");
      if (piece || answer.thinking) answer.state = "streaming";
      answer.text += piece;
      const end = $("cut").checked ? findRepetition(answer.text) : null;
      if (end !== null) {
        answer.text = answer.text.slice(0, end);
        answer.repeats = true;
        own.abort();
        break;
      }
      answer.finish = choice?.finish_reason || answer.finish;
      if (part.timings) {
        answer.tokens = part.timings.predicted_n;
        answer.speed = part.timings.predicted_per_second;
      }
      if (part.usage) {
        answer.prompt_tokens = part.usage.prompt_tokens;
        answer.tokens = part.usage.completion_tokens;
      }
      draw(turn, column);
    }
    answer.state = "done";
  } catch (error) {
    answer.state = error.name === "AbortError" ? "stopped" : "failed";
    if (answer.state === "failed") answer.error = error instanceof TypeError ? "the server went away: make deploy starts it again" : error.message;
  }
  answer.seconds = (performance.now() - started) / 1000;
  draw(turn, column, true);
}

/** The JSON of each server-sent event; a piece of the network may end anywhere, also inside a character. */
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value || "")).split("\n");
    rest = done ? "" : lines.pop();
    for (const line of lines) {
      const text = line.trim();
      if (text.startsWith("data:") && text !== "data: [DONE]") yield JSON.parse(text.slice(5));
    }
    if (done) return;
  }
}

/** Where to cut a text whose end repeats one part again and again, or null: the rule of serve/chat/repetition.py. */
function findRepetition(text) {
  const LONGEST = 400, LETTERS = 400, TIMES = 5, KEPT = 2;
  for (let size = 1; size <= Math.min(LONGEST, Math.floor(text.length / TIMES)); size++) {
    if (text.slice(-size) !== text.slice(-2 * size, -size)) continue;
    let first = text.length - size;
    while (first > 0 && text[first - 1] === text[first - 1 + size]) first--;
    if (text.length - first >= Math.max(LETTERS, TIMES * size)) return first + KEPT * size;
  }
  return null;
}

function getFacts(answer) {
  if (answer.state === "waiting") return "waiting";
  const parts = [];
  if (answer.tokens) parts.push(`${answer.tokens} tokens`);
  if (answer.speed) parts.push(`${answer.speed.toFixed(answer.speed < 10 ? 1 : 0)} tokens/s`);
  if (answer.seconds) parts.push(`${answer.seconds.toFixed(1)} s`);
  if (answer.prompt_tokens) parts.push(`prompt ${answer.prompt_tokens}`);
  if (answer.state === "stopped") parts.push("stopped by you");
  if (answer.state === "failed") parts.push("no answer");
  if (answer.repeats) parts.push("cut: it repeats itself");
  if (answer.finish === "length") parts.push("cut: max tokens reached");
  return parts.join(" · ");
}

// -------------------------------------------------------------------------------------------------------------- the page

function addTurn(turn) {
  $("welcome").hidden = true;
  const pictures = turn.images.map((url, index) => el("img", { src: url, alt: `image ${index + 1} of your message` }));
  turn.bubble = el("div", { class: "bubble", dir: "auto" }, ...pictures, turn.prompt);
  const edit = el("button", { type: "button" }, "Edit");
  const again = el("button", { type: "button" }, "Regenerate");
  const copy = el("button", { type: "button" }, "Copy");
  edit.addEventListener("click", () => startEdit(turn));
  again.addEventListener("click", () => regenerate(turn));
  copy.addEventListener("click", () => copyText(turn.prompt, copy));
  for (const [button, what] of [[edit, "Edit your message"], [again, "Regenerate the answers"], [copy, "Copy your message"]]) button.setAttribute("aria-label", what);
  turn.actions = el("div", { class: "actions" }, copy, edit, again);
  turn.user = el("div", { class: "user" }, turn.bubble, turn.actions);
  turn.list = el("div", { class: "answers" });
  turn.node = el("article", { class: "turn", "aria-label": `Turn ${turns.indexOf(turn) + 1}` }, turn.user, turn.list);
  $("turns").append(turn.node);
}

function showAnswers(turn, columns) {
  turn.cards = {};
  turn.list.replaceChildren();
  for (const column of columns) {
    const copy = el("button", { type: "button", "aria-label": `Copy the ${column.title} answer` }, "Copy");
    copy.addEventListener("click", () => copyText(turn.answers[column.id].text, copy));
    const card = {
      body: el("div", { class: "body waiting", dir: "auto" }, "…"),
      facts: el("div", { class: "facts" }),
    };
    const head = el("header", {}, el("h2", {}, column.title), el("span", { class: "file", title: column.note || column.file }, column.file), copy);
    card.node = el("div", { class: `card ${column.id}`, role: "group", "aria-label": `${column.title} answer` }, head, card.body, card.facts);
    turn.cards[column.id] = card;
    turn.list.append(card.node);
    draw(turn, column, true);
  }
  turn.node.querySelector(".reference")?.remove();
  if (turn.reference !== null) {
    turn.node.append(el("details", { class: "reference" }, el("summary", {}, "Reference answer of this test row"), el("p", { dir: "auto" }, turn.reference)));
  }
}

/** Show an answer as it stands; while it streams at most once a frame. */
function draw(turn, column, now = false) {
  const card = turn.cards[column.id];
  if (!now) {
    if (!card.frame) card.frame = requestAnimationFrame(() => draw(turn, column, true));
    return;
  }
  cancelAnimationFrame(card.frame);
  card.frame = 0;
  const answer = turn.answers[column.id];
  const plain = $("view").value === "plain";
  const near = isNearEnd();
  card.node.classList.toggle("streaming", answer.state === "streaming");
  card.body.className = `body${plain ? " plain" : ""}${answer.text ? "" : " waiting"}`;
  if (answer.text && plain) card.body.textContent = answer.text;
  else if (answer.text) card.body.replaceChildren(renderMarkdown(answer.text));
  else card.body.textContent = { waiting: "…", streaming: answer.thinking ? "thinking …" : "…", done: "(an empty answer)", stopped: "", failed: "" }[answer.state];
  if (answer.state === "failed") card.body.append(el("p", { class: "failed", role: "alert" }, `No answer: ${answer.error}`));
  card.facts.textContent = getFacts(answer);
  showContext(turn);
  if (near) scrollDown();
}

function showContext(turn) {
  const used = Math.max(0, ...Object.values(turn.answers).map((answer) => (answer.prompt_tokens || 0) + answer.tokens));
  $("context").textContent = used && context ? `${used} of ${context} tokens of context` : "";
}

function isNearEnd() {
  const log = $("log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function scrollDown(always = false) {
  if (always || running) $("log").scrollTop = $("log").scrollHeight;
}

function showSeeds() {
  $("seeds").replaceChildren(...facts.seeds.map((seed) => {
    const button = el("button", { type: "button", dir: "auto" }, ...(seed.images.length ? ["🖼 "] : []), seed.prompt);
    button.addEventListener("click", () => send(seed.prompt, seed.images, seed.reference));
    return el("li", {}, button);
  }));
}

function startEdit(turn) {
  if (running) return;
  const area = el("textarea", { value: turn.prompt, rows: Math.min(10, turn.prompt.split("\n").length + 1), "aria-label": "Your message" });
  const save = el("button", { type: "button", class: "primary" }, "Ask again");
  const cancel = el("button", { type: "button" }, "Cancel");
  const box = el("div", { class: "edit" }, area, el("div", { class: "row" }, cancel, save));
  const close = () => turn.user.replaceChildren(turn.bubble, turn.actions);
  const commit = () => {
    if (!area.value.trim() && !turn.images.length) return;
    cut(turns.indexOf(turn));
    send(area.value, turn.images, area.value === turn.prompt ? turn.reference : null);
    $("prompt").focus();
  };
  save.addEventListener("click", commit);
  cancel.addEventListener("click", close);
  area.addEventListener("keydown", (event) => {
    if (isPlainEnter(event)) {
      event.preventDefault();
      commit();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  });
  turn.user.replaceChildren(box);
  area.focus();
}

async function regenerate(turn) {
  if (running) return;
  cut(turns.indexOf(turn) + 1);
  await ask(turn);
}

/** Forget the turns from ``index`` on. */
function cut(index) {
  for (const turn of turns.splice(index)) turn.node.remove();
}

function startNew() {
  running?.abort();
  cut(0);
  images = [];
  showImages();
  $("context").textContent = "";
  $("welcome").hidden = false;
  $("prompt").focus();
}

async function copyText(text, button) {
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = "Not allowed";
  }
  const old = button.dataset.label || button.textContent;
  button.dataset.label = old;
  button.textContent = done;
  $("announce").textContent = done;
  setTimeout(() => { button.textContent = old; }, 1200);
}

// ---------------------------------------------------------------------------------------------------------------- images

async function addImages(files) {
  for (const file of files) {
    if (!file.type.startsWith("image/")) continue;
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) {
      $("announce").textContent = `${file.name} is no image that this browser reads`;
      continue;
    }
    const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    images.push(canvas.toDataURL("image/png"));
  }
  showImages();
}

function showImages() {
  $("images").hidden = !images.length;
  $("images").replaceChildren(...images.map((url, index) => {
    const remove = el("button", { type: "button", "aria-label": `Remove image ${index + 1}` }, "×");
    remove.addEventListener("click", () => { images.splice(index, 1); showImages(); });
    return el("figure", {}, el("img", { src: url, alt: `image ${index + 1} to send` }), remove);
  }));
}

// ---------------------------------------------------------------------------------------------------------------- export

function getExport() {
  return {
    model: facts.name, served: facts.served, exported: new Date().toISOString(), system: $("system").value.trim(),
    columns: facts.columns.map(({ id, title, file, note }) => ({ id, title, file, note })),
    turns: turns.map((turn) => ({
      user: turn.prompt, images: turn.images.length, settings: turn.settings,
      answers: Object.fromEntries(Object.entries(turn.answers).map(([id, answer]) => [id, {
        text: answer.text, state: answer.state, repeats: Boolean(answer.repeats), finish: answer.finish ?? null, tokens: answer.tokens, seconds: answer.seconds ?? null,
      }])),
    })),
  };
}

function getMarkdown() {
  const value = getExport();
  const lines = [`# ${value.model}`, "", `${value.served}, ${value.exported}`];
  if (value.system) lines.push("", "## System prompt", "", quote(value.system));
  for (const turn of value.turns) {
    lines.push("", "## You", "", quote(turn.user));
    for (const column of value.columns) {
      const answer = turn.answers[column.id];
      if (answer) lines.push("", `## ${column.title}`, "", quote(answer.text));
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Text in a fence longer than any in it: it comes out of the file as it went in. */
function quote(text) {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((found) => found[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

function download(text, type, ending) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const stem = facts.name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "chat";
  el("a", { href: address, download: `${stem}-chat.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
  $("export").open = false;
}

// -------------------------------------------------------------------------------------------------------------- the keys

function isPlainEnter(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing; // composing: Enter picks a word in Chinese, Japanese ...
}

function submit() {
  if (running) return;
  const prompt = $("prompt").value;
  if (!(prompt.trim() || images.length)) return;
  $("prompt").value = "";
  fit();
  const pictures = images;
  images = [];
  showImages();
  send(prompt, pictures);
}

function fit() {
  const area = $("prompt");
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.abort();
  else submit();
});
$("prompt").addEventListener("input", fit);
$("prompt").addEventListener("keydown", (event) => {
  if (!isPlainEnter(event)) return;
  event.preventDefault();
  submit();
});
$("prompt").addEventListener("paste", (event) => {
  if ($("attach").hidden || !event.clipboardData?.files.length) return;
  event.preventDefault();
  addImages(event.clipboardData.files);
});
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => { await addImages($("file").files); $("file").value = ""; $("prompt").focus(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || $("settings").open) return;
  if ($("export").open) {
    $("export").open = false;
    $("export").querySelector("summary").focus();
  } else running?.abort();
});
document.addEventListener("click", (event) => { if (!$("export").contains(event.target)) $("export").open = false; });
$("new").addEventListener("click", startNew);
$("compare").addEventListener("change", showWidth);
$("export-md").addEventListener("click", () => download(getMarkdown(), "text/markdown", "md"));
$("export-json").addEventListener("click", () => download(`${JSON.stringify(getExport(), null, 2)}\n`, "application/json", "json"));
$("open-settings").addEventListener("click", () => $("settings").showModal());
$("greedy").addEventListener("click", () => { $("temperature").value = "0"; });
$("view").addEventListener("change", () => { for (const turn of turns) for (const id of Object.keys(turn.answers)) draw(turn, { id }, true); });
$("theme").addEventListener("change", () => { document.documentElement.style.colorScheme = $("theme").value; });
$("prompt").focus();
load();
setInterval(check, 10000);
