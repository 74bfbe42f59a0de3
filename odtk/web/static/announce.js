// Says to screen readers what has changed, in steps of a tenth: a live region around the progress itself would be read
// aloud each second. Pieces of a page say it in data-said; the region of the page, which stays, gets it when it differs.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const region = document.getElementById("said");
  const pieces = () => [...document.querySelectorAll("[data-said]")].map((piece) => piece.dataset.said);
  let last = pieces(); // what the page begins with is read as its text
  const say = () => {
    const now = pieces();
    const fresh = now.filter((text) => !last.includes(text));
    if (fresh.length) region.textContent = fresh.join(". ");
    last = now;
  };
  for (const name of ["htmx:afterSettle", "htmx:sseMessage", "said"]) document.body.addEventListener(name, say);
});
