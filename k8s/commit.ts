import { execFileSync } from 'node:child_process';

/** The commit that runs, short, and whether files of it were changed since; `unknown` outside of a repository. */
export const commitOf = (): string => {
  try {
    // names of tags are left out: the figures of two runs are compared by this
    const args = ['describe', '--always', '--exclude=*', '--dirty= with changes'];
    return execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
};
