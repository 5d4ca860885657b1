/**
 * What a hey says of an officer to a civilian who asks and asks: what the area tells, as late as it tells it, and nothing else.
 */
import { describe, expect, test } from 'vitest';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { ERROR } from '../protocol/errors.ts';
import { areaRules } from './geo/areaRules.ts';
import { AREA_EDGE_M, AREA_OFFICERS_MAX } from './geo/limits.ts';

/** Further than any change of an area is told late. */
const LATE_MS = 125_000;

interface Story {
  readonly town: SmallTown;
  readonly officer: TownPhone;
  readonly civilian: TownPhone;
  readonly other: TownPhone;
  /** The answer without the words that differ from hey to hey. */
  greet(): Promise<unknown>;
  /** Everybody stays for so long, and reports now and then. */
  stay(ms: number, officerM?: number | null): Promise<void>;
}

/** Three people share in one area, under the rules that people have; the officer began just now. */
async function story(): Promise<Story> {
  const town = new SmallTown({ area: areaRules() });
  const [officer, civilian, other] = [
    await town.phone('officer'),
    await town.phone('civilian'),
    await town.phone('civilian'),
  ];
  await civilian.report(0);
  await other.report(10);
  await town.time.advance(LATE_MS);
  await officer.command('location.share', {});
  await officer.report(20);
  return {
    town,
    officer,
    civilian,
    other,
    async greet() {
      await civilian.report(0);
      const said = await civilian.command('hey.say', { officerId: officer.id });
      return said.ok ? 'ok' : `${said.code} ${said.message} ${said.retryAfterMs ?? 0}`;
    },
    async stay(ms, officerM = 20) {
      for (let left = ms; left > 0; left -= 20_000) {
        await town.time.advance(Math.min(left, 20_000));
        await civilian.report(0);
        await other.report(10);
        if (officerM !== null) await officer.report(officerM);
      }
    },
  };
}

const listed = (phone: TownPhone): boolean => phone.events('area.officers').at(-1) != null;

describe('a hey', () => {
  test('is said only to whom the area tells of, and late like everything that it tells', async () => {
    const { town, officer, civilian, greet, stay } = await story();
    await civilian.report(0);
    const nobody = await civilian.command('hey.say', { officerId: town.key() });
    expect(nobody).toMatchObject({ code: ERROR.notFound });
    const first = await greet();
    expect(first).toBe(`${ERROR.notFound} no such officer in this area 0`);
    expect(listed(civilian)).toBe(false);
    await stay(LATE_MS);
    expect(listed(civilian)).toBe(true);
    expect(await greet()).toBe('ok');
    expect(officer.events('hey.received')).toHaveLength(1);
  });

  test('waits and expires alike whether the officer is here, stopped, or crossed into another area', async () => {
    const endings: unknown[] = [];
    for (const leaves of ['not', 'stops', 'crosses', 'stops while it waits']) {
      const { town, officer, civilian, greet, stay } = await story();
      await stay(LATE_MS);
      const far = 2 * AREA_EDGE_M;
      if (leaves === 'stops') await officer.command('location.stop', {});
      if (leaves === 'crosses') {
        await officer.command('location.stop', {});
        await officer.command('location.share', {});
        await officer.report(far);
      }
      const began = town.time.nowMs();
      const answer = await greet();
      if (leaves === 'stops while it waits') await officer.command('location.stop', {});
      expect(officer.events('hey.received')).toHaveLength(
        leaves === 'not' || leaves.endsWith('waits') ? 1 : 0,
      );
      while (civilian.events('hey.closed').length === 0 && town.time.nowMs() - began < 100_000)
        await town.time.advance(1_000);
      const closed = civilian.events('hey.closed').map(one => one?.reason);
      endings.push([answer, closed, Math.round((town.time.nowMs() - began) / 2_000)]);
      town.stop();
    }
    expect(endings[0]).toMatchObject(['ok', ['expired'], expect.any(Number)]);
    for (const ending of endings) expect(ending).toEqual(endings[0]);
  });

  test('that the officer never saw cannot be accepted by its name', async () => {
    const { officer, civilian, stay } = await story();
    await stay(LATE_MS);
    await officer.command('location.stop', {});
    await civilian.report(0);
    const said = await civilian.command('hey.say', { officerId: officer.id });
    const { heyId } = (said as { value: { heyId: string } }).value;
    for (const name of ['hey.accept', 'hey.decline'] as const)
      expect(await officer.command(name, { heyId })).toMatchObject({ code: ERROR.gone });
  });

  test('goes on to whom the list has no room for', async () => {
    const town = new SmallTown();
    const civilian = await town.phone('civilian');
    await civilian.report(0);
    const officers: TownPhone[] = [];
    for (let i = 0; i <= AREA_OFFICERS_MAX; i++) {
      const officer = await town.phone('officer');
      await officer.command('location.share', {});
      await officer.report(10 + i);
      officers.push(officer);
    }
    await town.time.advance(2_000);
    const list = civilian.events('area.officers').at(-1) as { officers: { officerId: string }[] };
    const last = officers.at(-1)!;
    expect(list.officers).toHaveLength(AREA_OFFICERS_MAX);
    expect(list.officers.map(one => one.officerId)).not.toContain(last.id);
    expect(await civilian.command('hey.say', { officerId: last.id })).toMatchObject({ ok: true });
  });

  test.each(['move', 'kill'] as const)('is possible again after a %s of everything', async how => {
    const { town, officer, civilian, other, greet, stay } = await story();
    await stay(LATE_MS);
    await town[how]();
    if (how === 'kill') {
      for (const phone of [officer, civilian, other]) await phone.connect();
      // areas are memory: what they told is told anew, and as late
      expect(await greet()).toBe(`${ERROR.notFound} no such officer in this area 0`);
      await stay(2 * LATE_MS);
    }
    expect(await greet()).toBe('ok');
  });
});
