"use strict";
// The page works without this script, which only expands what a link points to, everything, or what is printed.
const expand = (element) => {
  for (let part = element; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
};
const follow = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) { expand(target); target.scrollIntoView(); }
};
const all = (open) => document.querySelectorAll("main details").forEach((details) => { details.open = open; });
addEventListener("hashchange", follow);
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("main details:not([open])")];
  all(true);
});
addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
document.querySelectorAll("[data-fold]").forEach((button) => {
  button.addEventListener("click", () => all(button.dataset.fold === "open"));
});
document.querySelectorAll(".folds").forEach((buttons) => { buttons.hidden = false; });
follow();
