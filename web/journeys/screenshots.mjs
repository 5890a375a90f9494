// Pictures of the page: `node screenshots.mjs`, with the same variable as run.mjs and in it `folder`, and `all`: every view in
// light and dark, wide and narrow, to look through them, instead of the few that the docs show; of these only `views`, if
// it names some.

import assert from "node:assert/strict";
import { statSync } from "node:fs";

import { chromium } from "playwright-core";

const given = JSON.parse(process.env.MOORAGE_JOURNEY);
const base = `${given.url}/w/${given.org}/${given.workspace}`;
/** Bytes of a picture that a page of the docs may carry. */
const LIMIT = 200_000;

/** Each view: its address, what must be seen before the picture is taken, and what is done there first. */
const VIEWS = {
  workspaces: { address: given.url, sign: "storefront" },
  matrix: { address: base, sign: "web-shop" },
  environment: { address: `${base}/env/staging`, sign: "faster checkout page" },
  closed: { address: `${base}/env/production`, sign: "is frozen by" },
  past: { address: `${base}/env/staging?at=${new Date(Date.now() - 5_000).toISOString().slice(0, 19)}Z`, sign: "Back to now" },
  app: { address: `${base}/app/web-shop`, sign: "History across environments" },
  binding: { address: `${base}/env/staging/web-shop`, sign: "faster checkout page" },
  compare: { address: `${base}/compare?from=staging&to=production`, sign: /apps differ/ },
  history: { address: `${base}/history`, sign: "faster checkout page" },
  numbers: { address: `${base}/numbers`, sign: "Time to restore" },
  "numbers-environment": { address: `${base}/numbers?environment=staging`, sign: "Day by day" },
  "numbers-table": { address: `${base}/numbers?environment=staging`, sign: "Day by day", first: (page) => page.getByText("As a table").click() },
  freezes: { address: `${base}/freezes`, sign: "Freezes" },
  change: { address: `${base}/env/staging/web-shop`, sign: "faster checkout page", first: openNewestChange },
  deploy: { address: `${base}/env/staging/web-shop`, sign: "faster checkout page", first: checkDeploy },
  promote: { address: `${base}/env/production`, sign: "What is active", first: checkPromotion },
  refused: { address: `${base}/env/production`, sign: "What is active", first: checkRefused },
  rollback: { address: `${base}/env/staging/web-shop`, sign: "faster checkout page", first: (page) => page.getByRole("button", { name: "Roll back …" }).click() },
  undeploy: { address: `${base}/env/staging/web-shop`, sign: "faster checkout page", first: (page) => page.getByRole("button", { name: "Undeploy …" }).click() },
  freeze: { address: `${base}/freezes`, sign: "Freezes", first: openNewFreeze },
  unfreeze: { address: `${base}/freezes`, sign: "Remove …", first: (page) => page.getByRole("button", { name: "Remove …" }).first().click() },
  lock: { address: `${base}/env/production`, sign: "What is active", first: (page) => page.getByRole("button", { name: "Lock …" }).click() },
  nowhere: { address: `${base}/nowhere/x`, sign: "There is nothing" },
  reference: { address: `${given.url}/docs#deployRelease`, sign: "deployments:deploy" },
};

const WIDTH = 1280;
/** View, scheme and height in CSS pixels: without the room below that shows nothing. */
const IN_DOCS = [
  ["matrix", "light", 460],
  ["matrix", "dark", 460],
  ["environment", "light", 660],
  ["compare", "light", 420],
  ["deploy", "light", 660],
  ["reference", "light", 660],
];

const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
try {
  await (given.all ? everything() : forDocs());
} finally {
  await browser.close();
}

async function everything() {
  for (const scheme of ["light", "dark"]) {
    for (const width of [1280, 360]) {
      const page = await loggedIn(scheme, width, width === 360 ? 740 : 800);
      for (const name of given.views.length ? given.views : Object.keys(VIEWS)) await take(page, name, `${name}-${scheme}-${width}.png`);
      await page.close();
    }
  }
}

async function forDocs() {
  for (const scheme of ["light", "dark"]) {
    const page = await loggedIn(scheme, WIDTH, 660);
    for (const [name, , height] of IN_DOCS.filter(([, wanted]) => wanted === scheme)) {
      await page.setViewportSize({ width: WIDTH, height });
      const file = `page-${name}-${scheme}.png`;
      await take(page, name, file);
      assert(statSync(`${given.folder}/${file}`).size <= LIMIT, `${file} has more than ${LIMIT} bytes`);
    }
    await page.close();
  }
}

async function take(page, name, file) {
  assert(VIEWS[name], `there is no view ${name}, but ${Object.keys(VIEWS).join(", ")}`);
  const { address, sign, first } = VIEWS[name];
  await page.goto(address);
  await page.getByText(sign).first().waitFor();
  await first?.(page);
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${given.folder}/${file}` });
}

async function openNewestChange(page) {
  await page.locator("table.lines time").first().click();
  await page.getByRole("heading", { name: "Change" }).waitFor();
  await page.locator(".turn").waitFor();
}

/** Asks what a deploy would do; nothing is deployed. */
async function checkDeploy(page) {
  await page.getByRole("button", { name: "Deploy …", exact: true }).click();
  await page.getByLabel("Release", { exact: true }).fill("2.5.1");
  await page.getByLabel("Reason").fill("Rounds prices as the law wants it");
  await page.getByRole("button", { name: "Check" }).click();
  await page.getByText("The cluster would accept this").waitFor();
}

/** Asks what taking everything on from staging would do; nothing is deployed. */
async function checkPromotion(page) {
  await page.getByRole("button", { name: "Promote …", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("From").selectOption("staging");
  await dialog.getByRole("button", { name: "Check" }).click();
  await dialog.getByText(/would accept|would change/).waitFor();
}

/** Asks for what the freeze of the demo refuses. */
async function checkRefused(page) {
  await page.getByRole("button", { name: "Deploy …", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("App").fill("web-shop");
  await dialog.getByLabel("Release", { exact: true }).fill("2.4.2");
  await dialog.getByRole("button", { name: "Check" }).click();
  await dialog.getByRole("alert").waitFor();
}

/** Who may not make one has no button for it. */
async function openNewFreeze(page) {
  const button = page.getByRole("button", { name: "New freeze …" });
  if (await button.count()) await button.click();
}

async function loggedIn(scheme, width, height) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(given.url);
  if (given.all) await page.screenshot({ path: `${given.folder}/login-${scheme}-${width}.png` });
  await page.getByLabel("Token").fill(given.tokens.alice);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("button", { name: "Log out" }).waitFor();
  return page;
}
