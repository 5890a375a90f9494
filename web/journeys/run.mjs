// Runs journeys in a real browser against a real facade, one for each line that comes in: JSON with
// { journey, url, org, workspace, tokens: { <person>: <token> }, chromium }. All of them share one browser, each has pages of its own.
// Its last line says `= passed` or `= failed`. It passed: everything that the journey says is so, no script of a stranger ran,
// and the policy of the page refused nothing.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

import { journeys as attacking } from "./attacking.mjs";
import { journeys as changing } from "./changing.mjs";
import { journeys as everyday } from "./everyday.mjs";
import { journeys as governing } from "./governing.mjs";
import { journeys as looking } from "./looking.mjs";
import { heard } from "./talk.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const JOURNEYS = { ...looking, ...changing, ...everyday, ...governing, ...attacking };

let browser = null;
/** What the journey that runs is given, and who takes part in it. */
let given = {};
let people = [];

for (let line = await heard(); line !== null; line = await heard()) {
  given = JSON.parse(line);
  console.log(`= ${(await passes(given.journey)) ? "passed" : "failed"}`);
}
await browser?.close();

async function passes(name) {
  people = [];
  try {
    if (!browser?.isConnected()) browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
    assert(JOURNEYS[name], `there is no journey ${name}`);
    await JOURNEYS[name]({ given, person, at, axe, fits, picture });
    for (const one of people) await wellBehaved(one);
    return true;
  } catch (error) {
    for (const [place, { page }] of people.entries()) {
      if (given.screenshots) await page.screenshot({ path: `${given.screenshots}/${name}-${place}.png` }).catch(() => {});
    }
    console.log(error);
    return false;
  } finally {
    for (const { page } of people) await page.context().close().catch(() => {});
  }
}

/** A page of a person who is logged in, or of a stranger (null). */
async function person(name, { scheme = "light", width = 1280, height = 800, zone = "Europe/Berlin" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, timezoneId: zone, reducedMotion: "reduce" });
  context.setDefaultTimeout(given.patience ?? 15_000);
  const page = await context.newPage();
  const said = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    said.push(`a script of a stranger ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    globalThis.refusedByPolicy = [];
    addEventListener("securitypolicyviolation", (event) => globalThis.refusedByPolicy.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  people.push({ page, said, name });
  if (name !== null) await logIn(context, given.tokens[name]);
  return page;
}

/** The login of the page without its form, which two journeys fill in. */
async function logIn(context, token) {
  const headers = { Origin: given.url, "Sec-Fetch-Site": "same-origin" };
  const answer = await context.request.post(`${given.url}/session`, { data: { token }, headers });
  assert(answer.ok(), `login: ${answer.status()} ${await answer.text()}`);
}

/** The address of a place in the workspace. */
function at(path = "") {
  return `${given.url}/w/${given.org}/${given.workspace}${path}`;
}

/** No violation of the rules of accessibility that a machine can find. */
async function axe(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join("; ")}`);
  assert.deepEqual(found, [], `axe at ${page.url()}`);
}

/** A picture to look at, where the test asks for some. */
async function picture(page, name) {
  if (!given.pictures) return;
  for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 360], ["dark", 360]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 800 });
    await page.screenshot({ path: `${given.pictures}/${name}-${scheme}-${width}.png` });
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** Nothing runs out of the window sideways; tables scroll in a box of their own. */
async function fits(page) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(inner <= outer, `${page.url()} is ${inner} px wide in a window of ${outer} px`);
}

/** What holds after every journey: nothing refused, nothing foreign ran, and no token where a script can read it. */
async function wellBehaved({ page, said }) {
  assert.deepEqual(await page.evaluate(() => globalThis.refusedByPolicy), []);
  assert.equal(await page.evaluate(() => globalThis.stranger), undefined);
  assert.deepEqual(said.filter((line) => /^error: (?!Failed to load resource)|stranger|Content Security|TrustedHTML/.test(line)), []);
  const readable = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie, history.state, document.documentElement.outerHTML]));
  for (const token of Object.values(given.tokens)) {
    assert(!readable.includes(token), "a token is where a script can read it");
    assert(!said.some((line) => line.includes(token)), "a token is in the console");
  }
}
