// Turn and zoom one window's helix on a canvas. `root` holds the data as JSON; nothing is fetched.
(function (root) {
  "use strict";
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const canvas = root.querySelector("canvas");
  const readout = root.querySelector("output");
  const buttons = Array.from(root.querySelectorAll("button[data-view]"));
  const start = { yaw: -0.16, pitch: 0.24, zoom: 1, x: 0, y: 0 };
  const hint = readout.textContent;
  let view = data.views[0], look = { ...start }, middles = [];

  function mix(low, high, share) {
    return low.map((value, i) => Math.round(value + (high[i] - value) * share));
  }
  function shade(value, scale) {
    const share = Math.max(-1, Math.min(1, value / scale));
    const [low, middle, high] = data.ramp;
    return "rgb(" + mix(middle, share < 0 ? low : high, Math.abs(share)).join(",") + ")";
  }
  function turned([x, y, z]) {
    const [cy, sy, cp, sp] = [Math.cos(look.yaw), Math.sin(look.yaw), Math.cos(look.pitch), Math.sin(look.pitch)];
    const side = x * sy + y * cy;
    return [x * cy - y * sy, z * cp + side * sp, z * sp - side * cp];
  }
  function halves(points) {
    return points.map((p) => [p.slice(0, 3), p.slice(3)]);
  }
  // Nanometres to pixels: what is centred and fits at zoom 1 does so for every turn of the whole view.
  function frame(width, height) {
    const all = halves(view.ends).flat();
    const span = (i) => all.map((p) => p[i]).reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [1e9, -1e9]);
    const [xs, ys, zs] = [span(0), span(1), span(2)];
    const fit = Math.min((width - 70) / (xs[1] - xs[0]), (height - 80) / (zs[1] - zs[0] + ys[1] - ys[0]));
    const centre = [xs, ys, zs].map(([a, b]) => (a + b) / 2);
    return ([x, y, z]) => {
      const [u, v, depth] = turned([x - centre[0], y - centre[1], z - centre[2]]);
      const scale = fit * look.zoom;
      return [width / 2 + look.x + u * scale, height / 2 + look.y - v * scale, depth];
    };
  }
  function strokes(place) {
    const ends = halves(view.ends).map(([a, b]) => [place(a), place(b)]);
    middles = ends.map(([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    const lines = ends.map(([a, b], i) => ({ a, b, colour: shade(view.value[i], view.scale), wide: 1.35 }));
    for (let i = 1; i < ends.length; i++) {
      for (const side of [0, 1]) {
        const colour = data.elements[view.element[i - 1]].colour;
        lines.push({ a: ends[i - 1][side], b: ends[i][side], colour, wide: 1 });
      }
    }
    return lines.sort((p, q) => p.a[2] + p.b[2] - q.a[2] - q.b[2]);
  }
  function label(pen, text, x, y, colour) {
    pen.font = "bold 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.lineWidth = 4;
    pen.strokeStyle = getComputedStyle(root).backgroundColor;
    pen.strokeText(text, x, y);
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
  }
  function labels(pen, pixel) {
    const centre = [0, 1].map((axis) => middles.reduce((sum, m) => sum + m[axis], 0) / middles.length);
    data.elements.forEach((element, n) => {
      const rows = view.element.map((e, i) => (e === n ? i : -1)).filter((i) => i >= 0);
      if (!element.named || !rows.length || rows.length === view.element.length) return;
      const [x, y] = middles[rows[rows.length >> 1]];
      const [dx, dy] = [x - centre[0], y - centre[1]];
      const away = (2.5 * pixel + 12) / (Math.hypot(dx, dy) || 1);
      label(pen, element.name, x + 1.4 * dx * away, y + dy * away, element.colour);
    });
    if (!view.bases || pixel < 6) return;
    Array.from(view.bases).forEach((base, i) => label(pen, base, middles[i][0], middles[i][1] + 4, data.bases[base] || "#888"));
  }
  function draw() {
    const [width, height, dense] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
    canvas.width = width * dense;
    canvas.height = height * dense;
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    pen.lineCap = "round";
    const place = frame(width, height);
    const origin = place([0, 0, 0]), unit = place([0, 0, 1]);
    const pixel = Math.hypot(unit[0] - origin[0], unit[1] - origin[1]) / Math.max(0.2, Math.cos(look.pitch));
    const lines = strokes(place);
    const depth = lines.map((line) => line.a[2] + line.b[2]);
    const [far, near] = [Math.min(...depth), Math.max(...depth)];
    lines.forEach((line, i) => {
      pen.globalAlpha = 0.5 + (0.5 * (depth[i] - far)) / (near - far || 1);
      pen.strokeStyle = line.colour;
      pen.lineWidth = Math.max(1, 0.17 * pixel * line.wide);
      pen.beginPath();
      pen.moveTo(line.a[0], line.a[1]);
      pen.lineTo(line.b[0], line.b[1]);
      pen.stroke();
    });
    pen.globalAlpha = 1;
    labels(pen, pixel);
  }
  function show(n) {
    view = data.views[n];
    look = { ...start };
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === n)));
    const limit = view.scale.toPrecision(2);
    root.querySelector("[data-low]").textContent = "\u2212" + limit;
    root.querySelector("[data-high]").textContent = "+" + limit + " " + view.unit;
    readout.textContent = hint;
    draw();
  }
  function zoomAt(factor, x, y) {
    const zoom = Math.max(0.5, Math.min(40, look.zoom * factor));
    const [cx, cy] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    look.x = x - cx - ((x - cx - look.x) * zoom) / look.zoom;
    look.y = y - cy - ((y - cy - look.y) * zoom) / look.zoom;
    look.zoom = zoom;
    draw();
  }
  function tell(x, y) {
    const away = middles.map(([mx, my]) => Math.hypot(mx - x, my - y));
    const i = away.indexOf(Math.min(...away));
    if (away[i] > 18) return;
    const value = view.value[i];
    const base = view.bases ? " \u00b7 " + view.bases[i] : "";
    readout.textContent = `${view.start[i]}\u2013${view.end[i]} bp \u00b7 ${data.elements[view.element[i]].name}${base} \u00b7 ` +
      `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toPrecision(3)} logit`;
  }

  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return tell(event.offsetX, event.offsetY);
    if (event.shiftKey) {
      look.x += event.movementX;
      look.y += event.movementY;
    } else {
      look.yaw += event.movementX / 150;
      look.pitch += event.movementY / 150;
    }
    draw();
  });
  // Until the figure is clicked the wheel scrolls the page.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return;
    event.preventDefault();
    zoomAt(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    const [cx, cy] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    if (turns[event.key]) {
      look.yaw += turns[event.key][0];
      look.pitch += turns[event.key][1];
      draw();
    } else if (event.key === "+" || event.key === "-") zoomAt(event.key === "+" ? 1.25 : 0.8, cx, cy);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("dblclick", () => show(data.views.indexOf(view)));
  buttons.forEach((button, n) => button.addEventListener("click", () => show(n)));
  new ResizeObserver(draw).observe(canvas);
  show(0);
})
