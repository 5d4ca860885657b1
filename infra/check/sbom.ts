/**
 * `npm run sbom`: the bill of materials of what a node runs, as npm makes it of the lock file (CycloneDX or SPDX, JSON). It
 * asks nobody. The versions that are known to be bad are looked for first (`supplyChain.ts`): a bill with one is not written.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findDenied, findUnpinned, lockedPackages } from './supplyChain.ts';

const HELP = `npm run sbom -- [options]

Writes the bill of materials (SBOM) of the packages in package-lock.json, without the network.

  --out FILE      where to (standard output)
  --format NAME   cyclonedx or spdx (cyclonedx)
  --dev           with what only development needs`;

const FORMATS = ['cyclonedx', 'spdx'];
const BYTES_MAX = 256 * 1_048_576;

/** Exit code: 0 done, 1 something bad is locked or npm failed, 2 asked for what there is not. */
export const run = (args: readonly string[], say: (line: string) => void): number => {
  let values: { help?: boolean; out?: string; format: string; dev: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        out: { type: 'string' },
        format: { type: 'string', default: 'cyclonedx' },
        dev: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    console.error(`${(error as Error).message.split('. ')[0]}. Try --help.`);
    return 2;
  }
  if (values.help) {
    say(HELP);
    return 0;
  }
  if (!FORMATS.includes(values.format)) {
    console.error(`--format takes ${FORMATS.join(' or ')}.`);
    return 2;
  }
  const locked = lockedPackages();
  const wrong = [...findDenied(locked), ...findUnpinned(locked)];
  if (wrong.length > 0) {
    console.error(`The lock file has what must not be installed:\n  ${wrong.join('\n  ')}`);
    return 1;
  }
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const asked = [
    'sbom',
    '--package-lock-only',
    '--sbom-format',
    values.format,
    ...(values.dev ? [] : ['--omit', 'dev']),
  ];
  const made = spawnSync('npm', asked, {
    cwd,
    encoding: 'utf8',
    maxBuffer: BYTES_MAX,
    shell: process.platform === 'win32',
  });
  if (made.status !== 0) {
    console.error(`npm sbom failed: ${(made.stderr || String(made.error ?? '')).trim().split('\n')[0]}`);
    return 1;
  }
  if (values.out === undefined) say(made.stdout.trimEnd());
  else {
    try {
      writeFileSync(values.out, made.stdout);
    } catch (error) {
      console.error(`--out ${values.out} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
      return 1;
    }
    const { components, packages } = JSON.parse(made.stdout) as {
      components?: unknown[];
      packages?: unknown[];
    };
    say(`${values.out}: ${(components ?? packages ?? []).length} packages, ${values.format}`);
  }
  return 0;
};

if (import.meta.main) process.exitCode = run(process.argv.slice(2), line => console.log(line));
