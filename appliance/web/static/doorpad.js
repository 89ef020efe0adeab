// The PIN pad. Digits live in one variable until they are sent or the pad closes; the page shows dots only.
const byId = (id) => document.getElementById(id);
const ORDER = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"];
const LEAST = 4;
const MOST = 12;
const SHOWN = 6;

export class Pad {
  #digits = "";
  #send;
  #pressed;
  #words = {};
  #note = "";
  #paused = false;

  constructor(send, pressed) {
    this.#send = send;
    this.#pressed = pressed;
    byId("scramble").addEventListener("click", () => this.#scramble());
    this.#build(ORDER);
    this.forget();
  }

  speak(words) {
    this.#words = words;
    const names = { delete: words.delete, ok: words.ok };
    for (const [key, name] of Object.entries(names)) byId("pad").querySelector(`.key-${key}`).setAttribute("aria-label", name);
    byId("pad").querySelector(".key-ok").textContent = words.ok;
    this.#draw();
  }

  open() {
    this.forget();
    if (byId("scramble").getAttribute("aria-pressed") === "true") this.#build(shuffled(ORDER));
    byId("pad").querySelector("button").focus();
  }

  forget() {
    this.#digits = "";
    this.#note = "";
    this.#draw();
  }

  // A pause is the door's; the pad only says so and takes nothing meanwhile.
  pause(text) {
    if (!text && !this.#paused) return;
    this.#paused = Boolean(text);
    if (this.#digits) this.forget();
    for (const button of byId("pad").children) button.disabled = this.#paused;
    byId("pin-note").textContent = text;
    if (text) byId("pin-note").dataset.tone = "needs";
    else delete byId("pin-note").dataset.tone;
  }

  key(key) {
    if (/^[0-9]$/.test(key)) this.#type(key);
    else if (key === "Backspace") this.#delete();
    else if (key === "Enter") this.#finish();
    else return false;
    return true;
  }

  reset() {
    byId("scramble").setAttribute("aria-pressed", "false");
    this.#build(ORDER);
    this.speak(this.#words);
    this.forget();
  }

  #type(digit) {
    this.#pressed();
    this.#note = "";
    if (this.#digits.length < MOST) this.#digits += digit;
    this.#draw();
  }

  #delete() {
    this.#pressed();
    this.#digits = this.#digits.slice(0, -1);
    this.#draw();
  }

  #finish() {
    if (this.#digits.length < LEAST) {
      this.#note = this.#words.short;
      this.#draw();
      return;
    }
    const digits = this.#digits;
    this.forget();
    this.#send(digits);
  }

  #scramble() {
    const on = byId("scramble").getAttribute("aria-pressed") !== "true";
    byId("scramble").setAttribute("aria-pressed", String(on));
    this.#build(on ? shuffled(ORDER) : ORDER);
    this.speak(this.#words);
  }

  #build(order) {
    const keys = [...order.slice(0, 9), "delete", order[9], "ok"];
    byId("pad").replaceChildren(...keys.map((key) => this.#button(key)));
  }

  #button(key) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = /^\d$/.test(key) ? "key" : `key-${key}`;
    if (key === "ok") button.classList.add("primary");
    if (key === "delete") {
      const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
      icon.classList.add("icon");
      icon.setAttribute("aria-hidden", "true");
      use.setAttribute("href", "#i-delete");
      icon.append(use);
      button.append(icon);
    } else {
      button.textContent = key;
    }
    const act = { delete: () => this.#delete(), ok: () => this.#finish() }[key] ?? (() => this.#type(key));
    button.addEventListener("click", act);
    return button;
  }

  #draw() {
    this.#dots();
    const note = byId("pin-note");
    note.textContent = this.#note;
    if (this.#note) note.dataset.tone = "needs";
    else delete note.dataset.tone;
    byId("typed").textContent = this.#digits ? (this.#words.typed ?? "").replace("{n}", this.#digits.length) : "";
  }

  #dots() {
    const count = Math.max(SHOWN, this.#digits.length);
    byId("dots").replaceChildren(...Array.from({ length: count }, (_, place) => {
      const dot = document.createElement("i");
      dot.dataset.typed = String(place < this.#digits.length);
      return dot;
    }));
  }
}

function shuffled(order) {
  const mixed = [...order];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (last + 1);
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}
