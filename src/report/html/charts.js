"use strict";
// The charts. Each is described once and drawn again when the theme, the width or a choice changes.

const LIMITED = "generator-limited";
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const DECADE = [1, 2, 5];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function font(size) {
  return size + 'px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
}

// ---- scales and axes

function axis(options) {
  return Object.assign({
    stroke: colour("faint"), font: font(12), labelFont: font(12), labelSize: 18,
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { stroke: colour("grid"), width: 1, size: 4 },
  }, options);
}

function timeAxis() {
  return axis({
    incrs: TIME_STEPS, space: 60, values: (u, ticks) => ticks.map(clock),
    label: "time since the start", size: 34,
  });
}

function linearAxis(label, words) {
  return axis({ label, size: 56, values: (u, ticks) => ticks.map((v) => v == null ? "" : words(v)) });
}

// Whole decades, so that the grid is the scale.
function decades(u, min, max) {
  if (min == null || !(min > 0)) return [1, 1000];
  const low = Math.floor(Math.log10(min) + 1e-9), high = Math.ceil(Math.log10(max) - 1e-9);
  return [10 ** low, 10 ** Math.max(high, low + 1)];
}

function logAxis(label, words) {
  const shown = (u, value, scale) => {
    const span = Math.log10(u.scales[scale].max / u.scales[scale].min);
    const lead = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
    return span > 2.5 ? lead === 1 : DECADE.includes(lead);
  };
  return axis({
    label, size: 56, space: 4,
    filter: (u, ticks, index) => ticks.map((v) => shown(u, v, u.axes[index].scale) ? v : null),
    values: (u, ticks) => ticks.map((v) => v == null ? "" : words(v)),
    grid: { stroke: colour("grid"), width: 1, filter: (u, ticks) => ticks },
  });
}

// ---- shading of the windows in which the generator was the limit

function shade(windows) {
  return (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const [from, to] of windows) {
      const left = u.valToPos(from, "x", true), right = u.valToPos(to, "x", true);
      ctx.fillStyle = colour("limit-fill");
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      hatch(ctx, left, right, bbox);
    }
    ctx.restore();
  };
}

// Lines beside the colour: the windows are seen in grey too.
function hatch(ctx, left, right, bbox) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour("limit");
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = uPlot.pxRatio;
  const gap = 8 * uPlot.pxRatio;
  ctx.beginPath();
  for (let x = left - bbox.height; x < right; x += gap) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

// ---- marks where a stage of the plan begins or ends

const STAGE_LINES = 3;

function stageLines(plan) {
  return (u) => {
    const { ctx, bbox } = u, end = bbox.left + bbox.width;
    const place = (us) => Math.round(u.valToPos(us / 1e6, "x", true));
    ctx.save();
    ctx.strokeStyle = colour("faint");
    ctx.lineWidth = uPlot.pxRatio;
    ctx.setLineDash([2 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
    for (const x of new Set(plan.flatMap((stage) => [place(stage.from_us), place(stage.to_us)]))) {
      if (x <= bbox.left || x >= end) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

// What the stages ask for, one line for each scenario, where there is room.
function stageWords(plan) {
  const scenarios = [...new Set(plan.map((stage) => stage.scenario))];
  return (u) => {
    const { ctx, bbox } = u, size = 11 * uPlot.pxRatio, end = bbox.left + bbox.width;
    const place = (us) => Math.round(u.valToPos(us / 1e6, "x", true));
    ctx.save();
    ctx.fillStyle = colour("ink");
    ctx.font = font(size);
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    for (const stage of plan) {
      const row = scenarios.indexOf(stage.scenario);
      const left = Math.max(place(stage.from_us), bbox.left), right = Math.min(place(stage.to_us), end);
      const words = (scenarios.length > 1 ? stage.scenario + ": " : "") + stage.load;
      if (row >= STAGE_LINES || ctx.measureText(words).width + 6 * uPlot.pxRatio > right - left) continue;
      ctx.fillText(words, left + 4 * uPlot.pxRatio, bbox.top + 5 * uPlot.pxRatio + row * size * 1.3);
    }
    ctx.restore();
  };
}

// ---- series

function line(label, name, words, idle, options) {
  return Object.assign({
    label, stroke: colour(name), width: 1.75, spanGaps: false,
    points: { show: lonely },
    value: (u, raw, series, index) => index == null ? (idle == null ? "–" : words(idle)) : words(raw),
  }, options);
}

// Points where a line would not show: values without a neighbour.
function lonely(u, series) {
  const values = u.data[series];
  let alone = 0, known = 0;
  for (let i = 0; i < values.length; i += 1) {
    if (values[i] == null) continue;
    known += 1;
    if (values[i - 1] == null && values[i + 1] == null) alone += 1;
  }
  return known > 0 && (alone > 0 || known < 3);
}

function timeSeries() {
  return {
    label: "at",
    value: (u, raw, series, index) => index == null ? "whole run" : clock(raw),
  };
}

function spreadSeries(spread, total) {
  const one = (label, key, options) =>
    line(label, key.replace("_", ""), time, total[key + "_us"], options);
  return [
    one("p50", "p50", { width: 1.5 }), one("p90", "p90", { width: 1.5 }), one("p99", "p99"),
    one("p99.9", "p99_9"), one("max", "max", { dash: [4, 3], width: 1.25 }),
  ];
}

// A log axis has no zero: what is below 1 µs is drawn at 1 µs.
function spreadColumns(spread) {
  const drawn = (column) => column.map((us) => us == null ? null : Math.max(us, 1));
  return [spread.p50, spread.p90, spread.p99, spread.p99_9, spread.max].map(drawn);
}

function bars() {
  return uPlot.paths.bars({ size: [0.9, 24], align: 1, gap: 0 });
}

// ---- options shared by all charts

function chartOptions(width, height, parts) {
  return Object.assign({
    width, height, padding: [8, 22, 0, 0],
    cursor: { points: { size: 7 }, y: false, drag: { x: true, y: false } },
    legend: { live: true, markers: {
      width: 3,
      dash: (u, index) => u.series[index].dash ? "dashed" : "solid",
    } },
  }, parts);
}

function timeOptions(context, width, height, parts) {
  const { data } = context, last = data.time.second.at(-1) || 0;
  const end = Math.max(1, Math.min(last + data.time.seconds_per_row, data.duration_us / 1e6));
  const options = chartOptions(width, height, parts);
  options.cursor = Object.assign({}, options.cursor, { sync: { key: "time", setSeries: false } });
  options.scales = Object.assign({ x: { time: false, range: (u, min, max) => 
    u.zoomed ? [min, max] : [0, end] } }, parts.scales);
  options.hooks = Object.assign({}, parts.hooks, {
    drawClear: [shade(data.time.limited), stageLines(data.plan), ...((parts.hooks || {}).drawClear || [])],
    setSelect: [(u) => { u.zoomed = u.select.width > 0; }],
  });
  return options;
}

// ---- the charts

function loadChart(context, width) {
  const { time, figures } = context.data;
  const options = timeOptions(context, width, 260, {
    series: [timeSeries(),
      line("offered", "offered", perSecond, figures.offered_per_sec, { width: 6 }),
      line("achieved", "achieved", perSecond, figures.completed_per_sec,
        { fill: colour("achieved-fill"), width: 2 }),
      line("dropped", "dropped", perSecond, rate(context, figures.dropped),
        { paths: bars(), fill: colour("dropped"), width: 0, points: { show: false } }),
      line("failed", "failed", perSecond, rate(context, figures.failed), { dash: [2, 2], width: 2 })],
    axes: [timeAxis(), linearAxis("iterations/s", short)],
    scales: { y: { range: context.data.plan.length > 0 ? withRoom : fromZero } },
    hooks: { draw: [stageWords(context.data.plan)] },
  });
  return [options, [time.second, time.offered, time.achieved, time.dropped, time.failed]];
}

function rate(context, total) {
  const seconds = context.data.duration_us / 1e6;
  return seconds > 0 ? total / seconds : 0;
}

function fromZero(u, min, max) {
  return [0, max > 0 ? max * 1.08 : 1];
}

// Room above for the words of the plan.
function withRoom(u, min, max) {
  return [0, max > 0 ? max * 1.3 : 1];
}

// One name at a time: how long its requests took, or how many there were.
function requestChart(context, width) {
  const { by_request } = context.data, one = by_request.lines[context.request];
  if (one == null) return null;
  const times = context.request_view === "times";
  const options = timeOptions(context, width, 220, {
    series: times ? [timeSeries(), ...spreadSeries(one.response, one.total)] : [timeSeries(),
      line("requests", "achieved", perSecond, one.requests_per_sec,
        { fill: colour("achieved-fill"), width: 2 }),
      line("failed", "failed", perSecond, one.failed_per_sec, { dash: [2, 2], width: 2 })],
    axes: [timeAxis(), times ? logAxis("response time", words) : linearAxis("requests/s", short)],
    scales: { y: times ? { distr: 3, range: decades } : { range: fromZero } },
  });
  const columns = times ? spreadColumns(one.response) : [one.requests, one.failed];
  return [options, [by_request.second, ...columns]];
}

function responseChart(context, width) {
  const { time, figures } = context.data, which = context.times;
  const options = timeOptions(context, width, 300, {
    series: [timeSeries(), ...spreadSeries(time[which], figures[which])],
    axes: [timeAxis(), logAxis(which + " time", words)],
    scales: { y: { distr: 3, range: decades } },
  });
  return [options, [time.second, ...spreadColumns(time[which])]];
}

function words(us) {
  return us < 1 ? "" : time(us);
}

function requestsChart(context, width) {
  const { time, figures } = context.data;
  const options = timeOptions(context, width, 220, {
    series: [timeSeries(),
      line("requests", "achieved", perSecond, figures.requests_per_sec,
        { fill: colour("achieved-fill"), width: 2 }),
      line("failed", "failed", perSecond, rate(context, figures.requests_failed),
        { dash: [2, 2], width: 2 })],
    axes: [timeAxis(), linearAxis("requests/s", short)],
    scales: { y: { range: fromZero } },
  });
  return [options, [time.second, time.requests, time.requests_failed]];
}

function botsChart(context, width) {
  const { time } = context.data;
  const most = (column) => column.reduce((a, b) => Math.max(a, b), 0);
  const stepped = { paths: uPlot.paths.stepped({ align: 1 }) };
  const options = timeOptions(context, width, 220, {
    series: [timeSeries(),
      line("busy", "achieved", short, most(time.bots_active),
        { fill: colour("achieved-fill"), ...stepped }),
      line("there are", "bots", short, most(time.bots_allocated), { dash: [6, 4], ...stepped })],
    axes: [timeAxis(), linearAxis("bots", short)],
    scales: { y: { range: fromZero } },
  });
  return [options, [time.second, time.bots_active, time.bots_allocated]];
}

function lagChart(context, width) {
  const { time, figures } = context.data;
  const limit = context.data.late_us;
  const options = timeOptions(context, width, 220, {
    series: [timeSeries(), ...spreadSeries(time.lag, figures.lag)],
    axes: [timeAxis(), logAxis("schedule lag", words)],
    scales: { y: { distr: 3, range: (u, min, max) => decades(u, min, Math.max(max || 1, limit * 1.01)) } },
    hooks: { draw: [(u) => limitLine(u, limit)] },
  });
  return [options, [time.second, ...spreadColumns(time.lag)]];
}

function limitLine(u, limit) {
  const { ctx, bbox } = u, y = Math.round(u.valToPos(limit, "y", true));
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("limit");
  ctx.lineWidth = 1.5 * uPlot.pxRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = font(11 * uPlot.pxRatio);
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.fillText("p99 limit " + time(limit), bbox.left + bbox.width - 4, y - 2);
  ctx.restore();
}

function cpuChart(context, width) {
  const { time, workers } = context.data;
  const whole = (value) => value == null ? "–" : significant(value) + "%";
  const mean = workers.reduce((sum, w) => sum + w.cpu_share_mean, 0) / Math.max(workers.length, 1);
  const most = workers.reduce((max, w) => Math.max(max, w.cpu_share_mean), 0);
  const options = timeOptions(context, width, 220, {
    series: [timeSeries(),
      line("busiest worker", "max", whole, most * 100, { width: 1.5 }),
      line("mean of workers", "p90", whole, mean * 100, { dash: [6, 4] })],
    axes: [timeAxis(), linearAxis("CPU of one core", (v) => v + "%")],
    scales: { y: { range: [0, 100] } },
  });
  return [options, [time.second, time.cpu_max, time.cpu_mean]];
}

const FAILURES_DRAWN = 5;

// The most frequent kinds, and the rest as one.
function failureColumns(context) {
  const { time, failures } = context.data;
  const columns = failures.slice(0, FAILURES_DRAWN).map((failure, index) =>
    ({ label: failure.kind, count: failure.count, values: time.failures[index] }));
  const rest = failures.slice(FAILURES_DRAWN);
  if (rest.length > 0) {
    const values = time.second.map((_, row) =>
      time.failures.slice(FAILURES_DRAWN).reduce((sum, column) =>
        column[row] == null ? sum : (sum || 0) + column[row], null));
    const sum = rest.reduce((total, failure) => total + failure.count, 0);
    columns.push({ label: rest.length + " other kinds", count: sum, values });
  }
  return columns;
}

function failuresChart(context, width) {
  const columns = failureColumns(context);
  if (columns.length === 0) return null;
  // Stacked: each is drawn as the sum of itself and those before it, the highest first.
  const sums = [];
  columns.forEach((column, index) => sums.push(column.values.map((value, row) =>
    value == null ? null : value + (index > 0 ? sums[index - 1][row] || 0 : 0))));
  const order = columns.map((_, index) => columns.length - 1 - index);
  const series = order.map((index) => line(columns[index].label, "failure-" + index, perSecond, null, {
    paths: bars(), fill: colour("failure-" + index), width: 0, points: { show: false },
    value: (u, raw, s, row) => perSecond(row == null
      ? rate(context, columns[index].count) : columns[index].values[row]),
  }));
  const options = timeOptions(context, width, 220, {
    series: [timeSeries(), ...series],
    axes: [timeAxis(), linearAxis("failed requests/s", short)],
    scales: { y: { range: fromZero } },
  });
  return [options, [context.data.time.second, ...order.map((index) => sums[index])]];
}

function curveChart(context, width) {
  const points = context.data.curves[context.curve].points;
  if (points.length === 0) return null;
  const end = points.at(-1)[0];
  const place = (x) => {
    const beyond = 100 / x;
    return "p" + Number((100 - beyond).toFixed(Math.max(0, Math.ceil(-Math.log10(beyond)) + 1)));
  };
  const options = chartOptions(width, 260, {
    series: [{ label: "at", value: (u, raw, s, index) => index == null ? "max"
      : index === points.length - 1 ? "max" : place(raw) },
      line("response time", "response", time, points.at(-1)[1], { width: 2, points: { show: false } }),
      line("service time", "service", time, points.at(-1)[2],
        { width: 2, dash: [6, 4], points: { show: false } })],
    axes: [axis({
      label: "percentile", size: 34, space: 40,
      filter: (u, ticks) => ticks.map((v) => Math.abs(Math.log10(v) % 1) < 1e-6 ? v : null),
      values: (u, ticks) => ticks.map((v) => v == null ? "" : v === 1 ? "0" : place(v).slice(1)),
    }), logAxis("time", words)],
    scales: { x: { time: false, distr: 3, range: [1, Math.max(10, end)] }, y: { distr: 3, range: decades } },
  });
  return [options, [points.map((p) => p[0]), points.map((p) => Math.max(p[1], 1)),
    points.map((p) => Math.max(p[2], 1))]];
}

// ---- heat map: uPlot gives axes and cursor, the cells are drawn over its grid

function heatCells(context) {
  const rows = context.data.time["heat_" + context.heat];
  let most = 1, low = Infinity, high = -Infinity;
  for (const row of rows) {
    for (let i = 0; i < row.length; i += 2) {
      low = Math.min(low, row[i]);
      high = Math.max(high, row[i]);
      most = Math.max(most, row[i + 1]);
    }
  }
  return { rows, most, low, high };
}

// Logarithmic: a single slow request in a second of thousands must be seen.
function heatColour(number, most) {
  const from = colour("heat-from").split(",").map(Number);
  const to = colour("heat-to").split(",").map(Number);
  const t = most > 1 ? Math.log(number) / Math.log(most) : 1;
  return "rgb(" + from.map((c, i) => Math.round(c + (to[i] - c) * t)).join(",") + ")";
}

function heatChart(context, width) {
  const cells = heatCells(context), times = context.data.time, heat = context.heat;
  if (cells.high < 0) return null;
  const steps = context.data.heat_steps, step = times.seconds_per_row;
  const edge = (bucket) => 10 ** (bucket / steps);
  const palette = new Map();
  const fill = (number) => {
    if (!palette.has(number)) palette.set(number, heatColour(number, cells.most));
    return palette.get(number);
  };
  const draw = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    cells.rows.forEach((row, index) => {
      const left = u.valToPos(times.second[index], "x", true);
      const right = u.valToPos(times.second[index] + step, "x", true);
      for (let i = 0; i < row.length; i += 2) {
        const top = u.valToPos(edge(row[i] + 1), "y", true), bottom = u.valToPos(edge(row[i]), "y", true);
        ctx.fillStyle = fill(row[i + 1]);
        ctx.fillRect(Math.floor(left), Math.floor(top), Math.ceil(right - left), Math.ceil(bottom - top));
      }
    });
    ctx.restore();
    shadeEdges(u, times.limited);
  };
  const readout = (u) => {
    if (!context.heatReadout) return;
    const { left, top, idx } = u.cursor;
    if (left == null || left < 0 || top == null || top < 0) { context.heatReadout.textContent = ""; return; }
    const row = Math.min(Math.floor(u.posToVal(left, "x") / step), cells.rows.length - 1);
    const bucket = Math.floor(Math.log10(u.posToVal(top, "y")) * steps);
    const cell = cells.rows[row] || [];
    let number = 0;
    for (let i = 0; i < cell.length; i += 2) if (cell[i] === bucket) number = cell[i + 1];
    context.heatReadout.textContent = clock(row * step) + "  " + time(edge(bucket)) + " to "
      + time(edge(bucket + 1)) + ": " + count(number);
  };
  const options = timeOptions(context, width, 260, {
    series: [timeSeries(), { label: "", stroke: "transparent", points: { show: false } }],
    axes: [timeAxis(), logAxis(heat + " time", words)],
    scales: { y: { distr: 3, range: () => decades(null, edge(cells.low), edge(cells.high + 1)) } },
    legend: { show: false },
    hooks: { draw: [draw], setCursor: [readout] },
  });
  options.inks = [heatColour(cells.most, cells.most)];
  options.cursor.y = true;
  options.cursor.points = { show: false };
  return [options, [times.second, times.second.map(() => edge(cells.low))]];
}

// The cells lie over the shading: its edges are drawn again above them.
function shadeEdges(u, windows) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = colour("limit");
  ctx.lineWidth = 2 * uPlot.pxRatio;
  for (const [from, to] of windows) {
    const left = u.valToPos(from, "x", true), right = u.valToPos(to, "x", true);
    ctx.strokeRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}
