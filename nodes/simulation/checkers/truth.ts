/** What really became durable, in order, as the store saw it: the others compare what was said with this. */
import type { Committed, DurableOp, EventOp } from '../../../actors/durable.ts';
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import type { CommitEntry, EntryOutcome } from '../../ports.ts';

export interface Posted {
  readonly transferId: string;
  readonly delta: number;
  readonly balance: number;
  readonly version: number;
  readonly atMs: number;
}

export interface Effect {
  readonly op: DurableOp;
  readonly shard: number;
  readonly epoch: number;
  readonly by: string;
  /** World milliseconds. */
  readonly atMs: number;
}

export class Truth {
  readonly effects = new Map<string, Effect>();
  /** Postings of an account; that of version v stands at v - 1. */
  readonly postings = new Map<string, Posted[]>();
  /** `user key` to the transfers made under it. */
  readonly byKey = new Map<string, string[]>();
  /** Encounters of a user. */
  readonly encounters = new Map<string, string[]>();
  /** `name of actor` to every time for which a durable timer was ever stored. */
  readonly timers = new Map<string, number[]>();
  /** Stored events of a user, in order. */
  readonly events = new Map<string, EventOp[]>();
  /** Encounters that wait for an operator: durable, and nothing is posted. */
  readonly held = new Set<string>();
  /** What operators decided of them. */
  readonly reviews = new Map<string, { readonly verdict: 'released' | 'rejected'; readonly atMs: number }>();
  /** `officer|civilian` to when they scored. */
  readonly scores = new Map<string, number[]>();
  /** The same, to the encounters. */
  readonly met = new Map<string, { readonly id: string; readonly atMs: number }[]>();

  committed(by: string, { shard, epoch, op }: CommitEntry, outcome: EntryOutcome, atMs: number): void {
    if (op.type === 'review' && (outcome.code === 'rejected' || outcome.code === 'created')) {
      if (!this.reviews.has(op.id)) this.reviews.set(op.id, { verdict: op.verdict, atMs });
    }
    // an encounter that is held is an effect without postings
    if (outcome.code !== 'created' && outcome.code !== 'held') return;
    if (op.type === 'timer') {
      if (op.dueAtMs !== null) add(this.timers, `${op.name} of ${op.actor}`, op.dueAtMs);
      return;
    }
    if (op.type === 'event') {
      add(this.events, op.user, op);
      return;
    }
    if (op.type === 'answer' || op.type === 'offer' || op.type === 'stock') return;
    // asked again, it is held as before
    if (outcome.code === 'held' && this.effects.has(op.id)) return;
    if (outcome.code === 'held') this.held.add(op.id);
    const { postings } = outcome as Committed;
    if (!this.effects.has(op.id)) this.effects.set(op.id, { op, shard, epoch, by, atMs });
    for (const { account, delta, balance, version } of postings) {
      if (account === MINT_ACCOUNT) continue;
      add(this.postings, account, { transferId: op.id, delta, balance, version, atMs });
    }
    if (op.idempotency) add(this.byKey, `${op.idempotency.userId} ${op.idempotency.key}`, op.id);
    if (op.type !== 'encounter') return;
    add(this.encounters, op.officer, op.id);
    add(this.encounters, op.civilian, op.id);
    add(this.scores, `${op.officer}|${op.civilian}`, atMs);
    add(this.met, `${op.officer}|${op.civilian}`, { id: op.id, atMs });
  }

  postingOf(account: string, version: number): Posted | null {
    return this.postings.get(account)?.[version - 1] ?? null;
  }

  /** The newest balance and its version. */
  balanceOf(account: string): { readonly balance: number; readonly version: number } {
    const last = this.postings.get(account)?.at(-1);
    return last ? { balance: last.balance, version: last.version } : { balance: 0, version: 0 };
  }

  transferOf(account: string, transferId: string): Posted | null {
    return this.postings.get(account)?.find(one => one.transferId === transferId) ?? null;
  }
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const all = map.get(key);
  if (all) all.push(value);
  else map.set(key, [value]);
}
