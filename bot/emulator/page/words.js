// A text with its entities, as nodes. Offsets are UTF-16 units, which are JavaScript's own.

import { button, copy, make } from "./dom.js";

const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);

export function words(text, entities, actions) {
  const ordered = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  const node = make("div", "words");
  fill(node, text, 0, text.length, ordered, actions);
  return node;
}

function fill(parent, text, from, to, entities, actions) {
  let position = from;
  let index = 0;
  let afterBlock = false;
  const plain = (end, beforeBlock) => {
    let piece = text.slice(position, end);
    if (afterBlock && piece.startsWith("\n")) piece = piece.slice(1);
    if (beforeBlock && piece.endsWith("\n")) piece = piece.slice(0, -1);
    if (piece) parent.append(piece);
    if (end > position) afterBlock = false;
    position = end;
  };
  while (index < entities.length) {
    const entity = entities[index];
    const end = Math.min(to, entity.offset + entity.length);
    const inner = [];
    let next = index + 1;
    while (next < entities.length && entities[next].offset < end) {
      inner.push(entities[next]);
      next += 1;
    }
    const isBlock = BLOCKS.has(entity.type);
    if (entity.offset >= position && entity.offset < to) {
      plain(entity.offset, isBlock);
      const covered = text.slice(entity.offset, end);
      const node = element(entity, covered, actions);
      const target = node.querySelector("[data-inside]") || node;
      if (entity.type === "date_time") target.textContent = moment(entity, covered);
      else fill(target, text, entity.offset, end, inner, actions);
      parent.append(node);
      position = end;
      afterBlock = isBlock;
    }
    index = next;
  }
  plain(to, false);
}

function element(entity, covered, actions) {
  switch (entity.type) {
    case "bold": return make("strong");
    case "italic": return make("em");
    case "underline": return make("u");
    case "strikethrough": return make("s");
    case "code": return code(covered);
    case "pre": return pre(entity, covered);
    case "spoiler": return spoiler();
    case "blockquote": return make("blockquote");
    case "expandable_blockquote": return folding(covered);
    case "text_link": return link(entity.url, actions);
    case "url": return link(covered, actions);
    case "bot_command": return button("command", "", () => actions.say(covered));
    case "date_time": return make("time");
    default: return make("span");
  }
}

function code(covered) {
  const node = make("code");
  node.title = "Tap to copy";
  node.addEventListener("click", () => copy(covered));
  return node;
}

function pre(entity, covered) {
  const head = make("span", "pre-head", make("span", "", entity.language || "code"));
  head.append(button("", "Copy", () => copy(covered)));
  const inside = make("pre");
  inside.dataset.inside = "";
  return make("span", "pre", head, inside);
}

function spoiler() {
  const node = make("span", "spoiler hidden-words");
  node.title = "Tap to show";
  node.addEventListener("click", () => node.classList.remove("hidden-words"), { once: true });
  return node;
}

function folding(covered) {
  const node = make("blockquote");
  if (covered.split("\n").length > 3 || covered.length > 160) {
    node.classList.add("folds", "folded");
    node.addEventListener("click", () => node.classList.toggle("folded"));
  }
  return node;
}

function link(address, actions) {
  const node = make("a");
  let url = null;
  try {
    url = new URL(address);
  } catch {
    return make("span");
  }
  if (!["http:", "https:"].includes(url.protocol)) return make("span");
  node.href = url.href;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  const payload = startPayload(url, actions.username());
  if (payload !== null) {
    node.addEventListener("click", (event) => {
      event.preventDefault();
      actions.start(payload);
    });
  }
  return node;
}

export function startPayload(url, username) {
  const here = ["t.me", "telegram.me"].includes(url.hostname);
  if (!here || url.pathname.slice(1).toLowerCase() !== username.toLowerCase()) return null;
  return url.searchParams.get("start");
}

function moment(entity, covered) {
  const format = entity.date_time_format || "";
  const at = new Date(entity.unix_time * 1000);
  if (!format || Number.isNaN(at.getTime())) return covered;
  if (format.includes("r")) return relative(at);
  const parts = {};
  if (/w/i.test(format)) parts.weekday = "long";
  if (format.includes("d")) Object.assign(parts, { day: "2-digit", month: "2-digit", year: "2-digit" });
  if (format.includes("D")) Object.assign(parts, { day: "numeric", month: "long", year: "numeric" });
  if (format.includes("t")) Object.assign(parts, { hour: "2-digit", minute: "2-digit" });
  if (format.includes("T")) Object.assign(parts, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return at.toLocaleString([], { ...parts, hour12: false });
}

function relative(at) {
  const seconds = Math.round((at.getTime() - Date.now()) / 1000);
  const form = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return form.format(Math.trunc(seconds / size), unit);
  }
  return form.format(seconds, "second");
}
