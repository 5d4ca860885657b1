/**
 * How often a damaged picture of a code is still read, by error correction and reader: why screens show M and posters Q.
 * `npx node k8s/decode/rates.ts [codes] [seed]` prints the table as Markdown.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mintHubToken } from '../../protocol/hubToken.ts';
import { mintToken } from '../../protocol/qr.ts';
import { type QrLook, qrPng } from '../../protocol/qrImage.ts';
import { anySeed, Random } from '../swarm/random.ts';
import { blur, type Damage, noise, spot, untouched } from './damage.ts';
import { jsqrReader, pictureOf, type Reader, zbarReader } from './readers.ts';

export const LEVELS = ['L', 'M', 'Q'] as const;
const SCALE = 6;
/** A finder pattern with its white border. */
const FINDER = 8;

const covered =
  (share: number) =>
  (side: number): Damage =>
    spot(share, 4 / (side + 8), FINDER / side);

const DAMAGES: readonly (readonly [name: string, damage: (side: number) => Damage])[] = [
  ['nothing', () => untouched],
  ['noise, deviation 20 of 255', () => noise(20)],
  ['noise, deviation 40 of 255', () => noise(40)],
  ['noise, deviation 60 of 255', () => noise(60)],
  ['blur over half a module', () => blur(1)],
  ['blur over a whole module', () => blur(2)],
  ['a spot on 2 %', covered(0.02)],
  ['a spot on 5 %', covered(0.05)],
  ['a spot on 10 %', covered(0.1)],
  ['a spot on 15 %', covered(0.15)],
];

const PEOPLE = { kid: 1, master: new Uint8Array(32).fill(7), nowMs: 1_795_000_005_000, flags: 0 } as const;

export const codeOf = (random: Random): string =>
  mintToken({
    ...PEOPLE,
    kind: 'officer',
    deviceNumber: 1,
    userNumber: random.uint32(),
    nonce: random.uint32(),
  });

const { privateKey } = generateKeyPairSync('ed25519');
export const hubCodeOf = (random: Random): string =>
  mintHubToken({
    kid: 1,
    privateKey,
    hubNumber: random.uint32(),
    posterNumber: 1,
    untilMs: null,
    nonce: random.uint32(),
  });

/** Modules on a side of a picture with a quiet zone of four. */
const sideOf = (width: number, scale: number): number => width / scale - 8;

/** How many of `codes` pictures a reader reads right. Throws when it reads something else than what was drawn. */
export const readRate = async (
  reader: Reader,
  look: QrLook,
  damage: (side: number) => Damage,
  codes: number,
  random: Random,
): Promise<number> => {
  let read = 0;
  for (let i = 0; i < codes; i++) {
    const text = codeOf(random);
    const picture = pictureOf(await qrPng(text, SCALE, look));
    const seen = reader.read(damage(sideOf(picture.width, SCALE))(picture, random));
    if (seen !== null && seen !== text) throw new Error(`${reader.name} read ${seen} for ${text}`);
    if (seen === text) read++;
  }
  return read;
};

const main = async (codes: number, seed: number): Promise<void> => {
  const zbar = zbarReader();
  const readers = zbar ? [jsqrReader, zbar] : [jsqrReader];
  console.log(
    `Seed ${seed}; ${codes} codes each, 6 pixels a module.${zbar ? '' : ' zbarimg is not installed: left out.'}\n`,
  );
  const columns = readers.flatMap(reader => LEVELS.map(level => ({ reader, level })));
  console.log(`| damage | ${columns.map(({ reader, level }) => `${reader.name} ${level}`).join(' | ')} |`);
  console.log(`|---|${columns.map(() => '---:|').join('')}`);
  for (const [name, damage] of DAMAGES) {
    const cells: string[] = [];
    for (const { reader, level } of columns) {
      const read = await readRate(reader, { level }, damage, codes, new Random(seed));
      cells.push(`${Math.round((100 * read) / codes)} %`);
    }
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
};

if (import.meta.main) await main(Number(process.argv[2] ?? 100), Number(process.argv[3] ?? anySeed()));
