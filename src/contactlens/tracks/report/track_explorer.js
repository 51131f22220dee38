// Choose a track, zoom into it and read its values on a canvas. `root` holds the data as JSON; nothing is fetched.
(function (root) {
  "use strict";
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const canvas = root.querySelector("canvas"), readout = root.querySelector("output");
  const select = root.querySelector("select"), hint = readout.textContent;
  const pad = { left: 58, right: 10, top: 8, bottom: 34, gap: 12 };
  let track = data.tracks[0], from = 0, to = 1, cursor = null, drag = null;

  function reset() { [from, to] = [0, track.driver.length - 1]; cursor = null; }
  function colour(name, other) { return getComputedStyle(root).getPropertyValue(name).trim() || other; }
  function minutes(i) { return (track.start + i * data.interval_s) / 60; }
  function x(i) { return pad.left + (i - from) / (to - from) * (canvas.clientWidth - pad.left - pad.right); }
  function frameAt(px) {
    const share = (px - pad.left) / (canvas.clientWidth - pad.left - pad.right);
    return Math.max(0, Math.min(track.driver.length - 1, Math.round(from + share * (to - from))));
  }
  function range(rows) {
    const all = rows.flatMap((row) => row.slice(Math.max(0, Math.floor(from)), Math.ceil(to) + 1)).filter((v) => v !== null);
    const low = Math.min(...all), high = Math.max(...all), room = (high - low || 1) * 0.05;
    return [low - room, high + room];
  }
  function ticks(low, high, most) {
    const raw = (high - low) / most, ten = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= raw);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(+(k * step).toPrecision(8));
    return found;
  }
  function line(g, values, y, style, width) {
    g.strokeStyle = style; g.lineWidth = width; g.beginPath();
    let open = false;
    values.forEach((v, i) => {
      if (v === null) { open = false; return; }
      if (open) g.lineTo(x(i), y(v)); else g.moveTo(x(i), y(v));
      open = true;
    });
    g.stroke();
  }
  function band(g, low, high, y, style) {
    g.fillStyle = style;
    low.forEach((v, i) => {
      if (v === null || i + 1 >= low.length || low[i + 1] === null) return;
      g.beginPath(); g.moveTo(x(i), y(v)); g.lineTo(x(i + 1), y(low[i + 1]));
      g.lineTo(x(i + 1), y(high[i + 1])); g.lineTo(x(i), y(high[i])); g.fill();
    });
  }
  function panel(g, top, height, label, rows, draw) {
    const [low, high] = range(rows), y = (v) => top + height * (1 - (v - low) / (high - low));
    g.fillStyle = colour("--soft", "#5b6570"); g.strokeStyle = colour("--rule", "#dfe3e8"); g.lineWidth = 1;
    g.textAlign = "right"; g.textBaseline = "middle";
    for (const v of ticks(low, high, 4)) {
      g.fillText(String(v), pad.left - 6, y(v));
      g.beginPath(); g.moveTo(pad.left, y(v)); g.lineTo(canvas.clientWidth - pad.right, y(v)); g.stroke();
    }
    g.save(); g.translate(11, top + height / 2); g.rotate(-Math.PI / 2); g.textAlign = "center";
    g.fillText(label, 0, 0); g.restore();
    g.save(); g.beginPath(); g.rect(pad.left, top, canvas.clientWidth - pad.left - pad.right, height); g.clip();
    draw(y); g.restore();
  }
  function render() {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio; canvas.height = height * ratio;
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0); g.font = "12px system-ui, sans-serif";
    const each = (height - pad.top - pad.bottom - pad.gap) / 2, second = pad.top + each + pad.gap;
    panel(g, pad.top, each, data.driver, [track.driver], (y) => {
      if (data.radius !== null) {
        g.setLineDash([5, 4]); g.strokeStyle = colour("--ink", "#1b1f24"); g.beginPath();
        g.moveTo(0, y(data.radius)); g.lineTo(width, y(data.radius)); g.stroke(); g.setLineDash([]);
      }
      line(g, track.driver, y, data.colours.driver, 1.2);
    });
    panel(g, second, each, data.signal, [track.signal, track.low, track.high], (y) => {
      band(g, track.low, track.high, y, data.colours.band);
      line(g, track.mean, y, data.colours.mean, 1.6);
      g.fillStyle = data.colours.signal;
      track.signal.forEach((v, i) => {
        if (v !== null && i >= from - 1 && i <= to + 1) g.fillRect(x(i) - 1.2, y(v) - 1.2, 2.4, 2.4);
      });
    });
    g.fillStyle = colour("--soft", "#5b6570"); g.textAlign = "center"; g.textBaseline = "top";
    for (const v of ticks(minutes(from), minutes(to), Math.max(2, width / 110)))
      g.fillText(String(v), x((v * 60 - track.start) / data.interval_s), height - pad.bottom + 5);
    g.fillText("time (min)", (width + pad.left) / 2, height - 14);
    if (cursor !== null) {
      g.strokeStyle = colour("--accent", "#0072b2"); g.lineWidth = 1; g.beginPath();
      g.moveTo(x(cursor), pad.top); g.lineTo(x(cursor), height - pad.bottom); g.stroke();
    }
    if (drag && drag.to !== undefined) {
      g.fillStyle = "rgba(0,114,178,.18)"; g.fillRect(drag.from, pad.top, drag.to - drag.from, height - pad.top - pad.bottom);
    }
    readout.textContent = cursor === null ? hint : said(cursor);
  }
  function said(i) {
    const value = (v) => (v === null ? "missing" : String(v));
    const at = minutes(i).toFixed(1) + " min: " + data.driver + " " + value(track.driver[i]) + "; ";
    return at + data.signal + " measured " + value(track.signal[i]) +
      (track.mean[i] === null ? "" : ", predicted " + track.mean[i] + " [" + track.low[i] + ", " + track.high[i] + "]");
  }
  function zoom(factor, centre) {
    const half = Math.max(5, Math.min(track.driver.length - 1, (to - from) * factor)) / 2;
    from = Math.max(0, Math.min(centre - half, track.driver.length - 1 - 2 * half)); to = from + 2 * half;
  }
  function shift(frames) {
    const by = Math.max(-from, Math.min(frames, track.driver.length - 1 - to));
    from += by; to += by;
  }
  select.addEventListener("change", () => { track = data.tracks[select.selectedIndex]; reset(); render(); });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) drag.to = event.offsetX; else cursor = frameAt(event.offsetX);
    render();
  });
  canvas.addEventListener("pointerdown", (event) => { drag = { from: event.offsetX }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", (event) => {
    const ends = drag ? [drag.from, event.offsetX].map(frameAt).sort((a, b) => a - b) : [0, 0];
    drag = null; cursor = frameAt(event.offsetX);
    if (ends[1] - ends[0] >= 5) [from, to] = ends;
    render();
  });
  canvas.addEventListener("pointercancel", () => { drag = null; render(); });
  canvas.addEventListener("dblclick", () => { reset(); render(); });
  canvas.addEventListener("keydown", (event) => {
    const middle = cursor === null ? Math.round((from + to) / 2) : cursor, last = track.driver.length - 1;
    const acts = {
      ArrowLeft: () => { cursor = Math.max(0, middle - 1); if (cursor < from) shift(cursor - from); },
      ArrowRight: () => { cursor = Math.min(last, middle + 1); if (cursor > to) shift(cursor - to); },
      "+": () => zoom(0.5, middle), "-": () => zoom(2, middle), "0": reset, Home: reset,
    };
    if (!acts[event.key]) return;
    acts[event.key](); event.preventDefault(); render();
  });
  root.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => {
    const middle = cursor === null ? (from + to) / 2 : cursor;
    ({ in: () => zoom(0.5, middle), out: () => zoom(2, middle), all: reset, back: () => shift((from - to) / 2),
       on: () => shift((to - from) / 2) })[button.dataset.act]();
    render();
  }));
  new ResizeObserver(render).observe(canvas);
  reset(); render();
})
