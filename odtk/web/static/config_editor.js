// Line numbers beside the text of a config; those of lines with errors are marked, as the check says.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const editor = document.querySelector("[data-editor]");
  if (!editor) return;
  const area = editor.querySelector("textarea"), gutter = editor.querySelector(".gutter");
  const lines = document.getElementById("lines");
  const draw = () => {
    const wrong = new Set([...lines.querySelectorAll("li.tone-error")].map((item) => item.id.slice(1)));
    const numbers = area.value.split("\n").map((_, index) => {
      const number = document.createElement("span");
      number.textContent = `${index + 1}\n`;
      if (wrong.has(String(index + 1))) number.className = "wrong";
      return number;
    });
    gutter.replaceChildren(...numbers);
    gutter.scrollTop = area.scrollTop;
  };
  gutter.hidden = false;
  area.addEventListener("input", draw);
  area.addEventListener("scroll", () => { gutter.scrollTop = area.scrollTop; });
  // Until it has settled, a line has the class that it had before.
  document.body.addEventListener("htmx:afterSettle", draw);
  // From a message to its line in the editor.
  lines.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#L"]');
    if (!link) return;
    event.preventDefault();
    const number = Number(link.hash.slice(2)), all = area.value.split("\n");
    const start = all.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + all[number - 1].length);
    area.scrollTop = Math.max(0, (number - 5) * parseFloat(getComputedStyle(area).lineHeight));
  });
  draw();
  // A text that is not saved is not thrown away by a link; buttons that save it, or take what is saved, leave at once.
  let isLeaving = false;
  document.addEventListener("submit", (event) => { isLeaving = !event.target.elements.against; });
  window.addEventListener("beforeunload", (event) => {
    const isUnsaved = "unsaved" in editor.dataset || area.value !== area.defaultValue;
    if (isUnsaved && !isLeaving) event.preventDefault();
  });
});
