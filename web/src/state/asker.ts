// Asking a question again and again: when there is news, when the facade is busy, and when it failed for a reason that passes.

import type { Answer } from "../api/client";
import { isBusy } from "./session";

/** How long to wait before a question is asked again of a facade that is busy, or that failed for a reason that passes. */
const BUSY_MILLIS = 1_000;
const PASSING_MILLIS = 5_000;
/** How long an answer is waited for when there is news. */
const PATIENCE_MILLIS = 10_000;
/** No answer, too many requests, and no connection to the cluster. */
const PASSING: ReadonlySet<number> = new Set([0, 429, 503]);

/** Asks one question, as often as it is told to, once at a time. */
export class Asker {
  private control: AbortController | null = null;
  private began = 0;
  private missed = false;
  private later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly question: (signal: AbortSignal) => Promise<Answer<unknown>>,
    private readonly tell: (answer: Answer<unknown>) => void,
  ) {}

  /**
   * Ask, or ask again when the answer that is under way has come: it may be older than the news. An answer that is not
   * there after ten seconds is not waited for any longer.
   */
  ask(): void {
    clearTimeout(this.later);
    if (this.control && Date.now() - this.began < PATIENCE_MILLIS) {
      this.missed = true;
      return;
    }
    this.stop();
    const control = new AbortController();
    this.control = control;
    this.began = Date.now();
    this.missed = false;
    this.question(control.signal)
      .then((answer) => {
        if (!control.signal.aborted) this.take(answer);
      })
      .catch((error: unknown) => {
        if (!control.signal.aborted) throw error;
      });
  }

  /** Forget the question. */
  stop(): void {
    this.control?.abort();
    this.control = null;
    clearTimeout(this.later);
  }

  private take(answer: Answer<unknown>): void {
    this.control = null;
    // The facade may still work on a question that news has made us ask twice: that is not a failure to tell.
    const busy = !answer.ok && isBusy(answer.failure);
    if (!busy) this.tell(answer);
    if (this.missed) this.ask();
    else if (!answer.ok && (busy || PASSING.has(answer.failure.status))) {
      this.later = setTimeout(() => this.ask(), busy ? BUSY_MILLIS : PASSING_MILLIS);
    }
  }
}
