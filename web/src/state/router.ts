// Where the reader is. The address is the state: going back, reloading and sending it to a colleague all work.

import { signal } from "@preact/signals";

import { href, parse, type Route } from "../model/route";

export const route = signal<Route>(parse(location.pathname, location.search));

addEventListener("popstate", () => {
  route.value = parse(location.pathname, location.search);
});

/** Go to a route. `replace` keeps no step back, as for a filter that is being typed. */
export function go(to: Exclude<Route, { view: "nowhere" }>, options: { replace?: boolean } = {}): void {
  const address = href(to);
  if (options.replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  route.value = to;
  if (options.replace) return;
  scrollTo(0, 0);
  // Who goes by keys or listens is at the top of the new view, and not where a link was that is gone.
  document.getElementById("content")?.focus({ preventScroll: true });
}
