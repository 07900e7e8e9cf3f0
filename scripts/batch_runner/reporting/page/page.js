"use strict";
for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
const openTarget = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.querySelector("summary").focus();
    target.scrollIntoView();
  }
};
addEventListener("hashchange", openTarget);
openTarget();
const filter = document.getElementById("filter");
const none = document.getElementById("none");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  let found = 0;
  for (const row of document.querySelectorAll("tr[data-id]")) {
    row.hidden = !row.dataset.id.includes(wanted);
    found += row.hidden ? 0 : 1;
  }
  none.textContent = found ? "" : none.dataset.none;
});
const toggle = document.getElementById("toggle");
toggle.addEventListener("click", () => {
  const open = toggle.getAttribute("aria-pressed") !== "true";
  for (const essay of document.querySelectorAll("details.essay")) essay.open = open;
  toggle.setAttribute("aria-pressed", String(open));
  toggle.textContent = open ? toggle.dataset.close : toggle.dataset.open;
});
const copy = document.getElementById("copy");
copy.addEventListener("click", () => {
  const text = document.getElementById("methods");
  getSelection().selectAllChildren(text);
  document.execCommand("copy");
  document.getElementById("copied").textContent = copy.dataset.done;
});
