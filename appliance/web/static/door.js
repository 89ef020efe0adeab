// The visitor's screen: follows /door/stream, shows one message, takes a PIN and a call for help, and forgets.
import { announce, countdown, drawClock, drawLanguage, drawScreen, drawSound } from "./doordraw.js";
import { Pad } from "./doorpad.js";
import { Sound } from "./doorsound.js";

const QUIET_MS = 12_000; // The device beats every 5 s.
const RETRY_MS = 1_000;
const PAD_MS = 10_000; // Digits typed are forgotten after this pause.
const PANEL_MS = 30_000;
const FORGET_MS = 60_000; // A visitor's language and mute last until nobody has touched the screen for this long.
const ANSWER_MS = 3_000; // A PIN's answer comes within this, or the door is away.
const HELP_MS = 60_000; // Or until the desk opens, or the visitor does something else.
// The camera answers whoever stands there again and again; that must not take the pad out of their hands.
const UNASKED = new Set([
  "face_refused", "face_paused", "not_allowed", "outside_hours", "door_closed", "ask_help", "passed_back",
  "use_pin", "use_card", "use_either",
]);
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const first = root.dataset.language;
const sound = new Sound();
const pad = new Pad(sendPin, () => sound.tone("key"));

let languages = {};
let code = first;
let hello = null;
let heard = 0;
let message = { show: "starting", tone: "quiet", answer: null, pin: false };
let own = null; // A message of the page's own: {show, tone, ends, then}.
let seen = null; // The last answer shown.
let drawn = "";
let link = "lost";
let source = null;
let touched = performance.now();
let opened = 0;

const words = () => languages[code];
const mono = () => (hello ? hello.mono + (performance.now() - hello.at) / 1000 : 0);

function current() {
  if (link === "lost" && hello) return { show: "no_link", tone: "needs" };
  return own ?? message;
}

function draw() {
  if (!words()) return;
  const shown = current();
  drawScreen(shown, words(), mono());
  byId("open-pin").disabled = link === "lost" || !message.pin;
  const title = message.show === "then_pin" ? words().screens.then_pin.title : words().words.enter_pin;
  if (byId("pin-title").textContent !== title) byId("pin-title").textContent = title;
  pad.pause(message.pin_until ? words().screens.pin_paused.help.replace("{wait}", countdown(message.pin_until, mono())) : "");
  // The same refusal of the same face again is no news to the ear.
  const name = `${shown.show} ${UNASKED.has(shown.show) ? "" : (shown.answer ?? "")} ${code}`;
  if (name !== drawn) {
    drawn = name;
    const busy = root.dataset.panel && shown.tone !== "alarm" && shown.show !== "then_pin";
    if (!busy) {
      announce(shown, words(), mono());
      voice(shown);
    }
  }
  root.dataset.drawn = "true";
}

function voice(shown) {
  const full = ["good", "needs", "alarm"].includes(shown.tone);
  if (full) sound.tone(shown.tone);
  if (words().screens[shown.show]?.say) sound.say(code, shown.show, full ? 0.4 : 0);
  else sound.hush();
}

function take(fresh) {
  const answered = fresh.answer && fresh.answer !== seen;
  seen = fresh.answer ?? seen;
  message = fresh;
  const urgent = fresh.tone === "alarm" || !fresh.pin;
  if (urgent || (answered && !UNASKED.has(fresh.show))) own = null;
  if (urgent || (answered && fresh.tone === "good") || fresh.show === "free") close();
  // One factor was good and a PIN is the other: nobody should have to look for the pad.
  if (answered && fresh.show === "then_pin" && fresh.pin && root.dataset.panel !== "pin") open("pin");
  draw();
}

// --- what the visitor does

async function post(address, body) {
  const answer = await fetch(address, {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
    cache: "no-store", signal: AbortSignal.timeout(4_000),
  });
  return { status: answer.status, body: await answer.json() };
}

async function sendPin(digits) {
  close();
  const mine = { show: "checking", tone: "act", ends: performance.now() + ANSWER_MS, then: noAnswer };
  own = mine;
  draw();
  let status = 0;
  try {
    ({ status } = await post("/door/pin", { digits }));
  } catch {
    // Said below.
  }
  if (own !== mine || status === 202) return;
  if (status === 429) say("pin_paused", 2_500, mono() + 2.5);
  else noAnswer();
}

async function callHelp() {
  say("help_called", HELP_MS);
  const mine = own;
  try {
    const { status, body } = await post("/door/help", {});
    if (own !== mine) return;
    if (status !== 202) say("help_failed", HELP_MS);
    else if (!body.reached) say("help_kept", HELP_MS);
  } catch {
    if (own === mine) say("help_failed", HELP_MS);
  }
}

function noAnswer() {
  say("no_answer", 6_000);
}

function say(show, milliseconds, until = null) {
  const tone = show === "help_called" ? "act" : "needs";
  own = { show, tone, until, ends: performance.now() + milliseconds };
  draw();
}

// --- panels

function open(name) {
  close();
  own = null;
  root.dataset.panel = name;
  opened = performance.now();
  const panel = byId(`panel-${name}`);
  panel.hidden = false;
  for (const behind of [byId("main"), byId("controls")]) behind.inert = true;
  if (name === "pin") pad.open();
  else (panel.querySelector("[aria-pressed='true']") ?? panel.querySelector("button")).focus();
  draw();
}

function close() {
  const name = root.dataset.panel;
  if (!name) return;
  byId(`panel-${name}`).hidden = true;
  for (const behind of [byId("main"), byId("controls")]) behind.inert = false;
  root.dataset.panel = "";
  pad.forget();
  byId(name === "pin" ? "open-pin" : `open-${name}`).focus({ preventScroll: true });
}

function choose(next) {
  code = next;
  drawLanguage(code, words());
  pad.speak(words().words);
  drawSound(sound.on, words());
  tick();
}

function mute(on) {
  sound.on = on;
  if (!on) sound.hush();
  drawSound(on, words());
}

function forget() {
  if (code !== first) choose(first);
  if (sound.on !== (root.dataset.sound === "on")) mute(!sound.on);
  pad.reset();
}

// --- time

function tick() {
  const now = performance.now();
  if (hello) drawClock(code, hello.utc + (now - hello.at) / 1000);
  if (own && now > own.ends) {
    const then = own.then;
    own = null;
    then?.();
  }
  if (root.dataset.panel && now - Math.max(touched, opened) > (root.dataset.panel === "pin" ? PAD_MS : PANEL_MS)) close();
  if (touched && now - touched > FORGET_MS) {
    touched = 0;
    forget();
  }
  if (link === "live" && now - heard > QUIET_MS) lose();
  draw();
}

// --- the line to the device

function listen() {
  source = new EventSource("/door/stream");
  const on = (kind, handle) => source.addEventListener(kind, (event) => {
    heard = performance.now();
    handle(JSON.parse(event.data));
  });
  on("hello", greet);
  on("beat", greet);
  on("screen", take);
  source.addEventListener("error", lose);
}

function greet(fresh) {
  if (fresh.version !== root.dataset.version) {
    location.reload();
    return;
  }
  hello = { ...fresh, at: performance.now() };
  link = "live";
  tick();
}

function lose() {
  source.close();
  hello ??= { mono: 0, utc: Date.now() / 1000, at: performance.now() };
  link = "lost";
  close();
  draw();
  setTimeout(listen, RETRY_MS);
}

function wire() {
  byId("open-pin").addEventListener("click", () => open("pin"));
  byId("open-language").addEventListener("click", () => open("language"));
  byId("open-privacy").addEventListener("click", () => open("privacy"));
  byId("call-help")?.addEventListener("click", callHelp);
  byId("sound").addEventListener("click", () => mute(!sound.on));
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", close);
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => {
      choose(button.dataset.choose);
      close();
    });
  }
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = performance.now(); }, true);
  addEventListener("keydown", key);
  addEventListener("contextmenu", (event) => event.preventDefault());
}

// A keyboard, or a keypad that types: a digit opens the pad.
function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape") close();
  const digit = /^[0-9]$/.test(event.key);
  if (digit && !root.dataset.panel && !byId("open-pin").disabled) open("pin");
  if (root.dataset.panel !== "pin" || message.pin_until) return;
  // On a button Enter presses that button, but for the digits' own.
  if (event.key === "Enter" && !event.target.closest?.(".key") && event.target.closest?.("button")) return;
  if (pad.key(event.key)) event.preventDefault();
}

async function load() {
  for (;;) {
    try {
      return await (await fetch("/door/words.json", { cache: "no-cache" })).json();
    } catch {
      await new Promise((again) => setTimeout(again, RETRY_MS));
    }
  }
}

languages = await load();
wire();
choose(first);
listen();
setInterval(tick, 250);
