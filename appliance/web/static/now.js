// Keeps the Now page true: listens to /stream, asks /now.json where it may not, and says when it hears nothing.
import {
  drawAlarms, drawAnswer, drawDoor, drawEvidence, drawParts, drawRows, drawSimulation, drawSpeed, drawTimes,
  drawVisitor,
} from "./draw.js";

const QUIET_MS = 12_000; // The server beats every 5 s; after this much silence the machine may hang.
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 8_000;
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const frozen = new URLSearchParams(location.search).has("static");
const clock = new Intl.DateTimeFormat("en-GB", {
  timeZone: root.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const LINKS = {
  connecting: ["Connecting…", "act", "i-dots"],
  live: ["Live", "good", "i-check"],
  polling: ["Every few seconds", "needs", "i-clock"],
  lost: ["Not connected", "alarm", "i-alarm"],
};

let hello = null; // The device's clocks, and when we heard them.
let heard = 0;
let retry = FIRST_RETRY_MS;
let retrying = false;
let source = null;

const since = () => (frozen ? 0 : (performance.now() - hello.at) / 1000);

function greet(message) {
  if (message.version !== root.dataset.version && !frozen) {
    location.reload();
    return;
  }
  hello = { ...message, at: performance.now() };
}

function link(state) {
  const [words, tone, symbol] = LINKS[state];
  root.dataset.link = state;
  const pill = byId("link");
  pill.dataset.tone = tone;
  byId("link-words").textContent = words;
  byId("link-icon").setAttribute("href", `#${symbol}`);
  byId("lost").toggleAttribute("hidden", state !== "lost");
  if (state === "lost") {
    byId("lost-words").textContent = hello
      ? `What you see is from ${clock.format((hello.utc + (heard - hello.at) / 1000) * 1000)}. Look at the door itself. Trying again…`
      : "The page cannot reach the device. Is lintel running? Trying again…";
  }
}

function drawNow(view) {
  drawAlarms(view.alarms);
  drawSimulation(view.simulated);
  drawDoor(view.door);
  drawVisitor(view.visitor, view.simulated);
  drawEvidence(view.evidence, view.visitor);
  drawAnswer(view.decision);
  drawSpeed(view.unlock, view.steps);
  drawParts(view.parts);
  byId("main").setAttribute("aria-busy", "false");
  tick();
}

function tick() {
  if (!hello) return;
  drawTimes(hello.mono + since(), hello.utc + since());
  byId("clock").textContent = clock.format((hello.utc + since()) * 1000);
}

function listen() {
  retrying = false;
  if (document.hidden) return;
  source = new EventSource("/stream");
  const on = (kind, take) => source.addEventListener(kind, (event) => {
    heard = performance.now();
    take(JSON.parse(event.data));
  });
  on("hello", (message) => {
    greet(message);
    retry = FIRST_RETRY_MS;
    link("live");
  });
  on("beat", greet);
  on("now", drawNow);
  on("events", (message) => {
    drawRows(message);
    tick();
  });
  source.addEventListener("error", again);
}

// The stream is closed, refused (too many pages) or silent: fetch once, say how it is, and try anew.
async function again() {
  if (retrying) return;
  retrying = true;
  source.close();
  const fetched = await fetchOnce();
  link(fetched ? "polling" : "lost");
  setTimeout(listen, fetched ? 5_000 : retry);
  retry = Math.min(retry * 2, LONGEST_RETRY_MS);
}

async function fetchOnce() {
  try {
    const answer = await fetch("/now.json", { cache: "no-store", signal: AbortSignal.timeout(4_000) });
    if (!answer.ok) return false;
    const messages = await answer.json();
    greet(messages.hello);
    heard = performance.now();
    drawNow(messages.now);
    drawRows(messages.events);
    tick();
    return true;
  } catch {
    return false;
  }
}

// A browser gives one site few connections, the device few streams: a tab that nobody sees takes neither.
function seen() {
  if (document.hidden) {
    source.close();
    document.title = "Lintel (paused)";
  } else if (source.readyState === EventSource.CLOSED && !retrying) {
    link("connecting");
    listen();
  }
}

function watch() {
  if (document.hidden) return;
  tick();
  if (root.dataset.link === "live" && performance.now() - heard > QUIET_MS) again();
}

if (frozen) {
  link((await fetchOnce()) ? "live" : "lost");
  root.dataset.drawn = "true";
} else {
  link("connecting");
  if (document.hidden) await new Promise((shown) => document.addEventListener("visibilitychange", shown, { once: true }));
  listen();
  document.addEventListener("visibilitychange", seen);
  setInterval(watch, 1_000);
}
