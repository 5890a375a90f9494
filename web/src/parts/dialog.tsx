// Every change goes this way: fill in, ask by a dry run, read what the cluster says, then send. Nothing is shown as done
// before the facade has said so.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import type { Answer, Failure } from "../api/client";
import { refusing, type Verdict } from "../model/verdicts";
import { refresh } from "../state/live";
import { heard, stoppedAt } from "../state/session";
import { texts } from "../texts";
import { FailureText, Sign } from "./basics";
import { Verdicts } from "./verdicts";

/** How a change is sent: as a dry run or in earnest, and past what. */
export interface Sending {
  dry_run: boolean;
  override_ownership: boolean;
  override: readonly string[];
  /** The same for all attempts of one dialog with the same content: the facade makes the change once. */
  headers: Readonly<Record<string, string>>;
}

interface Props<T> {
  title: string;
  /** The word on the button that changes something. */
  button: string;
  /** What the fields say, as text: when it changes, the last dry run counts no more. */
  content: string;
  complete: boolean;
  send: (sending: Sending) => Promise<Answer<T>>;
  /** What a successful dry run means. */
  would: (data: T) => ComponentChildren;
  /** Whether a successful dry run would change anything; without it: it would. */
  accepts?: (data: T) => boolean;
  /** The gates that a successful dry run tells of, where it speaks of several changes. */
  gatesIn?: (data: T) => readonly Verdict[];
  /** All verdicts, also of gates that let it pass. */
  verdicts?: (signal: AbortSignal) => Promise<Answer<readonly Verdict[]>>;
  close: () => void;
  children?: ComponentChildren;
}

type Checked<T> = { content: string; answer: Answer<T>; verdicts: readonly Verdict[] };

export function ActionDialog<T>(props: Props<T>) {
  const box = useRef<HTMLDialogElement>(null);
  const name = useId();
  const [override, setOverride] = useState<readonly string[]>([]);
  const [ownership, setOwnership] = useState(false);
  const [busy, setBusy] = useState<"checking" | "sending" | null>(null);
  const [checked, setChecked] = useState<Checked<T> | null>(null);
  const key = useRef({ content: "", value: "" });
  const [first, setFirst] = useState<readonly Verdict[]>([]);
  useEffect(() => {
    box.current?.showModal();
    box.current?.querySelector<HTMLElement>("input:not([readonly]), select")?.focus();
    // What stands before the change is said before anybody asks.
    const control = new AbortController();
    if (props.complete) {
      void props.verdicts?.(control.signal).then(
        (answer) => answer.ok && !control.signal.aborted && setFirst(answer.data),
        () => undefined,
      );
    }
    return () => control.abort();
  }, []);

  const content = `${props.content} ${override.join()} ${ownership}`;
  const current = checked?.content === content ? checked : null;
  const accepts = (answer: Answer<T>): boolean => answer.ok && (props.accepts?.(answer.data) ?? true);
  const passes = current !== null && accepts(current.answer);

  const sending = (dry: boolean): Sending => {
    if (key.current.content !== content) key.current = { content, value: randomKey() };
    return { dry_run: dry, override_ownership: ownership, override, headers: dry ? {} : { "Idempotency-Key": key.current.value } };
  };
  const check = async (): Promise<void> => {
    setBusy("checking");
    const [answer, verdicts] = await Promise.all([props.send(sending(true)), props.verdicts?.(new AbortController().signal)]);
    setChecked({ content, answer: heard(answer), verdicts: verdictsOf(answer, verdicts, props.gatesIn) });
    setBusy(null);
  };
  const commit = async (): Promise<void> => {
    setBusy("sending");
    const answer = heard(await props.send(sending(false)));
    setBusy(null);
    if (!answer.ok) return setChecked({ content, answer, verdicts: verdictsOf(answer, undefined) });
    refresh();
    // Closed and not only taken away, so that the focus goes back to where it was.
    box.current?.close();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    void (passes ? commit() : check());
  };

  return (
    <dialog ref={box} aria-labelledby={name} onClose={props.close} class="action">
      <form onSubmit={submit}>
        <h2 id={name}>{props.title}</h2>
        {props.children}
        <div role="status" aria-live="polite">
          {current ? <Said checked={current} accepted={passes} would={props.would} /> : first.length > 0 && <Verdicts verdicts={first} />}
        </div>
        <Ways
          failure={checked && !checked.answer.ok ? checked.answer.failure : null}
          verdicts={checked?.verdicts ?? []}
          override={override}
          setOverride={setOverride}
          ownership={ownership}
          setOwnership={setOwnership}
        />
        {stoppedAt.value !== null && (
          <p class="note warn">
            <Sign kind="warn" /> {texts.dialog.unrecorded}
          </p>
        )}
        <footer>
          <button type="button" onClick={() => box.current?.close()}>
            {texts.cancel}
          </button>
          <button type="submit" class="main" disabled={busy !== null || !props.complete}>
            {busy ? texts.dialog[busy] : passes ? props.button : texts.dialog.check}
          </button>
        </footer>
      </form>
    </dialog>
  );
}

function verdictsOf<T>(answer: Answer<T>, asked: Answer<readonly Verdict[]> | undefined, gatesIn?: (data: T) => readonly Verdict[]): readonly Verdict[] {
  if (answer.ok && gatesIn) {
    // Whether the reader has the right to override, the gates say; the answer speaks of everybody.
    const may = !asked?.ok || !asked.data.length || asked.data.some((one) => one.overridable);
    const named = new Map(gatesIn(answer.data).map((one) => [one.gate, { ...one, overridable: may && one.overridable }]));
    const told = asked?.ok ? asked.data.filter((one) => !named.has(one.gate)) : [];
    return [...told, ...named.values()];
  }
  if (asked?.ok) return asked.data;
  return answer.ok ? [] : refusing(answer.failure.details);
}

function Said<T>({ checked, accepted, would }: { checked: Checked<T>; accepted: boolean; would: (data: T) => ComponentChildren }) {
  const { answer } = checked;
  return (
    <>
      {answer.ok ? (
        <div class={`note ${accepted ? "good" : "closed"}`}>
          <strong>
            <Sign kind={accepted ? "good" : "closed"} /> {accepted ? texts.dialog.would : texts.dialog.nothing}
          </strong>
          <div>{would(answer.data)}</div>
          <p class="quiet">{texts.dialog.nothingSent}</p>
        </div>
      ) : (
        <div class="note closed" role="alert">
          <strong>
            <Sign kind="closed" /> {answer.failure.status === 422 ? texts.dialog.invalid : texts.dialog.refused}
          </strong>
          {answer.failure.status === 0 ? <p>{texts.dialog.unreachable}</p> : <FailureText failure={answer.failure} />}
        </div>
      )}
      {checked.verdicts.length > 0 && <Verdicts verdicts={checked.verdicts} {...(answer.ok ? {} : { said: answer.failure.message })} />}
    </>
  );
}

interface WaysProps {
  failure: Failure | null;
  verdicts: readonly Verdict[];
  override: readonly string[];
  setOverride: (names: readonly string[]) => void;
  ownership: boolean;
  setOwnership: (on: boolean) => void;
}

/** The ways past a refusal that the facade offers: named gates, and the declaration of a GitOps tool. */
function Ways({ failure, verdicts, override, setOverride, ownership, setOwnership }: WaysProps) {
  const names = [...new Set([...override, ...verdicts.filter((one) => !one.allowed && one.overridable).map((one) => one.gate)])];
  const toggle = (name: string, on: boolean): void => setOverride(on ? [...override, name] : override.filter((one) => one !== name));
  if (!names.length && !ownership && failure?.reason !== "ManagedDeclaratively") return null;
  return (
    <fieldset class="ways">
      {names.length > 0 && <legend>{texts.dialog.override}</legend>}
      {names.map((name) => (
        <label class="check" key={name}>
          <input type="checkbox" checked={override.includes(name)} onChange={(event) => toggle(name, event.currentTarget.checked)} />
          <code>{name}</code>
        </label>
      ))}
      {names.length > 0 && <p class="quiet">{texts.dialog.overrideHint}</p>}
      {(ownership || failure?.reason === "ManagedDeclaratively") && (
        <label class="check">
          <input type="checkbox" checked={ownership} onChange={(event) => setOwnership(event.currentTarget.checked)} />
          {texts.dialog.ownership}
        </label>
      )}
    </fieldset>
  );
}

/** The query of a change of releases. */
export function queryOf({ dry_run, override_ownership, override }: Sending): { dry_run: boolean; override_ownership: boolean; override?: readonly string[] } {
  return { dry_run, override_ownership, ...(override.length ? { override } : {}) };
}

/** `crypto.randomUUID` is there on https only; this works behind a plain http proxy, too. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

interface FieldProps {
  label: string;
  hint?: string;
  optional?: boolean;
  children: (id: string) => ComponentChildren;
}

/** A field with its label above it. */
export function Field({ label, hint, optional, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        {label} {optional && <span class="quiet">({texts.dialog.optional})</span>}
      </label>
      {children(id)}
      {hint && <p class="quiet">{hint}</p>}
    </div>
  );
}

/** The field for the reason, which most changes have. */
export function ReasonField({ value, set, required = false, hint = texts.dialog.reasonHint }: { value: string; set: (text: string) => void; required?: boolean; hint?: string }) {
  return (
    <Field label={texts.dialog.reason} hint={hint} optional={!required}>
      {(id) => <input id={id} maxLength={512} value={value} onInput={(event) => set(event.currentTarget.value)} />}
    </Field>
  );
}
