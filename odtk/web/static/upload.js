// Shows how much of a zip has been sent, instead of a page that waits.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("upload");
  const shown = document.getElementById("sent");
  const chosen = document.getElementById("file");
  chosen.addEventListener("change", () => {
    const [file] = chosen.files;
    const isLarge = file && file.size > Number(form.dataset.limit);
    chosen.setCustomValidity(isLarge ? `This file is larger than the ${form.dataset.limitShown} that are taken.` : "");
    chosen.reportValidity();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    const bar = shown.querySelector("progress");
    const words = shown.querySelector("p");
    const button = form.querySelector("button");
    const fail = (text) => {
      words.textContent = text;
      words.setAttribute("role", "alert");
      words.className = "wrong";
      bar.hidden = true;
      button.disabled = false;
    };
    words.removeAttribute("role"); // of an earlier try
    words.className = "";
    words.textContent = "Sending";
    bar.hidden = false;
    bar.value = 0;
    request.upload.addEventListener("progress", (sent) => {
      bar.value = sent.total ? sent.loaded / sent.total : 0;
      const isSending = sent.loaded < sent.total;
      words.textContent = isSending ? `Sending, ${Math.floor(100 * bar.value)} %` : "Unpacking";
      shown.dataset.said = isSending ? `Sending, ${10 * Math.floor(10 * bar.value)} %` : "Unpacking";
      document.body.dispatchEvent(new Event("said")); // see announce.js
    });
    request.addEventListener("load", () => {
      const place = request.getResponseHeader("HX-Redirect");
      const found = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("[role=alert]");
      const reason = found && found.textContent.replace(/^\s*Error\s*/, "");
      if (place) location.assign(place);
      else fail((reason || request.responseText).trim() || `The studio answered ${request.status}.`);
    });
    request.addEventListener("error", () => fail("The connection was lost."));
    shown.hidden = false;
    button.disabled = true;
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.setRequestHeader("x-csrf-token", form.elements.csrf.value);
    request.send(new FormData(form));
  });
});
