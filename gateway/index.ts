/**
 * How people reach the town: REST and documents on one port, the realtime socket on a second, health and metrics on a
 * third. The composition root makes one gateway, gives its `sink` to the user actors, starts and stops it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Server as TlsServer } from 'node:tls';
import type { ActorDoor } from '../nodes/gatewayPort.ts';
import type { PushSink } from '../nodes/ports.ts';
import { ERROR, refuse } from '../protocol/errors.ts';
import { type Admin, type AdminOptions, startAdmin, startProbes } from './admin.ts';
import { createPasswords } from './auth/passwords.ts';
import { Services } from './auth/services.ts';
import { tellMoved } from './auth/tellMoved.ts';
import { createTokens } from './auth/tokens.ts';
import { BusLag } from './busLag.ts';
import { assertIdleTimeout } from './heartbeat.ts';
import { assertLimits, LIMITS, RATES } from './limits.ts';
import { LoopDelay } from './loopDelay.ts';
import { operatorSubject } from './operator/inquiry.ts';
import { assertOperatorLimits } from './operator/limits.ts';
import { Office } from './operator/office.ts';
import type { GatewayOptions } from './options.ts';
import { listenProblem } from './portInUse.ts';
import { createRest, type Rest } from './rest/app.ts';
import { Revocations, revocationSubject } from './revocations.ts';
import type { Session } from './session.ts';
import { createSessionIds } from './sessionIds.ts';
import { Sessions } from './sessions.ts';
import { readPair, TLS_VERSION_MIN, type TlsPair, TlsWatch } from './tls.ts';
import type { Transport } from './transport.ts';
import { uwsTransport } from './uws.ts';

export type { SigningKey } from './auth/tokens.ts';
export { LIMITS, RATES, type Rates } from './limits.ts';
export type { GatewayOptions } from './options.ts';
export { HostUnknown, PortInUse } from './portInUse.ts';
export { TlsUnusable } from './tls.ts';

export interface Ports {
  readonly restPort: number;
  readonly realtimePort: number;
  readonly adminPort: number;
}

export interface Gateway {
  /** For the runtime: pushes and closes of user actors. */
  readonly sink: PushSink;
  /** Opens the three ports. Rejects with {@link PortInUse} or {@link HostUnknown}; nothing is left open then. */
  start(): Promise<Ports>;
  /**
   * Owners of these shards changed, for each with the epoch that counts now: sessions of their users are asked for, so
   * that a phone whose actor was lost finds out although it says nothing.
   */
  ownersChanged(shards: readonly number[], epochOf: (shard: number) => number | null): void;
  /** This node was not to be reached for a while: any actor elsewhere may have let go of its sessions here. */
  reachableAgain(): void;
  /** Network that a person's phone calls from, wherever its socket hangs: dotted IPv4; null when none is known. */
  ipv4Of(userId: string): Promise<string | null>;
  /** Not ready any more and no new sockets; the open ones stay. */
  leave(): void;
  /**
   * Sends every phone to the `others`, no faster than they can welcome them, and waits, at most `graceMs` and not once it
   * is stopped, until they have gone; how many have not.
   */
  sendAway(graceMs: number, others: number, handingOver?: () => boolean): Promise<number>;
  /**
   * Not ready any more, no new sockets, GOAWAY; sessions may finish what they began until `graceMs` are over, then they
   * are closed with 1012. The admin port closes last.
   */
  stop(graceMs: number): Promise<void>;
}

export const REALTIME_PATH = '/v1/ws';

const PAUSE_MS = 25;

const cutOff = refuse(ERROR.unavailable, 'this node is cut off from the others, try again', 1_000);

/** Asks are answered at once while nobody may be asked: 503 now is better than 504 in three seconds. */
const doorWhile = (serving: () => boolean, door: ActorDoor): ActorDoor => ({
  ask: (to, message, done, options) => (serving() ? door.ask(to, message, done, options) : done(cutOff)),
  tell: (to, message, options) => door.tell(to, message, options),
  behind: () => door.behind?.() === true,
});

/** Composes the gateway; no port is open before `start`. */
export const createGateway = (options: GatewayOptions): Gateway => {
  assertLimits();
  assertOperatorLimits();
  const wallMs = options.wallMs ?? Date.now;
  const rates = options.rates === undefined ? RATES : options.rates;
  const { gatewayId, clock, log, metrics, origins, trustedProxyHops, exposeMetrics } = options;
  const door = options.serving ? doorWhile(options.serving, options.door) : options.door;
  const revocations = new Revocations({
    store: options.revocationStore,
    bus: options.bus ?? null,
    subject: revocationSubject(options.clusterName ?? 'heyblue'),
    tokenLifeMs: options.tokenTtlS * 1_000,
    wallMs,
    log,
    metrics,
  });
  const tokens = createTokens(options.signingKeys, options.tokenTtlS, wallMs, (userId, deviceId) =>
    revocations.issuedUntilMs(userId, deviceId),
  );
  const sessions = new Sessions({
    gatewayId,
    door,
    clock,
    log,
    metrics,
    tokens,
    revocations,
    rates: rates?.session ?? null,
    origins,
    connectionsPerAddress: options.connectionsPerAddress,
    wallMs,
    sessionIds: createSessionIds(options.signingKeys),
    trustedProxyHops,
    ...(options.handshakesPerS !== undefined && { handshakesPerS: options.handshakesPerS }),
    ...(options.tracer && { tracer: options.tracer }),
    ...(options.elsewhere && { elsewhere: options.elsewhere }),
    ...(options.serving && { serving: options.serving }),
    secure: options.tls !== undefined,
    ...(options.devices && { devices: options.devices }),
  });
  const passwords = createPasswords();
  const office = new Office({ options: { ...options, door }, sessions, tokens, revocations, passwords });
  const { tls, idleTimeoutS } = options;
  if (idleTimeoutS !== undefined) assertIdleTimeout(idleTimeoutS);
  const pair = tls ? readPair(tls, wallMs()) : null;
  const transport: Transport = uwsTransport<Session>(
    {
      path: REALTIME_PATH,
      setting: 'HEYBLUE_REALTIME_PORT',
      trustedProxyHops,
      log,
      ...(tls && { tls }),
      ...(idleTimeoutS !== undefined && { idleTimeoutS }),
    },
    sessions,
  );
  const renewed = (fresh: TlsPair): void => {
    transport.renew?.();
    (rest?.server as TlsServer | undefined)?.setSecureContext({ ...fresh, minVersion: TLS_VERSION_MIN });
  };
  const watch = tls && pair && new TlsWatch(tls, pair, renewed, { log, wallMs });
  const epochs = new Map<number, number>();
  let phase: 'starting' | 'serving' | 'draining' | 'stopping' = 'starting';
  let rest: Rest | null = null;
  let admin: Admin | null = null;
  let probes: Admin | null = null;
  let busLag: BusLag | null = null;
  const sweeping: NodeJS.Timeout[] = [];

  const openRest = async (): Promise<number> => {
    rest = await createRest({
      door,
      directory: options.directory,
      ...(options.devices && { devices: options.devices }),
      ...(options.market && { market: options.market }),
      ...(options.places && { places: options.places.store }),
      ...(options.giving && { giving: options.giving }),
      ...(options.persons && { persons: options.persons }),
      ...(options.domain && { usersDomain: options.domain.users }),
      ...(options.services && { services: new Services(options.services) }),
      ...(options.scoring && { scoring: options.scoring }),
      ...(options.rules && { explainer: options.rules.explainer }),
      ...(options.auditLog && { auditLog: options.auditLog }),
      idValidator: options.idValidator,
      tokens,
      revocations,
      passwords,
      log,
      metrics,
      ...(options.tracer && { tracer: options.tracer }),
      rates: rates?.rest ?? null,
      origins,
      trustedProxyHops,
      wallMs,
      ...(pair && { tls: pair }),
      onDeviceMoved: (userId, deviceId) => tellMoved(door, userId, deviceId),
    });
    try {
      await rest.listen({ host: options.host, port: options.restPort });
    } catch (error) {
      throw listenProblem(error, options.host, options.restPort, 'HEYBLUE_REST_PORT');
    }
    return (rest.server.address() as { port: number }).port;
  };

  const closeAll = async (): Promise<void> => {
    for (const timer of sweeping) clearInterval(timer);
    revocations.stop();
    office.stop();
    busLag?.stop();
    watch?.stop();
    transport.close();
    await rest?.close();
    await Promise.all([admin?.close(), probes?.close()]);
  };

  /** Until nobody is left, it is too late, or `going` says so. */
  const gone = async (graceMs: number, going: () => boolean): Promise<number> => {
    const untilMs = clock.monotonicMs() + graceMs;
    while (sessions.drainOn() > 0 && clock.monotonicMs() < untilMs && going()) await pause(PAUSE_MS);
    return sessions.size;
  };

  return {
    sink: sessions,
    start: async () => {
      try {
        const watched: AdminOptions = {
          port: options.adminPort,
          notReady: () => (phase === 'serving' ? (options.notReady?.() ?? []) : [phase]),
          started: () => phase !== 'starting',
          ...(exposeMetrics && {
            exposeMetrics: () => {
              sessions.beforeExposure();
              return exposeMetrics();
            },
          }),
        };
        admin = await startAdmin({
          ...watched,
          ...(options.collectGarbage && { collectGarbage: options.collectGarbage }),
          ...(options.cluster && { cluster: options.cluster }),
          ...(options.regions && { regions: options.regions }),
          operators: request => office.handle(request),
        });
        const { host, probePort = 0 } = options;
        if (probePort !== 0) probes = await startProbes({ ...watched, host, port: probePort });
        // A node that does not know what was revoked lets nobody in.
        await revocations.start();
        office.start();
        if (options.bus) {
          const subject = `${operatorSubject(options.clusterName ?? 'heyblue')}.${gatewayId}.lag`;
          busLag = new BusLag({ bus: options.bus, subject, clock, metrics });
          sweeping.push(setInterval(() => busLag?.say(), LIMITS.sampleMs));
        }
        revocations.onChange(() => sessions.endRevoked());
        const restPort = await openRest();
        const realtimePort = await transport.listen(options.host, options.realtimePort);
        watch?.start();
        sweeping.push(setInterval(() => sessions.sweep(), LIMITS.sweepMs));
        sweeping.push(setInterval(() => sessions.measure(), LIMITS.sampleMs));
        const loopDelay = new LoopDelay(clock, metrics, LIMITS.flushMs);
        sweeping.push(setInterval(() => loopDelay.tick(), LIMITS.flushMs));
        sweeping.push(setInterval(() => sessions.tick(), LIMITS.flushMs));
        sweeping.push(setInterval(() => sessions.attachAgain(), LIMITS.attachRetryMs));
        sweeping.push(setInterval(() => sessions.admission.sweep(clock.monotonicMs()), LIMITS.meterSweepMs));
        phase = 'serving';
        return { restPort, realtimePort, adminPort: admin.port };
      } catch (error) {
        await closeAll();
        throw error;
      }
    },
    ownersChanged: (shards, epochOf) => {
      const changed = new Set<number>();
      for (const shard of shards) {
        const epoch = epochOf(shard);
        if (epoch === null || epochs.get(shard) === epoch) continue;
        epochs.set(shard, epoch);
        changed.add(shard);
      }
      if (changed.size > 0) sessions.probe(changed);
    },
    reachableAgain: () => sessions.probe(null),
    ipv4Of: userId => office.ipv4Of(userId),
    leave: () => {
      if (phase === 'serving') phase = 'draining';
      sessions.leave();
    },
    sendAway: (graceMs, others, handingOver) => {
      sessions.beginDrain(graceMs, others, handingOver);
      return gone(graceMs, () => phase !== 'stopping');
    },
    stop: async graceMs => {
      phase = 'stopping';
      transport.stopListening();
      sessions.sayGoodbye(graceMs);
      await gone(graceMs, () => true);
      while (sessions.closeSome() > 0) await pause(PAUSE_MS);
      // Close frames leave in this turn of the event loop; what has not closed by the next one is cut.
      await pause(PAUSE_MS);
      await closeAll();
    },
  };
};
