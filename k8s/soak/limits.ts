/** What a soak may show at most (reliability study 3). */
export const RULES = {
  /** Memory of a pod (k8s/base); a leak that would take a quarter of it in a day is one. */
  limitBytes: 1024 ** 3,
  dayGrowthShare: 0.25,
  trendP: 0.05,
  /** A life begins with caches that fill and code that is compiled (reliability study 3: five minutes). */
  lifeSettlesS: 300,
  /** A slope over less than this says nothing of a day. */
  lifeJudgedS: 600,
  /** Later is at most so much worse than earlier, and by more than what nobody would notice. */
  ageing: 1.2,
  ageingMs: 5,
  ageingGcShare: 0.005,
  majorGcShare: 0.02,
  /** Of a third of a run; a percentile of fewer is chance. */
  opsMin: 500,
  fdsShare: 0.02,
  heapShare: 0.1,
  /** After seconds of warming up, code is still compiled and tables still grow. */
  heapShortShare: 0.25,
  loopP99Ms: 50,
  /** Looks of 5 s in which it may have been more. */
  loopLooksShare: 0.01,
  loopMaxMs: 250,
  pushP99Ms: 250,
  successShare: 0.999,
  /** Within so long a phone that lost its connection has another one; and so many must have, for a percentile to say something. */
  backP99S: 8,
  backMin: 100,
  /** What one socket may hold back: the highest bucket of `rt_buffered_bytes`. */
  bufferedBytes: 262_144,
} as const;

export interface Finding {
  readonly rule: string;
  /** null: the run was too short, or on purpose not timed. */
  readonly ok: boolean | null;
  readonly words: string;
}

const MIB = 2 ** 20;
export const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
