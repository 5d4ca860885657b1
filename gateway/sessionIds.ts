/**
 * Names of sessions that only their owner can use: eight random bytes, then eight bytes of an HMAC over them, the user and
 * the device. Every node makes the key from the keys that all share, so any of them can tell whether a phone that wants to
 * resume names a session of its own, without asking anybody. An id that was guessed, found in a log or taken from another
 * person resumes nothing.
 */
import { createHmac, hkdfSync, randomFillSync, timingSafeEqual } from 'node:crypto';
import { bytesToUuid, tryUuidToBytes } from '../protocol/ids.ts';
import { keysNow, type SigningKey, type SigningKeys } from './auth/tokens.ts';

/** Whose session it is. */
export interface SessionOwner {
  readonly userId: string;
  readonly deviceId: string;
}

export interface SessionIds {
  /** A new id, as UUID text. */
  mint(owner: SessionOwner): string;
  /** Whether the id was minted for exactly this user and device, by any node with one of our keys. */
  owns(id: string, owner: SessionOwner): boolean;
}

const RANDOM_BYTES = 8;
const PROOF_BYTES = 8;

const secretOf = ({ privateKey }: SigningKey): Buffer => {
  const material = privateKey.export({ format: 'der', type: 'pkcs8' });
  return Buffer.from(hkdfSync('sha256', material, '', 'heyblue session id', 32));
};

/** @param keys the newest mints; ids of the others stay good */
export const createSessionIds = (keys: SigningKeys): SessionIds => {
  let from: readonly SigningKey[] = [];
  let made: Buffer[] = [];
  const secrets = (): readonly Buffer[] => {
    const now = keysNow(keys);
    if (now !== from) made = now.map(secretOf);
    from = now;
    return made;
  };
  const proof = (secret: Buffer, random: Uint8Array, { userId, deviceId }: SessionOwner): Buffer =>
    createHmac('sha256', secret)
      .update(random)
      .update(`${userId.toLowerCase()}\n${deviceId}`)
      .digest()
      .subarray(0, PROOF_BYTES);
  return {
    mint: owner => {
      const id = new Uint8Array(RANDOM_BYTES + PROOF_BYTES);
      randomFillSync(id, 0, RANDOM_BYTES);
      id.set(proof(secrets()[0]!, id.subarray(0, RANDOM_BYTES), owner), RANDOM_BYTES);
      return bytesToUuid(id);
    },
    owns: (text, owner) => {
      const id = tryUuidToBytes(text);
      if (id === null) return false;
      const random = id.subarray(0, RANDOM_BYTES);
      const claimed = id.subarray(RANDOM_BYTES);
      return secrets().some(secret => timingSafeEqual(proof(secret, random, owner), claimed));
    },
  };
};
