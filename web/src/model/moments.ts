// Times: from the API in UTC, shown in the reader's zone.

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

// Making one of these takes longer than all that a cell of the matrix needs besides, so each is made once.
const WORDS = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const CLOCK: Intl.DateTimeFormatOptions = {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};
const CLOCKS = new Map<string | undefined, Intl.DateTimeFormat>();

/** Milliseconds of an API time; NaN for what is none ("unknown" and "" occur). */
export function millis(text: string | null | undefined): number {
  return text ? Date.parse(text) : Number.NaN;
}

/** How long ago, or in how long: "3 days ago", "in 2 hours"; whole units, the largest that fits. */
export function relative(from: number, now: number): string {
  const seconds = Math.round((from - now) / 1000);
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return WORDS.format(Math.trunc(seconds / size), unit);
  }
  return WORDS.format(seconds, "second");
}

/** The same, for narrow cells: "3d", "2h", "5m", "10s". */
export function short(from: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - from) / 1000));
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return `${Math.trunc(seconds / size)}${unit.charAt(0)}`;
  }
  return `${seconds}s`;
}

/** How long something took, in its largest unit and the next one: "2d 4h", "5m 10s", "0s". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const units = [...UNITS.map(([unit, size]) => [unit.charAt(0), size] as const), ["s", 1] as const];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return "0s";
  const parts = units.map(([unit, size], place) => ({ unit, count: Math.trunc((place ? whole % (units[place - 1]?.[1] ?? 1) : whole) / size) }));
  return parts
    .slice(first, first + 2)
    .filter(({ count }) => count)
    .map(({ unit, count }) => `${count}${unit}`)
    .join(" ");
}

/** Date and time in the reader's zone. */
export function local(at: number, zone?: string): string {
  let clock = CLOCKS.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-GB", zone === undefined ? CLOCK : { ...CLOCK, timeZone: zone });
    CLOCKS.set(zone, clock);
  }
  return clock.format(at);
}

/** Exactly, in UTC. */
export function utc(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

/** What an `<input type="datetime-local">` shows for a moment, in the reader's zone. */
export function toInput(at: number): string {
  const shifted = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

/** The moment that such an input says, as the API takes it; "" while nothing whole is there. */
export function fromInput(text: string): string {
  const at = Date.parse(text);
  return Number.isNaN(at) ? "" : utc(at);
}
