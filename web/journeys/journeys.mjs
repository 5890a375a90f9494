// What people do on the page. Each journey says what they see; it waits for that and for nothing else.

import assert from "node:assert/strict";

import { checkAndSend } from "./acts.mjs";
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

  async "log in by a link, once"({ person, given }) {
    const helping = await person("alice");
    await helping.goto(given.url);
    const { path } = await helping.evaluate(async () => {
      const answer = await fetch("/session/links", { method: "POST", headers: { "Content-Type": "application/json" } });
      return answer.json();
    });
    const first = await person(null);
    await first.goto(given.url + path);
    await first.locator(".who").getByText("alice").waitFor();
    assert.equal(await first.evaluate(() => location.hash), "");
    const second = await person(null);
    await second.goto(given.url + path);
    await second.getByLabel("Token").waitFor();
    assert.equal(await second.evaluate(() => location.hash), "");
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
    await page.getByRole("link", { name: "Numbers", exact: true }).click();
    const staging = page.getByRole("row", { name: /^staging/ });
    await staging.getByText("nothing failed in this time").waitFor();
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
    await expect.text(today.first().locator("td").first(), "4");
    await page.getByLabel("Time", { exact: true }).selectOption({ label: "the last 90 days" });
    await page.getByRole("heading", { name: "Week by week" }).waitFor();
    await page.getByText("As a table").click();
    await expect.count(today, 13);
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
      ["/history", "Person"],
      ["/numbers", "Time to restore"],
      ["/numbers?environment=staging", "Day by day"],
      ["/freezes", "No freeze in this workspace"],
      ["/nowhere/x", "There is nothing"],
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
      for (const [path, sign] of views) {
        await page.goto(at(path));
        await page.getByText(sign).first().waitFor();
        await axe(page);
        await fits(page);
      }
      for (const [path, name] of dialogs) {
        await page.goto(at(path));
        await page.getByRole("button", { name, exact: true }).click();
        await page.getByRole("dialog").waitFor();
        await axe(page);
        await fits(page);
      }
      await page.goto(at("/env/staging/web-shop"));
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

  async "run no script of a stranger"({ person, at, given }) {
    const page = await person("viewer");
    for (const path of ["", "/env/staging", "/env/staging/web-shop", "/env/staging/web-shop?at=<script>alert(1)</script>", "/app/web-shop", "/app/<img src=x onerror=alert(1)>", "/freezes", "/history", "/env/odd-0", "/env/production", "/compare?from=staging&to=production", "/numbers"]) {
      await page.goto(at(path));
      await page.locator("main a").first().waitFor();
    }
    // All of them are there, as texts.
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("button", { name: "Older changes" }).click();
    for (const text of given.reasons) await page.locator("td.reason").getByText(text, { exact: true }).first().waitFor();
    for (const [path, where] of [["/freezes", "td.reason"], ["/env/staging", ".candidates"], ["", "thead"]]) {
      await page.goto(at(path));
      for (const text of given.hostile) await page.locator(where).getByText(text).first().waitFor();
    }
    await page.goto(at("/env/staging"));
    for (const [number, text] of given.hostile.entries()) {
      await page.locator(".verdicts li").filter({ hasText: `clusterfreeze/odd-${number}` }).getByText(text).first().waitFor();
    }
    await page.goto(at("/app/of-a-stranger"));
    for (const text of given.hostile) await page.getByText(text).first().waitFor();
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
