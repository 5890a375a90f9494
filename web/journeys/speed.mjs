// How long a reader waits: `node speed.mjs`, with { url, org, workspace, token, chromium, rounds } in MOORAGE_JOURNEY.
// Prints JSON: { painted: [ms, …], filtered: [ms, …], slowest: [ms, …] }, one of each per round. `make bench` reads it.

import { chromium } from "playwright-core";

const given = JSON.parse(process.env.MOORAGE_JOURNEY);
const FILTERS = ["a", "1", "11", "zz", "", "2", "app-0", "ap", "nothing", ""];

const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
const found = { painted: [], filtered: [], slowest: [] };
try {
  // The first round fills the caches of the facade, and does not count.
  for (let round = 0; round <= given.rounds; round += 1) {
    const { painted, filters } = await visit();
    if (!round) continue;
    found.painted.push(painted);
    filters.sort((one, other) => one - other);
    found.filtered.push(filters[filters.length / 2]);
    found.slowest.push(filters.at(-1));
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(found));

async function visit() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  try {
    await context.request.post(`${given.url}/session`, { data: { token: given.token }, headers: { Origin: given.url, "Sec-Fetch-Site": "same-origin" } });
    await page.addInitScript(noteFirstRow);
    await page.goto(`${given.url}/w/${given.org}/${given.workspace}`, { waitUntil: "commit" });
    await page.locator("tbody th[scope=row]").first().waitFor();
    const painted = await page.evaluate(() => globalThis.painted);
    return { painted, filters: await page.evaluate(timesOfFilters, FILTERS) };
  } finally {
    await context.close();
  }
}

/** In the page: when the first row is on the screen, in milliseconds after the start of the navigation. */
function noteFirstRow() {
  globalThis.painted = new Promise((done) => {
    const seen = new MutationObserver(() => {
      if (!document.querySelector("tbody th[scope=row]")) return;
      seen.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.now())));
    });
    seen.observe(document, { childList: true, subtree: true });
  });
}

/** In the page: of each filter, how long from its input until what it leaves is painted. */
async function timesOfFilters(filters) {
  const field = document.querySelector("input[type=search]");
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  const times = [];
  for (const filter of filters) {
    const began = performance.now();
    set.call(field, filter);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - began);
  }
  return times;
}
