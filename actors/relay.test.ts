/** Codes that are sent on by photograph, and what vouches that two people stood together: told by the phones of a small town. */
import { beforeEach, describe, expect, test } from 'vitest';
import { codeOf, expectMetOnce, expectNothing, shows } from '../nodes/testing/codes.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { ERROR } from '../protocol/index.ts';
import { fraudRules } from './fraud/rules.ts';
import { TRUST } from './fraud/trust.ts';
import { cellOf as gridCellOf, regionId } from './geo/grid.ts';
import type { Turn } from './turn.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

let town: SmallTown;
let officer: TownPhone;
let civilian: TownPhone;
const begin = async (...of: ConstructorParameters<typeof SmallTown>): Promise<void> => {
  town = new SmallTown(...of);
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
};
beforeEach(() => begin());

const nowS = (): number => Math.floor(town.time.nowMs() / S);
const metOnce = (): void => expectMetOnce(town, [officer, civilian]);
const nothing = (): void => expectNothing(town, [officer, civilian]);
/** What speaks against each meeting that waits for an operator. */
const held = (): (number | undefined)[] => [...town.ledger.holds.values()].map(({ op }) => op.trust);

describe('a code that was photographed and sent on', () => {
  const bothShare = async (apartM: number, accuracyDm = 50): Promise<void> => {
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(apartM, accuracyDm);
  };

  test.each(['officer', 'civilian'] as const)(
    'shown by the %s is held far away, when both share where they are, and no phone is told why',
    async who => {
      const [presenter, scanner] = who === 'officer' ? [officer, civilian] : [civilian, officer];
      await bothShare(150);
      const [token, key] = [await shows(presenter), town.key()];
      const first = await scanner.command('qr.scan', { token }, key);
      expect(first).toMatchObject({ ok: true, value: { points: 0 } });
      await town.time.advance(S);
      nothing();
      expect(held()).toEqual([TRUST.relayed]);
      for (const phone of [officer, civilian]) expect(phone.events('encounter.held')).toHaveLength(1);
      await scanner.report(0);
      expect(await scanner.command('qr.scan', { token }, key)).toEqual(first);
      expect(held()).toHaveLength(1);
    },
  );

  test('is what it was when the presenter is asked again later, also by another node', async () => {
    await bothShare(150);
    const shown = { type: 'qrShown', tokenId: town.key(), deviceNumber: 1, key: town.key() } as const;
    const scanner = { id: civilian.id, kind: 'civilian', handle: 'c' } as const;
    const scannedAt = (northM: number) => {
      const fix = { ...civilian.placeAt(northM), accuracyDm: 50, takenAtMs: town.time.nowMs() };
      return officer.ask({ ...shown, scanner, fix });
    };
    const relayed = { ok: true, value: { trust: TRUST.relayed } };
    expect(await scannedAt(150)).toMatchObject(relayed);
    expect(await scannedAt(0)).toMatchObject(relayed);
    await town.move();
    expect(await scannedAt(0)).toMatchObject(relayed);
  });

  test("if it is an officer's it is good all the same where it was shown", async () => {
    await bothShare(150);
    const token = await shows(officer);
    await codeOf(civilian, token);
    const neighbour = await town.phone('civilian');
    expect(await codeOf(neighbour, token)).toBe(0);
    expect(town.balance(neighbour.id)).toBe(20);
  });

  test('is one from 100 m and both accuracies on', async () => {
    await bothShare(108);
    expect(await codeOf(officer, await shows(civilian))).toBe(0);
    expect(held()).toEqual([]);
  });

  test('is none that 30 m of accuracy explain', async () => {
    await bothShare(140, 300);
    expect(await codeOf(officer, await shows(civilian))).toBe(0);
    expect(held()).toEqual([TRUST.relayed]);
  });

  test.each([
    ['an officer who does not share', async () => void (await civilian.report(5_000))],
    [
      'positions that are older than a minute',
      async () => {
        await bothShare(5_000);
        await town.time.advance(61 * S);
      },
    ],
    [
      // believed, it would choose within which radius of the officer a code is taken
      'a position that could be anywhere',
      async () => void (await bothShare(5_000, 310)),
    ],
    [
      'a civilian who has stopped sharing',
      async () => {
        await bothShare(5_000);
        await civilian.command('location.stop', {});
      },
    ],
  ])('cannot be told with %s', async (_who, arrange) => {
    await arrange();
    expect(await codeOf(officer, await shows(civilian))).toBe(0);
    expect(held()).toEqual([]);
  });

  test('is no better when it is uploaded', async () => {
    await bothShare(150);
    const token = await shows(officer);
    expect(await civilian.upload({ token, scannedAtS: nowS() })).toMatchObject({ ok: true });
    await town.time.advance(S);
    nothing();
    expect(held()).toEqual([TRUST.relayed]);
  });

  test('and whoever walks away after the scan has met: its repeat is answered the same', async () => {
    await bothShare(0);
    const token = await shows(civilian);
    const key = town.key();
    const first = await officer.command('qr.scan', { token }, key);
    await civilian.report(5_000);
    expect(await officer.command('qr.scan', { token }, key)).toEqual(first);
  });
});

describe('the coarse cell of a meeting by code', () => {
  const cells = (): string[] =>
    [...town.ledger.transfers.values()].flatMap(({ op }) => (op.type === 'encounter' ? [op.cell] : []));
  const FAR_M = 40_000;
  const cellOf = (northM: number): string => {
    const { latE7, lngE7 } = civilian.placeAt(northM);
    return regionId(gridCellOf(latE7 / 1e7, lngE7 / 1e7));
  };

  test.each([
    ['the civilian, who shows', 'civilian', 'civilian'],
    ['the civilian, who scans', 'civilian', 'officer'],
    ['the officer, who shows', 'officer', 'officer'],
    ['the officer, who scans', 'officer', 'civilian'],
  ] as const)('is where %s shares to be', async (_who, sharer, presenter) => {
    const phones = { officer, civilian };
    await officer.command('location.share', {});
    await phones[sharer].report(FAR_M);
    const token = await shows(phones[presenter]);
    expect(await codeOf(presenter === 'officer' ? civilian : officer, token)).toBe(0);
    expect(cells()).toEqual([cellOf(FAR_M)]);
  });

  test('is the one that somebody shares in mode coarse', async () => {
    await officer.command('location.mode', { mode: 'coarse' });
    await officer.report(FAR_M);
    expect(await codeOf(civilian, await shows(officer))).toBe(0);
    expect(cells()).toEqual([cellOf(FAR_M)]);
  });

  test.each(['officer', 'civilian'] as const)(
    'of an upload is where the %s shared to be about then',
    async sharer => {
      await officer.command('location.share', {});
      await { officer, civilian }[sharer].report(FAR_M);
      const scannedAtS = nowS();
      const token = await shows(officer);
      await town.time.advance(5 * MIN);
      expect(await civilian.upload({ token, scannedAtS })).toMatchObject({ ok: true });
      await town.time.advance(S);
      expect(cells()).toEqual([cellOf(FAR_M)]);
    },
  );

  test('of an upload is none when all that is shared is of hours later', async () => {
    const scannedAtS = nowS();
    const token = await shows(officer);
    await town.time.advance(3 * H);
    await officer.command('location.share', {});
    await Promise.all([officer.report(FAR_M), civilian.report(FAR_M)]);
    expect(await civilian.upload({ token, scannedAtS })).toMatchObject({ ok: true });
    await town.time.advance(S);
    expect(cells()).toEqual(['']);
  });

  test('is none when nobody shares any more, or has for long said nothing', async () => {
    await officer.command('location.share', {});
    await officer.report(FAR_M);
    await officer.command('location.stop', {});
    expect(await codeOf(civilian, await shows(officer))).toBe(0);
    const silent = await town.phone('civilian');
    await silent.report(FAR_M);
    await town.time.advance(11 * MIN);
    expect(await codeOf(officer, await shows(silent))).toBe(0);
    expect(cells()).toEqual(['', '']);
  });
});

describe("an officer's code that nothing but the scan vouches for", () => {
  const begun = (confirmScans = false) => begin({ confirmScans, fraud: fraudRules({ unvouchedDayMax: 2 }) });
  const scans = async (): Promise<TownPhone> => {
    const somebody = await town.phone('civilian');
    expect(await codeOf(somebody, await shows(officer))).toBe(0);
    return somebody;
  };

  test('is held from so many meetings of a day on, and paid again a day later', async () => {
    await begun();
    await scans();
    await scans();
    const third = await scans();
    expect(held()).toEqual([TRUST.unvouched]);
    expect([officer, third].map(({ id }) => town.balance(id))).toEqual([40, 0]);
    await town.time.advance(24 * H + S);
    const next = await scans();
    expect(town.balance(next.id)).toBe(20);
  });

  test('so it is when its scan is uploaded', async () => {
    await begun();
    await scans();
    await scans();
    await civilian.upload({ token: await shows(officer), scannedAtS: nowS() });
    await town.time.advance(S);
    expect(held()).toEqual([TRUST.unvouched]);
  });

  test('is none where positions agree, where the officer scans, and where both have scanned', async () => {
    await begun();
    await scans();
    await scans();
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(20);
    expect(await codeOf(civilian, await shows(officer))).toBe(0);
    expect(await codeOf(officer, await shows(await town.phone('civilian')))).toBe(0);
    await officer.command('location.stop', {});
    const both = await town.phone('civilian');
    officer.acknowledges = false;
    const hers = { token: await shows(officer), scannedAtS: nowS() };
    expect(await both.upload(hers)).toMatchObject({ ok: true });
    expect(await officer.upload({ token: await shows(both), scannedAtS: nowS() })).toMatchObject({
      ok: true,
    });
    await town.time.advance(S);
    expect(town.balance(both.id)).toBe(20);
    expect(held()).toEqual([]);
  });

  test('is none that the officer has confirmed', async () => {
    await begun(true);
    for (let i = 0; i < 3; i++) {
      const somebody = await town.phone('civilian');
      const [token, key] = [await shows(officer), town.key()];
      await somebody.command('qr.scan', { token }, key);
      const { scanId } = officer.events('scan.asked').at(-1) as { scanId: string };
      await officer.command('qr.confirm', { scanId });
      expect(await somebody.command('qr.scan', { token }, key)).toMatchObject({ value: { points: 20 } });
    }
    expect(held()).toEqual([]);
  });
});

describe('in a town where officers confirm', () => {
  beforeEach(() => begin({ confirmScans: true }));
  const scan = (token: string, key: string) => civilian.command('qr.scan', { token }, key);
  const asked = () => officer.events('scan.asked') as { scanId: string; civilianHandle: string }[];

  test('a scan that no positions vouch for counts when the officer has tapped, and not before', async () => {
    const [token, key] = [await shows(officer), town.key()];
    for (let repeats = 0; repeats < 3; repeats++) {
      expect(await scan(token, key)).toMatchObject({ code: ERROR.unavailable, retryable: true });
    }
    expect(asked()).toMatchObject([{ civilianHandle: expect.stringContaining('civilian') }]);
    nothing();
    await town.move();
    expect(await officer.command('qr.confirm', { scanId: asked()[0]!.scanId })).toEqual({
      ok: true,
      value: {},
    });
    expect(await scan(token, key)).toMatchObject({ ok: true, value: { points: 20 } });
    await town.time.advance(S);
    metOnce();
  });

  test('each civilian is asked about; who got the code by photograph gets nothing', async () => {
    const stranger = await town.phone('civilian');
    const [token, key] = [await shows(officer), town.key()];
    await scan(token, key);
    const theirs = town.key();
    await stranger.command('qr.scan', { token }, theirs);
    expect(asked()).toHaveLength(2);
    await officer.command('qr.confirm', { scanId: asked()[0]!.scanId });
    expect(await stranger.command('qr.scan', { token }, theirs)).toMatchObject({ code: ERROR.unavailable });
    expect(await scan(token, key)).toMatchObject({ ok: true });
    await town.time.advance(MIN);
    expect(await stranger.command('qr.scan', { token }, theirs)).toMatchObject({ code: ERROR.gone });
    expect(town.balance(stranger.id)).toBe(0);
  });

  test('positions that agree vouch for it, and an officer who scans has looked himself', async () => {
    expect(await codeOf(officer, await shows(await town.phone('civilian')))).toBe(0);
    await officer.command('location.share', {});
    await officer.report(0);
    await civilian.report(20);
    expect(await scan(await shows(officer), town.key())).toMatchObject({ ok: true });
    expect(asked()).toEqual([]);
  });

  test('what is over or was never asked cannot be confirmed', async () => {
    expect(await officer.command('qr.confirm', { scanId: town.key() })).toMatchObject({ code: ERROR.gone });
    await scan(await shows(officer), town.key());
    const { scanId } = asked()[0]!;
    await town.time.advance(3 * MIN);
    expect(await officer.command('qr.confirm', { scanId })).toMatchObject({ code: ERROR.gone });
    nothing();
  });

  describe('and the scan is uploaded', () => {
    const waits = async (): Promise<string> => {
      const uploaded = await civilian.upload({ token: await shows(officer), scannedAtS: nowS() });
      await town.time.advance(S);
      return uploaded.ok ? uploaded.value.encounterId : '';
    };
    const confirms = (scanId: string, key = town.key()) => officer.command('qr.confirm', { scanId }, key);

    test("it waits for the officer's tap; that his phone has heard of it is not enough", async () => {
      const scanId = await waits();
      expect(asked()).toMatchObject([{ scanId, civilianHandle: expect.stringContaining('civilian') }]);
      expect(officer.events('scan.pending')).toEqual([]);
      await officer.connect();
      await town.time.advance(20 * H);
      nothing();
      expect(await confirms(scanId)).toEqual({ ok: true, value: {} });
      await town.time.advance(S);
      metOnce();
      await town.time.advance(80 * H);
      metOnce();
      expect(town.stored.of('user', officer.id)).toEqual([]);
    });

    test('without it nothing ever counts, and who uploaded it is told', async () => {
      const scanId = await waits();
      town.kill();
      await Promise.all([officer.connect(), civilian.connect()]);
      await town.time.advance(73 * H);
      nothing();
      expect(civilian.events('scan.refused')).toEqual([{ encounterId: scanId, reason: 'refused' }]);
      expect(await confirms(scanId)).toMatchObject({ code: ERROR.gone });
      expect(town.stored.of('user', officer.id)).toEqual([]);
    });

    test.each(['killed', 'moved'] as const)(
      'the officer is asked once, and his tap holds, by a node that is %s',
      async how => {
        const end = async (): Promise<void> => {
          if (how === 'moved') return town.move();
          town.kill();
          await Promise.all([officer.connect(), civilian.connect()]);
        };
        const scanId = await waits();
        await end();
        await town.time.advance(H);
        expect(asked()).toHaveLength(1);
        nothing();
        const key = town.key();
        const first = await confirms(scanId, key);
        await end();
        expect(await confirms(scanId, key)).toEqual(first);
        await town.time.advance(5 * S);
        metOnce();
      },
    );

    test('his tap holds when the node dies before any pair has heard of it', async () => {
      let isDeaf = true;
      await begin(
        { confirmScans: true },
        {
          adapt: behaviours => ({
            ...behaviours,
            pair: {
              ...behaviours.pair,
              receive: (state: unknown, message: { type: string }, turn: Turn) =>
                isDeaf && message.type === 'observe' ? state : behaviours.pair.receive(state, message, turn),
            },
          }),
        },
      );
      expect(await confirms(await waits())).toMatchObject({ ok: true });
      isDeaf = false;
      town.kill();
      // nobody's phone wakes anybody: what is due does
      await town.time.advance(10 * S);
      expect([officer, civilian].map(({ id }) => town.balance(id))).toEqual([20, 20]);
    });

    test('his own scan of the civilian says it as well, and it counts once', async () => {
      await waits();
      expect(await officer.upload({ token: await shows(civilian), scannedAtS: nowS() })).toMatchObject({
        ok: true,
      });
      await town.time.advance(S);
      metOnce();
      await town.time.advance(80 * H);
      metOnce();
    });

    test('what was asked about online is the same meeting', async () => {
      const token = await shows(officer);
      const scannedAtS = nowS();
      await scan(token, town.key());
      await officer.command('qr.confirm', { scanId: asked()[0]!.scanId });
      expect(await civilian.upload({ token, scannedAtS })).toMatchObject({ ok: true });
      await town.time.advance(S);
      expect(asked()).toHaveLength(1);
      metOnce();
    });

    test("a civilian's code that an officer scanned needs no tap", async () => {
      await officer.upload({ token: await shows(civilian), scannedAtS: nowS() });
      await town.time.advance(S);
      metOnce();
      expect(asked()).toEqual([]);
    });
  });
});
