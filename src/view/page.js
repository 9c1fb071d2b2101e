'use strict';
// The plan as the page's script has it: src/view/write_page.cc tells the fields. Times are
// microseconds from the first command of a pass.
const WHOLE = JSON.parse(document.getElementById('plan').textContent);
// What of it is shown: all, or the body of a loop in it, "#0", of a loop in that, "#0.1".
const way = location.hash.slice(1).split('.').filter(part => part !== '');
const P = way.reduce((plan, i) => plan && plan.bodies[i] && plan.bodies[i].plan, WHOLE) || WHOLE;
const [PASS, PASSES] = P === WHOLE ? ['pass', 'passes'] : ['turn', 'turns'];
const $ = id => document.getElementById(id);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const LEFT = 128, RIGHT = 16;  // of the plot, for labels

const COLORS = {
  'resident weights': '#4e79a7', 'ring': '#f28e2b', 'kv cache': '#59a14f', 'activations': '#b07aa1',
  'embedding rows': '#2fa6a0', 'workspace': '#a0785a',
};
const MORE = ['#4e79a7', '#f28e2b', '#59a14f', '#b07aa1', '#2fa6a0', '#a0785a', '#e15759', '#c9a227'];
const kindColor = P.kinds.map((kind, i) => COLORS[kind] || MORE[i % MORE.length]);
const heldColor = P.held.map((_, i) => `hsl(215 9% ${38 + 34 * i / Math.max(1, P.held.length - 1)}%)`);
const laneColor = P.places.map((_, i) => MORE[i % MORE.length]);
const LANE_TINTS = [1, 0.72];  // neighbours differ

// --- numbers as text ---
function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i < 4) { n /= 1024; ++i; }
  return (i === 0 || n >= 99.95 ? n.toFixed(0) : n >= 9.995 ? n.toFixed(1) : n.toFixed(2)) +
      ' ' + units[i];
}
function time(us) {
  const a = Math.abs(us);
  const [n, unit] = a >= 1e6 ? [us / 1e6, 's'] : a >= 1e3 ? [us / 1e3, 'ms'] :
      a >= 1 || a === 0 ? [us, 'µs'] : [us * 1e3, 'ns'];
  return +n.toPrecision(4) + ' ' + unit;
}
const percent = (part, all) => all > 0 ? (100 * part / all).toFixed(part / all < 0.1 ? 1 : 0) + ' %' : '0 %';

// --- the time that all charts show ---
const LAST = Math.max(P.end, 1e-6);
const period = P.loops ? P.period : 0;
const FROM = P.loops ? -0.35 * period : 0, TO = P.loops ? LAST + 0.35 * period : LAST;
// At first the last stretch of one pass: some queues may run ahead by more.
const FIRST = Math.max(-0.02 * LAST, P.loops ? LAST - 1.1 * period : 0);
const shown = {from: FIRST, to: LAST + 0.02 * (LAST - FIRST)};
const repeats = P.loops ? [-1, 0, 1] : [0];  // the passes before and after look the same
let hover = null;                            // {lane, at, shift}

function width(canvas) { return canvas.clientWidth - LEFT - RIGHT; }
function toX(canvas, us) { return LEFT + (us - shown.from) / (shown.to - shown.from) * width(canvas); }
function toTime(canvas, x) { return shown.from + (x - LEFT) / width(canvas) * (shown.to - shown.from); }
function show(from, to) {
  const span = Math.min(Math.max(to - from, LAST / 1e6), TO - FROM + 0.06 * LAST);
  const least = FROM - 0.03 * LAST, most = TO + 0.03 * LAST;
  from = Math.min(Math.max(from, least), most - span);
  shown.from = from;
  shown.to = from + span;
  drawSoon();
}
function zoom(factor, around) {
  if (factor === 0) return show(P.loops ? -0.02 * LAST : 0, LAST * 1.02);
  const at = around === undefined ? (shown.from + shown.to) / 2 : around;
  show(at - (at - shown.from) * factor, at + (shown.to - at) * factor);
}

function begin(canvas, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = height + 'px';
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(height * scale);
  const g = canvas.getContext('2d');
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, canvas.clientWidth, height);
  g.font = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
  g.textBaseline = 'middle';
  return g;
}
function steps(from, to, most) {
  const raw = (to - from) / Math.max(1, most);
  const unit = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = [1, 2, 5, 10].map(m => m * unit).find(s => s >= raw);
  const out = [];
  for (let i = Math.ceil(from / step); i * step <= to; ++i) out.push(i * step);
  return out;
}
function timeAxis(g, canvas, top, bottom, labels) {
  g.textAlign = 'center';
  g.textBaseline = 'middle';
  for (const us of steps(shown.from, shown.to, width(canvas) / 110)) {
    const x = toX(canvas, us);
    g.fillStyle = css('--grid');
    g.fillRect(x, top, 1, bottom - top);
    g.fillStyle = css('--quiet');
    if (labels && x > LEFT + 4 && x < canvas.clientWidth - 24) g.fillText(time(us), x, labels);
  }
}
function passMarks(g, canvas, top, bottom) {  // where a pass begins
  if (!P.loops) return;
  g.strokeStyle = css('--text');
  g.setLineDash([2, 4]);
  for (const us of [0, period]) {
    const x = toX(canvas, us);
    if (x < LEFT || x > canvas.clientWidth - RIGHT) continue;
    g.beginPath(); g.moveTo(x, top); g.lineTo(x, bottom); g.stroke();
  }
  g.setLineDash([]);
}
function clipPlot(g, canvas, top, bottom) {
  g.save();
  g.beginPath();
  g.rect(LEFT, top, width(canvas), bottom - top);
  g.clip();
}
// The end of a name says more than its beginning: blk.3.ffn_up[0..512].
function fitText(g, text, room) {
  if (g.measureText(text).width <= room) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (g.measureText('…' + text.slice(-middle)).width <= room) low = middle; else high = middle - 1;
  }
  return low < 3 ? '' : '…' + text.slice(-low);
}

// --- timeline ---
const ROW = 54, BAR = 30, TOP = 26;
function firstAfter(list, us) {  // of commands that end after this time
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].begin + list[middle].length < us) low = middle + 1; else high = middle;
  }
  return low;
}
const timed = P.places.map((place, lane) => place.commands
    .map((c, at) => ({lane, at, name: c[0], begin: c[1], length: c[2], stall: c[3], bytes: c[4], syncs: c[5]}))
    .filter(c => c.begin !== null));
let hatch = null;
function stallPattern(g) {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 7;
  const t = tile.getContext('2d');
  t.strokeStyle = css('--stall');
  t.globalAlpha = 0.55;
  t.lineWidth = 1;
  t.beginPath(); t.moveTo(-1, 8); t.lineTo(8, -1); t.stroke();
  return g.createPattern(tile, 'repeat');
}
function drawLanes() {
  const canvas = $('lanes');
  const height = TOP + P.places.length * ROW + 4;
  const g = begin(canvas, height);
  hatch = stallPattern(g);
  timeAxis(g, canvas, TOP - 6, height, 12);
  P.places.forEach((place, lane) => {
    const y = TOP + lane * ROW;
    g.textAlign = 'right';
    g.fillStyle = css('--text');
    g.fillText(fitText(g, place.name, LEFT - 14), LEFT - 10, y + 10);
    g.fillStyle = css('--quiet');
    g.fillText('busy ' + percent(place.busy, P.period), LEFT - 10, y + 25);
    g.fillText('waits ' + percent(place.stalled, P.period), LEFT - 10, y + 39);
    clipPlot(g, canvas, y, y + ROW);
    // Where there are many in a pixel, the paler it is the less they fill it; few are always seen.
    const count = repeats.reduce((sum, k) => sum + firstAfter(timed[lane], shown.to - k * period) -
        firstAfter(timed[lane], shown.from - k * period), 0);
    const least = count > width(canvas) / 4 ? 0.1 : 1;
    for (const k of repeats) drawLane(g, canvas, timed[lane], y + 4, k, least);
    g.restore();
    if (!timed[lane].length) {
      g.textAlign = 'left';
      g.fillText('nothing to do', LEFT + 12, y + 4 + BAR / 2);
    }
    g.fillStyle = css('--line');
    g.fillRect(0, y + ROW - 4, canvas.clientWidth, 1);
  });
  passMarks(g, canvas, TOP - 6, height);
  if (hover) drawHovered(g, canvas);
}
function drawLane(g, canvas, list, y, k, least) {
  const shift = k * period;
  const fade = k === 0 ? 1 : 0.35;
  const perUs = width(canvas) / (shown.to - shown.from);
  const first = firstAfter(list, shown.from - shift);
  for (let i = first; i < list.length; ++i) {
    const c = list[i];
    const x = toX(canvas, c.begin + shift), w = Math.max(c.length * perUs, least);
    if (x - c.stall * perUs > canvas.clientWidth) break;
    if (c.stall * perUs > 0.8) {
      g.globalAlpha = fade;
      g.fillStyle = hatch;
      g.fillRect(x - c.stall * perUs, y + 6, c.stall * perUs, BAR - 12);
    }
    g.globalAlpha = fade * (w < 2 ? 0.9 : LANE_TINTS[i % 2]);
    g.fillStyle = laneColor[c.lane];
    g.fillRect(x, y, w, BAR);
    if (w < 34) continue;
    const from = Math.max(x, LEFT);
    const text = fitText(g, c.name, Math.min(x + w, canvas.clientWidth - RIGHT) - from - 8);
    g.globalAlpha = k === 0 ? 1 : 0.6;
    g.fillStyle = '#ffffff';
    g.textAlign = 'left';
    if (text) g.fillText(text, from + 4, y + BAR / 2);
  }
  g.globalAlpha = 1;
}
function commandAt(place, at) { return timed[place].find(c => c.at === at); }
function drawHovered(g, canvas) {
  const c = hover.command;
  const y = TOP + c.lane * ROW + 4, x = toX(canvas, c.begin + hover.shift);
  clipPlot(g, canvas, TOP, TOP + P.places.length * ROW);
  g.strokeStyle = css('--mark');
  g.lineWidth = 2;
  g.strokeRect(x, y, Math.max(1, toX(canvas, c.begin + c.length + hover.shift) - x), BAR);
  for (const [fence, distance] of c.syncs) {
    const [place, at] = P.fences[fence];
    const other = commandAt(place, at);
    if (!other) continue;
    const fx = toX(canvas, other.begin + other.length + hover.shift - distance * period);
    const fy = TOP + place * ROW + 4 + BAR / 2;
    g.beginPath();
    g.moveTo(fx, fy);
    g.bezierCurveTo(fx + 24, fy, x - 24, y + BAR / 2, x, y + BAR / 2);
    g.stroke();
    g.fillStyle = css('--mark');
    g.beginPath(); g.arc(fx, fy, 3.5, 0, 7); g.fill();
  }
  g.lineWidth = 1;
  g.restore();
}
function findCommand(canvas, x, y) {
  const lane = Math.floor((y - TOP) / ROW);
  if (lane < 0 || lane >= P.places.length || x < LEFT) return null;
  const slack = 3 / width(canvas) * (shown.to - shown.from);
  let best = null, distance = slack;
  for (const k of [...repeats].sort((a, b) => Math.abs(a) - Math.abs(b))) {
    const us = toTime(canvas, x) - k * period;
    for (let i = Math.max(0, firstAfter(timed[lane], us - slack)); i < timed[lane].length; ++i) {
      const c = timed[lane][i];
      if (c.begin - c.stall > us + slack) break;
      const off = us < c.begin - c.stall ? c.begin - c.stall - us : us > c.begin + c.length ? us - c.begin - c.length : 0;
      if (off < distance || (off === 0 && !best)) { best = {command: c, shift: k * period}; distance = off; }
      if (off === 0) break;
    }
    if (best) return best;
  }
  return best;
}
function describeCommand(c) {
  const out = [['b', c.name], ['div', `${P.places[c.lane].name}, step ${c.at}: ${time(c.length)} from ${time(c.begin)}`]];
  if (c.bytes) {
    const rate = c.length > 0 ? `, ${bytes(c.bytes / c.length * 1e6)}/s` : '';
    out.push(['div', `moves ${bytes(c.bytes)}${rate}`]);
  }
  const loop = P.bodies.find(body => body.at.some(([place, at]) => place === c.lane && at === c.at));
  if (loop) out.push(['div', loop.note]);
  if (c.stall > 0) out.push(['div', `waited ${time(c.stall)} before`]);
  for (const [fence, distance, text] of c.syncs) {
    const [place, at] = P.fences[fence];
    const before = distance === 0 ? '' : distance === 1 ? ` of the ${PASS} before` : ` of ${distance} ${PASSES} before`;
    out.push(['div', `sync with ${P.places[place].name}, step ${at}${before} — ${text}`]);
  }
  return out;
}

// --- memory ---
const changing = P.kinds.map((_, kind) => P.memory.some(point => point[kind + 1] !== P.memory[0][kind + 1]));
function mostWithin(from, to) {  // by kind, of a stretch of time
  const out = P.kinds.map(() => 0);
  const take = i => P.kinds.forEach((_, kind) => { out[kind] = Math.max(out[kind], P.memory[i][kind + 1]); });
  const walk = (a, b) => {
    let low = 0, high = P.memory.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (P.memory[middle][0] <= a) low = middle + 1; else high = middle;
    }
    take(Math.max(0, low - 1));
    for (let i = low; i < P.memory.length && P.memory[i][0] < b; ++i) take(i);
  };
  if (!period) { walk(from, to); return out; }
  if (to - from >= period) { walk(0, period); return out; }
  const turns = Math.floor(from / period) * period;
  walk(from - turns, Math.min(to - turns, period));
  if (to - turns > period) walk(0, to - turns - period);
  return out;
}
function layers() {
  const moving = $('moving').checked;
  const out = [];
  if (!moving) P.held.forEach((held, i) => out.push({name: held[0], color: heldColor[i], of: () => held[1]}));
  P.kinds.forEach((kind, i) => {
    if (moving && !changing[i]) return;
    out.push({name: kind, color: kindColor[i], of: most => most[i]});
  });
  // What the arena holds but nobody uses at the time.
  const arena = P.memories.reduce((sum, memory) => sum + memory[1], 0);
  if (!moving) out.push({name: 'arena, free', color: css('--line'), of: most => Math.max(0, arena - most.reduce((a, b) => a + b, 0))});
  return out;
}
const MEMORY_HEIGHT = 250;
let memoryScale = null;
function drawMemory() {
  const canvas = $('memory'), g = begin(canvas, MEMORY_HEIGHT);
  const list = layers(), moving = $('moving').checked;
  const total = most => list.reduce((sum, layer) => sum + layer.of(most), 0);
  const all = mostWithin(0, period || LAST);
  let top = Math.max(1, total(all));
  const note = [];
  const near = !moving && P.budget && P.budget <= 2.5 * top;
  if (!moving && P.budget) note.push(near ? `budget ${bytes(P.budget)}` : `the budget of ${bytes(P.budget)} is far above this chart`);
  top = (near ? Math.max(top, P.budget) : top) * 1.06;
  const y = n => MEMORY_HEIGHT - 8 - n / top * (MEMORY_HEIGHT - 36);
  memoryScale = {list};
  timeAxis(g, canvas, 16, MEMORY_HEIGHT - 8, 10);
  g.textAlign = 'right';
  const power = Math.pow(1024, Math.floor(Math.log(top) / Math.log(1024)));
  for (const n of steps(0, top / power, 5)) {
    g.fillStyle = css('--grid');
    g.fillRect(LEFT, y(n * power), width(canvas), 1);
    g.fillStyle = css('--quiet');
    g.fillText(bytes(n * power), LEFT - 10, y(n * power));
  }
  clipPlot(g, canvas, 16, MEMORY_HEIGHT - 8);
  const cols = Math.max(1, Math.floor(width(canvas)));
  const columns = [];
  for (let i = 0; i < cols; ++i) columns.push(mostWithin(toTime(canvas, LEFT + i), toTime(canvas, LEFT + i + 1)));
  const base = new Float64Array(cols);
  for (const layer of list) {
    g.fillStyle = layer.color;
    g.beginPath();
    g.moveTo(LEFT, y(base[0]));
    for (let i = 0; i < cols; ++i) {
      const level = y(base[i] + layer.of(columns[i]));
      g.lineTo(LEFT + i, level);
      g.lineTo(LEFT + i + 1, level);
    }
    for (let i = cols - 1; i >= 0; --i) {
      g.lineTo(LEFT + i + 1, y(base[i]));
      g.lineTo(LEFT + i, y(base[i]));
      base[i] += layer.of(columns[i]);
    }
    g.fill();
  }
  g.restore();
  passMarks(g, canvas, 16, MEMORY_HEIGHT - 8);
  if (near) {
    g.strokeStyle = css('--stall');
    g.setLineDash([6, 4]);
    g.beginPath(); g.moveTo(LEFT, y(P.budget)); g.lineTo(canvas.clientWidth - RIGHT, y(P.budget)); g.stroke();
    g.setLineDash([]);
  }
  $('memory-note').textContent = note.join(' ');
  legend(all, list);
}
function legend(most, list) {
  $('legend').replaceChildren(...list.filter(layer => layer.of(most) > 0).reverse().map(layer => {
    const span = document.createElement('span'), dot = document.createElement('i'), n = document.createElement('b');
    dot.style.background = layer.color;
    n.textContent = bytes(layer.of(most));
    span.append(dot, layer.name + ' ', n);
    return span;
  }));
}

// --- arena ---
// Stretches of the arena by what they are for, each at least some pixels high: weights would leave
// nothing of the rest to be seen.
function findZones() {
  const zones = [];
  const pieces = (P.areas.length ? P.areas.map(a => ({kind: a[1], from: a[2], to: a[2] + a[3]})) :
      P.values.map(v => ({kind: v[1], from: v[2], to: v[2] + v[3]})))
      .filter(p => p.to > p.from).sort((a, b) => a.from - b.from || b.to - a.to);
  for (const p of pieces) {
    const last = zones[zones.length - 1];
    if (last && (last.kinds.has(p.kind) || p.from < last.to)) {
      last.to = Math.max(last.to, p.to);
      last.kinds.add(p.kind);
    } else {
      zones.push({from: p.from, to: p.to, kinds: new Set([p.kind])});
    }
  }
  while (zones.length > 9) {  // the two smallest neighbours become one
    let best = 1;
    for (let i = 1; i < zones.length; ++i) {
      if (zones[i].to - zones[i - 1].from < zones[best].to - zones[best - 1].from) best = i;
    }
    zones[best - 1].to = zones[best].to;
    zones[best].kinds.forEach(k => zones[best - 1].kinds.add(k));
    zones.splice(best, 1);
  }
  const weight = zone => Math.pow(zone.to - zone.from, 0.3);
  const sum = zones.reduce((s, zone) => s + weight(zone), 0) || 1;
  let y = 8;
  for (const zone of zones) {
    zone.y = y;
    zone.height = Math.max(34, 380 * weight(zone) / sum);
    y += zone.height + 5;
  }
  return {zones, height: Math.max(60, y + 18)};
}
const map = findZones();
const toY = (zone, offset) => zone.y + (offset - zone.from) / (zone.to - zone.from) * zone.height;
function drawArena() {
  const canvas = $('arena'), g = begin(canvas, map.height);
  const right = canvas.clientWidth - RIGHT;
  timeAxis(g, canvas, 4, map.height - 20, map.height - 10);
  for (const zone of map.zones) {
    g.globalAlpha = 0.6;
    g.fillStyle = css('--page');
    g.fillRect(LEFT, zone.y, width(canvas), zone.height);
    g.globalAlpha = 1;
    g.textAlign = 'right';
    g.fillStyle = css('--text');
    const name = [...zone.kinds].map(k => P.kinds[k]).join(', ');
    g.fillText(fitText(g, name, LEFT - 16), LEFT - 10, zone.y + 9);
    g.fillStyle = css('--quiet');
    g.fillText(bytes(zone.to - zone.from), LEFT - 10, zone.y + 24);
  }
  clipPlot(g, canvas, 0, map.height);
  for (const area of P.areas) if (P.kinds[area[1]] === 'resident weights') drawBlock(g, area[1], area[2], area[3], LEFT, right, 1);
  for (const v of P.values) {
    if (P.kinds[v[1]] === 'resident weights' && P.areas.length) continue;
    if (v[4] === null) { drawBlock(g, v[1], v[2], v[3], LEFT, right, 1); continue; }
    for (const k of repeats) {
      const from = toX(canvas, v[4] + k * period), to = toX(canvas, v[5] + k * period);
      if (to < LEFT || from > right) continue;
      drawBlock(g, v[1], v[2], v[3], from, to, k === 0 ? 0.9 : 0.4);
      if (!P.loops) nameBlock(g, v, Math.max(from, LEFT), Math.min(to, right));
    }
  }
  g.restore();
  passMarks(g, canvas, 4, map.height - 20);
}
function drawBlock(g, kind, offset, size, from, to, alpha) {
  const zone = map.zones.find(z => offset >= z.from && offset < z.to);
  if (!zone || !size) return;
  const top = toY(zone, offset), height = Math.max(0.75, toY(zone, offset + size) - top);
  g.globalAlpha = alpha;
  g.fillStyle = kindColor[kind];
  g.fillRect(from, top, Math.max(0.75, to - from - (to - from > 3 ? 1 : 0)), Math.max(0.75, height - (height > 3 ? 1 : 0)));
  g.globalAlpha = 1;
}
// Where it fits. Of a pass that repeats there are too many to be read.
function nameBlock(g, value, from, to) {
  const zone = map.zones.find(z => value[2] >= z.from && value[2] < z.to);
  if (!zone) return;
  const top = toY(zone, value[2]), height = toY(zone, value[2] + value[3]) - top;
  if (height < 13 || to - from < 16) return;
  g.textAlign = 'left';
  g.fillStyle = '#fff';
  g.fillText(fitText(g, value[0], to - from - 8), from + 4, top + Math.min(height / 2, 12));
}
function findBuffer(canvas, x, y) {
  if (x < LEFT || x > canvas.clientWidth - RIGHT) return null;
  const zone = map.zones.find(z => y >= z.y && y < z.y + z.height);
  if (!zone) return null;
  const offset = zone.from + (y - zone.y) / zone.height * (zone.to - zone.from);
  const us = toTime(canvas, x), slack = 2 / width(canvas) * (shown.to - shown.from);
  const inside = v => offset >= v[2] && offset < v[2] + v[3];
  const hit = v => v[4] === null || repeats.some(k => us - k * period >= v[4] - slack && us - k * period <= v[5] + slack);
  return {offset, value: P.values.filter(v => inside(v) && hit(v)).sort((a, b) => (a[4] === null) - (b[4] === null))[0],
    area: P.areas.filter(inside).filter(a => P.kinds[a[1]] !== 'activations')[0]};
}
function describeBuffer(found) {
  const v = found.value || found.area;
  if (!v) return [['b', 'free'], ['div', `at offset ${bytes(found.offset)}`]];
  const out = [['b', v[0]], ['div', `${P.kinds[v[1]]}: ${bytes(v[3])} at offset ${v[2]} (${bytes(v[2])})`]];
  if (found.value && v[4] !== null) out.push(['div', `from ${time(v[4])} to ${time(v[5])}`]);
  if (found.value && v[4] === null) out.push(['div', 'all the time']);
  if (!found.value) out.push(['div', 'nothing in it at this time']);
  if (found.value && found.area && found.area[0] !== v[0]) out.push(['div', `in ${found.area[0]}`]);
  return out;
}

// --- pointer, keys, drawing ---
function tip(event, lines) {
  const box = $('tip');
  if (!lines) { box.style.display = 'none'; return; }
  box.replaceChildren(...lines.map(([tag, text]) => {
    const line = document.createElement(tag);
    line.textContent = text;
    return line;
  }));
  box.style.display = 'block';
  const x = event.clientX + 14, y = event.clientY + 16;
  box.style.left = Math.max(4, Math.min(x, innerWidth - box.offsetWidth - 8)) + 'px';
  box.style.top = Math.max(4, y + box.offsetHeight > innerHeight - 8 ? event.clientY - box.offsetHeight - 10 : y) + 'px';
}
function point(canvas, event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  if (canvas.id === 'lanes') {
    const found = findCommand(canvas, x, y);
    if ((found && found.command) !== (hover && hover.command) || (found && hover && found.shift !== hover.shift)) {
      hover = found;
      drawSoon();
    }
    return tip(event, found && describeCommand(found.command));
  }
  if (x < LEFT) return tip(event, null);
  if (canvas.id === 'arena') {
    const found = findBuffer(canvas, x, y);
    return tip(event, found && describeBuffer(found));
  }
  const most = mostWithin(toTime(canvas, x), toTime(canvas, x + 1));
  const lines = memoryScale.list.filter(l => l.of(most) > 0).reverse().map(l => ['div', `${l.name}: ${bytes(l.of(most))}`]);
  const sum = memoryScale.list.reduce((s, l) => s + l.of(most), 0);
  tip(event, [['b', `${bytes(sum)} at ${time(toTime(canvas, x))}`], ...lines]);
}
for (const canvas of [$('lanes'), $('memory'), $('arena')]) {
  let drag = null;
  canvas.addEventListener('wheel', event => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = event.deltaX / width(canvas) * (shown.to - shown.from);
      show(shown.from + by, shown.to + by);
    } else {
      zoom(Math.exp(event.deltaY * 0.0016), toTime(canvas, event.clientX - canvas.getBoundingClientRect().left));
    }
    event.preventDefault();
  }, {passive: false});
  canvas.addEventListener('pointerdown', event => { drag = {x: event.clientX, from: shown.from, to: shown.to}; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener('pointerup', () => { drag = null; });
  canvas.addEventListener('pointermove', event => {
    if (!drag) return point(canvas, event);
    const by = (drag.x - event.clientX) / width(canvas) * (drag.to - drag.from);
    show(drag.from + by, drag.to + by);
    tip(event, null);
  });
  canvas.addEventListener('pointerleave', event => { hover = null; tip(event, null); drawSoon(); });
  canvas.addEventListener('keydown', event => {
    const by = (shown.to - shown.from) * 0.15;
    const acts = {'+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': () => zoom(0),
      ArrowLeft: () => show(shown.from - by, shown.to - by), ArrowRight: () => show(shown.from + by, shown.to + by)};
    if (!acts[event.key]) return;
    acts[event.key]();
    event.preventDefault();
  });
}
for (const button of document.querySelectorAll('[data-zoom]')) {
  button.addEventListener('click', () => zoom(+button.dataset.zoom));
}
$('moving').addEventListener('change', () => drawSoon());

let soon = false;
function drawSoon() {
  if (soon) return;
  soon = true;
  requestAnimationFrame(() => { soon = false; drawLanes(); drawMemory(); drawArena(); });
}
addEventListener('resize', drawSoon);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawSoon);

// A button for all of it and one for each loop, where there are any.
function writeParts() {
  const buttons = [];
  const add = (text, to, current) => {
    const button = Object.assign(document.createElement('button'), {textContent: text});
    if (current) button.setAttribute('aria-current', 'true');
    button.addEventListener('click', () => { location.hash = to; });
    buttons.push(button);
  };
  const addLoops = (plan, at, around) => plan.bodies.forEach((body, i) => {
    const to = [...at, i];
    add(around + body.name, to.join('.'), P === body.plan);
    addLoops(body.plan, to, `${around}${body.name}, `);
  });
  add('all', '', P === WHOLE);
  addLoops(WHOLE, [], '');
  $('parts').replaceChildren(...buttons);
  $('parts').hidden = !WHOLE.bodies.length;
}
addEventListener('hashchange', () => location.reload());

function writeText() {
  document.title = P.title;
  document.querySelector('h1').textContent = P.title;
  $('tiles').replaceChildren(...P.summary.map(([name, value]) => {
    const tile = document.createElement('div'), label = document.createElement('span'), n = document.createElement('b');
    label.textContent = name;
    const [much, remark] = [value.split(', ')[0], value.split(', ').slice(1).join(', ')];
    n.textContent = much;
    tile.append(label, n);
    if (remark) tile.append(Object.assign(document.createElement('span'), {textContent: remark}));
    return tile;
  }));
  const once = P.places.reduce((sum, place) => sum + place.commands.filter(c => c[1] === null).length, 0);
  $('time-note').textContent = (P.loops ? `One ${PASS} of ${time(P.period)} as simulated, once ${PASSES} take equally long; ` +
      `the ${PASSES} before and after are pale. ` : '') + 'Hatched: the queue waits. ' +
      (once ? `Not shown: reads of the first pass, for weights that stay (${once}). ` : '');
  $('arena-note').textContent = 'Offsets downwards, time to the right; heights are not to scale. ' +
      P.memories.map(([name, height, peak, least]) => `${name}: ${bytes(height)}, ` +
          (peak === least ? 'proved least in this order' : `no less than ${bytes(least)} in this order`)).join('; ') + '.';
  const rows = P.reasons.map(([choice, text]) => {
    const row = document.createElement('tr');
    for (const cell of [choice, text]) row.insertCell().textContent = cell;
    return row;
  });
  $('why').replaceChildren(...rows);
  $('why').previousElementSibling.hidden = !rows.length;
  $('text').textContent = P.text;
  $('text').previousElementSibling.hidden = $('text').hidden = !P.text;
  $('moving').parentElement.hidden = !P.loops;
  $('moving').nextElementSibling.textContent = `only what changes within a ${PASS}`;
}
writeParts();
writeText();
drawSoon();
