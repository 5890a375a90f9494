// Waits until something is so; the bound is that of the browser's context.

export const expect = {
  /** That number of elements is found. */
  async count(locator, wanted) {
    if (wanted > 0) await locator.nth(wanted - 1).waitFor({ state: "attached" });
    await locator.nth(wanted).waitFor({ state: "detached" });
  },

  /** An element has exactly this text. */
  async text(locator, wanted) {
    await locator.and(locator.page().getByText(wanted, { exact: true })).waitFor();
  },
};
