/** What is found, and what is not: each gate on the smallest story that trips it, and on the honest one beside it. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import { seeded } from '../../k8s/tracks/seeded.ts';
import { FIX_FLAG } from '../../protocol/frames.ts';
import { FOOTPRINTS_MAX, Footprints, SUSPECTS_MAX } from './footprints.ts';
import { historyTrust, type PairHistory } from './history.ts';
import { waitMs } from './motion.ts';
import type { Sample } from './noise.ts';
import { FRAUD_RULES, fraudRules } from './rules.ts';
import { isTrust, REASONS, reasonsOf, TRUST } from './trust.ts';
import {
  displaced,
  forgotten,
  found,
  heldMs,
  observe,
  trustOf,
  UNSUSPECTED,
  type Watch,
  wiped,
} from './watch.ts';

const PARK = { lat: 40.7308, lng: -73.9973 };
const START_MS = 1_795_000_000_000;
const rules = FRAUD_RULES;

const at = (eastM: number, northM: number, s: number, change: Partial<Sample> = {}): Sample => ({
  ...destination(PARK, eastM, northM),
  accuracyDm: 80,
  headingDeg: null,
  speedDms: null,
  takenAtMs: START_MS + s * 1_000,
  ...change,
});

/** The watch after these reports, and which were taken. */
function watched(samples: readonly Sample[], from: Watch = UNSUSPECTED, flags = 0) {
  let watch = from;
  const taken: boolean[] = [];
  for (const sample of samples) {
    const seen = observe(watch, sample, flags, sample.takenAtMs, rules);
    watch = seen.watch;
    taken.push(seen.isTaken);
  }
  const reasonsAt = (s: number) => reasonsOf(trustOf(watch, START_MS + s * 1_000, rules));
  return { watch, taken, reasonsAt };
}

/** A person who walks north with a receiver that errs like one. */
function stroll(fixes: number, periodS: number, seed = 1): Sample[] {
  const chance = seeded(seed);
  return Array.from({ length: fixes }, (_, i) =>
    at(chance.between(-1, 1), 1.3 * i * periodS + chance.between(-1, 1), i * periodS, {
      accuracyDm: 50 + chance.int(60),
      headingDeg: chance.int(6),
      speedDms: 11 + chance.int(5),
    }),
  );
}

describe('trust bits', () => {
  it('a word stands for the same bit for ever', () => {
    // append only: these are stored with encounters
    expect(TRUST).toEqual({
      simulated: 1,
      too_fast: 2,
      teleport: 4,
      too_perfect: 8,
      cloned: 16,
      two_phones: 32,
      farmed_pair: 64,
      busy_officer: 128,
      one_officer: 256,
      relayed: 512,
      unvouched: 1024,
    });
    expect(REASONS).toHaveLength(11);
  });
  it('go to words and back, and keep what a later version added', () => {
    expect(reasonsOf(TRUST.cloned | TRUST.simulated)).toEqual(['simulated', 'cloned']);
    const all = REASONS.reduce((bits, reason) => bits | TRUST[reason], 1 << 30);
    expect(reasonsOf(all)).toEqual([...REASONS]);
    expect([0, 511, 0x7fff_ffff].every(isTrust)).toBe(true);
    expect([-1, 0.5, Number.NaN, 2 ** 31, '1', null].some(isTrust)).toBe(false);
  });
});

describe('what the phone says itself', () => {
  it('a simulated position is a finding that holds for a while', () => {
    const { reasonsAt } = watched([at(0, 0, 0)], UNSUSPECTED, FIX_FLAG.simulated);
    expect(reasonsAt(0)).toEqual(['simulated']);
    expect(reasonsAt(599)).toEqual(['simulated']);
    expect(reasonsAt(600)).toEqual([]);
  });
  it('bits that nobody knows yet are nothing', () => {
    expect(watched([at(0, 0, 0)], UNSUSPECTED, 0xfe).reasonsAt(0)).toEqual([]);
  });
});

describe('impossible speed', () => {
  it('one broken fix is dropped, and nothing is left of it', () => {
    const { taken, reasonsAt, watch } = watched([at(0, 0, 0), at(2_000, 0, 10), at(12, 0, 20)]);
    expect(taken).toEqual([true, false, true]);
    expect(reasonsAt(20)).toEqual([]);
    expect(waitMs(watch.motion, START_MS + 20_000, rules)).toBe(0);
  });
  it('while the newest position is astray, that speaks against the person', () => {
    expect(watched([at(0, 0, 0), at(2_000, 0, 10)]).reasonsAt(10)).toEqual(['too_fast']);
    expect(watched([at(0, 0, 0), at(9_000, 0, 10)]).reasonsAt(10)).toEqual(['teleport']);
  });
  it('who is really elsewhere waits as long as the way takes at the fastest speed', () => {
    const { taken, watch, reasonsAt } = watched([at(0, 0, 0), at(10_000, 0, 10), at(10_010, 0, 20)]);
    expect(taken).toEqual([true, false, true]);
    expect(waitMs(watch.motion, START_MS + 20_000, rules)).toBeCloseTo((10_010 / 70 - 20) * 1_000, -2);
    expect(reasonsAt(20)).toEqual(['teleport']);
    expect(reasonsAt(142)).toEqual(['teleport']);
    expect(reasonsAt(144)).toEqual([]);
  });
  it('the wait grows with the distance, to two hours and no further', () => {
    const wait = (km: number) => {
      const far = [at(0, 0, 0), at(0, km * 1_000, 1), at(0, km * 1_000, 2)];
      return waitMs(watched(far).watch.motion, START_MS + 2_000, rules) / 60_000;
    };
    const waits = [1, 5, 25, 100, 400, 3_000].map(wait);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits[0]).toBeLessThan(1);
    expect(waits[5]).toBe(120);
  });
  it('small jumps owe as much as one large one', () => {
    const hops = Array.from({ length: 20 }, (_, i) => [
      at(3_000 * i, 0, 20 * i),
      at(3_000 * i + 5, 0, 20 * i + 1),
    ]);
    const { watch } = watched(hops.flat());
    expect(waitMs(watch.motion, START_MS + 381_000, rules) / 1_000).toBeGreaterThan(57_000 / 70 - 381 - 60);
  });
  it('a car on a motorway, a train and a long silence are nothing', () => {
    for (const mps of [14, 45, 69]) {
      const chance = seeded(mps);
      const drive = Array.from({ length: 30 }, (_, i) =>
        at(mps * 10 * i + chance.between(-2, 0), chance.between(-2, 2), 10 * i),
      );
      const { taken, reasonsAt } = watched(drive);
      expect(taken).not.toContain(false);
      expect(reasonsAt(290)).toEqual([]);
    }
    expect(watched([at(0, 0, 0), at(200_000, 0, 3 * 3_600)]).taken).toEqual([true, true]);
  });
  it('two fixes of one second are not a speed', () => {
    const twice = [at(0, 0, 0), at(30, 0, 0, { takenAtMs: START_MS + 1 })];
    expect(watched(twice).taken).toEqual([true, true]);
  });
  it('switching sharing off wipes the place and keeps what is owed', () => {
    const { watch } = watched([at(0, 0, 0), at(10_000, 0, 10), at(10_010, 0, 20)]);
    const off = wiped(watch, START_MS + 20_000);
    expect(off.motion).toMatchObject({ here: null, astray: null });
    expect(off.noise.last).toBeNull();
    expect(JSON.stringify(off)).not.toContain('latE7');
    expect(reasonsOf(trustOf(off, START_MS + 20_000, rules))).toEqual(['teleport']);
  });

  /** Reports, with sharing switched off and on before each but the first. */
  const offAndOn = (samples: readonly Sample[]) => {
    let watch = UNSUSPECTED;
    const reasons = samples.map(sample => {
      watch = watched([sample], wiped(watch, sample.takenAtMs)).watch;
      return reasonsOf(trustOf(watch, sample.takenAtMs, rules));
    });
    return { watch, reasons };
  };
  it('a teleport costs the same with sharing switched off and on in between', () => {
    const { watch, reasons } = offAndOn([at(0, 0, 0), at(10_000, 0, 10)]);
    expect(reasons).toEqual([[], ['teleport']]);
    // a second fix there is believed, and owes what the first cell does not give away
    const there = watched([at(10_010, 0, 20)], watch);
    expect(there.taken).toEqual([true]);
    const waitS = waitMs(there.watch.motion, START_MS + 20_000, rules) / 1_000;
    expect(waitS).toBeGreaterThan((10_000 - 2 * 2_048) / rules.fastMps - 20);
    expect(waitS).toBeLessThan(10_000 / rules.fastMps);
    // one broken fix still does no harm
    expect(watched([at(20, 0, 20)], watch).reasonsAt(20)).toEqual([]);
  });
  it('what may be a way of the ground is none, wherever in their cell somebody was', () => {
    for (let eastM = 0; eastM < 2_048; eastM += 256)
      for (const s of [1, 30, 120])
        expect(offAndOn([at(eastM, 0, 0), at(eastM + 69 * s, 0, s)]).reasons).toEqual([[], []]);
  });
  it('switching off and on each second is no vehicle', () => {
    const steps = Array.from({ length: 10 }, (_, i) => at(1_400 * i, 0, i));
    expect(offAndOn(steps).reasons.at(-1)).toEqual(['teleport']);
  });
  it('the cell is forgotten when the longest wait is over', () => {
    const { watch } = watched([at(0, 0, 0)]);
    const off = wiped(watch, START_MS);
    const overMs = START_MS + rules.waitMsMax;
    expect(forgotten(off, overMs - 1, rules)).toBe(off);
    expect(forgotten(off, overMs, rules).motion.left).toBeNull();
    expect(watched([at(900_000, 0, rules.waitMsMax / 1_000 + 1)], off).taken).toEqual([true]);
  });
  it('what speaks against somebody holds for a known time', () => {
    expect(heldMs(UNSUSPECTED, rules)).toBe(0);
    const mocked = watched([at(0, 0, 0)], UNSUSPECTED, FIX_FLAG.simulated).watch;
    expect(heldMs(mocked, rules)).toBe(rules.holdsMs);
    expect(heldMs(wiped(mocked, START_MS + rules.holdsMs), rules)).toBe(0);
    const { watch } = watched([at(0, 0, 0), at(300_000, 0, 10), at(300_010, 0, 20)]);
    expect(heldMs(watch, rules)).toBeGreaterThan(rules.holdsMs);
    expect(heldMs(watch, rules)).toBeLessThanOrEqual(rules.waitMsMax);
    // worked off while he goes on reporting
    expect(heldMs(watched([at(300_020, 0, 2 * 3_600)], watch).watch, rules)).toBe(0);
  });
});

describe('positions that are too good', () => {
  const walk = (change: (i: number) => Partial<Sample> = () => ({}), fixes = 12) =>
    Array.from({ length: fixes }, (_, i) => at(0, 1.4 * 5 * i, 5 * i, change(i)));
  it('a line drawn without noise is found with its tenth fix, not before', () => {
    expect(watched(walk(undefined, 9)).reasonsAt(40)).toEqual([]);
    expect(watched(walk(undefined, 10)).reasonsAt(45)).toEqual(['too_perfect']);
  });
  it('a phone that says it moves and does not', () => {
    const stuck = (speedDms: number) => Array.from({ length: 12 }, (_, i) => at(0, 0, 5 * i, { speedDms }));
    expect(watched(stuck(14)).reasonsAt(55)).toEqual(['too_perfect']);
    expect(watched(stuck(0)).reasonsAt(55)).toEqual([]);
  });
  it('the same accuracy, heading and interval again and again while moving', () => {
    const chance = seeded(3);
    const noisy = (headingOf: (i: number) => number | null) =>
      Array.from({ length: 14 }, (_, i) =>
        at(chance.between(-1, 1), 7 * i + chance.between(-1, 1), 5 * i, { headingDeg: headingOf(i) }),
      );
    expect(watched(noisy(() => 0)).reasonsAt(65)).toEqual(['too_perfect']);
    expect(watched(noisy(i => i % 3)).reasonsAt(65)).toEqual([]);
    expect(watched(noisy(() => null)).reasonsAt(65)).toEqual([]);
  });
  it('a person who walks is not found, at any period', () => {
    for (const periodS of [1, 5, 10, 15])
      for (let seed = 1; seed <= 20; seed++)
        expect(watched(stroll(60, periodS, seed)).reasonsAt(60 * periodS)).toEqual([]);
  });
  it('a phone that lies on a table repeats itself, and may', () => {
    const still = Array.from({ length: 100 }, (_, i) => at(0, 0, 10 * i, { headingDeg: 0, speedDms: 0 }));
    expect(watched(still).reasonsAt(1_000)).toEqual([]);
  });
  it('holds across the antimeridian', () => {
    const east = Array.from({ length: 12 }, (_, i) => ({
      ...at(0, 0, 5 * i),
      latE7: 0,
      lngE7: (1_799_998_000 + i * 400 > 1_800_000_000 ? -3_600_000_000 : 0) + 1_799_998_000 + i * 400,
    }));
    expect(watched(east).reasonsAt(55)).toEqual(['too_perfect']);
  });
});

describe('two phones with one device', () => {
  it('take each other the socket while it is in use: found the third time', () => {
    let watch = UNSUSPECTED;
    const reasons = [0, 60, 120].map(s => {
      watch = displaced(watch, 1_000, START_MS + s * 1_000, rules);
      return reasonsOf(trustOf(watch, START_MS + s * 1_000, rules));
    });
    expect(reasons).toEqual([[], [], ['two_phones']]);
  });
  it('a phone that lost its network had been silent; three times in a long while are nothing', () => {
    let watch = UNSUSPECTED;
    for (let i = 0; i < 9; i++) watch = displaced(watch, 20_000, START_MS + i * 1_000, rules);
    for (let i = 0; i < 9; i++) watch = displaced(watch, 100, START_MS + i * 400_000, rules);
    expect(trustOf(watch, START_MS + 8 * 400_000, rules)).toBe(0);
    expect(watch.twins.length).toBeLessThanOrEqual(rules.twinTimes);
  });
  it('a clock that was set back makes nobody a cheat', () => {
    let watch = UNSUSPECTED;
    for (let i = 0; i < 9; i++) watch = displaced(watch, -3_600_000, START_MS + i * 1_000, rules);
    expect(watch).toBe(UNSUSPECTED);
  });
});

describe('cloned tracks', () => {
  const track = stroll(40, 10, 7);
  const walked = (shiftMs: number, pick: (i: number) => boolean = () => true) => {
    const prints = new Footprints(rules);
    const found: (string | null)[] = [];
    const steps = [
      ...track.map(one => ({ id: 'a', one })),
      ...track
        .filter((_, i) => pick(i))
        .map(one => ({ id: 'b', one: { ...one, takenAtMs: one.takenAtMs + shiftMs } })),
    ].sort((x, y) => x.one.takenAtMs - y.one.takenAtMs);
    for (const { id, one } of steps) found.push(prints.tread(id, one.latE7, one.lngE7, one.takenAtMs));
    return found.filter(one => one !== null);
  };
  it('are found at once, shifted in time and thinned out', () => {
    expect(walked(0)).toContain('a');
    expect(walked(20 * 60_000)).toContain('a');
    expect(walked(20 * 60_000, i => i % 3 === 0)).toContain('a');
  });
  it('not when an hour lies between them, and not from four places', () => {
    expect(walked(2 * 3_600_000)).toEqual([]);
    expect(walked(0, i => i < 4)).toEqual([]);
  });
  it('two who walk side by side, and two who stand on one spot, are nothing', () => {
    const prints = new Footprints(rules);
    for (let i = 0; i < 200; i++) {
      for (const [id, seed] of [
        ['a', 1],
        ['b', 2],
      ] as const) {
        const one = stroll(200, 5, seed)[i]!;
        expect(prints.tread(id, one.latE7, one.lngE7, one.takenAtMs)).toBeNull();
        expect(prints.tread(`${id}-still`, 1, 1, START_MS + i * 5_000)).toBeNull();
      }
    }
  });
  it('what is kept has bounds', () => {
    const prints = new Footprints(rules);
    for (let i = 0; i < 3 * FOOTPRINTS_MAX; i++) prints.tread(`p${i % 1_000}`, i * 7, i, START_MS + i);
    expect(prints.size).toBe(FOOTPRINTS_MAX);
    for (let i = 0; i < 2 * SUSPECTS_MAX; i++) {
      prints.tread(`x${i}`, -i, 5, START_MS);
      prints.tread(`y${i}`, -i, 5, START_MS);
    }
    expect(prints.suspects).toBeLessThanOrEqual(SUSPECTS_MAX);
  });
  it('who has no place left is known no more, and is nobody else later', () => {
    const prints = new Footprints(rules);
    for (let i = 0; i < 1_000; i++) prints.tread(`p${i % 10}`, i * 7, i, START_MS);
    expect(prints.people).toBe(10);
    for (let i = 0; i < 9; i++) prints.forget([`p${i}`]);
    expect(prints.people).toBe(1);
    prints.tread('q', 1, 1, START_MS);
    // where somebody walked who was forgotten nobody walked; where another one did, he did
    expect(prints.tread('r', 0, 0, START_MS)).toBeNull();
    expect(prints.people).toBe(3);
    const suspected = new Set<string | null>();
    for (let i = 9; i < 1_000; i += 10) suspected.add(prints.tread('r', i * 7, i, START_MS));
    expect(suspected.has('p9')).toBe(true);
    expect(suspected.has('q')).toBe(false);
    // each of his places is taken over by the newest: he is known no more
    expect(prints.people).toBe(2);
    expect(prints.size).toBeGreaterThan(1_000);
    prints.forget(['q', 'r']);
    expect([prints.people, prints.size]).toEqual([0, 256]);
    expect(prints.tread('s', 7, 1, START_MS)).toBeNull();
  });
});

describe('what the store knows', () => {
  const DAY_S = 86_400;
  const DAY_MS = DAY_S * 1_000;
  const nothing: PairHistory = {
    agesMs: [],
    officerDay: 0,
    civilianMet: 0,
    civilianOfficers: 0,
    knowsOfficer: false,
  };
  const reasons = (change: Partial<PairHistory>, unvouched = false) =>
    reasonsOf(historyTrust({ ...nothing, ...change }, { cooldownS: DAY_S, unvouched }, rules));
  it('a pair that meets as soon as it may, day after day', () => {
    const days = (late: number[]) => {
      let ageMs = 0;
      return late.map(minutes => (ageMs += DAY_MS + minutes * 60_000));
    };
    expect(reasons({ agesMs: days([1, 3, 2, 9]) })).toEqual(['farmed_pair']);
    expect(reasons({ agesMs: days([1, 3, 2]) })).toEqual([]);
    expect(reasons({ agesMs: days([1, 3, 40, 2]) })).toEqual([]);
    expect(reasons({ agesMs: days([1, 3, 2, 9, 300]) })).toEqual(['farmed_pair']);
  });
  it('an officer who greets by the hundred', () => {
    expect(reasons({ officerDay: 29 })).toEqual([]);
    expect(reasons({ officerDay: 30 })).toEqual(['busy_officer']);
  });
  it('an officer whose code is scanned more often than a day explains, and nothing vouches for it', () => {
    expect(reasons({ officerDay: 19 }, true)).toEqual([]);
    expect(reasons({ officerDay: 20 }, true)).toEqual(['unvouched']);
    expect(reasons({ officerDay: 20 }, false)).toEqual([]);
    expect(reasons({ officerDay: 30 }, true)).toEqual(['busy_officer', 'unvouched']);
  });
  it('a civilian who knows one officer', () => {
    const met = { civilianMet: 14, civilianOfficers: 1, knowsOfficer: true };
    expect(reasons(met)).toEqual(['one_officer']);
    expect(reasons({ ...met, civilianMet: 13 })).toEqual([]);
    expect(reasons({ ...met, civilianOfficers: 2 })).toEqual([]);
    expect(reasons({ ...met, knowsOfficer: false })).toEqual([]);
  });
});

it('rules that contradict each other are a bug of configuration', () => {
  expect(() => fraudRules({ fastMps: 400 })).toThrow(RangeError);
  expect(() => fraudRules({ perfectFixes: 1 })).toThrow(RangeError);
  expect(() => fraudRules({ historyH: 24 })).toThrow(RangeError);
  expect(() => fraudRules({ unvouchedDayMax: 31 })).toThrow(RangeError);
  expect(fraudRules({ farmedTimes: 6 }).farmedTimes).toBe(6);
});

it('a finding is kept of a person in a small value', () => {
  let watch = UNSUSPECTED;
  for (const sample of stroll(500, 5)) watch = observe(watch, sample, 1, sample.takenAtMs, rules).watch;
  watch = found(watch, 'cloned', START_MS, rules);
  for (let i = 0; i < 50; i++) watch = displaced(watch, 0, START_MS + i, rules);
  expect(JSON.stringify(watch).length).toBeLessThan(800);
});
