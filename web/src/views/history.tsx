// The history of the whole workspace: who changed what, where, when.

import { useState } from "preact/hooks";

import { environments, historyOfWorkspace } from "../api/questions";
import { fromInput, millis, toInput, utc } from "../model/moments";
import type { Place, Search } from "../model/route";
import { History } from "../parts/history";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { go } from "../state/router";
import { texts } from "../texts";

export function HistoryView({ at, query }: { at: Place; query: Search }) {
  const filter = { app_id: query.app, environment_id: query.environment, user: query.user, action: query.action, outcome: query.outcome, since: query.since, until: query.until };
  const name = `workspace ${at.org}/${at.workspace} ${JSON.stringify(filter)}`;
  return (
    <>
      <Heading title={texts.history.title} up={[{ to: { view: "matrix", at }, label: texts.nav.matrix }]}>
        {Object.entries(texts.history.recent).map(([label, seconds]) => (
          <button key={label} type="button" onClick={() => go({ view: "history", at, query: { ...query, since: utc(Date.now() - seconds * 1000), until: "" } })}>
            {label}
          </button>
        ))}
      </Heading>
      <Filter key={JSON.stringify(query)} at={at} query={query} />
      <History
        at={at}
        name={name}
        ask={(cursor, signal) => historyOfWorkspace(at, { ...filter, cursor, limit: 50 }, signal)}
        environmentOf={(line) => line.environment}
        empty={texts.history.empty}
        emptyHint={texts.history.emptyHint}
      />
    </>
  );
}

function Filter({ at, query }: { at: Place; query: Search }) {
  const [wanted, setWanted] = useState<Record<string, string>>({ ...query });
  const known = useAnswer(`environments ${at.org}/${at.workspace}`, (signal) => environments(at, signal));
  const set = (name: string, value: string): void => setWanted({ ...wanted, [name]: value });
  const submit = (event: Event): void => {
    event.preventDefault();
    go({ view: "history", at, query: wanted });
  };
  const moment = (name: "since" | "until"): string => (wanted[name] ? toInput(millis(wanted[name])) : "");
  // On a small screen the changes are what is seen first.
  const [open] = useState(() => matchMedia("(min-width: 40rem)").matches);
  return (
    <details class="filter" open={open}>
      <summary>{texts.history.filter}</summary>
      <form onSubmit={submit}>
        <label>
          {texts.history.who}
          <input value={wanted.user ?? ""} onInput={(event) => set("user", event.currentTarget.value.trim())} spellcheck={false} />
        </label>
        <label>
          {texts.history.app}
          <input value={wanted.app ?? ""} onInput={(event) => set("app", event.currentTarget.value.trim())} spellcheck={false} />
        </label>
        <Choice label={texts.history.environment} value={wanted.environment} options={(known.data ?? []).map((one) => [one.slug, one.name])} set={(value) => set("environment", value)} />
        <Choice label={texts.history.action} value={wanted.action} options={Object.entries(texts.actionNames)} set={(value) => set("action", value)} />
        <Choice label={texts.history.outcome} value={wanted.outcome} options={Object.entries(texts.outcomeNames)} set={(value) => set("outcome", value)} />
        <label>
          {texts.history.since}
          <input type="datetime-local" step={1} value={moment("since")} onChange={(event) => set("since", fromInput(event.currentTarget.value))} />
        </label>
        <label>
          {texts.history.until}
          <input type="datetime-local" step={1} value={moment("until")} onChange={(event) => set("until", fromInput(event.currentTarget.value))} />
        </label>
        <button type="submit" class="main">
          {texts.history.apply}
        </button>
        {Object.keys(query).length > 0 && (
          <button type="button" onClick={() => go({ view: "history", at, query: {} })}>
            {texts.history.reset}
          </button>
        )}
      </form>
    </details>
  );
}

interface ChoiceProps {
  label: string;
  value: string | undefined;
  /** Each with what is shown of it. */
  options: readonly (readonly [string, string])[];
  set: (value: string) => void;
}

/** One of some, or all. */
function Choice({ label, value, options, set }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value ?? ""} onChange={(event) => set(event.currentTarget.value)}>
        <option value="">{texts.history.all}</option>
        {options.map(([name, shown]) => (
          <option key={name} value={name}>
            {shown}
          </option>
        ))}
      </select>
    </label>
  );
}
