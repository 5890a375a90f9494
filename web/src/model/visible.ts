// Which rows of a long table are drawn: those that are seen, and a few around them.

export interface Range {
  first: number;
  /** One past the last. */
  end: number;
}

/** Rows to draw, for rows of equal height. */
export function visible(scrolled: number, height: number, row: number, count: number, around = 4): Range {
  const first = Math.max(0, Math.floor(scrolled / row) - around);
  const end = Math.min(count, Math.ceil((scrolled + height) / row) + around);
  return { first: Math.min(first, count), end: Math.max(end, Math.min(first, count)) };
}
