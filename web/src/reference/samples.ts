// The same request in three languages. What is put into them is quoted for each, so that a pasted sample does what it says.

import type { Operation } from "./document";

export interface Request {
  method: string;
  /** Path and query. */
  target: string;
  headers: Readonly<Record<string, string>>;
  /** JSON text; null: no body. */
  body: string | null;
  open: boolean;
}

export type Values = Readonly<Record<string, string>>;

/** The request that values of parameters and a body make. Keys are `<place> <name>`. */
export function request(operation: Operation, values: Values, body: string): Request {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  let path = operation.path;
  for (const one of operation.parameters) {
    const value = values[`${one.place} ${one.name}`] ?? "";
    if (one.place === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(value));
    else if (value && one.place === "query") query.append(one.name, value);
    else if (value && one.place === "header") headers[one.name] = value;
  }
  const search = query.toString();
  return { method: operation.method, target: search ? `${path}?${search}` : path, headers, body: operation.body ? body : null, open: operation.open };
}

/** The values that an operation's own examples give. */
export function examples(operation: Operation): Record<string, string> {
  const given = operation.parameters.filter((one) => one.required);
  return Object.fromEntries(given.map((one) => [`${one.place} ${one.name}`, one.example === undefined ? "" : String(one.example)]));
}

export const LANGUAGES = { curl, Python: python, TypeScript: typescript } as const;

function curl(one: Request, origin: string): string {
  const parts = [`curl -X ${one.method} ${shell(origin + one.target)}`];
  if (!one.open) parts.push('-H "Authorization: Bearer $MOORAGE_TOKEN"');
  for (const [name, value] of Object.entries(one.headers)) parts.push(`-H ${shell(`${name}: ${value}`)}`);
  if (one.body !== null) parts.push(`-H 'Content-Type: application/json'`, `-d ${shell(one.body)}`);
  return parts.join(" \\\n  ");
}

function shell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function python(one: Request, origin: string): string {
  const headers = Object.entries(one.headers).map(([name, value]) => `${literal(name)}: ${literal(value)}`);
  if (!one.open) headers.unshift(`"Authorization": f"Bearer {os.environ['MOORAGE_TOKEN']}"`);
  if (one.body !== null) headers.push(`"Content-Type": "application/json"`);
  const lines = [
    ...(one.open ? [] : ["import os", ""]),
    "import httpx",
    "",
    "answer = httpx.request(",
    `    ${literal(one.method)},`,
    `    ${literal(origin + one.target)},`,
    `    headers={${headers.join(", ")}},`,
    ...(one.body === null ? [] : [`    content=${literal(one.body)},`]),
    ")",
    "answer.raise_for_status()",
    "print(answer.text)",
  ];
  return lines.join("\n");
}

function typescript(one: Request, origin: string): string {
  const headers = Object.entries(one.headers).map(([name, value]) => `${literal(name)}: ${literal(value)}`);
  if (!one.open) headers.unshift("Authorization: `Bearer ${process.env.MOORAGE_TOKEN}`");
  if (one.body !== null) headers.push(`"Content-Type": "application/json"`);
  const lines = [
    `const answer = await fetch(${literal(origin + one.target)}, {`,
    `  method: ${literal(one.method)},`,
    `  headers: { ${headers.join(", ")} },`,
    ...(one.body === null ? [] : [`  body: ${literal(one.body)},`]),
    "});",
    "if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);",
    "console.log(await answer.json());",
  ];
  return lines.join("\n");
}

/** A string in double quotes: JSON's form is one in Python and TypeScript, too. */
function literal(text: string): string {
  return JSON.stringify(text);
}
