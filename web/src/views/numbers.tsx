// How delivery goes: how often, how fast, how often it fails, and how long until that is mended.

import type { Schemas } from "../api/client";
import { deliveryNumbers } from "../api/questions";
import { duration } from "../model/moments";
import { days as daysOf, MEASURES, type Measure, type Numbers, type Step } from "../model/plots";
import type { Place, Search } from "../model/route";
import { Answered } from "../parts/answered";
import { Empty, Link } from "../parts/basics";
import { Plot } from "../parts/plot";
import { Heading } from "../parts/shell";
import { useAnswer } from "../state/answer";
import { go } from "../state/router";
import { texts } from "../texts";

type Found = Schemas["EnvironmentNumbers"];
type Spread = Numbers["lead_time"];

const DAYS = [7, 30, 90] as const;
const USUAL = 30;

export function NumbersView({ at, query }: { at: Place; query: Search }) {
  const days = DAYS.find((one) => String(one) === query.days) ?? USUAL;
  const step = days > USUAL ? "week" : "day";
  const { environment = "" } = query;
  const key = `numbers ${at.org}/${at.workspace} ${JSON.stringify([days, environment])}`;
  const asked = useAnswer(key, (signal) => deliveryNumbers(at, days, step, environment, signal));
  const all: Row["to"] = { view: "numbers", at, query: { days: String(days) } };
  const up = [{ to: { view: "matrix", at } as Row["to"], label: texts.nav.matrix }, ...(environment ? [{ to: all, label: texts.numbers.title }] : [])];
  return (
    <>
      <Heading title={environment ? `${texts.numbers.title}: ${environment}` : texts.numbers.title} up={up}>
        <label>
          <span class="quiet">{texts.numbers.time}</span>{" "}
          <select aria-label={texts.numbers.time} value={days} onChange={(event) => go({ view: "numbers", at, query: { ...query, days: event.currentTarget.value } }, { replace: true })}>
            {DAYS.map((one) => (
              <option key={one} value={one}>
                {texts.numbers.lastDays(one)}
              </option>
            ))}
          </select>
        </label>
      </Heading>
      <p class="quiet">{texts.numbers.hint}</p>
      <Answered asked={asked}>
        {({ environments }) => (
          <>
            {!environment && <Table head={texts.columns.environment} rows={environments.map((one) => rowOf(at, one, days))} />}
            {environment && environments.map((one) => <OfOne key={one.environment} at={at} one={one} step={step} />)}
          </>
        )}
      </Answered>
    </>
  );
}

function rowOf(at: Place, one: Found, days: number): Row {
  return { name: one.environment, to: { view: "numbers", at, query: { days: String(days), environment: one.environment } }, numbers: one.total, steps: one.steps ?? [] };
}

/** One environment: over time, and by app. */
function OfOne({ at, one, step }: { at: Place; one: Found; step: keyof typeof texts.numbers.plots }) {
  const apps = Object.entries(one.apps ?? {}).map(([app, numbers]): Row => ({ name: app, to: { view: "app", at, app }, numbers, steps: [] }));
  return (
    <>
      {one.total.deployments > 0 && <OverTime of={one.environment} steps={one.steps ?? []} title={texts.numbers.plots[step]} />}
      <Table head={texts.columns.app} rows={apps} />
    </>
  );
}

function OverTime({ of, steps, title }: { of: string; steps: readonly Step[]; title: string }) {
  return (
    <section aria-labelledby="over-time">
      <h2 id="over-time">{title}</h2>
      <ul class="plots">
        {MEASURES.filter((measure) => steps.some((one) => measure.of(one.numbers) !== null)).map((measure) => (
          <li key={measure.name}>
            <strong>{texts.numbers.measures[measure.name]}</strong>
            {measure.shown === duration && <span class="quiet"> {texts.numbers.median}</span>}
            <Plot of={of} steps={steps} measure={measure} axis />
          </li>
        ))}
      </ul>
      <details>
        <summary>{texts.numbers.asTable}</summary>
        <StepTable steps={steps} />
      </details>
    </section>
  );
}

function StepTable({ steps }: { steps: readonly Step[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={texts.numbers.asTable}>
      <table class="lines">
        <thead>
          <tr>
            <th scope="col">{texts.numbers.time}</th>
            <MeasureHeads />
          </tr>
        </thead>
        <tbody>
          {[...steps].reverse().map((step) => (
            <tr key={step.since}>
              <th scope="row" class="whole">
                {daysOf(step)}
              </th>
              {MEASURES.map((measure) => (
                <StepCell key={measure.name} measure={measure} numbers={step.numbers} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function StepCell({ measure, numbers }: { measure: Measure; numbers: Numbers }) {
  const value = measure.of(numbers);
  return (
    <td>
      {value === null ? (
        <span class="quiet" title={numbers.unknown[measure.name]}>
          <span aria-hidden="true">{texts.none}</span>
          <span class="unseen">{texts.numbers.notKnown}</span>
        </span>
      ) : (
        measure.shown(value)
      )}
    </td>
  );
}

function MeasureHeads() {
  return (
    <>
      {MEASURES.map(({ name }) => (
        <th scope="col" key={name}>
          {texts.numbers.measures[name]}
        </th>
      ))}
    </>
  );
}

interface Row {
  name: string;
  to: Parameters<typeof Link>[0]["to"];
  numbers: Numbers;
  steps: readonly Step[];
}

function Table({ head, rows }: { head: string; rows: readonly Row[] }) {
  if (!rows.length) return <Empty title={texts.numbers.empty} />;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={texts.numbers.title}>
      <table class="lines numbers">
        <thead>
          <tr>
            <th scope="col">{head}</th>
            <MeasureHeads />
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, to, numbers, steps }) => (
            <tr key={name}>
              <th scope="row">
                <Link to={to}>{name}</Link>
              </th>
              {MEASURES.map((measure) => (
                <td key={measure.name} class={measure.of(numbers) === null ? "reason" : undefined}>
                  <Said measure={measure} numbers={numbers} />
                  <Plot of={name} steps={steps} measure={measure} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A number and what belongs to it. What is not known says why, to everybody and not only on hover. */
function Said({ measure, numbers }: { measure: Measure; numbers: Numbers }) {
  const value = measure.of(numbers);
  if (value === null) return <span class="quiet">{numbers.unknown[measure.name] ?? texts.unknown}</span>;
  const more = besides(measure, numbers);
  return (
    <>
      {measure.shown(value)}
      {more && <div class="quiet">{more}</div>}
    </>
  );
}

function besides(measure: Measure, numbers: Numbers): string {
  const spread = (took: Spread): string => (took ? texts.numbers.spread(duration(took.p90_seconds), took.count) : "");
  switch (measure.name) {
    case "deployments":
      return texts.numbers.perDay(numbers.deployments_per_day);
    case "change_failure_rate":
      return texts.numbers.failures(numbers.failures, numbers.deployments);
    case "rework_rate":
      return "";
    default:
      return spread(numbers[measure.name]);
  }
}
