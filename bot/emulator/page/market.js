// Market, price and blocks of the paper network.

import { get, post } from "./api.js";
import { byId, make } from "./dom.js";

const EVERY_MS = 1500;

export class Market {
  constructor(onChange) {
    this.onChange = onChange;
    this.markets = {};
    this.ticker = sessionStorage.getItem("perpgram-market") || "BTC-USD";
    this.base = null;
    this.wire();
  }

  current() {
    return { ticker: this.ticker, price: this.markets[this.ticker]?.oraclePrice ?? "0" };
  }

  // Numbers here only choose a wish and draw it; money is counted by the network.
  decimals() {
    const tick = this.markets[this.ticker]?.tickSize ?? "0.01";
    return (Number(tick).toFixed(12).replace(/0+$/, "").split(".")[1] || "").length;
  }

  async run() {
    for (;;) {
      if (!document.hidden) await this.refresh();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  async refresh() {
    try {
      const answer = await get("/sim/world/markets");
      this.markets = answer.markets || {};
      this.showProblem("");
    } catch (problem) {
      this.showProblem(problem.message);
      this.enable(false);
      return;
    }
    this.showMarkets();
    this.showPrice();
    this.enable(true);
    try {
      this.showBlocks(await get("/sim/world/blocks?limit=14"));
      this.showMode(await get("/sim/world/state"));
    } catch (problem) {
      byId("blocks").replaceChildren(make("p", "hint", problem.message));
    }
  }

  showProblem(text) {
    byId("world-problem").hidden = !text;
    byId("world-problem").textContent = text ? `${text} It may still be starting.` : "";
  }

  enable(on) {
    for (const step of byId("steps").children) step.disabled = !on;
    byId("slider").disabled = !on;
    byId("market").disabled = !on;
  }

  showMarkets() {
    const tickers = Object.keys(this.markets);
    const select = byId("market");
    if (select.options.length === tickers.length && select.value === this.ticker) return;
    if (!tickers.includes(this.ticker)) this.ticker = tickers[0] ?? "BTC-USD";
    select.replaceChildren(...tickers.map((ticker) => new Option(ticker, ticker)));
    select.value = this.ticker;
    this.onChange();
  }

  showPrice() {
    const price = Number(this.current().price);
    if (!Number.isFinite(price) || price <= 0) return;
    this.base ??= price;
    byId("exact").placeholder = this.current().price;
    byId("price").textContent = price.toLocaleString("en", {
      minimumFractionDigits: Math.min(this.decimals(), 8),
      maximumFractionDigits: Math.min(this.decimals(), 8),
    });
    const change = (price / this.base - 1) * 100;
    const node = byId("change");
    node.textContent = `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(2)} %`;
    node.className = `change ${change > 0.004 ? "up" : change < -0.004 ? "down" : ""}`;
    node.title = "since this page was opened";
  }

  showMode(state) {
    const mode = state.prices?.mode;
    byId("walk-row").hidden = mode === undefined;
    byId("walk").checked = mode === "walk";
  }

  async set(price) {
    const note = byId("price-note");
    try {
      await post("/sim/world/price", { ticker: this.ticker, price });
      note.className = "note";
      note.textContent = `${this.ticker} was set to ${price}.`;
      byId("exact").value = "";
    } catch (problem) {
      note.className = "note bad";
      note.textContent = problem.message;
    }
    await this.refresh();
  }

  moved(percent) {
    const price = Number(this.current().price) * (1 + percent / 100);
    const floor = 10 ** -this.decimals();
    return Math.max(price, floor).toFixed(this.decimals());
  }

  wire() {
    byId("market").addEventListener("change", (event) => {
      this.ticker = event.target.value;
      sessionStorage.setItem("perpgram-market", this.ticker);
      this.base = null;
      this.showPrice();
      this.onChange();
    });
    for (const step of byId("steps").children) {
      step.addEventListener("click", () => this.set(this.moved(Number(step.dataset.step))));
    }
    const slider = byId("slider");
    slider.addEventListener("input", () => {
      const value = Number(slider.value);
      byId("slide-value").textContent = `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)} %`;
    });
    slider.addEventListener("change", async () => {
      const percent = Number(slider.value);
      slider.value = "0";
      byId("slide-value").textContent = "0.0 %";
      if (percent) await this.set(this.moved(percent));
    });
    byId("walk").addEventListener("change", async (event) => {
      try {
        await post("/sim/world/prices", { mode: event.target.checked ? "walk" : "still" });
      } catch (problem) {
        byId("price-note").className = "note bad";
        byId("price-note").textContent = problem.message;
      }
      await this.refresh();
    });
    byId("set-price").addEventListener("submit", (event) => {
      event.preventDefault();
      const wanted = byId("exact").value.trim().replace(",", ".");
      if (/^\d+(\.\d+)?$/.test(wanted) && Number(wanted) > 0) this.set(wanted);
      else {
        byId("price-note").className = "note bad";
        byId("price-note").textContent = "Write a positive number, as 64212.5.";
      }
    });
  }

  showBlocks(answer) {
    const blocks = answer.blocks ?? [];
    byId("height").textContent = blocks.length ? `height ${blocks[0].height}` : "";
    const shown = JSON.stringify(blocks);
    if (shown === this.blocksShown) return;
    this.blocksShown = shown;
    byId("blocks").replaceChildren(...blocks.map((block) => this.block(block)));
  }

  block(block) {
    const time = new Date(block.time).toLocaleTimeString([], { hour12: false });
    const fills = block.fills ?? [];
    const transfers = block.transfers ?? [];
    const isQuiet = !fills.length && !transfers.length;
    const count = block.transactions?.length ?? 0;
    const what = count ? `${count} transaction${count > 1 ? "s" : ""}` : "";
    const node = make("div", `block ${isQuiet ? "quiet-block" : ""}`, make("b", "", String(block.height)), make("span", "", what), make("time", "", time));
    for (const fill of fills) {
      const text = `${fill.side} ${fill.size} ${fill.market} at ${fill.price}`;
      node.append(make("span", `fill ${fill.side === "SELL" ? "sell" : ""}`, text));
    }
    for (const transfer of transfers) {
      node.append(make("span", "fill", `${transfer.size} USDC moved`));
    }
    return node;
  }
}
