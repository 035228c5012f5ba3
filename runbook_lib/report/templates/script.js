"use strict";
// The page works without this: it only unfolds what a link points at, everything, and what is printed.
const unfold = (element) => {
  for (let at = element; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
};
const follow = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) { unfold(target); target.scrollIntoView(); }
};
const all = (open) => document.querySelectorAll("main details").forEach((one) => { one.open = open; });
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => all(true));
document.querySelectorAll("[data-fold]").forEach((button) => {
  button.addEventListener("click", () => all(button.dataset.fold === "open"));
});
document.querySelectorAll(".folds").forEach((one) => { one.hidden = false; });
follow();
