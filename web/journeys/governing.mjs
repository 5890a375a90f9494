// What people do where a release has to be proven and approved, where it is frozen, and when something is down.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { checkAndSend, comingBack } from "./acts.mjs";
import { expect } from "./expect.mjs";
import { ask } from "./talk.mjs";

const PRODUCTION = "/env/production";

export const journeys = {
  async "promote when a second person has agreed"({ person, at, axe, picture }) {
    const [deployer, approver] = [await person("bob"), await person("dave")];
    await deployer.goto(at());
    await deployer.getByText("Protected").waitFor();
    await picture(deployer, "matrix");
    await deployer.goto(at(PRODUCTION));
    const next = deployer.locator(".candidates li").filter({ hasText: "web-shop" });
    await next.getByText("1 of 1 approval missing").waitFor();
    assert.equal(await deployer.getByRole("button", { name: "Approve …" }).count(), 0);
    await picture(deployer, "waiting");

    // Somebody says no first.
    await approver.goto(at(PRODUCTION));
    await approver.getByRole("button", { name: "Approve … web-shop" }).click();
    const dialog = approver.getByRole("dialog");
    await dialog.getByText("takes a release only with 1 approval").waitFor();
    await dialog.getByLabel("Reject").check();
    await dialog.getByLabel("Comment").fill("It rounds wrongly");
    await axe(approver);
    await checkAndSend(approver, "Reject");
    await next.getByText("rejected", { exact: true }).waitFor();
    await approver.getByText("rejected web-shop 2.4.0").waitFor();
    await approver.getByRole("button", { name: "Take back …" }).click();
    await checkAndSend(approver, "Take back");
    await next.getByText("1 of 1 approval missing").waitFor();

    // Promoting is refused until somebody else says yes.
    await next.getByRole("button", { name: "Promote …" }).click();
    const promoting = deployer.getByRole("dialog");
    await promoting.getByText("takes a release only with 1 approval").first().waitFor();
    await promoting.getByRole("button", { name: "Check" }).click();
    await promoting.getByText("Nothing would change").waitFor();
    await picture(deployer, "promote-refused");
    assert.equal(await promoting.getByRole("button", { name: "Promote", exact: true }).count(), 0);
    await promoting.getByRole("button", { name: "Cancel" }).click();
    await approver.getByRole("button", { name: "Approve … web-shop" }).click();
    await picture(approver, "approve");
    await checkAndSend(approver, "Approve");
    await next.getByText("may enter").waitFor();

    await next.getByRole("button", { name: "Promote …" }).click();
    await promoting.getByRole("button", { name: "Check" }).click();
    await promoting.getByText("The cluster would accept this").waitFor();
    await axe(deployer);
    await picture(deployer, "promote");
    await promoting.getByRole("button", { name: "Promote", exact: true }).click();
    await promoting.waitFor({ state: "detached" });
    await deployer.getByRole("row", { name: /web-shop.*2\.4\.0.*bob/ }).first().waitFor();
    await next.waitFor({ state: "detached" });
  },

  async "pass a freeze with a reason, or not at all"({ person, at, given, axe, picture }) {
    const [deployer, manager] = [await person("bob"), await person("user-01")];
    for (const [page, may] of [[deployer, false], [manager, true]]) {
      await page.goto(at(PRODUCTION));
      await page.locator(".facts li").filter({ hasText: /Closed.*frozen by freeze\/audit: Quarter end.*opens in/ }).waitFor();
      await page.getByRole("button", { name: "Deploy …", exact: true }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("App").fill("search");
      await dialog.getByLabel("Release", { exact: true }).fill("0.15.0");
      await dialog.getByRole("button", { name: "Check" }).click();
      await dialog.getByRole("alert").getByText("environment production is frozen by freeze/audit: Quarter end").waitFor();
      await dialog.locator(`.verdicts time[datetime='${given.opens}']`).waitFor();
      assert.equal(await dialog.getByRole("checkbox", { name: "freeze/audit" }).count(), may ? 1 : 0);
    }
    const dialog = manager.getByRole("dialog");
    await dialog.getByRole("checkbox", { name: "freeze/audit" }).check();
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByText("an override needs a reason").waitFor();
    await axe(manager);
    await picture(manager, "override");
    await dialog.getByLabel("Reason").fill("Outage 4711");
    await checkAndSend(manager, "Deploy");
    await manager.getByRole("row", { name: /search.*0\.15\.0.*user-01.*Outage 4711/ }).first().waitFor();
    await manager.goto(at("/env/production/search"));
    await manager.locator("table.lines time").first().click();
    await manager.getByText("freeze/audit").waitFor();
  },

  async "see that a list is cut"({ person, at }) {
    const page = await person("bob");
    await page.goto(at(PRODUCTION));
    await page.getByText("The first 200 of 203 are shown").waitFor();
    await expect.count(page.locator(".candidates li"), 200);
    await page.goto(at(`${PRODUCTION}/many-200`));
    await expect.count(page.locator(".candidates li"), 1);
    assert.equal(await page.getByText("are shown").count(), 0);
  },

  async "be attacked by a page of somebody else"({ person, at, given }) {
    const page = await person("bob");
    const target = `${given.url}/v1/orgs/${given.org}/workspaces/${given.workspace}/environments/staging/deploy`;
    const body = JSON.stringify({ app_id: "web-shop", release_id: "6.6.6" });
    // The same host and another port: what a browser calls the same site, so cookies would be sent along.
    const html = `<!doctype html><form method="post" enctype="text/plain" action="${target}"><input name='${body.slice(0, -1)},"reason":"' value='"}'></form>`;
    const server = createServer((_request, response) => response.setHeader("Content-Type", "text/html").end(html));
    await new Promise((done) => server.listen(0, new URL(given.url).hostname, done));
    const stranger = await page.context().newPage();
    await stranger.goto(`http://${new URL(given.url).hostname}:${server.address().port}/`);
    const answers = [];
    page.context().on("response", (response) => response.url() === target && answers.push(response.status()));
    await stranger.evaluate(
      async ([path, content]) => {
        for (const [mode, type] of [["no-cors", "text/plain"], ["no-cors", "application/json"], ["cors", "application/json"]]) {
          await fetch(path, { method: "POST", mode, credentials: "include", headers: { "Content-Type": type }, body: content }).catch(() => null);
        }
      },
      [target, body],
    );
    await stranger.evaluate(() => document.forms[0].submit());
    await stranger.getByText("FORBIDDEN").or(stranger.getByText("AUTHENTICATION_FAILED")).or(stranger.getByText("UNSUPPORTED_MEDIA_TYPE")).waitFor();
    assert(answers.length >= 3, `the attacks did not arrive: ${answers}`);
    assert.deepEqual(answers.filter((status) => status < 400), []);
    await stranger.close();
    server.close();
    await page.goto(at("/env/staging/web-shop"));
    await page.locator(".current").getByText("2.4.0").waitFor();
    assert.equal(await page.getByText("6.6.6").count(), 0);
  },

  async "hear that nobody records"({ person, at, picture }) {
    const page = await person("bob");
    await ask("stop the operator");
    await page.goto(at("/env/staging/search"));
    await page.getByRole("button", { name: "Deploy …", exact: true }).click();
    await page.getByRole("dialog").getByLabel("Release", { exact: true }).fill("0.15.0");
    await checkAndSend(page, "Deploy");
    await page.getByText("not recorded yet").waitFor();
    // A minute later, by the clock of the page.
    await page.clock.install({ time: Date.now() + 60_000 });
    for (const path of ["", "/env/staging"]) {
      await page.goto(at(path));
      await page.getByText("The operator does not record changes").first().waitFor();
      await page.getByText("0.15.0").first().waitFor();
    }
    await picture(page, "unrecorded");
  },

  async "hear that nobody records before anything is changed"({ person, at, axe, given, picture }) {
    const page = await person("bob");
    const banner = page.locator(".banner").getByText("The operator does not record changes: it worked last at");
    await page.goto(at("/env/staging/search"));
    await page.getByRole("button", { name: "Deploy …", exact: true }).waitFor();
    await ask("stop the operator");
    await comingBack(page, banner, "visible", 4 * given.patience);
    await page.getByRole("button", { name: "Deploy …", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("The operator does not record changes at present").waitFor();
    await axe(page);
    await picture(page, "silent");
    await dialog.getByLabel("Release", { exact: true }).fill("0.15.0");
    await checkAndSend(page, "Deploy");
    await page.getByText("not recorded yet").waitFor();
    await ask("start it");
    await comingBack(page, banner, "detached", 4 * given.patience);
    await page.getByText("not recorded yet").waitFor({ state: "detached" });
  },

  async "hear that the cluster is away"({ person, at, given, picture }) {
    const page = await person("viewer");
    await page.goto(at());
    await page.getByRole("row", { name: /web-shop/ }).getByText("2.4.0").waitFor();
    const banner = page.getByText("The cluster does not answer. What is shown is from");
    await ask("cut the cluster off");
    await comingBack(page, banner, "visible", 4 * given.patience);
    await page.getByRole("row", { name: /web-shop/ }).getByText("2.4.0").waitFor();
    await page.getByText("Not live", { exact: true }).waitFor();
    await picture(page, "away");
    await ask("mend it");
    await comingBack(page, banner, "detached", 4 * given.patience);
    // No answer of before speaks for the one of now.
    await page.locator(".banner").waitFor({ state: "detached" });
  },
};
