// One message as nodes: bubble, media, keyboard.

import { ICONS, button, byId, clock, copy, icon, make } from "./dom.js";
import { words } from "./words.js";

export function bubble(message, original, actions) {
  if (message.sender === "service") {
    const node = make("div", "service", `${actions.botName()} pinned a message`);
    return tagged(node, message);
  }
  const node = make("article", `message ${message.sender}`);
  const body = make("div", "bubble");
  if (original) body.append(quote(message, original, actions));
  if (message.photo) body.append(photo(message));
  if (message.document) body.append(documentLink(message));
  const text = words(message.text, message.entities, actions);
  text.append(stamp(message));
  body.append(text);
  body.addEventListener("dblclick", () => actions.reply(message));
  node.append(body);
  if (message.buttons.length) {
    node.classList.add("keyed");
    node.append(keys(message, actions));
  }
  return tagged(node, message);
}

function tagged(node, message) {
  node.dataset.id = message.id;
  return node;
}

function stamp(message) {
  const parts = [message.edited ? "edited " : "", clock(message.time)];
  const node = make("span", "stamp", parts.join(""));
  if (message.sender === "user") node.append(make("span", "ticks", "✓✓"));
  return node;
}

export function excerpt(message) {
  const line = message.text.split("\n").find((part) => part.trim());
  return line || (message.photo ? "Photo" : message.document_name || "Message");
}

function quote(message, original, actions) {
  const who = original.sender === "user" ? "You" : actions.botName();
  const node = button("quote", "", () => actions.reveal(original.id));
  node.append(make("b", "", who), make("span", "", message.quote || excerpt(original)));
  return node;
}

function photo(message) {
  const image = make("img");
  image.src = `/sim/files/${encodeURIComponent(message.photo)}`;
  image.alt = message.text.split("\n")[0] || "Photo";
  image.width = message.photo_width;
  image.height = message.photo_height;
  const node = button("photo", "", () => {
    byId("picture-image").src = image.src;
    byId("picture").showModal();
  });
  node.append(image);
  return node;
}

function documentLink(message) {
  const node = make("a", "document", make("i", "", "↓"), make("span", "", message.document_name || "file"));
  node.href = `/sim/files/${encodeURIComponent(message.document)}`;
  node.download = message.document_name || "file";
  return node;
}

function keys(message, actions) {
  const board = make("div", "keys");
  for (const row of message.buttons) {
    const line = make("div", "row");
    for (const one of row) line.append(key(message, one, actions));
    board.append(line);
  }
  return board;
}

function key(message, one, actions) {
  const node = button("key", one.label, () => act(message, one, actions));
  node.title = one.label;
  if (one.style) node.classList.add(one.style);
  if (one.pending) node.classList.add("waiting");
  node.disabled = one.disabled;
  const mark = one.copy_text ? ICONS.copy : one.url ? ICONS.link : one.web_app ? ICONS.app : null;
  if (mark) node.append(make("span", "mark", icon(mark)));
  return node;
}

function act(message, one, actions) {
  if (one.copy_text) copy(one.copy_text);
  else if (one.url) actions.open(one.url);
  else if (one.web_app) actions.openWebApp(message.id, one.label);
  else actions.press(message.id, one.data);
}
