/**
 * Compares what a follower tells of transfers, in whatever order and however often, with what PostgreSQL has: nothing may be
 * missing, invented or told otherwise.
 *
 * A transfer that the snapshot sees is either still in the outbox of that same snapshot, or it was published before: rows
 * are removed only when their events have arrived. So nothing is in flight that would have to be guessed at. What only the
 * follower knows may have been committed after the snapshot: PostgreSQL is asked once more, now.
 */
import type { ToldData, ToldEvent } from './facts.ts';
import { IdSet } from './idSet.ts';
import { IDS_PER_QUESTION, MINT, UNKNOWN_MAX } from './limits.ts';
import { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';

/** A movement as it is told. */
interface ToldMovement {
  readonly id: string;
  readonly legs: readonly ToldLeg[];
}

interface ToldLeg {
  readonly account: string;
  readonly delta: number;
  readonly balance?: number;
  readonly version?: number;
}

interface StoredLeg {
  readonly account: string;
  readonly delta: string;
  readonly balance: string;
  readonly version: string;
}

const LEGS = `select transfer_id as id, json_agg(json_build_object('account', account_id, 'delta', delta::text,
    'balance', balance_after::text, 'version', account_version_after::text)) as legs
  from ledger.posting where transfer_id = any ($1::uuid[]) group by transfer_id`;

export class ToldTransfers {
  readonly finds = new Finds();
  /** Of transfers that were told. */
  readonly seen = new IdSet();
  readonly #snapshot: Snapshot;
  readonly #where: string;
  /** The follower has events of other towns, too. */
  readonly #shared: boolean;
  #waiting: ToldMovement[] = [];
  readonly #unknown: string[] = [];

  constructor(snapshot: Snapshot, where: string, shared: boolean) {
    this.#snapshot = snapshot;
    this.#where = where;
    this.#shared = shared;
  }

  async take({ id, data }: ToldEvent & { readonly data: ToldData }): Promise<void> {
    const transfer = data.transferId ?? id;
    if (transfer !== id)
      return this.finds.add(String(transfer), `is told by another event, ${id} (${this.#where})`);
    if (!this.seen.add(id)) return;
    this.#waiting.push({ id, legs: data.legs as readonly ToldLeg[] });
    if (this.#waiting.length >= IDS_PER_QUESTION) await this.#compare();
  }

  /**
   * When the follower was read to its end.
   *
   * @param waiting transfers that may be on their way
   * @param sinceMs transfers of this time and later must be there; Unix milliseconds
   * @param untilMs and earlier than this
   */
  async end(waiting: IdSet, sinceMs: number, untilMs: number): Promise<void> {
    await this.#compare();
    await this.#invented();
    const transfers = this.#snapshot.pages<{ id: string; at: string }>(
      `select id, to_char(at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') as at from ledger.transfer
       where at >= to_timestamp($1::float8 / 1000) and at < to_timestamp($2::float8 / 1000)`,
      [sinceMs, untilMs],
    );
    for await (const page of transfers) {
      for (const { id, at } of page) {
        if (this.seen.has(id) || waiting.has(id)) continue;
        this.finds.add(id, `is a transfer of ${at} and is not in ${this.#where}`);
      }
    }
  }

  async #compare(): Promise<void> {
    const told = this.#waiting;
    this.#waiting = [];
    if (told.length === 0) return;
    const rows = await this.#snapshot.rows<{ id: string; legs: StoredLeg[] }>(LEGS, [
      told.map(({ id }) => id),
    ]);
    const stored = new Map(rows.map(({ id, legs }) => [id, legs]));
    for (const { id, legs: one } of told) {
      const legs = stored.get(id);
      if (legs === undefined) {
        if (this.#unknown.length < UNKNOWN_MAX) this.#unknown.push(id);
        continue;
      }
      const words = differs(one, legs);
      if (words !== null) this.finds.add(id, `${words} (${this.#where})`);
    }
  }

  /** What is told and was in no snapshot is there by now, or was invented. */
  async #invented(): Promise<void> {
    if (this.#shared) return;
    for (let at = 0; at < this.#unknown.length; at += IDS_PER_QUESTION) {
      const some = this.#unknown.slice(at, at + IDS_PER_QUESTION);
      const rows = await this.#snapshot.now<{ id: string }>(
        'select id from ledger.transfer where id = any ($1::uuid[])',
        [some],
      );
      const there = new Set(rows.map(({ id }) => id));
      for (const id of some) {
        if (!there.has(id)) this.finds.add(id, `is told in ${this.#where} and is no transfer`);
      }
    }
  }
}

/** In words, or null when they are the same. */
const differs = (told: readonly ToldLeg[], stored: readonly StoredLeg[]): string | null => {
  const sums = (legs: readonly { account: string; delta: number | string }[]): string => {
    const byAccount = new Map<string, bigint>();
    for (const { account, delta } of legs) {
      byAccount.set(account, (byAccount.get(account) ?? 0n) + BigInt(delta));
    }
    return [...byAccount]
      .filter(([, delta]) => delta !== 0n)
      .map(([account, delta]) => `${account} ${delta}`)
      .sort()
      .join(', ');
  };
  const [there, here] = [sums(told), sums(stored)];
  if (there !== here) return `moves ${here} and is told as ${there}`;
  for (const leg of told) {
    if (leg.account === MINT || leg.version === undefined) continue;
    const same = stored.some(
      one =>
        one.account === leg.account &&
        one.version === String(leg.version) &&
        one.balance === String(leg.balance),
    );
    if (!same) return `is told with balance ${leg.balance} at version ${leg.version} of ${leg.account}`;
  }
  return null;
};
