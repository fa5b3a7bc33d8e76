// The alert composer: finds what the bot handed out, fills placeholders as TradingView does, sends.

import { post } from "./api.js";
import { byId, make } from "./dom.js";

const HOOK = /https?:\/\/[^\s"'<>]+\/api\/webhooks\/signal\/[^\s"'<>]+/;
const KEPT = "perpgram-alert";

// What a message of the bot offers: code blocks, links and copy buttons.
function offered(message) {
  const pieces = message.entities
    .filter((entity) => ["code", "pre", "url", "text_link"].includes(entity.type))
    .map((entity) => entity.url || message.text.slice(entity.offset, entity.offset + entity.length));
  for (const row of message.buttons) {
    for (const one of row) if (one.copy_text) pieces.push(one.copy_text);
  }
  return [...pieces, message.text];
}

// The newest message of the bot that shows a secret, with the address in the same message.
export function findTemplate(messages) {
  for (const message of [...messages].reverse()) {
    if (message.sender !== "bot") continue;
    const pieces = offered(message).map((piece) => piece.trim());
    const body = pieces.find((piece) => piece.startsWith("{") && piece.endsWith("}") && /"secret"/.test(piece));
    if (!body) continue;
    const url = pieces.map((piece) => piece.match(HOOK)?.[0]).find(Boolean) ?? null;
    return { at: Date.parse(message.time), id: message.id, url, body };
  }
  return null;
}

function orderOf(action) {
  return action === "close" ? "sell" : action;
}

export function fillPlaceholders(template, { ticker, price, action, orderId, now }) {
  const isClosing = action === "close";
  const closes = /\{\{\s*strategy\.order\.action\s*\}\}/.test(template) ? action : orderOf(action);
  const values = {
    ticker,
    exchange: "DYDX",
    close: price,
    open: price,
    high: price,
    low: price,
    volume: "1",
    interval: "5",
    time: new Date(Math.floor(now.getTime() / 300000) * 300000).toISOString().replace(".000Z", "Z"),
    timenow: now.toISOString().replace(/\.\d+Z$/, "Z"),
    "strategy.order.action": closes,
    "strategy.order.id": orderId,
    "strategy.order.contracts": "1",
    "strategy.order.price": price,
    "strategy.order.comment": orderId,
    "strategy.order.alert_message": "",
    "strategy.market_position": isClosing ? "flat" : action === "buy" ? "long" : "short",
    "strategy.market_position_size": isClosing ? "0" : "1",
    "strategy.position_size": isClosing ? "0" : action === "buy" ? "1" : "-1",
    "strategy.prev_market_position": isClosing ? "long" : "flat",
    "strategy.prev_market_position_size": isClosing ? "1" : "0",
  };
  return template.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (whole, name) => values[name] ?? whole);
}

export class Composer {
  constructor(market, onTaken) {
    this.market = market;
    this.onTaken = onTaken;
    this.action = "buy";
    this.lastBody = null;
    this.forget();
    this.restore();
    this.wire();
  }

  // Somebody else holds the phone: his newest template is the one to take.
  forget() {
    this.taken = { at: 0, id: 0, body: "" };
  }

  // A new template replaces what is written; the one already taken does not, even if edited since.
  // When the newest is deleted, an older one does not come back: its secret may be dead.
  take(messages) {
    const found = findTemplate(messages);
    if (!found || found.body === this.taken.body) return;
    const { at, id } = this.taken;
    if (found.at < at || (found.at === at && found.id < id)) return;
    this.taken = { at: found.at, id: found.id, body: found.body };
    if (found.url) byId("alert-url").value = found.url;
    byId("alert-body").value = found.body;
    this.onTaken();
    this.keep();
    this.preview();
  }

  restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEPT) || "{}");
      byId("alert-url").value = kept.url || "";
      byId("alert-body").value = kept.body || "";
      this.taken = kept.taken ?? this.taken;
    } catch {
      sessionStorage.removeItem(KEPT);
    }
  }

  keep() {
    const kept = {
      url: byId("alert-url").value,
      body: byId("alert-body").value,
      taken: this.taken,
    };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }

  filled() {
    const { ticker, price } = this.market();
    return fillPlaceholders(byId("alert-body").value, {
      ticker,
      price,
      action: this.action,
      orderId: byId("alert-id").value.trim() || "trend-1",
      now: new Date(),
    });
  }

  preview() {
    byId("alert-hint").hidden = Boolean(byId("alert-url").value && byId("alert-body").value);
    byId("alert-preview").textContent = this.filled() || "–";
    byId("alert-send").textContent = `Send ${this.action.toUpperCase()} ${this.market().ticker}`;
  }

  wire() {
    for (const choice of byId("action").children) {
      choice.addEventListener("click", () => {
        this.action = choice.dataset.value;
        for (const one of byId("action").children) {
          one.setAttribute("aria-checked", String(one === choice));
        }
        this.preview();
      });
    }
    for (const id of ["alert-url", "alert-body", "alert-id"]) {
      byId(id).addEventListener("input", () => {
        this.keep();
        this.preview();
      });
    }
    document.querySelector(".preview").addEventListener("toggle", () => this.preview());
    byId("alert-send").addEventListener("click", () => this.send(this.filled()));
    byId("alert-again").addEventListener("click", () => this.send(this.lastBody));
    this.preview();
  }

  async send(body) {
    const url = byId("alert-url").value.trim();
    if (!url || !body.trim()) {
      this.answer("–", "There is no address or no message yet: make a strategy in the chat first.", false);
      return;
    }
    this.lastBody = body;
    this.preview();
    byId("alert-send").disabled = true;
    const before = performance.now();
    try {
      const answer = await post("/sim/world/alert", { url, body });
      const took = Math.round(performance.now() - before);
      const isGood = answer.status < 300;
      const outcome = statusOf(answer.body) ?? (isGood ? "answered" : "not taken");
      this.answer(answer.status, pretty(answer.body), isGood, `${outcome} · ${took} ms`);
    } catch (problem) {
      this.answer("–", problem.message, false);
    }
    byId("alert-send").disabled = false;
    byId("alert-again").disabled = false;
  }

  answer(status, text, isGood, note = "") {
    const box = byId("alert-answer");
    box.hidden = false;
    box.classList.toggle("no", !isGood);
    const head = make("div", "answer-head", make("b", "", String(status)), make("span", "", note));
    box.replaceChildren(head, make("pre", "", text || "(empty)"));
    box.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}

function statusOf(text) {
  try {
    const answer = JSON.parse(text);
    return answer.status ?? answer.error ?? null;
  } catch {
    return null;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
