/**
 * The location service as the town sees it: a short sampled history of who shares precisely, static circles (hubs,
 * merchants), and a second opinion on a position whose encounter is held. Two adapters in `infra/location/`, one contract
 * suite (`contracts/locationPort.contract.ts`).
 *
 * It is never on the matching path: its quota is a small part of our load (DOMAIN, rulings), so a turn says a sample and
 * forgets it, and whatever the service does, nobody waits. This is the one place where positions are stored, by design:
 * under a pseudonym that changes each day, for a bounded time, wiped when the person opts out. Nothing of it may be told
 * on: no error text, log line or metric of this port holds a coordinate, a person or a pseudonym.
 */
import type { Opinion } from '../actors/fraud/opinion.ts';

/** Where a phone was. E7 degrees, decimetres, Unix milliseconds of the town clock. */
export interface SampledPosition {
  readonly takenAtMs: number;
  readonly latE7: number;
  readonly lngE7: number;
  readonly accuracyDm: number;
}

export interface PositionSample extends SampledPosition {
  readonly userId: string;
}

/** A static place. `id`: up to 100 letters, digits, `-`, `.` and `_`; `radiusM`: above 0, at most 100,000. */
export interface Circle {
  readonly id: string;
  readonly latE7: number;
  readonly lngE7: number;
  readonly radiusM: number;
}

/** Somebody came into a circle or left it. Told at least once; whoever must not act twice remembers. */
export interface Crossing {
  readonly userId: string;
  readonly circleId: string;
  readonly what: 'enter' | 'exit';
  /** When the position that shows it was taken. */
  readonly atMs: number;
}

/** A position as a phone claimed it, and the address that the claim came from (dotted IPv4; null when not known). */
export interface Claim extends PositionSample {
  readonly ipv4: string | null;
}

/** What the service makes of a claim. It never says where it believes the phone to be. */
export interface Verification {
  readonly proxyDetected: boolean;
  /** Metres between the claim and what else is known; null when nothing is known. */
  readonly deviationM: number | null;
}

/** Beyond this a claim does not fit (study 4.6 (6)). */
const DEVIATION_M_MAX = 5_000;

/** What an operator reads. What nobody can tell is no sign against anybody. */
export function opinionOf({ proxyDetected, deviationM }: Verification): Opinion {
  if (proxyDetected) return 'proxy';
  if (deviationM === null) return 'unknown';
  return deviationM > DEVIATION_M_MAX ? 'far' : 'fits';
}

export type LocationFault =
  /** Away, too slow or over its quota, after all our attempts: try again later. */
  | 'unavailable'
  /** It does not let us: credentials or permissions. */
  | 'refused'
  /** It says that what we ask for is wrong: a bug of ours. */
  | 'invalid';

/** Why a call did not go through. `message` names the call and the fault, never what was in it. */
export class LocationFailure extends Error {
  override readonly name = 'LocationFailure';
  readonly fault: LocationFault;
  constructor(operation: string, fault: LocationFault, reason: string) {
    super(`${operation}: ${fault} (${reason})`);
    this.fault = fault;
  }
}

/** Promises reject with {@link LocationFailure} only. */
export interface LocationPort {
  /**
   * Keeps a position, some time. Returns at once, never throws: at most one a minute and person is taken, of a person who
   * has one waiting the newer one stays, and what finds no room is counted and dropped.
   */
  sample(sample: PositionSample): void;
  /** What is kept of a person from `fromMs` until before `untilMs`, oldest first. Waiting samples are not in it. */
  history(userId: string, fromMs: number, untilMs: number): Promise<readonly SampledPosition[]>;
  /**
   * Removes everything of a person, waiting or kept, and what is under way when it is called. What is sampled afterwards
   * is kept again, so stop first. Repeat it until it resolves: then nothing is left.
   */
  forget(userId: string): Promise<void>;
  /** Adds or replaces circles. Those that were refused, with the reason; empty when all were taken. */
  putCircles(circles: readonly Circle[]): Promise<readonly { readonly id: string; readonly why: string }[]>;
  /** Removes circles; ids that are not known are fine. Who is inside is not told to have left. */
  deleteCircles(ids: readonly string[]): Promise<void>;
  /** The circles that are there, in any order: what else its owners keep in the same place is not told. */
  circles(): Promise<readonly Circle[]>;
  /**
   * Compares positions with the circles; crossings are told to {@link onCrossing}, perhaps later than this resolves.
   * Accuracy counts for nothing. Who is inside at midnight (UTC) enters again, because the pseudonym is another one.
   */
  evaluate(positions: readonly PositionSample[]): Promise<void>;
  /** Hears of crossings until the returned function is called. */
  onCrossing(heard: (crossing: Crossing) => void): () => void;
  /** A second opinion on a claim, for an encounter that is held. */
  verify(claim: Claim): Promise<Verification>;
  /** Resolves when no sample waits or is under way. */
  settled(): Promise<void>;
  /** Takes no more, writes what waits for at most `budgetMs`, ends what is under way. Never rejects. */
  close(budgetMs: number): Promise<void>;
}
