/** As `mkdir -p`. Node's own one never returns where nobody can make folders, such as /proc. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** @returns the folders that were not there before, the deepest one first */
export async function makeFolder(path: string): Promise<string[]> {
  const made = await makeOne(path);
  if (made !== null) return made;
  const above = dirname(path);
  const others = above === path ? [] : await makeFolder(above);
  // somebody else may have made the one above in the meantime: it is tried again, once
  const again = await makeOne(path);
  if (again !== null) return [...again, ...others];
  throw Object.assign(new Error(`${path} cannot be made`), { code: 'ENOENT' });
}

/** Null when what is above is missing. */
async function makeOne(path: string): Promise<string[] | null> {
  try {
    await mkdir(path);
    return [path];
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT') return null;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return [];
    throw error;
  }
}
