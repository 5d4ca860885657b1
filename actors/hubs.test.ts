/** What an officer at a hub proves and what the town hears of it: told by the phones of a small town. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { HERE, SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { mintHubToken } from '../protocol/hubToken.ts';
import { TRUST } from './fraud/trust.ts';
import { cellOf, regionId } from './geo/grid.ts';
import { Fences, type Place } from './geo/places/fence.ts';

const S = 1_000;
const wall = generateKeyPairSync('ed25519');
const hubAt = (id: string, number: number, lat: number): Place => ({
  ...{ id: `00000000-0000-7000-8000-0000000000${id}`, kind: 'hub', name: `Hall ${id}`, number, poster: 0 },
  ...{ latE7: Math.round(lat * 1e7), lngE7: Math.round(HERE.lng * 1e7), radiusM: 60 },
});
const HUB = hubAt('a1', 7, HERE.lat);
const HUB_CELL = regionId(cellOf(HERE.lat, HERE.lng));

let town: SmallTown;
let fences: Fences;
let officer: TownPhone;
let civilian: TownPhone;
beforeEach(async () => {
  fences = new Fences([HUB]);
  town = new SmallTown({}, { fences: () => fences, hubs: new Map([[1, wall.publicKey]]) });
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
});

const checkIn = (phone: TownPhone, { number }: Place = HUB) => {
  const token = { kid: 1, hubNumber: number, posterNumber: 0, untilMs: null, nonce: 1 };
  return phone.command('hub.checkIn', { token: mintHubToken({ ...token, privateKey: wall.privateKey }) });
};
/** One shows, the other scans; 0 when it counts. */
async function meet(presenter: TownPhone, scanner: TownPhone): Promise<number> {
  const shown = await presenter.command('qr.show', {});
  const met = await scanner.command('qr.scan', { token: shown.ok ? shown.value.token : '' });
  return met.ok ? 0 : met.code;
}
const cells = (): string[] =>
  [...town.ledger.transfers.values()].flatMap(({ op }) => (op.type === 'encounter' ? [op.cell] : []));

describe('a code at a hub', () => {
  for (const shows of ['officer', 'civilian'] as const) {
    const between = () => (shows === 'officer' ? meet(officer, civilian) : meet(civilian, officer));

    test(`that the ${shows} shows is kept with the coarse cell of the hub, also over a kill`, async () => {
      await checkIn(officer);
      town.kill();
      for (const phone of [officer, civilian]) await phone.connect();
      expect(await between()).toBe(0);
      expect(cells()).toEqual([HUB_CELL]);
    });

    test(`that the ${shows} shows counts for who is there by his position, and not for who is elsewhere`, async () => {
      await checkIn(officer);
      await civilian.report(2_000);
      expect(await between()).toBe(0);
      expect([...town.ledger.holds.values()].map(({ op }) => op.trust)).toEqual([TRUST.relayed]);
      expect(cells()).toEqual([]);
      civilian = await town.phone('civilian');
      await civilian.report(140);
      expect(await between()).toBe(0);
      expect(cells()).toEqual([HUB_CELL]);
    });

    test(`that the ${shows} shows says nothing of the hub when the officer is there no more, or it is gone`, async () => {
      await checkIn(officer);
      fences = new Fences([]);
      await civilian.report(2_000);
      expect(await between()).toBe(0);
      fences = new Fences([HUB]);
      await officer.command('location.mode', { mode: 'qr' });
      await town.time.advance(25 * 3_600 * S);
      expect(await between()).toBe(0);
      expect(cells()).not.toContain(HUB_CELL);
    });
  }
});

describe('a civilian in the area of a hub', () => {
  const open = (phone = civilian) => phone.seen.findLast(({ name }) => name === 'area.hubs')?.body ?? null;
  const hubs = [{ hubId: HUB.id, name: HUB.name }];
  const soon = () => town.time.advance(5 * S);

  test('is told that it is open, and nothing of who is there, and when it is not any more', async () => {
    await civilian.report(1_500);
    await checkIn(officer);
    await soon();
    expect(open()).toMatchObject({ hubs });
    expect(civilian.events('area.officers')).toEqual([]);
    const said = JSON.stringify(civilian.seen);
    for (const secret of [officer.id, 'officer 1', `${HUB.latE7}`]) expect(said).not.toContain(secret);
    await officer.command('location.mode', { mode: 'qr' });
    await soon();
    expect(open()).toBeNull();
  });

  test('is told again after a move and a lost connection, and as it is after a kill', async () => {
    await civilian.report(1_500);
    await checkIn(officer);
    await soon();
    await town.move();
    await soon();
    civilian.seen.length = 0;
    civilian.disconnect();
    await civilian.connect();
    expect(open()).toMatchObject({ hubs });
    town.kill();
    for (const phone of [officer, civilian]) await phone.connect();
    civilian.seen.length = 0;
    await civilian.report(1_500);
    await soon();
    expect(open()).toMatchObject({ hubs });
    await officer.command('location.mode', { mode: 'off' });
    await soon();
    expect(open()).toBeNull();
  });

  test('sees one close and another open when the officer walks over, and none of a hub far away', async () => {
    const next = hubAt('a2', 8, HERE.lat + 0.005);
    const far = hubAt('a3', 9, HERE.lat + 1);
    fences = new Fences([HUB, next, far]);
    await civilian.report(1_500);
    for (const [hub, shown] of [
      [HUB, hubs],
      [next, [{ hubId: next.id, name: next.name }]],
      [far, null],
    ] as const) {
      await checkIn(officer, hub);
      await soon();
      expect(open()?.hubs ?? null).toEqual(shown);
    }
  });

  test('sees it close when the time is over, and when the phone was away for long', async () => {
    await checkIn(officer);
    officer.disconnect();
    for (let minute = 0; minute < 18; minute++) {
      await civilian.report(1_500 + minute);
      await town.time.advance(60 * S);
      if (minute === 5) expect(open()).toMatchObject({ hubs });
    }
    expect(open()).toBeNull();
    await officer.connect();
    await soon();
    expect(open()).toMatchObject({ hubs });
    for (let s = 0; s < town.rules.hubS; s += 60) {
      await civilian.report(1_500 + (s % 7));
      await town.time.advance(60 * S);
    }
    expect(open()).toBeNull();
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
  });

  test('is told nothing when he has left the area, or shares no more; officers are never told', async () => {
    const colleague = await town.phone('officer');
    await colleague.command('location.share', {});
    await colleague.report(1_500);
    await civilian.report(1_500);
    await checkIn(officer);
    await soon();
    expect(open()).toMatchObject({ hubs });
    await civilian.command('location.mode', { mode: 'off' });
    expect(open()).toBeNull();
    expect([...colleague.events('area.hubs'), ...officer.events('area.hubs')]).toEqual([]);
  });
});

describe('the phone of a person who shares', () => {
  const heard = (phone: TownPhone) =>
    phone.seen.filter(({ name }) => name === 'place.here').map(one => one.body);
  const here = { placeId: HUB.id, name: HUB.name, kind: 'hub' };

  test('is told once that it comes to a place and once that it goes, also when it connects anew; nobody else is', async () => {
    await officer.command('location.share', {});
    const walk = async (...metres: number[]): Promise<void> => {
      for (const north of metres) {
        await civilian.report(north);
        await town.time.advance(15 * S);
      }
    };
    await walk(150, 40, 20);
    expect(heard(civilian)).toEqual([here]);
    expect(JSON.stringify(heard(civilian))).not.toContain(`${HUB.latE7}`);
    await town.move();
    civilian.disconnect();
    await civilian.connect();
    expect(heard(civilian)).toEqual([here, here]);
    await walk(60, 150, 200);
    expect(heard(civilian)).toEqual([here, here, null]);
    await walk(20);
    await civilian.command('location.stop', {});
    expect(heard(civilian)).toEqual([here, here, null, here, null]);
    await civilian.connect();
    expect(heard(civilian)).toHaveLength(5);
    expect(heard(officer)).toEqual([]);
  });
});
