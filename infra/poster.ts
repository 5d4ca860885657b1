/**
 * `npx node infra/poster.ts HUB POSTER FILE [--until 2027-12-31] [--data DIR]`: the code of a hub as a file to print, SVG or PNG by
 * its name. HUB and POSTER are numbers; a hub that hangs a new poster gives it the next number, so that an old one can
 * be withdrawn alone. It is signed with the newest hub key of the data folder (`rotateKeys.ts`).
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mintHubToken } from '../protocol/hubToken.ts';
import { QR_SCALE_MAX, qrPng, qrSvg } from '../protocol/qrImage.ts';
import { type Keys, loadKeys } from './keys.ts';

/** The text of a poster. Throws when there is no hub key, or a number does not fit. */
export const posterText = (
  { hubKeys }: Pick<Keys, 'hubKeys'>,
  hubNumber: number,
  posterNumber: number,
  untilMs: number | null,
): string => {
  const newest = [...hubKeys].at(-1);
  if (!newest) throw new Error('there is no hub key: npm run keys -- add-hub');
  const [kid, { privateKey }] = newest;
  const nonce = randomBytes(4).readUInt32BE();
  return mintHubToken({ kid, privateKey, hubNumber, posterNumber, untilMs, nonce });
};

const run = async (args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      until: { type: 'string' },
      data: { type: 'string', default: process.env.HEYBLUE_DATA_DIR ?? '.data' },
    },
  });
  const [hub = '', poster = '', file = ''] = positionals;
  const untilMs = values.until === undefined ? null : Date.parse(values.until);
  if (!/\.(svg|png)$/.test(file) || Number.isNaN(untilMs))
    throw new Error('HUB POSTER FILE.svg (or FILE.png)');
  const text = posterText(loadKeys(values.data), Number(hub), Number(poster), untilMs);
  writeFileSync(file, file.endsWith('.png') ? await qrPng(text, QR_SCALE_MAX) : await qrSvg(text));
  console.log(text);
};

if (import.meta.main) {
  run(process.argv.slice(2)).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
