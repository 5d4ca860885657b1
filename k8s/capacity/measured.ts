/**
 * What the benchmarks measured, as far as capacity follows from it. Each number is of the table of figures in the README, beside
 * the command that makes it; who measures anew changes it here, and the sheet follows.
 */
export const MEASURED = {
  /** `npm run bench -- location`: positions through sockets, actors and matcher, per second of server CPU. */
  positionsPerCpuS: 27_399,
  /** `npm run bench -- idle`: 15,000 phones. */
  idlePhones: 15_000,
  idleCores: 0.035,
  bytesPerPhone: 7_100,
  /** `npm run bench -- nation`: one node that is full. */
  nation: { phones: 15_000, positionsPerS: 11_707, encountersPerS: 135.4, cores: 0.97 },
  /** `npm run bench -- ledger`: durable transfers, PostgreSQL on the same two cores. */
  transfersPerS: 11_211,
  /** `npm run bench -- archive`. */
  archivedBytesPerEvent: 100,
} as const;

/** DOMAIN, "Size to plan for". */
export const NATION = {
  people: 10_700_000,
  online: 2_700_000,
  positionsPerS: 8_900,
  positionsPeakPerS: 17_800,
  positionsOftenPerS: 178_000,
  encountersPerS: 70,
  encountersPeakPerS: 140,
  encountersPerYear: 1_200_000_000,
  /** Of the day that people are about; a month of 30.4 days. */
  secondsPerMonth: 16 * 3_600 * 30.4,
} as const;

/** What a pod is, as in overlays/prod. */
export const POD = {
  memoryBytes: 2 ** 31,
  /** Sockets at which the autoscaler aims; 0.6 of the 20,000 that a process may open. */
  sockets: 12_000,
  /** A node is not planned fuller than this: the rest is for a neighbour's people when it dies. */
  full: 0.7,
  /** A node without people. */
  emptyBytes: 150e6,
} as const;
