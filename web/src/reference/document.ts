// The OpenAPI document as the reference shows it: references resolved, one list of operations.

import { isObject } from "../api/client";

export type Json = Readonly<Record<string, unknown>>;

export interface Parameter {
  name: string;
  place: string;
  required: boolean;
  description: string;
  schema: Json;
  example: unknown;
}

export interface Response {
  status: string;
  description: string;
  headers: readonly { name: string; description: string }[];
  schema: Json | null;
  example: unknown;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  tag: string;
  summary: string;
  description: string;
  permission: string;
  rights: readonly string[];
  open: boolean;
  parameters: readonly Parameter[];
  body: { required: boolean; schema: Json; example: unknown } | null;
  responses: readonly Response[];
}

export interface Reference {
  title: string;
  version: string;
  summary: string;
  operations: readonly Operation[];
  models: readonly { name: string; schema: Json }[];
  security: readonly { name: string; description: string }[];
  raw: Json;
}

const METHODS = ["get", "post", "put", "patch", "delete"];

/** Read a document of OpenAPI 3.1. */
export function reference(raw: Json): Reference {
  const info = object(raw.info);
  const components = object(raw.components);
  return {
    title: text(info.title),
    version: text(info.version),
    summary: text(info.summary) || text(info.description),
    operations: Object.entries(object(raw.paths)).flatMap(([path, item]) => operationsOf(raw, path, object(item))),
    models: Object.entries(object(components.schemas)).map(([name, schema]) => ({ name, schema: object(schema) })),
    security: Object.entries(object(components.securitySchemes)).map(([name, one]) => ({ name, description: text(object(one).description) })),
    raw,
  };
}

function operationsOf(raw: Json, path: string, item: Json): Operation[] {
  const shared = list(item.parameters);
  return METHODS.filter((method) => method in item).map((method) => {
    const found = object(item[method]);
    return {
      id: text(found.operationId) || `${method} ${path}`,
      method: method.toUpperCase(),
      path,
      tag: text(list(found.tags)[0]) || "other",
      summary: text(found.summary),
      description: text(found.description),
      permission: text(found["x-required-permission"]),
      rights: list(found["x-kubernetes-rights"]).map(text),
      open: Array.isArray(found.security) && !found.security.length,
      parameters: [...shared, ...list(found.parameters)].map((one) => parameterOf(resolve(raw, one))),
      body: found.requestBody ? bodyOf(resolve(raw, found.requestBody)) : null,
      responses: Object.entries(object(found.responses)).map(([status, one]) => responseOf(raw, status, resolve(raw, one))),
    };
  });
}

function parameterOf(one: Json): Parameter {
  const schema = object(one.schema);
  return {
    name: text(one.name),
    place: text(one.in),
    required: one.required === true,
    description: text(one.description) || text(schema.description),
    schema,
    example: one.example,
  };
}

function bodyOf(one: Json): { required: boolean; schema: Json; example: unknown } {
  const media = mediaOf(one);
  return { required: one.required === true, schema: object(media.schema), example: media.example };
}

function responseOf(raw: Json, status: string, one: Json): Response {
  const media = mediaOf(one);
  const headers = Object.entries(object(one.headers)).map(([name, header]) => ({ name, description: text(resolve(raw, header).description) }));
  return { status, description: text(one.description), headers, schema: media.schema ? object(media.schema) : null, example: media.example };
}

function mediaOf(one: Json): Json {
  const content = object(one.content);
  return object(content["application/json"] ?? Object.values(content)[0]);
}

/** What a `$ref` inside the document points to; everything else is itself. */
export function resolve(raw: Json, value: unknown): Json {
  const given = object(value);
  const pointer = given.$ref;
  if (typeof pointer !== "string" || !pointer.startsWith("#/")) return given;
  let found: unknown = raw;
  for (const part of pointer.slice(2).split("/")) found = object(found)[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  return object(found);
}

/** The name of the model that a schema refers to; "" for one that stands here. */
export function modelOf(schema: Json): string {
  return typeof schema.$ref === "string" ? (schema.$ref.split("/").pop() ?? "") : "";
}

/** The alternatives of a schema, without null; whether null is one of them. */
export function alternatives(schema: Json): { schemas: readonly Json[]; nullable: boolean } {
  const all = list(schema.anyOf ?? schema.oneOf).map(object);
  if (!all.length) return { schemas: [schema], nullable: false };
  const rest = all.filter((one) => one.type !== "null");
  return { schemas: rest, nullable: rest.length < all.length };
}

/** The bounds of a schema in words: "1–63 characters", "at least 1", "default 50". */
export function limits(schema: Json): string[] {
  const { schemas } = alternatives(schema);
  const own = schemas.length === 1 && schemas[0] ? { ...schemas[0], ...(schema.default === undefined ? {} : { default: schema.default }) } : schema;
  const found: string[] = [];
  const between = (least: unknown, most: unknown, unit: string): void => {
    if (least !== undefined && most !== undefined) found.push(`${String(least)}–${String(most)}${unit}`);
    else if (most !== undefined) found.push(`at most ${String(most)}${unit}`);
    else if (least !== undefined) found.push(`at least ${String(least)}${unit}`);
  };
  between(own.minLength, own.maxLength, " characters");
  between(own.minimum, own.maximum, "");
  between(own.minItems, own.maxItems, " items");
  if (typeof own.pattern === "string") found.push(`matches ${own.pattern}`);
  if (typeof own.format === "string") found.push(own.format);
  if (own.default !== undefined && own.default !== null) found.push(`default ${JSON.stringify(own.default)}`);
  return found;
}

export function object(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
