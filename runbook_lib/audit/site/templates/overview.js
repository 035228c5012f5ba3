"use strict";
// Filters and pages the runs that the page contains. Everything is inserted as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const signs = { ok: "✓", changed: "✎", planned: "…", skipped: "»", failed: "✗", unreachable: "⌀", interrupted: "■", unknown: "?",
  foreign: "◇", damaged: "!", verified: "✓", unsigned: "–", altered: "✗", incomplete: "?" };
const classes = { verified: "ok", altered: "failed", damaged: "failed", incomplete: "unknown",
  foreign: "skipped", unsigned: "skipped", "not verified": "skipped" };
const most = 50;
const by = (id) => document.getElementById(id);
const fields = ["text", "outcome", "runbook", "host", "mode", "word"];
let page = 0;
let found = [];

const make = (name, text, kind) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const badge = (name) => {
  const element = make("span", undefined, `st ${classes[name] || name}`);
  const sign = make("span", signs[name] || "·", "sign");
  sign.setAttribute("aria-hidden", "true");
  element.append(sign, ` ${name}`);
  return element;
};
const cell = (label, ...content) => {
  const element = make("td");
  if (label) element.dataset.label = label;
  element.append(...content);
  return element;
};
const lasted = (seconds) => {
  if (seconds === null) return "unknown";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};
const line = ([run, file, book, hosts, outcome, mode, started, seconds, word, problem, previous]) => {
  const row = make("tr");
  const link = make("a", data.runbooks[book] || "not a runbook");
  link.href = `runs/${file || run}.html`;
  const about = cell("", link);
  if (previous) {
    const other = make("a", "changes since the previous run", "why");
    other.href = `runs/${file || run}.diff.html`;
    about.append(" ", other);
  }
  about.append(make("div", run, "why"));
  if (problem) about.append(make("div", problem, "why"));
  row.append(cell("", badge(data.outcomes[outcome])), about, cell("mode", data.modes[mode]),
    cell("hosts", hosts.map((host) => data.hosts[host]).join(", ")), cell("started", started ? `${started} UTC` : "unknown"),
    cell("took", lasted(seconds)), cell("", badge(data.words[word])));
  return row;
};
const show = () => {
  const pages = Math.max(1, Math.ceil(found.length / most));
  page = Math.min(Math.max(page, 0), pages - 1);
  by("rows").replaceChildren(...found.slice(page * most, (page + 1) * most).map(line));
  by("counted").textContent = `${found.length} of ${data.rows.length} runs`;
  by("page").textContent = `page ${page + 1} of ${pages}`;
  by("newer").disabled = page === 0;
  by("older").disabled = page === pages - 1;
};
const words = data.rows.map((row) => [row[0], data.runbooks[row[2]], ...row[3].map((host) => data.hosts[host]), row[9], row[6]].join(" ").toLowerCase());
const filter = () => {
  const [text, outcome, book, host, mode, word] = fields.map((name) => by(name).value);
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  found = data.rows.filter((row, number) => (!outcome || data.outcomes[row[4]] === outcome) && (!book || data.runbooks[row[2]] === book) &&
    (!host || row[3].some((one) => data.hosts[one] === host)) && (!mode || data.modes[row[5]] === mode) &&
    (!word || data.words[row[8]] === word) && wanted.every((part) => words[number].includes(part)));
  page = 0;
  show();
};
const options = (id, names) => by(id).append(...[...names].sort().map((name) => make("option", name)));

options("runbook", data.runbooks);
options("host", data.hosts);
fields.forEach((name) => by(name).addEventListener("input", filter));
by("clear").addEventListener("click", () => { fields.forEach((name) => { by(name).value = ""; }); filter(); by("text").focus(); });
by("newer").addEventListener("click", () => { page -= 1; show(); });
by("older").addEventListener("click", () => { page += 1; show(); });
document.querySelectorAll("[data-runbook]").forEach((link) => link.addEventListener("click", () => { by("runbook").value = link.dataset.runbook; filter(); }));
addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, select")) { event.preventDefault(); by("text").focus(); }
});
document.querySelector(".filters").hidden = false;
document.querySelector(".pages").hidden = false;
filter();
