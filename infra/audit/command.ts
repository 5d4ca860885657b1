/**
 * `npm run audit`: looks at everything that the town remembers and says what does not fit together. The town goes on
 * meanwhile, and nothing is written.
 *
 * Exit code: 0 nothing is wrong, 1 something is, 2 a store cannot be read or what was asked for does not exist.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config/index.ts';
import { runningTown, StartFailure } from '../embedded/index.ts';
import { ensureAuditor } from '../postgres/auditorRole.ts';
import { type AuditOptions, audit, CHECKS } from './audit.ts';
import { BOUND_S, SAY_MS } from './limits.ts';
import { exitCodeOf, jsonOf, tableOf } from './report.ts';
import { type AuditedStores, archiveBoundS, archiveOf } from './stores.ts';

const WIDEST = Math.max(...CHECKS.map(({ name }) => name.length));
const HELP = `npm run audit [-- options]

Checks that points, stock and what was told of them fit together, in a town that runs: every sum is taken again from the
rows that never change. Settings are those of \`npm start\`; without any, the town in .data/ is audited.

  --only NAMES    only these checks, separated by commas
  --chain         the sealed days, too: their hashes are taken again from the transfers
  --hours N       streams and archive of the last N hours only
  --bound N       seconds that an event may wait to be published (${BOUND_S})
  --shared        streams, tables and archive are shared with other towns: what is not ours is left alone
  --quiet         no progress

The last line of the output is one JSON object. Exit code: 0 nothing is wrong, 1 something is, 2 a store cannot be read.

${CHECKS.map(({ name, store, about }) => `  ${name.padEnd(WIDEST)}  ${store}: ${about}`).join('\n')}`;

const options = {
  help: { type: 'boolean', short: 'h' },
  only: { type: 'string' },
  chain: { type: 'boolean', default: false },
  hours: { type: 'string' },
  bound: { type: 'string', default: String(BOUND_S) },
  shared: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
} as const;

/** What was asked for does not exist; one sentence. */
class Wrong extends Error {}

export type Asked = Omit<AuditOptions, 'stores' | 'say' | 'cooldownS' | 'archiveBoundS'> & {
  readonly quiet: boolean;
};

/** Null for `--help`. */
const parseAudit = (args: readonly string[]): Asked | null => {
  let values: ReturnType<typeof parse>['values'];
  const parse = () => parseArgs({ args: [...args], options });
  try {
    ({ values } = parse());
  } catch (error) {
    throw new Wrong(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
  if (values.help) return null;
  const known = CHECKS.map(({ name }) => name);
  const named = values.only?.split(',').map(name => name.trim());
  for (const name of named ?? []) {
    if (!known.includes(name)) throw new Wrong(`There is no check "${name}"; there are ${known.join(', ')}.`);
  }
  const names = named ?? known.filter(name => name !== 'chain');
  const hours = values.hours === undefined ? null : Number(values.hours);
  const boundS = Number(values.bound);
  if (hours !== null && !(hours > 0)) throw new Wrong('--hours takes a number above zero.');
  if (!(boundS >= 0)) throw new Wrong('--bound takes seconds.');
  const only = new Set(values.chain ? [...names, 'chain'] : names);
  return { only, shared: values.shared, hours, boundS, quiet: values.quiet };
};

/** Where everything is, by the settings. */
const storesOf = async (config: Config): Promise<AuditedStores> => {
  const dataDir = resolve(config.dataDir);
  const town = runningTown({ ...config, dataDir });
  const { credentials } = town;
  const region = config.awsRegion;
  return {
    databaseUrl: config.databaseAuditUrl || (await ensureAuditor(town.databaseUrl)),
    dynamodb: { endpoint: town.dynamodbEndpoint, region, credentials },
    kinesis: { endpoint: town.kinesisEndpoint, region, credentials },
    archive: archiveOf({ ...config, dataDir }),
  };
};

/** Progress now and then, on its own stream: what counts is on the standard output. */
const progress = (): ((line: string) => void) => {
  let saidMs = Number.NEGATIVE_INFINITY;
  return line => {
    const nowMs = performance.now();
    if (nowMs - saidMs < SAY_MS) return;
    saidMs = nowMs;
    console.error(line);
  };
};

const main = async (args: readonly string[]): Promise<number> => {
  const asked = parseAudit(args);
  if (asked === null) {
    console.log(HELP);
    return 0;
  }
  const read = readConfig(process.env);
  if (!read.ok) throw new Wrong(read.sentence);
  const stores = await storesOf(read.config).catch(error => {
    if (error instanceof StartFailure) throw new Wrong(error.message);
    throw new Wrong(`PostgreSQL cannot be used: ${error?.message || error?.code || error}.`);
  });
  const report = await audit({
    ...asked,
    stores,
    cooldownS: Math.round(read.config.cooldownH * 3_600),
    archiveBoundS: archiveBoundS(read.config),
    say: asked.quiet ? () => {} : progress(),
  });
  console.log(tableOf(report));
  console.log('');
  console.log(jsonOf(report));
  return exitCodeOf(report);
};

if (import.meta.main) {
  main(process.argv.slice(2)).then(
    code => {
      process.exitCode = code;
    },
    (error: unknown) => {
      console.error(error instanceof Wrong ? error.message : error);
      process.exitCode = 2;
    },
  );
}
