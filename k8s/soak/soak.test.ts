/** The pieces of a soak that need no cluster: what was asked for, how the load goes, what ended, what the page draws. */
import { EventEmitter as Emitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { SETTINGS } from '../../infra/config/settings.ts';
import type { Op } from '../../nodes/simulation/history.ts';
import { FAULTS } from '../chaos/faults/index.ts';
import type { ChaosNode, ChaosTarget, Hit } from '../chaos/target.ts';
import { sourcesOf } from '../simulate/mutate.ts';
import { wantedOf } from '../soak.ts';
import type { AskedOp } from '../swarm/clientLoad.ts';
import { Histogram } from '../swarm/histogram.ts';
import type { MeetOp } from '../swarm/meetings.ts';
import { Random } from '../swarm/random.ts';
import { AGED } from './ageing.ts';
import { beatOf, Shown, wronglyShown } from './beat.ts';
import { BAG, perform, SHORT, WEIGHTS } from './faults.ts';
import { plotsOf } from './page.ts';
import { plotSvg, stepOf } from './plot.ts';
import { loadedS, PROFILES, sized } from './profiles.ts';
import { Recording } from './recording.ts';
import { Tail } from './tail.ts';

describe('the command', () => {
  test('knows its profiles, and other sizes of them', () => {
    const wanted = wantedOf(['--profile', 'standard', '--seed', '7', '--minutes', '5', '--phones', '500']);
    expect(wanted).toMatchObject({ seed: 7, workers: 1 });
    expect(wanted?.plan).toMatchObject({ seconds: 300, phones: 500, positionsPerS: 100, meetingsPerS: 5 });
    expect(wantedOf(['--help'])).toBeNull();
  });

  test.each([
    [['--profile', 'eternal'], 'There is no profile eternal'],
    [['--seed', '-1'], '--seed'],
    [['--phones', '7'], '--phones takes a whole number from 50'],
    [['--minutes', '1e9'], '--minutes takes a whole number'],
    [['--fast'], '--fast'],
  ])('%j is one sentence', (args, words) => {
    expect(() => wantedOf(args)).toThrow(words);
  });
});

test('the load of three days is 60 % of the full one, and never goes back', () => {
  const plan = PROFILES.long;
  let before = 0;
  for (let s = 10; s <= plan.seconds; s += 10) {
    const now = loadedS(plan, s);
    expect(now).toBeGreaterThan(before);
    before = now;
  }
  expect(before).toBeCloseTo(0.6 * plan.seconds, 6);
  const noon = plan.seconds / 6;
  expect(loadedS(plan, noon + 1) - loadedS(plan, noon)).toBeCloseTo(1, 3);
  expect(loadedS(plan, 1)).toBeCloseTo(0.2, 3);
  expect(loadedS(PROFILES.standard, 17)).toBe(17);
});

test('rates follow the phones', () => {
  expect(sized(PROFILES.standard, 1_000, 60)).toMatchObject({ positionsPerS: 200, seconds: 60, warmS: 60 });
});

test('times that are patched stand in the source exactly once, and settings that are set exist', () => {
  const patches = AGED.filter(one => one.by === 'patch');
  expect(sourcesOf({ name: 'ageing', removes: '', patches, profile: 'calm' }).size).toBe(3);
  for (const one of AGED) {
    if (one.by !== 'setting') continue;
    expect(SETTINGS[one.name as keyof typeof SETTINGS].parse(one.value)).not.toBeNull();
    const [aged, usual] = [Number(one.value), Number(SETTINGS[one.name as keyof typeof SETTINGS].default)];
    expect(aged).toBeCloseTo(usual / 10, 6);
  }
});

const meet = (change: Partial<MeetOp>): MeetOp => ({
  officerId: 'o',
  civilianId: 'c',
  keys: [],
  outcome: 'unknown',
  acknowledged: [],
  points: null,
  balance: null,
  why: null,
  tries: 1,
  dueAtMs: 0,
  tookMs: 0,
  ...change,
});

const scan = (id: number, change: Partial<Op>): Op => ({
  id,
  name: 'qr.scan',
  user: 'c',
  key: 'k',
  body: {},
  askedMs: 1_000,
  startMs: 1_000,
  endMs: 0,
  tries: 1,
  outcome: null,
  result: null,
  ...change,
});

test('what ended is told once, in whatever order; a push waits for the event on the other phone', () => {
  const history = [meet({}), meet({ outcome: 'ok', tookMs: 12 })];
  const asked: AskedOp[] = [
    { userId: 'c', outcome: 'failed', why: '503 away', askedAtMs: 0, tookMs: 3, tries: 1 },
  ];
  const ops = [
    scan(1, { outcome: 'ok', result: { ok: true, value: { encounterId: 'e1' } } as Op['result'] }),
    scan(2, {}),
  ];
  const tail = new Tail({ history, ops, asked });
  const first = tail.look();
  expect(first).toMatchObject({ ok: 1, failed: 1, unknown: 0 });
  expect(first.push.counts).toEqual([]);
  tail.heard('e1', 1_040);
  history[0]!.tookMs = 7;
  history[0]!.outcome = 'unknown';
  const second = tail.look();
  expect(second).toMatchObject({ ok: 0, failed: 0, unknown: 1 });
  const push = new Histogram();
  push.add(second.push);
  expect([push.count, Math.round(push.maxMs)]).toEqual([1, 40]);
  expect(tail.reasons).toEqual({ '503 away': 1, 'no reason': 1 });
  expect(tail.look()).toMatchObject({ ok: 0, failed: 0, unknown: 0 });
});

test('faults that are drawn from are faults of chaos, partitions of both ways among them', () => {
  const names = new Set(FAULTS.map(fault => fault.name));
  for (const name of Object.keys(WEIGHTS)) expect(names, name).toContain(name);
  expect(SHORT.map(fault => fault.row)).toEqual(['1', '2', expect.stringMatching(/^3a/)]);
  expect(BAG.length).toBeGreaterThan(12);
  expect(BAG.filter(fault => fault.row.startsWith('3a')).length).toBeGreaterThan(1);
});

describe('plots', () => {
  test('have steps of 1, 2 or 5', () => {
    expect([0.7, 3, 9, 40, 100].map(stepOf)).toEqual([0.2, 1, 5, 10, 50]);
  });

  test('break their line where nothing answered, and escape what they are told', () => {
    const svg = plotSvg({
      title: 'a <b>',
      unit: 'ms',
      endS: 100,
      bands: [{ fromS: 10, toS: 20, words: '"kill" & start' }],
      series: [
        {
          name: 'x',
          points: [
            [0, 1],
            [5, 2],
            [60, 3],
            [65, 1],
          ],
        },
      ],
      limit: 2,
    });
    expect(svg.match(/d="M[^"]*L[^"]*M[^"]*L/)).not.toBeNull();
    expect(svg).not.toContain('a <b>');
    expect(svg).toContain('class="limit"');
    expect(svg).not.toContain('NaN');
  });

  test('of an empty recording are empty', () => {
    for (const plot of plotsOf(new Recording())) expect(plotSvg(plot)).not.toContain('NaN');
  });
});

describe('who is shown to whom in the end', () => {
  const sharing = new Set(['ann', 'bob']);
  const shows = (userId: string, ...officers: string[]) => ({ userId, officers: new Set(officers) });

  test('is right when each sees exactly those who share', () => {
    expect(wronglyShown([shows('c1', 'bob', 'ann'), shows('c2', 'ann', 'bob')], sharing)).toEqual([]);
  });

  test('a ghost and one who is missing are each a problem', () => {
    expect(wronglyShown([shows('c1', 'ann', 'bob', 'eve'), shows('c2', 'ann')], sharing)).toEqual([
      'presence: 1 people are shown officers who do not share: c1',
      'presence: 1 people are not shown all officers who share: c2',
    ]);
  });

  test('is what the newest list of each area says, and nothing of an area that is gone', () => {
    const client = new Emitter();
    const shown = new Shown({ person: { userId: 'c1' }, client } as never);
    const list = (cell: string, ...ids: string[]): void => {
      const officers = ids.map(officerId => ({ officerId }));
      client.emit('area.officers', { cell, officers }, { key: cell });
    };
    list('a1', 'ann', 'eve');
    list('a1', 'ann');
    list('a2', 'bob');
    expect([...shown.officers].sort()).toEqual(['ann', 'bob']);
    client.emit('area.officers', null, { key: 'a2' });
    expect([...shown.officers]).toEqual(['ann']);
  });

  test('some officers of any town are on the beat, and most are not', () => {
    expect([3, 4, 20, 130].map(beatOf)).toEqual([0, 1, 5, 8]);
  });
});

test('the witness outlives the run: whatever ends nodes ends others', async () => {
  const ended = new Set<string>();
  const nodes = ['n1', 'n2', 'n3'].map(id => ({ id, isRunning: true }) as ChaosNode);
  const hitting = (what: readonly ChaosNode[]): Hit => {
    for (const { id } of what) ended.add(id);
    return { targets: [], what: '', counts: {} };
  };
  const target = {
    nodes,
    drain: async some => hitting(some),
    kill: async node => hitting([node]),
    start: async () => {},
  } as Partial<ChaosTarget> as ChaosTarget;
  const random = new Random(1);
  const scaleDown = FAULTS.find(fault => fault.name === 'scale-down')!;
  for (let i = 0; i < 50; i++) await perform(target, scaleDown, random);
  expect([...ended].sort()).toEqual(['n2', 'n3']);
});
