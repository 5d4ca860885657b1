import { expect, test } from 'vitest';
import type { MatchWatch } from '../../../actors/geo/happenings.ts';
import type { RegionState } from '../../../actors/region.ts';
import type { Address, Turn } from '../../../actors/turn.ts';
import type { AnyBehaviour } from '../../effects.ts';
import { Chronicle } from '../chronicle.ts';
import { VirtualTime } from '../virtualTime.ts';
import { Crossings } from './crossings.ts';

const MEMBERS = [['officer'], ['civilian']];
const SLOTS = [[0, 1]];
const INHERIT = { type: 'inherit', from: 'r1', members: MEMBERS, slots: SLOTS };
const PAIR = 'officer|civilian';

/** A region with the officer and the civilian, or with nobody. */
const region = (isTogether: boolean) =>
  ({
    matcher: {
      slotCount: isTogether ? 1 : 0,
      pack: () => ({ members: MEMBERS, slots: isTogether ? SLOTS : [] }),
    },
    division: { held: [] },
  }) as unknown as RegionState;

/** Regions whose turns are told by the test; in r1 an officer and a civilian came together, each by his actor's first life. */
function together() {
  const said: string[] = [];
  const lives: Record<string, number> = { officer: 1, civilian: 1 };
  const judge = { fail: (_checker: string, words: string) => void said.push(words) };
  const crossings = new Crossings(judge, new Chronicle(new VirtualTime()), id => lives[id]!);
  let tell!: MatchWatch;
  let play: (turn: Turn) => RegionState = () => region(false);
  const watched = crossings.watch('n1#1', watch => {
    tell = watch;
    const receive = (_state: unknown, _message: object, turn: Turn) => play(turn);
    return { kind: 'region', create: () => null, receive } as unknown as AnyBehaviour;
  });
  const turnOf = (id: string) => ({ self: { kind: 'region', id } as Address, tell() {} }) as unknown as Turn;
  const takes = (id: string, message: object, next: (turn: Turn) => RegionState): string[] => {
    said.length = 0;
    play = next;
    watched.receive(region(false), message as { type: string }, turnOf(id));
    return [...said];
  };
  for (const id of ['r1', 'r1.3']) watched.create(id, null, turnOf(id));
  takes('r1', { type: 'fix' }, () => {
    tell.entered('officer', 'civilian', 0);
    return region(true);
  });
  const judged = (isLater: boolean): string[] => {
    said.length = 0;
    crossings.judge(() => true, isLater);
    return [...said];
  };
  const onTheWay = (): string[] => {
    said.length = 0;
    crossings.judgeWay();
    return [...said];
  };
  return { crossings, lives, judged, onTheWay, takes, tell };
}

const handsOver = (turn: Turn): RegionState => {
  turn.tell({ kind: 'region', id: 'r1.3' }, INHERIT);
  return region(false);
};

test('a pair that is left is a wrong as long as the actor of one of them knows the region', () => {
  const { lives, judged } = together();
  const words = [`r1 on n1#1: ${PAIR} never ended`];
  expect(judged(false)).toEqual(words);
  lives.officer = 2;
  expect(judged(false)).toEqual(words);
});

test('a pair of whom both began anew ends by silence, and so later', () => {
  const { lives, judged } = together();
  lives.officer = 2;
  lives.civilian = 3;
  expect(judged(false)).toEqual([]);
  expect(judged(true)).toHaveLength(1);
});

test('a pair goes from the region that is divided into the quad that holds the officer', () => {
  const { crossings, onTheWay, takes } = together();
  expect(takes('r1', { type: 'laid' }, handsOver)).toEqual([]);
  expect(onTheWay()).toEqual([`what r1 knew, to r1.3: ${PAIR} never came`]);
  expect(takes('r1.3', INHERIT, () => region(true))).toEqual([]);
  expect(onTheWay()).toEqual([]);
  expect([...crossings.held()]).toEqual([[PAIR, 1]]);
  expect(crossings.counts).toMatchObject({ divided: 1, united: 0 });
});

test('a pair that nobody was told of, that nobody takes, or that comes twice is a wrong', () => {
  const { takes } = together();
  expect(takes('r1', { type: 'laid' }, () => region(false))).toHaveLength(1);
  const { takes: takesNot } = together();
  takesNot('r1', { type: 'laid' }, handsOver);
  expect(takesNot('r1.3', INHERIT, () => region(false))).toEqual([
    `r1.3 on n1#1: ${PAIR} was in, and nobody knows where it is`,
  ]);
  expect(takesNot('r1.3', INHERIT, () => region(true))).toEqual([
    `r1.3 on n1#1: what r1 knew, to r1.3: ${PAIR} was never said`,
  ]);
});
