// Draws the table of figures as bars. Whoever has no script, or does not see, has the table.
"use strict";
(() => {
  const sizes = ["B", "kB", "MB", "GB", "TB"];
  const size = (n) => {
    let step = 0;
    while (n >= 1000 && step < sizes.length - 1) { n /= 1000; step++; }
    return (n < 10 && step ? n.toFixed(1) : Math.round(n)) + " " + sizes[step];
  };
  const number = (n) => n.toLocaleString("en");
  const role = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // A canvas does not know light-dark(); an element does.
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.style.color = "var(" + name + ")";
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const label = (at, unit) => {
    const text = new Date(at * 1000).toISOString();
    return unit === "year" ? text.slice(0, 4) : unit === "month" ? text.slice(0, 7) : text.slice(0, 10);
  };
  let charts = [];
  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = [];
    const table = document.getElementById("chart-table");
    if (!table) return;
    const rows = [...table.tBodies[0].rows], unit = table.dataset.unit;
    const at = rows.map((row) => Number(row.dataset.at));
    const accent = colour("--accent"), soft = colour("--soft"), line = colour("--line");
    const font = "12px " + role("--text");
    for (const place of document.querySelectorAll("[data-chart]")) {
      const what = place.dataset.chart, show = what === "bytes" ? size : number;
      const values = rows.map((row) => Number(row.dataset[what]));
      const axis = {stroke: soft, font, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
      const longest = Math.max(0, ...values.map((n) => show(n).length));
      charts.push(new uPlot({
        width: place.clientWidth, height: 240, padding: [12, 8, 0, 0],
        tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "UTC"),
        cursor: {y: false, points: {show: false}, drag: {x: false, y: false}},
        legend: {markers: {show: false}},
        scales: {x: {range: (_, min, max) => { const pad = at.length > 1 ? (at[1] - at[0]) * 0.6 : 43200; return [min - pad, max + pad]; }}, y: {range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1]}},
        axes: [{...axis, grid: {show: false}, space: 70, values: (_, ticks) => ticks.map((t) => label(t, unit)), incrs: unit === "day" ? [86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400] : undefined},
          {...axis, size: 18 + longest * 7, values: (_, ticks) => ticks.map((n) => Number.isInteger(n) ? show(n) : "")}],
        series: [{label: unit, value: (_, t) => t === null ? "–" : label(t, unit)},
          {label: what === "bytes" ? "size" : "messages", fill: accent, stroke: accent, width: 0, points: {show: false},
            paths: uPlot.paths.bars({size: [0.72, 56], radius: 0.18}), value: (_, n) => n === null ? "–" : show(n)}],
      }, [at, values], place));
    }
  };
  let timer = 0;
  const soon = () => { clearTimeout(timer); timer = setTimeout(draw, 120); };
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; soon(); } });
  document.addEventListener("dm3sync:theme", soon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);
  let drawn = "";
  const figures = () => document.getElementById("chart-table")?.innerHTML ?? "";
  document.addEventListener("htmx:after:swap", () => { // a chart that somebody points at stays while nothing changes
    if (figures() === drawn) return;
    drawn = figures();
    soon();
  });
  drawn = figures();
  draw();
})();
