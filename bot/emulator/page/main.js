// Puts the page together: whose phone it is, the chat, and the world beside it.

import { get, post } from "./api.js";
import { Composer } from "./alerts.js";
import { Chat } from "./chat.js";
import { button, byId, make, toast } from "./dom.js";
import { FaultPanel } from "./faults.js";
import { Market } from "./market.js";

const FIRST = { id: 777001, name: "Trader" };

async function people() {
  return (await get("/sim/users")).users;
}

async function whosePhone() {
  const known = await people();
  const asked = Number(new URLSearchParams(location.search).get("user") || sessionStorage.getItem("perpgram-user"));
  const held = known.find((one) => one.id === asked) ?? known[0];
  if (held) return held.id;
  return (await post("/sim/users", { ...FIRST, language_code: navigator.language.slice(0, 2) })).id;
}

class Page {
  constructor(userId) {
    this.userId = userId;
    this.market = new Market(() => this.composer?.preview());
    this.composer = new Composer(() => this.market.current(), () => byId("open-world").classList.add("ready"));
    this.faults = new FaultPanel(userId);
    this.wire();
    this.hold(userId);
    this.market.run();
    this.faults.refresh();
    setInterval(() => this.faultsAreVisible() && this.faults.showPaper(), 4000);
  }

  hold(userId) {
    if (this.chat) {
      this.chat.stop();
      this.composer.forget();
    }
    this.userId = this.faults.userId = userId;
    sessionStorage.setItem("perpgram-user", String(userId));
    this.chat = new Chat(userId, (screen) => this.seen(screen));
    this.chat.run();
    this.showPeople();
  }

  seen(screen) {
    this.composer.take(screen.messages);
    byId("block").textContent = screen.blocked ? "Unblock the bot" : "Stop and block the bot";
    byId("block").onclick = () =>
      post(`/sim/users/${this.userId}/${screen.blocked ? "unblock" : "block"}`);
  }

  async showPeople() {
    const rows = (await people()).map((one) => {
      const row = button("person", "", () => this.hold(one.id));
      row.setAttribute("aria-pressed", String(one.id === this.userId));
      row.append(make("i", "", one.name[0].toUpperCase()), make("span", "", one.name), make("small", "", String(one.id)));
      return row;
    });
    byId("people").replaceChildren(...rows);
  }

  faultsAreVisible() {
    return !document.hidden && byId("paper-faults").offsetParent !== null;
  }

  wire() {
    for (const id of ["open-world", "close-world", "veil"]) {
      byId(id).addEventListener("click", () => this.openWorld(id === "open-world"));
    }
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.openWorld(false);
    });
    for (const tab of byId("tabs").children) {
      tab.addEventListener("click", () => this.turnTo(tab));
    }
    byId("new-person").addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = byId("person-name").value.trim();
      if (!name) return;
      const known = await people();
      const id = Math.max(FIRST.id, ...known.map((one) => one.id)) + 1;
      try {
        await post("/sim/users", { id, name });
        byId("person-name").value = "";
        this.hold(id);
      } catch (problem) {
        toast(problem.message);
      }
    });
  }

  openWorld(open) {
    byId("world").classList.toggle("open", open);
    byId("veil").classList.toggle("open", open);
    byId("open-world").setAttribute("aria-expanded", String(open));
    if (!open) return;
    byId("open-world").classList.remove("ready");
    this.faults.refresh();
  }

  turnTo(tab) {
    for (const one of byId("tabs").children) {
      one.setAttribute("aria-selected", String(one === tab));
    }
    byId("cards").dataset.tab = tab.dataset.tab;
    byId("cards").scrollTop = 0;
    if (tab.dataset.tab === "faults") this.faults.refresh();
    if (tab.dataset.tab === "people") this.showPeople();
  }
}

async function begin() {
  for (;;) {
    try {
      new Page(await whosePhone());
      return;
    } catch {
      byId("bot-status").textContent = "connecting…";
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

begin();
