/**
 * One node, composed: the only file that knows everyone. It reads the configuration, opens the stores, takes its
 * shards, gives life to actors, opens the doors, and undoes all of it in the opposite order when it is told to stop.
 *
 * Its parent (the supervisor, a test, a benchmark) hears `ready` or `failed` over ipc, in words for people. When the
 * parent is gone, the node stops by itself.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { proximityRules } from '../actors/geo/rules.ts';
import { pairBehaviour } from '../actors/pair.ts';
import { regionBehaviour } from '../actors/region.ts';
import { DEFAULT_RULES, type MeetRules } from '../actors/rules.ts';
import { ACTOR_KINDS } from '../actors/turn.ts';
import { userBehaviour } from '../actors/user.ts';
import { createGateway, HostUnknown, PortInUse, RATES } from '../gateway/index.ts';
import { systemClock, systemScheduler } from '../infra/clock.ts';
import { type Config, readConfig } from '../infra/config/index.ts';
import { idValidator } from '../infra/identity/index.ts';
import { loadKeys } from '../infra/keys.ts';
import { followShards } from '../infra/outbox/index.ts';
import { openStores } from '../infra/postgres/index.ts';
import { systemRandom } from '../infra/random.ts';
import { createLogs, createMetrics } from '../infra/telemetry/index.ts';
import { ActorSystem } from './actorSystem.ts';
import type { ActorDoor } from './gatewayPort.ts';
import { LedgerWriter } from './ledgerWriter.ts';
import { assertLimits, LIMITS } from './limits.ts';
import { LocalCoordinator } from './localCoordinator.ts';
import { DurableTimers } from './timers/durableTimers.ts';
import { routeOperations } from './timers/routeOperations.ts';

/** Ends the start with one sentence. */
class CannotStart extends Error {}

function rulesOf(config: Config): MeetRules {
  return {
    ...DEFAULT_RULES,
    cooldownS: Math.round(config.cooldownH * 3_600),
    shareS: Math.round(config.shareMinutes * 60),
    proximity: proximityRules({
      enterM: config.enterRadiusM,
      exitM: config.exitRadiusM,
      dwellMs: Math.round(config.dwellS * 1_000),
      dwellFixes: config.dwellFixes,
    }),
  };
}

async function main(): Promise<void> {
  assertLimits();
  const read = readConfig(process.env);
  if (!read.ok) throw new CannotStart(read.sentence);
  const config = read.config;
  if (config.databaseUrl === '' || config.dynamodbEndpoint === '' || config.kinesisEndpoint === '') {
    throw new CannotStart(
      'A node alone needs DATABASE_URL, DYNAMODB_ENDPOINT and KINESIS_ENDPOINT; `npm start` brings its own.',
    );
  }
  const incarnation = randomBytes(6).toString('hex');
  const node = `${hostname()}-${incarnation}`;
  const logs = createLogs({ levels: config.logLevel, format: config.logFormat, base: { node: incarnation } });
  const log = logs.of('nodes');
  const metrics = createMetrics();
  const clock = systemClock(config.clockRate);
  const scheduler = systemScheduler;

  // A database that is slow to come up is waited for in `openStores`; one that refuses us is a sentence.
  const stores = await openStores({
    databaseUrl: config.databaseUrl,
    appUrl: config.databaseAppUrl || null,
    dynamodbEndpoint: config.dynamodbEndpoint,
    kinesisEndpoint: config.kinesisEndpoint,
    region: config.awsRegion,
    credentials: { accessKeyId: config.awsAccessKeyId, secretAccessKey: config.awsSecretAccessKey },
    owner: node,
    log: logs.of('infra'),
    metrics,
    scheduler,
  });
  const writer = new LedgerWriter({
    store: stores.commitStore,
    scheduler,
    clock,
    log,
    metrics,
    onCommitted: () => stores.outbox.poke(),
  });

  const timerWriter = new LedgerWriter({ store: stores.timerStore, scheduler, clock, log, metrics });

  let fenced = false;
  let stopping = false;
  const coordinator = new LocalCoordinator(node, stores.epochStore, log, () => {
    fenced = true;
    void stop('another node took over this database', 1);
  });
  await coordinator.start();
  const publishing = followShards(stores.outbox, coordinator, scheduler);

  const keys = loadKeys(config.dataDir);
  if (keys.putAside) log.warn({ file: keys.putAside }, 'the key file was unreadable and is replaced');
  const rules = rulesOf(config);
  const door: ActorDoor = {
    ask: (to, message, done, options) => system.ask(to, message, done, options),
    tell: (to, message) => system.tell(to, message),
  };
  const gateway = createGateway({
    gatewayId: incarnation,
    door,
    directory: stores.directory,
    idValidator: await idValidator({
      url: config.idValidatorUrl || null,
      dataDir: config.dataDir,
      rosterSize: config.rosterSize,
      stores,
      log: logs.of('infra'),
    }),
    clock,
    log: logs.of('gateway'),
    metrics,
    signingKeys: keys.signingKeys,
    tokenTtlS: config.accessTokenTtlS,
    host: config.host,
    restPort: config.restPort,
    realtimePort: config.realtimePort,
    adminPort: config.adminPort,
    origins: config.allowedOrigins,
    connectionsPerAddress: config.connectionsPerAddress,
    trustedProxyHops: config.trustedProxyHops,
    rates: {
      ...RATES,
      session: {
        ...RATES.session,
        location: {
          perS: config.locationRate,
          burst: Math.max(RATES.session.location.burst, config.locationRate),
        },
      },
    },
    // A database that is away does not close the door: positions go on, and a retry is told in each answer.
    notReady: () => (fenced ? ['fenced'] : []),
    exposeMetrics: () => {
      for (const kind of ACTOR_KINDS) metrics.gauge('heyblue_actors', system.count(kind), { kind });
      return metrics.expose();
    },
    ...(config.adminGc === 1 && { collectGarbage: () => globalThis.gc?.() }),
  });
  const system = new ActorSystem({
    behaviours: {
      user: userBehaviour(rules, { newest: Math.max(...keys.qrMasters.keys()), masters: keys.qrMasters }),
      region: regionBehaviour(rules.proximity),
      pair: pairBehaviour(rules),
    },
    coordinator,
    writer: routeOperations(writer, { submit: (entry, done) => timers.submit(entry, done) }),
    queries: stores.queryStore,
    sink: gateway.sink,
    clock,
    scheduler,
    random: systemRandom(),
    log,
    metrics,
  });
  const timers = new DurableTimers({
    store: stores.timerStore,
    writer: timerWriter,
    door: system,
    coordinator,
    clock,
    scheduler,
    random: systemRandom(),
    log,
    metrics,
  });
  for (let shard = 0; shard < LIMITS.shards; shard++) {
    const epoch = coordinator.epochOf(shard);
    if (epoch !== null) timers.opened(shard, epoch);
  }

  /** Doors first, so that nothing new comes in; then what is under way becomes durable; then the stores. */
  async function stop(why: string, code: number): Promise<void> {
    if (stopping) return;
    stopping = true;
    log.info({ why }, 'stopping');
    setTimeout(() => process.exit(1), LIMITS.stopMs).unref();
    await gateway.stop(LIMITS.stopMs / 8);
    timers.stop();
    await Promise.all([writer.drain(LIMITS.stopMs / 4), timerWriter.drain(LIMITS.stopMs / 4)]);
    system.stop();
    publishing.stop();
    await coordinator.stop();
    await stores.close(LIMITS.stopMs / 4);
    log.info({}, 'stopped');
    logs.flush();
    process.exit(code);
  }
  process.on('SIGTERM', () => void stop('SIGTERM', 0));
  process.on('SIGINT', () => void stop('SIGINT', 0));
  process.on('disconnect', () => void stop('the parent is gone', 0));
  process.on('unhandledRejection', error => {
    log.error({ err: error }, 'a promise was left alone; stopping');
    void stop('a bug', 1);
  });
  process.on('uncaughtException', error => {
    log.error({ err: error }, 'an exception was left alone; stopping');
    void stop('a bug', 1);
  });

  const ports = await gateway.start();
  const host = config.host === '0.0.0.0' ? '127.0.0.1' : config.host;
  const urls = {
    rest: `http://${host}:${ports.restPort}`,
    realtime: `ws://${host}:${ports.realtimePort}/v1/ws`,
    admin: `http://127.0.0.1:${ports.adminPort}`,
  };
  log.info({ ...ports, incarnation }, 'serving');
  process.send?.({
    type: 'ready',
    urls,
    summary: [
      `REST and documents  ${urls.rest}/docs`,
      `Realtime            ${urls.realtime}`,
      `Health and metrics  ${urls.admin}/readyz  ${urls.admin}/metrics`,
      `Badge numbers       ${config.dataDir}/roster.txt`,
      '',
      'Try next: npm run demo (a minute of town life), or the five minutes in README.md.',
    ],
  });
}

main().catch(error => {
  const sentence =
    error instanceof CannotStart ||
    error instanceof PortInUse ||
    error instanceof HostUnknown ||
    error?.name === 'StoreUnavailable'
      ? error.message
      : `The node could not start: ${error?.stack ?? error}`;
  if (process.send) process.send({ type: 'failed', message: sentence }, () => process.exit(1));
  else {
    console.error(sentence);
    process.exit(1);
  }
});
