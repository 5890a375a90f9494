// Addresses of the page ↔ what they show. Everything that one may want to send to a colleague is in the address.

export type Route =
  | { view: "workspaces" }
  | { view: "matrix"; at: Place }
  | { view: "history"; at: Place; query: Search }
  | { view: "compare"; at: Place; query: Search }
  | { view: "numbers"; at: Place; query: Search }
  | { view: "freezes"; at: Place }
  | { view: "environment"; at: Place; environment: string; query: Search }
  | { view: "binding"; at: Place; environment: string; app: string }
  | { view: "change"; at: Place; environment: string; app: string; line: string }
  | { view: "app"; at: Place; app: string }
  | { view: "nowhere" };

/** A workspace. */
export interface Place {
  org: string;
  workspace: string;
}

export type Search = Readonly<Record<string, string>>;

/** The route of a path and its query. */
export function parse(path: string, search: string): Route {
  const parts = decoded(path);
  if (!parts) return { view: "nowhere" };
  if (!parts.length) return { view: "workspaces" };
  const [head, org, workspace, section, ...rest] = parts;
  if (head !== "w" || !org || !workspace) return { view: "nowhere" };
  const query: Search = Object.fromEntries(new URLSearchParams(search));
  return inWorkspace({ org, workspace }, section, rest, query);
}

function inWorkspace(at: Place, section: string | undefined, rest: string[], query: Search): Route {
  const [first, second, third, ...more] = rest;
  if (more.length) return { view: "nowhere" };
  if (section === undefined) return { view: "matrix", at };
  if (first === undefined) {
    if (section === "history" || section === "compare" || section === "numbers") return { view: section, at, query };
    return section === "freezes" ? { view: "freezes", at } : { view: "nowhere" };
  }
  if (section === "app" && second === undefined) return { view: "app", at, app: first };
  if (section !== "env") return { view: "nowhere" };
  if (second === undefined) return { view: "environment", at, environment: first, query };
  if (third === undefined) return { view: "binding", at, environment: first, app: second };
  return { view: "change", at, environment: first, app: second, line: third };
}

function decoded(path: string): string[] | null {
  try {
    return path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return null; // A broken escape is an address that nobody made.
  }
}

/** The address of a route. */
export function href(route: Exclude<Route, { view: "nowhere" }>): string {
  if (route.view === "workspaces") return "/";
  const base = `/w/${encodeURIComponent(route.at.org)}/${encodeURIComponent(route.at.workspace)}`;
  return base + tail(route);
}

function tail(route: Exclude<Route, { view: "nowhere" } | { view: "workspaces" }>): string {
  switch (route.view) {
    case "matrix":
      return "";
    case "freezes":
      return "/freezes";
    case "history":
    case "compare":
    case "numbers":
      return `/${route.view}${searchOf(route.query)}`;
    case "environment":
      return `/env/${encodeURIComponent(route.environment)}${searchOf(route.query)}`;
    case "binding":
      return `/env/${encodeURIComponent(route.environment)}/${encodeURIComponent(route.app)}`;
    case "change":
      return `/env/${[route.environment, route.app, route.line].map(encodeURIComponent).join("/")}`;
    case "app":
      return `/app/${encodeURIComponent(route.app)}`;
  }
}

function searchOf(query: Search): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  return kept.length ? `?${new URLSearchParams(kept).toString()}` : "";
}
