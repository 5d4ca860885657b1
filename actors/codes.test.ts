/** Codes between two phones, with and without network, and what must not count: told by the phones of a small town. */
import { beforeEach, describe, expect, test } from 'vitest';
import { codeOf, expectMetOnce, expectNothing, shows } from '../nodes/testing/codes.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { decodeBase45, encodeBase45 } from '../protocol/base45.ts';
import { type CodeBook, mintFrom, proveScan } from '../protocol/codeBook.ts';
import { FIX_FLAG } from '../protocol/frames.ts';
import { ERROR } from '../protocol/index.ts';
import { type Minting, mintToken } from '../protocol/qr.ts';
import { TRUST } from './fraud/trust.ts';
import type { UserRecord } from './queries.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;
const DAY = 24 * H;
const STEP = 15 * S;

let town: SmallTown;
let officer: TownPhone;
let civilian: TownPhone;
let nonce = 0;
beforeEach(async () => {
  town = new SmallTown();
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
});

const book = async (phone: TownPhone): Promise<CodeBook> => {
  const got = await phone.ask({ type: 'qrBook', deviceId: phone.deviceId });
  if (!got.ok) throw new Error(got.message);
  return got.value as CodeBook;
};
/** A code that the phone makes by itself. */
const minted = (from: CodeBook, nowMs = town.time.nowMs()): string => {
  const shown = mintFrom(from, { nowMs, nonce: ++nonce });
  return shown.ok ? shown.value.token : '';
};
const nowS = (): number => Math.floor(town.time.nowMs() / S);
const balances = (): number[] => [officer, civilian].map(phone => town.balance(phone.id));
const metOnce = (): void => expectMetOnce(town, [officer, civilian]);
const nothing = (): void => expectNothing(town, [officer, civilian]);

describe('with network on both sides', () => {
  test.each(['officer', 'civilian'] as const)(
    'the %s shows, the other scans: it counts once, for both',
    async who => {
      const [presenter, scanner] = who === 'officer' ? [officer, civilian] : [civilian, officer];
      const token = await shows(presenter);
      expect(await codeOf(scanner, token)).toBe(0);
      await town.time.advance(S);
      metOnce();
    },
  );

  test("an officer's code is good for several civilians, a civilian's for one officer", async () => {
    const [neighbour, colleague] = [await town.phone('civilian'), await town.phone('officer')];
    const his = await shows(officer);
    expect(await codeOf(civilian, his)).toBe(0);
    expect(await codeOf(neighbour, his)).toBe(0);
    const hers = await shows(await town.phone('civilian'));
    expect(await codeOf(officer, hers)).toBe(0);
    expect(await codeOf(colleague, hers)).toBe(ERROR.conflict);
    expect(town.balance(officer.id)).toBe(60);
    expect(town.balance(colleague.id)).toBe(0);
  });
});

describe("with the presenter's phone offline", () => {
  test('a code that it made from its book counts, up to a week later, also when its actor is long gone', async () => {
    const from = await book(civilian);
    civilian.disconnect();
    await town.time.advance(6 * DAY);
    town.kill();
    await officer.connect();
    expect(await codeOf(officer, minted(from))).toBe(0);
    await civilian.connect();
    await town.time.advance(S);
    metOnce();
  });

  test('the book of a device that was left behind is worth nothing, and the new one gets its own', async () => {
    const from = await book(civilian);
    civilian.disconnect();
    await town.people.moveDevice(civilian.id, 'another');
    expect(await town.ask(civilian.id, { type: 'deviceMoved', deviceId: 'another' })).toMatchObject({
      ok: true,
    });
    expect(await codeOf(officer, minted(from))).toBe(ERROR.gone);
    expect(await civilian.ask({ type: 'qrBook', deviceId: civilian.deviceId })).toMatchObject({
      code: ERROR.gone,
    });
    const moved = await town.ask(civilian.id, { type: 'qrBook', deviceId: 'another' });
    nothing();
    expect(await codeOf(officer, minted((moved as { value: CodeBook }).value))).toBe(0);
  });

  test('an account that meets nobody gets no book', async () => {
    const shop = await town.phone('merchant');
    expect(await shop.ask({ type: 'qrBook', deviceId: shop.deviceId })).toMatchObject({
      code: ERROR.forbidden,
    });
  });
});

describe("with the scanner's phone offline", () => {
  test('the scan that it signed counts when the presenter hears of it', async () => {
    const scanner = await book(officer);
    const [token, scannedAtS] = [await shows(civilian), nowS()];
    const proof = proveScan(scanner, token, scannedAtS);
    await town.time.advance(20 * H);
    await officer.command('qr.upload', { token, scannedAtS, proof });
    await town.time.advance(S);
    metOnce();
  });

  test.each([
    ['nobody', () => ''],
    ['a key that is not there', (_: CodeBook, proof: string) => `00${proof.slice(2)}`],
    ['somebody else', (other: CodeBook, _: string, token: string, at: number) => proveScan(other, token, at)],
    [
      'the phone at another second',
      (_o: CodeBook, _p: string, t: string, at: number, mine: CodeBook) => proveScan(mine, t, at + 1),
    ],
    [
      'the phone for another code',
      (_o: CodeBook, _p: string, t: string, at: number, mine: CodeBook) => proveScan(mine, `${t}0`, at),
    ],
    ['a longer text', (_: CodeBook, proof: string) => `${proof}0`],
  ])('one that was signed by %s is refused', async (_who, sign) => {
    const mine = await book(officer);
    const theirs = await book(await town.phone('officer'));
    const [token, scannedAtS] = [await shows(civilian), nowS()];
    const proof = sign(theirs, proveScan(mine, token, scannedAtS), token, scannedAtS, mine);
    expect(await officer.command('qr.upload', { token, scannedAtS, proof })).toMatchObject({
      code: ERROR.invalid,
    });
    await town.time.advance(80 * H);
    nothing();
  });

  test.each(['officer', 'civilian'] as const)(
    'what speaks against the %s, who showed the code, goes with the scan as what speaks against the scanner does',
    async who => {
      const [presenter, scanner] = who === 'officer' ? [officer, civilian] : [civilian, officer];
      const scan = { token: await shows(presenter), scannedAtS: nowS() };
      await presenter.command('location.share', {});
      await presenter.report(0, 50, FIX_FLAG.simulated);
      expect(await scanner.upload(scan)).toMatchObject({ ok: true });
      town.kill();
      await town.time.advance(80 * H);
      nothing();
      expect([...town.ledger.holds.values()].map(({ op }) => op.trust)).toEqual([TRUST.simulated]);
    },
  );

  test('a clock that is wrong by an hour is told, either way, and nothing counts', async () => {
    const token = await shows(civilian);
    const [ahead, behind] = [nowS() + 3_600, nowS() - 3_600];
    expect(await officer.upload({ token, scannedAtS: ahead })).toMatchObject({ code: ERROR.invalid });
    expect(await officer.upload({ token, scannedAtS: behind })).toMatchObject({ code: ERROR.invalid });
    await town.time.advance(80 * H);
    nothing();
  });
});

describe('with both phones offline', () => {
  /** Each shows a code of its own making and scans the other's; hours later they are online again. */
  const exchanged = async () => {
    const books = { officer: await book(officer), civilian: await book(civilian) };
    officer.disconnect();
    civilian.disconnect();
    await town.time.advance(10 * H);
    const scans = {
      officer: { token: minted(books.civilian), scannedAtS: nowS() },
      civilian: { token: minted(books.officer), scannedAtS: nowS() },
    };
    await town.time.advance(10 * H);
    return scans;
  };

  test('one upload alone waits, for 72 h at most', async () => {
    const scans = await exchanged();
    await officer.connect();
    expect(await officer.upload(scans.officer)).toMatchObject({ ok: true });
    await town.time.advance(71 * H);
    nothing();
    await town.time.advance(2 * H);
    expect(balances()).toEqual([20, 20]);
  });

  test('two scans within a day count once, also when both wait and are settled more than a day apart', async () => {
    const from = await book(civilian);
    civilian.disconnect();
    expect(await officer.upload({ token: minted(from), scannedAtS: nowS() })).toMatchObject({ ok: true });
    await town.time.advance(20 * H);
    const second = { token: minted(from), scannedAtS: nowS() };
    await town.time.advance(23 * H);
    expect(await officer.upload(second)).toMatchObject({ ok: true });
    nothing();
    await town.time.advance(30 * H);
    expect(balances()).toEqual([20, 20]);
    await town.time.advance(60 * H);
    expect(balances()).toEqual([20, 20]);
    expect(officer.events('scan.refused')).toMatchObject([{ reason: 'duplicate' }]);
  });

  test.each([
    ['officer', 'civilian', false],
    ['civilian', 'officer', false],
    ['officer', 'civilian', true],
    ['civilian', 'officer', true],
  ] as const)(
    '%s, then %s: both uploads count as one meeting (killed between them: %s)',
    async (one, two, killed) => {
      const scans = await exchanged();
      const phones = { officer, civilian };
      for (const phone of [officer, civilian]) phone.acknowledges = false;
      await phones[one].connect();
      expect(await phones[one].upload(scans[one])).toMatchObject({ ok: true });
      if (killed) {
        town.kill();
        await phones[one].connect();
      }
      nothing();
      await phones[two].connect();
      expect(await phones[two].upload(scans[two])).toMatchObject({ ok: true });
      await town.time.advance(S);
      metOnce();
      await town.time.advance(80 * H);
      expect(balances()).toEqual([20, 20]);
      expect(town.ledger.transfers.size).toBe(1);
    },
  );

  test('a meeting online that came later stands: the upload of the earlier one is a duplicate', async () => {
    const scans = await exchanged();
    await Promise.all([officer.connect(), civilian.connect()]);
    expect(await codeOf(officer, await shows(civilian))).toBe(0);
    expect(await officer.upload(scans.officer)).toMatchObject({ ok: true });
    await town.time.advance(80 * H);
    expect(officer.events('scan.refused')).toMatchObject([{ reason: 'duplicate' }]);
    metOnce();
  });
});

describe('what is no good code', () => {
  /** Everything about it is right, but for what a test changes. */
  const right = { kid: 1, master: new Uint8Array(32).fill(7), deviceNumber: 1, nonce: 1, flags: 0 } as const;
  const recordOf = async (phone: TownPhone): Promise<UserRecord> =>
    (await town.people.query({ type: 'user', id: phone.id })) as UserRecord;
  const mint = async (change: Partial<Minting> = {}): Promise<string> => {
    const { number: userNumber, deviceNumber } = await recordOf(civilian);
    const nowMs = town.time.nowMs();
    return mintToken({ ...right, kind: 'civilian', userNumber, deviceNumber, nowMs, ...change });
  };

  test('with any of its 288 bits flipped it is refused, and the good one counts afterwards', async () => {
    const token = await mint();
    const good = decodeBase45(token, 4)!;
    for (let bit = 0; bit < 288; bit++) {
      const bad = good.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      const code = await codeOf(officer, `HB1:${encodeBase45(bad)}`);
      expect([ERROR.invalid, ERROR.gone], `bit ${bit}`).toContain(code);
      if (bit % 32 === 31) await town.time.advance(0);
    }
    nothing();
    expect(await codeOf(officer, await mint({ nonce: 2 }))).toBe(0);
  });

  test('of the steps -3 to +2 four are good', async () => {
    const codes: number[] = [];
    for (const step of [-3, -2, -1, 0, 1, 2]) {
      const each = await town.phone('officer');
      const presenter = await town.phone('civilian');
      const record = await recordOf(presenter);
      const nowMs = town.time.nowMs() + step * STEP;
      codes.push(
        await codeOf(
          each,
          await mint({ userNumber: record.number, deviceNumber: record.deviceNumber, nowMs }),
        ),
      );
    }
    expect(codes).toEqual([ERROR.gone, 0, 0, 0, 0, ERROR.invalid]);
  });

  test('of an account that was closed it is refused, online and later, and the scanner is told', async () => {
    const [token, scannedAtS] = [await mint(), nowS()];
    town.ledger.accounts.get(civilian.id)!.closed = true;
    expect(await codeOf(officer, token)).toBe(ERROR.gone);
    expect(await officer.upload({ token: await mint({ nonce: 2 }), scannedAtS })).toMatchObject({ ok: true });
    await town.time.advance(80 * H);
    expect(officer.events('scan.refused')).toMatchObject([{ reason: 'closed' }]);
    nothing();
  });

  test('an hour of clock skew either way, a foreign kind, a foreign key, nobody: a clear error, nothing changed', async () => {
    const bad: readonly [string, number][] = [
      [await mint({ nowMs: town.time.nowMs() - H }), ERROR.gone],
      [await mint({ nowMs: town.time.nowMs() + H }), ERROR.invalid],
      [await mint({ kind: 'officer' }), ERROR.invalid],
      [await mint({ kind: 'merchant' }), ERROR.invalid],
      [await mint({ kind: 'hub' }), ERROR.invalid],
      [await mint({ kid: 2 }), ERROR.invalid],
      [await mint({ master: new Uint8Array(32) }), ERROR.invalid],
      [await mint({ userNumber: 2 ** 40 }), ERROR.gone],
      [await mint({ deviceNumber: 9 }), ERROR.gone],
      ['', ERROR.invalid],
    ];
    for (const [token, code] of bad) expect(await codeOf(officer, token), token).toBe(code);
    nothing();
    expect(await codeOf(officer, await mint())).toBe(0);
  });
});
