// All rows: searched and paged as data, one page of them built at a time. The state stands in the address.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const SIZE = 25;
const FIELDS = ["split", "slice", "words"];
const NAMES = { train: "training row", valid: "validation row", test: "test row", rehearsal: "general chat data" };
const pick = (id) => document.getElementById(id);
const texts = data.rows.map((row) => row.parts.map((part) => part[1]).join("\n").toLowerCase());
let found = [], page = 0;

function read() {
  return Object.fromEntries(FIELDS.map((id) => [id, pick(id) ? pick(id).value : ""]));
}

function add(parent, tag, text, name) {
  const element = parent.appendChild(document.createElement(tag));
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function build(row) {
  const item = document.createElement("article");
  item.className = "panel found";
  const head = add(item, "header", "", "panel-head");
  add(head, "b", `${NAMES[row.split]} ${row.number}`, row.split);
  if (row.slice) add(head, "span", row.slice, "fact");
  for (const [who, text] of row.parts) {
    const part = add(item, "div", "", "part");
    add(part, "p", who, "who");
    add(part, "p", text, "said").dir = "auto";
  }
  return item;
}

function show() {
  const last = Math.max(0, Math.ceil(found.length / SIZE) - 1);
  page = Math.min(Math.max(0, page), last);
  pick("list").replaceChildren(...found.slice(page * SIZE, page * SIZE + SIZE).map(build));
  const rows = found.length === 1 ? "1 row" : `${found.length.toLocaleString("en")} rows`;
  pick("shown").textContent = last ? `${rows}, page ${page + 1} of ${last + 1}` : rows;
  pick("before").disabled = page === 0;
  pick("after").disabled = page === last;
}

function refresh() {
  const state = read(), words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  found = data.rows.filter((row, number) => (!state.split || row.split === state.split) &&
    (!state.slice || row.slice === state.slice) && words.every((word) => texts[number].includes(word)));
  show();
}

function remember() {
  const state = new URLSearchParams(Object.entries({ ...read(), page: page ? page + 1 : "" }).filter(([, value]) => value));
  history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
}

function restore() {
  if (location.hash && !location.hash.includes("=")) return; // a place on the page
  const state = new URLSearchParams(location.hash.slice(1));
  for (const id of FIELDS) {
    const field = pick(id), value = state.get(id) || "";
    if (field) field.value = field.tagName === "SELECT" && ![...field.options].some((one) => one.value === value) ? "" : value;
  }
  page = (Number(state.get("page")) || 1) - 1;
  refresh();
}

for (const id of FIELDS) {
  if (pick(id)) pick(id).addEventListener("input", () => { page = 0; refresh(); remember(); });
}
for (const [id, step] of [["before", -1], ["after", 1]]) {
  pick(id).addEventListener("click", () => { page += step; show(); remember(); pick("all").scrollIntoView(); });
}
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", restore);
restore();
