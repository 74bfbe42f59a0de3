// Sliders beside the numbers of the splits' shares, which together stay at 100 %.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const ranges = [...document.querySelectorAll("input[data-share]")];
  const numbers = ranges.map((range) => document.getElementById(range.dataset.share));
  const said = document.getElementById("shares-hint");
  const valueOf = (input) => Math.min(Math.max(Math.round(Number(input.value)) || 0, 0), 100);

  function show(values) {
    values.forEach((value, at) => { numbers[at].value = value; ranges[at].value = value; });
    said.textContent = "The shares add up to 100 %.";
  }

  // What one split gets, training gives first, and then the others.
  function change(changed, wanted) {
    const values = numbers.map(valueOf);
    values[changed] = wanted;
    const others = changed === 0 ? [1, 2] : [0, changed === 1 ? 2 : 1];
    let rest = 100 - wanted;
    const last = Math.min(values[others[1]], rest);
    values[others[1]] = last;
    values[others[0]] = rest - last;
    show(values);
  }

  ranges.forEach((range, at) => {
    range.hidden = false;
    range.addEventListener("input", () => change(at, valueOf(range)));
    numbers[at].addEventListener("change", () => change(at, valueOf(numbers[at])));
  });
});
