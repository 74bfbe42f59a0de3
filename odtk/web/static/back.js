// Back to the form that was refused: browsers keep what was typed into it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const button = document.querySelector("[data-back]");
  button.hidden = false;
  button.addEventListener("click", () => history.back());
});
