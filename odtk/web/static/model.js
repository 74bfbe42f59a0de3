// What was typed or switched while a form's answer was on its way stays as it is: that is sent next.
"use strict";

let sent = null;
let carried = null;

const CONTROLS = "input:not([type=hidden]), select";
const STEP = /^(f:train_config\.data_augmentation_options)\[(\d+)\]/;

document.addEventListener("htmx:beforeSwap", (event) => {
  sent = event.detail.requestConfig.formData;
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (!sent) return;
  if (event.detail.target.matches("#augmentations, fieldset")) carried = carry(event.detail.target, event.detail.fragment);
  else keepField(event);
});

document.addEventListener("htmx:oobAfterSwap", () => {
  if (!carried) return;
  const { control, start, end } = carried;
  carried = null;
  control.focus();
  if (start !== null) control.setSelectionRange(start, end);
});

function keepField(event) {
  const field = event.detail.target;
  const control = field.querySelector(":scope > input:not([type=hidden]), :scope > select");
  if (!field.matches(".field") || !control || !sent.has(control.name)) return;
  if (control.value === sent.get(control.name)) return;
  event.detail.shouldSwap = false;
  // What is saved now is what the next change is compared with.
  const was = field.querySelector(":scope > input[type=hidden]");
  const saved = event.detail.fragment.querySelector("input[type=hidden]");
  if (was && saved) was.value = saved.value;
}

// Takes what is different from what was sent from the old list of augmentations, or group of fields, into the new one.
// Returns the control that is to have the focus, with what is selected in it, if one of the old ones has it.
function carry(old, fragment) {
  let focused = null;
  const groups = fragment.querySelectorAll("details");
  old.querySelectorAll("details").forEach((group, index) => {
    if (groups[index] && group.open) groups[index].open = true;
  });
  for (const control of old.querySelectorAll(CONTROLS)) {
    const now = sameControl(control, fragment);
    if (!now) continue;
    if (control.type === "checkbox") {
      if (control.checked !== sent.getAll("aug").includes(control.value)) now.checked = control.checked;
    } else if (!control.name.startsWith("f:")) {
      now.value = control.value; // which is not kept in the config
    } else if (sent.has(control.name) && control.value !== sent.get(control.name)) {
      now.value = control.value;
      tellWhenLeft(now);
    }
    if (control !== document.activeElement) continue;
    const isText = control.matches("input:not([type=checkbox])");
    focused = { control: now, start: isText ? control.selectionStart : null, end: isText ? control.selectionEnd : null };
    control.removeAttribute("id"); // else htmx gives the focus to what has the same place now
  }
  return focused;
}

// The new list's control for one of the old list.
function sameControl(control, fragment) {
  const all = [...fragment.querySelectorAll(CONTROLS)];
  if (control.type !== "checkbox") {
    const name = control.name.replace(STEP, (_, start, place) => `${start}[${placeNow(place)}]`);
    return all.find((each) => each.name === name);
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
  const on = sent.getAll("aug");
  if (!on.includes(place)) return "";
  const boxes = [...document.querySelectorAll("#augmentations input[type=checkbox]")];
  const gone = boxes.map((each) => each.value).filter((key) => /^\d+$/.test(key) && !on.includes(key));
  return String(Number(place) - gone.filter((key) => Number(key) < Number(place)).length);
}

// A field whose text was put there by a script reports no change when it is left.
function tellWhenLeft(control) {
  control.addEventListener("blur", () => control.dispatchEvent(new Event("change", { bubbles: true })), { once: true });
}
