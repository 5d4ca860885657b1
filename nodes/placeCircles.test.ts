/** Hubs and merchants stand at the location service as the operators' map has them, and nothing is sent twice. */
import { expect, test } from 'vitest';
import { CIRCLE_LIMITS } from './limits.ts';
import { type Circle, LocationFailure } from './locationPort.ts';
import { circleOf, PlaceCircles } from './placeCircles.ts';
import { Fences, NO_FENCES, type Place } from './placesPort.ts';
import type { Log } from './ports.ts';

const place = (n: number, change: Partial<Place> = {}): Place => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  kind: n % 2 === 0 ? 'hub' : 'merchant',
  name: `place ${n}`,
  number: n,
  poster: 0,
  latE7: 407_812_345,
  lngE7: -739_665_432 + n,
  radiusM: 30,
  ...change,
});

function town(already: readonly Circle[] = []) {
  const there = new Map(already.map(one => [one.id, one]));
  const calls: string[] = [];
  const lines: string[] = [];
  const say = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const self = { fences: NO_FENCES, leads: true, away: false, refuses: '', nowMs: 0, calls, there, lines };
  const called = (name: string, items: number): void => {
    calls.push(`${name} ${items}`);
    if (self.away) throw new LocationFailure(name, 'unavailable', 'gone');
  };
  const circles = new PlaceCircles({
    location: {
      circles: async () => {
        called('list', there.size);
        return [...there.values()];
      },
      putCircles: async given => {
        called('put', given.length);
        const [good, bad] = [given.filter(one => one.id !== self.refuses), given.length];
        for (const one of good) there.set(one.id, one);
        return bad === good.length ? [] : [{ id: self.refuses, why: 'ValidationError' }];
      },
      deleteCircles: async ids => {
        called('delete', ids.length);
        for (const id of ids) there.delete(id);
      },
    },
    fences: () => self.fences,
    leads: () => self.leads,
    clock: { monotonicMs: () => self.nowMs },
    scheduler: { immediate: run => run(), after: () => () => {} },
    log,
  });
  return Object.assign(self, { look: () => circles.look() });
}

test('hubs and merchants are put, what moved is replaced, what is closed is taken away', async () => {
  const here = town();
  here.fences = new Fences([1, 2, 3].map(n => place(n)));
  await here.look();
  expect([...here.there.keys()].map(id => id.split('-')[0])).toEqual(['merchant', 'hub', 'merchant']);
  here.fences = new Fences([place(1), place(2, { radiusM: 60 })]);
  await here.look();
  expect([...here.there.values()]).toEqual([place(1), place(2, { radiusM: 60 })].map(circleOf));
  expect(here.calls).toEqual(['list 0', 'put 3', 'delete 1', 'put 1']);
  await here.look();
  expect(here.calls).toHaveLength(4);
});

test('before the map is known nothing is done, and circles of others stay', async () => {
  const others = { id: 'warehouse', latE7: 0, lngE7: 0, radiusM: 10 };
  const here = town([others, circleOf(place(2)), circleOf(place(4))]);
  await here.look();
  expect(here.calls).toEqual([]);
  here.fences = new Fences([place(4)]);
  await here.look();
  expect(here.calls).toEqual(['list 3', 'delete 1']);
  expect([...here.there.values()]).toEqual([others, circleOf(place(4))]);
});

test('one node does it; whoever takes over lists first', async () => {
  const here = town();
  here.leads = false;
  here.fences = new Fences([place(2)]);
  await here.look();
  expect(here.calls).toEqual([]);
  here.leads = true;
  await here.look();
  here.leads = false;
  await here.look();
  here.there.clear();
  here.leads = true;
  await here.look();
  expect(here.calls).toEqual(['list 0', 'put 1', 'list 0', 'put 1']);
});

test('a service that is away is asked ever more slowly, and listed again', async () => {
  const here = town();
  here.fences = new Fences([place(2)]);
  here.away = true;
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) pauses.push(await here.look());
  expect(pauses.slice(0, 3)).toEqual([1, 2, 4].map(times => times * CIRCLE_LIMITS.retryMs));
  expect(pauses.at(-1)).toBe(CIRCLE_LIMITS.retryMaxMs);
  here.away = false;
  expect(await here.look()).toBe(CIRCLE_LIMITS.lookMs);
  expect([...here.there.values()]).toEqual([circleOf(place(2))]);
});

test('a place that is refused is named without saying where it is, and tried again with the next comparison', async () => {
  const here = town();
  here.fences = new Fences([place(1), place(2)]);
  here.refuses = circleOf(place(2)).id;
  await here.look();
  await here.look();
  expect(here.calls).toEqual(['list 0', 'put 2']);
  expect(here.lines.join('\n')).toContain(here.refuses);
  expect(here.lines.join('\n')).not.toMatch(/4078|7396/);
  here.refuses = '';
  here.nowMs += CIRCLE_LIMITS.compareMs;
  await here.look();
  expect(here.calls.slice(2)).toEqual(['list 1', 'put 1']);
  expect(here.there.size).toBe(2);
});
