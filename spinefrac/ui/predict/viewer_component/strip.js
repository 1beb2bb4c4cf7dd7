// The probability of each slice of a series as bars side by side; a click or a key goes there.

const strips = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  let strip = strips.get(root);
  if (!strip) strips.set(root, (strip = new Strip(root)));
  strip.send = (index) => setTriggerValue("slice", index);
  strip.setData(data);
}

class Strip {
  constructor(root) {
    Object.assign(this, { root, plot: root.querySelector(".plot"), canvas: root.querySelector("canvas"), tooltip: root.querySelector(".tooltip") });
    const { plot } = this;
    plot.onpointerdown = (event) => { plot.focus({ preventScroll: true }); plot.setPointerCapture(event.pointerId); this.held = true; this.goToSlice(this.indexAt(event)); };
    plot.onpointerup = plot.onpointercancel = () => (this.held = false);
    plot.onpointermove = (event) => { this.showTooltip(this.indexAt(event)); if (this.held) this.goToSlice(this.indexAt(event)); };
    plot.onpointerleave = () => (this.tooltip.hidden = true);
    plot.onkeydown = (event) => {
      const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.goToSlice(this.index + step);
    };
    new ResizeObserver(() => this.draw()).observe(plot);
  }

  setData(data) {
    this.data = data;
    if (this.pending === undefined || this.pending === data.index) { this.pending = undefined; this.index = data.index; }
    this.root.querySelector(".first").textContent = data.first;
    this.root.querySelector(".last").textContent = data.last;
    this.root.dataset.predicted = data.probabilities.filter((p) => p !== null).length;
    this.draw();
  }

  indexAt(event) {
    const box = this.canvas.getBoundingClientRect();
    return Math.min(this.data.count - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * this.data.count)));
  }

  goToSlice(index) {
    index = Math.min(this.data.count - 1, Math.max(0, index));
    if (index === this.index) return;
    this.index = this.pending = index;
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(index), 60);
  }

  showTooltip(index) {
    const { data, tooltip } = this;
    tooltip.hidden = false;
    tooltip.style.left = `${Math.min(88, Math.max(12, (100 * (index + 0.5)) / data.count))}%`;
    tooltip.textContent = this.describeSlice(index);
  }

  describeSlice(index) {
    const { probabilities, positions, counted } = this.data, p = probabilities[index];
    const place = positions.length ? ` · ${positions[index].toFixed(1)} mm` : "";
    const prediction = p === null ? "no prediction" : p === undefined ? "pending" : `${Math.round(100 * p)} %`;
    return `Slice ${index + 1}${place} · ${prediction}${p !== null && p !== undefined && counted[index] === false ? " · out of distribution, excluded" : ""}`;
  }

  draw() {
    const { data, canvas, plot } = this;
    if (!data || !plot.clientWidth) return;
    const ratio = globalThis.devicePixelRatio || 1;
    const width = Math.round(plot.clientWidth * ratio), height = Math.round(plot.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d"), style = getComputedStyle(this.root), text = getComputedStyle(plot).color;
    const colour = { true: style.getPropertyValue("--fracture"), false: style.getPropertyValue("--no-fracture") };
    context.clearRect(0, 0, width, height);
    const step = width / data.count, gap = step > 4 * ratio ? ratio : 0;
    data.probabilities.forEach((p, i) => {
      if (p === null) { context.globalAlpha = 0.25; context.fillStyle = text; context.fillRect(i * step, 0, step - gap, height); return; }
      const tall = Math.max(ratio, p * height);
      context.globalAlpha = data.counted[i] === false ? 0.28 : 1;
      context.fillStyle = colour[p >= data.threshold];
      context.fillRect(i * step, height - tall, Math.max(step - gap, ratio / 2), tall);
    });
    context.globalAlpha = 0.6;
    context.strokeStyle = text;
    context.lineWidth = ratio;
    context.setLineDash([5 * ratio, 4 * ratio]);
    const y = height * (1 - data.threshold);
    context.beginPath(); context.moveTo(0, y); context.lineTo(width, y); context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
    context.fillStyle = text;
    const x = (this.index + 0.5) * step;
    context.fillRect(x - ratio, 0, 2 * ratio, height);
    context.beginPath(); context.moveTo(x - 6 * ratio, 0); context.lineTo(x + 6 * ratio, 0); context.lineTo(x, 8 * ratio); context.fill();
    Object.entries({ "aria-valuemin": 1, "aria-valuemax": data.count, "aria-valuenow": this.index + 1, "aria-valuetext": this.describeSlice(this.index) })
      .forEach(([name, value]) => plot.setAttribute(name, value));
  }
}
