/** Reproducible chance for crowds and tests (sfc32): the same seed gives the same town. */

export interface Seeded {
  /** In [0, 1). */
  next(): number;
  /** Whole number in [0, below). */
  int(below: number): number;
  between(low: number, high: number): number;
}

export function seeded(seed: number): Seeded {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let d = 1;
  const next = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4_294_967_296;
  };
  for (let i = 0; i < 16; i++) next();
  return {
    next,
    int: below => Math.floor(next() * below),
    between: (low, high) => low + next() * (high - low),
  };
}
