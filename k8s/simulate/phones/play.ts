/** Plays one script, from the macrotask that the simulation needs; the same script is the same life. */
import { assertSettles, settle } from '../settle.ts';
import type { Script } from './script.ts';
import { type Told, Town, type TownOptions } from './town.ts';

export const RUNS = Number(process.env.PHONES ?? 100);
export const SEED = Number(process.env.PHONES_SEED ?? 20_261_121);

export const play = (script: Script, more: Partial<TownOptions> = {}): Promise<Told> =>
  new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        assertSettles();
        resolve(new Town({ ...script, settle, ...more }).live());
      } catch (error) {
        reject(error);
      }
    });
  });
