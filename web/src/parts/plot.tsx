// One number over time, as bars. A table with the same numbers stands beside it, or behind it.

import { useId } from "preact/hooks";

import { bars, days, highest, type Bar, type Measure, type Step } from "../model/plots";
import { texts } from "../texts";

/** Nothing where no step has the number. `of`: what the numbers are of. */
export function Plot({ of, steps, measure, axis = false }: { of: string; steps: readonly Step[]; measure: Measure; axis?: boolean }) {
  const id = useId();
  const found = bars(steps, measure);
  const [first, last] = [steps[0], steps.at(-1)];
  if (!found.length || !first || !last) return null;
  const most = measure.shown(highest(found));
  return (
    <div class="plot">
      {axis && <span class="quiet">{most}</span>}
      <svg viewBox={`0 0 ${steps.length} 100`} preserveAspectRatio="none" role="img" aria-labelledby={`${id}-title`} aria-describedby={`${id}-desc`} focusable="false">
        <title id={`${id}-title`}>{texts.numbers.plot(of, texts.numbers.measures[measure.name])}</title>
        <desc id={`${id}-desc`}>{texts.numbers.plotSays(days({ since: first.since, until: last.until }), most, found.length, steps.length)}</desc>
        {found.map((bar) => (
          <Drawn key={bar.place} bar={bar} measure={measure} step={steps[bar.place]} />
        ))}
      </svg>
      {axis && (
        <span class="ends quiet">
          <span>{days({ since: first.since, until: first.since })}</span>
          <span>{days({ since: last.until, until: last.until })}</span>
        </span>
      )}
    </div>
  );
}

function Drawn({ bar, measure, step }: { bar: Bar; measure: Measure; step: Step | undefined }) {
  return (
    <g>
      {/* The whole height of the step says its number on hover, however low the bar is. */}
      {step && <title>{`${days(step)}: ${measure.shown(bar.value)}`}</title>}
      <rect class="room" x={bar.place} y={0} width={1} height={100} />
      <rect x={bar.place + 0.1} y={100 - bar.height} width={0.8} height={bar.height} />
    </g>
  );
}
