/** The park as a few lines of text: officers, civilians, and those who have just met. */
import { PARK_M, type Stroller } from './people.ts';

const WIDTH = 60;
const HEIGHT = 15;
const FLASH_MS = 4_000;
const PAINT = { officer: '\x1b[1;34m', civilian: '\x1b[37m', met: '\x1b[1;32m', off: '\x1b[0m' };

const cell = (metres: number, cells: number): number =>
  Math.max(0, Math.min(cells - 1, Math.floor((metres / PARK_M + 0.5) * cells)));

/** The map as lines, in colour. Officers are O, civilians o; green when they met in the last seconds. */
export const drawMap = (people: readonly Stroller[], nowMs: number): string[] => {
  const grid = Array.from({ length: HEIGHT }, () => new Array<string>(WIDTH).fill(' '));
  const civiliansFirst = [...people].sort((a, b) => Number(a.isOfficer) - Number(b.isOfficer));
  for (const one of civiliansFirst) {
    const { northM, eastM } = one.place;
    const met = nowMs - one.lastMeetingMs < FLASH_MS;
    const paint = met ? PAINT.met : one.isOfficer ? PAINT.officer : PAINT.civilian;
    const row = grid[HEIGHT - 1 - cell(northM, HEIGHT)]!;
    row[cell(eastM, WIDTH)] = `${paint}${one.isOfficer ? 'O' : 'o'}${PAINT.off}`;
  }
  const edge = `+${'-'.repeat(WIDTH)}+`;
  return [edge, ...grid.map(row => `|${row.join('')}|`), edge];
};

/** Draws over what was drawn before, when the output is a terminal. */
export class Screen {
  #lines = 0;

  draw(lines: readonly string[]): void {
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : '';
    process.stdout.write(up + lines.map(line => `\x1b[2K${line}\n`).join(''));
    this.#lines = lines.length;
  }
}
