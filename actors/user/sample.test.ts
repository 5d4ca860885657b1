import { expect, test } from 'vitest';
import type { Mode } from '../../protocol/catalogue.ts';
import { NO_LAYOUTS } from '../geo/layout.ts';
import { NO_FENCES } from '../geo/places/fence.ts';
import type { UserRecord } from '../queries.ts';
import { DEFAULT_RULES } from '../rules.ts';
import type { SampledFix, Turn } from '../turn.ts';
import { newUserState } from './hydrated.ts';
import { modeDue, setMode } from './modes.ts';
import { located } from './place.ts';
import { held } from './points.ts';
import { Ring } from './ring.ts';
import type { UserState } from './state.ts';

/** What of a person's positions is said to the sampled history: one a minute while they share, and that it must go. */

const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 30);
const session = { gateway: 'g', id: 's' };

class Person {
  nowMs = NOW_MS;
  state: UserState;
  readonly sampled: (SampledFix | null)[] = [];
  readonly verified: [encounterId: string, position: SampledFix][] = [];
  #seq = 0;

  constructor(kind: 'officer' | 'civilian', number = 1) {
    const record = {
      ...{ id: '01900000-0000-7000-8000-000000000001', kind, handle: 'ana', number },
      ...{ deviceId: 'phone', deviceNumber: 1, balance: 0, version: 0, encounterCount: 0 },
      ...{ timers: [], encounters: [], commands: [], movements: [], events: [] },
    } as unknown as UserRecord;
    this.state = newUserState(record, {
      ...{ epoch: '01900000-0000-7000-8000-0000000000ee', lineage: 1, others: 0, offset: 0 },
      ...{ balance: 0, balanceVersion: 0, ring: Ring.EMPTY },
    });
  }

  turn(): Turn {
    const nothing = () => {};
    const turn = {
      self: { kind: 'user', id: this.state.me.id },
      nowMs: this.nowMs,
      replyTo: null,
      newId: () => '01900000-0000-7000-8000-0000000000ff',
      random32: () => 7,
      durableTimer: (_: string, delayMs: number) => this.nowMs + delayMs,
      sample: (position: SampledFix | null) => void this.sampled.push(position),
      verify: (encounterId: string, position: SampledFix) => void this.verified.push([encounterId, position]),
    };
    return new Proxy(turn, {
      get: (known, name) => known[name as keyof typeof known] ?? nothing,
    }) as unknown as Turn;
  }

  choose(mode: Mode): void {
    this.state = setMode(this.state, mode, DEFAULT_RULES, this.turn()).state;
  }

  share(): void {
    this.choose('precise');
  }

  at(afterS: number, change: object = {}): void {
    this.nowMs = NOW_MS + afterS * 1_000;
    const fix = { seq: ++this.#seq, latE7: 407_812_345, lngE7: -739_665_432, accuracyDm: 85 };
    const rest = { headingDeg: null, speedDms: null, takenAtMs: null };
    const location = { ...fix, ...rest, ...change };
    this.state = located(
      this.state,
      { type: 'location', session, location },
      DEFAULT_RULES,
      NO_FENCES,
      NO_LAYOUTS,
      this.turn(),
    );
  }
}

const afterS = (person: Person) => person.sampled.map(one => one && (one.takenAtMs - NOW_MS) / 1_000);

test('one position a minute, of the fixes that are taken, while the position is shared', () => {
  const officer = new Person('officer');
  officer.at(0);
  expect(officer.sampled).toEqual([]);
  officer.share();
  for (const at of [1, 5, 15, 29, 30, 45, 89, 91, 400]) officer.at(at);
  expect(afterS(officer)).toEqual([1, 30, 91, 400]);
  expect(officer.sampled[0]).toEqual({
    takenAtMs: NOW_MS + 1_000,
    latE7: 407_812_345,
    lngE7: -739_665_432,
    accuracyDm: 85,
  });
  // one that cannot be: the other side of the world a minute later
  officer.at(460, { latE7: -407_812_345 });
  expect(afterS(officer)).toEqual([1, 30, 91, 400]);
});

test('whoever ends sharing is forgotten, by the end of its time, by a word, and also when it is off already', () => {
  const officer = new Person('officer');
  officer.share();
  officer.at(1);
  const due = { name: 'share', dueAtMs: officer.state.modeUntilMs };
  officer.state = modeDue(officer.state, due, DEFAULT_RULES, officer.turn())!;
  expect(officer.state.mode).toBe('qr');
  officer.at(120);
  expect(afterS(officer)).toEqual([1, null]);
  officer.choose('qr');
  expect(afterS(officer)).toEqual([1, null, null]);
  officer.share();
  officer.at(130);
  officer.choose('qr');
  officer.at(200);
  expect(afterS(officer)).toEqual([1, null, null, 130, null]);
});

test('of a held encounter the position is verified that was shared then, once; without one nobody is asked', () => {
  const civilian = new Person('civilian');
  const id = (n: number): string => `01900000-0000-7000-8000-00000000e00${n}`;
  const hold = (n: number): void => {
    const encounterId = id(n);
    const view = { encounterId, method: 'qr', otherHandle: 'o', atMs: civilian.nowMs } as const;
    civilian.state = held(civilian.state, view, civilian.turn());
  };
  hold(0);
  civilian.share();
  civilian.at(1);
  civilian.nowMs += 300_000;
  hold(1);
  hold(1);
  const position = { takenAtMs: NOW_MS + 1_000, latE7: 407_812_345, lngE7: -739_665_432, accuracyDm: 85 };
  expect(civilian.verified).toEqual([[id(1), position]]);
  civilian.nowMs += 600_000;
  hold(2);
  civilian.at(1_000);
  civilian.choose('coarse');
  civilian.at(1_001);
  hold(3);
  expect(civilian.verified).toHaveLength(1);
});

test('the minutes of a town do not begin together: its samples are spread over the minute', () => {
  const perSecond = new Map<number, number>();
  for (let number = 1; number <= 600; number++) {
    const person = new Person('civilian', number * 7);
    person.share();
    for (let at = 0; at < 120; at++) person.at(at);
    const [, second] = afterS(person);
    perSecond.set(second!, (perSecond.get(second!) ?? 0) + 1);
  }
  // ten a second when evenly spread
  expect(Math.max(...perSecond.values())).toBeLessThan(30);
});
