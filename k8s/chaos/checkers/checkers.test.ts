/** Every checker sees what it is there for, in a history with one wrong thing in it, and nothing in one without. */
import { describe, expect, it } from 'vitest';
import { type CHECKERS, judge } from '../judge.ts';
import { reportPage } from '../report.ts';
import {
  CHARITY,
  CIVILIAN,
  event,
  evidenceOf,
  fault,
  OFFICER,
  op,
  type PlantedRun,
  planted,
  transfer,
} from './planted.ts';
import { resumeTimes } from './resumes.ts';

type Name = keyof typeof CHECKERS;

/** Replaces what is found by something with a part of it changed. */
const change = <T extends object>(list: T[], which: (item: T) => boolean, part: Partial<T>): void => {
  const at = list.findIndex(which);
  if (at < 0) throw new Error('nothing of that kind is planted');
  list[at] = { ...list[at]!, ...part };
};
const remove = <T>(list: T[], which: (item: T) => boolean): void => {
  const at = list.findIndex(which);
  if (at < 0) throw new Error('nothing of that kind is planted');
  list.splice(at, 1);
};
const records = (run: PlantedRun) => run.history.records as object[];
const isEvent =
  (who: string, offset: number) =>
  (one: object): boolean => {
    const record = one as ReturnType<typeof event>;
    return record.type === 'event' && record.who === who && record.offset === offset;
  };
const lost = (t_ms: number) => ({ type: 'lost', t_ms, who: CIVILIAN, code: 1006, reason: '' }) as const;
const back = (t_ms: number, resumed = true) =>
  ({ type: 'welcome', t_ms, who: CIVILIAN, node: 'n1', resumed, epoch: 'lineage', offset: 4 }) as const;

const sample = (t_ms: number, node: string, arrived = 0, stale_rejected = 0) =>
  ({
    type: 'sample',
    t_ms,
    node,
    serving: true,
    shards: 170,
    stale_rejected,
    rss_mb: 200,
    heap_mb: 60,
    outbox_depth: 0,
    buffered_max: 0,
    mailbox_full: 0,
    arrived,
  }) as const;

/** A node is told to end, and so end the sockets of its phones. */
const drained = (
  run: PlantedRun,
  { arrived = 12, ...how }: { isTold: boolean; code: number; backMs: number; arrived?: number },
): void => {
  const drain = fault({ fault: 'scale-down', row: '17' });
  run.timeline.faults.push(drain, { ...drain, phase: 'healed', t_ms: 9_000 });
  run.history.records.push(sample(drain.t_ms - 100, 'n9', 30), sample(9_100, 'n9', 30 + arrived));
  for (let i = 0; i < 12; i++) {
    const who = `phone ${i}`;
    run.history.records.push(
      { ...back(drain.t_ms - 500), who, node: drain.targets[0]! },
      ...(how.isTold ? [{ type: 'goaway', t_ms: drain.t_ms + 10, who } as const] : []),
      { ...lost(drain.t_ms + 100 + i), who, code: how.code },
      { ...back(drain.t_ms + 100 + i + how.backMs), who, node: 'n9' },
    );
  }
};

it('finds nothing in a run in which a node is told to end, and hands over', () => {
  const run = planted();
  drained(run, { isTold: true, code: 1000, backMs: 300 });
  expect(judge(evidenceOf(run), 'commit')).toMatchObject({ problems: [], not_handed_over: 0 });
});

it('finds nothing in a run in which nothing is wrong', () => {
  expect(judge(evidenceOf(planted()), 'commit')).toMatchObject({
    problems: [],
    failed: [],
    verdict: 'pass',
    ops: { attempted: 34, acked: 34, failed: 0, unknown: 0 },
  });
});

const WRONGS: readonly [name: string, seenBy: readonly Name[], plant: (run: PlantedRun) => void][] = [
  [
    'an encounter that was acknowledged is not there',
    ['acknowledged'],
    run => remove(run.state.encounters, () => true),
  ],
  [
    'an encounter is stored with fewer points than it promised',
    ['acknowledged', 'meetings'],
    run => change(run.state.encounters, () => true, { civilianPoints: 9 }),
  ],
  [
    'a gift that was acknowledged is not there',
    ['acknowledged'],
    run => remove(run.state.transfers, one => one.id === 'gift'),
  ],
  [
    'a sale that was acknowledged is cancelled',
    ['acknowledged', 'meetings'],
    run => change(run.state.redemptions, () => true, { state: 'cancelled' }),
  ],
  ['two met twice', ['once'], run => run.state.encounters.push({ ...run.state.encounters[0]!, id: 'again' })],
  [
    'a gift is there twice under one amount',
    ['once'],
    run => run.state.transfers.push({ ...run.state.transfers[1]!, id: 'gift-again' }),
  ],
  [
    'a gift that was refused is there',
    ['once'],
    run => change(records(run), one => (one as { id?: string }).id === 'k2', { outcome: 'fail' } as object),
  ],
  [
    'a redemption that nobody asked for',
    ['once'],
    run => run.state.redemptions.push({ ...run.state.redemptions[0]!, id: 'tea' }),
  ],
  [
    'a transfer that does not add up',
    ['balances'],
    run => change(run.state.transfers, one => one.id === 'gift', { postings: [] }),
  ],
  ['a movement that only PostgreSQL refused', ['balances'], run => run.state.overdrawn.push('loan')],
  [
    'an account that has more than its postings',
    ['balances'],
    run => change(run.state.accounts, one => one.id === CHARITY, { balance: 3 }),
  ],
  [
    'DynamoDB that says another balance',
    ['balances'],
    run => run.state.balances.set(CHARITY, { balance: 1, version: 1 }),
  ],
  [
    'a phone that shows an old balance',
    ['balances'],
    run => {
      run.history.views = new Map([...run.history.views, [CIVILIAN, { balance: 8, version: 2 }]]);
    },
  ],
  [
    'an actor that does not answer for its balance',
    ['balances'],
    run => {
      run.history.actors = new Map([...run.history.actors].slice(1));
    },
  ],
  [
    'an older owner that wrote after the epoch of the newer one was minted',
    ['owners'],
    run => change(run.state.transfers, one => one.id === 'sale', { epoch: 3 }),
  ],
  [
    'an epoch that nobody minted',
    ['owners'],
    run => change(run.state.transfers, one => one.id === 'sale', { epoch: 5 }),
  ],
  ['a phone that did not come back', ['resumes'], run => run.history.records.push(lost(30_000))],
  [
    'an event that was never told, hidden by a state that the phone asked for',
    ['resumes'],
    run => {
      remove(records(run), isEvent(CHARITY, 1));
      run.history.records.push(
        event({ who: CHARITY, name: 'snapshot', offset: 1, t_ms: 41_000, balance: 2, version: 1 }),
      );
    },
  ],
  ['a gap between two offsets', ['resumes'], run => remove(records(run), isEvent(CIVILIAN, 3))],
  [
    'a phone that waited ten seconds to be resumed',
    ['promptResumes'],
    run => run.history.records.push(lost(21_000), back(31_000)),
  ],
  [
    'phones of a node that ended without a word',
    ['handover'],
    run => drained(run, { isTold: false, code: 1006, backMs: 100 }),
  ],
  [
    'phones that were told when to go, and cut off before',
    ['handover'],
    run => drained(run, { isTold: true, code: 1012, backMs: 100 }),
  ],
  [
    'phones that were sent away to nodes that were not ready for them',
    ['handover'],
    run => drained(run, { isTold: true, code: 1000, backMs: 2_500 }),
  ],
  [
    'phones that were well treated, and whose actors began from the store',
    ['handover'],
    run => drained(run, { isTold: true, code: 1000, backMs: 100, arrived: 0 }),
  ],
  [
    'an event that came again under another offset',
    ['order'],
    run => run.history.records.push(event({ offset: 5, event_id: `event-${CIVILIAN}-4` })),
  ],
  [
    'an offset that came after a later one',
    ['order'],
    run => run.history.records.push(event({ offset: 2, event_id: 'new' })),
  ],
  [
    'an officer who is shown and does not share',
    ['presence'],
    run => run.history.records.push({ type: 'share', t_ms: 44_000, who: OFFICER, on: false }),
  ],
  [
    'an officer who shares and is not shown',
    ['presence'],
    run =>
      run.history.records.push({ type: 'area', t_ms: 44_000, who: CIVILIAN, cell: 'cell', officers: [] }),
  ],
  [
    'a redemption that was paid after it was cancelled',
    ['meetings'],
    run => change(records(run), isEvent(CIVILIAN, 3), { state: 'cancelled' } as object),
  ],
  [
    'an officer who was told of other points than are stored',
    ['meetings'],
    run => change(records(run), isEvent(OFFICER, 1), { points: 5 } as object),
  ],
  [
    'a command that was answered in two ways',
    ['contradictions'],
    run => run.history.contradictions.push('two answers'),
  ],
  ['a node that ended by itself', ['bounds'], run => run.crashes.push('n1 ended with code 134')],
  ...[{ rss_mb: 1_100 }, { heap_mb: 720 }, { buffered_max: 1_048_576 }].map(
    (held): (typeof WRONGS)[number] => [
      `a node that held ${JSON.stringify(held)} for a moment`,
      ['bounds'],
      run => run.history.records.push({ ...sample(30_000, 'n1'), ...held }, sample(31_000, 'n1')),
    ],
  ),
  [
    'rows that nobody published',
    ['bounds'],
    run => {
      run.state.outboxLeft = 3;
    },
  ],
  [
    'somebody who had nothing to do with the sick node and was not served',
    ['isolation'],
    run => {
      run.timeline.faults.push(fault({}), fault({ phase: 'healed', t_ms: 9_000 }));
      run.history.records.push(op({ node: 'n3', t_ms: 3_000, answered_ms: 4_000, outcome: 'unknown' }));
      run.history.records.push({
        type: 'owners',
        t_ms: 31,
        owners: ['n1', 'n2', 'n3', ...new Array<string>(509).fill('n2')],
      });
    },
  ],
  [
    'an op that failed when everything was well again',
    ['liveness'],
    run => run.history.records.push(op({ id: 'late', t_ms: 42_000, outcome: 'unknown' })),
  ],
  ['somebody who is not served in the end', ['liveness'], run => run.history.notServed.push('nobody')],
  [
    'a reservation that does not end',
    ['liveness', 'acknowledged'],
    run => change(run.state.redemptions, () => true, { state: 'reserved', overdueMs: 120_000 }),
  ],
  [
    'a quiet phase in which nobody asked for anything',
    ['liveness'],
    run => {
      run.timeline.quietFromMs = 49_000;
    },
  ],
  ...['partition', 'partition-deaf'].map((cut): (typeof WRONGS)[number] => [
    `a node that was cut off (${cut}) and went on scoring`,
    ['failStop'],
    run => {
      run.timeline.faults.push(
        fault({ fault: cut, row: '3a' }),
        fault({ fault: cut, row: '3a', phase: 'healed', t_ms: 15_000 }),
      );
      change(records(run), one => (one as { id?: string }).id === 'k2', { answered_ms: 12_000 } as object);
    },
  ]),
  [
    'a transfer that is not in the stream',
    ['streams'],
    run => (run.state.streams[0] = run.state.streams[0]!.slice(1)),
  ],
  [
    'events of one person in another order',
    ['streams'],
    run => {
      run.state.streams[0] = run.state.streams[0]!.toReversed();
    },
  ],
  [
    'an event of a transfer that does not exist',
    ['streams'],
    run => {
      run.state.streams[0] = [
        ...run.state.streams[0]!,
        { id: 'ghost', type: 'points.moved', subject: CHARITY, seq: 1, legs: [] },
      ];
    },
  ],
];

describe('of a run in which something is wrong, it is noticed:', () => {
  it.each(WRONGS)('%s', (_, seenBy, plant) => {
    const run = planted();
    plant(run);
    const { failed, verdict } = judge(evidenceOf(run), 'commit');
    expect(verdict).toBe('fail');
    for (const name of seenBy) expect(failed).toContain(name);
  });
});

it('says how much nodes held at most, of those that answered', () => {
  const run = planted();
  const away = { ...sample(29_000, 'n2'), rss_mb: null, heap_mb: null, outbox_depth: null };
  run.history.records.push(sample(28_000, 'n1'), away, {
    ...sample(30_000, 'n2'),
    heap_mb: 90,
    outbox_depth: 7,
  });
  const { rss_mb_max, heap_mb_max, outbox_max } = judge(evidenceOf(run), 'commit');
  expect({ rss_mb_max, heap_mb_max, outbox_max }).toEqual({
    rss_mb_max: 200,
    heap_mb_max: 90,
    outbox_max: 7,
  });
});

it('counts what is published: lost, doubled, stale', () => {
  const run = planted();
  run.state.encounters.length = 0;
  run.state.transfers.push({ ...run.state.transfers[1]!, id: 'again' });
  change(run.state.transfers, one => one.id === 'sale', { epoch: 3 });
  run.history.records.push(sample(44_000, 'n1', 0, 7));
  const { lost, stale_accepted, stale_rejected, doubled } = judge(evidenceOf(run), 'commit');
  expect({ lost, stale_accepted, stale_rejected }).toEqual({ lost: 1, stale_accepted: 1, stale_rejected: 7 });
  expect(doubled).toBeGreaterThan(0);
});

it('passes over what comes again while messages are doubled on purpose, and nothing else', () => {
  const run = planted();
  run.timeline.faults.push(fault({ fault: 'repeats', row: '9' }));
  run.history.records.push(event({ offset: 2, about: ['gift'], points: -2, balance: 8, version: 2 }));
  expect(judge(evidenceOf(run), 'commit').failed).toEqual([]);
  run.history.records.push(event({ offset: 9, event_id: `event-${CIVILIAN}-2`, about: ['gift'] }));
  expect(judge(evidenceOf(run), 'commit').failed).toContain('order');
});

it('does not count the outage of a server as the time of a resume', () => {
  const run = planted();
  run.history.records.push(lost(3_000), back(13_000));
  expect(resumeTimes(evidenceOf(run))).toEqual([10]);
  run.timeline.faults.push(
    fault({ fault: 'nats-away', row: '4', targets: ['nats'] }),
    fault({ fault: 'nats-away', row: '4', targets: ['nats'], phase: 'healed', t_ms: 12_500 }),
  );
  expect(resumeTimes(evidenceOf(run))).toEqual([0.5]);
});

it('does not ask of others whom a sick node was given while it was sick', () => {
  const run = planted();
  run.timeline.faults.push(
    fault({ fault: 'memory' }),
    fault({ fault: 'memory', phase: 'healed', t_ms: 9_000 }),
  );
  const maps = [
    ['n1', 2_500],
    [null, 6_000],
    ['n3', 6_500],
  ] as const;
  for (const [owner, t_ms] of maps)
    run.history.records.push({ type: 'owners', t_ms, owners: new Array<string | null>(512).fill(owner) });
  run.history.records.push(op({ node: 'n3', t_ms: 5_000, answered_ms: 6_600, outcome: 'unknown' }));
  expect(judge(evidenceOf(run), 'commit').failed).not.toContain('isolation');
});

it('takes a transfer without an owner for what it is', () => {
  const run = planted();
  change(run.state.transfers, one => one.id === 'sale', { shard: null, epoch: null });
  expect(judge(evidenceOf(run), 'commit').stale_accepted).toBe(0);
  expect(transfer('any', {}).epoch).toBe(3);
});

it('is told on a page that names what was hit and what was wrong, and holds nothing that a page would run', () => {
  const run = planted();
  run.timeline.faults.push(
    fault({ what: 'n1 <script>' }),
    fault({ phase: 'healed', t_ms: 9_000, counts: { restarted: 1 } }),
  );
  run.history.contradictions.push('two answers & more');
  const page = reportPage(evidenceOf(run), judge(evidenceOf(run), 'commit'));
  expect(page).toContain('n1 &lt;script&gt;');
  expect(page).toContain('restarted 1');
  expect(page).toContain('two answers &amp; more');
  expect(page).toMatch(/<polyline points="[\d., ]+"/);
  expect(page).not.toContain('<script');
});
