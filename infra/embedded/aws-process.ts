/**
 * Starts the DynamoDB and Kinesis process (aws.ts) and waits until it serves.
 */
import { fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import type { AwsGuard, AwsOrder, AwsReady } from './aws.ts';
import { StartFailure } from './failure.ts';
import { AWS_READY_MS_MAX, AWS_STOP_MS_MAX } from './limits.ts';
import { keepPorts, LOOPBACK, readPorts } from './ports.ts';
import { endInSteps, exitOf, type Running, within } from './processes.ts';

export interface Aws extends Running {
  dynamodbEndpoint: string | null;
  kinesisEndpoint: string | null;
  /** Makes it end this PostgreSQL when its parent is killed. */
  guard(postgresPid: number): void;
}

/** Which of the two are wanted: the other one is somewhere else. */
export interface AwsWanted {
  dynamodb: boolean;
  kinesis: boolean;
}

const endpoint = (port: number | undefined): string | null =>
  port === undefined ? null : `http://${LOOPBACK}:${port}`;

/**
 * Starts the process with its files in `<dataDir>/dynamodb` and `<dataDir>/kinesis`, on the ports of the last start.
 *
 * @param samePorts others know the ports already: fail rather than take different ones
 */
export async function startAws(dataDir: string, wanted: AwsWanted, samePorts = false): Promise<Aws> {
  const ports = readPorts(dataDir);
  const order: AwsOrder = { type: 'serve', samePorts };
  if (wanted.dynamodb) order.dynamodb = { path: join(dataDir, 'dynamodb'), port: ports.dynamodb ?? 0 };
  if (wanted.kinesis) order.kinesis = { path: join(dataDir, 'kinesis'), port: ports.kinesis ?? 0 };
  for (const server of [order.dynamodb, order.kinesis])
    if (server) mkdirSync(server.path, { recursive: true });

  const child = fork(new URL('./aws.ts', import.meta.url).pathname, {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH ?? '', AWS_REGION: process.env.AWS_REGION ?? '' },
  });
  const exited = exitOf(child);
  const pid = child.pid ?? 0;
  // They stand in for services that run elsewhere: when the cores are short, nodes and the database go first.
  if (pid > 0) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  const stop = () => endInSteps(pid, exited, [['SIGTERM', AWS_STOP_MS_MAX]]);
  const answered = new Promise<AwsReady>((resolve, reject) => {
    child.once('message', (message: AwsReady | { type: 'failed'; message: string }) => {
      if (message.type === 'ready') resolve(message);
      else reject(new StartFailure(`DynamoDB and Kinesis did not start: ${message.message}.`));
    });
    exited.then(words => reject(new StartFailure(`The DynamoDB and Kinesis process ${words}.`)));
  });
  child.send(order);
  if (!(await within(answered, AWS_READY_MS_MAX))) {
    await stop();
    throw new StartFailure(`DynamoDB and Kinesis did not come up within ${AWS_READY_MS_MAX / 1000} s.`);
  }
  const ready = await answered;
  keepPorts(dataDir, {
    ...(ready.dynamodbPort && { dynamodb: ready.dynamodbPort }),
    ...(ready.kinesisPort && { kinesis: ready.kinesisPort }),
  });
  return {
    pid,
    exited,
    stop,
    dynamodbEndpoint: endpoint(ready.dynamodbPort),
    kinesisEndpoint: endpoint(ready.kinesisPort),
    guard: postgresPid => {
      const message: AwsGuard = { type: 'guard', postgresPid };
      if (child.connected) child.send(message, () => {});
    },
  };
}
