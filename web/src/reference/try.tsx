// The same request, as a sample to copy and as a form to send with the session of the page.

import { useState } from "preact/hooks";

import type { Operation } from "./document";
import { examples, LANGUAGES, request, type Request } from "./samples";
import { texts } from "./texts";

export function Try({ operation }: { operation: Operation }) {
  const [values, setValues] = useState<Record<string, string>>(() => examples(operation));
  const [body, setBody] = useState(() => (operation.body ? JSON.stringify(operation.body.example ?? {}, null, 2) : ""));
  const made = request(operation, values, body);
  return (
    <div class="try">
      <Samples made={made} />
      <details>
        <summary>{texts.tryIt}</summary>
        {operation.parameters.map((one) => {
          const key = `${one.place} ${one.name}`;
          const id = `${operation.id} ${key}`;
          return (
            <div class="field" key={key}>
              <label for={id}>
                <code>{one.name}</code> <span class="quiet">{one.place}</span>
                {one.required && <span class="required">{texts.required}</span>}
              </label>
              <input id={id} value={values[key] ?? ""} onInput={(event) => setValues({ ...values, [key]: event.currentTarget.value })} spellcheck={false} />
            </div>
          );
        })}
        {operation.body && (
          <div class="field">
            <label for={`${operation.id} body`}>{operation.body.required ? texts.body : texts.bodyOptional}</label>
            <textarea id={`${operation.id} body`} rows={6} class="code" value={body} onInput={(event) => setBody(event.currentTarget.value)} spellcheck={false} />
          </div>
        )}
        <Send made={made} />
      </details>
    </div>
  );
}

function Samples({ made }: { made: Request }) {
  const names = Object.keys(LANGUAGES) as (keyof typeof LANGUAGES)[];
  const [language, setLanguage] = useState<keyof typeof LANGUAGES>("curl");
  const [copied, setCopied] = useState(false);
  const sample = LANGUAGES[language](made, location.origin);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(sample);
    setCopied(true);
  };
  return (
    <div class="sample">
      <div class="bar">
        {names.map((name) => (
          <button key={name} type="button" class="tab" aria-pressed={name === language} onClick={() => (setLanguage(name), setCopied(false))}>
            {name}
          </button>
        ))}
        <button type="button" class="plain" onClick={() => void copy()}>
          {copied ? texts.copied : texts.copy}
        </button>
      </div>
      <pre tabIndex={0}>{sample}</pre>
    </div>
  );
}

function Send({ made }: { made: Request }) {
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<{ head: string; body: string } | null>(null);
  const send = async (): Promise<void> => {
    setBusy(true);
    setAnswer(await answerTo(made));
    setBusy(false);
  };
  return (
    <>
      {made.method !== "GET" && <p class="quiet">{texts.changes}</p>}
      <button type="button" class="main" disabled={busy} onClick={() => void send()}>
        {busy ? texts.sending : texts.send}
      </button>
      <div role="status">
        {answer && (
          <>
            <p>
              <strong>{answer.head}</strong>
            </p>
            {answer.body && <pre tabIndex={0}>{answer.body}</pre>}
          </>
        )}
      </div>
    </>
  );
}

async function answerTo(made: Request): Promise<{ head: string; body: string }> {
  const began = performance.now();
  const headers: Record<string, string> = { ...made.headers, ...(made.body === null ? {} : { "Content-Type": "application/json" }) };
  try {
    const response = await fetch(made.target, { method: made.method, headers, credentials: "same-origin", body: made.body });
    const text = await response.text();
    return { head: texts.sent(response.status, Math.round(performance.now() - began)), body: pretty(text) };
  } catch {
    return { head: texts.noAnswer, body: "" };
  }
}

/** JSON with line breaks; other text as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
