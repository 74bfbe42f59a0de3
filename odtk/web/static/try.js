// Tries a model: dropped pictures and the webcam go to the studio as they are, boxes come back, thresholds act here.
"use strict";

const area = document.getElementById("try");
const canvas = document.getElementById("stage");
const status = document.getElementById("status");
const rows = document.getElementById("rows");
const token = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrf-token"];
const webcam = document.getElementById("webcam");
const video = document.createElement("video");
let shown = null; // what is on the canvas: { source, width, height, found }
let stream = null;

function thresholdOf(number) {
  const own = document.querySelector(`input[data-class="${number}"]`);
  return Number((own || document.getElementById("all")).value);
}

function colorOf(number) {
  const place = getComputedStyle(area);
  return place.getPropertyValue(`--box-${(number - 1) % Number(area.dataset.colors)}`);
}

function nameOf(found, number) {
  return found.names[number] || `class ${number}`;
}

function kept(found) {
  return found.scores.map((score, index) => index).filter((index) => found.scores[index] >= thresholdOf(found.classes[index]));
}

function draw() {
  if (!shown) return;
  const { source, width, height, found } = shown;
  const context = canvas.getContext("2d");
  canvas.width = width;
  canvas.height = height;
  canvas.hidden = false;
  context.drawImage(source, 0, 0, width, height);
  const scale = Math.max(width / 640, 0.5);
  const indices = found ? kept(found) : [];
  for (const index of indices.slice().reverse()) drawBox(context, found, index, width, height, scale);
  fill(found, indices);
}

function drawBox(context, found, index, width, height, scale) {
  const [top, left, bottom, right] = found.boxes[index];
  const color = colorOf(found.classes[index]);
  const text = `${nameOf(found, found.classes[index])} ${Math.round(100 * found.scores[index])} %`;
  context.lineWidth = 2.5 * scale;
  context.strokeStyle = color;
  context.strokeRect(left * width, top * height, (right - left) * width, (bottom - top) * height);
  context.font = `${14 * scale}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + 8 * scale;
  const x = Math.min(Math.max(left * width, 0), Math.max(width - wide, 0));
  const y = Math.max(top * height - 19 * scale, 0);
  context.fillStyle = color;
  context.fillRect(x, y, wide, 19 * scale);
  context.fillStyle = "#fff";
  context.fillText(text, x + 4 * scale, y + 14 * scale);
}

function fill(found, indices) {
  rows.replaceChildren(...indices.slice(0, 50).map((index) => {
    const row = document.createElement("tr");
    const [top, left, bottom, right] = found.boxes[index];
    const corners = [left * shown.width, top * shown.height, right * shown.width, bottom * shown.height].map(Math.round);
    const cells = [nameOf(found, found.classes[index]), found.scores[index].toFixed(3), corners.join(", ")];
    row.append(...cells.map((text, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
  document.getElementById("table").hidden = !indices.length;
  document.getElementById("count").textContent = found ? `${indices.length} of ${found.scores.length} boxes reach their threshold.` : "";
}

// The boxes of the server's own drawing, which is shown before anything is dropped.
function filterDrawn() {
  for (const each of document.querySelectorAll("[data-drawn]")) {
    each.toggleAttribute("hidden", Number(each.dataset.score) < thresholdOf(each.dataset.drawn));
  }
}

async function ask(blob) {
  const began = performance.now();
  const answer = await fetch(area.dataset.address, {
    method: "POST", body: blob, headers: { "x-csrf-token": token, "content-type": "application/octet-stream" },
  });
  const found = await answer.json().catch(() => ({ error: `The studio answered with ${answer.status}.` }));
  if (!answer.ok) throw new Error(found.error || `The studio answered with ${answer.status}.`);
  return { ...found, roundTrip: performance.now() - began };
}

async function lookAt(file) {
  stopWebcam();
  document.getElementById("drawn")?.remove();
  status.textContent = `${file.name}: the model looks at it. The first time it is loaded, which takes some seconds.`;
  const picture = await createImageBitmap(file).catch(() => null);
  const mine = picture && { source: picture, width: picture.width, height: picture.height, found: null };
  if (mine) {
    shown = mine;
    draw();
  }
  const found = await ask(file);
  if (mine) mine.found = found;
  if (mine && shown !== mine) return; // another picture took its place meanwhile
  draw();
  status.textContent = `${file.name}: ${found.milliseconds} ms in the model, ${Math.round(found.roundTrip)} ms with the way there and back.`;
}

async function take(files) {
  const chosen = [...files];
  const film = chosen.find((file) => file.type.startsWith("video/"));
  if (film) {
    const moved = new DataTransfer();
    moved.items.add(film);
    document.getElementById("file").files = moved.files;
    document.getElementById("upload").submit();
    return;
  }
  for (const file of chosen) await lookAt(file);
}

function failed(error) {
  stopWebcam();
  status.textContent = error.message || String(error);
}

function stopWebcam() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  webcam.textContent = "Start the webcam";
  webcam.setAttribute("aria-pressed", "false");
  status.setAttribute("aria-live", "polite");
}

async function startWebcam() {
  if (!navigator.mediaDevices) throw new Error("Browsers give the webcam only to pages of localhost, or over https.");
  stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false });
  webcam.textContent = "Stop the webcam";
  webcam.setAttribute("aria-pressed", "true");
  document.getElementById("drawn")?.remove();
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  status.textContent = "The model is loaded, which takes some seconds.";
  await watchWebcam();
}

// One frame is on its way at a time: a slow model makes fewer frames, not a queue of old ones.
async function watchWebcam() {
  const frame = document.createElement("canvas");
  let smooth = null, isFirst = true;
  while (stream) {
    const began = performance.now();
    frame.width = video.videoWidth;
    frame.height = video.videoHeight;
    frame.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => frame.toBlob(resolve, "image/jpeg", 0.85));
    if (isFirst) { // what the camera sees, while the model is loaded
      shown = { source: frame, width: frame.width, height: frame.height, found: null };
      draw();
    }
    const found = await ask(blob);
    if (!stream) return;
    shown = { source: frame, width: frame.width, height: frame.height, found };
    draw();
    await new Promise(requestAnimationFrame);
    if (isFirst) { // its time is mostly that of loading
      isFirst = false;
      continue;
    }
    const passed = performance.now() - began;
    status.setAttribute("aria-live", smooth === null ? "polite" : "off"); // the first one is read aloud, not each
    smooth = smooth === null ? passed : 0.8 * smooth + 0.2 * passed;
    status.textContent = `${Math.round(found.roundTrip)} ms from frame to boxes (${found.milliseconds} ms in the model), ${(1000 / smooth).toFixed(1)} frames/s.`;
  }
}

for (const input of document.querySelectorAll("#thresholds input[type=range]")) {
  input.addEventListener("input", () => {
    if (input.id === "all") {
      for (const other of document.querySelectorAll("input[data-class]")) other.value = input.value;
    }
    for (const each of document.querySelectorAll("#thresholds input[type=range]")) {
      each.nextElementSibling.textContent = Number(each.value).toFixed(2);
    }
    filterDrawn();
    draw();
  });
}

const drop = document.getElementById("upload");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files).catch(failed);
});
document.getElementById("file").addEventListener("change", (event) => take(event.target.files).catch(failed));
webcam.hidden = false;
webcam.addEventListener("click", () => (stream ? stopWebcam() : startWebcam().catch(failed)));
filterDrawn();
