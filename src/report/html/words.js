"use strict";
// Numbers and times in words, as the text report writes them, and elements from data.

// At most two decimals, cut: a time that is shown never exceeds what was measured.
function cut(value) {
  return String(Math.floor(value * 100 + 1e-7) / 100);
}

function time(us) {
  if (us == null) return "–";
  if (us === 0) return "0s";
  if (us < 1) return cut(us * 1000) + "ns";
  if (us < 1e3) return cut(us) + "µs";
  if (us < 1e6) return cut(us / 1e3) + "ms";
  if (us < 60e6) return cut(us / 1e6) + "s";
  const seconds = Math.floor(us / 1e6), minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + "m" + (seconds % 60) + "s";
  return Math.floor(minutes / 60) + "h" + (minutes % 60) + "m" + (seconds % 60) + "s";
}

// 3 significant digits: 12.3 k, 1.23 M.
function short(value) {
  if (value == null) return "–";
  const steps = [[1e9, "G"], [1e6, "M"], [1e4, "k"]];
  for (const [size, letter] of steps) {
    if (value >= size) return significant(value / (letter === "k" ? 1e3 : size)) + letter;
  }
  return significant(value);
}

function significant(value) {
  if (value === 0) return "0";
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(decimals)));
}

function perSecond(value) {
  return value == null ? "–" : short(value) + "/s";
}

function count(value) {
  return value == null ? "–" : value.toLocaleString("en-US");
}

function percent(share) {
  if (share == null) return "–";
  return (Math.floor(share * 1e4 + 1e-7) / 100).toFixed(2) + "%";
}

function bytes(value) {
  if (value == null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit + 1 < units.length) { value /= 1000; unit += 1; }
  return significant(value) + " " + units[unit];
}

// A second of the run: 01:05, 1:01:05.
function clock(second) {
  if (second == null) return "–";
  const two = (n) => String(n).padStart(2, "0");
  const s = Math.floor(second), hours = Math.floor(s / 3600);
  const rest = two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  return hours > 0 ? hours + ":" + rest : rest;
}

// An element: text becomes text, never markup. Attributes named `on…` are listeners.
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child != null) element.append(child);
  }
  return element;
}
