/**
 * Codes without network, between phones that make and sign them themselves: real node, real database, real sockets, and
 * kill -9 between any two steps. Whoever was offline, the meeting counts once, for both.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CodeBook, mintFrom, proveScan } from '../../protocol/codeBook.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

/** Nodes are killed and started anew. */
const MS_MAX = 90_000;

let town: TestTown;
let nonce = 0;
beforeAll(async () => {
  town = await startTestTown();
});
afterAll(() => town?.stop());

interface Pair {
  readonly officer: TestPhone;
  readonly civilian: TestPhone;
  readonly officerBook: CodeBook;
  readonly civilianBook: CodeBook;
}

/** Two people, online, with the books that their phones fetch after sign-in. */
const pair = async (): Promise<Pair> => {
  const [officer, civilian] = [await town.phone('officer'), await town.phone('civilian')];
  await Promise.all([officer.connect(), civilian.connect()]);
  const [officerBook, civilianBook] = [
    await town.rest.codeBook(officer.person.token),
    await town.rest.codeBook(civilian.person.token),
  ];
  return { officer, civilian, officerBook, civilianBook };
};

/** A code of the phone's own making. */
const minted = (book: CodeBook): string => {
  const shown = mintFrom(book, { nowMs: Date.now(), nonce: ++nonce });
  if (!shown.ok) throw new Error(shown.message);
  return shown.value.token;
};

const signed = (book: CodeBook, token: string) => {
  const scannedAtS = Math.floor(Date.now() / 1_000);
  return { token, scannedAtS, proof: proveScan(book, token, scannedAtS) };
};

const leaves = async ({ phone }: TestPhone): Promise<void> => {
  phone.drop();
  await until('the socket to end', () => !phone.isConnected);
};

const killed = async (): Promise<void> => {
  await town.node.kill('SIGKILL');
  await town.node.restart();
};

/** Both have heard of it, and the ledger has it once. */
const metOnce = async ({ officer, civilian }: Pair): Promise<void> => {
  const { encounterId } = await officer.event('encounter.completed');
  expect(await civilian.event('encounter.completed')).toMatchObject({
    encounterId,
    method: 'qr',
    points: 20,
  });
  for (const { person } of [officer, civilian]) {
    expect(await town.rest.read('/v1/encounters', person.token)).toMatchObject({
      items: [{ id: encounterId }],
    });
    expect(await town.rest.read('/v1/balance', person.token)).toMatchObject({ balance: 20 });
  }
};

it(
  'the presenter is offline and his node was killed: the code that his phone made counts at once',
  async () => {
    const both = await pair();
    await leaves(both.officer);
    await killed();
    await leaves(both.civilian);
    await both.civilian.connect();
    await both.civilian.must('qr.scan', { token: minted(both.officerBook) });
    await both.officer.connect(true);
    await metOnce(both);
  },
  MS_MAX,
);

it(
  'both are offline, the node is killed between their uploads and after: it counts once',
  async () => {
    const both = await pair();
    await Promise.all([leaves(both.officer), leaves(both.civilian)]);
    const his = signed(both.officerBook, minted(both.civilianBook));
    const hers = signed(both.civilianBook, minted(both.officerBook));

    await both.officer.connect();
    await both.officer.must('qr.upload', his);
    await leaves(both.officer);
    await killed();
    await both.civilian.connect();
    await both.civilian.must('qr.upload', hers);
    await killed();
    await leaves(both.civilian);
    // What happened meanwhile is replayed behind what each phone has seen.
    await Promise.all([both.officer.connect(true), both.civilian.connect(true)]);
    await metOnce(both);
  },
  MS_MAX,
);

it('an upload that somebody else signed, or that says another second, is refused', async () => {
  const both = await pair();
  const scan = signed(both.officerBook, minted(both.civilianBook));
  const upload = (body: typeof scan) => both.officer.phone.command('qr.upload', body, crypto.randomUUID());
  expect(
    await upload({ ...scan, proof: proveScan(both.civilianBook, scan.token, scan.scannedAtS) }),
  ).toMatchObject({
    code: 422,
  });
  expect(await upload({ ...scan, scannedAtS: scan.scannedAtS - 1 })).toMatchObject({ code: 422 });
  expect(await upload(scan)).toMatchObject({ ok: true });
});
