// Switches for what can go wrong, on the paper network and in Telegram.

import { get, post } from "./api.js";
import { button, byId, make, toast } from "./dom.js";

function toggle(title, note, isOn, onChange) {
  const box = make("input");
  box.type = "checkbox";
  box.checked = isOn;
  box.setAttribute("role", "switch");
  box.addEventListener("change", () => onChange(box.checked));
  const text = make("span", "", title);
  if (note) text.append(make("small", "", note));
  return make("label", "toggle", text, box);
}

function number(title, note, value, onChange) {
  const box = make("input");
  box.type = "number";
  box.min = "0";
  box.value = String(value);
  box.addEventListener("change", () => onChange(Number(box.value)));
  const text = make("span", "", title);
  if (note) text.append(make("small", "", note));
  return make("label", "toggle", text, box);
}

function once(title, note, label, onClick) {
  const text = make("span", "", title);
  if (note) text.append(make("small", "", note));
  return make("div", "toggle", text, button("quiet", label, onClick));
}

// What each fault of the paper network is to a person, and how it is switched.
const PAPER = {
  fill_withheld: ["flag", "Withhold fills", "Orders are accepted and not matched."],
  answer_lost: ["flag", "Lose the node’s answers", "Orders are taken, the answers never come."],
  order_refused: ["refusal", "Refuse orders", "The node answers with an error."],
  rtt_ms: ["number", "Delay to the node", "Milliseconds added to every call."],
  indexer_lag_blocks: ["number", "Indexer behind", "In blocks."],
  rest_500: ["flag", "Indexer errors", "Every query is answered 500."],
  rest_429: ["flag", "Indexer rate limit", "Every query is answered 429."],
};
const REFUSAL = { codespace: "clob", code: 5001, count: null };

export class FaultPanel {
  constructor(userId) {
    this.userId = userId;
    this.shownPaper = "";
  }

  async refresh() {
    await Promise.all([this.showPaper(), this.showTelegram()]);
  }

  async showPaper() {
    const box = byId("paper-faults");
    let faults;
    try {
      faults = await get("/sim/world/faults");
    } catch (problem) {
      this.shownPaper = "";
      box.replaceChildren(make("p", "hint", problem.message));
      return;
    }
    const shown = JSON.stringify(faults);
    if (shown === this.shownPaper || box.contains(document.activeElement)) return;
    this.shownPaper = shown;
    const rows = [];
    for (const [name, [kind, title, note]] of Object.entries(PAPER)) {
      if (!(name in faults)) continue;
      const change = (wanted) => this.setPaper({ [name]: wanted });
      if (kind === "number") rows.push(number(title, note, faults[name] ?? 0, change));
      else if (kind === "flag") rows.push(toggle(title, note, Boolean(faults[name]), change));
      else rows.push(toggle(title, note, faults[name] !== null, (on) => change(on ? REFUSAL : null)));
    }
    rows.push(
      once("Streams", "Close every websocket of the indexer.", "Cut", () => this.setPaper({ ws_closed: true })),
      once("Clear", "", "All off", () => this.setPaper({ clear: true })),
    );
    box.replaceChildren(...rows);
  }

  async setPaper(change) {
    try {
      await post("/sim/world/faults", change);
    } catch (problem) {
      toast(problem.message, 3600);
    }
    this.shownPaper = "";
    document.activeElement?.blur();
    await this.showPaper();
  }

  async showTelegram() {
    let faults;
    try {
      faults = await get("/sim/faults");
    } catch {
      return;
    }
    const delay = faults.latencies["*"] ?? 0;
    const waiting = faults.queue.reduce((sum, fault) => sum + fault.times, 0);
    byId("telegram-faults").replaceChildren(
      toggle("Unreachable", "Every connection of the bot is cut.", faults.unreachable, (on) => this.set({ action: "unreachable", on })),
      toggle("Slow", "Answers come two seconds late.", delay > 0, (on) => this.set({ action: "delay", seconds: on ? 2 : 0 })),
      toggle("Rate limits", "One message a second, thirty in all.", faults.limits, (on) => this.set({ action: "limits", on })),
      toggle("Token revoked", "Every call is unauthorized.", faults.token_revoked, (on) => this.set({ action: "revoke_token", on })),
      once("Flood", "The next call is answered 429, wait 5 s.", "Once", () => this.set({ action: "flood", retry_after: 5 }, "The next call is answered 429.")),
      once("Lost answer", "The next call is carried out, its answer is lost.", "Once", () => this.set({ action: "drop", processed: true }, "The next answer is lost.")),
      once("Twice", "The next update is delivered twice.", "Once", () => this.set({ action: "duplicate" }, "The next update comes twice.")),
      once("Poison", "An update that typed clients cannot decode.", "Send", () => this.set({ action: "poison", user: this.userId }, "Sent.")),
      once("Clear", waiting ? `${waiting} waiting to strike.` : "", "All off", () => this.set({ action: "clear" })),
    );
  }

  async set(body, note = "") {
    try {
      await post("/sim/faults", body);
      if (note) toast(note);
    } catch (problem) {
      toast(problem.message, 3600);
    }
    await this.showTelegram();
  }
}
