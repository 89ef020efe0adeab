// Puts one message on the visitor's screen. Knows no connection and keeps nothing but the clock's formats.
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const ART = {
  starting: "wait", idle: "look", come_closer: "closer", step_back: "back", look_straight: "straight",
  hold_still: "still", more_light: "sun", less_light: "glare", lower_mask: "mask", uncover_face: "cover", one_person: "one", checking: "look",
  welcome: "check", face_refused: "no", face_paused: "wait", pin_refused: "no", pin_paused: "wait",
  pass_refused: "no", not_allowed: "no", lockdown: "shut", face_off: "pad", out_of_service: "out",
  no_link: "link", no_answer: "out", held: "held", forced: "alarm", released: "exit", help_called: "bell",
  help_kept: "bell", help_failed: "out", then_pin: "pad", then_card: "card", then_face: "look", then_either: "card",
  use_pin: "pad", use_card: "card", use_face: "look", use_either: "card", escort_missing: "host",
  outside_hours: "wait", door_closed: "shut", ask_help: "bell", passed_back: "no", free: "enter",
  turn_left: "left", turn_right: "right",
};
const CALM = new Set(["act", "quiet"]);
// Screens on which the site's own line for help is shown.
const REACH = new Set(["help_called", "help_kept", "help_failed", "out_of_service", "no_link", "no_answer"]);

export function drawScreen(message, language, mono) {
  const words = language.screens[message.show] ?? { title: message.show, help: "" };
  const help = words.help.replace("{wait}", countdown(message.until, mono));
  mark("show", message.show);
  mark("tone", message.tone);
  mark("full", String(!CALM.has(message.tone)));
  mark("reach", String(REACH.has(message.show)));
  set("title", words.title);
  set("help", help);
  drawSteps(message.step, language);
  const art = `#d-${ART[message.show] ?? "out"}`;
  if (byId("art").getAttribute("href") !== art) byId("art").setAttribute("href", art);
}

// A dot for each turn of the head, and the words beside them for who cannot tell dots apart.
function drawSteps(step, language) {
  const [n, of] = step ?? [0, 0];
  if (byId("steps").dataset.step === `${n}/${of}`) return;
  byId("steps").dataset.step = `${n}/${of}`;
  byId("steps").replaceChildren(...Array.from({ length: of > 1 ? of : 0 }, (_, place) => {
    const dot = document.createElement("i");
    dot.dataset.done = place + 1 < n ? "true" : place + 1 === n ? "now" : "false";
    return dot;
  }));
  set("step", of > 1 ? language.words.step.replace("{n}", n).replace("{of}", of) : "");
}

export function announce(message, language, mono) {
  const words = language.screens[message.show];
  if (!words) return;
  const help = words.help.replace("{wait}", countdown(message.until, mono));
  set("announce", [words.title, help].filter(Boolean).join(". "));
}

export function drawLanguage(code, language) {
  root.lang = root.dataset.language = code;
  root.dir = language.dir;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = language.words[element.dataset.word];
  for (const button of document.querySelectorAll("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === code));
  }
}

export function drawSound(on, language) {
  byId("sound-icon").setAttribute("href", on ? "#i-sound" : "#i-muted");
  set("sound-word", on ? language.words.mute : language.words.unmute);
}

export function drawClock(code, utc) {
  const format = new Intl.DateTimeFormat(code, { timeZone: root.dataset.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const text = format.format(utc * 1000);
  set("clock", text);
  set("hero-clock", text);
}

export function countdown(until, mono) {
  const seconds = Math.max(0, Math.ceil((until ?? mono) - mono));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// What stays the same is not written again: each writing costs a small board a new layout.
function mark(name, value) {
  if (root.dataset[name] !== value) root.dataset[name] = value;
}

function set(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}
