// A field that was typed into while its form's answer was on its way keeps what was typed: that is sent next.
"use strict";

let sent = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  sent = event.detail.requestConfig.formData;
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const field = event.detail.target;
  const control = field.querySelector(":scope > input:not([type=hidden]), :scope > select");
  if (!sent || !field.matches(".field") || !control || !sent.has(control.name)) return;
  if (control.value === sent.get(control.name)) return;
  event.detail.shouldSwap = false;
  // What is saved now is what the next change is compared with.
  const was = field.querySelector(":scope > input[type=hidden]");
  const saved = event.detail.fragment.querySelector("input[type=hidden]");
  if (was && saved) was.value = saved.value;
});
