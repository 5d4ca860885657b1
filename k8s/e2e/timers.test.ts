/**
 * What a node promises for later it keeps although it is killed: an officer's sharing goes on and ends at its time, and a
 * code that was scanned without network is settled. Real node, real database, real sockets.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { proveScan } from '../../protocol/codeBook.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

/** Twelve seconds. */
const SHARE_MINUTES = 0.2;

let town: TestTown;
beforeAll(async () => {
  town = await startTestTown({ HEYBLUE_SHARE_MINUTES: String(SHARE_MINUTES) }, undefined, true);
});
afterAll(() => town?.stop());

/** The phone comes back, after its node died or on its own. */
const comesBack = async (phone: TestPhone, resume = false): Promise<void> => {
  phone.phone.drop();
  await until('the socket to end', () => !phone.phone.isConnected);
  await phone.connect(resume);
};

/** The newest snapshot that the phone got. */
const snapshot = (phone: TestPhone) =>
  until('a snapshot', () => {
    const found = phone.events.findLast(event => event.name === 'snapshot');
    return found?.name === 'snapshot' ? found.body : null;
  });

it('kill -9 in the middle of sharing: it goes on, ends by itself at its time, and ends once', async () => {
  const officer = await town.phone('officer');
  await officer.connect();
  let untilS = 0;
  // a machine that takes longer than that to start a node shows nothing: again
  do {
    ({ untilS } = await officer.must('location.share', {}));
    await town.node.kill('SIGKILL');
    await town.node.restart();
    officer.events.length = 0;
    await comesBack(officer);
    await snapshot(officer);
  } while (Date.now() / 1_000 > untilS - 2);
  expect(await snapshot(officer)).toMatchObject({ sharing: true, sharingUntilS: untilS });
  await officer.report();
  expect(await officer.event('sharing.ended')).toEqual({ reason: 'timeout' });
  expect(Date.now() / 1_000).toBeGreaterThanOrEqual(untilS);
  expect(officer.events.filter(event => event.name === 'sharing.ended')).toHaveLength(1);
  officer.events.length = 0;
  await comesBack(officer);
  expect(await snapshot(officer)).toMatchObject({ sharing: false, sharingUntilS: 0 });
});

it('kill -9 while an uploaded scan waits: it waits on, and the acknowledgement of the other phone settles it', async () => {
  const [officer, civilian] = [await town.phone('officer'), await town.phone('civilian')];
  await Promise.all([officer.connect(), civilian.connect()]);
  const { token } = await civilian.must('qr.show', {});
  const scannedAtS = Math.floor(Date.now() / 1_000);
  civilian.phone.drop();
  const proof = proveScan(await town.rest.codeBook(officer.person.token), token, scannedAtS);
  const { encounterId } = await officer.must('qr.upload', { token, scannedAtS, proof });
  await town.node.kill('SIGKILL');
  await town.node.restart();
  await comesBack(officer);
  expect(officer.events.some(event => event.name === 'encounter.completed')).toBe(false);
  await comesBack(civilian);
  expect(await civilian.event('scan.pending')).toMatchObject({ encounterId, scannedAtS });
  // a resume behind an event acknowledges it
  await comesBack(civilian, true);
  for (const phone of [officer, civilian]) {
    expect(await phone.event('encounter.completed')).toMatchObject({ encounterId, method: 'qr' });
  }
});
