/** Which release was before this tree, and its tree in a folder of its own: what `npm run upgrade` begins and ends with. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What was asked for cannot be; one sentence. */
export class Wrong extends Error {}

/**
 * What stands for the previous release while nothing is tagged yet: whole, and the newest before the schema of giving, market
 * and erasure, so that the way from it to here has a dozen migrations in it.
 */
export const BASELINE = 'a4471f5d';

/** Runs git in a repository; @throws Wrong with what git said */
const gitIn =
  (root: string) =>
  (...args: string[]): string => {
    try {
      const options = { cwd: root, encoding: 'utf8', stdio: 'pipe' } as const;
      return execFileSync('git', args, options).trim();
    } catch (error) {
      const { stderr, message } = error as Error & { readonly stderr?: string };
      throw new Wrong(`git ${args[0]}: ${(stderr || message).trim().split('\n')[0]}.`);
    }
  };

export interface Release {
  readonly commit: string;
  /** What it was named by, in words. */
  readonly words: string;
}

/**
 * The previous release: what was named, else the newest tag before this commit, else the baseline.
 *
 * @param root a repository
 * @throws Wrong when there is none of these
 */
export const previousRelease = (root: string, from: string | null, baseline = BASELINE): Release => {
  const git = gitIn(root);
  const commitOf = (ref: string): string => git('rev-parse', '--verify', '--quiet', `${ref}^{commit}`);
  const found = (ref: string, words: string, otherwise: string): Release => {
    try {
      return { commit: commitOf(ref), words };
    } catch {
      throw new Wrong(otherwise);
    }
  };
  if (from !== null) {
    if (from.startsWith('-')) throw new Wrong(`--from takes a tag or a commit, not "${from}".`);
    return found(from, from, `--from: this repository has no tag and no commit "${from}".`);
  }
  const head = commitOf('HEAD');
  const tags = git('tag', '--sort=-creatordate', '--merged', 'HEAD').split('\n').filter(Boolean);
  const tag = tags.find(one => commitOf(one) !== head);
  if (tag !== undefined) return { commit: commitOf(tag), words: `${tag}, the newest tag before this commit` };
  return found(
    baseline,
    `${baseline}, the baseline: no release is tagged yet`,
    `No release before this commit is tagged, and the baseline ${baseline} is not in this clone: fetch its whole history, or name a commit with --from.`,
  );
};

type Lock = Readonly<
  Record<string, { readonly version?: string; readonly optional?: boolean; readonly dev?: boolean }>
>;

const lockOf = (folder: string): Lock =>
  (JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as { packages: Lock }).packages;

/** Packages that a release runs with, and that a tree has in another version or not at all; `name wanted, here other`. */
export const otherPackages = (release: string, tree: string): string[] => {
  const here = lockOf(tree);
  return Object.entries(lockOf(release)).flatMap(([path, { version, dev, optional }]) => {
    if (path === '' || dev || optional || here[path]?.version === version) return [];
    return [`${path.replace('node_modules/', '')} ${version}, here ${here[path]?.version ?? 'none'}`];
  });
};

/**
 * Its tree in a folder of its own. It gets the packages of this one: nothing is installed, and a release of which packages
 * were other ones is tried with these.
 *
 * @returns nodes/main.ts of it, and which packages are others
 * @throws Wrong when that commit is no release, or lacks packages here
 */
export const unpack = (
  root: string,
  commit: string,
  folder: string,
): { readonly entry: string; readonly others: readonly string[] } => {
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, 'tree.tar');
  gitIn(root)('archive', '--format=tar', `--output=${archive}`, commit);
  execFileSync('tar', ['-x', '-f', archive, '-C', folder]);
  rmSync(archive);
  const entry = join(folder, 'nodes/main.ts');
  if (!existsSync(entry)) throw new Wrong(`${commit.slice(0, 12)} is no release: it has no nodes/main.ts.`);
  const others = otherPackages(folder, root);
  const missing = others.filter(one => one.endsWith('here none'));
  if (missing.length > 0)
    throw new Wrong(
      `${commit.slice(0, 12)} needs packages that this tree does not have: ${missing.join('; ')}. Try it from a release between the two.`,
    );
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { entry, others };
};
