/** What every box is filled from: programs and images, made by one run at a time and found by those after it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { lockFolder } from '../../infra/launch/folder-lock.mjs';
import { buildImages, type Image } from './images.ts';
import { fetchTools } from './tools.ts';

/** @throws Error in one sentence when another run is at it, or with the step that failed */
export const prepare = async (work: string, log: (line: string) => void): Promise<Image[]> => {
  mkdirSync(work, { recursive: true });
  const lock = await lockFolder(join(work, 'lock'));
  if (!lock.ok) throw new Error(`Another run (pid ${lock.pid}) builds in ${work}.`);
  try {
    return await buildImages(await fetchTools(work), log);
  } finally {
    lock.release();
  }
};
