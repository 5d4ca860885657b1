/** A small run without a fault, as data: tests plant one wrong thing into it, and see who notices. */
import { type Evidence, MINT } from '../evidence.ts';
import type { EventRecord, History, HistoryRecord, OpRecord } from '../history.ts';
import type { FinalState, StoredTransfer } from '../stores.ts';
import type { FaultRecord, Timeline } from '../target.ts';

export const OFFICER = '0190aaaa-0000-7000-8000-00000000000a';
export const CIVILIAN = '0190aaaa-0000-7000-8000-00000000000b';
export const CHARITY = '0190aaaa-0000-7000-8000-00000000000c';
export const SHOP = '0190aaaa-0000-7000-8000-00000000000d';
export const NODES = ['n1', 'n2', 'n3'];

/** Everything may be written into: a test breaks what it likes. */
type Loose<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer I)[] ? I[] : T[K] };
export interface PlantedRun {
  readonly history: Loose<History> & { readonly records: HistoryRecord[] };
  readonly timeline: Loose<Timeline> & { readonly faults: FaultRecord[] };
  readonly state: Loose<FinalState> & {
    readonly balances: Map<string, { balance: number; version: number }>;
  };
  readonly crashes: string[];
}

export const op = (part: Partial<OpRecord>): OpRecord => ({
  type: 'op',
  t_ms: 1_000,
  op: 'ask',
  id: 'key',
  who: CIVILIAN,
  kind: 'civilian',
  other: null,
  way: 'socket',
  points: null,
  outcome: 'ok',
  named: null,
  balance: null,
  node: 'n1',
  answered_ms: 1_050,
  latency_ms: 50,
  tries: 1,
  why: null,
  ...part,
});

export const event = (part: Partial<EventRecord>): EventRecord => ({
  type: 'event',
  t_ms: 1_060,
  who: CIVILIAN,
  name: 'points.changed',
  epoch: 'lineage',
  offset: 1,
  event_id: `event-${part.who ?? CIVILIAN}-${part.offset ?? 1}`,
  about: [],
  points: null,
  balance: null,
  version: null,
  state: null,
  ...part,
});

const leg = (account: string, delta: number, balance: number, version: number) => ({
  account,
  stripe: 0,
  delta,
  balance,
  version,
});

export const transfer = (id: string, part: Partial<StoredTransfer>): StoredTransfer => ({
  id,
  reason: 'encounter',
  shard: 7,
  epoch: 3,
  atMs: 10_000,
  postings: [],
  ...part,
});

export const fault = (part: Partial<FaultRecord>): FaultRecord => ({
  t_ms: 2_000,
  n: 1,
  fault: 'kill',
  row: '1',
  phase: 'hit',
  targets: ['n1'],
  what: 'n1 is killed',
  counts: {},
  ...part,
});

const welcome = (who: string): HistoryRecord => ({
  type: 'welcome',
  t_ms: 10,
  who,
  node: 'n1',
  resumed: false,
  epoch: 'lineage',
  offset: 0,
});
const fresh = (who: string): EventRecord =>
  event({ who, name: 'snapshot', t_ms: 20, offset: 0, event_id: `first-${who}`, balance: 0, version: 0 });

/** One meeting, one donation, one redemption; everybody knows of all of it. */
export const planted = (): PlantedRun => {
  const people = [
    { userId: OFFICER, kind: 'officer' as const },
    { userId: CIVILIAN, kind: 'civilian' as const },
    { userId: CHARITY, kind: 'charity' as const },
    { userId: SHOP, kind: 'merchant' as const },
  ];
  const transfers = [
    transfer('meeting', {
      postings: [leg(MINT, -20, -20, 1), leg(OFFICER, 10, 10, 1), leg(CIVILIAN, 10, 10, 1)],
    }),
    transfer('gift', {
      reason: 'donation',
      atMs: 11_000,
      postings: [leg(CIVILIAN, -2, 8, 2), leg(CHARITY, 2, 2, 1)],
    }),
    transfer('sale', {
      reason: 'redemption',
      atMs: 12_000,
      epoch: 4,
      postings: [leg(CIVILIAN, -5, 3, 3), leg(SHOP, 5, 5, 1)],
    }),
  ];
  const asks = Array.from({ length: 30 }, (_, i) =>
    op({ id: `ask-${i}`, t_ms: 40_000 + i * 10, answered_ms: 40_050 + i * 10 }),
  );
  const records: HistoryRecord[] = [
    ...people.flatMap(({ userId }) => [welcome(userId), fresh(userId)]),
    { type: 'owners', t_ms: 30, owners: new Array<string>(512).fill('n2') },
    { type: 'share', t_ms: 30, who: OFFICER, on: true },
    { type: 'area', t_ms: 40, who: CIVILIAN, cell: 'cell', officers: [OFFICER] },
    op({ op: 'meet', id: 'k1', other: OFFICER, points: 10, named: 'meeting', balance: 10 }),
    event({ name: 'encounter.completed', about: ['meeting'], points: 10, balance: 10, version: 1 }),
    event({
      who: OFFICER,
      name: 'encounter.completed',
      about: ['meeting'],
      points: 10,
      balance: 10,
      version: 1,
    }),
    op({ op: 'donate', id: 'k2', other: CHARITY, points: 2, named: 'gift', balance: 8 }),
    event({ offset: 2, about: ['gift'], points: -2, balance: 8, version: 2 }),
    event({ who: CHARITY, about: ['gift'], points: 2, balance: 2, version: 1 }),
    op({ op: 'reserve', id: 'k3', other: 'offer', points: 5, named: 'coffee' }),
    event({
      offset: 3,
      name: 'redemption.changed',
      about: ['coffee'],
      state: 'reserved',
      balance: 8,
      version: 2,
    }),
    op({ op: 'confirm', id: 'k4', who: SHOP, kind: 'merchant', other: 'coffee', points: 5, named: 'coffee' }),
    event({
      offset: 4,
      name: 'redemption.changed',
      about: ['coffee'],
      state: 'confirmed',
      balance: 3,
      version: 3,
    }),
    event({ who: SHOP, about: ['sale'], points: 5, balance: 5, version: 1 }),
    ...asks,
  ];
  const shows = () =>
    new Map([
      [OFFICER, { balance: 10, version: 1 }],
      [CIVILIAN, { balance: 3, version: 3 }],
      [CHARITY, { balance: 2, version: 1 }],
      [SHOP, { balance: 5, version: 1 }],
    ]);
  return {
    history: {
      people,
      records,
      views: shows(),
      actors: shows(),
      notServed: [],
      contradictions: [],
      endMs: 50_000,
    },
    timeline: { seed: 1, faults: [], problems: [], unsteady: null, quietFromMs: 20_000, endMs: 45_000 },
    state: {
      transfers,
      accounts: [
        ...[...shows()].map(([id, has]) => ({ id, stripe: 0, reserved: 0, ...has })),
        { id: MINT, stripe: 0, reserved: 0, balance: -20, version: 1 },
      ],
      encounters: [
        { id: 'meeting', officer: OFFICER, civilian: CIVILIAN, officerPoints: 10, civilianPoints: 10 },
      ],
      redemptions: [
        {
          id: 'coffee',
          user: CIVILIAN,
          merchant: SHOP,
          points: 5,
          soldPoints: 5,
          refundedPoints: 0,
          state: 'confirmed',
          transferId: 'sale',
          overdueMs: 1,
        },
      ],
      overdrawn: [],
      mints: [
        { shard: 7, epoch: 3, atMs: 9_000 },
        { shard: 7, epoch: 4, atMs: 11_500 },
      ],
      fences: new Map([[7, 4]]),
      outboxLeft: 0,
      balances: shows(),
      streams: [
        transfers.map(({ id, postings }, i) => ({
          id,
          type: 'points.moved',
          subject: CIVILIAN,
          seq: i + 1,
          legs: postings,
        })),
      ],
    },
    crashes: [],
  };
};

export const evidenceOf = (run: PlantedRun): Evidence => run;
