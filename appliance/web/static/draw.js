// Puts a view into the page. Words and numbers arrive checked and worded; everything is set as text.

const byId = (id) => document.getElementById(id);
const fixed = (value, digits) => (value === null ? "–" : value.toFixed(digits));
const TONES = { good: "i-check", act: "i-dots", needs: "i-attention", alarm: "i-alarm", quiet: "i-dot" };
const DOORS = {
  LOCKED: "i-lock", UNLOCKED: "i-unlock", OPEN: "i-open", HELD: "i-clock", FORCED: "i-alarm",
  LOCKDOWN: "i-bars", RELEASED: "i-exit",
};
const MEANS = { face: "i-face", pin: "i-pin", rex: "i-exit", admin: "i-key" };
const FRESH_SECONDS = 8;

function text(id, words) {
  const node = byId(id);
  if (node.textContent !== words) node.textContent = words;
}

function make(tag, name, words) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (words !== undefined) node.textContent = words;
  return node;
}

function icon(symbol) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${symbol}`);
  svg.append(use);
  return svg;
}

const swap = (id, symbol) => byId(id).setAttribute("href", `#${symbol}`);

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole < 5400) return `${Math.floor(whole / 60)} min`;
  if (whole < 129600) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86400)} days`;
}

const ago = (seconds) => (seconds < 3 ? "just now" : `${span(seconds)} ago`);

export function drawDoor(door) {
  const card = byId("door");
  card.dataset.tone = door.state.tone;
  card.dataset.state = door.state.key;
  card.dataset.lock = door.lock.key;
  card.dataset.ajar = String(door.ajar);
  text("door-title", door.state.title);
  byId("door-title").dataset.long = String(door.state.title.length > 10);
  text("door-help", door.state.help);
  text("door-lock", door.lock.title);
  text("door-contact", door.contact.title);
  swap("door-icon", DOORS[door.state.key] || "i-unsure");
  byId("door-since").dataset.since = door.since === null ? "" : String(door.since);
  document.title = `${door.state.title} · Lintel`;
}

export function drawVisitor(visitor, simulated) {
  const card = byId("visitor");
  card.dataset.tone = visitor.stage.tone;
  text("visitor-title", visitor.stage.title);
  text("visitor-hint", visitor.hint || visitor.stage.help);
  text("scene-words", simulated.scene ? `Simulated: ${simulated.scene}. No camera is on.` : "The camera picture is not shown.");
  const figure = byId("figure");
  figure.toggleAttribute("hidden", !visitor.face);
  byId("nobody").toggleAttribute("hidden", Boolean(visitor.face));
  if (visitor.face) {
    const [x, y, width, height] = visitor.face;
    figure.style.transform = `translate(${x * 640}px, ${y * 480}px) scale(${(width * 640) / 100}, ${(height * 480) / 100})`;
  }
}

function meter(id, value, mark, needed) {
  const node = byId(id);
  const level = Math.min(1, Math.max(0, value ?? 0));
  node.style.setProperty("--value", String(level));
  node.style.setProperty("--mark", String(Math.min(1, Math.max(0, mark ?? 0))));
  node.dataset.tone = value === null || mark === null ? "act" : value >= mark ? "good" : "needs";
  node.setAttribute("aria-valuenow", String(level));
  node.setAttribute("aria-valuetext", value === null ? "no value now" : `${value.toFixed(2)}, ${needed}`);
  node.querySelector(".meter-mark").toggleAttribute("hidden", mark === null);
  text(`${id}-value`, value === null ? "" : fixed(value, 2));
  text(`${id}-needed`, mark === null ? "" : needed);
}

function chip(words, tone, symbol) {
  const node = make("span", "chip");
  node.dataset.tone = tone;
  node.append(icon(symbol), words);
  return node;
}

export function drawEvidence(evidence, visitor) {
  meter("score", evidence.score, evidence.threshold, `needs ${fixed(evidence.threshold, 2)}`);
  meter("passive", evidence.passive, evidence.passive_threshold, `needs ${fixed(evidence.passive_threshold, 2)}`);
  const chips = [];
  if (evidence.surround) chips.push(chip(evidence.surround.title, evidence.surround.tone, TONES[evidence.surround.tone]));
  if (evidence.votes) {
    const words = evidence.votes === 1 ? "1 frame agrees" : `${evidence.votes} frames agree`;
    chips.push(chip(words, "quiet", "i-frames"));
  }
  if (visitor.person) chips.push(chip(visitor.person, "quiet", "i-face"));
  if (!chips.length) chips.push(make("span", "caption", visitor.face ? "No evidence yet." : "Nothing to check: no face is seen."));
  byId("evidence").replaceChildren(...chips);
}

let recordTrouble = null;
let answered = null;

export function drawAnswer(row) {
  answered = row;
  const card = byId("answer");
  card.dataset.tone = row ? row.tone : "quiet";
  swap("answer-icon", row ? (row.granted ? "i-check" : row.tone === "alarm" ? "i-alarm" : "i-cross") : "i-dots");
  const none = recordTrouble
    ? ["Not known", "The record of events cannot be read."]
    : ["Nobody has asked yet", "Stand before the camera, or type a PIN and #."];
  text("answer-title", row ? row.title : none[0]);
  text("answer-help", row ? row.help : none[1]);
  byId("answer-help").toggleAttribute("hidden", Boolean(row) && !row.help);
  text("answer-by", row ? row.by : "");
  text("answer-person", row && row.person ? row.person : "");
  text("answer-score", row && row.score !== null && row.threshold !== null
    ? `Match ${fixed(row.score, 2)}, needs ${fixed(row.threshold, 2)}` : "");
  const when = byId("answer-when");
  when.dataset.at = row && row.at !== null ? String(row.at) : "";
  when.title = row ? row.date : "";
}

export function drawSpeed(unlock, steps) {
  text("latency", unlock ? String(Math.round(unlock.latency_ms)) : "–");
  text("latency-words", unlock
    ? `${unlock.by || "Last unlock"}, from asking to the lock`
    : "The time from asking to the lock appears with the first unlock.");
  byId("latency-unit").toggleAttribute("hidden", !unlock);
  const most = Math.max(1, ...steps.map((step) => step.ms));
  const lines = steps.map((step) => {
    const line = make("li");
    const bar = make("span", "bar");
    bar.append(make("i"));
    bar.style.setProperty("--value", String(step.ms / most));
    line.append(make("span", "", step.name), bar, make("span", "ms num", `${step.ms.toFixed(1)} ms`));
    return line;
  });
  if (steps.length > 1) {
    const sum = make("li", "sum");
    const total = steps.reduce((before, step) => before + step.ms, 0);
    sum.append(make("span", "", "All of them"), make("span"), make("span", "ms num", `${total.toFixed(1)} ms`));
    lines.push(sum);
  }
  byId("steps").replaceChildren(...lines);
}

export function drawParts(parts) {
  byId("parts").replaceChildren(...parts.map((part) => {
    const line = make("li");
    line.dataset.tone = part.tone;
    line.append(icon(TONES[part.tone]), make("span", "", part.name), make("span", "value num", part.value));
    if (part.help) line.append(make("span", "help", part.help));
    return line;
  }));
}

export function drawAlarms(alarms) {
  const list = byId("alarms");
  const shown = JSON.stringify(alarms);
  // Set only when they change: a screen reader reads this list aloud.
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...alarms.map((alarm) => {
    const line = make("li", "banner");
    line.dataset.tone = alarm.tone;
    const words = make("div");
    words.append(make("h2", "", alarm.title), make("p", "", alarm.help));
    line.append(icon(TONES[alarm.tone]), words);
    return line;
  }));
}

export function drawSimulation(simulated) {
  const banner = byId("simulated");
  const what = [simulated.visitor && "the visitor", simulated.door && "the door"].filter(Boolean);
  const always = banner.dataset.always === "true";
  banner.toggleAttribute("hidden", !what.length && !always);
  const words = what.length ? `${what.join(" and ")} ${what.length > 1 ? "are" : "is"} simulated` : "parts of this door are simulated";
  text("simulated-words", `${words[0].toUpperCase()}${words.slice(1)}: nothing real is seen or opened. All that lies between is the real thing.`);
}

let known = -1;

export function drawRows({ rows, trouble }) {
  const list = byId("rows");
  recordTrouble = trouble;
  if (!answered) drawAnswer(null);
  const before = known;
  known = rows.length ? rows[0].seq : known;
  byId("rows-empty").toggleAttribute("hidden", rows.length > 0 || Boolean(trouble));
  byId("rows-trouble").toggleAttribute("hidden", !trouble);
  text("rows-trouble-words", trouble || "");
  list.replaceChildren(...rows.map((row) => {
    const line = make("li", before >= 0 && row.seq > before ? "fresh" : "");
    line.dataset.tone = row.tone;
    const about = make("span", "about");
    if (row.by) about.append(make("span", "", row.by));
    if (row.person) about.append(make("span", "code", row.person));
    const when = make("time", "num");
    when.dataset.at = row.at === null ? "" : String(row.at);
    when.title = row.date;
    const figure = row.latency_ms !== null ? `${Math.round(row.latency_ms)} ms` : row.score !== null ? fixed(row.score, 2) : "";
    const symbol = row.granted !== null && MEANS[row.means] && row.tone !== "alarm" ? MEANS[row.means] : TONES[row.tone];
    line.append(icon(symbol), make("span", "title", row.title), when, about);
    if (figure) line.append(make("span", "shown num", figure));
    return line;
  }));
}

export function drawTimes(mono, utc) {
  for (const node of document.querySelectorAll("[data-at]")) {
    const words = node.dataset.at ? ago(utc - Number(node.dataset.at)) : "";
    if (node.textContent !== words) node.textContent = words;
  }
  const since = byId("door-since");
  text("door-since", since.dataset.since ? ago(mono - Number(since.dataset.since)) : "–");
  const when = byId("answer-when");
  const age = when.dataset.at ? utc - Number(when.dataset.at) : Infinity;
  byId("answer").classList.toggle("fresh", age < FRESH_SECONDS);
  text("answer-eyebrow", age < FRESH_SECONDS ? "Answer" : "Last answer");
}
