// Draws what the server sends. Values reach the page as text nodes or as numbers, never as markup.
"use strict";

const MOST_POINTS = 2400; // of one curve after many updates; then everything is loaded again, thinned by the server
const $ = (id) => document.getElementById(id);
const state = { picked: null, id: null, number: -1, head: null, series: {}, project: null, loading: false, waiting: [], live: false, polled: false, since: 0 };
const figures = new Map(); // panel id -> {figure, plot, drawn}
const compared = { runs: new Set(), name: "loss", data: new Map() };

// ---------------------------------------------------------------------------------------------------------- helpers

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function show(id, yes) {
  $(id).hidden = !yes;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours) return hours + " h " + minutes + " min";
  return minutes ? minutes + " min " + (whole % 60) + " s" : whole + " s";
}

function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return value.toLocaleString("en");
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

const label = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "% {"); // plotly reads some tags

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

// ------------------------------------------------------------------------------------------------------------- data

async function getJson(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

async function load(id) {
  if (state.loading) return;
  state.loading = true;
  try {
    const data = await getJson("api/metrics?run=" + encodeURIComponent(id));
    if (state.id === id) {
      Object.assign(state, { number: data.number, head: data.head, series: data.series, since: Date.now() });
      const waiting = state.waiting.splice(0);
      state.loading = false;
      waiting.forEach(update);
      draw();
    }
  } catch (problem) {
    if (state.id !== id) return; // another run was chosen meanwhile
    if (String(problem.message) === "404") forget();
    else setTimeout(() => state.id === id && load(id), 2000); // a finished run sends no updates: load it again
  } finally {
    if (state.id === id) state.loading = false;
  }
}

function update(data) {
  if (data.id !== state.id) return;
  if (state.loading || !state.head) {
    state.waiting.push(data);
    return;
  }
  if (data.number <= state.number) return;
  if (data.number !== state.number + 1) {
    load(state.id);
    return;
  }
  state.number = data.number;
  state.since = Date.now();
  Object.assign(state.head, data.head);
  let most = 0;
  for (const [name, forms] of Object.entries(data.series)) {
    const own = (state.series[name] = state.series[name] || { raw: [[], []], smooth: [[], []] });
    for (const form of ["raw", "smooth"]) {
      own[form][0].push(...forms[form][0]);
      own[form][1].push(...forms[form][1]);
      most = Math.max(most, own[form][0].length);
    }
  }
  if (most > MOST_POINTS) load(state.id);
  else draw();
}

function forget() {
  Object.assign(state, { id: null, number: -1, head: null, series: {}, waiting: [], loading: false });
  draw();
}

// ------------------------------------------------------------------------------------------------------- connection

let port = null;
let close = null;

function receive(message) {
  if (message.kind === "link") {
    if (message.live && !state.live && state.id) load(state.id);
    state.live = message.live;
    drawLink();
  } else if (message.kind === "project") {
    project(message.data);
  } else if (message.kind === "hello") {
    if (message.data.id === state.id && message.data.number !== state.number) load(state.id);
  } else {
    update(message.data);
  }
}

function follow(id) {
  if (window.SharedWorker) {
    if (!port) {
      port = new SharedWorker("stream.js", { name: "gaslamp" }).port;
      port.onmessage = (event) => receive(event.data);
      addEventListener("pagehide", () => port.postMessage({ bye: true }));
      addEventListener("pageshow", (event) => event.persisted && follow(state.id || ""));
    }
    port.postMessage({ run: id });
  } else {
    if (close) close();
    close = openStream(id, receive);
  }
}

function pick(id) {
  if (id === state.id) return;
  Object.assign(state, { id, number: -1, head: null, series: {}, waiting: [], loading: false });
  follow(id);
  load(id);
}

function project(data) {
  state.project = data;
  const wanted = state.picked && data.runs.some((run) => run.id === state.picked) ? state.picked : data.newest;
  if (wanted && wanted !== state.id) pick(wanted);
  if (!wanted && state.id) forget();
  drawProject();
}

setInterval(async () => {
  if (state.live) return;
  try {
    project(await getJson("api/runs")); // the stream is cut, perhaps by a proxy: a plain request may still work
    if (state.id) await load(state.id);
    state.polled = true;
  } catch (problem) {
    state.polled = false;
  }
  drawLink();
}, 5000);

// ---------------------------------------------------------------------------------------------------------- drawing

let planned = false;
function draw() {
  if (planned) return;
  planned = true;
  const paint = () => {
    planned = false;
    drawTraining();
  };
  if (document.hidden) planned = false; // drawn when the tab is visible
  else requestAnimationFrame(paint);
}
document.addEventListener("visibilitychange", () => document.hidden || (drawProject(), draw()));

function drawLink() {
  const link = $("link");
  link.textContent = state.live ? "connected" : state.polled ? "polling every 5 s" : "no connection, trying again";
  link.className = "badge link " + (state.live ? "ok" : state.polled ? "watch" : "bad");
}

function fill(node, children) {
  node.replaceChildren(...children);
}

const NAMES = { training: "training", completed: "completed", interrupted: "interrupted", error: "failed", killed: "killed", waiting: "waiting" };
const LEVELS = { training: "live", completed: "ok", interrupted: "watch", error: "bad", killed: "bad", waiting: "" };

function runName(run) {
  const twins = state.project.runs.filter((one) => one.run === run.run);
  return twins.length > 1 ? run.run + ", " + new Date(run.started * 1000).toLocaleString() : run.run;
}

function drawProject() {
  const data = state.project;
  if (!data || document.hidden) return;
  $("name").textContent = data.name;
  const select = $("run");
  const wanted = data.runs.map((run) => run.id + run.status).join();
  if (select.dataset.drawn !== wanted) {
    select.dataset.drawn = wanted;
    fill(select, data.runs.map((run) => {
      const option = make("option", runName(run) + " (" + run.method + ", " + (NAMES[run.status] || run.status) + ")");
      option.value = run.id;
      return option;
    }));
    drawChoices();
  }
  if (state.id) select.value = state.id;
  show("empty", !data.runs.length);
  fill($("phases"), data.phases.map((phase) => {
    const row = make("li", null, phase.state);
    row.append(make("span", phase.title, "title"), make("span", phase.state, "state"), make("span", phase.seconds === null ? "" : duration(phase.seconds), "time"));
    if (phase.started) row.title = "started " + phase.started;
    if (phase.reason && phase.state !== "done") row.append(make("span", phase.reason, "reason"));
    return row;
  }));
  const machine = data.machine;
  const rows = [...data.hardware, ["Processor load", machine.cpu_percent.toFixed(0) + " % of " + machine.cores + " cores"],
    ["Memory in use", machine.memory_used_gb.toFixed(1) + " of " + machine.memory_total_gb.toFixed(1) + " GB"]];
  fill($("machine-list"), rows.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
  drawOutcome();
  drawCards();
  drawGauge();
}

function drawTraining() {
  const head = state.head;
  for (const id of ["progress", "curves"]) show(id, head);
  if (!head) {
    for (const id of ["banner", "outcome", "task", "phase", "samples", "last", "memory", "settings"]) show(id, false);
    return;
  }
  document.title = (head.live ? head.step + " of " + head.max_steps + " · " : "") + head.run + ", " + (NAMES[head.status] || head.status);
  $("task").textContent = head.method.toUpperCase().replace("_", " ") + " · " + head.task;
  $("phase").textContent = NAMES[head.status] || head.status;
  $("phase").className = "badge " + (LEVELS[head.status] || "");
  show("task", true);
  show("phase", true);
  drawBanner(head);
  drawOutcome();
  $("step-bar").max = Math.max(1, head.max_steps);
  $("step-bar").value = head.step;
  $("step-text").textContent = number(head.step) + " of " + number(head.max_steps);
  show("epoch-row", head.epochs);
  if (head.epochs) {
    $("epoch-bar").max = head.epochs;
    $("epoch-bar").value = head.epoch || 0;
    $("epoch-text").textContent = (head.epoch || 0).toFixed(2) + " of " + number(Number(head.epochs.toFixed(2)));
  }
  drawCards();
  drawCharts(head);
  drawSamples(head);
  drawLast(head);
  drawGauge();
  show("settings", head.settings && head.settings.length);
  fill($("setting-list"), (head.settings || []).flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
}

function drawBanner(head) {
  const banner = $("banner");
  let text = "";
  if (head.status === "completed") {
    const loss = head.first.loss !== undefined && head.smoothed.loss !== undefined ? ", smoothed loss " + number(head.first.loss) + " → " + number(head.smoothed.loss) : "";
    const reward = head.first.reward !== undefined && head.smoothed.reward !== undefined ? ", reward " + number(head.first.reward) + " → " + number(head.smoothed.reward) : "";
    text = "Completed: " + number(head.step) + " steps in " + duration(head.elapsed) + reward + loss + "." + (state.project && state.project.running ? " The next phases start by themselves." : "");
  } else if (head.status === "error") text = "Training failed at step " + number(head.step) + ": " + (head.reason || "no reason was logged") + ". Fix it and run the same command again.";
  else if (head.status === "interrupted") text = "Interrupted at step " + number(head.step) + " (" + head.reason + "). The same command resumes from the checkpoint.";
  else if (head.status === "killed") text = "Stopped at step " + number(head.step) + ": " + head.reason + ".";
  else if (head.multimodal) text = "Vision fine-tuning: the rows hold images; only the answers carry loss.";
  const worst = (head.findings || [])[0];
  const isIll = worst && worst.severity !== "hint" && head.status !== "error";
  if (isIll) {
    const says = worst.text + (worst.try.length ? ". Try: " + worst.try[0] : "") + ".";
    text = [text, says.charAt(0).toUpperCase() + says.slice(1)].filter(Boolean).join(" ");
  }
  banner.textContent = text;
  // a training that is ill has no green banner, however it ended
  const level = LEVELS[head.status] || "";
  banner.className = "banner " + (isIll && level !== "bad" ? (worst.severity === "certain" ? "bad" : "watch") : level);
  banner.hidden = !text;
}

// once the run stands still: the verdict, its pages, the next command
function drawOutcome() {
  const head = state.head;
  const found = head && state.project && (state.project.outcomes || {})[head.run];
  const shown = found && !head.live && !state.project.running;
  show("outcome", shown);
  if (!shown) return;
  $("headline").textContent = found.headline;
  $("headline").className = { better: "good", worse: "bad" }[found.verdict] || "";
  $("headline").hidden = !found.headline;
  fill($("pages"), found.pages.map((page) => {
    const link = make("a", page.title);
    link.href = "files/" + page.link;
    link.title = page.about;
    link.target = "_blank";
    link.rel = "noopener";
    return link;
  }));
  $("next").textContent = found.next;
}

function drawCards() {
  const head = state.head;
  if (!head) return;
  const machine = state.project ? state.project.machine : null;
  const elapsed = head.elapsed + (head.live ? (Date.now() - state.since) / 1000 : 0);
  const cards = [
    ["Smoothed loss", number(head.smoothed.loss), head.first.loss !== undefined ? "from " + number(head.first.loss) : ""],
    head.now.valid_loss !== undefined ? ["Validation loss", number(head.now.valid_loss), "from " + number(head.first.valid_loss)] : null,
    head.now.reward !== undefined ? ["Reward", number(head.smoothed.reward), "from " + number(head.first.reward)] : null,
    ["Time left", head.live ? (head.remaining === null ? "…" : duration(head.remaining)) : "none", head.seconds_per_step ? number(head.seconds_per_step) + " s a step" : ""],
    ["Elapsed", duration(elapsed), head.attempts > 1 ? head.attempts + " attempts" : ""],
    head.tokens_per_second ? ["Tokens per second", number(Math.round(head.tokens_per_second)), number(head.tokens) + " in all"] : null,
    ["Gradient norm", number(head.now.grad_norm), ""],
    ["Learning rate", number(head.now.learning_rate), ""],
    head.memory.peak !== null ? ["Memory, peak", number(head.memory.peak) + " GB", machine && machine.process_gb ? number(machine.process_gb) + " GB now" : ""] : null,
    machine && head.live ? ["Processor", machine.cpu_percent.toFixed(0) + " %", machine.cores + " cores"] : null,
  ].filter(Boolean);
  fill($("cards"), cards.map(([name, value, remark]) => {
    const card = make("div");
    card.append(make("dt", name), make("dd", value));
    if (remark) card.lastChild.append(make("small", remark));
    return card;
  }));
}

const COLORS = ["accent", "second", "third", "fourth", "fifth", "sixth"];

function frame(id, log) {
  const line = { gridcolor: color("line"), linecolor: color("line"), zeroline: false, tickfont: { color: color("soft"), size: 11 }, fixedrange: true };
  return {
    margin: { l: 52, r: 10, t: 6, b: 30 }, height: 220, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: "inherit", color: color("ink") }, hovermode: "x unified", hoverlabel: { bgcolor: color("card"), bordercolor: color("line"), font: { color: color("ink"), size: 12 } },
    xaxis: { ...line, title: { text: "" } }, yaxis: { ...line, type: log ? "log" : "linear", exponentformat: "e", minexponent: 6, rangemode: ["memory", "speed", "learning_rate"].includes(id) ? "tozero" : "normal" },
  };
}

const CONFIG = { displayModeBar: false, responsive: true, staticPlot: false };

function band(mean, sigma, tint) {
  const at = new Map(sigma[0].map((step, place) => [step, sigma[1][place]]));
  const kept = mean[0].map((step, place) => [step, mean[1][place], at.get(step)]).filter((row) => row[1] !== null && row[2] !== null && row[2] !== undefined);
  const steps = kept.map((row) => row[0]);
  return [
    { x: steps, y: kept.map((row) => row[1] - row[2]), mode: "lines", line: { width: 0 }, hoverinfo: "skip" },
    { x: steps, y: kept.map((row) => row[1] + row[2]), mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: tint + "2b", hoverinfo: "skip" },
  ];
}

function line(points, name, tint, extra) {
  const [xs, ys] = points;
  const few = xs.length < 3 || name.startsWith("validation");
  return { x: xs, y: ys, mode: few ? "lines+markers" : "lines", line: { color: tint, width: 2, ...extra }, marker: { size: 6, color: tint }, connectgaps: false, hovertemplate: label(name) + " %{y:.4g}<extra></extra>" };
}

function traces(panel) {
  const raw = $("show-raw").checked || !panel.smooth;
  const result = [];
  const legend = [];
  panel.curves.forEach((curve, place) => {
    const forms = state.series[curve.name];
    if (!forms) return;
    const tint = color(COLORS[place % COLORS.length]);
    const smoothable = panel.smooth && forms.raw[0].length > 5 && curve.name !== "valid_loss";
    const smooth = smoothable && $("show-smooth").checked;
    const sigma = curve.sigma && state.series[curve.sigma];
    if (sigma) result.push(...band(forms.raw, sigma.raw, tint));
    if (raw || !smooth) result.push({ ...line(forms.raw, curve.label, tint, smooth ? { width: 1 } : {}), opacity: smooth ? 0.4 : 1 });
    if (smooth) result.push(line(forms.smooth, curve.label + ", smoothed", tint));
    legend.push([curve.label, COLORS[place % COLORS.length], sigma ? "± one standard deviation" : ""]);
  });
  return [result, legend];
}

function drawLegend(list, items) {
  fill(list, items.map(([name, tint, remark]) => {
    const row = make("li");
    row.append(make("i", null, "dot " + tint), make("span", name));
    if (remark) row.append(make("small", remark));
    return row;
  }));
}

function drawCharts(head) {
  const wanted = head.panels.map((panel) => panel.id);
  for (const [id, entry] of figures) {
    if (!wanted.includes(id)) {
      Plotly.purge(entry.plot);
      entry.figure.remove();
      figures.delete(id);
    }
  }
  head.panels.forEach((panel, place) => {
    let entry = figures.get(panel.id);
    if (!entry) {
      const figure = make("figure", null, "chart" + (panel.wide ? " wide" : ""));
      const caption = make("figcaption");
      caption.append(make("h3", panel.title), make("p", "", "hint"));
      const plot = make("div", null, "plot");
      plot.setAttribute("role", "img");
      figure.dataset.panel = panel.id;
      figure.append(caption, plot, make("ul", null, "legend"), make("p", panel.about, "about"));
      entry = { figure, plot, hint: caption.lastChild, legend: figure.querySelector(".legend") };
      figures.set(panel.id, entry);
    }
    if ($("charts").children[place] !== entry.figure) $("charts").insertBefore(entry.figure, $("charts").children[place] || null);
    const [data, legend] = traces(panel);
    entry.hint.textContent = panel.hint.text || "";
    entry.hint.className = "hint " + (panel.hint.level || "");
    entry.plot.setAttribute("aria-label", panel.title + ": " + panel.curves.map((curve) => curve.label + " " + number(head.now[curve.name])).join(", ") + ". " + (panel.hint.text || ""));
    drawLegend(entry.legend, panel.curves.length > 1 || legend.some((row) => row[2]) ? legend : []);
    Plotly.react(entry.plot, data, frame(panel.id, panel.id === "loss" && $("show-log").checked), CONFIG);
  });
}

function drawSamples(head) {
  const samples = (head.samples || []).slice().reverse();
  show("samples", samples.length);
  fill($("sample-list"), samples.map((sample) => {
    const card = make("article");
    const scores = make("ul", null, "scores");
    for (const [name, value] of Object.entries(sample.scores)) scores.append(make("li", name + " " + number(value)));
    card.append(make("h3", "Step " + number(sample.step)), scores, make("p", sample.prompt || "", "sample-prompt"), make("pre", sample.completion || "(nothing)"));
    if (sample.reference) card.append(make("p", "Reference: " + sample.reference, "about"));
    return card;
  }));
}

const FIRST = ["step", "loss", "reward", "rewards/margins", "rewards/accuracies", "kl", "learning_rate", "grad_norm", "tokens", "seconds", "memory_gb"];

function drawLast(head) {
  const rows = head.last.slice().reverse();
  show("last", rows.length);
  const names = FIRST.filter((name) => rows.some((row) => name in row));
  fill($("last-head"), names.map((name) => {
    const cell = make("th", name.replace(/_/g, " "));
    cell.scope = "col";
    return cell;
  }));
  fill($("last-body"), rows.map((row) => {
    const line = make("tr");
    line.append(...names.map((name) => make("td", row[name] === null && name in row ? "NaN" : number(row[name]))));
    return line;
  }));
}

function drawGauge() {
  const head = state.head;
  const machine = state.project ? state.project.machine : null;
  const memory = head ? head.memory : null;
  show("memory", memory && memory.peak !== null && machine);
  if (!memory || memory.peak === null || !machine) return;
  // of a machine elsewhere only the peak is known
  const total = memory.total_gb || (head.elsewhere ? memory.peak : machine.memory_total_gb);
  const free = total > memory.peak ? [["free of " + total.toFixed(1) + " GB", "sunk", (total - memory.peak).toFixed(1) + " GB"]] : [];
  const base = memory.base_gb || 0;
  const adapters = memory.adapters_gb || 0;
  const parts = [
    ["base model and libraries", "second", base],
    ["adapter and optimizer", "third", adapters],
    [base ? "activations and other, at the peak" : "training, at the peak", "accent", Math.max(0, memory.peak - base - adapters)],
  ].filter((part) => part[2] > 0);
  fill($("gauge"), parts.map(([name, tint, size]) => {
    const piece = make("span", null, tint);
    piece.style.width = Math.min(100, (100 * size) / total) + "%";
    return piece;
  }));
  drawLegend($("gauge-legend"), [...parts.map(([name, tint, size]) => [name, tint, size.toFixed(2) + " GB"]), ...free]);
}

// ---------------------------------------------------------------------------------------------------------- compare

function drawChoices() {
  const runs = state.project.runs;
  show("compare", runs.length > 1);
  if (runs.length < 2) return;
  const known = new Set(runs.map((run) => run.id));
  for (const id of compared.runs) if (!known.has(id)) compared.runs.delete(id);
  if (!compared.runs.size) runs.slice(0, 3).forEach((run) => compared.runs.add(run.id));
  fill($("compare-runs"), runs.slice(0, 30).map((run) => {
    const box = make("input");
    box.type = "checkbox";
    box.checked = compared.runs.has(run.id);
    box.onchange = () => {
      if (box.checked) compared.runs.add(run.id);
      else compared.runs.delete(run.id);
      compareRuns();
    };
    const row = make("label");
    row.append(box, " " + runName(run) + " · " + run.method);
    return row;
  }));
  compareRuns();
}

async function compareRuns() {
  if (document.hidden || $("compare").hidden) return;
  const runs = state.project.runs.filter((run) => compared.runs.has(run.id)).slice(0, 6);
  for (const run of runs) {
    const known = compared.data.get(run.id);
    if (known && known.updated === run.updated) continue;
    try {
      compared.data.set(run.id, { updated: run.updated, series: (await getJson("api/metrics?points=400&run=" + encodeURIComponent(run.id))).series });
    } catch (problem) {
      compared.data.delete(run.id);
    }
  }
  const names = [...new Set(runs.flatMap((run) => Object.keys((compared.data.get(run.id) || { series: {} }).series)))].sort();
  const select = $("compare-name");
  if (select.dataset.drawn !== names.join()) {
    select.dataset.drawn = names.join();
    fill(select, names.map((name) => {
      const option = make("option", name);
      option.value = name;
      return option;
    }));
    if (!names.includes(compared.name)) compared.name = names[0] || "loss";
    select.value = compared.name;
  }
  const data = [];
  const legend = [];
  runs.forEach((run, place) => {
    const forms = (compared.data.get(run.id) || { series: {} }).series[compared.name];
    if (!forms) return;
    const tint = COLORS[place % COLORS.length];
    data.push(line(forms[$("show-smooth").checked ? "smooth" : "raw"], runName(run), color(tint)));
    legend.push([runName(run), tint, number(run.loss)]);
  });
  drawLegend($("compare-legend"), legend);
  $("compare-plot").setAttribute("aria-label", "Comparison of " + compared.name + ": " + legend.map((row) => row[0]).join(", "));
  Plotly.react($("compare-plot"), data, frame("", false), CONFIG);
}
setInterval(() => state.project && compareRuns(), 5000);

// ------------------------------------------------------------------------------------------------------------ begin

$("run").onchange = () => {
  state.picked = $("run").value;
  pick(state.picked);
};
$("compare-name").onchange = () => {
  compared.name = $("compare-name").value;
  compareRuns();
};
for (const id of ["show-raw", "show-smooth", "show-log"]) $(id).onchange = draw;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
setInterval(() => document.hidden || drawCards(), 1000);
if (location.hash === "#inside") document.documentElement.classList.add("inside"); // the page around it says the rest
follow("");
