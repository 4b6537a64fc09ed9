"use strict";
// Tables that sort by any column. A column: { title, of: row -> value, words: value -> text,
// text: left-aligned, narrow: short text, group: what stands above it, cell: row -> element }.

function table(rows, columns, sortedBy) {
  const body = el("tbody", {});
  const heads = columns.map((column, index) => headCell(column, () => sort(index)));
  let order = { index: sortedBy, down: !columns[sortedBy].text };
  function sort(index) {
    const down = order.index === index ? !order.down : !columns[index].text;
    order = { index, down };
    fill();
  }
  function fill() {
    const column = columns[order.index];
    const sorted = rows.slice().sort((a, b) => compared(column.of(a), column.of(b), order.down));
    body.replaceChildren(...sorted.map((row) => el("tr", {}, columns.map((c) => bodyCell(c, row)))));
    heads.forEach((head, index) => {
      const direction = order.down ? "descending" : "ascending";
      if (index === order.index) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  }
  fill();
  const head = el("thead", {}, groupRow(columns), el("tr", {}, heads));
  return el("div", { class: "scroll" }, el("table", { class: "data" }, head, body));
}

// What is not known comes last, whichever way.
function compared(a, b, down) {
  if (a == null || b == null) return (a == null ? 1 : 0) - (b == null ? 1 : 0);
  const order = typeof a === "string" ? (a < b ? -1 : a > b ? 1 : 0) : a - b;
  return down ? -order : order;
}

function classes(column) {
  return [column.text && "text", column.narrow && "narrow", column.first && "first"].filter(Boolean).join(" ") || null;
}

function headCell(column, sort) {
  const button = el("button", { type: "button", onclick: sort }, column.title);
  return el("th", { class: classes(column), scope: "col" }, button);
}

function bodyCell(column, row) {
  const content = column.cell ? column.cell(row) : (column.words || String)(column.of(row));
  return el("td", { class: classes(column) }, content);
}

function groupRow(columns) {
  if (!columns.some((column) => column.group)) return null;
  const cells = [];
  for (let i = 0; i < columns.length;) {
    let end = i + 1;
    while (end < columns.length && columns[end].group === columns[i].group) end += 1;
    const group = columns[i].group;
    cells.push(el("th", { colspan: end - i, class: group ? "group" : null }, group || ""));
    i = end;
  }
  return el("tr", {}, cells);
}

const PERCENTILES = [["p50", "p50_us"], ["p90", "p90_us"], ["p99", "p99_us"], ["p99.9", "p99_9_us"],
  ["max", "max_us"]];

function percentileColumns(group, of) {
  return PERCENTILES.map(([title, key], index) =>
    ({ title, group, first: index === 0, of: (row) => of(row)[key], words: time }));
}

function requestsTable(data) {
  return table(data.requests, [
    { title: "request", of: (r) => r.name, text: true },
    { title: "count", of: (r) => r.count, words: count },
    { title: "rate", of: (r) => r.per_sec, words: perSecond },
    { title: "failed", of: (r) => r.count > 0 ? r.failed / r.count : 0, words: percent },
    ...percentileColumns("response time", (r) => r.response_time),
    ...percentileColumns("service time", (r) => r.http_req_duration),
    { title: "sent", first: true, of: (r) => r.bytes_sent, words: bytes },
    { title: "received", of: (r) => r.bytes_received, words: bytes },
  ], 1);
}

function failuresTable(data) {
  const example = (failure) => el("div", {}, failure.kind,
    failure.example && el("span", { class: "example" }, failure.example),
    failure.replay && el("code", { class: "example" }, failure.replay));
  const where = (failure) => failure.requests.slice(0, 5)
    .map(([name, number]) => name + " (" + count(number) + ")").join(", ")
    + (failure.requests.length > 5 ? " and " + (failure.requests.length - 5) + " more" : "");
  return table(data.failures, [
    { title: "kind", of: (f) => f.kind, text: true, cell: example },
    { title: "count", of: (f) => f.count, words: count },
    { title: "share", of: (f) => f.share, words: percent },
    { title: "first", of: (f) => f.first_us, words: (us) => clock(us / 1e6) },
    { title: "last", of: (f) => f.last_us, words: (us) => clock(us / 1e6) },
    { title: "requests", of: where, text: true },
  ], 1);
}

function workersTable(data) {
  return table(data.workers, [
    { title: "worker", of: (w) => w.task + "/" + w.worker, text: true },
    { title: "requests", of: (w) => w.requests, words: count },
    { title: "late", of: (w) => w.requests > 0 ? w.late / w.requests : 0, words: percent },
    { title: "lag max", of: (w) => w.lag_us_max, words: time },
    { title: "CPU, mean", of: (w) => w.cpu_share_mean, words: percent },
    { title: "CPU, busiest second", of: (w) => w.cpu_share_max, words: percent },
  ], 3);
}

function thresholdsTable(data) {
  const mark = (t) => t.outcome === "no_data" ? (t.failed ? "✗ no data" : "? no data")
    : t.failed ? "✗ failed" : "✓ holds";
  const tone = (t) => t.failed ? "bad" : t.outcome === "no_data" ? "caution" : "good";
  return table(data.thresholds, [
    { title: "outcome", of: mark, text: true, narrow: true, cell: (t) => el("span", { class: tone(t) }, mark(t)) },
    { title: "metric", of: (t) => t.metric, text: true },
    { title: "threshold", of: (t) => t.expression, text: true },
    { title: "seen", of: (t) => t.seen || "–" },
  ], 0);
}

function checksTable(data) {
  const rows = data.checks.map(([name, passes, fails]) => ({ name, passes, fails }));
  return table(rows, [
    { title: "check", of: (c) => c.name, text: true },
    { title: "held", of: (c) => c.passes, words: count },
    { title: "failed", of: (c) => c.fails, words: count },
    { title: "share that held", of: (c) => c.passes / Math.max(c.passes + c.fails, 1), words: percent },
  ], 2);
}

function actionsTable(data) {
  const rows = data.actions.map(([name, times]) => ({ name, times }));
  return table(rows, [
    { title: "action", of: (a) => a.name, text: true },
    { title: "count", of: (a) => a.times.count, words: count },
    ...percentileColumns("duration", (a) => a.times),
  ], 1);
}
