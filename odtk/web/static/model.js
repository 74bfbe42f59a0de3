// What was typed or switched while a form's answer was on its way stays as it is: that is sent next. Text that is still
// being typed is not sent with something else: it is sent when its field is left.
"use strict";

const CONTROLS = "input:not([type=hidden]), select";
const STEP = /^(f:train_config\.data_augmentation_options)\[(\d+)\]/;

const sent = new WeakMap(); // of controls, what their form sent last
const finished = new WeakMap(); // of controls, what they had when they last reported a change
let leaving = null; // what is being replaced
let focused = null; // the control of the new part that gets the focus, and what is selected in it
let lost = []; // what was typed into fields that are gone

document.addEventListener("htmx:configRequest", (event) => {
  if (!(event.target instanceof HTMLFormElement)) return;
  const isWanted = event.detail.triggeringEvent?.type === "submit";
  for (const control of event.target.querySelectorAll(CONTROLS)) {
    const isHeld = !isWanted && isBeingTyped(control);
    sent.set(control, isHeld ? finishedState(control) : stateOf(control));
    if (isHeld) event.detail.parameters[control.name] = finishedState(control);
  }
});

document.addEventListener("htmx:beforeOnLoad", (event) => {
  // A page that is to be loaded again waits for the answer to what was not sent yet.
  const all = [...document.querySelectorAll('[name^="f:"], [name^="o:"], [name=aug]')];
  if (event.detail.xhr.getResponseHeader("HX-Refresh") && all.some(isNew)) event.preventDefault();
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.matches("#augmentations, fieldset, #preview")) {
    leaving = target;
    focused = carry(target, fragment);
  } else if (target.matches(".field")) keepField(event);
});

document.addEventListener("htmx:oobAfterSwap", () => {
  leaving = null;
  if (!focused) return;
  const { control, start, end } = focused;
  focused = null;
  control.focus();
  if (start !== null) control.setSelectionRange(start, end);
});

document.addEventListener("htmx:afterRequest", (event) => {
  // What was refused as a whole, or never arrived, is not known.
  const form = event.detail.requestConfig.elt;
  if (!event.detail.successful) form.querySelectorAll(CONTROLS).forEach((each) => sent.delete(each));
  for (const text of lost) {
    const line = document.createElement("p");
    line.className = "wrong";
    line.textContent = text;
    document.getElementById("model-problem").append(line);
  }
  lost = [];
});

document.addEventListener("change", (event) => {
  // Browsers report a change of a field that is taken away while it is typed into.
  if (leaving?.contains(event.target)) event.stopImmediatePropagation();
  else finished.set(event.target, stateOf(event.target));
}, true);

function stateOf(control) {
  return control.type === "checkbox" ? control.checked : control.value;
}

// What the studio knows of a control: what was sent, or else what the page came with.
function knownState(control) {
  if (sent.has(control)) return sent.get(control);
  if (control.type === "checkbox") return control.defaultChecked;
  if (control.matches("input")) return control.defaultValue;
  return ([...control.options].find((each) => each.defaultSelected) || control.options[0])?.value;
}

function finishedState(control) {
  return finished.has(control) ? finished.get(control) : knownState(control);
}

function isNew(control) {
  return stateOf(control) !== knownState(control);
}

function isBeingTyped(control) {
  return control === document.activeElement && isText(control) && control.value !== finishedState(control);
}

function isText(control) {
  return control.matches("input:not([type=checkbox])");
}

function keepField(event) {
  const field = event.detail.target;
  const control = field.querySelector(":scope > input:not([type=hidden]), :scope > select");
  if (!control || !isNew(control)) return;
  event.detail.shouldSwap = false;
  // What is saved now is what the next change is compared with.
  sent.set(control, stateOf(event.detail.fragment.querySelector(CONTROLS)));
  if (finished.get(control) !== stateOf(control)) finished.delete(control);
  const was = field.querySelector(":scope > input[type=hidden]");
  const saved = event.detail.fragment.querySelector("input[type=hidden]");
  if (was && saved) was.value = saved.value;
}

// Takes what was not sent yet from the old list of augmentations, or group of fields, into the new one. Returns the
// control that is to have the focus, if one of the old ones has it.
function carry(old, fragment) {
  let found = null;
  const groups = fragment.querySelectorAll("details");
  old.querySelectorAll("details").forEach((group, index) => {
    if (groups[index] && group.open) groups[index].open = true;
  });
  for (const control of old.querySelectorAll(CONTROLS)) {
    const now = sameControl(control, fragment);
    if (control.type === "file") { // what was chosen cannot be put into another one
      if (now && control.files.length) now.replaceWith(control);
      continue;
    }
    const isOfConfig = control.type === "checkbox" || control.name.startsWith("f:");
    if (isNew(control) || !isOfConfig) {
      if (!now || !takes(now, stateOf(control))) tellLost(control);
      else if (stateOf(now) !== stateOf(control)) put(control, now);
    }
    if (!now || control !== document.activeElement) continue;
    const range = isText(control) ? [control.selectionStart, control.selectionEnd] : [null, null];
    found = { control: now, start: range[0], end: range[1] };
    control.removeAttribute("id"); // else htmx gives the focus to what has the same place now
  }
  return found;
}

function put(control, now) {
  if (control.type === "checkbox") now.checked = control.checked;
  else now.value = control.value;
  if (finished.get(control) === stateOf(control)) finished.set(now, stateOf(now));
  // A field whose text was put there by a script reports no change when it is left.
  else now.addEventListener("blur", () => now.dispatchEvent(new Event("change", { bubbles: true })), { once: true });
}

function takes(control, state) {
  return !control.matches("select") || [...control.options].some((each) => each.value === state);
}

function tellLost(control) {
  const label = control.labels[0]?.textContent.trim() || control.name;
  const state = control.type === "checkbox" ? (control.checked ? "on" : "off") : control.value;
  lost.push(`${label}: ${state} was not saved, as what was saved before it took this field away.`);
}

// The new part's control for one of the old part.
function sameControl(control, fragment) {
  const all = [...fragment.querySelectorAll(CONTROLS)];
  if (control.type !== "checkbox") {
    const name = control.name.replace(STEP, (_, start, place) => `${start}[${placeNow(place)}]`);
    const role = control.dataset.role; // as the rate has another name in another schedule
    return all.find((each) => each.name === name) || (role && all.find((each) => each.dataset.role === role));
  }
  // One that was just switched has another key now; it is found by its name, if that stands there once.
  const alike = all.filter((each) => each.type === "checkbox" && nameOfStep(each) === nameOfStep(control));
  const key = /^\d+$/.test(control.value) ? placeNow(control.value) : control.value;
  return alike.find((each) => each.value === key) || (alike.length === 1 ? alike[0] : null);
}

function nameOfStep(checkbox) {
  return checkbox.id.replace(/-\d+$/, "");
}

// The place of a step, now that those that were switched off before it are gone; "" if it is gone itself.
function placeNow(place) {
  const boxes = [...document.querySelectorAll("#augmentations input[type=checkbox]")];
  const gone = boxes.filter((each) => /^\d+$/.test(each.value) && !knownState(each)).map((each) => Number(each.value));
  return gone.includes(Number(place)) ? "" : String(place - gone.filter((each) => each < place).length);
}
