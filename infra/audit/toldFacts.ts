/**
 * Compares what a follower tells of redemptions, stock, people and catalogues (`facts.ts`) with the rows of PostgreSQL, as
 * `told.ts` does with transfers: nothing may be missing, invented, told otherwise, or told by two events.
 */
import type { FactRows } from './factRows.ts';
import { byType, type Fact, keyHash, saidHash, type ToldEvent } from './facts.ts';
import { IdSet } from './idSet.ts';
import { IDS_PER_QUESTION, UNKNOWN_MAX } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';

/** One that is told: what `there` of its kind is asked about. */
interface Told {
  readonly fact: Fact;
  readonly key: string;
  readonly id: string;
  readonly data: object;
  /** Unix milliseconds; of what is no time, not a number. */
  readonly atMs: number;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class ToldFacts {
  readonly finds = new Finds();
  readonly #snapshot: Snapshot;
  readonly #where: string;
  readonly #shared: boolean;
  readonly #rows: FactRows;
  readonly #facts: ReadonlyMap<string, Fact>;
  /** Ids of events; hashes of the facts that they tell; and hashes of these with what is told of them. */
  readonly #events = new IdSet();
  readonly #keys = new IdSet();
  readonly #said = new IdSet();
  #waiting: Told[] = [];
  readonly #unknown: Told[] = [];

  /** @param shared the follower has events of other towns, too */
  constructor(snapshot: Snapshot, where: string, shared: boolean, facts: readonly Fact[], rows: FactRows) {
    this.#snapshot = snapshot;
    this.#where = where;
    this.#shared = shared;
    this.#facts = byType(facts);
    this.#rows = rows;
  }

  async take(event: ToldEvent): Promise<void> {
    const { id: event_id, type = '', data = {}, time = '' } = event;
    const fact = this.#facts.get(type);
    if (fact === undefined || !this.#events.add(event_id)) return;
    const key = fact.keyOf(event);
    const [, id = ''] = key.split(' ');
    if (!UUID.test(id)) return this.finds.add(event_id, `is a ${type} of nothing (${this.#where})`);
    this.#said.add(saidHash(key, fact.saidOf(data, type)));
    if (!this.#keys.add(keyHash(key))) {
      if (!fact.repeats) this.finds.add(id, `is told twice, by ${event_id} as ${type} (${this.#where})`);
      return;
    }
    if (fact.there === null || this.#shared) return;
    // PostgreSQL reads other texts as times than we do, and knows none as early
    this.#waiting.push({ fact, key, id, data, atMs: Math.max(0, Date.parse(time)) });
    if (this.#waiting.length >= IDS_PER_QUESTION) await this.#ask();
  }

  /**
   * When the follower was read to its end; spans follow each other.
   *
   * @param waiting identities of what may be on its way
   * @param sinceMs facts of this time and later must be there; Unix milliseconds
   * @param untilMs and earlier than this
   */
  async end(waiting: IdSet, sinceMs: number, untilMs: number): Promise<void> {
    await this.#ask();
    for (let at = 0; at < this.#unknown.length; at += IDS_PER_QUESTION) {
      const some = this.#unknown.slice(at, at + IDS_PER_QUESTION);
      for (const { id, key } of await this.#missing(some, 'now'))
        this.finds.add(id, `is told in ${this.#where} and is not there (${key.split(' ', 1)[0]})`);
    }
    for await (const { id, key, said, at } of this.#rows.between(sinceMs, untilMs)) {
      if (this.#said.has(saidHash(key, said))) continue;
      const word = key.split(' ', 1)[0];
      if (this.#keys.has(keyHash(key)))
        this.finds.add(id, `is told otherwise in ${this.#where} than it was (${word}): ${said.join(' ')}`);
      else if (!waiting.has(keyHash(key)))
        this.finds.add(id, `was ${word} at ${at} and is not in ${this.#where}`);
    }
  }

  async #ask(): Promise<void> {
    const told = this.#waiting;
    this.#waiting = [];
    const unknown = await this.#missing(told, 'rows');
    this.#unknown.push(...unknown.slice(0, UNKNOWN_MAX - this.#unknown.length));
  }

  /** Those of which there is nothing; as of the snapshot, or by now. */
  async #missing(told: readonly Told[], when: 'rows' | 'now'): Promise<Told[]> {
    const missing: Told[] = [];
    for (const [{ of: table, there }, of] of Map.groupBy(told, ({ fact }) => fact)) {
      if (!(await this.#snapshot.has(table))) continue;
      const text = `select t.key
        from (select key, id, data, to_timestamp("atMs" / 1000) as at
              from jsonb_to_recordset($1::jsonb) as one(key text, id uuid, data jsonb, "atMs" float8)) t
        where not exists (${there})`;
      const asked = of.map(({ key, id, data, atMs }) => ({ key, id, data, atMs }));
      const rows = await this.#snapshot[when]<{ key: string }>(text, [JSON.stringify(asked)]);
      const keys = new Set(rows.map(({ key }) => key));
      missing.push(...of.filter(({ key }) => keys.has(key)));
    }
    return missing;
  }
}
