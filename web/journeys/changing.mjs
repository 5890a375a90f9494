// What people change by the page, each in a workspace of their own. A journey says what they see; it waits for that and
// for nothing else.

import assert from "node:assert/strict";

import { acrossTheMatrix, checkAndSend, turnTo } from "./acts.mjs";
import { expect } from "./expect.mjs";

export const journeys = {
  async "deploy, with a dry run first"({ person, at }) {
    const page = await person("bob");
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("button", { name: "Deploy …", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Release", { exact: true }).fill("2.5.0");
    await dialog.getByLabel("Reason").fill("Fixes the rounding");
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByText("web-shop 2.5.0 would become active in staging.").waitFor();
    // What was checked is what is sent: an edit asks again.
    await dialog.getByLabel("Release", { exact: true }).fill("2.5.1");
    await dialog.getByRole("button", { name: "Check" }).waitFor();
    await checkAndSend(page, "Deploy");
    await expect.text(page.locator(".current .release"), "2.5.1");
    await page.getByRole("row", { name: /2\.5\.1.*bob.*Fixes the rounding/ }).waitFor();
    assert.equal(await page.getByText("2.5.0").count(), 0);
  },

  async "be refused in the words of the policy"({ person, at }) {
    const page = await person("alice");
    await page.goto(at("/env/production"));
    await page.getByRole("button", { name: "Lock …", exact: true }).click();
    await page.getByLabel("Reason").fill("Quarter end");
    await checkAndSend(page, "Lock");
    await page.locator(".facts").getByText("Locked by alice").waitFor();
    await page.getByRole("button", { name: "Deploy …", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("App").fill("web-shop");
    await dialog.getByLabel("Release", { exact: true }).fill("2.4.0");
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByRole("alert").getByText("environment production is locked by alice: Quarter end").waitFor();
    assert.equal(await dialog.getByRole("button", { name: "Deploy", exact: true }).count(), 0);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Unlock …" }).click();
    await checkAndSend(page, "Unlock");
    await page.locator(".facts").getByText("Locked by alice").waitFor({ state: "detached" });
    await page.locator(".facts").getByText("Unlocked by alice").waitFor();
    // The button that had the focus is gone: who goes by keys is still in the content.
    await page.locator("main:focus").waitFor();
  },

  async "let a lock end by itself"({ person, at }) {
    const page = await person("alice");
    await page.goto(at("/env/production"));
    await page.getByRole("button", { name: "Lock …", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Reason").fill("Stocktaking");
    await dialog.getByLabel("Until").fill("2099-12-31T23:00:00");
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByText("would take no release changes until 31 Dec 2099, 23:00:00").waitFor();
    await dialog.getByRole("button", { name: "Lock", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    await page.locator(".facts time[datetime='2099-12-31T22:00:00Z']").waitFor();
    await page.getByRole("button", { name: "Change lock …" }).click();
    assert.equal(await dialog.getByLabel("Reason").inputValue(), "Stocktaking");
    await dialog.getByLabel("Until").fill("");
    await checkAndSend(page, "Lock");
    await page.locator(".facts time[datetime='2099-12-31T22:00:00Z']").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Unlock …" }).click();
    await checkAndSend(page, "Unlock");
  },

  async "roll back and take out"({ person, at }) {
    const page = await person("bob");
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("button", { name: "Roll back …" }).click();
    await page.getByLabel("Go back to").selectOption("2.3.0");
    await checkAndSend(page, "Roll back");
    await expect.text(page.locator(".current .release"), "2.3.0");
    await page.getByRole("row", { name: /rolled back.*2\.3\.0.*bob/ }).waitFor();
    await page.getByRole("button", { name: "Undeploy …" }).click();
    await checkAndSend(page, "Undeploy");
    await page.locator(".current").getByText("not deployed").waitFor();
  },

  async "hear of a change that somebody else makes"({ person, at, given }) {
    const [watching, changing] = [await person("viewer"), await person("bob")];
    await changing.goto(at());
    await watching.goto(at());
    await watching.getByText("Live", { exact: true }).waitFor();
    const answer = await changing.evaluate(
      async ([path, body]) => (await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).status,
      [`/v1/orgs/${given.org}/workspaces/${given.workspace}/environments/staging/deploy`, { app_id: "search", release_id: "0.15.0" }],
    );
    assert.equal(answer, 200);
    await watching.getByRole("row", { name: /search/ }).getByText("0.15.0").waitFor();
  },

  async "find a release in one of many environments"({ person, at, given, axe, fits }) {
    const page = await person("alice");
    await page.goto(given.url);
    const environments = `/v1/orgs/${given.org}/workspaces/${given.workspace}/environments`;
    const made = await page.evaluate(async (path) => {
      const headers = { "Content-Type": "application/json" };
      const body = (number) => JSON.stringify({ name: `Place ${number}`, slug: `place-${number}` });
      const answers = Array.from({ length: 14 }, (_unused, number) => fetch(path, { method: "POST", headers, body: body(number + 10) }));
      return (await Promise.all(answers)).map((answer) => answer.status);
    }, environments);
    assert.deepEqual(new Set(made), new Set([201]));
    await page.goto(at());
    const row = page.getByRole("row", { name: /search/ });
    const [head, cell] = [page.locator('thead a[href$="/env/staging"]'), row.getByText("0.14.0")];
    await row.waitFor();
    await expect.count(cell, 0);
    // Who goes by keys, or listens, comes to every column by its link; what stands below it is drawn by then.
    await head.focus();
    await cell.waitFor();
    const places = await page.evaluate(() => {
      const place = (one) => [one.getAttribute("aria-colindex"), Math.round(one.getBoundingClientRect().left)];
      const found = [...document.querySelectorAll("tbody code")].find((one) => one.textContent === "0.14.0");
      return [place(found.closest("td")), place(document.querySelector('thead a[href$="/env/staging"]').closest("th"))];
    });
    assert.deepEqual(places[0], places[1]);
    await axe(page);
    await fits(page);
    await acrossTheMatrix(page);
  },

  async "run no script of a stranger"({ person, at, given }) {
    const page = await person("viewer");
    for (const path of ["", "/env/staging", "/env/staging/web-shop", "/env/staging/web-shop?at=<script>alert(1)</script>", "/app/web-shop", "/app/<img src=x onerror=alert(1)>", "/freezes", "/history", "/env/odd-0", "/env/production", "/compare?from=staging&to=production", "/numbers"]) {
      await page.goto(at(path));
      await page.locator("main a").first().waitFor();
    }
    await page.goto(at());
    await acrossTheMatrix(page);
    // All of them are there, as texts.
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("button", { name: "Older changes" }).click();
    for (const text of given.each) await page.locator("td.reason").getByText(text, { exact: true }).first().waitFor();
    for (const [path, where, texts] of [["", "thead", given.each], ["/freezes", "td.reason", given.hostile], ["/env/staging", ".candidates", given.hostile]]) {
      await page.goto(at(path));
      for (const text of texts) await page.locator(where).getByText(text).first().waitFor();
    }
    for (const [number, text] of given.hostile.entries()) {
      await turnTo(page, at(`/env/odd-${number}`));
      for (const where of [".description", ".facts"]) await page.locator(where).getByText(text).waitFor();
    }
    await page.goto(at("/env/staging"));
    for (const [number, text] of given.hostile.entries()) {
      await page.locator(".verdicts li").filter({ hasText: `clusterfreeze/odd-${number}` }).getByText(text).first().waitFor();
    }
    await page.goto(at("/app/of-a-stranger"));
    for (const text of given.hostile) await page.getByText(text).first().waitFor();
  },
};
