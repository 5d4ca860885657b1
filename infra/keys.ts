/**
 * The node's secrets: keys that sign access tokens and keys that sign QR codes. They are made by the first start and
 * kept in one file that only the owner may read, `<dataDir>/keys/keys.json`. The file is written beside itself, flushed
 * and given its name, so a crash leaves none or a whole one; of several nodes that make it in the same moment one wins,
 * and all take its keys. One that cannot be read anyway is put aside and replaced (people sign in again, codes on screens
 * are shown again: nothing durable hangs on these keys).
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface Keys {
  /** Ed25519 keys of access tokens; the first signs, all verify. */
  readonly signingKeys: readonly SigningKey[];
  /** 32 bytes for each key number that a QR token may name. */
  readonly qrMasters: ReadonlyMap<number, Uint8Array>;
  /** Where an unreadable file was put aside; null when there was none. */
  readonly putAside: string | null;
}

interface Stored {
  readonly version: 1;
  readonly jwt: readonly { readonly kid: string; readonly pkcs8: string }[];
  readonly qr: readonly { readonly kid: number; readonly key: string }[];
}

const QR_KEY_BYTES = 32;

const fresh = (): Stored => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  return {
    version: 1,
    jwt: [{ kid: randomBytes(8).toString('hex'), pkcs8 }],
    qr: [{ kid: 1, key: randomBytes(QR_KEY_BYTES).toString('base64') }],
  };
};

/** Throws on anything that is not exactly a whole file of ours. */
const parse = (text: string): Omit<Keys, 'putAside'> => {
  const stored = JSON.parse(text) as Stored;
  if (stored.version !== 1 || stored.jwt.length === 0 || stored.qr.length === 0)
    throw new Error('incomplete');
  const signingKeys = stored.jwt.map(({ kid, pkcs8 }) => {
    const privateKey = createPrivateKey({ key: Buffer.from(pkcs8, 'base64'), format: 'der', type: 'pkcs8' });
    if (kid === '' || privateKey.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key');
    return { kid, privateKey, publicKey: createPublicKey(privateKey) };
  });
  const qrMasters = new Map(
    stored.qr.map(({ kid, key }) => [kid, new Uint8Array(Buffer.from(key, 'base64'))]),
  );
  for (const key of qrMasters.values()) if (key.length !== QR_KEY_BYTES) throw new Error('a short key');
  return { signingKeys, qrMasters };
};

const flushFolder = (folder: string): void => {
  const handle = openSync(folder, 'r');
  fsyncSync(handle);
  closeSync(handle);
};

/** Gives the text this name, unless there is a file of this name already. */
const writeFirst = (folder: string, path: string, text: string): void => {
  const beside = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.new`;
  const handle = openSync(beside, 'wx', 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  try {
    linkSync(beside, path);
  } catch (error) {
    // another node was first; it may have swept ours away as well
    if (!['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  for (const name of readdirSync(folder))
    if (name.endsWith('.new')) rmSync(join(folder, name), { force: true });
  flushFolder(folder);
};

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

/** Reads the keys of this data folder, making them when they are missing. Throws when the folder cannot be used. */
export function loadKeys(dataDir: string): Keys {
  const folder = join(dataDir, 'keys');
  const path = join(folder, 'keys.json');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const text = read(path);
  let putAside: string | null = null;
  if (text !== null) {
    try {
      return { ...parse(text), putAside };
    } catch {
      putAside = `${path}.unreadable`;
      renameSync(path, putAside);
    }
  }
  writeFirst(folder, path, JSON.stringify(fresh()));
  return { ...parse(read(path) ?? ''), putAside };
}
