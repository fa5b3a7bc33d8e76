// The chat: keeps the list of bubbles equal to the emulator's screen, in place.

import { get, post } from "./api.js";
import { button, byId, make, toast } from "./dom.js";
import { bubble, excerpt } from "./bubbles.js";
import { startPayload } from "./words.js";

const NEAR_BOTTOM = 80;

export class Chat {
  constructor(userId, onScreen) {
    this.userId = userId;
    this.onScreen = onScreen;
    this.version = -1;
    this.screen = null;
    this.drawn = new Map();
    this.known = null;
    this.unread = 0;
    this.stuck = true;
    this.replyTo = null;
    this.payload = new URLSearchParams(location.search).get("start");
    this.running = true;
    this.list = byId("messages");
    this.wire();
  }

  // ------------------------------------------------------------------ the living connection

  async run() {
    let pause = 500;
    while (this.running) {
      try {
        const screen = await get(
          `/sim/updates/wait?user=${this.userId}&since=${this.version}&timeout=25`,
        );
        if (!this.running) return;
        pause = 500;
        this.version = screen.version;
        this.show(screen);
      } catch {
        this.setStatus("connecting…", "lost");
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, 5000);
        this.version = -1;
      }
    }
  }

  stop() {
    this.running = false;
    this.abort.abort();
    this.sizes.disconnect();
    this.list.replaceChildren();
  }

  show(screen) {
    const first = this.screen === null;
    const news = this.draw(screen);
    this.screen = screen;
    byId("bot-name").textContent = screen.bot.name;
    this.showStatus(screen);
    this.showAnswers(screen, first);
    this.showPinned(screen);
    this.showLine(screen);
    if (first || this.stuck || news.mine) this.toBottom();
    else if (news.count) this.countUnread(news.count);
    this.onScreen(screen);
  }

  draw(screen) {
    const byMessage = new Map(screen.messages.map((message) => [message.id, message]));
    for (const [id, drawn] of this.drawn) {
      if (!byMessage.has(id)) {
        this.drawn.delete(id);
        drawn.node.classList.add("gone");
        setTimeout(() => drawn.node.remove(), 190);
      }
    }
    const news = { count: 0, mine: false };
    let day = "";
    let previous = null;
    const order = [];
    for (const message of screen.messages) {
      const dayNow = new Date(message.time).toDateString();
      if (dayNow !== day) {
        order.push(this.dayMark(message.time, dayNow));
        previous = null;
        day = dayNow;
      }
      const original = byMessage.get(message.reply_to);
      const key = JSON.stringify([message, original ? excerpt(original) : null]);
      let drawn = this.drawn.get(message.id);
      if (!drawn || drawn.key !== key) {
        const node = bubble(message, original, this.actions());
        if (drawn) {
          this.keepUnfolded(drawn.node, node);
          drawn.node.replaceWith(node);
          node.style.animation = "none";
        } else {
          news.count += message.sender === "user" ? 0 : 1;
          news.mine ||= message.sender === "user";
        }
        drawn = { key, node };
        this.drawn.set(message.id, drawn);
      }
      drawn.node.classList.toggle("same", previous === message.sender);
      previous = message.sender === "service" ? null : message.sender;
      order.push(drawn.node);
    }
    this.arrange(order, screen);
    return news;
  }

  keepUnfolded(old, fresh) {
    const opened = old.querySelectorAll(".spoiler:not(.hidden-words)").length;
    if (opened) fresh.querySelectorAll(".spoiler").forEach((node) => node.classList.remove("hidden-words"));
    if (old.querySelector(".folds:not(.folded)")) {
      fresh.querySelectorAll(".folds").forEach((node) => node.classList.remove("folded"));
    }
  }

  arrange(order, screen) {
    if (!screen.messages.length) order.push(this.intro(screen));
    const wanted = new Set(order);
    for (const child of [...this.list.children]) {
      if (!wanted.has(child) && !child.classList.contains("gone")) child.remove();
    }
    order.forEach((node, index) => {
      let at = this.list.firstElementChild;
      if (index > 0) {
        at = order[index - 1].nextElementSibling;
        while (at && at.classList.contains("gone")) at = at.nextElementSibling;
      }
      if (at !== node) this.list.insertBefore(node, at);
    });
  }

  dayMark(time, key) {
    const held = this.list.querySelector(`.day[data-day="${key}"]`);
    if (held) return held;
    const today = new Date().toDateString() === key;
    const text = today ? "Today" : new Date(time).toLocaleDateString("en", { day: "numeric", month: "long" });
    const node = make("div", "day", text);
    node.dataset.day = key;
    return node;
  }

  intro(screen) {
    const image = make("img");
    image.src = "/page/icon.svg";
    image.width = image.height = 64;
    image.alt = "";
    const text = screen.bot.description || "This is a chat with the bot, as on a phone.\nPress Start.";
    return make("div", "intro", image, make("b", "", screen.bot.name), make("p", "", text));
  }

  // ------------------------------------------------------------------ around the messages

  setStatus(text, kind = "") {
    const node = byId("bot-status");
    node.textContent = text;
    node.className = `status ${kind}`;
  }

  showStatus(screen) {
    clearTimeout(this.typingTimer);
    if (screen.typing_s > 0) {
      this.setStatus("typing…", "busy");
      this.typingTimer = setTimeout(() => this.setStatus("bot"), screen.typing_s * 1000);
    } else {
      this.setStatus("bot");
    }
  }

  showAnswers(screen, first) {
    this.known ??= new Set();
    for (const answer of screen.answers) {
      if (this.known.has(answer.id)) continue;
      this.known.add(answer.id);
      if (first || !answer.text) continue;
      if (answer.alert) {
        byId("alert-text").textContent = answer.text;
        if (!byId("alert-box").open) byId("alert-box").showModal();
      } else {
        toast(answer.text, 3200);
      }
    }
  }

  showPinned(screen) {
    const pinned = screen.messages.filter((message) => message.pinned).at(-1);
    const node = byId("pinned");
    node.hidden = !pinned;
    if (!pinned) return;
    node.replaceChildren(make("b", "", "Pinned message"), make("span", "", excerpt(pinned)));
    node.onclick = () => this.reveal(pinned.id);
  }

  showLine(screen) {
    const start = byId("start");
    const needsStart = !screen.started || screen.blocked || this.payload !== null;
    start.hidden = !needsStart;
    start.textContent = screen.blocked ? "Unblock the bot" : "Start";
    byId("line").hidden = needsStart;
    byId("menu").hidden = screen.commands.length === 0;
    const keyboard = byId("keyboard");
    keyboard.hidden = needsStart || screen.keyboard.length === 0;
    keyboard.replaceChildren(
      ...screen.keyboard.map((row) =>
        make("div", "row", ...row.map((label) => button("", label, () => this.say(label)))),
      ),
    );
  }

  atBottom() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_BOTTOM;
  }

  toBottom() {
    this.stuck = true;
    this.list.scrollTop = this.list.scrollHeight;
    this.countUnread(-this.unread);
    byId("to-bottom").hidden = true;
  }

  countUnread(more) {
    this.unread += more;
    byId("to-bottom").hidden = this.unread === 0 && this.atBottom();
    byId("unread").hidden = this.unread === 0;
    byId("unread").textContent = String(this.unread);
  }

  reveal(id) {
    const drawn = this.drawn.get(id);
    if (!drawn) return;
    drawn.node.scrollIntoView({ block: "center", behavior: "smooth" });
    drawn.node.classList.remove("found");
    requestAnimationFrame(() => drawn.node.classList.add("found"));
  }

  // ------------------------------------------------------------------ what the person does

  actions() {
    this.doing ??= {
      say: (text) => this.say(text),
      start: (payload) => this.start(payload),
      press: (id, data) => this.press(id, data),
      reply: (message) => this.setReply(message),
      reveal: (id) => this.reveal(id),
      open: (url) => this.open(url),
      openWebApp: (id, label) => this.openWebApp(id, label),
      botName: () => this.screen?.bot.name ?? byId("bot-name").textContent,
      username: () => this.screen?.bot.username ?? "",
    };
    return this.doing;
  }

  async attempt(work) {
    try {
      return await work();
    } catch (problem) {
      toast(problem.message, 3600);
      return null;
    }
  }

  say(text) {
    const body = { text };
    if (this.replyTo) body.reply_to = this.replyTo.id;
    this.setReply(null);
    return this.attempt(() => post(`/sim/users/${this.userId}/say`, body));
  }

  start(payload) {
    return this.attempt(() => post(`/sim/users/${this.userId}/start`, { payload: payload || "" }));
  }

  press(messageId, data) {
    return this.attempt(() =>
      post(`/sim/users/${this.userId}/press`, { message_id: messageId, data }),
    );
  }

  open(address) {
    const payload = startPayload(new URL(address), this.screen.bot.username);
    if (payload !== null) this.start(payload);
    else window.open(address, "_blank", "noopener,noreferrer");
  }

  async openWebApp(messageId, label) {
    const answer = await this.attempt(() =>
      post(`/sim/users/${this.userId}/web_app`, { message_id: messageId, label }),
    );
    if (answer) window.open(answer.url, "_blank", "noopener");
  }

  setReply(message) {
    this.replyTo = message;
    byId("replying").hidden = !message;
    byId("replying-text").textContent = message ? excerpt(message) : "";
    if (message) byId("text").focus();
  }

  // ------------------------------------------------------------------ the line to write in

  wire() {
    this.abort = new AbortController();
    const { signal } = this.abort;
    const text = byId("text");
    const on = (node, kind, handler) => node.addEventListener(kind, handler, { signal });
    on(text, "input", () => this.grow());
    on(text, "keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        byId("line").requestSubmit();
      } else if (event.key === "Escape") {
        this.showCommands(false);
      }
    });
    on(byId("line"), "submit", (event) => {
      event.preventDefault();
      const words = text.value;
      if (!words.trim()) return;
      text.value = "";
      this.grow();
      this.say(words);
    });
    on(byId("start"), "click", () => this.begin());
    on(byId("menu"), "click", () => this.showCommands(byId("commands").hidden));
    on(byId("replying-off"), "click", () => this.setReply(null));
    on(byId("to-bottom"), "click", () => this.toBottom());
    on(this.list, "click", () => this.showCommands(false));
    on(this.list, "scroll", () => {
      this.stuck = this.atBottom();
      if (this.stuck) this.countUnread(-this.unread);
      byId("to-bottom").hidden = this.stuck;
    });
    // Pictures that arrive, a keyboard that opens: who was at the end stays there.
    this.sizes = new ResizeObserver(() => this.stuck && this.toBottom());
    this.sizes.observe(this.list);
    this.list.addEventListener("load", () => this.stuck && this.toBottom(), { signal, capture: true });
  }

  async begin() {
    if (this.screen?.blocked) {
      await this.attempt(() => post(`/sim/users/${this.userId}/unblock`));
      return;
    }
    const payload = this.payload;
    this.payload = null;
    history.replaceState(null, "", location.pathname);
    await this.start(payload);
  }

  grow() {
    const text = byId("text");
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight, 132)}px`;
    byId("send").disabled = !text.value.trim();
    const typed = text.value;
    if (typed.startsWith("/") && !typed.includes(" ")) this.showCommands(true, typed.slice(1));
    else if (!byId("commands").hidden) this.showCommands(false);
  }

  showCommands(open, prefix = "") {
    const box = byId("commands");
    const fitting = (this.screen?.commands ?? []).filter((one) => one.command.startsWith(prefix));
    box.hidden = !open || fitting.length === 0;
    byId("menu").setAttribute("aria-expanded", String(!box.hidden));
    box.replaceChildren(
      ...fitting.map((one) => {
        const row = button("", "", () => {
          this.showCommands(false);
          byId("text").value = "";
          this.grow();
          this.say(`/${one.command}`);
        });
        row.append(make("span", "", one.description), make("i", "", `/${one.command}`));
        return row;
      }),
    );
  }
}
