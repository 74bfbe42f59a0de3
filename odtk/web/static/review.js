// Draws the box that is corrected: dragged by its corners or as a whole, or by its numbers.
"use strict";

const drawing = document.getElementById("suspect");
const edited = document.getElementById("edited");
const fields = ["xmin", "ymin", "xmax", "ymax"].map((name) => document.getElementById(name));

if (drawing && fields.every(Boolean)) {
  const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
  const handles = [[0, 1], [2, 1], [2, 3], [0, 3]].map((corner) => {
    const handle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    handle.setAttribute("class", "handle");
    drawing.append(handle);
    return { corner, handle };
  });

  const numbers = () => fields.map((field) => Number(field.value));

  function show() {
    const [left, top, right, bottom] = numbers();
    const values = { x: Math.min(left, right), y: Math.min(top, bottom), width: Math.abs(right - left), height: Math.abs(bottom - top) };
    for (const [name, value] of Object.entries(values)) edited.setAttribute(name, value);
    // As large on the screen whatever the picture's size.
    const radius = 7 * width / Math.max(drawing.getBoundingClientRect().width, 1);
    for (const { corner, handle } of handles) {
      handle.setAttribute("cx", numbers()[corner[0]]);
      handle.setAttribute("cy", numbers()[corner[1]]);
      handle.setAttribute("r", radius);
    }
  }

  function write(values) {
    fields.forEach((field, place) => {
      const limit = place % 2 ? height : width;
      field.value = Math.round(10 * Math.min(Math.max(values[place], 0), limit)) / 10;
    });
    show();
  }

  function place(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  function drag(element, move) {
    element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      const [fromX, fromY] = place(event);
      const before = numbers();
      const moved = (next) => {
        const [x, y] = place(next);
        write(move(before, x - fromX, y - fromY));
      };
      element.addEventListener("pointermove", moved);
      for (const name of ["pointerup", "pointercancel"]) {
        element.addEventListener(name, () => {
          element.removeEventListener("pointermove", moved);
          inOrder();
        }, { once: true });
      }
    });
  }

  function inOrder() {
    const [left, top, right, bottom] = numbers();
    write([Math.min(left, right), Math.min(top, bottom), Math.max(left, right), Math.max(top, bottom)]);
  }

  for (const { corner, handle } of handles) {
    drag(handle, (before, x, y) => before.map((value, at) => (at === corner[0] ? value + x : at === corner[1] ? value + y : value)));
  }
  drag(edited, (before, x, y) => {
    const right = Math.min(Math.max(x, -before[0]), width - before[2]);
    const down = Math.min(Math.max(y, -before[1]), height - before[3]);
    return [before[0] + right, before[1] + down, before[2] + right, before[3] + down];
  });
  for (const field of fields) field.addEventListener("input", show);
  addEventListener("resize", show);
  document.getElementById("by-mouse").hidden = false;
  show();
}
