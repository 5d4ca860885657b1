/** Every bound of what operators may ask for: following people must cost the others nothing, and end by itself. */
import { assert } from '../../protocol/assert.ts';
import { LIMITS } from '../limits.ts';

export const OPERATOR = {
  /** People followed at once on one node, and frames kept of each; the oldest make room. */
  tracedUsers: 16,
  traceEntries: 1_000,
  traceMinutesMax: 60,
  /** A trace that is over may be read for so long. */
  traceKeptMs: 600_000,
  /** Who follows tells the other gateways again this often: one that started meanwhile learns of it. */
  traceAgainMs: 5_000,
  /** Commands of a followed person whose answer has not come. */
  traceAsked: 64,
  /** The other gateways answer within this, or are named as silent. */
  answerMs: 500,
  /** A phone answers a PING within this, or its round trip is not known; asking for it takes that much longer. */
  pingMs: 1_000,
  /** Answers to one question. */
  gateways: 1_000,
  /** Questions that one gateway works on at once, from all others. */
  questions: 32,
  questionBytes: 512,
  /** Below the 1 MiB of a message on the bus. */
  answerBytes: 524_288,
  /** Devices whose last close is remembered, on one gateway. */
  closes: 4_096,
  /** The table of sockets: apps and close codes by their number, the most frequent ones; closes of so long. */
  appsShown: 32,
  codesShown: 64,
  closesShownMs: 600_000,
  /** Different names of apps that are kept once for all phones. */
  apps: 256,
  /** Body of a request to the admin port. */
  bodyBytes: 4_096,
  bodyMs: 5_000,
  /** Entries of the audit log that are shown. */
  audited: 100,
  /** A file of zip codes comes within this; it is as large as its reader takes (`actors/geo/places/limits.ts`). */
  zipFileMs: 120_000,
  /** Places that one page shows. */
  placesShown: 1_000,
  /** Bounds of a rate that is changed at run time. */
  ratePerSMin: 0.01,
  ratePerSMax: 1_000,
  rateBurstMax: 10_000,
  /** Days and rows of one report. */
  reportDays: 31,
  reportRows: 20_000,
  /** Rows of one answer about a person. */
  domainRows: 200,
  /** Fewer people than this in a zip code on a day are not counted out loud: below it, neighbours know each other. */
  reportPeopleMin: 5,
  /** Encounters that wait for a review and are listed at once, the longest waiting first. */
  holds: 100,
  /** Phones that are pinged each second to know how far away they are, and looked at to find these. */
  pinged: 4,
  pingLooked: 32,
} as const;

/** Checked once at start. */
export function assertOperatorLimits(): void {
  const o = OPERATOR;
  assert(o.pinged <= o.pingLooked, 'one that is pinged was looked at');
  assert(o.traceEntries * 256 <= o.answerBytes, 'a whole trace fits into one answer');
  assert(o.answerMs + o.pingMs < LIMITS.commandMs, 'gateways answer as soon as actors do');
  assert(o.traceAgainMs < 60_000, 'a trace is told again while it lasts');
}
