/** Certificates for tests: self-signed, for 127.0.0.1 and localhost, written in DER by hand so that nothing is needed. */
import { generateKeyPairSync, sign } from 'node:crypto';

type Bytes = Uint8Array;

/** One DER value: tag, length, content. */
const der = (tag: number, ...content: Bytes[]): Buffer => {
  const body = Buffer.concat(content);
  const { length } = body;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, Math.floor(length / 256), length % 256];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const sequence = (...content: Bytes[]): Buffer => der(0x30, ...content);
const integer = (...bytes: number[]): Buffer => der(0x02, Buffer.from(bytes));
const bits = (content: Bytes): Buffer => der(0x03, Buffer.from([0]), content);
/** An object identifier, its content given. */
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const utc = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const COMMON_NAME = oid('550403');
const ALT_NAMES = oid('551d11');
const DAY_MS = 86_400_000;

const pem = (label: string, bytes: Bytes): string => {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

/** A certificate and its key, PEM. `days`: from now until it is over; negative when it is over. */
export const certificate = (name: string, days = 30): { cert: string; key: string } => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const who = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));
  const now = Date.now();
  const altNames = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])));
  const body = sequence(
    der(0xa0, integer(2)),
    integer(1, ...Buffer.from(name).subarray(0, 8)),
    ECDSA_SHA256,
    who,
    sequence(utc(now - 60 * DAY_MS), utc(now + days * DAY_MS)),
    who,
    publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, sequence(sequence(ALT_NAMES, der(0x04, altNames)))),
  );
  const signed = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, privateKey)));
  return {
    cert: pem('CERTIFICATE', signed),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
};
