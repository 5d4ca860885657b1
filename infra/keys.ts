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

export interface HubKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface Keys {
  /** Ed25519 keys of access tokens; the first signs, all verify. */
  readonly signingKeys: readonly SigningKey[];
  /** From when on each of them signs, by its name, Unix milliseconds. */
  readonly signFromMs: ReadonlyMap<string, number>;
  /** 32 bytes for each key number that a QR token may name. */
  readonly qrMasters: ReadonlyMap<number, Uint8Array>;
  /** From when on each of them makes codes, Unix milliseconds; the latest that has come makes them, all verify. */
  readonly qrFromMs: ReadonlyMap<number, number>;
  /** Ed25519 keys of hub posters by key number; the last one signs, all verify. */
  readonly hubKeys: ReadonlyMap<number, HubKey>;
  /** Where an unreadable file was put aside; null when there was none. */
  readonly putAside: string | null;
}

/** The file. `fromMs` and `hub` came later: absent is 0, and none. */
export interface StoredKeys {
  readonly version: 1;
  readonly jwt: readonly { readonly kid: string; readonly pkcs8: string; readonly fromMs?: number }[];
  readonly qr: readonly { readonly kid: number; readonly key: string; readonly fromMs?: number }[];
  readonly hub?: readonly { readonly kid: number; readonly pkcs8: string }[];
}

const QR_KEY_BYTES = 32;
/** A token names its key in one byte. */
const KID_MAX = 255;

export const freshQrKey = (): string => randomBytes(QR_KEY_BYTES).toString('base64');
export const freshEd25519 = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');

export const freshTokenKid = (): string => randomBytes(8).toString('hex');

const fresh = (): StoredKeys => ({
  version: 1,
  jwt: [{ kid: freshTokenKid(), pkcs8: freshEd25519() }],
  qr: [{ kid: 1, key: freshQrKey(), fromMs: 0 }],
  hub: [{ kid: 1, pkcs8: freshEd25519() }],
});

const pairOf = (pkcs8: string): HubKey => {
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8, 'base64'), format: 'der', type: 'pkcs8' });
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key');
  return { privateKey, publicKey: createPublicKey(privateKey) };
};

/** Throws on anything that is not exactly a whole file of ours. */
export const parseKeys = (text: string): Omit<Keys, 'putAside'> => {
  const stored = JSON.parse(text) as StoredKeys;
  const { jwt, qr, hub = [] } = stored;
  if (stored.version !== 1 || jwt.length === 0 || qr.length === 0) throw new Error('incomplete');
  const signingKeys = jwt.map(({ kid, pkcs8 }) => {
    if (kid === '') throw new Error('a key without a name');
    return { kid, ...pairOf(pkcs8) };
  });
  for (const { kid } of [...qr, ...hub])
    if (!Number.isInteger(kid) || kid < 0 || kid > KID_MAX) throw new Error('a key number is a byte');
  const qrMasters = new Map(qr.map(({ kid, key }) => [kid, new Uint8Array(Buffer.from(key, 'base64'))]));
  for (const key of qrMasters.values()) if (key.length !== QR_KEY_BYTES) throw new Error('a short key');
  const qrFromMs = new Map(qr.map(({ kid, fromMs = 0 }) => [kid, fromMs]));
  const hubKeys = new Map(hub.map(({ kid, pkcs8 }) => [kid, pairOf(pkcs8)]));
  const signFromMs = new Map(jwt.map(({ kid, fromMs = 0 }) => [kid, fromMs]));
  return { signingKeys, signFromMs, qrMasters, qrFromMs, hubKeys };
};

/**
 * The key number with which codes are made at a moment: of those whose time has come the latest, and of several files' worth
 * of the same time the highest. Before any time has come the earliest.
 */
export const qrKidAt = (fromMs: ReadonlyMap<number, number>, nowMs: number): number => {
  const inOrder = [...fromMs].sort(([a, from], [b, other]) => from - other || a - b);
  const begun = inOrder.filter(([, from]) => from <= nowMs);
  return (begun.at(-1) ?? inOrder[0]!)[0];
};

/** The key that signs at a moment first: of those whose time has come the latest, and of one time the first of the file. */
export const inSigningOrder = (
  { signingKeys, signFromMs }: Pick<Keys, 'signingKeys' | 'signFromMs'>,
  nowMs: number,
): readonly SigningKey[] => {
  const from = ({ kid }: SigningKey): number => signFromMs.get(kid) ?? 0;
  const begun = signingKeys.filter(key => from(key) <= nowMs);
  const newest = begun.toSorted((a, b) => from(b) - from(a))[0] ?? signingKeys[0]!;
  return [newest, ...signingKeys.filter(key => key !== newest)];
};

/** Master keys as actors use them; which one is newest follows the clock. */
export const qrKeysOf = (
  keys: Pick<Keys, 'qrMasters' | 'qrFromMs' | 'hubKeys'>,
  nowMs: () => number,
): {
  readonly newest: number;
  readonly masters: ReadonlyMap<number, Uint8Array>;
  readonly hubs: ReadonlyMap<number, KeyObject>;
} => ({
  get masters() {
    return keys.qrMasters;
  },
  get hubs() {
    return new Map([...keys.hubKeys].map(([kid, { publicKey }]) => [kid, publicKey]));
  },
  get newest() {
    return qrKidAt(keys.qrFromMs, nowMs());
  },
});

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

export const keyFileOf = (dataDir: string): string => join(dataDir, 'keys', 'keys.json');

/** Puts another text in the place of the key file: whoever reads meanwhile finds the old one or the new one, whole. */
export const replaceKeys = (dataDir: string, stored: StoredKeys): void => {
  const path = keyFileOf(dataDir);
  const text = JSON.stringify(stored);
  parseKeys(text);
  const beside = `${path}.${process.pid}.new`;
  const handle = openSync(beside, 'w', 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, path);
  flushFolder(join(dataDir, 'keys'));
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
      return { ...parseKeys(text), putAside };
    } catch {
      putAside = `${path}.unreadable`;
      renameSync(path, putAside);
    }
  }
  writeFirst(folder, path, JSON.stringify(fresh()));
  return { ...parseKeys(read(path) ?? ''), putAside };
}
