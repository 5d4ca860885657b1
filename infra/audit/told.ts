/** A stream and its copies, whatever it tells: transfers go to `toldTransfers.ts`, the rest to `toldFacts.ts`. */
import { FactRows } from './factRows.ts';
import { byType, type Fact, identityOf, type ToldEvent } from './facts.ts';
import { IdSet } from './idSet.ts';
import { TARGET, TRANSACTIONS_STREAM, USER_EVENTS_STREAM } from './limits.ts';
import { MARKET_FACTS } from './marketFacts.ts';
import { PERSON_FACTS } from './personFacts.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';
import { ToldFacts, UUID } from './toldFacts.ts';
import { ToldTransfers } from './toldTransfers.ts';

/** A stream of the town, whatever it is called in a test. */
export interface Told {
  readonly stream: string;
  readonly target: number;
  readonly facts: readonly Fact[];
  readonly transfers: boolean;
}

export const TRANSACTIONS: Told = {
  stream: TRANSACTIONS_STREAM,
  target: TARGET.transactions,
  facts: MARKET_FACTS,
  transfers: true,
};
export const USER_EVENTS: Told = {
  stream: USER_EVENTS_STREAM,
  target: TARGET.userEvents,
  facts: PERSON_FACTS,
  transfers: false,
};

const FOREVER_MS = 253_402_300_799_000;

export class Follower {
  readonly finds = new Finds();
  /** Events looked at, repeats too. */
  looked = 0;
  readonly #where: string;
  readonly #transfers: ToldTransfers | null;
  readonly #facts: ToldFacts;

  /**
   * @param shared it has events of other towns, too
   * @param rows of `told.facts`; they may serve several followers of spans that follow each other
   */
  constructor(snapshot: Snapshot, told: Told, where: string, shared: boolean, rows: FactRows) {
    this.#where = where;
    this.#transfers = told.transfers ? new ToldTransfers(snapshot, where, shared) : null;
    this.#facts = new ToldFacts(snapshot, where, shared, told.facts, rows);
  }

  async take(event: ToldEvent): Promise<void> {
    this.looked++;
    const { id, data } = event;
    if (!UUID.test(id) || (data?.transferId !== undefined && !UUID.test(String(data.transferId))))
      return this.finds.add(String(id), `is no id of an event (${this.#where})`);
    if (data?.legs === undefined) await this.#facts.take(event);
    else await this.#transfers?.take({ ...event, data });
  }

  /** As of `ToldFacts`. */
  async end(waiting: IdSet, sinceMs: number, untilMs = FOREVER_MS): Promise<void> {
    await this.#transfers?.end(waiting, sinceMs, untilMs);
    await this.#facts.end(waiting, sinceMs, untilMs);
    if (this.#transfers !== null) this.finds.join(this.#transfers.finds);
    this.finds.join(this.#facts.finds);
  }
}

export const factRows = (snapshot: Snapshot, { facts }: Told): FactRows => new FactRows(snapshot, facts);

/** What waits to be published: it is in no follower yet. Its identities are put into `waiting`. */
export const waitingIn = async (
  snapshot: Snapshot,
  { target, facts }: Told,
  waiting = new IdSet(),
): Promise<IdSet> => {
  const kinds = byType(facts);
  const rows = snapshot.pages<{ id: string | null; told: ToldEvent | null }>(
    `select n.event_id as id, coalesce(n.told, o.payload) as told
     from ops.outbox o
       cross join lateral rows from (
         unnest(o.keys, o.event_ids),
         jsonb_array_elements(case jsonb_typeof(o.payload) when 'array' then o.payload end)
       ) as n(key, event_id, told)
     where o.target = ${target} and n.key is not null`,
  );
  for await (const page of rows) {
    for (const { id, told } of page) {
      if (told !== null) waiting.add(identityOf(told, kinds));
      else if (id !== null) waiting.add(id);
    }
  }
  return waiting;
};
