"use strict";
// Sorting, filters, downloads and the switch of light and dark. Without it every table is readable.
(() => {
  const find = (query, inside = document) => inside.querySelector(query);
  const all = (query, inside = document) => [...inside.querySelectorAll(query)];

  function sortable(table) {
    const body = table.tBodies[0];
    const given = [...body.rows];
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        const next = was === "none" ? "ascending" : was === "ascending" ? "descending" : "none";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", next);
        body.append(...(next === "none" ? given : sorted(given, column, next)));
      });
    });
  }

  // What is not known comes last, whichever way; equals keep their order.
  function sorted(rows, column, direction) {
    const sign = direction === "ascending" ? 1 : -1;
    const numbers = rows.some((row) => row.cells[column]?.dataset.sort !== undefined);
    const keys = new Map(rows.map((row) => [row, keyOf(row.cells[column], numbers)]));
    return [...rows].sort((one, two) => {
      const [a, b] = [keys.get(one), keys.get(two)];
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (numbers ? a - b : a.localeCompare(b, "en", { numeric: true }));
    });
  }

  function keyOf(cell, numbers) {
    if (!cell || cell.classList.contains("reason")) return null;
    if (!numbers) return cell.textContent;
    return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
  }

  // At first only what was timed is seen, and the count names what is hidden.
  function filterable(form, table, count) {
    const rows = [...table.tBodies[0].rows];
    const choices = all("select", form);
    const status = find("#filter-status");
    const text = find("#filter-text");
    const texts = new Map();
    const textOf = (row) => {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      return texts.get(row);
    };
    const chosen = (one, row) =>
      !one.value || row.dataset[one.id.replace("filter-", "")] === one.value;
    const apply = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const byStatus = new Map();
      let shown = 0;
      for (const row of rows) {
        const asked = words.every((word) => textOf(row).includes(word))
          && choices.every((one) => one === status || chosen(one, row));
        const held = asked && chosen(status, row);
        if (asked && !held) {
          byStatus.set(row.dataset.status, (byStatus.get(row.dataset.status) ?? 0) + 1);
        }
        row.hidden = !held;
        shown += held;
      }
      count.textContent = counted(shown, rows.length, status.value, byStatus);
      table.parentElement.style.setProperty("--lines", shown);
    };
    const timed = rows.filter((row) => row.dataset.status === "ok").length;
    if (timed > 0 && timed < rows.length) status.value = "ok";
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    form.hidden = false;
    apply();
  }

  function counted(shown, every, status, byStatus) {
    if (shown === every) return `${every} rows`;
    const hidden = [...byStatus.values()].reduce((sum, one) => sum + one, 0);
    const kinds = [...byStatus].map(([name, one]) => `${one} ${name}`).join(", ");
    const what = status === "ok" ? "not timed" : "of another status";
    return `${shown} of ${every} rows${hidden ? `; ${hidden} ${what} are hidden (${kinds})` : ""}`;
  }

  // Such a link holds gzip, which is saved as such without this; here it is unpacked first.
  async function unpack(link) {
    const packed = Uint8Array.from(atob(link.href.split(",")[1]), (one) => one.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const text = await new Response(stream).blob();
    const copy = document.createElement("a");
    copy.href = URL.createObjectURL(text);
    copy.download = link.download.replace(/\.gz$/, "");
    copy.click();
    setTimeout(() => URL.revokeObjectURL(copy.href), 60_000);
  }

  function themed(button) {
    const root = document.documentElement;
    const asked = matchMedia("(prefers-color-scheme: dark)");
    const kept = (value) => {
      try { // a browser may keep nothing for files
        if (value) localStorage.setItem("spinn-edge-theme", value);
        return localStorage.getItem("spinn-edge-theme");
      } catch { return null; }
    };
    const current = () => root.dataset.theme ?? (asked.matches ? "dark" : "light");
    const tell = () => {
      button.textContent = current() === "dark" ? "Light colours" : "Dark colours";
      document.dispatchEvent(new CustomEvent("themechange", { detail: current() }));
    };
    const before = kept();
    if (before === "dark" || before === "light") root.dataset.theme = before;
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      kept(root.dataset.theme);
      tell();
    });
    asked.addEventListener("change", tell);
    button.hidden = false;
    tell();
  }

  function printable() {
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = all("details:not([open])").filter((one) => !one.closest(".place"));
      opened.forEach((one) => { one.open = true; });
    });
    addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
  }

  const table = find("#results");
  sortable(table);
  filterable(find("#filters"), table, find("#filter-count"));
  if ("DecompressionStream" in window) {
    for (const link of all("a[download$='.gz']")) {
      link.addEventListener("click", (event) => { event.preventDefault(); unpack(link); });
    }
  }
  themed(find("#theme"));
  printable();
})();
