// The reference of the REST API, made from /openapi.json in the browser. It loads nothing else.

import "../style.css";
import "./reference.css";

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import { matching } from "../model/filter";
import { Empty, Mark, Waiting } from "../parts/basics";
import { reference, type Json, type Operation, type Reference, type Response } from "./document";
import { prose } from "./prose";
import { Fields, Row, Type } from "./schema";
import { texts } from "./texts";
import { Try } from "./try";

function Page() {
  const [found, setFound] = useState<Reference | "failed" | null>(null);
  useEffect(() => void load().then(setFound), []);
  useEffect(() => {
    // What the address names was not there yet when the browser looked for it.
    if (found && location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }, [found]);
  if (found === null) return <Waiting />;
  if (found === "failed") return <Empty title={texts.failed} whole />;
  return <Shown found={found} />;
}

async function load(): Promise<Reference | "failed"> {
  try {
    const response = await fetch("/openapi.json");
    return response.ok ? reference((await response.json()) as Json) : "failed";
  } catch {
    return "failed";
  }
}

function Shown({ found }: { found: Reference }) {
  const [filter, setFilter] = useState("");
  const operations = useMemo(() => matching(found.operations, filter, textOf), [found, filter]);
  const models = useMemo(() => matching(found.models, filter, (one) => one.name.toLowerCase()), [found, filter]);
  const tags = [...new Set(found.operations.map((one) => one.tag))];
  return (
    <>
      <header class="top">
        <a class="brand" href="/">
          <Mark />
          <span>{found.title}</span>
        </a>
        <span class="where">REST API</span>
        <div class="account">
          <a href="/openapi.json">{texts.document}</a>
          <a href="/">{texts.toPage}</a>
        </div>
      </header>
      <div class="reference">
        <nav aria-label={texts.search}>
          <input type="search" aria-label={texts.search} placeholder={texts.search} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
          {!filter && (
            <ul>
              <li>
                <a href="#authentication">{texts.authentication}</a>
              </li>
              <li>
                <a href="#errors">{texts.errorsTitle}</a>
              </li>
            </ul>
          )}
          {tags.map((tag) => (
            <Group key={tag} title={tag} items={operations.filter((one) => one.tag === tag).map((one) => ({ id: one.id, label: one.summary, method: one.method }))} />
          ))}
          <Group title={texts.models} items={models.map((one) => ({ id: `model-${one.name}`, label: one.name, method: "" }))} />
          {!operations.length && !models.length && <p class="quiet">{texts.nothing}</p>}
        </nav>
        <main id="content">
          <h1>
            {found.title} REST API <span class="quiet">{found.version}</span>
          </h1>
          <p>{prose(found.summary)}</p>
          {!filter && <Chapter id="authentication" title={texts.authentication} lines={texts.authenticationText} />}
          {!filter && <Chapter id="errors" title={texts.errorsTitle} lines={texts.errorsText} />}
          {operations.map((one) => (
            <OperationSection key={one.id} operation={one} />
          ))}
          {models.length > 0 && <h2>{texts.models}</h2>}
          {models.map((one) => (
            <section key={one.name} id={`model-${one.name}`} class="model">
              <h3>{one.name}</h3>
              {typeof one.schema.description === "string" && <p>{prose(one.schema.description)}</p>}
              <Fields schema={one.schema} label={one.name} />
            </section>
          ))}
        </main>
      </div>
    </>
  );
}

function textOf(one: Operation): string {
  return [one.id, one.summary, one.method, one.path, one.description, one.permission].join(" ").toLowerCase();
}

function Group({ title, items }: { title: string; items: readonly { id: string; label: string; method: string }[] }) {
  if (!items.length) return null;
  return (
    <>
      <h2>{title}</h2>
      <ul>
        {items.map((one) => (
          <li key={one.id}>
            <a href={`#${encodeURIComponent(one.id)}`}>
              {one.method && <Method name={one.method} />}
              {one.label}
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

function Method({ name }: { name: string }) {
  return <span class={`method ${name.toLowerCase()}`}>{name}</span>;
}

function Chapter({ id, title, lines }: { id: string; title: string; lines: readonly string[] }) {
  return (
    <section id={id}>
      <h2>{title}</h2>
      {lines.map((one) => (
        <p key={one}>{prose(one)}</p>
      ))}
    </section>
  );
}

function OperationSection({ operation }: { operation: Operation }) {
  const good = operation.responses.filter((one) => one.status < "300");
  const bad = operation.responses.filter((one) => one.status >= "300");
  return (
    <section id={operation.id} class="operation" aria-labelledby={`title ${operation.id}`}>
      <div>
        <h2 id={`title ${operation.id}`}>
          {operation.summary}{" "}
          <a class="anchor" href={`#${encodeURIComponent(operation.id)}`} aria-label={`${texts.link}: ${operation.summary}`}>
            #
          </a>
        </h2>
        <p class="route">
          <Method name={operation.method} /> <code>{operation.path}</code>
        </p>
        {operation.description && <p>{prose(operation.description)}</p>}
        <Needs operation={operation} />
        {operation.parameters.length > 0 && <Parameters operation={operation} />}
        {operation.body && (
          <>
            <h3>
              {operation.body.required ? texts.body : texts.bodyOptional}: <Type schema={operation.body.schema} />
            </h3>
          </>
        )}
        {good.map((one) => (
          <Success key={one.status} response={one} />
        ))}
        {bad.length > 0 && <Errors responses={bad} />}
      </div>
      <Try operation={operation} />
    </section>
  );
}

function Needs({ operation }: { operation: Operation }) {
  if (operation.open) return <p class="quiet">{texts.open}</p>;
  // Most descriptions say it themselves.
  if (!operation.permission || operation.description.includes(`\`${operation.permission}\``)) return null;
  return (
    <p class="quiet">
      {texts.needs} <code>{operation.permission}</code> ({operation.rights.join(", ")})
    </p>
  );
}

function Parameters({ operation }: { operation: Operation }) {
  return (
    <>
      <h3>{texts.parameters}</h3>
      <div class="scroll" tabIndex={0} role="region" aria-label={`${texts.parameters}: ${operation.summary}`}>
        <table class="lines">
          <tbody>
            {operation.parameters.map((one) => (
              <Row key={`${one.place} ${one.name}`} name={one.name} required={one.required} schema={one.schema} description={one.description} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Success({ response }: { response: Response }) {
  return (
    <>
      <h3>
        {texts.answer} {response.status}
        {response.schema && (
          <>
            : <Type schema={response.schema} />
          </>
        )}
      </h3>
      {response.example !== undefined && <pre tabIndex={0}>{JSON.stringify(response.example, null, 2)}</pre>}
      <Headers response={response} />
    </>
  );
}

function Headers({ response }: { response: Response }) {
  if (!response.headers.length) return null;
  return (
    <details>
      <summary>{texts.headers}</summary>
      <dl class="details">
        {response.headers.map((one) => (
          <div key={one.name}>
            <dt>
              <code>{one.name}</code>
            </dt>
            <dd>{prose(one.description)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function Errors({ responses }: { responses: readonly Response[] }) {
  return (
    <details>
      <summary>
        {texts.errors} <span class="quiet">{responses.map((one) => one.status).join(" · ")}</span>
      </summary>
      {responses.map((one) => (
        <div key={one.status} class="error">
          <p>
            <strong>{one.status}</strong> {prose(one.description)}
          </p>
          {one.example !== undefined && <pre tabIndex={0}>{JSON.stringify(one.example, null, 2)}</pre>}
        </div>
      ))}
    </details>
  );
}

render(<Page />, document.getElementById("page") as HTMLElement);
