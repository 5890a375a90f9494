// What people look at on the page, and leave as it is: all of these journeys go through one workspace. Each says what
// people see; it waits for that and for nothing else.

import assert from "node:assert/strict";

import { leave, turnTo } from "./acts.mjs";
import { expect } from "./expect.mjs";

export const journeys = {
  async "find a release"({ person, at }) {
    const page = await person("alice");
    await page.goto(at());
    await page.getByRole("row", { name: /web-shop/ }).getByText("2.4.0").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("SEARCH");
    await expect.count(page.locator("tbody th[scope=row]"), 1);
    await page.getByText("1 of 3 apps").waitFor();
    await page.getByLabel("Filter").fill("nothing like this");
    await page.getByRole("button", { name: "Clear the filter" }).click();
    await expect.count(page.locator("tbody th[scope=row]"), 3);
    await page.getByLabel("Only what differs").check();
    await expect.count(page.locator("tbody th[scope=row]"), 2);
  },

  async "log in by a link, once"({ person, given }) {
    const helping = await person("alice");
    await helping.goto(given.url);
    const { path } = await helping.evaluate(async () => {
      const answer = await fetch("/session/links", { method: "POST", headers: { "Content-Type": "application/json" } });
      return answer.json();
    });
    // Who is logged in stays who they are, and does not use the link up.
    const logged = await person("bob");
    await logged.goto(given.url + path);
    await logged.locator(".who").getByText("bob").waitFor();
    assert.equal(await logged.evaluate(() => location.hash), "");
    const first = await person(null);
    await first.goto(given.url + path);
    await first.locator(".who").getByText("alice").waitFor();
    assert.equal(await first.evaluate(() => location.hash), "");
    const second = await person(null);
    await second.goto(given.url + path);
    await second.getByLabel("Token").waitFor();
    assert.equal(await second.evaluate(() => location.hash), "");
  },

  async "see what differs"({ person, at }) {
    const page = await person("viewer");
    await page.goto(at("/compare"));
    await page.getByRole("combobox", { name: "From" }).selectOption("staging");
    await page.getByRole("combobox", { name: "To" }).selectOption("production");
    await page.getByText("2 of 3 apps differ").waitFor();
    await page.getByRole("row", { name: /web-shop.*2\.4\.0.*2\.3\.0/ }).waitFor();
    await page.getByRole("button", { name: "Swap" }).click();
    await page.getByRole("row", { name: /web-shop.*2\.3\.0.*2\.4\.0/ }).waitFor();
    await page.reload();
    await page.getByRole("row", { name: /web-shop.*2\.3\.0.*2\.4\.0/ }).waitFor();
  },

  async "look into the past"({ person, at, given }) {
    const page = await person("viewer");
    await page.goto(at("/env/staging"));
    const active = page.locator("table.active").getByRole("row", { name: /web-shop/ });
    await active.getByText("2.4.0").waitFor();
    await page.goto(at(`/env/staging?at=${given.before}`));
    await active.getByText("2.3.0").waitFor();
    // Since when it was there, and by whom.
    await active.locator(`time[datetime='${given.before}']`).waitFor();
    await active.getByText("· admin").waitFor();
    await page.getByRole("button", { name: "Back to now" }).click();
    await active.getByText("2.4.0").waitFor();
    await active.locator("time").click();
    await page.locator(".turn").getByText("2.4.0").waitFor();
  },

  async "read one change"({ person, at }) {
    const page = await person("viewer");
    await page.goto(at("/env/staging/web-shop"));
    const time = page.getByRole("row", { name: /2\.4\.0/ }).locator("time").first();
    assert.match(await time.getAttribute("title"), /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    await time.click();
    await page.getByRole("heading", { name: "Change" }).waitFor();
    await page.locator(".turn").getByText("2.3.0").waitFor();
    await page.locator(".turn").getByText("2.4.0").waitFor();
    await page.locator("dd code").getByText(/^[0-9a-f]{64}$/).waitFor();
  },

  async "may look and not touch"({ person, at }) {
    const page = await person("viewer");
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("heading", { name: "web-shop" }).waitFor();
    await page.getByRole("row", { name: /2\.4\.0/ }).first().waitFor();
    for (const name of ["Deploy …", "Roll back …", "Undeploy …"]) assert.equal(await page.getByRole("button", { name }).count(), 0);
  },

  async "be no stranger"({ person, at, given }) {
    const page = await person(null);
    await page.goto(at());
    await page.getByLabel("Token").fill("not-a-token");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("The cluster does not accept this token").waitFor();
    assert.equal(await page.getByLabel("Token").inputValue(), "");
    await page.getByLabel("Token").fill(given.tokens.alice);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.locator(".who").getByText("alice").waitFor();
    await page.getByRole("row", { name: /web-shop/ }).getByText("2.4.0").waitFor();
  },

  async "see how delivery goes"({ person, at }) {
    const page = await person("viewer");
    await page.goto(at());
    // A facade that is busy with the same question is asked again in a moment, and nobody hears of it.
    const busy = { error: "SERVICE_UNAVAILABLE", message: "You wait for numbers already", details: { reason: "Busy" } };
    await page.route("**/metrics/dora?*", (route) => route.fulfill({ status: 503, json: busy }), { times: 2 });
    await page.getByRole("link", { name: "Numbers", exact: true }).click();
    const staging = page.getByRole("row", { name: /^staging/ });
    await staging.getByText("nothing failed in this time").waitFor();
    assert.equal(await page.getByText("You wait for numbers already").or(page.locator(".banner")).count(), 0);
    await page.getByLabel("Time", { exact: true }).selectOption({ label: "the last 7 days" });
    await staging.getByRole("link", { name: "staging" }).click();
    await page.getByRole("heading", { name: "Numbers: staging" }).waitFor();
    await expect.count(page.locator(".numbers tbody th[scope=row]"), 3);
    assert.equal(new URL(page.url()).searchParams.get("days"), "7");
    // Over time: as a picture with a name, and as a table that says the same.
    const plot = page.getByRole("img", { name: "Deployments over time: staging" });
    await plot.waitFor();
    assert.match(await plot.locator("desc").textContent(), /highest 4. Known for 7 of 7 steps/);
    await page.getByText("As a table").click();
    const today = page.getByRole("region", { name: "As a table" }).locator("tbody tr");
    await expect.count(today, 7);
    // The day of the deployments, which may be over by now.
    await expect.count(today.filter({ has: page.locator("td:first-of-type", { hasText: /^4$/ }) }), 1);
    await page.getByLabel("Time", { exact: true }).selectOption({ label: "the last 90 days" });
    await page.getByRole("heading", { name: "Week by week" }).waitFor();
    await page.getByText("As a table").click();
    await expect.count(today, 13);
  },

  async "ask on a phone what changed in the last hour"({ person, at }) {
    const page = await person("viewer", { width: 360, height: 740 });
    await page.goto(at("/history"));
    await page.getByRole("button", { name: "Last hour" }).click();
    const newest = page.getByRole("row", { name: /2\.4\.0/ }).first();
    await newest.waitFor();
    const since = Date.parse(new URL(page.url()).searchParams.get("since"));
    assert(Math.abs(Date.now() - since - 3_600_000) < 600_000, page.url());
    assert(await newest.evaluate((row) => row.getBoundingClientRect().bottom <= innerHeight), "the newest change is seen only after scrolling");
    // What happened, where, by whom and why: nothing of it lies beside the screen.
    const beside = await newest.evaluate((row) => [...row.cells].filter((cell) => cell.getBoundingClientRect().right > innerWidth).map((cell) => cell.textContent));
    assert(beside.length === 0, `beside the screen: ${beside.join(", ")}`);
    await page.getByText("Filter", { exact: true }).click();
    await page.getByLabel("Person").fill("nobody");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByText("No change matches").waitFor();
    await page.getByText("Filter", { exact: true }).click();
    await page.getByRole("button", { name: "Reset" }).click();
    await newest.waitFor();
  },

  async "log out"({ person, at }) {
    const page = await person("alice");
    await page.goto(at());
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    await page.reload();
    await page.getByLabel("Token").waitFor();
  },

  async "go by the keyboard alone"({ person, at }) {
    const page = await person("alice");
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("button", { name: "Deploy …", exact: true }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("main:focus").waitFor();
    const opener = page.locator("button:focus", { hasText: "Deploy …" });
    for (let step = 0; step < 9 && !(await opener.count()); step += 1) await page.keyboard.press("Tab");
    await opener.waitFor();
    await page.keyboard.press("Enter");
    // Who opens the form can type at once, stays in it, and is back where they were after leaving it.
    await page.getByRole("dialog").getByLabel("Release", { exact: true }).and(page.locator(":focus")).waitFor();
    await page.keyboard.type("2.5.0");
    await page.keyboard.press("Enter");
    await page.getByText("web-shop 2.5.0 would become active in staging.").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await opener.waitFor();
    // A link leads to the top of what it opens.
    await page.getByRole("link", { name: "In the other environments" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Where it is" }).waitFor();
    await page.locator("main:focus").waitFor();
  },

  async "everybody can use it"({ person, at, given, axe, fits }) {
    const views = [
      ["", "web-shop"],
      ["/env/staging", "What is active"],
      [`/env/staging?at=${given.before}`, "Back to now"],
      ["/env/staging/web-shop", "History in this environment"],
      ["/app/web-shop", "History across environments"],
      ["/compare", "Choose two environments"],
      ["/compare?from=staging&to=production", "apps differ"],
      ["/history", "Last hour"],
      ["/numbers", "Time to restore"],
      ["/numbers?environment=staging", "Day by day"],
      ["/freezes", "No freeze in this workspace"],
      ["/nowhere/x", "There is nothing"],
      ["/env/nowhere", "This could not be loaded"],
      ["/env/nowhere/web-shop", "This could not be loaded"],
    ];
    const dialogs = [
      ["/env/staging", "Deploy …"],
      ["/env/staging", "Promote …"],
      ["/env/staging", "Lock …"],
      ["/env/staging/web-shop", "Roll back …"],
      ["/env/staging/web-shop", "Undeploy …"],
    ];
    for (const [scheme, width] of [["light", 1280], ["dark", 320]]) {
      const page = await person("alice", { scheme, width });
      await page.goto(given.url);
      await page.getByRole("link", { name: given.workspace }).waitFor();
      await axe(page);
      await fits(page);
      for (const [path, sign] of views) {
        await turnTo(page, at(path));
        await page.getByText(sign).first().waitFor();
        await axe(page);
        await fits(page);
      }
      for (const [path, name] of dialogs) {
        await turnTo(page, at(path));
        await page.getByRole("button", { name, exact: true }).click();
        await page.getByRole("dialog").waitFor();
        await axe(page);
        await fits(page);
        await leave(page);
      }
      await page.locator("table.lines time").first().click();
      await page.locator(".turn").waitFor();
      await axe(page);
      await fits(page);
      const stranger = await person(null, { scheme, width });
      await stranger.goto(at());
      await stranger.getByLabel("Token").waitFor();
      await axe(stranger);
      await fits(stranger);
    }
    // Large text, as with a zoom of 200 %: half as many pixels of the page in each direction.
    const large = await person("alice", { width: 640, height: 400 });
    for (const path of ["", "/env/staging", "/numbers?environment=staging"]) {
      await large.goto(at(path));
      await large.getByText("web-shop").first().waitFor();
      await fits(large);
    }
  },

  async "read the reference"({ person, given, axe, fits }) {
    const page = await person("viewer");
    await page.goto(`${given.url}/docs#deployRelease`);
    const section = page.locator("section#deployRelease");
    await section.getByText("deployments:deploy").first().waitFor();
    await section.getByRole("button", { name: "Python" }).click();
    await section.getByText("import httpx").waitFor();
    await page.getByRole("searchbox").fill("listWorkspaces");
    await expect.count(page.locator("section.operation"), 1);
    await page.getByText("Try it").click();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(`"workspace_id": "${given.workspace}"`).waitFor();
    await axe(page);
    await fits(page);
  },
};
