// Descriptions in the document mark code with backticks.

import type { ComponentChildren } from "preact";

export function prose(text: string): ComponentChildren {
  return text.split(/(`[^`]+`)/).map((part, place) => (part.startsWith("`") && part.length > 1 ? <code key={place}>{part.slice(1, -1)}</code> : part));
}
