/** Two readers of codes that know nothing of us: `jsqr`, and the command line of zbar where it is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jsqr from 'jsqr';
import { PNG } from 'pngjs';
import type { Picture } from './damage.ts';

export interface Reader {
  readonly name: string;
  /** The text; null when it finds none. */
  read(picture: Picture): string | null;
}

/** Grey levels of a PNG. */
export const pictureOf = (bytes: Buffer): Picture => {
  const { width, height, data } = PNG.sync.read(bytes);
  const grey = new Uint8ClampedArray(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = data[i * 4]!;
  return { width, height, grey };
};

const rgba = ({ grey }: Picture): Uint8ClampedArray => {
  const pixels = new Uint8ClampedArray(grey.length * 4);
  for (let i = 0; i < grey.length; i++) pixels.set([grey[i]!, grey[i]!, grey[i]!, 255], i * 4);
  return pixels;
};

export const jsqrReader: Reader = {
  name: 'jsqr',
  read: picture => jsqr.default(rgba(picture), picture.width, picture.height)?.data ?? null,
};

/** Null when zbarimg is not installed. */
export const zbarReader = (): Reader | null => {
  if (spawnSync('zbarimg', ['--version']).status !== 0) return null;
  return {
    name: 'zbarimg',
    read: picture => {
      const folder = mkdtempSync(join(tmpdir(), 'heyblue-code-'));
      try {
        const file = join(folder, 'code.png');
        const png = new PNG({ width: picture.width, height: picture.height });
        png.data = Buffer.from(rgba(picture));
        writeFileSync(file, PNG.sync.write(png));
        const { stdout } = spawnSync('zbarimg', ['--raw', '-q', '-Sdisable', '-Sqr.enable', file], {
          encoding: 'utf8',
        });
        return stdout === '' ? null : stdout.replace(/\n$/, '');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
};
