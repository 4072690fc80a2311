// The rows: filtered and sorted as data, built a few at a time as one scrolls. The filters stand in the address.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const CHUNK = 40, MOST_WORDS = 1200, MARKED_FROM = 0.35;
const WORDS = { improved: "▲ better than before", regressed: "▼ worse than before", comparable: "● no change" };
const FIELDS = ["show", "group", "part", "sort", "words"];
const pick = (id) => document.getElementById(id);
const rows = data.rows;
const texts = rows.map((row) => [row.prompt, ...row.earlier.map((turn) => turn[1]), row.reference, row.base, row.tuned,
  row.slice, row.id, row.more, ...row.mistakes].join("\n").toLowerCase());
const members = Object.fromEntries(Object.entries(data.findings).map(([name, ids]) => [name, new Set(ids)]));
const sign = data.higher ? 1 : -1;
let found = [], built = 0;

function gain(row) {
  return row.base_score === null || row.tuned_score === null ? 0 : sign * (row.tuned_score - row.base_score);
}

// What comes first: wrong rows by score, then the others as in the file.
const ORDERS = {
  "": (a, b) => (a.mistakes.length ? 0 : 1) - (b.mistakes.length ? 0 : 1) ||
    (a.mistakes.length ? sign * (a.tuned_score - b.tuned_score) || gain(a) - gain(b) : 0),
  file: null,
  loss: (a, b) => gain(a) - gain(b),
  gain: (a, b) => gain(b) - gain(a),
  long: (a, b) => b.tuned.length - a.tuned.length,
};

function fits(row, number, state, words) {
  if (state.show === "wrong" ? !row.mistakes.length : state.show === "near" ? !row.near : state.show && row.change !== state.show) return false;
  if (state.part && row.slice !== state.part) return false;
  const [kind, name] = [state.group.slice(0, state.group.indexOf(":")), state.group.slice(state.group.indexOf(":") + 1)];
  if (kind === "finding" && !(members[name] && members[name].has(row.id))) return false;
  if (kind === "mistake" && !row.mistakes.includes(name)) return false;
  return words.every((word) => texts[number].includes(word));
}

function read() {
  return Object.fromEntries(FIELDS.map((id) => [id, pick(id) ? pick(id).value : ""]));
}

function refresh() {
  const state = read(), words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  found = rows.filter((row, number) => fits(row, number, state, words));
  if (ORDERS[state.sort]) found.sort(ORDERS[state.sort]);
  built = 0;
  pick("list").replaceChildren();
  more();
  pick("shown").textContent = found.length === 1 ? "1 row" : `${found.length.toLocaleString("en")} rows`;
  pick("none").hidden = found.length > 0;
}

function remember() {
  const state = new URLSearchParams(Object.entries(read()).filter(([, value]) => value));
  history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
}

function restore() {
  if (location.hash && !location.hash.includes("=")) return; // a place on the page
  const state = new URLSearchParams(location.hash.slice(1));
  for (const id of FIELDS) {
    const field = pick(id), value = state.get(id) || "";
    if (field) field.value = field.tagName === "SELECT" && ![...field.options].some((one) => one.value === value) ? "" : value;
  }
  refresh();
}

function split(text) {
  return text.match(/\s+|[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_\s]/gu) || [];
}

// The text in pieces; those that are not in `wanted` at their place are marked. Long or quite different texts are not.
function mark(element, text, wanted) {
  element.textContent = text || "(no answer)";
  if (!text || !wanted) return;
  const a = split(text), b = split(wanted), width = b.length + 1;
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) return;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  if (2 * common[0] < MARKED_FROM * (a.length + b.length)) return;
  element.textContent = "";
  let last = null, j = 0;
  a.forEach((word, i) => {
    while (j < b.length && a[i] !== b[j] && common[i * width + j] === common[i * width + j + 1]) j++;
    const same = j < b.length && a[i] === b[j];
    if (same) j++;
    const differs = !same && word.trim() !== "";
    if (!last || last.differs !== differs) {
      last = { differs, node: element.appendChild(differs ? document.createElement("mark") : document.createTextNode("")) };
    }
    last.node.textContent += word;
  });
}

function add(parent, tag, text, name) {
  const element = parent.appendChild(document.createElement(tag));
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function build(row) {
  const part = pick("row").content.cloneNode(true), get = (selector) => part.querySelector(selector);
  get(".row").classList.add(row.change);
  get(".mark").classList.add(row.change);
  get(".mark").textContent = WORDS[row.change];
  get(".scores").textContent = row.scores;
  get(".id").textContent = row.id;
  for (const text of row.mistakes) add(get(".tags"), "span", text, "tag warn");
  if (row.slice) add(get(".tags"), "span", row.slice, "tag plain");
  if (row.near) add(get(".tags"), "span", "nearly in the training data", "tag warn").title = row.near;
  const prompt = get(".prompt"), question = get(".prompt p");
  question.textContent = row.prompt;
  for (const [who, content] of row.earlier) {
    const turn = document.createElement("details");
    add(turn, "summary", who);
    add(turn, "p", content).dir = "auto";
    prompt.insertBefore(turn, question);
  }
  for (const source of row.images) {
    const image = document.createElement("img");
    image.alt = "image of the question";
    image.src = source;
    prompt.insertBefore(image, question);
  }
  if (row.rated_bad) get(".wanted").textContent = "Rated bad";
  get(".reference").textContent = row.reference || "(no single right answer)";
  const wanted = row.rated_bad ? "" : row.reference;
  mark(get("pre.base"), row.base, wanted);
  mark(get("pre.tuned"), row.tuned, wanted);
  if (row.more) get(".more").textContent = row.more; else get(".more").remove();
  return part;
}

function more() {
  const list = pick("list");
  for (const row of found.slice(built, built + CHUNK)) list.appendChild(build(row));
  built = Math.min(found.length, built + CHUNK);
}

function save() {
  const columns = ["id", "slice", "change", "base_score", "tuned_score", "mistakes", "prompt", "reference", "base", "tuned"];
  // a cell that begins like a formula would be run by a spreadsheet
  const cell = (value) => `"${String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  const lines = found.map((row) => columns.map((name) => {
    const value = row[name];
    return typeof value === "number" ? value : cell(Array.isArray(value) ? value.join("; ") : value);
  }).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + [columns.join(","), ...lines].join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = "rows.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

for (const id of FIELDS) {
  if (pick(id)) pick(id).addEventListener("input", () => { refresh(); remember(); });
}
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
for (const button of document.querySelectorAll("[data-group]")) {
  button.addEventListener("click", () => {
    for (const id of FIELDS) if (pick(id)) pick(id).value = "";
    pick("group").value = button.dataset.group;
    refresh();
    remember();
    pick("rows").scrollIntoView();
  });
}
pick("csv").addEventListener("click", save);
window.addEventListener("hashchange", restore);
new IntersectionObserver((seen) => {
  if (seen.some((entry) => entry.isIntersecting) && built < found.length) more();
}, { rootMargin: "1200px" }).observe(pick("end"));
refresh();
restore();
