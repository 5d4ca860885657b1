/**
 * What besides transfers is told by an event of its own: a step of a redemption, a change of stock, a new person. Each stands in
 * PostgreSQL, too, and this says where, in the auditor's own words.
 */
import { createHash } from 'node:crypto';

/** One event as consumers read it; what a record lacks is undefined. */
export interface ToldEvent {
  readonly id: string;
  readonly type?: string | undefined;
  readonly causationId?: string | null | undefined;
  /** Of the effect, ISO 8601. */
  readonly time?: string | undefined;
  readonly data?: ToldData | undefined;
}
export type ToldData = Readonly<Record<string, unknown>>;

/** The migration since which changes of accounts have lines of their own, and days of merchants the time of their event. */
export const CHANGES_SINCE = '0034-told-changes';

export interface Fact {
  /** Of the events that tell it. */
  readonly types: readonly string[];
  /** The table without which there is none; an older schema may lack it. */
  readonly of: string;
  /** Which fact an event tells: a word and the id of what it concerns, and more where that is not enough. */
  readonly keyOf: (event: ToldEvent) => string;
  /** What of an event must be as it is in the rows. */
  readonly saidOf: (data: ToldData, type: string) => readonly unknown[];
  /** `id, key, at, said` of those since $1, `said` in JSON as above. */
  readonly rows: string;
  /** Whether it is there that `t` tells (`key, id, data`, and `at` if that is a time); null: rows are forgotten before events are. */
  readonly there: string | null;
  /** Several may have one key. */
  readonly repeats?: true;
}

const hashOf = (text: string): string => createHash('md5').update(text).digest('hex');

/** For an `IdSet`; in SQL: `md5(key)`. */
export const keyHash = hashOf;
export const saidHash = (key: string, said: readonly unknown[]): string =>
  hashOf(`${key} ${JSON.stringify(said)}`);

/** What is on its way is known by this: of a movement its transfer, of a fact the hash of its key. */
export const identityOf = (event: ToldEvent, facts: ReadonlyMap<string, Fact>): string => {
  const fact = facts.get(event.type ?? '');
  if (fact !== undefined) return keyHash(fact.keyOf(event));
  return typeof event.data?.transferId === 'string' ? event.data.transferId : event.id;
};

/** By the types of their events. */
export const byType = (facts: readonly Fact[]): ReadonlyMap<string, Fact> =>
  new Map(facts.flatMap(fact => fact.types.map(type => [type, fact] as const)));
