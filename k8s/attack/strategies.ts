/** Ways to hunt: where the accounts of the attacker claim to be, step by step, and what they say there. */
import { AREA_M, COARSE_M, type Point } from './ground.ts';
import type { AttackPhone } from './phones.ts';

/** What the attacker has in hand when he moves one of his accounts. */
export interface Hand {
  /** Number of the account among all. */
  readonly index: number;
  readonly accounts: number;
  readonly step: number;
  readonly phone: AttackPhone;
  /** All officers, and a code of each if one was photographed. */
  readonly targets: readonly { readonly id: string; readonly token: string | null }[];
  /** The one whom this account is after, and where he is believed to be. */
  readonly target: number;
  readonly believed: Point;
  /** Writes down what a call about an officer answered. */
  note(officer: number, channel: string, outcome: string): void;
}

export interface Strategy {
  readonly name: string;
  readonly what: string;
  readonly accounts: number;
  readonly hours: number;
  readonly instant?: boolean;
  /** Somebody photographs the code of each officer when he begins to share. */
  readonly photographs?: boolean;
  /** Whose way is too far to be believed switches sharing off and on, and is there. */
  readonly jumps?: boolean;
  place(hand: Hand): Point;
  act?(hand: Hand): void;
}

const HALF_M = AREA_M;
const STAY_STEPS = 4;

/** Spread over the block: as many in each area, each at its own spot. */
function spread({ index, accounts }: Hand): Point {
  const side = Math.ceil(Math.sqrt(accounts));
  const at = (n: number): number => ((n + 0.5) / side) * 2 * HALF_M - HALF_M;
  return { x: at(index % side), y: at(Math.floor(index / side)) };
}

/** About a point, on a circle that each account walks at its own distance. */
const circle = (about: Point, { index, step }: Hand, radiusM: number): Point => {
  const angle = index * 2.4 + step * 0.35;
  return { x: about.x + radiusM * Math.cos(angle), y: about.y + radiusM * Math.sin(angle) };
};

/** To and fro along a line of the given grid, a little over it and back. */
function along({ index, step, accounts }: Hand, cellM: number): Point {
  const lines = Math.round((2 * HALF_M) / cellM) - 1;
  const line = ((index >> 1) % lines) * cellM + cellM - HALF_M;
  const speed = 400;
  const length = 2 * HALF_M;
  const run = (step * speed + (index / accounts) * 2 * length) % (2 * length);
  const far = (run < length ? run : 2 * length - run) - HALF_M;
  const over = 60 * (step % 2 === 0 ? 1 : -1);
  return index % 2 === 0 ? { x: line + over, y: far } : { x: far, y: line + over };
}

/** Strip by strip over the whole block. */
function sweep({ index, step, accounts }: Hand): Point {
  const wide = (2 * HALF_M) / accounts;
  const length = 2 * HALF_M;
  const run = (step * 700) % (2 * length);
  const lap = Math.floor((step * 700) / length) % 4;
  return {
    x: -HALF_M + wide * (index + (lap + 0.5) / 4),
    y: (run < length ? run : 2 * length - run) - HALF_M,
  };
}

/** Anywhere in the block, for a minute: the first position after a jump is not believed, the next one is. */
function anywhere({ index, accounts, step }: Hand): Point {
  const visit = Math.floor(step / STAY_STEPS) * accounts + index;
  // the additive recurrence of the plastic number: evenly over the block, and never twice in one place
  const at = (part: number): number => (((visit * part) % 1) * 2 - 1) * HALF_M;
  return { x: at(0.7548776662466927), y: at(0.5698402909980532) };
}

const askAgain = ({ phone, step, index }: Hand): void => {
  if ((step + index) % 4 === 0) phone.say('location.stop', {});
  if ((step + index) % 4 === 1) phone.say('location.share', {});
};

const hey = ({ phone, targets, note }: Hand): void => {
  for (const [i, { id }] of targets.entries())
    phone.say('hey.say', { officerId: id }, word => note(i, 'hey', word));
};

const scan = ({ phone, target, targets, note }: Hand): void => {
  const { token } = targets[target]!;
  if (token !== null) phone.say('qr.scan', { token }, word => note(target, 'scan', word));
};

export const STRATEGIES: readonly Strategy[] = [
  {
    name: 'watch',
    what: 'accounts stand in every area and read lists',
    accounts: 16,
    hours: 1,
    place: spread,
  },
  {
    name: 'trilaterate',
    what: 'accounts circle each officer where he is believed to be and read whatever varies',
    accounts: 24,
    hours: 1,
    place: hand =>
      hand.index < 12 ? circle(hand.believed, hand, 300 + 250 * (hand.index % 7)) : spread(hand),
  },
  {
    name: 'edges',
    what: 'accounts walk the borders of areas and of coarse cells, over and back',
    accounts: 24,
    hours: 1,
    place: hand => (hand.index < 12 ? along(hand, AREA_M) : along(hand, COARSE_M)),
  },
  {
    name: 'timing',
    what: 'accounts stop and share again all the time, to be told lists anew and at once',
    accounts: 20,
    hours: 1,
    place: spread,
    act: askAgain,
  },
  {
    name: 'few',
    what: 'own accounts come and go, so that areas have two, three or four people: k is evaded',
    accounts: 10,
    hours: 1,
    place: hand => ({
      x: spread({ ...hand, accounts: 4, index: (hand.index + (hand.step >> 5)) % 4 }).x + hand.index * 40,
      y: spread({ ...hand, accounts: 4, index: (hand.index + (hand.step >> 5)) % 4 }).y,
    }),
    act: hand => {
      if ((hand.step + hand.index * 3) % 12 === 0) hand.phone.say('location.stop', {});
      if ((hand.step + hand.index * 3) % 12 === 6) hand.phone.say('location.share', {});
    },
  },
  {
    name: 'hours',
    what: 'what was seen in three hours of share times is put together',
    accounts: 16,
    hours: 3,
    place: spread,
  },
  {
    name: 'instant',
    what: 'accounts with instant match sweep the block strip by strip, and about the officer',
    accounts: 24,
    hours: 1,
    instant: true,
    place: hand => (hand.index < 16 ? sweep(hand) : circle(hand.believed, hand, 60 * (1 + (hand.index % 6)))),
  },
  {
    name: 'hey',
    what: 'accounts say hey from all over the block; the answers are the oracle',
    accounts: 24,
    hours: 1,
    place: sweep,
    act: hey,
  },
  {
    name: 'scan',
    what: 'accounts scan a photographed code of the officer from all over the block',
    accounts: 24,
    hours: 1,
    photographs: true,
    place: hand => circle(hand.believed, hand, 40 * 1.4 ** hand.index),
    act: scan,
  },
  {
    name: 'jumps',
    what: 'accounts are in another place of the block each minute, by switching sharing off and on',
    accounts: 24,
    hours: 1,
    jumps: true,
    place: hand =>
      hand.index < 12 ? circle(hand.believed, hand, 300 + 250 * (hand.index % 7)) : anywhere(hand),
    act: hand => {
      if (hand.step % STAY_STEPS === STAY_STEPS - 1) hey(hand);
    },
  },
  {
    name: 'everything',
    what: 'all of it at once',
    accounts: 32,
    hours: 1,
    instant: true,
    photographs: true,
    place: hand => {
      const kind = hand.index % 4;
      if (kind === 0) return spread(hand);
      if (kind === 1) return circle(hand.believed, hand, 100 * (1 + (hand.index >> 2)));
      return kind === 2 ? along(hand, AREA_M) : sweep(hand);
    },
    act: hand => {
      const kind = hand.index % 4;
      if (kind === 0) askAgain(hand);
      else if (kind === 3) hey(hand);
      else if (kind === 1) scan(hand);
    },
  },
];
