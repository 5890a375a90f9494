// Filtering by typing: every word must occur somewhere.

/** The words of a filter, lower case. */
export function words(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** The items whose text holds every word. `textOf` must give lower case; it is asked once for each item. */
export function matching<T>(items: readonly T[], filter: string, textOf: (item: T) => string): readonly T[] {
  const wanted = words(filter);
  if (!wanted.length) return items;
  return items.filter((item) => {
    const text = textOf(item);
    return wanted.every((word) => text.includes(word));
  });
}
