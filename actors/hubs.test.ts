/** What an officer at a hub proves and what the town hears of it: told by the phones of a small town. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { HERE, SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { ERROR } from '../protocol/errors.ts';
import { mintHubToken } from '../protocol/hubToken.ts';
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
      expect(await between()).toBe(ERROR.conflict);
      await town.time.advance(120 * S);
      await civilian.report(140);
      expect(await between()).toBe(0);
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
