/**
 * What must be so of every crowd, whoever is in it and wherever it is: the metamorphic and property lists of the proximity
 * study (5.5 and 5.6). Crowds are drawn by fast-check; a failure prints its seed and the smallest crowd it found.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxOf, cellOf } from '../../actors/geo/grid.ts';
import { Matcher } from '../../actors/geo/matcher.ts';
import { publishFix, type Track } from '../../actors/geo/publish.ts';
import { type ProximityRules, proximityRules } from '../../actors/geo/rules.ts';
import type { RegionMessage } from '../../actors/messages/region.ts';
import { happeningKey, run } from './compare.ts';
import { type CrowdShape, crowd } from './crowd.ts';
import type { OracleEvent, OracleHappening } from './oracle.ts';
import { type Seeded, seeded } from './seeded.ts';
import type { Town } from './town.ts';

type Fix = Extract<OracleEvent, { type: 'fix' }>;

const SEED = 20_261_121;
const RUNS = 12;
const corner = (lat: number, lng: number) => {
  const box = boxOf(cellOf(lat, lng));
  return { lat: box.north, lng: box.east };
};
const HOMES = [corner(40.73, -73.99), { lat: 37.985, lng: 23.73 }, corner(-16.5, 179.9)];
const POLES = [
  { lat: 89.999, lng: 40 },
  { lat: -90, lng: 0 },
];

const shapes = (centres: readonly { lat: number; lng: number }[]) =>
  fc.record({
    centre: fc.constantFrom(...centres),
    spreadM: fc.constantFrom(60, 200, 600),
    groups: fc.integer({ min: 2, max: 6 }),
    groupSize: fc.integer({ min: 2, max: 5 }),
    durationMs: fc.constant(240_000),
    periodMs: fc.constantFrom(2_000, 5_000, 11_000),
    mischief: fc.constantFrom(0, 0.02),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
    rules: fc.constantFrom(
      proximityRules({ dwellMs: 20_000 }),
      proximityRules({ enterM: 10, dwellMs: 5_000, dwellFixes: 2, crowdCivilians: 3, capMatches: 2 }),
      proximityRules({ enterM: 60, dwellMs: 0, dwellFixes: 1, nearAgainMs: 60_000 }),
    ),
  });

type Drawn = CrowdShape & { readonly seed: number; readonly rules: ProximityRules };
const eventsOf = (drawn: Drawn): OracleEvent[] => [...crowd(drawn, drawn.seed)];
const keys = (happenings: readonly OracleHappening[]): string[] => happenings.map(happeningKey).sort();
const streamOf = (
  events: readonly OracleEvent[],
  rules: ProximityRules,
  between?: (town: Town) => void,
): string[] => keys(run(events, rules, between).happenings);

/** Each drawn crowd has this property. */
function always(
  centres: readonly { lat: number; lng: number }[],
  holds: (drawn: Drawn, chance: Seeded) => void,
) {
  fc.assert(
    fc.property(shapes(centres), drawn => holds(drawn, seeded(drawn.seed))),
    { seed: SEED, numRuns: RUNS },
  );
}

const moved = (events: readonly OracleEvent[], change: (fix: Fix) => Fix): OracleEvent[] =>
  events.map(event => (event.type === 'fix' ? change(event) : event));
const turned = (fix: Fix, byE7: number): Fix => ({
  ...fix,
  lngE7: ((fix.lngE7 + byE7 + 1_800_000_000) % 3_600_000_000) - 1_800_000_000,
});

describe('the stream of a crowd is the same', () => {
  it('at every longitude, also across the antimeridian', () => {
    always(HOMES, (drawn, chance) => {
      const events = eventsOf(drawn);
      const home = streamOf(events, drawn.rules);
      for (const byE7 of [chance.int(3_600_000_000), 1_800_000_000])
        expect(
          streamOf(
            moved(events, fix => turned(fix, byE7)),
            drawn.rules,
          ),
        ).toEqual(home);
    });
  });
  it('around the poles, from wherever the longitudes are counted', () => {
    always(POLES, (drawn, chance) => {
      const events = eventsOf(drawn);
      const byE7 = chance.int(3_600_000_000);
      const there = streamOf(
        moved(events, fix => turned(fix, byE7)),
        drawn.rules,
      );
      expect(there).toEqual(streamOf(events, drawn.rules));
    });
  });
  it('on the other hemisphere, and on the other side of it', () => {
    always([...HOMES, ...POLES], drawn => {
      const events = eventsOf(drawn);
      const home = streamOf(events, drawn.rules);
      const mirrored = moved(events, fix => ({ ...fix, latE7: -fix.latE7 }));
      expect(streamOf(mirrored, drawn.rules)).toEqual(home);
      expect(
        streamOf(
          moved(mirrored, fix => turned(fix, 1_800_000_000)),
          drawn.rules,
        ),
      ).toEqual(home);
    });
  });
  it('of people who are slower, with rules that are as slow', () => {
    always([...HOMES, ...POLES], drawn => {
      // two fixes at the same time have a speed that no factor changes
      const events = eventsOf({ ...drawn, mischief: 0 });
      const { rules } = drawn;
      for (const factor of [2, 8]) {
        const slower = proximityRules({
          ...rules,
          ...{ silenceMs: factor * rules.silenceMs, dwellMs: factor * rules.dwellMs },
          ...{ freshMs: factor * rules.freshMs, gapMs: factor * rules.gapMs, capMs: factor * rules.capMs },
          ...{ crowdMs: factor * rules.crowdMs, nearAgainMs: factor * rules.nearAgainMs },
          ...{ walkMps: rules.walkMps / factor, vehicleMps: rules.vehicleMps / factor },
          relativeMps: rules.relativeMps / factor,
        });
        const slow = run(
          moved(events, fix => ({ ...fix, atMs: factor * fix.atMs })),
          slower,
        ).happenings.map(one => ({ ...one, atMs: one.atMs / factor }));
        expect(keys(slow)).toEqual(streamOf(events, rules));
      }
    });
  });
  it('when everything is delivered twice, and old fixes come again', () => {
    always(HOMES, (drawn, chance) => {
      const events = eventsOf(drawn);
      const again = events.flatMap((event, i) => {
        const old = events[chance.int(i + 1)]!;
        const goes = events.slice(0, i).some(one => one.type === 'leave');
        return event.type === 'leave' || old.type === 'leave' || goes ? [event] : [event, event, old];
      });
      expect(streamOf(again, drawn.rules)).toEqual(streamOf(events, drawn.rules));
    });
  });
  it('with strangers far away', () => {
    always(HOMES, drawn => {
      const events = eventsOf(drawn);
      const strangers = moved(events, fix => ({
        ...fix,
        id: `far ${fix.id}`,
        latE7: fix.latE7 + 45_000_000,
      }));
      const both = events.flatMap((event, i) => {
        const other = strangers[i]!;
        return [event, other.type === 'leave' ? { ...other, id: `far ${other.id}` } : other];
      });
      const stream = streamOf(both, drawn.rules).filter(key => !key.includes('far'));
      expect(stream).toEqual(streamOf(events, drawn.rules));
    });
  });
  it('whenever the sweep comes, and however often the regions move to other nodes', () => {
    always(HOMES, (drawn, chance) => {
      const events = eventsOf(drawn);
      const restless = streamOf(events, drawn.rules, town => {
        if (chance.next() < 0.3) town.fireTimers('slots');
        if (chance.next() < 0.02) town.move();
      });
      expect(restless).toEqual(streamOf(events, drawn.rules));
    });
  });
  it('whether or not anybody asks who is near whom', () => {
    always([...HOMES, ...POLES], drawn => {
      const events = eventsOf(drawn);
      const asked = streamOf(events, drawn.rules).filter(key => !key.startsWith('near'));
      expect(keys(run(events, drawn.rules, undefined, false).happenings)).toEqual(asked);
    });
  });
  it('in one region for all as in many', () => {
    always(HOMES, drawn => {
      const events = eventsOf(drawn);
      expect(inOneRegion(events, drawn)).toEqual(
        streamOf(events, drawn.rules).filter(key => !key.startsWith('met')),
      );
    });
  });
  it('whoever reports first within a tick, of people who stand still', () => {
    always(HOMES, (drawn, chance) => {
      const places = eventsOf({ ...drawn, mischief: 0 }).filter(event => event.type === 'fix');
      const people = [...new Map(places.map(fix => [fix.id, fix])).values()];
      const ticks = (order: (fixes: Fix[]) => Fix[]): OracleEvent[] =>
        Array.from({ length: 12 }, (_, tick) =>
          order(people.map(fix => ({ ...fix, seq: tick + 1, atMs: tick * 10_000 }))),
        ).flat();
      const shuffled = ticks(fixes =>
        fixes
          .map(fix => ({ fix, at: chance.next() }))
          .sort((a, b) => a.at - b.at)
          .map(one => one.fix),
      );
      // who comes first of many into a crowd or under a cap is another question
      const rules = { ...drawn.rules, crowdCivilians: 1_000, capMatches: 1_000 };
      // near is asked on the civilian's fix alone, which may be the first of the two or the second
      const pairs = (events: OracleEvent[]) => streamOf(events, rules).filter(key => !key.startsWith('near'));
      expect(pairs(shuffled)).toEqual(pairs(ticks(fixes => fixes)));
    });
  });
  it('with the roles exchanged, but for what is about officers alone', () => {
    always(HOMES, drawn => {
      const rules = { ...drawn.rules, crowdCivilians: 1_000, capMatches: 1_000 };
      const events = eventsOf(drawn);
      const swapped = run(
        moved(events, fix => ({ ...fix, officer: !fix.officer })),
        rules,
      ).happenings.map(one => ({ ...one, officerId: one.civilianId, civilianId: one.officerId }));
      const pairs = (all: readonly OracleHappening[]) => keys(all.filter(one => one.what !== 'near'));
      expect(pairs(swapped)).toEqual(pairs(run(events, rules).happenings));
    });
  });
});

describe('of every crowd', () => {
  it('each enter has exactly one exit', () => {
    let entered = 0;
    always([...HOMES, ...POLES], drawn => {
      const open = new Set<string>();
      for (const { what, officerId, civilianId } of run(eventsOf(drawn), drawn.rules).happenings) {
        const pair = `${officerId}|${civilianId}`;
        if (what === 'entered') {
          expect(open.has(pair)).toBe(false);
          open.add(pair);
          entered++;
        }
        if (what === 'ended') expect(open.delete(pair)).toBe(true);
        if (what === 'met') expect(open.has(pair)).toBe(true);
      }
      expect([...open]).toEqual([]);
    });
    expect(entered).toBeGreaterThan(100);
  });
  it('who is together within a smaller radius is so within a larger one', () => {
    always(HOMES, (drawn, chance) => {
      const events = eventsOf(drawn);
      const free = { crowdCivilians: 1_000, reachM: 500 };
      const pairs = (what: OracleHappening['what'], rules: ProximityRules): Set<string> =>
        new Set(
          run(events, rules)
            .happenings.filter(one => one.what === what)
            .map(one => `${one.officerId}|${one.civilianId}`),
        );
      const [small, large] = [chance.between(10, 60), chance.between(60, 150)];
      for (const [what, field] of [
        ['near', 'nearM'],
        ['entered', 'enterM'],
      ] as const) {
        const inner = pairs(what, proximityRules({ ...free, [field]: small }));
        const outer = pairs(what, proximityRules({ ...free, [field]: large }));
        expect([...inner].filter(pair => !outer.has(pair))).toEqual([]);
      }
    });
  });
});

/** The same fixes into one matcher, whose cells hold everybody beyond its edges too. */
function inOneRegion(events: readonly OracleEvent[], { centre, rules }: Drawn): string[] {
  const happenings: OracleHappening[] = [];
  let nowMs = 0;
  const note = (what: OracleHappening['what'], officerId: string, civilianId: string, atMs: number | null) =>
    happenings.push({ what, officerId, civilianId, atMs: atMs ?? nowMs });
  const matcher = new Matcher(cellOf(centre.lat, centre.lng), rules, {
    entered: (officer, civilian, atMs) => note('entered', officer, civilian, atMs),
    ended: (officer, civilian, atMs) => note('ended', officer, civilian, atMs),
    near: ({ officer, civilianId, atMs }) => note('near', officer.id, civilianId, atMs),
  });
  const tracks = new Map<string, Track>();
  for (const event of events) {
    if (event.type === 'leave') {
      tracks.delete(event.id);
      matcher.leave(event.id);
      continue;
    }
    const { id, officer, instant, atMs, type: _, ...position } = event;
    const before = tracks.get(id) ?? null;
    if (before && (position.seq <= before.fix.seq || atMs < before.fix.takenAtMs)) continue;
    nowMs = atMs;
    const role = officer ? 'officer' : 'civilian';
    const turn = { tell: (_to: object, _message: RegionMessage | object) => {} };
    const person = { userId: id, role, handle: id, instant } as const;
    const track = publishFix(turn, person, before, { ...position, takenAtMs: atMs }, rules.reachM);
    tracks.set(id, track);
    matcher.move(track.fix, atMs);
  }
  matcher.sweepSlots(nowMs + 3_600_000);
  return keys(happenings);
}
