/**
 * The output gate with the real writer behind it, under the faults of a store: what people hear is what is durable,
 * whatever happens to a commit. The store here is the ledger in memory behind one fault at a time, on virtual time.
 */
import { beforeEach, expect, test } from 'vitest';
import { type Committed, type DurableOp, MINT_ACCOUNT } from '../actors/durable.ts';
import type { Behaviour, ReplyTo, SystemMessage, Turn } from '../actors/turn.ts';
import { ERROR, ok, type Result } from '../protocol/errors.ts';
import { ActorSystem } from './actorSystem.ts';
import { LedgerWriter } from './ledgerWriter.ts';
import { MemoryLedger } from './memory/memoryLedger.ts';
import { soleOwner } from './memory/soleOwner.ts';
import { type CommitEntry, CommitError, type CommitStore, type EntryOutcome } from './ports.ts';
import { seededRandom, VirtualTime } from './simulation/virtualTime.ts';

type Fault = 'none' | 'away' | 'lost before' | 'lost after' | 'poison' | 'fenced';

/** One fault for every call until it is lifted. */
class FaultyStore implements CommitStore {
  fault: Fault = 'none';
  lookUpsFail = false;
  readonly ledger: MemoryLedger;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.ledger = new MemoryLedger(() => time.nowMs());
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    await new Promise<void>(resolve => this.#time.after(10, resolve));
    if (this.fault === 'away') throw new CommitError('unavailable', 'away');
    if (this.fault === 'poison') throw new CommitError('poison', 'breaks a constraint');
    if (this.fault === 'lost before') throw new CommitError('unknown', 'connection lost');
    if (this.fault === 'fenced')
      await this.ledger.mint([...new Set(entries.map(entry => entry.shard))], 'another');
    const outcomes = await this.ledger.commit(entries);
    if (this.fault === 'lost after') throw new CommitError('unknown', 'connection lost');
    return outcomes;
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    if (this.lookUpsFail) throw new CommitError('unavailable', 'still away');
    return this.ledger.lookup(ops);
  }
}

/** An account that pays its owner from the mint, and says at once (behind the gate) that it did. */
interface Account {
  readonly earned: number;
}
type Earn = { readonly type: 'earn'; readonly id: string; readonly points: number; readonly aloud?: true };

const ANN = '00000000-0000-7000-8000-00000000000a';
const ID = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

const account: Behaviour<Account, Earn> = {
  kind: 'user',
  hydrate: () => null,
  create: () => ok({ earned: 0 }),
  idleMs: () => false,
  discarded: (_state, turn) => turn.close([{ gateway: 'g', id: 's' }], 4105, 'reloaded'),
  receive: (state, message: Earn | SystemMessage, turn: Turn) => {
    if (message.type !== 'earn') return state;
    const { id, points } = message;
    if (message.aloud) {
      turn.push([{ gateway: 'g', id: 's' }], new Uint8Array([100 + points]), 'durable');
      turn.release();
    }
    const legs = [
      { account: ANN, delta: points },
      { account: MINT_ACCOUNT, delta: -points },
    ];
    turn.persist(
      { type: 'transfer', id, reason: 'test', legs, rule: { id: 'r', version: 1 }, idempotency: null },
      id,
    );
    turn.push([{ gateway: 'g', id: 's' }], new Uint8Array([points]), 'durable');
    turn.reply(ok(state.earned + points), turn.replyTo as ReplyTo);
    return { earned: state.earned + points };
  },
};

let time: VirtualTime;
let store: FaultyStore;
let system: ActorSystem;
let pushed: number[];
let lost: number[];
beforeEach(async () => {
  time = new VirtualTime();
  store = new FaultyStore(time);
  pushed = [];
  lost = [];
  store.ledger.openAccount(ANN);
  const shards = Array.from({ length: 512 }, (_, shard) => shard);
  const epochs = await store.ledger.mint(shards, 'me');
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const metrics = { count() {}, observe() {}, gauge() {} };
  const writer = new LedgerWriter({ store, scheduler: time, clock: time, log: quiet, metrics });
  system = new ActorSystem({
    behaviours: {
      user: account,
      region: account,
      area: account,
      pair: account,
      offer: account,
      budget: account,
    },
    coordinator: soleOwner(
      'n1.0',
      shard => epochs[shard] ?? null,
      shard => void lost.push(shard),
    ),
    writer,
    queries: { query: async () => null },
    sink: { push: (_to, bytes) => void pushed.push(bytes[0] as number), close: () => {} },
    clock: time,
    scheduler: time,
    random: seededRandom(3),
    log: quiet,
    metrics,
  });
});

function earn(n: number, points: number): Result<unknown>[] {
  const answers: Result<unknown>[] = [];
  const message: Earn = { type: 'earn', id: ID(n), points };
  system.ask({ kind: 'user', id: ANN }, message, answer => answers.push(answer), { timeoutMs: 30_000 });
  return answers;
}

/** Says one thing that rests on what is durable, and one that rests on the operation. */
function earnAloud(n: number, points: number): Result<unknown>[] {
  const answers: Result<unknown>[] = [];
  const message: Earn = { type: 'earn', id: ID(n), points, aloud: true };
  system.ask({ kind: 'user', id: ANN }, message, answer => answers.push(answer), { timeoutMs: 30_000 });
  return answers;
}

const balance = (): number => store.ledger.accounts.get(ANN)?.balance ?? 0;

test('what was let go of does not wait for the operations of its turn, what is said behind it does', async () => {
  const first = earnAloud(1, 5);
  await time.advance(5);
  expect([first, pushed, balance()]).toEqual([[], [105], 0]);
  await time.advance(20);
  expect([first, pushed, balance()]).toEqual([[ok(5)], [105, 5], 5]);
});

test('what was let go of waits for the operations of earlier turns, and leaves in its order', async () => {
  const answers = [earn(1, 5), earnAloud(2, 3), earnAloud(3, 2)];
  await time.advance(5);
  expect([answers, pushed]).toEqual([[[], [], []], []]);
  await time.advance(40);
  expect([answers, pushed]).toEqual([
    [[ok(5)], [ok(8)], [ok(10)]],
    [5, 103, 3, 102, 2],
  ]);
});

test('what was let go of is lost with the operations that it waits for', async () => {
  store.fault = 'poison';
  const answers = [earn(1, 5), earnAloud(2, 3)];
  await time.advance(1_000);
  expect(answers.flat()).toMatchObject([{ ok: false }, { ok: false }]);
  expect([pushed, balance()]).toEqual([[], 0]);
});

test('what is said is durable when it is heard', async () => {
  const first = earn(1, 5);
  await time.advance(5);
  expect([first, pushed, balance()]).toEqual([[], [], 0]);
  await time.advance(20);
  expect([first, pushed, balance()]).toEqual([[ok(5)], [5], 5]);
});

test('lost in the commit but applied: held until it is looked up, then said once, and it counts once', async () => {
  store.fault = 'lost after';
  store.lookUpsFail = true;
  const answers = earn(1, 5);
  await time.advance(8_000);
  expect([answers, pushed, balance()]).toEqual([[], [], 5]);
  store.lookUpsFail = false;
  await time.advance(2_000);
  expect([answers, pushed, balance()]).toEqual([[ok(5)], [5], 5]);
});

test('lost in the commit and not applied: held, looked up, applied then, and said once', async () => {
  store.fault = 'lost before';
  const answers = earn(1, 5);
  await time.advance(15);
  store.fault = 'none';
  await time.advance(2_000);
  expect([answers, pushed, balance()]).toEqual([[ok(5)], [5], 5]);
});

test('the store stays away: everyone who waits is told to try again, the actor starts anew, nothing was said', async () => {
  store.fault = 'away';
  const first = earn(1, 5);
  const second = earn(2, 3);
  await time.advance(5_000);
  for (const answers of [first, second]) {
    expect(answers).toMatchObject([{ ok: false, code: ERROR.unavailable, retryable: true }]);
  }
  expect([pushed, balance()]).toEqual([[], 0]);
  store.fault = 'none';
  const retried = earn(1, 5);
  await time.advance(1_000);
  expect([retried, pushed, balance()]).toEqual([[ok(5)], [5], 5]);
});

test('an operation that the store rejects is an error, not a promise', async () => {
  store.fault = 'poison';
  const answers = earn(1, 5);
  await time.advance(1_000);
  expect(answers).toMatchObject([{ ok: false, code: ERROR.internal }]);
  expect([pushed, balance()]).toEqual([[], 0]);
});

test('a newer owner of the shard: nothing is applied, nothing is said, the shard is given up', async () => {
  store.fault = 'fenced';
  const answers = earn(1, 5);
  await time.advance(1_000);
  expect(answers).toMatchObject([{ ok: false, retryable: true }]);
  expect([pushed, balance(), lost.length]).toEqual([[], 0, 1]);
});
