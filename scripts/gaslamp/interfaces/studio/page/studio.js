// Says problems next to their fields, sends files, and keeps a project's page as its files are. Without it the forms work too.
"use strict";

const $ = (id) => document.getElementById(id);
const EVERY = 1500; // milliseconds between two looks
const PAUSE = 500; // after the last letter until an answer is checked

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
}

// ------------------------------------------------------------------------------------------------------------ fields

function showProblem(place, problem, input) {
  const box = make("div", "", "problem");
  const cause = make("p");
  cause.append(make("strong", problem.cause));
  const fix = make("p", problem.fix + (problem.less_likely ? " Or: " + problem.less_likely : ""));
  box.append(cause, fix);
  place.replaceChildren(box);
  if (input) input.setAttribute("aria-invalid", "true");
}

function showSeen(place, text, input) {
  place.replaceChildren(...(text ? [make("p", text, "seen")] : []));
  if (input) input.removeAttribute("aria-invalid");
}

async function check(input) {
  const place = $(input.id + "-says");
  const value = input.value.trim();
  if (!value) return showSeen(place, "", input);
  const body = new URLSearchParams({ field: input.dataset.check, value });
  let found;
  try {
    found = await (await fetch("/check", { method: "POST", body })).json();
  } catch {
    return; // the studio is closed: sending the form says so
  }
  if (input.value.trim() !== value) return; // typed on meanwhile
  if (found.problem) showProblem(place, found.problem, input);
  else showSeen(place, found.seen, input);
}

for (const input of document.querySelectorAll("[data-check]")) {
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (input.id === "data" && input.value.trim()) unsend(); // one answer, the last one
    timer = setTimeout(check, PAUSE, input);
  });
}

// ------------------------------------------------------------------------------------------------------------- files

function send(drop, file) {
  const bar = drop.querySelector("progress");
  const says = drop.querySelector(".says") || $("data-says");
  const request = new XMLHttpRequest(); // fetch does not report how much has left
  request.open("POST", drop.dataset.drop + "?name=" + encodeURIComponent(file.name));
  request.setRequestHeader("content-type", "application/octet-stream");
  bar.hidden = false;
  bar.value = 0;
  says.replaceChildren(make("p", "Sending " + file.name + " ...", "soft"));
  request.upload.onprogress = (event) => (bar.value = event.lengthComputable ? event.loaded / event.total : 0);
  request.onloadend = () => {
    bar.hidden = true;
    let found = { problem: { cause: "the file did not arrive", fix: "is make studio still running? choose the file once more" } };
    try {
      found = JSON.parse(request.responseText);
    } catch {
      // no answer, or none of the studio
    }
    if (found.problem) return showProblem(says, found.problem);
    if (!found.upload) return says.replaceChildren(make("p", found.name + " is here. It is looked at now.", "seen"));
    $("upload").value = found.upload;
    $("data").value = "";
    $("data").removeAttribute("aria-invalid");
    $("sent").hidden = false;
    $("sent").querySelector("strong").textContent = found.name;
    showSeen(says, found.seen);
  };
  request.send(file);
}

function unsend() {
  $("upload").value = "";
  $("sent").hidden = true;
  $("file").value = "";
}

function prepareDrop(drop) {
  if (drop.dataset.ready) return;
  drop.dataset.ready = "1";
  drop.querySelector("input[type=file]").addEventListener("change", (event) => event.target.files[0] && send(drop, event.target.files[0]));
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const files = event.dataTransfer.files;
    if (files.length > 1) {
      const says = drop.querySelector(".says") || $("data-says");
      return showProblem(says, { cause: files.length + " files were dropped", fix: "drop one; several go together as a .zip, or as a folder whose path you type" });
    }
    if (files[0]) send(drop, files[0]);
  });
  const remove = drop.querySelector("[data-unsend]");
  if (remove)
    remove.addEventListener("click", () => {
      unsend();
      $("data-says").replaceChildren();
      $("file").focus();
    });
}

// ------------------------------------------------------------------------------------------------------------- forms

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button) return;
  if (button.dataset.sure && !button.dataset.armed) {
    event.preventDefault();
    button.dataset.armed = "1";
    button.textContent = button.dataset.sure;
    return;
  }
  if (event.target.dataset.sent) return event.preventDefault(); // pressed twice
  event.target.dataset.sent = "1";
  if (button.dataset.busy && button.dataset.busy !== "...") button.textContent = button.dataset.busy;
  button.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", (event) => event.persisted && location.reload()); // back from the next page: as the files are now

for (const form of document.querySelectorAll("[data-set]")) {
  const button = form.querySelector("button");
  const begin = new URLSearchParams(new FormData(form)).toString();
  const wrong = form.querySelector("[aria-invalid]");
  const compare = () => (button.hidden = !wrong && new URLSearchParams(new FormData(form)).toString() === begin);
  form.addEventListener("input", compare);
  compare();
}
const wrong = document.querySelector("[aria-invalid]");
if (wrong) wrong.focus();

// ------------------------------------------------------------------------------------------------------ project page

function fit(frame) {
  const adapt = () => {
    const body = frame.contentDocument && frame.contentDocument.body;
    if (!body) return;
    new ResizeObserver(() => (frame.style.height = body.scrollHeight + 4 + "px")).observe(body);
  };
  frame.addEventListener("load", adapt);
  if (frame.contentDocument && frame.contentDocument.readyState === "complete") adapt();
}

function replace(part, html) {
  const opened = new Map([...part.querySelectorAll("details[id]")].map((node) => [node.id, node.open]));
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.innerHTML = html; // of our own server, which escapes every text
  for (const [id, open] of opened) if ($(id)) $(id).open = open;
  const next = focused && ($(focused) || part.querySelector("button, a"));
  if (next) next.focus({ preventScroll: true });
  prepare(part);
}

function prepare(root) {
  root.querySelectorAll("[data-drop]").forEach(prepareDrop);
  root.querySelectorAll("iframe.fit").forEach(fit);
  for (const details of root.querySelectorAll("[data-load]")) {
    details.addEventListener("toggle", () => load(details));
    load(details);
  }
}

async function load(details) {
  const place = details.querySelector(".loaded");
  if (!details.open || details.dataset.loaded) return;
  details.dataset.loaded = "1";
  try {
    const answer = await fetch(details.dataset.load);
    place.innerHTML = await answer.text(); // an error too is a part of the page
  } catch {
    delete details.dataset.loaded;
    showProblem(place, { cause: "the studio did not answer", fix: "is make studio still running? close this part and open it again; make plan says the same at a terminal" });
  }
}

async function follow(root) {
  let missed = 0;
  const shown = {};
  const begin = new Map([...root.querySelectorAll("[id^=part-]")].map((part) => [part, part.innerHTML]));
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY));
    if (document.hidden) continue;
    try {
      const answer = await fetch(root.dataset.follow + "?seen=" + root.dataset.version, { cache: "no-store" });
      if (answer.status >= 400) return location.reload(); // the page says why
      missed = 0;
      if (answer.status === 200) {
        const state = await answer.json();
        root.dataset.version = state.version;
        if ($("words").textContent !== state.words) $("words").textContent = state.words;
        for (const [name, html] of Object.entries(state.parts)) {
          if (shown[name] === html) continue;
          const part = $("part-" + name);
          const fresh = document.createElement("template");
          fresh.innerHTML = html;
          if (shown[name] !== undefined || fresh.innerHTML !== begin.get(part)) replace(part, html);
          shown[name] = html;
        }
      }
    } catch {
      missed += 1;
    }
    $("lost").hidden = missed < 2;
  }
}

const root = $("follow");
if (root) follow(root);
prepare(document);
