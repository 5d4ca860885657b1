/** Who has an account in the audited town, by the real writers: one who stays, one who left, a family that may receive, an officer. */
import { randomBytes } from 'node:crypto';
import { PgDirectory } from '../postgres/directory.ts';
import { PgGivingStore } from '../postgres/givingStore.ts';
import { openOrm } from '../postgres/orm.ts';
import { PgPersonBook } from '../postgres/personBook.ts';
import { PgRevocationStore } from '../postgres/revocationStore.ts';
import { silent } from '../postgres/testTown.ts';
import { systemRandom } from '../random.ts';

export interface PeopleStory {
  readonly person: string;
  readonly erased: string;
  readonly family: string;
  /** Of the catalogue. */
  readonly entry: string;
  readonly revocation: string;
  /** An officer with a badge; on another device than before, and on one more; limited, closed and opened. */
  readonly badged: string;
}

const DAY_MS = 86_400_000;

export const registerPeople = async (url: string): Promise<PeopleStory> => {
  const options = { url, log: silent };
  const random = systemRandom();
  const orm = await openOrm(url, silent);
  const directory = new PgDirectory(orm, { random, nowMs: Date.now, onEvent: () => {} });
  const giving = new PgGivingStore(options);
  const persons = new PgPersonBook(options);
  const revocations = new PgRevocationStore(options);
  await Promise.all([giving.tried(), persons.tried(), revocations.tried()]);
  const register = async (kind: 'civilian' | 'family' | 'officer'): Promise<string> => {
    const handle = `${kind}-${randomBytes(4).toString('hex')}`;
    const badge = kind === 'officer' ? handle : null;
    const account = { kind, handle, passwordHash: 'x', deviceId: handle, zip: '10001', badge };
    const made = await directory.createUser(account);
    if (!made.ok) throw new Error(made.message);
    return made.value.userId;
  };
  const person = await register('civilian');
  const erased = await register('civilian');
  const family = await register('family');
  const badged = await register('officer');
  const [entry, revocation] = [random.uuid(Date.now()), random.uuid(Date.now())];
  await giving.putEntry({
    id: entry,
    kind: 'family',
    name: 'Browns',
    registration: null,
    account: family,
    zip: null,
  });
  await giving.judgeEntry('family', entry, 'verified');
  const until = { issuedUntilMs: Date.now(), expiresAtMs: Date.now() + DAY_MS };
  await revocations.add([{ id: revocation, userId: person, tokenId: null, sparedDevice: null, ...until }]);
  await persons.erase(erased);
  await directory.moveDevice(badged, 'the second');
  await directory.linkDevice(badged, 'one more', 8);
  await giving.limitAccount(badged, 50, null);
  for (const closed of [true, false]) await giving.closeAccount(badged, closed);
  await Promise.all([giving.close(), persons.close(), revocations.close(), orm.close(true)]);
  return { person, erased, family, entry, revocation, badged };
};
