// Draws the charts of a report, one after another: those near the view first, the others while the
// browser has nothing to do; again when the theme or the width changes.
//
// A chart is <figure data-chart="ID"> with an empty <div class="chart-view"> in it, which is as tall
// as the chart will be, so that nothing moves when it is drawn, and
// <script type="application/json" id="chart-ID"> with its Vega-Lite specification. What each theme
// looks like is in <script type="application/json" id="chart-configs">. The theme is the
// data-theme of <html> ("light" or "dark"), else what the system prefers.
// No expression becomes code: Vega's interpreter walks them, so the page may forbid eval.
(function () {
  "use strict";

  const refuse = () => Promise.reject(new Error("charts load nothing"));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

  function viewOf(spec, config, options) {
    const warnings = [];
    const note = (...parts) => {
      const words = parts.join(" ");
      // of a layer that has no rows under the choice that is made; the others have an extent
      if (!words.startsWith("Infinite extent")) warnings.push(words);
    };
    const logger = {
      level() { return logger; },
      warn(...parts) { note(...parts); return logger; },
      error(...parts) { note(...parts); return logger; },
      info() { return logger; },
      debug() { return logger; },
    };
    const compiled = vegaLite.compile(spec, { config, logger }).spec;
    const runtime = vega.parse(compiled, null, { ast: true });
    const view = new vega.View(runtime, {
      ...options, expr: vegaExpressionInterpreter, loader, logger,
    });
    return { view, warnings };
  }

  globalThis.spinnEdgeCharts = { viewOf };
  if (typeof document === "undefined") return;

  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const drawn = new Map();

  function theme() {
    const chosen = document.documentElement.dataset.theme;
    if (chosen === "dark" || chosen === "light") return chosen;
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  const MARGIN = 110; // axis, its title and labels, beside a plot in a row of plots

  function sized(spec, width, margin) {
    if ((spec.usermeta || {}).sized !== "inside") return { ...spec, width };
    const inner = Math.max(160, width - margin);
    if (spec.spec) return { ...spec, spec: { ...spec.spec, width: inner } };
    return { ...spec, vconcat: spec.vconcat.map((part) => ({ ...part, width: inner })) };
  }

  function configured(config, width) {
    if (width >= 520) return config;
    const stacked = { top: { direction: "vertical", anchor: "start" } };
    const columns = width < 300 ? 1 : 2;
    const legend = { ...config.legend, columns, labelLimit: Math.max(100, width - 150), layout: stacked };
    const axis = { ...config.axis, labelLimit: Math.max(60, width / 3) };
    return { ...config, axis, legend };
  }

  const bubble = document.createElement("div");
  bubble.className = "chart-tooltip";
  bubble.setAttribute("role", "tooltip");
  bubble.hidden = true;

  function tooltipOf(spec) {
    const whole = (spec.usermeta || {}).names || {};
    return (_, event, item, value) => {
      if (value === null || value === undefined || value === "") {
        bubble.hidden = true;
        return;
      }
      const entries = typeof value === "object" ? Object.entries(value) : [["", String(value)]];
      const rows = entries.map(([title, text]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        const cell = document.createElement("td");
        head.textContent = title;
        cell.textContent = Object.hasOwn(whole, text) ? whole[text] : text;
        cell.dir = "auto";
        row.append(head, cell);
        return row;
      });
      const table = document.createElement("table");
      table.append(...rows);
      bubble.replaceChildren(table);
      bubble.hidden = false;
      const box = bubble.getBoundingClientRect();
      const right = document.documentElement.clientWidth - box.width - 8;
      const low = document.documentElement.clientHeight - box.height - 8;
      bubble.style.left = Math.max(4, Math.min(event.clientX + 14, right)) + "px";
      bubble.style.top = Math.max(4, Math.min(event.clientY + 14, low)) + "px";
    };
  }

  function choices(view) {
    return view.getState({ data: () => false, signals: () => true }).signals || {};
  }

  function draw(figure) {
    const place = figure.querySelector(".chart-view");
    const width = Math.floor(place.clientWidth);
    const before = drawn.get(figure);
    const state = theme() + " " + width;
    if (width === 0) return Promise.resolve();
    if (before && before.state === state) return before.done;
    const now = { state, view: null, done: null };
    drawn.set(figure, now);
    now.done = drawInto(place, figure, width, before, now);
    return now.done;
  }

  async function drawInto(place, figure, width, before, now) {
    const signals = before && before.view ? choices(before.view) : {};
    if (before && before.view) before.view.finalize();
    const whole = read("chart-" + figure.dataset.chart);
    for (const one of whole.params || []) {
      if (one.name in signals) one.value = signals[one.name];
    }
    const config = configured(read("chart-configs")[theme()], width);
    const options = { renderer: "svg", container: place, hover: true, tooltip: tooltipOf(whole) };
    const drawnWith = async (margin) => {
      place.replaceChildren();
      const found = viewOf(sized(whole, width, margin), config, options);
      await found.view.runAsync();
      return found;
    };
    try {
      let { view, warnings } = await drawnWith(MARGIN);
      const over = place.querySelector("svg").width.baseVal.value - width;
      if (over > 0 && whole.usermeta.sized === "inside") {
        // labels reach beyond the plot; a plot takes those of its right half at least half the way
        view.finalize();
        ({ view, warnings } = await drawnWith(MARGIN + 2 * Math.ceil(over)));
      }
      warnings.forEach((words) => console.warn(figure.dataset.chart + ": " + words));
      now.view = view;
      figure.dataset.drawn = theme();
    } catch (error) {
      place.textContent = "This chart could not be drawn; its figures are in the table below it.";
      console.error(figure.dataset.chart, error);
    }
  }

  // One chart at a time, so that the page answers in between.
  function queueOf(figures) {
    const waiting = new Set(figures);
    const near = new Set();
    let timer = 0;
    let busy = false;
    const idle = (run) => ("requestIdleCallback" in globalThis
      ? requestIdleCallback(run) : setTimeout(run, 200));
    const forget = (id) => ("cancelIdleCallback" in globalThis
      ? cancelIdleCallback(id) : clearTimeout(id));

    async function step() {
      if (busy || waiting.size === 0) return; // another step took the last one
      busy = true;
      const figure = figures.find((one) => waiting.has(one) && near.has(one))
        || figures.find((one) => waiting.has(one));
      waiting.delete(figure);
      await draw(figure);
      busy = false;
      later();
    }

    function later() {
      if (busy || waiting.size === 0) return;
      forget(timer);
      if (figures.some((one) => waiting.has(one) && near.has(one))) setTimeout(step);
      else if (document.readyState === "complete") timer = idle(step);
      else addEventListener("load", later, { once: true });
    }

    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) near.add(target);
        else near.delete(target);
        if (isIntersecting && !drawn.has(target)) waiting.add(target); // had no width before
      }
      later();
    }, { rootMargin: "200px" });
    figures.forEach((figure) => seen.observe(figure));
    return {
      again() {
        figures.filter((figure) => drawn.has(figure)).forEach((figure) => waiting.add(figure));
        later();
      },
    };
  }

  async function save(button) {
    const figure = button.closest("figure");
    await draw(figure);
    const { view } = drawn.get(figure) || {};
    if (!view) return;
    const link = document.createElement("a");
    link.href = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(await view.toSVG());
    link.download = figure.dataset.chart + ".svg";
    link.click();
  }

  function start() {
    document.body.append(bubble);
    const figures = [...document.querySelectorAll("figure[data-chart]")];
    const { again } = queueOf(figures);
    const all = () => Promise.all(figures.map(draw));
    new MutationObserver(again).observe(document.documentElement, {
      attributes: true, attributeFilter: ["data-theme"],
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    let waiting = 0;
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(again, 150);
    });
    addEventListener("scroll", () => { bubble.hidden = true; }, { passive: true });
    addEventListener("beforeprint", all);
    document.addEventListener("toggle", again, true); // a chart inside <details> has a width now
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-save-chart]");
      if (button) save(button);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") bubble.hidden = true;
    });
    Object.assign(globalThis.spinnEdgeCharts, { drawAll: all });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
