// A slice with its heat map on a canvas. Grey values are sent once; window, zoom, colours, opacity
// and the value under the pointer are computed here, without a request to the server.

// What the user has set is kept for other slices, and while other pages are open.
const preferences = (globalThis.__spinefracViewer ??= { opacity: 70, minimum: 12, colourMap: "Fire", window: "" });
const viewers = new WeakMap();
// A notch of a wheel is about 100 pixels or 3 lines; a touchpad sends many small steps.
const PIXELS_PER_SLICE = 40, LINE_PIXELS = 16;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  if (!viewer) viewers.set(root, (viewer = new Viewer(root)));
  viewer.send = (index) => setTriggerValue("slice", index);
  viewer.setData(data);
}

async function decodePayload(data) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  const packed = new Blob([data.subarray(4 + length)]).stream();
  const body = await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  const count = header.shown[0] * header.shown[1];
  const [low, high, levels] = [0, 1, 2].map((plane) => new Uint8Array(body).subarray(plane * count, (plane + 1) * count));
  header.values = new Int16Array(count);
  for (let i = 0; i < count; i++) header.values[i] = low[i] | (high[i] << 8);
  header.levels = header.heat ? levels : null;
  return header;
}

class Viewer {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    Object.assign(this, { root, stage: find(".stage"), canvas: find("canvas"), buffer: document.createElement("canvas") });
    this.inputs = Object.fromEntries(
      ["window", "center", "width", "colour-map", "opacity", "minimum"].map((name) => [name, find("." + name)]));
    this.view = { scale: 1, x: 0, y: 0 }; // x, y: middle of the view, as shares of the slice
    this.pointers = new Map();
    this.wheeled = 0; // pixels towards the next slice
    this.addListeners();
    find(".adjust").open = root.clientWidth > 448; // 28rem, as in viewer.css
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  async setData(data) {
    if (!data || data === this.data) return;
    const order = (this.order = (this.order ?? 0) + 1);
    this.data = data;
    const slice = await decodePayload(data);
    if (order !== this.order) return; // a later slice came meanwhile
    const fresh = this.slice?.sliceSet !== slice.sliceSet;
    this.slice = slice;
    this.marked = null;
    if (fresh) { this.view = { scale: 1, x: 0.5, y: 0.5 }; this.index = slice.index; this.pending = undefined; }
    if (this.pending === undefined || this.pending === slice.index) { this.pending = undefined; this.index = slice.index; }
    this.updateControls(fresh);
    this.renderBuffer();
    if (fresh && slice.reveal) this.root.scrollIntoView({ block: "start", behavior: "instant" });
  }

  // --- what the controls show -----------------------------------------------------------

  updateControls(fresh) {
    const { slice, inputs, root } = this;
    const names = slice.windows.map(([name]) => name);
    inputs.window.replaceChildren(...[...names, "Custom"].map((name) => new Option(name, name)));
    const [low, high] = slice.range;
    const hounsfield = slice.unit === "HU";
    Object.assign(inputs.center, { min: hounsfield ? -1000 : 0, max: hounsfield ? 2000 : 255, step: hounsfield ? 10 : 1 });
    Object.assign(inputs.width, { min: hounsfield ? 20 : 2, max: hounsfield ? 4000 : 510, step: hounsfield ? 20 : 2 });
    const choice = preferences.window === "Custom" && this.grey ? preferences.window : names.includes(preferences.window) ? preferences.window : names[0];
    if (fresh || choice !== "Custom") this.selectWindow(choice === "Custom" ? names[0] : choice);
    inputs.window.value = choice === "Custom" && !fresh ? choice : this.named;
    inputs["colour-map"].replaceChildren(...Object.keys(slice.maps).map((name) => new Option(name, name)));
    inputs["colour-map"].value = preferences.colourMap;
    inputs.opacity.value = preferences.opacity;
    inputs.minimum.value = preferences.minimum;
    root.classList.toggle("no-heat-map", !slice.heat);
    root.dataset.sliceSet = slice.sliceSet ?? "";
    root.dataset.index = slice.index ?? "";
    root.dataset.range = `${low} ${high}`;
    this.stage.setAttribute("aria-label", slice.label ?? "CT slice");
    for (const [at, letter] of ["left", "right", "top", "bottom"].map((name, i) => [name, slice.letters[i]]))
      root.querySelector(".edge." + at).textContent = letter;
    root.querySelector(".position").textContent = slice.position ?? "";
    root.querySelector(".peaks").replaceChildren(...slice.points.map((point, i) => this.createPeakButton(point, i)));
    this.updateLabels();
  }

  createPeakButton(point, i) {
    const button = document.createElement("button");
    button.type = "button";
    const strong = document.createElement("b");
    strong.textContent = `${i + 1}`;
    button.append(strong, ` · ${Math.round(100 * point.share)} % of the heat map at x ${point.column}, y ${point.row}`);
    button.onclick = () => { this.marked = this.marked === i ? null : i; this.draw(); };
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  selectWindow(name) {
    const found = this.slice.windows.find(([known]) => known === name);
    if (!found) return;
    this.named = name;
    this.grey = { center: found[1], width: found[2] };
  }

  updateLabels() {
    const { inputs, grey } = this;
    const unit = this.slice.unit === "HU" ? " HU" : "";
    const setOutput = (input, text) => { input.parentElement.querySelector("output").textContent = text; };
    inputs.center.value = grey.center;
    inputs.width.value = grey.width;
    setOutput(inputs.center, `${Math.round(grey.center)}${unit}`);
    setOutput(inputs.width, `${Math.round(grey.width)}${unit}`);
    setOutput(inputs.opacity, `${preferences.opacity} %`);
    setOutput(inputs.minimum, `${preferences.minimum} %`);
    const stops = this.slice.maps[preferences.colourMap].map((colour) => `rgb(${colour})`);
    this.root.querySelector(".legend i").style.background = `linear-gradient(90deg, ${stops})`;
  }

  // --- drawing --------------------------------------------------------------------------

  buildHeatLookup() {
    const stops = this.slice.maps[preferences.colourMap];
    const floor = preferences.minimum / 100;
    return Array.from({ length: 256 }, (_, level) => {
      const share = level / 255, at = share * (stops.length - 1), i = Math.min(Math.floor(at), stops.length - 2);
      const opacity = share <= floor || !level ? 0 : Math.sqrt((share - floor) / (1 - floor)) * preferences.opacity / 100;
      return [0, 1, 2].map((c) => stops[i][c] + (stops[i + 1][c] - stops[i][c]) * (at - i)).concat(opacity);
    });
  }

  renderBuffer() { // grey values and levels into the buffer, at the size they came in
    const { slice, buffer, grey } = this;
    if (!slice) return;
    const [rows, columns] = slice.shown;
    Object.assign(buffer, { width: columns, height: rows });
    const context = buffer.getContext("2d");
    const image = context.createImageData(columns, rows);
    const out = image.data, table = slice.levels && this.buildHeatLookup();
    const low = grey.center - grey.width / 2, factor = 255 / grey.width;
    for (let i = 0, o = 0; i < slice.values.length; i++, o += 4) {
      let r = Math.min(255, Math.max(0, (slice.values[i] - low) * factor)), g = r, b = r;
      if (table) {
        const [hr, hg, hb, opacity] = table[slice.levels[i]];
        r += (hr - r) * opacity; g += (hg - g) * opacity; b += (hb - b) * opacity;
      }
      out[o] = r; out[o + 1] = g; out[o + 2] = b; out[o + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    this.draw();
  }

  // Where the whole slice lies on the canvas, in canvas pixels.
  getSliceRect() {
    const { width, height } = this.canvas, { scale, x, y } = this.view;
    return { left: width / 2 - x * width * scale, top: height / 2 - y * height * scale, width: width * scale, height: height * scale };
  }

  draw() {
    const { slice, canvas, stage } = this;
    if (!slice || !stage.clientWidth) return;
    const [rowMm, columnMm] = slice.spacing ?? [1, 1];
    const ratio = (slice.size[0] * rowMm) / (slice.size[1] * columnMm);
    const width = Math.round(stage.clientWidth * (globalThis.devicePixelRatio || 1));
    const height = Math.max(1, Math.round(width * Math.min(ratio, 3)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d"), at = this.getSliceRect();
    context.clearRect(0, 0, width, height); // the background of the stage shows through
    context.imageSmoothingEnabled = at.width / slice.shown[1] < 4;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.buffer, at.left, at.top, at.width, at.height);
    this.drawMarker(context, at);
    stage.classList.toggle("zoomed", this.view.scale > 1);
    this.root.dataset.zoom = this.view.scale.toFixed(2);
    this.root.dataset.painted = `${slice.sliceSet ?? ""}/${slice.index ?? 0}`;
  }

  drawMarker(context, at) {
    this.root.querySelectorAll(".peaks button").forEach((button, i) => button.classList.toggle("on", i === this.marked));
    if (this.marked === null || this.marked === undefined) return;
    const point = this.slice.points[this.marked], [rows, columns] = this.slice.size;
    const x = at.left + ((point.column + 0.5) / columns) * at.width, y = at.top + ((point.row + 0.5) / rows) * at.height;
    const radius = 0.03 * Math.max(at.width, at.height);
    for (const [colour, line] of [["#000", 5], ["#fff", 2]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: line * (globalThis.devicePixelRatio || 1) });
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // --- what the user does ---------------------------------------------------------------

  addListeners() {
    const { inputs, stage, root } = this;
    inputs.window.onchange = () => { preferences.window = inputs.window.value; this.selectWindow(inputs.window.value); this.updateLabels(); this.renderBuffer(); };
    for (const name of ["center", "width"]) inputs[name].oninput = () => {
      this.grey[name] = Number(inputs[name].value);
      inputs.window.value = preferences.window = "Custom";
      this.updateLabels(); this.renderBuffer();
    };
    for (const name of ["opacity", "minimum"]) inputs[name].oninput = () => { preferences[name] = Number(inputs[name].value); this.updateLabels(); this.renderBuffer(); };
    inputs["colour-map"].onchange = () => { preferences.colourMap = inputs["colour-map"].value; this.updateLabels(); this.renderBuffer(); };
    root.querySelectorAll(".zoom button").forEach((button) => (button.onclick = () => this.zoomBy(Number(button.dataset.zoom))));
    stage.onkeydown = (event) => this.handleKey(event);
    stage.addEventListener("wheel", (event) => this.handleWheel(event), { passive: false });
    stage.onpointerdown = (event) => this.handlePointerDown(event);
    stage.onpointermove = (event) => this.handlePointerMove(event);
    stage.onpointerup = stage.onpointercancel = (event) => this.pointers.delete(event.pointerId);
    stage.onpointerleave = () => (root.querySelector(".readout").textContent = "");
    stage.ondblclick = (event) => this.zoomBy(this.view.scale > 1 ? 0 : 3, event);
  }

  goToSlice(index) {
    const count = this.slice?.count ?? 1;
    index = Math.min(count - 1, Math.max(0, index));
    if (count < 2 || index === this.index) return;
    this.index = this.pending = index;
    this.updateLabels();
    clearTimeout(this.timer); // while a key is held, only the last slice is requested
    this.timer = setTimeout(() => this.send(index), 60);
  }

  handleKey(event) {
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step && this.slice?.count > 1) this.goToSlice(this.index + step);
    else if (event.key === "Home" && this.slice?.count > 1) this.goToSlice(0);
    else if (event.key === "End" && this.slice?.count > 1) this.goToSlice(this.slice.count - 1);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.zoomBy(0);
    else return;
    event.preventDefault();
  }

  handleWheel(event) { // with Ctrl it zooms, else it goes through a series; at its ends the page scrolls
    if (event.ctrlKey) {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 400), event);
      return;
    }
    const last = (this.slice?.count ?? 1) - 1;
    if (this.index === (event.deltaY < 0 ? 0 : last)) { this.wheeled = 0; return; }
    event.preventDefault();
    this.wheeled += event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1);
    const slices = Math.trunc(this.wheeled / PIXELS_PER_SLICE);
    this.wheeled -= slices * PIXELS_PER_SLICE;
    if (slices) this.goToSlice(this.index + slices);
  }

  zoomBy(factor, event) {
    const before = this.toSliceCoordinates(event), view = this.view;
    view.scale = factor === 0 ? 1 : Math.min(16, Math.max(1, view.scale * factor));
    if (before) { // the point under the pointer stays where it is
      view.x = before.x - before.across / view.scale;
      view.y = before.y - before.along / view.scale;
    }
    this.clampView();
  }

  clampView() { // never past the slice's edge
    const view = this.view, half = 0.5 / view.scale;
    view.x = Math.min(1 - half, Math.max(half, view.x));
    view.y = Math.min(1 - half, Math.max(half, view.y));
    this.draw();
  }

  // Where a pointer is: as shares of the slice, and of the view from its middle.
  toSliceCoordinates(event) {
    if (!event) return null;
    const box = this.canvas.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width - 0.5, along = (event.clientY - box.top) / box.height - 0.5;
    return { across, along, x: this.view.x + across / this.view.scale, y: this.view.y + along / this.view.scale };
  }

  handlePointerDown(event) {
    if (event.target.closest("button")) return;
    this.stage.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, event);
    if (this.view.scale > 1 || this.pointers.size > 1) this.stage.setPointerCapture(event.pointerId);
  }

  handlePointerMove(event) {
    this.updateReadout(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const box = this.canvas.getBoundingClientRect(), view = this.view;
    if (this.pointers.size === 1 && view.scale > 1) {
      view.x -= (event.clientX - last.clientX) / box.width / view.scale;
      view.y -= (event.clientY - last.clientY) / box.height / view.scale;
      this.clampView();
    } else if (this.pointers.size === 2) {
      const other = [...this.pointers.values()].find((one) => one.pointerId !== event.pointerId);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      this.zoomBy(apart(event) / apart(last), event);
    }
    this.pointers.set(event.pointerId, event);
  }

  updateReadout(event) {
    const { slice } = this;
    const at = slice && this.toSliceCoordinates(event);
    const line = this.root.querySelector(".readout");
    if (!at || at.x < 0 || at.y < 0 || at.x >= 1 || at.y >= 1) { line.textContent = ""; return; }
    const pixel = (size) => [Math.floor(at.y * size[0]), Math.floor(at.x * size[1])];
    const [row, column] = pixel(slice.size), [shownRow, shownColumn] = pixel(slice.shown);
    const value = slice.values[shownRow * slice.shown[1] + shownColumn];
    const mean = slice.shown[1] < slice.size[1] ? " (mean)" : "";
    line.textContent = `${value} ${slice.unit === "HU" ? "HU" : "of 255"}${mean} at x ${column}, y ${row}`;
  }
}
