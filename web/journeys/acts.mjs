// What people do in many journeys.

/** Send the open dialog: check it, then do it. */
export async function checkAndSend(page, button) {
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Check" }).click();
  await dialog.getByText("The cluster would accept this").waitFor();
  await dialog.getByRole("button", { name: button, exact: true }).click();
  await dialog.waitFor({ state: "detached" });
}

/** Go to another address of the page as a link of it does, without loading the page again. */
export async function turnTo(page, address) {
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, address);
}

/** Leave the open dialog without sending anything. */
export async function leave(page) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** Wait until something is there, or gone, while the reader comes back to the page again and again. */
export async function comingBack(page, locator, state, patience) {
  for (const end = Date.now() + patience; ; ) {
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    try {
      return await locator.waitFor({ state, timeout: 1_000 });
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/** Look at every column of the matrix: those that are not seen are not drawn. */
export async function acrossTheMatrix(page) {
  const columns = Number(await page.locator(".matrix table").getAttribute("aria-colcount"));
  for (let column = 2; column <= columns; column += 1) {
    await page.locator(`.matrix thead th[aria-colindex="${column}"]`).scrollIntoViewIfNeeded();
    await page.locator(`.matrix tbody [aria-colindex="${column}"]`).first().waitFor();
  }
}
