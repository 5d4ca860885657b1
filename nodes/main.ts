/**
 * One node, composed: the only file that knows everyone. It reads the configuration, opens the stores and the way to the
 * other nodes, opens the doors, takes its shards, and undoes all of it in the opposite order when it is told to stop.
 *
 * Its parent (the supervisor, a test, a benchmark) hears `ready` or `failed` over ipc, in words for people. When the
 * parent is gone, the node stops by itself.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { areaBehaviour } from '../actors/area.ts';
import { budgetBehaviour } from '../actors/budget.ts';
import { fraudRules } from '../actors/fraud/rules.ts';
import { areaRules } from '../actors/geo/areaRules.ts';
import { depthMax } from '../actors/geo/layout.ts';
import { proximityRules } from '../actors/geo/rules.ts';
import { offerBehaviour } from '../actors/offer.ts';
import { pairBehaviour } from '../actors/pair.ts';
import { regionBehaviour } from '../actors/region.ts';
import { DEFAULT_RULES, type MeetRules } from '../actors/rules.ts';
import { ACTOR_KINDS } from '../actors/turn.ts';
import { PRESENCE_STATES } from '../actors/user/presence.ts';
import { userBehaviour } from '../actors/user.ts';
import {
  createGateway,
  HostUnknown,
  PortInUse,
  type Ports,
  RATES,
  type Rates,
  REALTIME_PATH,
  TlsUnusable,
} from '../gateway/index.ts';
import { ArchiveThread, archivePlace, followOwned } from '../infra/archive/index.ts';
import { AuditJob, archiveBoundS, archiveOf } from '../infra/audit/index.ts';
import { systemClock, systemScheduler } from '../infra/clock.ts';
import { type Config, readConfig } from '../infra/config/index.ts';
import { idValidator } from '../infra/identity/index.ts';
import { loadKeys, qrKeysOf } from '../infra/keys.ts';
import { LiveKeys } from '../infra/liveKeys.ts';
import { openLocation } from '../infra/location/index.ts';
import { type Nats, NatsFailure, openNats } from '../infra/nats/index.ts';
import { followShards } from '../infra/outbox/index.ts';
import { readAreas } from '../infra/places/mapThread.ts';
import { openStores } from '../infra/postgres/index.ts';
import { systemRandom } from '../infra/random.ts';
import { DynamoRules } from '../infra/rules/dynamoRules.ts';
import { LastKnownFile } from '../infra/rules/lastKnownFile.ts';
import { ZenRules } from '../infra/rules/zenEngine.ts';
import { ServerTime } from '../infra/serverTime.ts';
import { readServiceAccounts, ServiceFileUnusable } from '../infra/serviceAccounts.ts';
import { createLogs, createMetrics, openTracing } from '../infra/telemetry/index.ts';
import { shardOf } from '../protocol/shard.ts';
import { assertDeparture, Departure, othersIn } from './departure.ts';
import type { ActorDoor } from './gatewayPort.ts';
import { HotRegions, regionsView } from './hotRegions.ts';
import { assertLimits } from './limits.ts';
import { MemoryBucket, MemoryKv } from './memory/memoryKv.ts';
import { createNode, type TownNode } from './node.ts';
import { watchName } from './occupied.ts';
import { personsOf } from './persons.ts';
import { PlaceCircles } from './placeCircles.ts';
import type { Log, Metrics } from './ports.ts';
import { KvRegionDirectory } from './regionDirectory.ts';
import { MeetingRules } from './rules/meetingRules.ts';
import { nodeRules } from './rules/nodeRules.ts';
import { Sampling } from './sampling.ts';
import { Verifying } from './verifying.ts';

/** Ends the start with one sentence. */
class CannotStart extends Error {}

function rulesOf(config: Config): MeetRules {
  return {
    ...DEFAULT_RULES,
    cooldownS: Math.round(config.cooldownH * 3_600),
    shareS: Math.round(config.shareMinutes * 60),
    scanSettleS: Math.round(config.scanSettleH * 3_600),
    redeemS: config.redeemS,
    life: {
      ...DEFAULT_RULES.life,
      expireMs: config.pointsExpireDays * 86_400_000,
      activateMs: Math.round(config.pointsActivateAfterH * 3_600_000),
    },
    confirmScans: config.qrConfirm === 'unvouched',
    fraud: fraudRules(config.historyReview === 'on' ? {} : { historyH: 0 }),
    area: areaRules({
      participantsMin: config.areaPeople,
      delayMinMs: Math.round(config.areaDelayMinS * 1_000),
      delayMaxMs: Math.round(config.areaDelayMaxS * 1_000),
    }),
    proximity: proximityRules({
      enterM: config.enterRadiusM,
      exitMarginM: config.exitRadiusM - config.enterRadiusM,
      dwellMs: Math.round(config.dwellS * 1_000),
      dwellFixes: config.dwellFixes,
    }),
  };
}

/** The configured name, else the machine's, as far as it can stand in a subject. */
const nodeIdOf = (config: Config): string =>
  config.nodeId ||
  hostname()
    .replaceAll(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 63) ||
  'node';

const versionOf = (config: Config): string => {
  if (config.version !== '') return config.version;
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

/** Whoever owns this shard keeps the places of the town at the location service. */
const CIRCLES_SHARD = shardOf('places', 'circles');

const ratesOf = ({ locationRate }: Config): Rates => {
  const burst = Math.max(RATES.session.location.burst, locationRate);
  return { ...RATES, session: { ...RATES.session, location: { perS: locationRate, burst } } };
};

/** The way to the other nodes; null for a node that is alone. */
const natsOf = async (config: Config, nodeId: string, log: Log, metrics: Metrics): Promise<Nats | null> => {
  const { natsUrl: url, natsCreds: creds, natsCa: ca, natsCert: cert, natsKey: key, natsReplicas } = config;
  if (url === '') return null;
  const inFile = config.secretsDir !== '' && existsSync(join(config.secretsDir, 'NATS_URL'));
  const urlFile = inFile ? { urlFile: join(config.secretsDir, 'NATS_URL') } : {};
  const options = { url, ...urlFile, creds, ca, cert, key, replicas: natsReplicas };
  return openNats({ ...options, bucket: config.cluster, name: nodeId }, log, metrics);
};

/** The settings of the environment. Throws {@link CannotStart} when one is wrong, or missing for a node alone. */
function configured(): Config {
  const read = readConfig(process.env);
  if (!read.ok) throw new CannotStart(read.sentence);
  const { databaseUrl, databaseAppUrl, dynamodbEndpoint, kinesisEndpoint } = read.config;
  if ((databaseUrl === '' && databaseAppUrl === '') || dynamodbEndpoint === '' || kinesisEndpoint === '') {
    throw new CannotStart(
      'A node alone needs DATABASE_URL or DATABASE_APP_URL, DYNAMODB_ENDPOINT and KINESIS_ENDPOINT; `npm start` brings its own.',
    );
  }
  return read.config;
}

/** What a node finds: clocks, logs, the way to the others, stores, keys. Rejects when one of them cannot be reached. */
async function openWorld(config: Config) {
  const { databaseUrl, databaseAppUrl, dynamodbEndpoint, kinesisEndpoint } = config;
  const nodeId = nodeIdOf(config);
  const version = versionOf(config);
  const gatewayId = randomBytes(8).toString('hex');
  const logs = createLogs({ levels: config.logLevel, format: config.logFormat, base: { node: nodeId } });
  const log = logs.of('nodes');
  const metrics = createMetrics();
  const clock = systemClock(config.clockRate);
  const scheduler = systemScheduler;
  const random = systemRandom();
  const aws = {
    region: config.awsRegion,
    credentials: { accessKeyId: config.awsAccessKeyId, secretAccessKey: config.awsSecretAccessKey },
  };

  const nats = await natsOf(config, nodeId, logs.of('infra'), metrics);
  // A database that is slow to come up is waited for in `openStores`; one that refuses us is a sentence.
  const stores = await openStores({
    databaseUrl: databaseUrl || null,
    appUrl: databaseAppUrl || null,
    secretsDir: config.secretsDir,
    dynamodbEndpoint,
    kinesisEndpoint,
    ...aws,
    owner: `${nodeId}-${gatewayId}`,
    log: logs.of('infra'),
    metrics,
    scheduler,
  });
  const time = new ServerTime({
    clock,
    serverMs: stores.serverMs,
    scheduler,
    log: logs.of('infra'),
    metrics,
  });
  await time.look();
  const tracing = await openTracing({
    endpoint: config.otelExporterOtlpEndpoint,
    node: nodeId,
    version,
    random,
    log: logs.of('infra'),
    metrics,
    scheduler,
  });

  const loaded = loadKeys(config.dataDir);
  if (loaded.putAside) log.warn({ file: loaded.putAside }, 'the key file was unreadable and is replaced');
  const keys = new LiveKeys({ dataDir: config.dataDir, keys: loaded, wallMs: clock.wallMs, scheduler, log });
  keys.start();
  const location = openLocation({
    provider: config.locationProvider,
    endpoint: config.locationEndpoint,
    tracker: config.locationTracker,
    collection: config.locationCollection,
    requestsPerS: config.locationRequestsPerS,
    historyMs: config.locationHistoryH * 3_600_000,
    dynamodbEndpoint,
    ...aws,
    masters: keys.qrMasters,
    clock,
    scheduler,
    log: logs.of('infra'),
    metrics,
  });
  const sampler = new Sampling(location, scheduler, log);
  const names = { nodeId, gatewayId, version };
  const machine = { clock, scheduler, random, logs, log, metrics };
  return { ...names, ...machine, aws, nats, stores, time, tracing, keys, location, sampler };
}

/** The business rules of the town as they are published, and those of meeting among them. */
function openRules(config: Config, rules: MeetRules, world: Awaited<ReturnType<typeof openWorld>>) {
  const { nodeId, aws, nats, stores, clock, scheduler, logs, log, metrics } = world;
  const ruleStore = new DynamoRules({ endpoint: config.dynamodbEndpoint, ...aws });
  const business = nodeRules({
    numbers: rules,
    engine: new ZenRules(),
    store: ruleStore,
    teller: stores.ruleTeller,
    lastKnown: new LastKnownFile(config.dataDir, nodeId, logs.of('infra')),
    bus: nats?.bus ?? null,
    cluster: config.cluster,
    clock,
    wallMs: clock.wallMs,
    zipOf: cell => stores.atlas.zipOf(cell),
    homeZipOf: async account => (await stores.directory.profile(account))?.zip ?? null,
    scheduler,
    log: logs.of('infra'),
    metrics,
  });
  const meeting = new MeetingRules({ first: rules, rules: business.port, scheduler, log });
  const following = business.start().then(() => meeting.start());
  return { ruleStore, business, meeting, following };
}

/** The node leaves when it is asked to, ends when the town or its parent does, and when a bug leaves nothing to rely on. */
function heedEnds(departure: Departure, log: Log): void {
  process.on('SIGTERM', () => void departure.leave('SIGTERM'));
  process.on('SIGINT', () => void departure.leave('SIGINT'));
  process.on('message', (order: { type?: string } | null) => {
    if (order?.type === 'stop') void departure.end('the whole town stops', 0);
  });
  process.on('disconnect', () => void departure.end('the parent is gone', 0));
  process.on('unhandledRejection', error => {
    log.error({ err: error }, 'a promise was left alone; stopping');
    void departure.end('a bug', 1);
  });
  process.on('uncaughtException', error => {
    log.error({ err: error }, 'an exception was left alone; stopping');
    void departure.end('a bug', 1);
  });
}

async function main(): Promise<void> {
  assertLimits();
  assertDeparture();
  const config = configured();
  const { databaseUrl, dynamodbEndpoint, kinesisEndpoint } = config;
  const world = await openWorld(config);
  const { nodeId, gatewayId, version, clock, scheduler, random, logs, log, metrics } = world;
  const { aws, nats, stores, time, tracing, keys, location, sampler } = world;
  const rules = rulesOf(config);
  const { ruleStore, business, meeting, following } = openRules(config, rules, world);
  const windowMs = Math.round(config.hotRegionWindowS * 1_000);
  const regions = new KvRegionDirectory({
    kv: nats?.kv ?? new MemoryKv(new MemoryBucket(scheduler)),
    clock,
    scheduler,
    log,
    metrics,
    pauseMs: windowMs,
  });
  let node: TownNode;
  let departure: Departure;
  let joined = false;
  let fenced = false;
  const door: ActorDoor = {
    ask: (to, message, done, options) => node.door.ask(to, message, done, options),
    tell: (to, message, options) => node.door.tell(to, message, options),
    behind: () => node.door.behind?.() === true,
  };
  const { enterMaxM, exitMarginM } = rules.proximity;
  const hot = new HotRegions({
    door,
    directory: regions,
    depth: depthMax(enterMaxM + exitMarginM),
    serves: id => node.coordinator.epochOf(shardOf('region', id)) !== null,
    clock,
    scheduler,
    log,
    limits: { windowMs, hotMembers: config.hotRegionPeople },
  });
  const view = () => node.coordinator.view();
  const gateway = createGateway({
    gatewayId,
    door,
    directory: stores.directory,
    devices: stores.devices,
    market: stores.market,
    revocationStore: stores.revocationStore,
    auditLog: stores.auditLog,
    places: { store: stores.placeStore, readAreas },
    giving: stores.givingStore,
    persons: personsOf({
      book: stores.persons,
      location,
      sampler,
      historyMs: config.locationHistoryH * 3_600_000,
      clock,
      scheduler,
    }),
    domain: { users: stores.usersDomain, deadLetters: stores.deadLetters },
    services: readServiceAccounts(config.serviceAccounts),
    scoring: business.port,
    rules: { keeper: business.keeper, explainer: business.explainer },
    ...(nats && { bus: nats.bus }),
    clusterName: config.cluster,
    idValidator: await idValidator({
      url: config.idValidatorUrl || null,
      dataDir: config.dataDir,
      rosterSize: config.rosterSize,
      stores,
      log: logs.of('infra'),
    }),
    clock,
    wallMs: clock.wallMs,
    log: logs.of('gateway'),
    metrics,
    tracer: tracing.tracer,
    signingKeys: () => keys.signingKeys,
    tokenTtlS: config.accessTokenTtlS,
    host: config.host,
    restPort: config.restPort,
    realtimePort: config.realtimePort,
    adminPort: config.adminPort,
    probePort: config.probePort,
    origins: config.allowedOrigins,
    connectionsPerAddress: config.connectionsPerAddress,
    handshakesPerS: config.handshakeRate,
    ...(config.tlsCert !== '' && { tls: { cert: config.tlsCert, key: config.tlsKey } }),
    trustedProxyHops: config.trustedProxyHops,
    rates: ratesOf(config),
    serving: () => joined && node.coordinator.serving(),
    // A database that is away does not close the door: positions go on, and a retry is told in each answer.
    notReady: () => [
      ...(fenced ? ['fenced'] : []),
      ...(joined ? [] : ['joining']),
      ...(nats && !nats.bus.connected ? ['not connected to NATS'] : []),
      ...(joined && !node.coordinator.serving() ? ['the lease is over'] : []),
    ],
    ...(nats && {
      elsewhere: () => {
        const others = othersIn(view());
        return view().nodes.flatMap(one => (one.url && others.includes(one.node) ? [one.url] : []));
      },
    }),
    cluster: view,
    regions: () => regionsView(regions, hot),
    drain: () => departure.drain(),
    exposeMetrics: () => {
      for (const kind of ACTOR_KINDS) metrics.gauge('heyblue_actors', node.system.count(kind), { kind });
      const people = node.system.countByStanding('user');
      for (const presence of PRESENCE_STATES)
        metrics.gauge('rt_sessions_by_presence', people.get(presence) ?? 0, { presence });
      metrics.gauge('rt_attached', node.system.countSessions('user'));
      metrics.gauge('heyblue_timers_armed', node.system.wheel.armed);
      if (nats) metrics.gauge('heyblue_nats_subscriptions', nats.subscriptions);
      metrics.gauge('heyblue_route_bytes', node.router?.waitingBytes ?? 0);
      return metrics.expose();
    },
    // as when memory is short: a collection of the usual kind leaves old code and what only a second one can free
    ...(config.adminGc === 1 && {
      collectGarbage: () => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
    }),
  });

  let ref = '';
  node = createNode({
    nodeId,
    gatewayId,
    version,
    weight: config.nodeWeight,
    url: config.publicUrl,
    behaviours: {
      user: userBehaviour(
        meeting.now,
        qrKeysOf(keys, () => clock.nowMs()),
        () => stores.atlas.fences,
        () => regions,
      ),
      region: regionBehaviour(
        () => meeting.now().proximity,
        rules.fraud,
        null,
        () => regions,
      ),
      area: areaBehaviour(rules.area),
      pair: pairBehaviour(rules),
      offer: offerBehaviour(),
      budget: budgetBehaviour(),
    },
    commitStore: stores.commitStore,
    queryStore: stores.queryStore,
    rules: business.port,
    epochStore: stores.epochStore,
    noteStore: stores.noteStore,
    sink: gateway.sink,
    clock,
    scheduler,
    random,
    log,
    metrics,
    tracer: tracing.tracer,
    sampler,
    verifier: new Verifying({
      location,
      directory: stores.directory,
      ipv4Of: userId => gateway.ipv4Of(userId),
      log,
      metrics,
    }),
    regionServed: (id, tookMs) => hot.served(id, tookMs),
    cluster: nats && { bus: nats.bus, kv: nats.kv, reconnect: () => nats.reconnect() },
    onCommitted: () => stores.outbox.poke(),
    onFenced: () => {
      fenced = true;
      void departure.end('another node took over this database', 1);
    },
    onRouted: shards => {
      const { coordinator } = node;
      gateway.ownersChanged(shards, shard => coordinator.ownerOf(shard)?.epoch ?? null);
      // Others took us for dead and let go of our phones; under a new name we ask for them again.
      if (ref !== '' && ref !== coordinator.ref) gateway.reachableAgain();
      ref = coordinator.ref;
    },
  });
  nats?.bus.watchConnection(connected => {
    if (connected) gateway.reachableAgain();
  });
  const publishing = followShards(stores.outbox, node.coordinator, scheduler);
  const archive = new ArchiveThread({
    place: archivePlace(config),
    kinesisEndpoint,
    flushBytes: config.archiveFlushMb * 1_000_000,
    flushMs: config.archiveFlushS * 1_000,
    log: logs.of('infra'),
    metrics,
    scheduler,
  });
  const auditing = new AuditJob({
    ownerUrl: databaseUrl,
    appUrl: stores.url,
    auditUrl: config.databaseAuditUrl,
    stores: {
      dynamodb: { endpoint: dynamodbEndpoint, ...aws },
      kinesis: { endpoint: kinesisEndpoint, ...aws },
      archive: config.archive === 'on' ? archiveOf(config) : null,
    },
    cooldownS: rules.cooldownS,
    archiveBoundS: archiveBoundS(config),
    intervalMs: config.auditMinutes * 60_000,
    wallMs: clock.wallMs,
    coordinator: node.coordinator,
    scheduler,
    log: logs.of('infra'),
    metrics,
  });
  const circles = new PlaceCircles({
    location,
    fences: () => stores.atlas.fences,
    // circles in memory are each node's own
    leads: () => config.locationProvider === 'memory' || node.coordinator.epochOf(CIRCLES_SHARD) !== null,
    clock,
    scheduler,
    log: logs.of('infra'),
  });
  const archiving = config.archive === 'on' ? followOwned(archive, node.coordinator, scheduler) : null;

  departure = new Departure({
    doors: gateway,
    metrics,
    view,
    drain: () => node.drain(),
    stop: async budgetMs => {
      await node.stop(budgetMs);
      publishing.stop();
      circles.stop();
      hot.stop();
      regions.stop();
      archiving?.stop();
    },
    close: async budgetMs => {
      meeting.stop();
      await business.stop();
      keys.stop();
      time.stop();
      ruleStore.close();
      await Promise.all([
        stores.close(budgetMs),
        archive.close(budgetMs),
        auditing.close(),
        tracing.close(budgetMs),
        location.close(budgetMs),
        nats?.close(),
      ]);
    },
    exit: code => {
      logs.flush();
      process.exit(code);
    },
    clock,
    scheduler,
    log,
  });
  heedEnds(departure, log);

  const ports = await gateway.start();
  await following;
  const taken = Promise.withResolvers<never>();
  const named = watchName(node.coordinator, scheduler, other => {
    const sentence = `Another node runs as ${nodeId} (${other}): give each its own HEYBLUE_NODE_ID.`;
    taken.reject(new CannotStart(sentence));
  });
  await regions.start();
  await Promise.race([node.start(), taken.promise]);
  named();
  publishing.check();
  circles.start();
  joined = true;
  // without it what is divided stays so
  if (config.hotRegions === 'on') hot.start();
  log.info({ ...ports, ref: node.coordinator.ref, version }, 'serving');
  process.send?.(readyOf(config, ports));
}

/** What the parent hears of a node that serves: where, and what people may do next. */
function readyOf(config: Config, { restPort, realtimePort, adminPort }: Ports): object {
  const host = config.host === '0.0.0.0' ? '127.0.0.1' : config.host;
  const secure = config.tlsCert === '' ? '' : 's';
  const urls = {
    rest: `http${secure}://${host}:${restPort}`,
    realtime: `ws${secure}://${host}:${realtimePort}${REALTIME_PATH}`,
    admin: `http://127.0.0.1:${adminPort}`,
  };
  const summary = [
    `REST and documents  ${urls.rest}/docs`,
    `Realtime            ${urls.realtime}`,
    `Health and metrics  ${urls.admin}/readyz  ${urls.admin}/metrics`,
    `Badge numbers       ${config.dataDir}/roster.txt`,
    '',
    'Try next: npm run demo (a minute of town life), or the five minutes in README.md.',
  ];
  return { type: 'ready', urls, summary };
}

main().catch(error => {
  const sentence =
    error instanceof CannotStart ||
    error instanceof PortInUse ||
    error instanceof HostUnknown ||
    error instanceof TlsUnusable ||
    error instanceof NatsFailure ||
    error instanceof ServiceFileUnusable ||
    error?.name === 'StoreUnavailable'
      ? error.message
      : `The node could not start: ${error?.stack ?? error}`;
  if (process.send) process.send({ type: 'failed', message: sentence }, () => process.exit(1));
  else {
    console.error(sentence);
    process.exit(1);
  }
});
