// Tones and spoken prompts. A kiosk lets a page sound at once; an ordinary browser from the first touch on.
const root = document.documentElement;
// [hertz, start, seconds]: rising for yes, falling for no, even for look here.
const TONES = {
  good: [[660, 0, 0.12], [880, 0.12, 0.2]],
  needs: [[330, 0, 0.16], [247, 0.17, 0.28]],
  alarm: [[740, 0, 0.16], [520, 0.2, 0.16], [740, 0.4, 0.16], [520, 0.6, 0.2]],
  key: [[1250, 0, 0.035]],
};
const LOUD = { good: 0.25, needs: 0.25, alarm: 0.3, key: 0.12 };
const AGAIN_MS = 8_000; // The same prompt is not repeated sooner.

export class Sound {
  #context = null;
  #spoken = new Map();
  #speaking = null;
  #last = ["", 0];
  on = root.dataset.sound === "on";

  tone(kind) {
    if (!this.on || !TONES[kind]) return;
    root.dataset.sounded = kind;
    const context = this.#ready();
    for (const [hertz, start, seconds] of TONES[kind]) {
      const from = context.currentTime + start;
      const voice = new OscillatorNode(context, { frequency: hertz, type: "sine" });
      const level = new GainNode(context, { gain: 0 });
      // A ramp at both ends, or the loudspeaker clicks.
      level.gain.setValueAtTime(0, from);
      level.gain.linearRampToValueAtTime(LOUD[kind], from + 0.008);
      level.gain.setValueAtTime(LOUD[kind], from + seconds - 0.008);
      level.gain.linearRampToValueAtTime(0, from + seconds);
      voice.connect(level).connect(context.destination);
      voice.start(from);
      voice.stop(from + seconds);
    }
  }

  async say(language, show, after) {
    const name = `${language}/${show}`;
    const now = performance.now();
    if (!this.on || (this.#last[0] === name && now - this.#last[1] < AGAIN_MS)) return;
    this.#last = [name, now];
    this.hush();
    try {
      const prompt = await this.#prompt(name);
      if (!this.on || this.#last[0] !== name) return;
      const context = this.#ready();
      this.#speaking = new AudioBufferSourceNode(context, { buffer: prompt });
      this.#speaking.connect(context.destination);
      this.#speaking.start(context.currentTime + after);
      root.dataset.spoken = name;
    } catch {
      // Without sound the screen still says it.
    }
  }

  hush() {
    try {
      this.#speaking?.stop();
    } catch {
      // It had not begun.
    }
    this.#speaking = null;
  }

  #ready() {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") this.#context.resume().catch(() => {});
    return this.#context;
  }

  async #prompt(name) {
    if (!this.#spoken.has(name)) {
      const answer = await fetch(`/door/speech/${name}.ogg`);
      if (!answer.ok) throw new Error(name);
      this.#spoken.set(name, await this.#ready().decodeAudioData(await answer.arrayBuffer()));
    }
    return this.#spoken.get(name);
  }
}
