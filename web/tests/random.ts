// Inputs by the hundred, the same in every run.

export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const LETTERS = [..."abzAZ09-_.+:@/ %?#&=<>\"'äß漢🚢"];

export function text(next: () => number, least = 1, most = 12): string {
  const length = least + Math.floor(next() * (most - least + 1));
  return Array.from({ length }, () => pick(next, LETTERS)).join("");
}

export function pick<T>(next: () => number, from: readonly T[]): T {
  return from[Math.floor(next() * from.length)] as T;
}
