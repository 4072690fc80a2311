// Rows to decide on. Texts reach the page as text nodes and values, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const STATES = { "": "not decided", keep: "kept", edit: "edited", drop: "dropped" };
const state = { items: [], at: null, classes: [], drafts: new Map(), canAdd: false, busy: false };

// ---------------------------------------------------------------------------------------------------------- helpers

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function getItem() {
  return state.items.find((item) => item.id === state.at) || null;
}

function getShown() {
  const wanted = $("filter").value;
  return state.items.filter((item) => item.id === state.at || wanted === "all" || (item.state || "open") === wanted);
}

function isUnsaved(item) {
  const draft = state.drafts.get(item.id);
  return Boolean(draft) && item.parts.some((part) => part.key in draft && draft[part.key] !== part.text);
}

function warn(text, ...buttons) {
  $("banner").replaceChildren(document.createTextNode(text || ""), ...buttons);
  $("banner").hidden = !text;
}

async function send(body) {
  const answer = await fetch("api/change", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, value: await answer.json() };
}

// ---------------------------------------------------------------------------------------------------------- drawing

function drawList() {
  const nodes = getShown().map((item) => {
    const button = make("button");
    const unsaved = isUnsaved(item);
    button.type = "button";
    button.className = unsaved ? "unsaved" : item.state;
    button.setAttribute("aria-current", String(item.id === state.at));
    button.append(make("span", "", "dot"), make("span", getTitle(item)));
    button.title = unsaved ? "not saved" : STATES[item.state];
    button.onclick = () => go(item.id);
    return button;
  });
  $("list").replaceChildren(...nodes);
  const current = $("list").querySelector("[aria-current=true]");
  if (current) current.scrollIntoView({ block: "nearest" });
  const decided = state.items.filter((item) => item.state).length;
  $("bar").max = Math.max(1, state.items.length);
  $("bar").value = decided;
  $("count").textContent = decided + " of " + state.items.length + " decided";
}

function getTitle(item) {
  const part = item.parts.find((one) => one.name !== "system prompt") || item.parts[0];
  return (part && part.text.slice(0, 120)) || "new row";
}

function drawState(item) {
  const unsaved = isUnsaved(item);
  $("state").textContent = unsaved ? "not saved" : STATES[item.state];
  $("state").className = "badge " + (unsaved ? "unsaved" : item.state);
  $("clear").disabled = !item.state;
}

function drawRow() {
  const item = getItem();
  $("row").hidden = !item;
  $("empty").hidden = Boolean(item);
  if (!item) return;
  const shown = getShown();
  $("which").textContent = "Row " + (shown.indexOf(item) + 1) + " of " + shown.length + (item.split ? " (" + item.split + ")" : "");
  drawState(item);
  $("notes").replaceChildren(...item.notes.map((note) => make("li", note)));
  const draft = state.drafts.get(item.id) || {};
  $("parts").replaceChildren(...item.parts.map((part, index) => drawPart(item, part, draft, index)));
  for (const area of $("parts").querySelectorAll("textarea")) fit(area);
  drawClasses(item, draft);
}

function drawPart(item, part, draft, index) {
  const box = make("div", "", "part");
  const label = make("label", part.name + (part.fixed ? " (not editable here)" : ""));
  const field = part.choices.length ? make("select") : make("textarea");
  field.id = "part-" + index;
  label.htmlFor = field.id;
  for (const choice of part.choices) field.append(new Option(choice, choice));
  field.value = part.key in draft ? draft[part.key] : part.text;
  field.dataset.key = part.key;
  if (part.fixed) field.readOnly = true;
  field.oninput = () => {
    setDraft(item, part.key, field.value);
    if (field.tagName === "TEXTAREA") fit(field);
  };
  box.append(label, field);
  return box;
}

function setDraft(item, key, text) {
  state.drafts.set(item.id, { ...(state.drafts.get(item.id) || {}), [key]: text });
  drawState(item);
  drawList();
}

function drawClasses(item, draft) {
  const part = getAnswer(item);
  $("classes").hidden = !state.classes.length || !part;
  if ($("classes").hidden) return;
  const chosen = part.key in draft ? draft[part.key] : part.text;
  $("classes").replaceChildren(
    ...state.classes.map((name, index) => {
      const button = make("button", name + " ");
      button.type = "button";
      button.append(make("kbd", String(index + 1)));
      button.setAttribute("aria-pressed", String(name === chosen));
      button.onclick = () => pick(index);
      return button;
    }),
  );
}

function getAnswer(item) {
  const open = item.parts.filter((part) => !part.fixed && !part.choices.length);
  return open[open.length - 1];
}

function fit(area) {
  area.style.setProperty("height", "auto");
  area.style.setProperty("height", Math.min(area.scrollHeight + 4, window.innerHeight * 0.6) + "px");
}

function draw() {
  drawList();
  drawRow();
}

// --------------------------------------------------------------------------------------------------------- changing

function go(id) {
  state.at = id;
  draw();
}

function move(step) {
  const shown = getShown();
  const index = shown.findIndex((item) => item.id === state.at);
  const next = shown[Math.min(shown.length - 1, Math.max(0, index + step))];
  if (next) go(next.id);
}

async function decide(action, version) {
  const item = getItem();
  if (!item || state.busy) return;
  const draft = state.drafts.get(item.id) || {};
  if (action === "keep" && isUnsaved(item)) action = "edit";
  const texts = {};
  if (action === "edit")
    for (const part of item.parts) if (part.key in draft && draft[part.key] !== part.text) texts[part.key] = draft[part.key];
  const shown = getShown();
  const following = shown[shown.indexOf(item) + 1];
  await guard(async () => {
    const { status, value } = await send({ id: item.id, version: version ?? item.version, action, texts });
    if (status === 409) return clash(item, action, value);
    if (status !== 200) return warn("Not saved: " + value.error);
    state.drafts.delete(item.id);
    take(item.id, value);
    if (following && action !== "clear") state.at = following.id;
    draw();
  });
}

function clash(item, action, value) {
  const mine = make("button", "Save mine");
  const theirs = make("button", "Take the other");
  mine.type = theirs.type = "button";
  const current = value.item;
  mine.onclick = () => {
    warn("");
    decide(action, current.version);
  };
  theirs.onclick = () => {
    state.drafts.delete(item.id);
    take(item.id, { item: current, can_undo: !$("undo").disabled });
    warn("");
    draw();
  };
  warn("Not saved: " + value.error + ". Now it is " + STATES[current.state] + ": " + getAnswer(current).text, mine, theirs);
}

function take(id, value) {
  const index = state.items.findIndex((item) => item.id === id);
  if (value.item && index >= 0) state.items[index] = value.item;
  else if (value.item) state.items.unshift(value.item);
  else if (index >= 0) {
    state.items.splice(index, 1);
    if (state.at === id) state.at = (state.items[Math.min(index, state.items.length - 1)] || {}).id || null;
  }
  $("undo").disabled = !value.can_undo;
}

async function undo() {
  await guard(async () => {
    const { status, value } = await send({ action: "undo" });
    if (status !== 200) return warn(value.error);
    state.drafts.delete(value.id);
    take(value.id, value);
    if (value.item) state.at = value.id;
    draw();
  });
}

async function add() {
  await guard(async () => {
    const { status, value } = await send({ action: "new" });
    if (status !== 200) return warn(value.error);
    state.items.unshift(value.item);
    state.at = value.item.id;
    $("filter").value = "all";
    draw();
    edit();
  });
}

async function guard(work) {
  if (state.busy) return;
  state.busy = true;
  warn("");
  try {
    await work();
  } catch (error) {
    warn("Not saved: the server does not answer. What you typed stays here: start it again and save.");
  } finally {
    state.busy = false;
  }
}

function edit() {
  const item = getItem();
  if (!item) return;
  const empty = item.parts.find((part) => !part.fixed && !part.choices.length && !part.text);
  const part = empty || getAnswer(item);
  const field = part && $("parts").querySelector("[data-key='" + CSS.escape(part.key) + "']");
  if (field) field.focus();
}

function pick(index) {
  const item = getItem();
  const part = item && getAnswer(item);
  if (!part || !(index in state.classes)) return;
  setDraft(item, part.key, state.classes[index]);
  drawRow();
}

// ------------------------------------------------------------------------------------------------------------ start

const KEYS = {
  n: () => move(1),
  p: () => move(-1),
  j: () => move(1),
  k: () => decide("keep"),
  d: () => decide("drop"),
  c: () => decide("clear"),
  s: () => decide("edit"),
  e: edit,
  u: undo,
  a: () => state.canAdd && add(),
  "?": toggleHelp,
};

function toggleHelp() {
  $("help").hidden = !$("help").hidden;
  $("keys").setAttribute("aria-expanded", String(!$("help").hidden));
}

document.addEventListener("keydown", (event) => {
  const typing = ["TEXTAREA", "SELECT", "INPUT"].includes(event.target.tagName);
  if (typing && event.key === "Escape") return event.target.blur();
  if (typing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    event.target.blur();
    return decide("edit");
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = /^[1-9]$/.test(event.key) && state.classes.length ? () => pick(Number(event.key) - 1) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

for (const [id, action] of Object.entries({ save: "edit", keep: "keep", drop: "drop", clear: "clear" })) $(id).onclick = () => decide(action);
$("next").onclick = () => move(1);
$("previous").onclick = () => move(-1);
$("undo").onclick = undo;
$("add").onclick = add;
$("keys").onclick = toggleHelp;
$("filter").onchange = () => {
  const wanted = $("filter").value;
  const first = state.items.find((item) => wanted === "all" || (item.state || "open") === wanted);
  if (first) state.at = first.id;
  draw();
};

async function load() {
  const answer = await fetch("api/items");
  const value = await answer.json();
  // a row that is being typed keeps the version that the person saw: saving it says that it was changed elsewhere
  const held = new Map(state.items.filter(isUnsaved).map((item) => [item.id, item]));
  const known = new Set(value.items.map((item) => item.id));
  const fresh = [...held.values()].filter((item) => !known.has(item.id));
  state.items = [...fresh, ...value.items.map((item) => held.get(item.id) || item)];
  state.classes = value.classes;
  state.canAdd = value.can_add;
  document.title = $("title").textContent = value.title;
  $("add").hidden = !value.can_add;
  $("undo").disabled = !value.can_undo;
  $("file").textContent = "Saved to " + value.file + (value.left_out ? ". Not on this page: " + value.left_out : "");
  if (!getItem()) state.at = ((state.items.find((item) => !item.state) || state.items[0]) ?? {}).id ?? null;
}

// another tab may have changed rows: what is shown is read again, what is being typed stays
window.addEventListener("focus", () => {
  const typing = ["TEXTAREA", "SELECT"].includes(document.activeElement?.tagName);
  if (!state.busy) load().then(() => (typing ? drawList() : draw())).catch(() => {});
});
window.addEventListener("beforeunload", (event) => {
  if (state.items.some(isUnsaved)) event.preventDefault();
});
load()
  .then(draw)
  .catch(() => warn("The server does not answer: start it again, and load this page again."));
