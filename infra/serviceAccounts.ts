/**
 * `npm run service-account -- NAME FILE`: makes an account for a machine and adds it to the file that nodes are given as
 * `HEYBLUE_SERVICE_ACCOUNTS`. The secret is shown once; the file holds its digest. Restart the nodes one after the other; to
 * change a secret make a second account, and take the first one out when nobody uses it any more.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** As the file has it. */
export interface StoredService {
  readonly id: string;
  readonly name: string;
  readonly secretSha256: string;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** One sentence for who starts the node. */
export class ServiceFileUnusable extends Error {
  override name = 'ServiceFileUnusable';
}

const isService = (one: unknown): one is StoredService => {
  const { id, name, secretSha256 } = (one ?? {}) as Partial<Record<keyof StoredService, unknown>>;
  const isText = (value: unknown, shape: RegExp): boolean => typeof value === 'string' && shape.test(value);
  return isText(id, UUID) && isText(name, NAME) && isText(secretSha256, DIGEST);
};

/**
 * @param file empty: there are none
 * @throws ServiceFileUnusable when it cannot be read, or is not what it should be
 */
export function readServiceAccounts(file: string): readonly StoredService[] {
  if (file === '') return [];
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ServiceFileUnusable(
      `HEYBLUE_SERVICE_ACCOUNTS: ${file} cannot be read: ${(error as Error).message}`,
    );
  }
  if (!Array.isArray(found) || !found.every(isService))
    throw new ServiceFileUnusable(
      `HEYBLUE_SERVICE_ACCOUNTS: ${file} is no list of {id, name, secretSha256}; npm run service-account writes it.`,
    );
  if (new Set(found.map(one => one.id)).size < found.length)
    throw new ServiceFileUnusable(`HEYBLUE_SERVICE_ACCOUNTS: an id stands twice in ${file}.`);
  return found;
}

/** A new one and its secret. */
function newService(name: string): { readonly stored: StoredService; readonly secret: string } {
  if (!NAME.test(name))
    throw new ServiceFileUnusable('A name is letters, digits, dots, dashes, underscores.');
  const secret = randomBytes(32).toString('base64url');
  const secretSha256 = createHash('sha256').update(secret).digest('hex');
  return { stored: { id: randomUUID(), name, secretSha256 }, secret };
}

/** Adds one to the file; the secret is nowhere else afterwards. */
export function addService(file: string, name: string): { readonly id: string; readonly secret: string } {
  const known = existsSync(file) ? readServiceAccounts(file) : [];
  const { stored, secret } = newService(name);
  const next = `${file}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify([...known, stored], null, 2)}\n`, { mode: 0o600 });
  renameSync(next, file);
  return { id: stored.id, secret };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [name, file] = process.argv.slice(2);
  try {
    if (name === undefined || file === undefined || file === '')
      throw new ServiceFileUnusable('npm run service-account -- NAME FILE');
    const { id, secret } = addService(file, name);
    console.log(`client_id      ${id}\nclient_secret  ${secret}\n\nThe secret is shown here only.`);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
