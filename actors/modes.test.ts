/** The five privacy modes, told by phones: what each lets others know, how it ends, and that a change leaves nothing behind. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { MODES, type Mode } from '../protocol/catalogue.ts';
import { ERROR } from '../protocol/errors.ts';
import { FIX_FLAG } from '../protocol/frames.ts';
import type { UserMessage } from './messages/user.ts';
import { userBehaviour } from './user.ts';

const S = 1_000;
const MIN = 60 * S;

let town: SmallTown;
let officer: TownPhone;
let civilian: TownPhone;
beforeEach(async () => {
  town = new SmallTown();
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
});

const choose = (phone: TownPhone, mode: Mode) => phone.command('location.mode', { mode });
const modeOf = async (phone: TownPhone) => (await phone.snapshot()).mode;
const reported = (phone: TownPhone): number => phone.events('report.next').length;

test('an officer begins on codes only, a civilian shares; both see it in the snapshot', async () => {
  expect(await officer.snapshot()).toMatchObject({ mode: 'qr', sharing: false, sharingUntilS: 0, hub: null });
  expect(await civilian.snapshot()).toMatchObject({ mode: 'precise', sharing: true, sharingUntilS: 0 });
});

test('share and stop are precise and qr', async () => {
  await officer.command('location.share', {});
  expect(await modeOf(officer)).toBe('precise');
  await officer.command('location.stop', {});
  expect(await modeOf(officer)).toBe('qr');
});

test('who hides is heard by a node that is behind, too; what begins something is not', () => {
  const user = userBehaviour(town.rules, { newest: 1, masters: new Map() });
  const refused = (
    ['location.stop', 'location.mode', 'location.share', 'hey.say', 'redeem.reserve'] as const
  ).filter(name => user.refusable!({ type: 'command', name } as UserMessage));
  expect(refused).toEqual(['location.share', 'hey.say', 'redeem.reserve']);
});

for (const mode of MODES.filter(one => one !== 'hub')) {
  test(`${mode} of both outlives a kill and a move`, async () => {
    for (const phone of [officer, civilian])
      expect(await choose(phone, mode)).toMatchObject({ ok: true, value: { mode } });
    for (const again of [() => town.kill(), () => town.move()]) {
      await again();
      for (const phone of [officer, civilian]) {
        await phone.connect();
        expect(await modeOf(phone)).toBe(mode);
      }
    }
  });
}

describe('what an officer chose ends by itself', () => {
  for (const mode of ['coarse', 'precise'] as const) {
    test(`${mode}: over a kill and a move, once, and codes are left`, async () => {
      await choose(officer, mode);
      await town.time.advance(5 * MIN);
      town.kill();
      await officer.connect();
      await town.move();
      await town.time.advance(9 * MIN);
      expect(officer.events('sharing.ended')).toEqual([]);
      await town.time.advance(MIN + 5 * S);
      expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
      expect(await officer.snapshot()).toMatchObject({ mode: 'qr', sharing: false, sharingUntilS: 0 });
      town.kill();
      await officer.connect();
      expect(await modeOf(officer)).toBe('qr');
    });
  }

  test("and a civilian's does not", async () => {
    await choose(civilian, 'coarse');
    await town.time.advance(60 * MIN);
    expect(await modeOf(civilian)).toBe('coarse');
  });

  test('the same again begins anew; another one in between has its own end', async () => {
    await choose(officer, 'precise');
    await town.time.advance(10 * MIN);
    await choose(officer, 'coarse');
    await town.time.advance(10 * MIN);
    expect(await modeOf(officer)).toBe('coarse');
    await choose(officer, 'coarse');
    await town.time.advance(10 * MIN);
    expect(await modeOf(officer)).toBe('coarse');
    expect(officer.events('sharing.ended')).toEqual([]);
    await town.time.advance(6 * MIN);
    expect(await modeOf(officer)).toBe('qr');
  });
});

test('off and qr take no position; coarse and precise do', async () => {
  for (const [mode, taken] of [
    ['off', 0],
    ['qr', 0],
    ['coarse', 1],
    ['precise', 1],
  ] as const) {
    await choose(officer, mode);
    const before = reported(officer);
    await officer.report(0);
    expect([mode, reported(officer) - before]).toEqual([mode, taken]);
  }
});

test('codes work in every mode', async () => {
  for (const mode of ['off', 'coarse'] as const) {
    await choose(officer, mode);
    await choose(civilian, mode);
    await town.time.advance(25 * 60 * MIN);
    await choose(officer, mode);
    const shown = await officer.command('qr.show', {});
    const met = await civilian.command('qr.scan', { token: shown.ok ? shown.value.token : '' });
    expect(met).toMatchObject({ ok: true });
  }
});

test('the hub cannot be chosen, only scanned; nobody but who meets people has a mode', async () => {
  expect(await choose(officer, 'hub')).toMatchObject({ ok: false, code: ERROR.invalid });
  const merchant = await town.phone('merchant');
  expect(await choose(merchant, 'qr')).toMatchObject({ ok: false, code: ERROR.forbidden });
  expect(await modeOf(officer)).toBe('qr');
});

test('a hey is taken back with the position that came with it', async () => {
  await choose(officer, 'precise');
  await officer.report(0);
  await civilian.report(10);
  await town.time.advance(5 * MIN);
  await officer.report(0);
  await civilian.report(10);
  expect(await civilian.command('hey.say', { officerId: officer.id })).toMatchObject({ ok: true });
  const { heyId } = officer.events('hey.received')[0] as { heyId: string };
  await choose(civilian, 'qr');
  await town.time.advance(S);
  expect(civilian.events('hey.closed')).toMatchObject([{ heyId, reason: 'gone' }]);
  expect(await officer.command('hey.accept', { heyId })).toMatchObject({ ok: false, code: ERROR.gone });
});

/** Every number and word of what the actors hold, as it travels. */
function wordsOf(value: unknown): Set<string> {
  const words = new Set<string>();
  const walk = (one: unknown): void => {
    if (typeof one === 'number' || typeof one === 'string') words.add(String(one));
    else if (one instanceof Map) for (const entry of one) walk(entry);
    else if (one && typeof one === 'object' && !(one instanceof Uint8Array)) Object.values(one).forEach(walk);
  };
  walk(value);
  return words;
}

test('after any changes of mode nothing of an earlier place is found, in any actor', async () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ mode: fc.constantFrom(...MODES) }) },
      { weight: 4, arbitrary: fc.record({ northM: fc.integer({ min: 1, max: 9_000 }) }) },
      { weight: 1, arbitrary: fc.record({ waitS: fc.integer({ min: 1, max: 1_000 }) }) },
      { weight: 1, arbitrary: fc.constant({ move: true }) },
    ),
    { minLength: 2, maxLength: 10 },
  );
  const last = fc.constantFrom<Mode>('off', 'qr', 'coarse', 'precise');
  await fc.assert(
    fc.asyncProperty(steps, last, fc.boolean(), fc.boolean(), async (said, end, isOfficer, isBeside) => {
      town = new SmallTown();
      const phone = await town.phone(isOfficer ? 'officer' : 'civilian');
      const other = await town.phone(isOfficer ? 'civilian' : 'officer');
      await choose(other, 'precise');
      await choose(phone, 'precise');
      if (isBeside) await other.report(0);
      const places = [10];
      await phone.report(10);
      for (const one of said) {
        if ('mode' in one) await choose(phone, one.mode);
        else if ('waitS' in one) await town.time.advance(one.waitS * S);
        else if ('move' in one) await town.move();
        else {
          await phone.report(one.northM);
          places.push(one.northM);
        }
      }
      // another one than the present one, whichever that is
      await choose(phone, end === 'off' ? 'qr' : 'off');
      await choose(phone, end);
      await town.time.advance(S);
      if (!isBeside) expect(town.system.count('region')).toBe(0);
      await town.move();
      const held = wordsOf(town.travelled);
      expect(held.has(phone.id)).toBe(true);
      for (const northM of places) expect(held).not.toContain(String(phone.placeAt(northM).latE7));
      for (const word of held) if (/^r\d+$/.test(word)) expect(isBeside).toBe(true);
    }),
    { numRuns: 25, seed: 61 },
  );
}, 60_000);

test('that search finds a place that is there', async () => {
  await civilian.report(10);
  await town.move();
  expect(wordsOf(town.travelled).has(String(civilian.placeAt(10).latE7))).toBe(true);
});

describe('a phone that asks for quiet', () => {
  const reports = (quiet: boolean) => civilian.report(0, 50, quiet ? FIX_FLAG.quiet : 0);
  const periods = (): unknown[] => civilian.events('report.next').map(({ periodS }) => periodS);

  test('hears of its first position, of what changes, and of those for which it does not ask', async () => {
    for (let n = 0; n < 3; n++) await reports(true);
    expect(periods()).toEqual([300]);
    await reports(false);
    expect(periods()).toEqual([300, 300]);
    await officer.command('location.share', {});
    await officer.report(10);
    await town.time.advance(3 * MIN);
    for (let n = 0; n < 3; n++) await reports(true);
    expect(periods().slice(2)).toEqual([60]);
  });

  for (const again of ['connects anew', 'is moved', 'lost its node'] as const) {
    test(`hears it again when it ${again}`, async () => {
      await reports(true);
      if (again === 'is moved') await town.move();
      if (again === 'lost its node') town.kill();
      await civilian.connect();
      await reports(true);
      await reports(true);
      expect(periods()).toEqual([300, 300]);
    });
  }
});
