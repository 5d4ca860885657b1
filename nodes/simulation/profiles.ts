/** Which weather a world has: three profiles, and for each seed a mix of its own out of them (a swarm of mixes). */
import type { Dice } from './dice.ts';
import { FAULTS, type Fault } from './faults.ts';

export const PROFILES = ['calm', 'storm', 'swizzle'] as const;
export type Profile = (typeof PROFILES)[number];

const TROUBLES = [
  'crash',
  'flap',
  'drain',
  'thereAndBack',
  'pauseShort',
  'pauseLong',
  'suspend',
  'zombie',
  'partition',
  'oneWay',
  'disconnect',
  'busRestart',
  'messages',
  'kvAnswers',
  'kvHang',
  'kvStale',
  'watchStall',
  'blind',
  'kvRewind',
  'kvDelete',
  'kvRubbish',
  'sqlAnswers',
  'sqlSlow',
  'sqlAway',
  'sqlCut',
  'flood',
  'swizzle',
] as const;
export type Trouble = (typeof TROUBLES)[number];

/** Troubles that take away what a strict single activation rests on: honest monotonic clocks, an honest store. */
export const EXCUSING: ReadonlySet<Trouble> = new Set(['suspend', 'kvRewind', 'kvDelete', 'kvRubbish']);

export interface Plan {
  readonly profile: Profile;
  readonly troubles: readonly Trouble[];
  /** Pause between two troubles, milliseconds. */
  readonly everyMs: { readonly min: number; readonly max: number };
  /** How long there is trouble. */
  readonly troubleMs: number;
  /** Machine clocks differ in rate by at most this share, in town time by at most these milliseconds. */
  readonly rate: number;
  readonly offsetMs: number;
  /** Share of statements that take their time from the beginning. */
  readonly slowSql: number;
  /** Local messages are encoded and decoded too. */
  readonly encodeLocal: boolean;
}

/** What a storm draws from; twice what needs a long time and is what the fence and the parcels are for. */
const STORM: readonly Trouble[] = [...TROUBLES, 'zombie' as const, 'thereAndBack' as const].filter(
  trouble => trouble !== 'swizzle' && !EXCUSING.has(trouble),
);
const KINDS = { min: 4, max: 9 };

export function planOf(profile: Profile, dice: Dice): Plan {
  const encodeLocal = dice.chance(0.25);
  const slowSql = profile === 'calm' && dice.chance(0.6) ? dice.between(0.2, 0.6) : 0;
  switch (profile) {
    case 'calm':
      return {
        profile,
        troubles: ['drain', 'drain', 'flood'],
        everyMs: { min: 3_000, max: 7_000 },
        troubleMs: 16_000,
        rate: 0.001,
        offsetMs: 50,
        slowSql,
        encodeLocal,
      };
    case 'storm': {
      const count = KINDS.min + dice.below(KINDS.max - KINDS.min + 1);
      const troubles = dice.shuffled(STORM).slice(0, count);
      // in one world of three somebody takes away what the protocol stands on
      if (dice.chance(0.33)) troubles.push(dice.pick([...EXCUSING]));
      return {
        profile,
        troubles,
        everyMs: { min: 300, max: 2_500 },
        troubleMs: 18_000,
        rate: 0.04,
        offsetMs: 2_000,
        slowSql,
        encodeLocal,
      };
    }
    case 'swizzle':
      return {
        profile,
        troubles: ['swizzle', 'messages', ...dice.shuffled(STORM).slice(0, 2)],
        everyMs: { min: 2_000, max: 5_000 },
        troubleMs: 18_000,
        rate: 0.02,
        offsetMs: 1_000,
        slowSql,
        encodeLocal,
      };
  }
}

/** What must have happened at least once over a few hundred seeds of a profile; else the profile proves nothing. */
export const MUST_FIRE: Readonly<Record<Profile, readonly Fault[]>> = {
  calm: [
    'node drained and stopped',
    'node restarted',
    'phone disconnected',
    'flood refused',
    'region divided with a dwell',
    'regions made one again with a dwell',
  ],
  // every fault that is known, but the one that a profile of its own has
  storm: FAULTS.filter(fault => fault !== 'link stopped by swizzling'),
  swizzle: [
    'link stopped by swizzling',
    'message held by a partition',
    'message lost with its connection',
    'message dropped',
    'message doubled',
    'phone moved to another gateway',
    'command sent again with its key',
    'region divided with a dwell',
    'regions made one again with a dwell',
  ],
};
