/** What survives a node that is killed or a shard that moves, told by the phones of a small town. */
import { beforeEach, describe, expect, test } from 'vitest';
import { CommitError } from '../nodes/ports.ts';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { CLOSE, ERROR } from '../protocol/index.ts';
import { MINT_ACCOUNT } from './durable.ts';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

let town: SmallTown;
let officer: TownPhone;
let civilian: TownPhone;
beforeEach(async () => {
  town = new SmallTown();
  officer = await town.phone('officer');
  civilian = await town.phone('civilian');
});

describe("an officer's sharing", () => {
  test('survives a kill, and ends by itself at its time', async () => {
    const shared = await officer.command('location.share', {});
    const untilS = shared.ok ? shared.value.untilS : 0;
    await town.time.advance(5 * MIN);
    town.kill();
    await officer.connect();
    expect(await officer.snapshot()).toMatchObject({ sharing: true, sharingUntilS: untilS });
    await officer.report(0);
    expect(officer.seen.at(-1)?.name).toBe('report.next');
    await town.time.advance(10 * MIN - 10 * S);
    expect(officer.events('sharing.ended')).toEqual([]);
    await town.time.advance(15 * S);
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
    town.kill();
    await officer.connect();
    expect(await officer.snapshot()).toMatchObject({ sharing: false });
  });

  test('that ran out while nobody served is over: no position is taken, and it ends once', async () => {
    await officer.command('location.share', {});
    town.stop();
    await town.time.advance(H);
    town.kill();
    await officer.connect();
    await officer.report(0);
    await town.time.advance(5 * S);
    expect(officer.events('report.next')).toEqual([]);
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
  });

  test('that ran out is over for positions, also while its timer cannot be read', async () => {
    await officer.command('location.share', {});
    const due = town.stored.due.bind(town.stored);
    town.stored.due = () => new Promise(() => {});
    town.kill();
    await officer.connect();
    await town.time.advance(15 * MIN);
    await officer.report(0);
    expect([officer.events('report.next'), officer.events('sharing.ended')]).toEqual([[], []]);
    town.stored.due = due;
    town.kill();
    await officer.connect();
    await town.time.advance(5 * S);
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
  });

  test('stopped is stopped, also after a kill; started again runs anew', async () => {
    await officer.command('location.share', {});
    await town.time.advance(10 * MIN);
    await officer.command('location.share', {});
    town.kill();
    await officer.connect();
    await town.time.advance(10 * MIN);
    expect(officer.events('sharing.ended')).toEqual([]);
    await officer.command('location.stop', {});
    town.kill();
    await officer.connect();
    expect(await officer.snapshot()).toMatchObject({ sharing: false, sharingUntilS: 0 });
    await town.time.advance(H);
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'stopped' }]);
  });

  test('moves along', async () => {
    await officer.command('location.share', {});
    await town.time.advance(10 * MIN);
    await town.move();
    await town.time.advance(5 * MIN + S);
    expect(officer.events('sharing.ended')).toEqual([{ reason: 'timeout' }]);
  });
});

describe('a code scanned without network', () => {
  /** The civilian shows a code, the officer reads it while he has no network; the civilian's phone goes away. */
  async function scanned(): Promise<{ token: string; scannedAtS: number }> {
    const shown = await civilian.command('qr.show', {});
    civilian.disconnect();
    const scannedAtS = Math.floor(town.time.nowMs() / S);
    await town.time.advance(2 * H);
    return { token: shown.ok ? shown.value.token : '', scannedAtS };
  }

  test('waits for the other phone; its acknowledgement settles it, for both', async () => {
    const scan = await scanned();
    const uploaded = await officer.upload(scan);
    expect(uploaded).toMatchObject({
      ok: true,
      value: { settlesS: Math.floor((town.time.nowMs() + 72 * H) / S) },
    });
    expect(town.balance(officer.id)).toBe(0);
    town.kill();
    await officer.connect();
    await civilian.connect();
    expect(civilian.events('scan.pending')).toMatchObject([{ scannedAtS: scan.scannedAtS }]);
    await town.time.advance(S);
    const encounterId = uploaded.ok ? uploaded.value.encounterId : '';
    for (const phone of [officer, civilian]) {
      expect(phone.events('encounter.completed')).toMatchObject([{ encounterId, method: 'qr', points: 20 }]);
    }
    expect(town.stored.of('user', civilian.id)).toEqual([]);
    await town.time.advance(80 * H);
    expect([town.balance(officer.id), town.balance(civilian.id)]).toEqual([20, 20]);
  });

  test('is not settled by a phone that has not acknowledged the notice', async () => {
    const scan = await scanned();
    await officer.upload(scan);
    civilian.acknowledges = false;
    await civilian.connect();
    await town.time.advance(H);
    expect(civilian.events('scan.pending')).toHaveLength(1);
    const { session, offset } = civilian;
    town.tell(civilian.id, { type: 'ack', session, offset: offset - 1 });
    await town.time.advance(S);
    expect(town.balance(officer.id)).toBe(0);
    civilian.acknowledge();
    await town.time.advance(S);
    expect(town.balance(officer.id)).toBe(20);
  });

  test('a phone that resumes behind the notice has acknowledged it', async () => {
    const scan = await scanned();
    await officer.upload(scan);
    civilian.acknowledges = false;
    await civilian.connect();
    civilian.disconnect();
    await town.time.advance(S);
    expect(town.balance(officer.id)).toBe(0);
    await civilian.connect();
    expect(civilian.attached?.resumed).toBe(true);
    await town.time.advance(S);
    expect(town.balance(officer.id)).toBe(20);
  });

  test('settles after 72 h without the other phone, also when nodes die on the way, once', async () => {
    const scan = await scanned();
    await officer.upload(scan);
    await town.time.advance(30 * H);
    town.kill();
    await town.time.advance(30 * H);
    await town.move();
    await town.time.advance(12 * H - MIN);
    expect(town.balance(officer.id)).toBe(0);
    await town.time.advance(2 * MIN);
    expect([town.balance(officer.id), town.balance(civilian.id)]).toEqual([20, 20]);
    town.kill();
    await town.time.advance(H);
    expect([town.ledger.transfers.size, town.balance(officer.id)]).toEqual([1, 20]);
  });

  test('falls due while the ledger is away, and the node dies too: it is settled when both are back', async () => {
    const scan = await scanned();
    await officer.upload(scan);
    const commit = town.ledger.commit.bind(town.ledger);
    town.ledger.commit = () => Promise.reject(new CommitError('unavailable', 'away'));
    await town.time.advance(72 * H + MIN);
    expect(town.balance(officer.id)).toBe(0);
    town.kill();
    await town.time.advance(10 * MIN);
    town.ledger.commit = commit;
    await town.time.advance(5 * MIN);
    expect([town.balance(officer.id), town.stored.of('user', civilian.id)]).toEqual([20, []]);
  });

  test('dies between settling and its removal: delivered again, counted once, told once', async () => {
    const scan = await scanned();
    await officer.upload(scan);
    await town.time.advance(72 * H - S);
    const stored = town.stored.commit.bind(town.stored);
    // the timer cannot be removed: what settles it is repeated by the next node
    town.stored.commit = () => new Promise(() => {});
    await town.time.advance(3 * S);
    expect(town.balance(officer.id)).toBe(20);
    town.stored.commit = stored;
    town.kill();
    await officer.connect();
    await town.time.advance(MIN);
    expect([town.ledger.transfers.size, town.balance(officer.id)]).toEqual([1, 20]);
    expect(await town.stored.of('user', civilian.id)).toEqual([]);
    expect(await officer.snapshot()).toMatchObject({ encounterCount: 1, balance: 20 });
  });

  test('uploaded again, also after a kill, is the same scan', async () => {
    const scan = await scanned();
    const first = await officer.upload(scan);
    const again = await officer.upload(scan);
    town.kill();
    await officer.connect();
    const after = await officer.upload(scan);
    expect([again, after]).toEqual([first, first]);
    expect(town.stored.of('user', civilian.id)).toHaveLength(1);
  });

  test('is a duplicate beside a meeting around its own time, however long ago that is by now; the scanner is told', async () => {
    const scan = await scanned();
    await civilian.connect();
    const online = await civilian.command('qr.show', {});
    await officer.command('qr.scan', { token: online.ok ? online.value.token : '' });
    expect(town.balance(officer.id)).toBe(20);
    civilian.disconnect();
    const uploaded = await officer.upload(scan);
    await town.time.advance(72 * H + MIN);
    expect(officer.events('scan.refused')).toEqual([
      { encounterId: uploaded.ok ? uploaded.value.encounterId : '', reason: 'duplicate' },
    ]);
    expect([town.balance(officer.id), town.stored.of('user', civilian.id)]).toEqual([20, []]);
  });

  test('both scanned each other: the second upload confirms the first, and the two count as one', async () => {
    const theirs = await officer.command('qr.show', {});
    const scan = await scanned();
    await officer.upload(scan);
    civilian.acknowledges = false;
    await civilian.connect();
    await civilian.upload({
      token: theirs.ok ? theirs.value.token : '',
      scannedAtS: scan.scannedAtS,
    });
    await town.time.advance(S);
    expect(town.balance(civilian.id)).toBe(20);
    await town.time.advance(80 * H);
    expect([town.balance(officer.id), town.balance(civilian.id)]).toEqual([20, 20]);
  });

  test('too late, from the future, not good at that moment, used by another, of an old device: refused', async () => {
    const scan = await scanned();
    const refused = async (phone: TownPhone, change: Partial<typeof scan>) => {
      const result = await phone.upload({ ...scan, ...change });
      return result.ok ? 0 : result.code;
    };
    expect(await refused(officer, { scannedAtS: scan.scannedAtS + 24 * 3_600 })).toBe(ERROR.invalid);
    expect(await refused(officer, { scannedAtS: scan.scannedAtS + 120 })).toBe(ERROR.gone);
    expect(await refused(officer, { scannedAtS: scan.scannedAtS - 120 })).toBe(ERROR.invalid);
    expect(await refused(civilian, {})).not.toBe(0);
    const colleague = await town.phone('officer');
    expect(await refused(officer, {})).toBe(0);
    expect(await refused(colleague, {})).toBe(ERROR.conflict);
    await town.time.advance(23 * H);
    expect(await refused(officer, {})).toBe(ERROR.gone);
    expect(town.stored.of('user', civilian.id)).toHaveLength(1);
  });

  test("a civilian's code that another officer has just scanned online is refused at once", async () => {
    const shown = await civilian.command('qr.show', {});
    const token = shown.ok ? shown.value.token : '';
    const colleague = await town.phone('officer');
    expect(await colleague.command('qr.scan', { token })).toMatchObject({ ok: true });
    const scannedAtS = Math.floor(town.time.nowMs() / S);
    expect(await officer.upload({ token, scannedAtS })).toMatchObject({ code: ERROR.conflict });
  });

  test('of a device that was left behind is refused', async () => {
    const scan = await scanned();
    await town.people.moveDevice(civilian.id, 'another');
    town.kill();
    await officer.connect();
    expect(await officer.upload(scan)).toMatchObject({ ok: false, code: ERROR.gone });
  });
});

describe('points that are given', () => {
  let shop: TownPhone;
  const give = (points: number, key = town.key(), to = shop.id) =>
    civilian.ask({ type: 'give', to, points, key, requestHash: `${points} ${to}` });

  beforeEach(async () => {
    shop = await town.phone('charity');
    const grant = {
      type: 'transfer',
      id: town.key(),
      reason: 'grant',
      legs: [
        { account: MINT_ACCOUNT, delta: -100 },
        { account: civilian.id, delta: 100 },
      ],
      rule: { id: 'grant', version: 1 },
      idempotency: null,
    } as const;
    await town.ledger.commit([{ shard: 0, epoch: town.ledger.epochOf(0), op: grant }]);
    town.kill();
    await civilian.connect();
    expect(civilian.events('points.changed')).toMatchObject([{ delta: 100, balance: 100, reason: 'grant' }]);
    await shop.connect();
  });

  test('leave one account and reach the other, and both phones hear of it once', async () => {
    expect(await give(30)).toMatchObject({ ok: true, value: { points: -30, balance: 70 } });
    await town.time.advance(S);
    expect(civilian.events('points.changed').slice(1)).toMatchObject([
      { delta: -30, balance: 70, reason: 'give' },
    ]);
    expect(shop.events('points.changed')).toMatchObject([{ delta: 30, balance: 30, reason: 'give' }]);
    expect([town.balance(civilian.id), town.balance(shop.id)]).toEqual([70, 30]);
  });

  test('more than there is, or than is left beside what is on its way: refused without asking the store', async () => {
    const commit = town.ledger.commit.bind(town.ledger);
    let asked = 0;
    town.ledger.commit = async entries => {
      asked += entries.length;
      return commit(entries);
    };
    expect(await give(101)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(asked).toBe(0);
    const both = await Promise.all([give(60), give(60)]);
    expect(both.map(one => one.ok)).toEqual([true, false]);
    expect([asked, town.balance(civilian.id), town.balance(shop.id)]).toEqual([1, 40, 60]);
  });

  test("the store's own check stays: an actor that believes in too much is refused there", async () => {
    const spent = {
      type: 'transfer',
      id: town.key(),
      reason: 'elsewhere',
      legs: [
        { account: civilian.id, delta: -90 },
        { account: shop.id, delta: 90 },
      ],
      rule: { id: 'x', version: 1 },
      idempotency: null,
    } as const;
    await town.ledger.commit([{ shard: 0, epoch: town.ledger.epochOf(0), op: spent }]);
    expect(await give(50)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(town.balance(civilian.id)).toBe(10);
  });

  test('a repeat of the key gets the first answer, before and after a kill; another body is a conflict', async () => {
    const key = town.key();
    const first = await give(30, key);
    expect(await give(30, key)).toEqual(first);
    expect(await give(31, key)).toMatchObject({ ok: false, code: ERROR.conflict });
    town.kill();
    expect(await give(30, key)).toEqual(first);
    expect(await give(31, key)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect([town.balance(civilian.id), town.balance(shop.id)]).toEqual([70, 30]);
  });

  test('nonsense is refused', async () => {
    for (const points of [0, -5, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await give(points)).toMatchObject({ ok: false, code: ERROR.invalid });
    }
    expect(await give(1, town.key(), civilian.id)).toMatchObject({ ok: false, code: ERROR.invalid });
    expect(town.balance(civilian.id)).toBe(100);
  });

  test('to nobody: refused, and nothing is on its way any more', async () => {
    expect(await give(100, town.key(), town.key())).toMatchObject({ ok: false, code: ERROR.gone });
    expect(await give(100)).toMatchObject({ ok: true });
  });
});

describe('a session whose actor died', () => {
  test('hears that it must connect again: by a command, a position, or a probe', async () => {
    const others = [await town.phone('civilian'), await town.phone('civilian')];
    town.kill();
    expect(await civilian.command('instant.set', { on: true })).toMatchObject({ ok: false, retryable: true });
    await others[0]!.report(0);
    await others[1]!.ask({ type: 'probe', session: others[1]!.session, connSeq: 0 });
    for (const phone of [civilian, ...others]) expect(phone.closed).toBe(CLOSE.moved);
    await civilian.connect();
    expect(await civilian.command('instant.set', { on: true })).toMatchObject({ ok: true });
  });

  test('an attached one is left alone by a probe', async () => {
    const { session } = civilian;
    expect(await civilian.ask({ type: 'probe', session, connSeq: 0 })).toMatchObject({ ok: true });
    expect(civilian.closed).toBeNull();
  });
});

describe('a scan whose answer was lost', () => {
  const shown = async (): Promise<{ token: string }> => {
    const result = await civilian.command('qr.show', {});
    return { token: result.ok ? result.value.token : '' };
  };

  test('was done for an earlier life of its actor: the repeat hears so, and not that the code is over', async () => {
    const body = await shown();
    const key = town.key();
    const op = {
      type: 'encounter',
      id: town.key(),
      officer: officer.id,
      civilian: civilian.id,
      method: 'qr',
      cell: '',
      rule: town.rules.encounter,
      officerPoints: 20,
      civilianPoints: 20,
      cooldownS: 3_600,
      idempotency: { userId: officer.id, key, requestHash: JSON.stringify(body) },
    } as const;
    // the officer's actor lives already and has not heard of it
    await town.ledger.commit([{ shard: 0, epoch: town.ledger.epochOf(0), op }]);
    await town.time.advance(2 * MIN);
    const again = await officer.command('qr.scan', body, key);
    expect(again).toMatchObject({ ok: true, value: { encounterId: op.id, points: 20, balance: 20 } });
    expect(await officer.command('qr.scan', body)).toMatchObject({ ok: false, code: ERROR.gone });
  });

  test('stays in doubt for whoever says it again, also when the store refuses it then', async () => {
    const { ledger } = town;
    const commit = ledger.commit.bind(ledger);
    const away = Promise.withResolvers<never>();
    ledger.commit = () => away.promise;
    const body = await shown();
    const key = town.key();
    const asked = officer.command('qr.scan', body, key);
    await town.time.advance(20 * S);
    expect(await asked).toMatchObject({ ok: false, code: ERROR.timeout });
    const again = officer.command('qr.scan', body, key);
    await town.time.advance(S);
    away.reject(new CommitError('unavailable', 'the store is away'));
    await town.time.advance(20 * S);
    expect(await again).toMatchObject({ ok: false, code: ERROR.timeout });
    ledger.commit = commit;
    await town.time.advance(10 * S);
    expect(town.balance(officer.id)).toBe(20);
  });

  test('goes along when its actor moves, and is asked for until it is known', async () => {
    const { ledger } = town;
    const commit = ledger.commit.bind(ledger);
    ledger.commit = () => new Promise(() => {});
    const body = await shown();
    const asked = officer.command('qr.scan', body);
    await town.time.advance(20 * S);
    expect(await asked).toMatchObject({ ok: false, code: ERROR.timeout });
    await town.move();
    expect(town.balance(officer.id)).toBe(0);
    ledger.commit = commit;
    await town.time.advance(10 * S);
    expect(town.balance(officer.id)).toBe(20);
  });
});
