"use strict";
(() => {
  // the second page is built later, or never when the gate stopped the run: its link appears when its plot loads
  const ladder = document.getElementById("ladder");
  ladder.onload = () => { for (const id of ["files", "shipped"]) document.getElementById(id).hidden = false; };
  ladder.src = "ladder.svg";

  const examples = JSON.parse(document.getElementById("data").textContent);
  if (!examples.length) return;
  const words = JSON.parse(document.getElementById("words").textContent);
  const put = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
  const get = (id) => document.getElementById(id);
  const symbols = { improved: "▲", comparable: "=", regressed: "▼" };
  let current = 0;

  // text only: nothing a model wrote is ever parsed as markup
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const fill = (node, pieces) => {
    node.replaceChildren(...pieces.map(([text, differs]) => (differs ? make("mark", "", text) : document.createTextNode(text))));
    if (!pieces.some(([text]) => text.trim())) node.replaceChildren(make("span", "empty", words.empty));
  };

  const makeAnswer = (title, kind, answer, written) => {
    const box = make("section", `answer ${kind}`);
    const head = make("header", "");
    head.append(make("h4", "", title));
    if (typeof answer.score === "number") {
      head.append(make("span", "points", put(words.score, { n: Number(answer.score).toFixed(2).replace(/\.00$/, "") })));
    }
    const text = make("pre", answer.laid_out ? "json" : "prose");
    fill(text, answer.laid_out || answer.written);
    written.push((asWritten) => fill(text, (!asWritten && answer.laid_out) || answer.written));
    box.append(head, text);
    return box;
  };

  const makePanel = (example, index) => {
    const panel = make("article", "panel");
    panel.id = `panel-${index}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", `tab-${index}`);
    const head = make("header", "panel-head");
    head.append(make("span", `change ${example.change}`, `${symbols[example.change]} ${words[example.change]}`));
    if (example.slice) head.append(make("span", "slice", example.slice));
    const written = [];
    const prompt = make("div", "prompt");
    for (const turn of example.prompt) {
      const row = make("div", `turn ${turn.role === "system" ? "system" : "other"}`);
      row.append(make("span", "role", words[turn.role] || turn.role), make("p", "", turn.content));
      prompt.append(row);
    }
    for (const source of example.images) {
      const picture = make("img", "picture");
      picture.src = source;
      picture.alt = example.label;
      prompt.append(picture);
    }
    const pair = make("div", "pair");
    pair.append(makeAnswer(words.base, "base", example.base, written), makeAnswer(words.tuned, "tuned", example.tuned, written));
    panel.append(head, prompt, pair);
    if (example.same) {
      panel.append(make("p", "same", "✓ " + words.same));
    } else if (example.reference) {
      panel.append(makeAnswer(words[example.reference], "expected", example.expected, written));
    }
    if (example.base.laid_out || example.tuned.laid_out) {
      const button = make("button", "toggle", words.as_written);
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const asWritten = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(asWritten));
        written.forEach((show) => show(asWritten));
      });
      head.append(button);
    }
    return panel;
  };

  const tabs = examples.map((example, index) => {
    const tab = make("button", "tab");
    tab.type = "button";
    tab.id = `tab-${index}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `panel-${index}`);
    const symbol = make("span", `symbol ${example.change}`, symbols[example.change]);
    symbol.setAttribute("aria-hidden", "true");
    tab.append(symbol, make("span", "", example.label), make("span", "sr", `, ${words[example.change]}`));
    tab.addEventListener("click", () => show(index));
    return tab;
  });
  const panels = examples.map(makePanel);

  function show(index, focus) {
    current = (index + examples.length) % examples.length;
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === current));
      tab.tabIndex = i === current ? 0 : -1;
    });
    panels.forEach((panel, i) => panel.classList.toggle("off", i !== current));
    get("position").textContent = put(words.position, { i: current + 1, n: examples.length });
    if (focus) tabs[current].focus({ preventScroll: true });
  }

  get("list").append(...tabs);
  get("panels").append(...panels);
  get("explorer").hidden = false;
  get("previous").addEventListener("click", () => show(current - 1));
  get("next").addEventListener("click", () => show(current + 1));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const inList = get("list").contains(document.activeElement);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ...(inList ? { ArrowUp: -1, ArrowDown: 1 } : {}) };
    if (event.key in steps) show(current + steps[event.key], inList);
    else if (inList && event.key === "Home") show(0, true);
    else if (inList && event.key === "End") show(examples.length - 1, true);
    else return;
    event.preventDefault();
  });
  show(0);
})();
