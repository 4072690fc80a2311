// Filters of the rows: nothing is fetched and nothing is built, rows are only hidden and shown.
"use strict";
const rows = [...document.querySelectorAll(".row")];
const texts = rows.map((row) => row.textContent.toLowerCase());
const pick = (id) => document.getElementById(id);
function show() {
  const change = pick("change").value;
  const part = pick("part") ? pick("part").value : "";
  const words = pick("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  rows.forEach((row, number) => {
    const data = row.dataset;
    const fits = (!change || (change === "worst" ? "worst" in data : change === "near" ? "near" in data : data.change === change)) &&
      (!part || data.part === part) && words.every((word) => texts[number].includes(word));
    row.hidden = !fits;
    count += fits;
  });
  pick("shown").textContent = count === 1 ? "1 row" : `${count} rows`;
  pick("none").hidden = count > 0;
}
for (const id of ["change", "part", "words"]) {
  if (pick(id)) pick(id).addEventListener("input", show);
}
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
show();
