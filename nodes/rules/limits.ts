/** Every bound of what operators may write as a rule, and of how nodes follow. */
export const RULE_LIMITS = {
  /** Nodes of one graph, and rows and columns of its tables together. */
  graphNodes: 32,
  tableRows: 1_000,
  tableColumns: 32,
  /** Characters of one expression: longer is not read by people any more. */
  expressionChars: 500,
  /**
   * Numbers that a rule is given, says, and has in between: the engine's end beyond 7.9e28, and those that leave it beyond
   * 1.8e19 (`bounds.ts`).
   */
  inputMax: 1e12,
  numberMax: 1e18,
  computedMax: 1e27,
  /** Characters of one value as JSON, whatever a graph makes of what it was given. */
  valueChars: 65_536,
  /** Of a version as JSON: an item of the store holds 400 KB. */
  versionBytes: 131_072,
  tests: 100,
  titleChars: 120,
  /** Places, merchants or kinds that one rule is for. */
  scopeItems: 200,
  priorityMax: 1_000_000,
  /** Awards that are remembered, of each kind; twice as many for a moment. */
  remembered: 32_768,
  /** Accounts whose zip code is remembered. */
  homes: 32_768,
  /** Versions whose graphs are kept compiled, beside the active ones. */
  compiled: 64,
  /** Without a word from the one who published, a node looks this often. */
  pollMs: 10_000,
  /** A node that starts waits so long for the store, then goes on with what it knew last. */
  startMs: 2_000,
  /** So often it is looked whether the numbers of meeting are others. */
  meetingMs: 500,
  /** After a poll that failed. */
  retryMs: 1_000,
  /** Evaluations that wait to be written down, to be explained later; the oldest make room. */
  unwritten: 4_096,
  /** A node that stops waits so long until they are. */
  flushMs: 1_000,
  /** Of those, written at once. */
  writtenAtOnce: 8,
  /** Of an account, looked at for the one that wanted a correction: an account has few. */
  correctionLines: 1_000,
  /** Words of an input: longer is cut. */
  wordChars: 64,
  cooldownSMax: 366 * 86_400,
} as const;

/** Bounds of what a rule may limit. */
export const AWARD_LIMITS = {
  /** Points, times or revisions. */
  countMax: 1_000_000_000,
} as const;
