/**
 * `npm start`: the whole town in one terminal. Reads the settings, starts the supervisor, and turns what happens into
 * sentences and exit codes: 0 stopped as asked, 1 could not start or go on, 2 asked for something that does not exist.
 */
import { resolve } from 'node:path';
import { readConfig, renderHelp, withSecrets } from '../config/index.ts';
import { sentenceOf } from '../embedded/failure.ts';
import { NODES_MAX, readArguments } from './arguments.ts';
import { planNodes } from './plan.ts';
import { Supervisor } from './supervisor.ts';

const USAGE = `npm start [-- --nodes N]

  runs the whole town: PostgreSQL, DynamoDB and Kinesis in .data/, and one node in front of them
  --nodes N  N nodes (1 to ${NODES_MAX}) on one NATS, node i on every port 10 i higher

Settings are environment variables:

`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

function refuse(sentence: string, code: number): never {
  console.error(sentence);
  process.exit(code);
}

const wish = readArguments(process.argv.slice(2));
if (wish.kind === 'wrong') refuse(wish.sentence, EXIT_USAGE);
if (wish.kind === 'help') {
  console.log(USAGE + renderHelp());
  process.exit(0);
}

// the one variable that is no setting: tests of the supervisor put a small program in the place of the node
const { HEYBLUE_NODE_ENTRY: nodeEntry, ...given } = process.env;
const secrets = withSecrets(given);
if (!secrets.ok) refuse(secrets.sentence, EXIT_USAGE);
// servers and nodes get what the files say in their environment, beside what was started for them
const env = { ...secrets.texts, HEYBLUE_SECRETS_DIR: undefined };
const read = readConfig(env);
if (!read.ok) refuse(read.sentence, EXIT_USAGE);
const config = { ...read.config, dataDir: resolve(read.config.dataDir) };

const plan = planNodes(config, wish.nodes);
if (!plan.ok) refuse(plan.sentence, EXIT_USAGE);

// whoever reads our lines may go away first; that is no reason not to stop in good order
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const supervisor = new Supervisor({
  config,
  env,
  nodes: plan.nodes,
  cluster: wish.nodes !== null,
  terminal: process.stdout.isTTY === true,
  nodeEntry,
  say: line => console.log(line),
});
let asked = false;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, async () => {
    if (asked) return;
    asked = true;
    console.log('Stopping...');
    const inTime = await supervisor.stop();
    console.log(inTime ? 'Stopped.' : 'Stopped by force; the next start recovers what was unfinished.');
    process.exit(0);
  });
}

async function fail(sentence: string): Promise<void> {
  if (asked) return; // the handler above is stopping and will exit
  asked = true;
  await supervisor.stop();
  refuse(sentence, EXIT_FAILED);
}

supervisor.gaveUp.then(fail);
supervisor.start().catch(error => fail(sentenceOf(error, 'The town did not start')));
