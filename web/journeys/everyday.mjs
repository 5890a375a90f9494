// The questions that people ask every day: each address answers one of them at the first look.

import assert from "node:assert/strict";

/** What a reader takes in as one piece. */
const PIECES = "main :is(tr, li, p, dl, .heading, .current, .turn, .bar)";

export const journeys = {
  async "answer each everyday question in one look"({ person, at, given }) {
    const page = await person("bob");
    for (const { question, path, sees } of given.questions) {
      await page.goto(at(path));
      for (const words of sees) {
        let piece = page.locator(PIECES).filter({ visible: true });
        for (const word of words) piece = piece.filter({ hasText: word });
        try {
          await piece.first().waitFor();
        } catch (error) {
          throw new Error(`${question}: ${path} does not show ${words.join(" … ")} in one piece`, { cause: error });
        }
        const seen = await piece.evaluateAll((found) => found.some((one) => one.getBoundingClientRect().bottom <= innerHeight));
        assert(seen, `${question}: ${words.join(" … ")} is seen only after scrolling ${path}`);
      }
    }
  },
};
