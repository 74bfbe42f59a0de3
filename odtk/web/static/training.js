// The slider over the pictures of evaluations, the end of the log, and the values of charts under the pointer.
(() => {
  "use strict";
  let chosen = null; // the step that was chosen; null: always the newest

  const pictures = () => [...document.querySelectorAll(".picture-steps a")];

  function show() {
    const links = pictures();
    const slider = document.getElementById("picture-at");
    if (!slider) return;
    document.querySelector(".over-time").hidden = links.length === 0;
    if (links.length === 0) return;
    let at = links.length - 1;
    if (chosen !== null) at = Math.max(0, links.findLastIndex((link) => Number(link.dataset.step) <= chosen));
    slider.max = String(links.length - 1);
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", links[at].textContent);
    document.getElementById("picture-of").textContent = links[at].textContent;
    document.getElementById("picture-link").href = links[at].href;
    const image = document.getElementById("picture");
    if (image.src !== links[at].href) image.src = links[at].href;
    image.alt = `Predictions beside groundtruth after ${links[at].textContent}`;
    image.hidden = false;
    for (const [number, link] of links.entries()) {
      if (number === at) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  function choose(at) {
    const links = pictures();
    chosen = at >= links.length - 1 ? null : Number(links[at].dataset.step);
    show();
  }

  document.addEventListener("input", (event) => {
    if (event.target.id === "picture-at") choose(Number(event.target.value));
  });
  document.addEventListener("click", (event) => {
    const at = pictures().indexOf(event.target);
    if (at < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(at);
  });

  // The log stays at its end, unless someone has scrolled up.
  let atEnd = true;
  const log = () => document.querySelector("pre.log");
  function toEnd() {
    const found = log();
    if (found && atEnd) found.scrollTop = found.scrollHeight;
  }
  document.addEventListener("htmx:sseBeforeMessage", () => {
    const found = log();
    if (found) atEnd = found.scrollTop + found.clientHeight >= found.scrollHeight - 8;
  });
  document.addEventListener("htmx:sseMessage", () => {
    show();
    toEnd();
  });

  // The values of all curves at the step under the pointer.
  function reading(svg, event) {
    const area = svg.getBoundingClientRect();
    const box = svg.viewBox.baseVal;
    const x = ((event.clientX - area.left) / area.width) * box.width;
    const parts = [];
    for (const group of svg.querySelectorAll("g[data-label]")) {
      const points = group.querySelector(".curve").points;
      let nearest = null;
      for (let i = 0; i < points.numberOfItems; i += 1) {
        const point = points.getItem(i);
        if (!nearest || Math.abs(point.x - x) < Math.abs(nearest.x - x)) nearest = point;
      }
      if (nearest) parts.push([group.dataset.label, nearest]);
    }
    return parts;
  }
  function valueAt(svg, point) {
    const number = (name) => Number(svg.dataset[name]);
    const [firstX, lastX] = svg.dataset.x.split(" ").map(Number);
    let [low, high] = svg.dataset.y.split(" ").map(Number);
    const across = (point.x - number("left")) / (number("right") - number("left"));
    const up = (number("bottom") - point.y) / (number("bottom") - number("top"));
    const isLogarithmic = "logarithmic" in svg.dataset;
    if (isLogarithmic) [low, high] = [Math.log10(low), Math.log10(high)];
    const value = low + up * (high - low);
    return [firstX + across * (lastX - firstX), isLogarithmic ? 10 ** value : value];
  }
  document.addEventListener("pointermove", (event) => {
    const svg = event.target instanceof Element ? event.target.closest("svg.chart") : null;
    for (const line of document.querySelectorAll(".reading")) {
      if (!svg || line.parentElement !== svg.parentElement) line.textContent = "";
    }
    if (!svg) return;
    const parts = reading(svg, event).map(([label, point]) => [label, ...valueAt(svg, point)]);
    if (parts.length === 0) return;
    const values = parts.map(([label, , value]) => `${label} ${Number(value.toPrecision(3))}`);
    const line = svg.parentElement.querySelector(".reading");
    line.textContent = `About step ${Math.round(parts[0][1]).toLocaleString("en")}: ${values.join(", ")}`;
  });

  show();
  toEnd();
})();
