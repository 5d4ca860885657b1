/**
 * `npm run sbom`: the bill of materials of what a node runs, as npm makes it of the lock file (CycloneDX or SPDX, JSON). It
 * asks nobody. The versions that are known to be bad are looked for first (`supplyChain.ts`): a bill with one is not written.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findDenied, findUnpinned, lockedPackages, namesAtRunTime } from './supplyChain.ts';

const HELP = `npm run sbom -- [options]

Writes the bill of materials (SBOM) of the packages in package-lock.json, without the network.

  --out FILE      where to (standard output)
  --format NAME   cyclonedx or spdx (cyclonedx)
  --dev           with what only development needs`;

const FORMATS = ['cyclonedx', 'spdx'];
const BYTES_MAX = 256 * 1_048_576;

/** As much of CycloneDX (components) and SPDX (packages) as is looked at here. */
interface Bill {
  readonly metadata?: { readonly component: { readonly 'bom-ref': string } };
  readonly components?: readonly {
    readonly 'bom-ref': string;
    readonly name: string;
    readonly version: string;
  }[];
  readonly dependencies?: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly documentDescribes?: readonly string[];
  readonly packages?: readonly {
    readonly SPDXID: string;
    readonly name: string;
    readonly versionInfo: string;
  }[];
  readonly relationships?: readonly { readonly spdxElementId: string; readonly relatedSpdxElement: string }[];
}

/** The bill of these packages alone. Not by `--omit dev` of npm, which leaves out whatever development needs as well. */
const withOnly = (names: ReadonlySet<string>, bill: Bill): Bill => {
  if (bill.components !== undefined) {
    const components = bill.components.filter(one => names.has(`${one.name}@${one.version}`));
    const refs = new Set(components.map(one => one['bom-ref']).concat(bill.metadata!.component['bom-ref']));
    const dependencies = bill
      .dependencies!.filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(one => refs.has(one)) }));
    return { ...bill, components, dependencies };
  }
  const own = bill.documentDescribes!;
  const packages = bill.packages!.filter(
    one => own.includes(one.SPDXID) || names.has(`${one.name}@${one.versionInfo}`),
  );
  const ids = new Set(packages.map(one => one.SPDXID).concat('SPDXRef-DOCUMENT'));
  const relationships = bill.relationships!.filter(
    one => ids.has(one.spdxElementId) && ids.has(one.relatedSpdxElement),
  );
  return { ...bill, packages, relationships };
};

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
    '--include=dev',
    '--include=optional',
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
  const whole = JSON.parse(made.stdout) as Bill;
  const bill = values.dev ? whole : withOnly(namesAtRunTime(locked), whole);
  const text = JSON.stringify(bill, null, 2);
  if (values.out === undefined) say(text);
  else {
    try {
      writeFileSync(values.out, `${text}\n`);
    } catch (error) {
      console.error(`--out ${values.out} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
      return 1;
    }
    const { components, packages } = bill;
    say(`${values.out}: ${(components ?? packages ?? []).length} packages, ${values.format}`);
  }
  return 0;
};

if (import.meta.main) process.exitCode = run(process.argv.slice(2), line => console.log(line));
