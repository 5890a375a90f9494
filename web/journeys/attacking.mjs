// What somebody tries who may deploy in one workspace, and wants more than that.

import assert from "node:assert/strict";

export const journeys = {
  async "get no further than one's own rights"({ person, at, given }) {
    const page = await person("bob");
    const { org, workspace } = given.elsewhere;
    const there = `${given.url}/w/${org}/${workspace}`;
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("button", { name: "Deploy …", exact: true }).waitFor();

    // Pages of a workspace of others: each says that it is refused, shows no button and names nothing.
    for (const path of ["", "/env/staging", "/env/staging/secret-app", "/app/secret-app", "/history", "/numbers", "/freezes", "/compare?from=staging&to=staging"]) {
      await page.goto(there + path);
      await page.locator(".note").getByText("Needed:").first().waitFor();
      assert.equal(await page.locator("main button", { hasText: "…" }).count(), 0, path);
      assert.equal(await page.getByText("6.6.0").count(), 0, path);
    }
    await page.goto(given.url);
    assert.equal(await page.getByText(workspace).count(), 0);

    // The same by hand, with the session of the page.
    await page.goto(at());
    await page.locator("tbody th[scope=row]").first().waitFor();
    const asked = (calls) => page.evaluate(
      async (all) => {
        const answers = [];
        for (const [method, path, body, headers] of all) {
          const init = { method, headers: { "Content-Type": "application/json", ...headers } };
          if (body) init.body = JSON.stringify(body);
          answers.push((await fetch(path, init)).status);
        }
        return answers;
      },
      calls,
    );
    const [other, own] = [`/v1/orgs/${org}/workspaces/${workspace}`, `/v1/orgs/${given.org}/workspaces/${given.workspace}`];
    const deploy = { app_id: "web-shop", release_id: "6.6.6" };
    const refused = await asked([
      ["GET", `${other}/matrix`],
      ["GET", `${other}/events`],
      ["GET", `${other}/deployments`],
      ["GET", `${other}/environments/staging?at=2026-01-01T00:00:00Z`],
      ["POST", `${other}/environments/staging/deploy`, deploy],
      ["POST", `${own}/../${workspace}/environments/staging/deploy`, deploy],
      ["PUT", `${own}/environments/staging/lock`, { reason: "mine" }],
      ["PUT", `${own}/environments/staging`, { name: "mine" }],
      ["DELETE", `${own}/environments/staging`],
      ["PUT", `${own}/freezes/mine`, { reason: "mine", yearly: [{ from: "01-01", until: "12-31" }] }],
      ["POST", `${own}/environments/staging/deploy?override=freeze/x`, { ...deploy, reason: "mine" }],
    ]);
    assert.deepEqual(refused.filter((status) => status !== 403 && status !== 404), [], `${refused}`);

    // Headers in which other systems believe change nobody's name.
    const disguised = { "Impersonate-User": "admin", "X-Remote-User": "admin", "X-Forwarded-User": "admin" };
    assert.deepEqual(await asked([["POST", `${own}/environments/staging/deploy`, { app_id: "web-shop", release_id: "2.4.1" }, disguised]]), [200]);
    await page.goto(at("/env/staging/web-shop"));
    await page.getByRole("row", { name: /2\.4\.1.*bob/ }).waitFor();

    // A cookie that is not the one that the facade has sealed is none, and leads to the login.
    const [sealed] = (await page.context().cookies()).filter((one) => one.name.includes("moorage-session"));
    const [middle, end] = [Math.floor(sealed.value.length / 2), sealed.value.length];
    const forged = (place) => sealed.value.slice(0, place) + (sealed.value[place] === "A" ? "B" : "A") + sealed.value.slice(place + 1);
    for (const value of [forged(0), forged(middle), sealed.value.slice(0, end - 4), `${sealed.value}AAAA`, given.tokens.bob.slice(0, 40), "admin"]) {
      await page.context().addCookies([{ ...sealed, value }]);
      await page.goto(at());
      await page.getByLabel("Token").waitFor();
    }
    await page.context().addCookies([sealed]);
    await page.goto(at());
    await page.locator(".who").getByText("bob").waitFor();
  },
};
