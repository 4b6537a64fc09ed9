"use strict";
// Puts the page together. `document.documentElement` tells tests and tools how it went:
// data-charts (described), data-charts-drawn (with the ink of a series), data-charts-shaded (over
// time, where the generator was the limit), data-errors.

(function page() {
  const root = document.documentElement;
  let errors = 0;
  const fail = () => { errors += 1; root.dataset.errors = String(errors); };
  root.dataset.errors = "0";
  window.addEventListener("error", fail);
  window.addEventListener("securitypolicyviolation", fail);

  const data = JSON.parse(document.getElementById("data").textContent);
  const context = { data, times: "response", heat: "response", curve: 0, heatReadout: null,
    request: 0, request_view: "times" };
  // Plots on paper: the widths that page.css gives figures there, less their padding.
  const PAPER_WIDTH = 660, PAPER_WIDTH_HALF = 316, PAPER_HEIGHT = 0.8;
  let paper = false;

  // ---- theme: as the system says, or ?theme=dark, or the button

  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let wanted = new URLSearchParams(location.search).get("theme") || "auto";
  function applyTheme() {
    const dark = !paper && (wanted === "dark" || (wanted === "auto" && system.matches));
    root.dataset.theme = dark ? "dark" : "light";
    const button = document.getElementById("theme");
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", "Use the " + (dark ? "light" : "dark") + " theme");
  }

  // ---- what stands above the charts

  function header() {
    document.getElementById("title").textContent = data.run.title;
    const tasks = data.tasks.length > 1 ? data.tasks.length + " tasks" : null;
    const words = ["run " + data.run.run_id, data.started_at.replace("T", " ").replace(/\.\d+Z$/, " UTC"),
      time(data.duration_us), tasks, data.config && data.config.profile];
    document.getElementById("subtitle").textContent = words.filter(Boolean).join(" · ");
  }

  function verdict() {
    const [tone, words] = {
      ok: ["good", "The run is valid: the generator kept to its schedule."],
      degraded: ["caution", "The run is degraded: some figures are worse than what the target did."],
      invalid: ["bad", "The run is invalid: it did not measure what it was meant to."],
    }[data.verdict.state];
    const mark = { ok: "✓ ", degraded: "! ", invalid: "✗ " }[data.verdict.state];
    const box = document.getElementById("verdict");
    box.classList.add(tone);
    box.append(el("strong", {}, mark + words));
    if (data.thresholds.length > 0) {
      const failed = data.thresholds.filter((t) => t.failed).length;
      box.append(el("p", { class: failed > 0 ? "bad" : "plain" }, failed > 0
        ? "✗ " + failed + " of " + data.thresholds.length + " thresholds failed."
        : "✓ All " + data.thresholds.length + " thresholds hold."));
    }
    if (data.run.stopped_by) {
      box.append(el("p", { class: "plain" }, "It was stopped before its plan ended by " + data.run.stopped_by + "."));
    }
    if (data.warnings.length > 0) {
      box.append(el("ul", {}, data.warnings.map((warning) =>
        el("li", {}, warning.message + ". ", el("span", { class: "help" }, capital(warning.advice) + ".")))));
    }
  }

  // Before the figures: red ones that were asked for look like faults of the target.
  function planted() {
    if (data.planted.length === 0) return;
    document.getElementById("planted").append(el("div", { class: "verdict caution" },
      el("strong", {}, "Planted faults"), data.planted.map((words) => el("p", { class: "plain" }, words))));
  }

  function capital(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  function tile(label, value, more, tone) {
    return el("div", { class: "tile" }, el("div", { class: "label" }, label),
      el("div", { class: "value " + (tone || "") }, value), el("div", { class: "more" }, more));
  }

  function tiles() {
    const f = data.figures, share = (part, whole) => whole > 0 ? part / whole : 0;
    const list = [
      tile("offered", perSecond(f.offered_per_sec), count(f.due) + " iterations"),
      tile("achieved", perSecond(f.completed_per_sec), count(f.completed) + " iterations"),
      tile("dropped", percent(share(f.dropped, f.due)), count(f.dropped) + " iterations",
        f.dropped > 0 ? "caution" : ""),
      tile("requests", perSecond(f.requests_per_sec), count(f.requests) + " in all"),
      tile("failed requests", percent(share(f.requests_failed, f.requests)),
        count(f.requests_failed) + " of " + count(f.requests), f.requests_failed > 0 ? "bad" : ""),
      tile("response time, median", time(f.response.p50_us), "service time " + time(f.service.p50_us)),
      tile("response time, p99", time(f.response.p99_us), "service time " + time(f.service.p99_us)),
      tile("schedule lag, p99", time(f.lag.p99_us), percent(share(f.late, f.requests)) + " of requests late",
        data.time.limited.length > 0 ? "caution" : ""),
    ];
    document.getElementById("tiles").append(...list);
  }

  // ---- charts

  const charts = [];

  function chart(id, title, says, make, options) {
    const plot = el("div", { class: "plot", id: "plot-" + id });
    const extra = options.extra || [];
    const limited = options.over_time && data.time.limited.length > 0 ? el("div", { class: "key" },
      el("span", { class: "hatch" }), "the generator, not the target, was the limit") : null;
    const figure = el("figure", { class: options.wide ? "wide" : null, "aria-label": title },
      el("div", { class: "head" }, el("h3", {}, title), options.choices),
      plot, limited, extra, el("figcaption", { class: "says" }, says));
    document.getElementById("charts").append(figure);
    const over_time = Boolean(options.over_time);
    charts.push({ id, plot, make, figure, title, over_time, uplot: null, width: 0 });
  }

  function draw(one) {
    if (one.uplot) { one.uplot.destroy(); one.uplot = null; }
    one.plot.replaceChildren();
    const on_paper = one.figure.classList.contains("wide") ? PAPER_WIDTH : PAPER_WIDTH_HALF;
    one.width = paper ? on_paper : Math.floor(one.plot.clientWidth);
    const made = one.make(context, one.width);
    if (made == null || data.time.second.length === 0) {
      one.plot.append(el("p", { class: "empty" }, made == null && one.id === "failures"
        ? "No request failed." : "Nothing was measured."));
      return;
    }
    if (paper) made[0].height = Math.round(made[0].height * PAPER_HEIGHT);
    one.inks = inks(made[0], made[1]);
    one.uplot = new uPlot(made[0], made[1], one.plot);
    one.uplot.root.querySelector("canvas").setAttribute("role", "img");
    one.uplot.root.querySelector("canvas").setAttribute("aria-label", one.title);
  }

  // Axes alone do not count: the colour of a series with values must be among the pixels.
  function isDrawn(one) {
    if (!one.uplot) return one.plot.childElementCount > 0;
    const wanted = one.inks.map(rgb);
    const canvas = one.uplot.root.querySelector("canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i + 3] > 127 && wanted.some((ink) => near(ink, pixels, i))) return true;
    }
    return false;
  }

  // In a shaded window every pixel of a column is covered; elsewhere the grid leaves gaps.
  function isShaded(one) {
    const [from, to] = data.time.limited[0] || [0, 0];
    if (!one.uplot || !one.over_time || to === from) return false;
    const { bbox, ctx } = one.uplot;
    const x = Math.round(one.uplot.valToPos(from + (to - from) * 0.37, "x", true));
    const column = ctx.getImageData(x, bbox.top + 2, 1, bbox.height - 4).data;
    for (let i = 3; i < column.length; i += 4) if (column[i] === 0) return false;
    return true;
  }

  function near(ink, pixels, at) {
    return [0, 1, 2].every((c) => Math.abs(ink[c] - pixels[at + c]) < 24);
  }

  function rgb(css) {
    const ctx = el("canvas", { width: 1, height: 1 }).getContext("2d");
    ctx.fillStyle = css;
    ctx.fillRect(0, 0, 1, 1);
    return ctx.getImageData(0, 0, 1, 1).data;
  }

  // What a chart is drawn with: its own word, or the strokes of the series that have values.
  function inks(options, columns) {
    if (options.inks) return options.inks;
    const known = (index) => columns[index].some((value) => value != null);
    return options.series.slice(1).filter((_, index) => known(index + 1)).map((series) => series.stroke);
  }

  function drawAll() {
    charts.forEach(draw);
    heatKey();
    // uPlot draws in a microtask.
    setTimeout(() => {
      root.dataset.charts = String(charts.length);
      root.dataset.chartsDrawn = String(charts.filter(isDrawn).length);
      root.dataset.chartsShaded = String(charts.filter(isShaded).length);
      root.dataset.canvases = String(charts.filter((one) => one.uplot).length);
    }, 0);
  }

  function choice(names, chosen, choose) {
    const buttons = names.map(([value, label]) => el("button", {
      type: "button", class: "choice", "aria-pressed": String(value === chosen), onclick: () => {
        buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(names[i][0] === value)));
        choose(value);
      },
    }, label));
    return el("div", { class: "choices screen-only" }, buttons);
  }

  const TIMES = [["response", "response time"], ["service", "service time"]];
  const again = (id) => { draw(charts.find((one) => one.id === id)); heatKey(); };

  function curveChoice() {
    if (data.curves.length < 2) return null;
    const select = el("select", { class: "screen-only", "aria-label": "Which requests", onchange: () => {
      context.curve = Number(select.value);
      again("curve");
    } }, data.curves.map((curve, index) => el("option", { value: index }, index === 0 ? "all requests" : curve.name)));
    return select;
  }

  // Also for paper, where the choice is not to be seen.
  const requestName = el("span", {});

  function requestChoices() {
    const { lines } = data.by_request;
    requestName.textContent = lines.length > 0 ? lines[0].name : "";
    const views = choice([["times", "time"], ["rate", "requests"]], context.request_view,
      (value) => { context.request_view = value; again("request"); });
    const select = el("select", { class: "screen-only", "aria-label": "Which request", onchange: () => {
      context.request = Number(select.value);
      requestName.textContent = lines[context.request].name;
      again("request");
    } }, lines.map((line, index) => el("option", { value: index }, line.name)));
    return [lines.length > 0 ? select : null, views];
  }

  // ---- key of the heat map

  const heatScale = el("canvas", { width: 280, height: 24, "aria-hidden": "true" });
  const heatMost = el("span", {});
  context.heatReadout = el("span", { class: "at" });

  function heatKey() {
    const { most } = heatCells(context), ctx = heatScale.getContext("2d");
    for (let x = 0; x < heatScale.width; x += 1) {
      ctx.fillStyle = heatColour(most ** (x / heatScale.width), most);
      ctx.fillRect(x, 0, 1, heatScale.height);
    }
    heatMost.textContent = count(most) + " requests";
  }

  function describeCharts() {
    const step = data.time.seconds_per_row;
    const each = step > 1 ? "Each point stands for " + step + " seconds. " : "";
    const over_time = true;
    chart("load", "Offered, achieved, dropped and failed iterations",
      each + "What the plan asked for, and what ran to its end: where the lines part, the test was not the one that was planned. Dropped iterations had no free bot; failed ones ended badly.",
      loadChart, { wide: true, over_time });
    chart("response", "Percentiles over time",
      each + "How long the slower requests took, second by second, on a logarithmic axis. Response time counts from when a request was due, service time from when it was sent. A percentile that too few requests carry is left out.",
      responseChart, { wide: true, over_time,
        choices: choice(TIMES, "response", (value) => { context.times = value; again("response"); }) });
    chart("requests", "Requests",
      "Requests that ended in a second, and those of them that failed.", requestsChart, { over_time });
    chart("request", "One request over time",
      "The same for the requests of one name: how long they took, counted from when they were due, or how many there were in a second.",
      requestChart, { over_time, choices: requestChoices(),
        extra: el("div", { class: "key" }, requestName) });
    chart("failures", "Failures by kind",
      "Failed requests, stacked by kind; the table below has counts, first and last time, and an example.",
      failuresChart, { over_time });
    chart("lag", "Generator: schedule lag",
      "How late the generator itself sent requests. A second in which the p99 reaches the limit is shaded in every chart, as is one in which a worker or its machine could not run: its response times are upper bounds.",
      lagChart, { over_time });
    chart("cpu", "Generator: CPU",
      "How much of its core each worker used. Near 100 % the generator is about to be the limit.",
      cpuChart, { over_time });
    chart("curve", "Percentile plot",
      "The share of requests that were faster than a time; each step to the right is ten times rarer. The gap between the two lines is what waited before it was sent: tools that count from sending do not see it.",
      curveChart, { choices: curveChoice() });
    chart("heat", "Heat map",
      "How many requests took how long in each second; the colour is logarithmic. Two bands are two kinds of answers, such as hits and misses of a cache.",
      heatChart, { over_time,
        choices: choice(TIMES, "response", (value) => { context.heat = value; again("heat"); }),
        extra: el("div", { class: "key" }, "1", heatScale, heatMost, context.heatReadout) });
    chart("bots", "Bots", "Bots in a session at the end of each second, and how many there were.",
      botsChart, { over_time });
    chart("bytes", "Network", "Bytes of requests and responses on the wire, heads included.",
      bytesChart, { over_time });
  }

  function bytesChart(context, width) {
    const { time: times, figures } = context.data;
    const words = (value) => value == null ? "–" : bytes(value) + "/s";
    const options = timeOptions(context, width, 220, {
      series: [timeSeries(),
        line("received", "p99", words, rate(context, figures.bytes_received), { width: 2 }),
        line("sent", "p90", words, rate(context, figures.bytes_sent), { dash: [6, 4] })],
      axes: [timeAxis(), linearAxis("bytes/s", bytes)],
      scales: { y: { range: fromZero } },
    });
    return [options, [times.second, times.received, times.sent]];
  }

  // ---- tables

  function part(where, title, content, says) {
    document.getElementById(where).append(el("h2", {}, title), content,
      says ? el("p", { class: "says" }, says) : "");
  }

  function tables() {
    if (data.thresholds.length > 0) part("thresholds", "Thresholds", thresholdsTable(data));
    part("tables", "Requests", requestsTable(data),
      "One row per request name. A dash stands for a percentile that too few requests carry.");
    if (data.failures.length > 0) part("tables", "Failures", failuresTable(data));
    if (data.checks.length > 0) part("tables", "Checks", checksTable(data));
    if (data.actions.length > 0) part("tables", "Actions", actionsTable(data));
    part("tables", "Workers", workersTable(data),
      "Workers are named TASK/WORKER. Late is a request sent 2 ms or more after it was due by the generator's fault.");
  }

  function identity() {
    const facts = [["of", data.run.title], ["run", data.run.run_id], ["seed", data.run.seed],
      ["tallyho", data.run.version], ["started", data.started_at], ["ended", data.ended_at],
      ["files", data.run.directory], ["run again", el("code", {}, data.again)],
      ["replay a session", data.run.replay_command && el("code", {}, data.run.replay_command)]];
    for (const task of data.tasks) {
      const name = data.tasks.length > 1 ? "task " + task.index : "machine";
      const driver = task.io_driver + (task.io_driver_reason ? " (" + task.io_driver_reason + ")" : "");
      facts.push([name, [task.host, "kernel " + task.kernel, significant(task.cpus) + " CPUs",
        task.pinned ? "pinned workers" : "workers not pinned", driver].join(", ")]);
    }
    const list = facts.filter(([, value]) => value).flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, value)]);
    part("run", "Run", el("dl", { class: "card" }, list));
    document.getElementById("run").append(el("details", { class: "card" },
      el("summary", {}, "What was run, as it was understood"),
      el("pre", {}, JSON.stringify(data.config, null, 2))),
      el("footer", {}, "Made by tallyho " + data.run.version
        + " from run.json. This file needs no network. Charts: uPlot, MIT licence, © 2022 Leon Sorokin."));
  }

  // ---- put together

  applyTheme();
  header();
  verdict();
  planted();
  tiles();
  describeCharts();
  tables();
  identity();
  drawAll();

  system.addEventListener("change", () => { applyTheme(); drawAll(); });
  document.getElementById("theme").addEventListener("click", () => {
    wanted = root.dataset.theme === "dark" ? "light" : "dark";
    applyTheme();
    drawAll();
  });
  const watch = new ResizeObserver(() => {
    for (const one of charts) {
      const width = Math.floor(one.plot.clientWidth);
      if (!paper && one.uplot && width !== one.width) draw(one);
    }
  });
  charts.forEach((one) => watch.observe(one.plot));

  // Paper is light and has a width of its own. uPlot draws in a microtask, which runs before the
  // page is laid out for paper.
  function onPaper(now) {
    paper = now;
    applyTheme();
    drawAll();
  }
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
})();
