// A page with just enough of a DOM to run the helix's script, driven by `steps`; prints what was drawn after each.
const [html, steps] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const scripts = [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map((found) => found[1]);
const listeners = {};
let strokes = [], texts = [];
const pen = {
  scale() {}, beginPath() {}, stroke() {},
  moveTo(x, y) { strokes.push([x, y]); },
  lineTo(x, y) { strokes[strokes.length - 1].push(x, y, pen.strokeStyle, pen.globalAlpha, pen.lineWidth); },
  strokeText() {},
  fillText(text, x, y) { texts.push([text, x, y, pen.fillStyle]); },
};
const canvas = {
  clientWidth: 900, clientHeight: 420, getContext: () => pen, setPointerCapture() {},
  addEventListener(kind, act) { listeners[kind] = act; },
};
const buttons = [...html.matchAll(/<button[^>]*data-view>([^<]*)</g)].map((found) => ({
  title: found[1], state: {}, setAttribute(key, value) { this.state[key] = value; },
  addEventListener(kind, act) { this.click = act; },
}));
const readout = { textContent: "hint" };
const [low, high] = [{}, {}];
const root = {
  querySelector: (what) => ({ canvas, output: readout, "[data-low]": low, "[data-high]": high })[what]
    || { textContent: scripts[0] },
  querySelectorAll: () => buttons,
};
global.document = { getElementById: (id) => (html.includes(`id="${id}"`) ? root : null), activeElement: null };
global.window = {};
global.getComputedStyle = () => ({ backgroundColor: "white" });
global.ResizeObserver = class { constructor(act) { this.act = act; } observe() { this.act(); } };
(0, eval)(scripts[1]);
const seen = [];
for (const [kind, event] of [["", {}], ...steps]) {
  let prevented = false;
  strokes = []; texts = [];
  if (kind === "focus") document.activeElement = canvas;
  else if (kind === "view") buttons[event.number].click();
  else if (kind) listeners[kind]({ ...event, preventDefault() { prevented = true; } });
  seen.push({ strokes, texts, prevented, readout: readout.textContent, low: low.textContent, high: high.textContent });
}
console.log(JSON.stringify(seen));
