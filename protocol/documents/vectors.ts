/** `generated/vectors.json`: what a client in another language tests itself against. */
import { PROTOCOL_VERSION, SUBPROTOCOL } from '../catalogue.ts';
import { mintFrom, proveScan } from '../codeBook.ts';
import { degreesToE7 } from '../coordinates.ts';
import { derivedId } from '../derivedId.ts';
import { exampleId, goldens, REFUSED } from '../golden.ts';
import { uuidFromHash, uuidv7 } from '../ids.ts';
import { codeBookOf, type Minting, mintToken, verifyToken } from '../qr.ts';
import { shardOf, xxh32 } from '../shard.ts';
import { plainOf, toHex } from './plain.ts';

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], byte => Number.parseInt(byte, 16));

const master = new Uint8Array(32).map((_, i) => i);
const mintings: readonly Omit<Minting, 'master'>[] = [
  { kind: 'civilian', kid: 1, userNumber: 1, deviceNumber: 0, nowMs: 1_795_000_000_000, nonce: 0, flags: 0 },
  {
    kind: 'officer',
    kid: 1,
    userNumber: 2 ** 48 - 1,
    deviceNumber: 65_535,
    nowMs: 1_795_000_014_999,
    nonce: 0xdeadbeef,
    flags: 7,
  },
];

const tokens = mintings.map(minting => {
  const text = mintToken({ ...minting, master });
  const verified = verifyToken(text, {
    nowMs: minting.nowMs,
    masters: new Map([[minting.kid, master]]),
    kinds: [minting.kind],
  });
  if (!verified.ok) throw new Error(verified.message);
  return { ...minting, text, step: verified.value.step, tokenId: verified.value.tokenId };
});

/** What a phone makes of its book. */
const offline = mintings.map(minting => {
  const { nowMs, nonce, flags } = minting;
  const book = codeBookOf({ ...minting, master });
  const shown = mintFrom(book, { nowMs, nonce, flags });
  if (!shown.ok) throw new Error(shown.message);
  const scannedAtS = Math.floor(nowMs / 1_000);
  const { token } = shown.value;
  return { book, nowMs, nonce, flags, text: token, scannedAtS, proof: proveScan(book, token, scannedAtS) };
});

const addresses = [
  ['user', '00000000-0000-0000-0000-000000000000'],
  ['user', exampleId(1)],
  ['region', 'r100439553'],
  ['pair', `${exampleId(1)}|${exampleId(2)}`],
  ['user', 'Zoë'],
] as const;

/** The whole file. */
export const vectors = (): string =>
  `${JSON.stringify(
    {
      about:
        'Generated from protocol/catalogue.ts by `npm run generate`. See PROTOCOL.md. {"bin": hex} is msgpack bin.',
      subprotocol: SUBPROTOCOL,
      version: PROTOCOL_VERSION,
      frames: goldens().map(({ name, from, body, bytes }) => ({
        name,
        from,
        hex: toHex(bytes),
        tuple: plainOf(bytes),
        body,
      })),
      refused: REFUSED.map(([what, hex, why]) => ({ what, hex, why })),
      tokens: { master: toHex(master), examples: tokens, offline },
      shards: addresses.map(([kind, id]) => ({ kind, id, shard: shardOf(kind, id) })),
      xxh32: ['', 'a', 'abc', 'Nobody inspects the spammish repetition'].map(text => ({
        text,
        hash: xxh32(new TextEncoder().encode(text)),
      })),
      ids: {
        uuidv7: [
          {
            nowMs: 1_645_557_742_000,
            random: '0cc318c4dc0c0c07398f',
            id: uuidv7(1_645_557_742_000, bytesOf('0cc318c4dc0c0c07398f')),
          },
        ],
        fromHash: [{ hash: 'ff'.repeat(16), id: uuidFromHash(new Uint8Array(16).fill(255)) }],
        derived: [{ namespace: 'pair', parts: ['a', 'bc'], id: derivedId('pair', 'a', 'bc') }],
      },
      coordinates: [40.7127753, -74.0059728, 90, -180, 0].map(degrees => ({
        degrees,
        e7: degreesToE7(degrees),
      })),
    },
    null,
    1,
  )}\n`;
