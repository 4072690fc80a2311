// Markdown as DOM nodes. Model text is untrusted: it becomes textContent of elements that stand in this file by name and nothing
// else. There is no HTML string to clean, no attribute takes the model's words, and links are shown with their address as text.
"use strict";
const MAX_DEPTH = 8; // deeper nesting is shown as it was written
const MAX_INLINE = 4000; // characters of one paragraph that are looked at for emphasis

/** An element with properties (never event handlers or HTML) and children; strings become text. */
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = value;
    else if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,12})([-*+]|\d{1,9}[.)])[ \t]+(.*)$/;
const DIVIDER = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/** The nodes of a whole answer. */
function renderMarkdown(text) {
  const parent = document.createDocumentFragment();
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed) && isJson(trimmed)) parent.append(makeCode(text, "json"));
  else addBlocks(parent, text.replace(/\r\n?/g, "\n").split("\n"), 0);
  return parent;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function makeCode(text, language) {
  const copy = el("button", { type: "button", "aria-label": "Copy code" }, "Copy");
  copy.addEventListener("click", () => copyText(text, copy));
  const pre = el("pre", { tabIndex: 0, "aria-label": `code ${language}`.trim(), role: "group" }, el("code", {}, text));
  return el("figure", { class: language === "json" ? "code wrap" : "code" }, el("figcaption", {}, el("span", {}, language || "code"), copy), pre);
}

function startsBlock(line, next) {
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line) || isTable(line, next);
}

function isTable(line, next) {
  return line.includes("|") && next !== undefined && next.includes("-") && next.includes("|") && DIVIDER.test(next);
}

function addBlocks(parent, lines, depth) {
  if (depth > MAX_DEPTH) {
    parent.append(el("p", {}, lines.join("\n")));
    return;
  }
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    let found;
    if (!line.trim()) at += 1;
    else if ((found = FENCE.exec(line))) {
      const [, fence, language] = found;
      const code = [];
      for (at += 1; at < lines.length && !isEnd(lines[at], fence); at += 1) code.push(lines[at]);
      at += 1;
      parent.append(makeCode(code.join("\n"), language.trim().slice(0, 30)));
    } else if ((found = HEADING.exec(line))) {
      const heading = el("h3");
      addInline(heading, found[2], 0);
      parent.append(heading);
      at += 1;
    } else if (RULE.test(line)) {
      parent.append(el("hr"));
      at += 1;
    } else if (QUOTE.test(line)) {
      const inner = [];
      for (; at < lines.length && QUOTE.test(lines[at]); at += 1) inner.push(lines[at].replace(QUOTE, ""));
      const quote = el("blockquote");
      addBlocks(quote, inner, depth + 1);
      parent.append(quote);
    } else if (ITEM.test(line)) at = addList(parent, lines, at, depth);
    else if (isTable(line, lines[at + 1])) at = addTable(parent, lines, at);
    else {
      const words = [line];
      for (at += 1; at < lines.length && lines[at].trim() && !startsBlock(lines[at], lines[at + 1]); at += 1) words.push(lines[at]);
      const paragraph = el("p");
      addInline(paragraph, words.join("\n"), 0);
      parent.append(paragraph);
    }
  }
}

function isEnd(line, fence) {
  const text = line.trim();
  return text.length >= fence.length && text === fence[0].repeat(text.length);
}

function addList(parent, lines, start, depth) {
  const [, indent, mark] = ITEM.exec(lines[start]);
  const numbered = /\d/.test(mark);
  const list = el(numbered ? "ol" : "ul", numbered ? { start: Number.parseInt(mark, 10) } : {});
  let at = start;
  while (at < lines.length) {
    const found = ITEM.exec(lines[at]);
    if (!found || found[1].length > indent.length + 1 || found[1].length < indent.length || /\d/.test(found[2]) !== numbered || RULE.test(lines[at])) break;
    const width = found[1].length + found[2].length + 1;
    const inner = [found[3]];
    for (at += 1; at < lines.length; at += 1) {
      const line = lines[at];
      const room = line.length - line.trimStart().length;
      if (!line.trim()) {
        const next = lines[at + 1];
        if (next === undefined || !next.trim() || next.length - next.trimStart().length < width) break;
        inner.push("");
      } else if (room >= Math.min(width, indent.length + 2)) inner.push(line.slice(Math.min(room, width)));
      else if (ITEM.test(line) || startsBlock(line, lines[at + 1])) break;
      else inner.push(line);
    }
    const item = el("li");
    if (inner.length === 1) addInline(item, inner[0], 0);
    else addItem(item, inner, depth);
    list.append(item);
    let next = at;
    while (next < lines.length && !lines[next].trim()) next += 1;
    const more = next < lines.length && ITEM.exec(lines[next]);
    if (more && more[1].length >= indent.length && more[1].length <= indent.length + 1 && /\d/.test(more[2]) === numbered && !RULE.test(lines[next])) at = next;
    else break;
  }
  parent.append(list);
  return at;
}

function addItem(item, lines, depth) {
  let words = 0;
  while (words < lines.length && lines[words].trim() && (words === 0 || !startsBlock(lines[words], lines[words + 1]))) words += 1;
  addInline(item, lines.slice(0, words).join("\n"), 0);
  addBlocks(item, lines.slice(words), depth + 1);
}

function getCells(line) {
  const cells = line.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function addTable(parent, lines, start) {
  const titles = getCells(lines[start]);
  const makeRow = (cells, tag) => {
    const row = el("tr");
    for (let column = 0; column < titles.length; column += 1) {
      const cell = el(tag);
      addInline(cell, cells[column] ?? "", 0);
      row.append(cell);
    }
    return row;
  };
  const body = el("tbody");
  let at = start + 2;
  for (; at < lines.length && lines[at].includes("|") && lines[at].trim(); at += 1) body.append(makeRow(getCells(lines[at]), "td"));
  const table = el("table", {}, el("thead", {}, makeRow(titles, "th")), body);
  parent.append(el("div", { class: "table", tabIndex: 0, role: "group", "aria-label": "table" }, table));
  return at;
}

// escape | code | image or link | ** __ | ~~ | * _
const INLINE = /\\([!-/:-@[-`{-~])|(`+)(?!`)([^]*?[^`])\2(?!`)|(!?)\[([^\]\n]{0,500})\]\(([^()\s]{1,2000})\)|(\*\*|__)(?=\S)([^]*?\S)\7|~~(?=\S)([^]*?\S)~~|(\*|_)(?=[^\s*_])([^*_]*?[^\s*_])\10/g;

function addInline(parent, text, depth) {
  if (depth > MAX_DEPTH || text.length > MAX_INLINE || !/[\\`*_~[]/.test(text)) {
    parent.append(text);
    return;
  }
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, escaped, , code, image, label, address, strongMark, strong, gone, softMark, soft] = found;
    const before = text[found.index - 1] ?? " ";
    const after = text[found.index + whole.length] ?? " ";
    const inWord = (strongMark?.[0] === "_" || softMark === "_") && (/[\p{L}\p{N}_]/u.test(before) || /[\p{L}\p{N}_]/u.test(after));
    if (found.index < last || inWord) continue;
    parent.append(text.slice(last, found.index));
    last = found.index + whole.length;
    if (escaped !== undefined) parent.append(escaped);
    else if (code !== undefined) parent.append(el("code", {}, code.length > 2 && code.startsWith(" ") && code.endsWith(" ") ? code.slice(1, -1) : code));
    else if (address !== undefined) parent.append(`${image ? "image: " : ""}${label} `, el("span", { class: "url" }, `(${address})`));
    else {
      const node = el(strong !== undefined ? "strong" : gone !== undefined ? "del" : "em");
      addInline(node, strong ?? gone ?? soft, depth + 1);
      parent.append(node);
    }
  }
  parent.append(text.slice(last));
}
