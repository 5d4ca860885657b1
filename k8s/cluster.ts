/**
 * `npm run cluster`: who is there, who owns what, what moves. Asks the admin port of a node for its view; any node will
 * do, so when the first one is not there the ports of the others of this machine are tried.
 */
import { parseArgs } from 'node:util';
import { readConfig } from '../infra/config/index.ts';
import { NODES_MAX } from '../infra/launch/arguments.ts';
import { PORT_STEP } from '../infra/launch/plan.ts';
import type { ClusterView } from '../nodes/ports.ts';
import { drawCluster } from './demo/clusterPicture.ts';

const HELP = `npm run cluster [-- --url URL] [--json]

  --url URL  admin address of a node (http://127.0.0.1:9090, else those of the next nodes)
  --json     the whole view as one JSON object`;

const EXIT_NOBODY = 1;
const EXIT_USAGE = 2;
const ANSWER_MS_MAX = 3_000;

/** Ends the command with a sentence. */
class Problem extends Error {
  readonly exitCode: number;
  constructor(sentence: string, exitCode: number) {
    super(sentence);
    this.exitCode = exitCode;
  }
}

interface Asked {
  readonly urls: readonly string[];
  readonly json: boolean;
}

const read = (args: readonly string[]): Asked | null => {
  let values: { url?: string; json?: boolean; help?: boolean };
  try {
    const options = {
      url: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    values = parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new Problem(`${(error as Error).message.split('. ')[0]}. Try --help.`, EXIT_USAGE);
  }
  if (values.help) return null;
  const { url, json = false } = values;
  if (url !== undefined) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new Problem(`--url takes an address like http://127.0.0.1:9090, not "${url}".`, EXIT_USAGE);
    }
    return { urls: [url], json };
  }
  const config = readConfig(process.env);
  if (!config.ok) throw new Problem(config.sentence, EXIT_USAGE);
  const first = config.config.adminPort;
  const ports = Array.from({ length: NODES_MAX }, (_, i) => first + PORT_STEP * i);
  return { urls: ports.filter(port => port < 65_536).map(port => `http://127.0.0.1:${port}`), json };
};

/** The view of the node at this address; null when nobody is there or it has none. */
const viewAt = async (url: string): Promise<ClusterView | null> => {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const answer = await fetch(new URL('/admin/cluster', url), { signal });
    const view = answer.ok ? ((await answer.json()) as ClusterView) : null;
    return Array.isArray(view?.nodes) && Array.isArray(view.owners) ? view : null;
  } catch {
    return null;
  }
};

const main = async (args: readonly string[]): Promise<void> => {
  const asked = read(args);
  if (asked === null) {
    console.log(HELP);
    return;
  }
  for (const url of asked.urls) {
    const view = await viewAt(url);
    if (view === null) continue;
    console.log(asked.json ? JSON.stringify(view) : drawCluster(view).join('\n'));
    return;
  }
  const where = asked.urls.length === 1 ? asked.urls[0] : `${asked.urls[0]} or the ports of the next nodes`;
  throw new Problem(`No node answers at ${where}: is npm start running?`, EXIT_NOBODY);
};

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Problem ? error.message : error);
  process.exitCode = error instanceof Problem ? error.exitCode : EXIT_NOBODY;
});
