// A link that is followed while changes of the page's forms are not saved yet waits for them. Where they are refused,
// the page stays and shows why; the same link followed once more leaves them. What is not saved yet, model.js knows.
"use strict";

let waiting = null; // where a link leads that waits, or that was kept because a change was refused
const underway = new Set(); // requests of forms whose answer is awaited

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || link.href === waiting || !opensHere(link, event)) return;
  const forms = unsentForms();
  if (!forms.length && !underway.size) return;
  event.preventDefault();
  waiting = link.href;
  forms.forEach((form) => form.requestSubmit());
});

document.addEventListener("change", () => {
  waiting = null;
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target instanceof HTMLFormElement) underway.add(event.detail.xhr);
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (!underway.delete(event.detail.xhr) || underway.size || !waiting || unsentForms().length) return;
  const isRefused = document.querySelector("#model-problem > *, [aria-invalid=true]");
  if (event.detail.successful && !isRefused) location.assign(waiting);
});

function opensHere(link, event) {
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  const isOfPage = link.getAttribute("href").startsWith("#");
  return isPlain && !isOfPage && !link.target && !link.hasAttribute("download") && !event.defaultPrevented;
}

function unsentForms() {
  return [...document.querySelectorAll("#model-form, #options")].filter((form) =>
    [...form.querySelectorAll('[name^="f:"], [name^="o:"], [name=aug]')].some(isNew));
}
