'use strict';
// Reads values where the pointer is. It draws no curve and loads nothing: without it the page is whole.
(() => {
  const root = document.documentElement;
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ',');

  const themes = ['auto', 'light', 'dark'];
  const button = document.getElementById('theme');
  button.hidden = false;
  button.addEventListener('click', () => {
    const now = root.dataset.theme || 'auto';
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    if (next === 'auto') delete root.dataset.theme;
    else root.dataset.theme = next;
    button.textContent = 'theme: ' + next;
  });

  const data = JSON.parse(document.getElementById('data').textContent);

  // Cells as the histogram has them: upper ends of values, and how many lie at or below.
  const sums = new Map();
  for (const [tag, curve] of Object.entries(data.curves)) {
    const values = [], below = [];
    let value = 0, count = 0;
    for (let i = 0; i < curve.cells.length; i += 2) {
      values.push(value += curve.cells[i]);
      below.push(count += curve.cells[i + 1]);
    }
    sums.set(tag, { total: curve.total, values, below });
  }

  // The first cell whose rank is not below the quantile's: the rule of the HdrHistogram libraries.
  function valueAt(sum, quantile) {
    const rank = Math.max(1, Math.ceil(quantile * sum.total));
    let low = 0, high = sum.below.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sum.below[middle] >= rank) high = middle;
      else low = middle + 1;
    }
    return [sum.values[low], rank >= sum.total];
  }

  // Two digits of what is left to 100 %: the value is that of the percentile as it is written.
  function percentile(decades) {
    const left = 100 * Math.pow(10, -Math.max(decades, 0));
    if (left >= 10) return String(Math.max(1, 100 - Math.round(left)));
    const digits = Math.min(12, 1 - Math.floor(Math.log10(left)));
    return (100 - left).toFixed(digits).replace(/0+$/, '').replace(/\.$/, '');
  }

  // Where an event lies, in units of the picture.
  function place(svg, event) {
    const box = svg.getBoundingClientRect();
    const unit = svg.viewBox.baseVal.width / box.width;
    return { x: (event.clientX - box.left) * unit, y: (event.clientY - box.top) * unit, unit };
  }

  const number = (svg, name) => Number(svg.dataset[name]);
  const share = (svg, x) => {
    const left = number(svg, 'left'), right = number(svg, 'right');
    return Math.min(1, Math.max(0, (x - left) / (right - left)));
  };
  const across = (svg, part) => number(svg, 'left') + part * (number(svg, 'right') - number(svg, 'left'));
  function cross(svg, x, bottom) {
    const line = svg.querySelector('.cross');
    line.setAttribute('d', `M${x.toFixed(1)} ${svg.dataset.top}V${bottom}`);
    line.classList.add('on');
  }

  // All percentile charts stand at the same percentile.
  let decades = 2;
  function readCurves(at) {
    const most = Math.max(...all('svg[data-kind=curves]').map((svg) => number(svg, 'decades')));
    decades = Math.min(most, Math.max(0, at));
    const name = percentile(decades);
    const quantile = Number(name + 'e-2');
    for (const svg of all('svg[data-kind=curves]')) {
      const part = -Math.log10(1 - quantile) / number(svg, 'decades');
      cross(svg, across(svg, Math.min(1, part)), svg.dataset.bottom);
    }
    for (const at of all('.curves .at')) at.textContent = 'p' + name;
    for (const item of all('.curves li[data-tag]')) {
      const sum = sums.get(item.dataset.tag);
      if (!sum) continue;
      const [value, isMax] = valueAt(sum, quantile);
      item.querySelector('.value').textContent = `${grouped(value)} ns${isMax ? ', the max' : ''}`;
    }
  }
  for (const svg of all('svg[data-kind=curves]')) {
    const read = (event) => readCurves(share(svg, place(svg, event).x) * number(svg, 'decades'));
    svg.addEventListener('pointermove', read);
    svg.addEventListener('pointerdown', read);
    svg.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      readCurves(decades + step);
    });
  }

  const moment = document.getElementById('moment');
  const second = (s) => s.toFixed(3).replace(/0+$/, '').replace(/\.$/, '');
  function sayCell(row, s) {
    const cell = row.cells.find(([start, end]) => s >= start && s < end) || row.cells[row.cells.length - 1];
    const [start, end, count, p50, p99, max] = cell;
    const when = `${row.name}, ${second(start)} to ${second(end)} s: `;
    const what = count === 0 ? 'no values'
      : `max ${grouped(max)} ns, p99 ${grouped(p99)}, p50 ${grouped(p50)}, ${grouped(count)} values`;
    moment.textContent = when + what + (row.per > 1 ? ` (largest of up to ${row.per} intervals)` : '');
  }
  for (const svg of all('svg[data-kind=strip]')) {
    const { rows, marks, top } = data.strip;
    const get = (name) => number(svg, name);
    const bottom = get('first') + get('row') * get('rows');
    const end = get('end');
    let now = 0;
    const at = (mark) => {
      const high = (Math.log10(Math.max(1, mark[1])) - get('low')) / (get('high') - get('low'));
      const up = get('bottom') - Math.min(1, Math.max(0, high)) * (get('bottom') - get('top'));
      return { x: across(svg, Math.min(1, Math.max(0, mark[0] / end))), y: up };
    };
    const read = (event) => {
      const { x, y, unit } = place(svg, event);
      let nearest = null, distance = 14 * unit;
      for (const mark of marks) {
        const there = at(mark), far = Math.hypot(there.x - x, there.y - y);
        if (far < distance) [nearest, distance] = [mark, far];
      }
      now = share(svg, x) * end;
      if (nearest) {
        cross(svg, at(nearest).x, bottom);
        moment.textContent = nearest[2];
        return;
      }
      const index = Math.floor((y - get('first')) / get('row'));
      cross(svg, across(svg, now / end), bottom);
      sayCell(rows[index >= 0 && index < get('rows') ? index : top], now);
    };
    svg.addEventListener('pointermove', read);
    svg.addEventListener('pointerdown', read);
    svg.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      now = Math.min(end, Math.max(0, now + step * end / Math.max(1, rows[top].cells.length)));
      cross(svg, across(svg, now / end), bottom);
      sayCell(rows[top], now);
    });
  }
})();
