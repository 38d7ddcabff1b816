"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var form = document.getElementById("choose");
  var before = document.getElementById("before");
  var after = document.getElementById("after");
  var body = document.getElementById("differences");
  var told = document.getElementById("told");
  function option(select, place) {
    var it = document.createElement("option");
    it.value = String(place);
    it.textContent = data.commits[place];
    select.appendChild(it);
  }
  for (var place = data.commits.length - 1; place >= 0; place -= 1) {
    option(before, place);
    option(after, place);
  }
  function cell(row, text, name) {
    var it = document.createElement(name || "td");
    if (name) { it.scope = "row"; }
    it.textContent = text;
    row.appendChild(it);
  }
  // Places and values in turn: a value is that of all places up to the next one.
  function at(series, place) {
    var value = null;
    for (var it = 0; it < series.v.length && series.v[it] <= place; it += 2) { value = series.v[it + 1]; }
    return value;
  }
  function show(series, value) {
    return value === null ? "not measured" : series.w ? series.w[value] : value + series.u;
  }
  function change(series, a, b) {
    if (typeof a !== "number" || typeof b !== "number") { return ""; }
    if (series.w) { return a === b ? "the same" : "another"; }
    if (a === b) { return "the same"; }
    if (a === 0) { return "more"; }
    var percent = (b / a - 1) * 100;
    return (percent > 0 ? "+" : "") + percent.toFixed(2) + " %";
  }
  function fill() {
    var a = Number(before.value), b = Number(after.value), shown = 0;
    body.textContent = "";
    data.series.forEach(function (series) {
      var x = at(series, a), y = at(series, b);
      if (x === y) { return; }
      var row = document.createElement("tr");
      cell(row, series.n, "th");
      cell(row, series.k);
      cell(row, show(series, x));
      cell(row, show(series, y));
      cell(row, change(series, x, y));
      body.appendChild(row);
      shown += 1;
    });
    told.textContent = shown + " of " + data.series.length + " figures differ, or were measured of one alone.";
  }
  before.value = String(Math.max(0, data.commits.length - 2));
  after.value = String(data.commits.length - 1);
  before.addEventListener("change", fill);
  after.addEventListener("change", fill);
  form.hidden = false;
  fill();
}());
