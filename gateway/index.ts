/**
 * How people reach the town: REST and documents on one port, the realtime socket on a second, health and metrics on a
 * third. The composition root makes one gateway, gives its `sink` to the user actors, starts and stops it.
 */
import { randomFillSync } from 'node:crypto';
import type { UserMessage } from '../nodes/gatewayPort.ts';
import type { PushSink } from '../nodes/ports.ts';
import { bytesToUuid } from '../protocol/ids.ts';
import { type Admin, startAdmin } from './admin.ts';
import { DeviceMoves } from './auth/deviceMoves.ts';
import { createPasswords } from './auth/passwords.ts';
import { createTokens } from './auth/tokens.ts';
import { assertLimits, LIMITS, RATES } from './limits.ts';
import type { GatewayOptions } from './options.ts';
import { listenProblem } from './portInUse.ts';
import { createRest, type Rest } from './rest/app.ts';
import type { Session } from './session.ts';
import { Sessions } from './sessions.ts';
import type { Transport } from './transport.ts';
import { uwsTransport } from './uws.ts';

export type { SigningKey } from './auth/tokens.ts';
export { LIMITS, RATES, type Rates } from './limits.ts';
export type { GatewayOptions } from './options.ts';
export { HostUnknown, PortInUse } from './portInUse.ts';

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
   * Not ready any more, no new sockets, GOAWAY; sessions may finish what they began until `graceMs` are over, then they
   * are closed with 1012. The admin port closes last.
   */
  stop(graceMs: number): Promise<void>;
}

export const REALTIME_PATH = '/v1/ws';

export const createGateway = (options: GatewayOptions): Gateway => {
  assertLimits();
  const wallMs = options.wallMs ?? Date.now;
  const rates = options.rates === undefined ? RATES : options.rates;
  const { gatewayId, door, clock, log, metrics, origins, trustedProxyHops, exposeMetrics } = options;
  const tokens = createTokens(options.signingKeys, options.tokenTtlS, wallMs);
  const moves = new DeviceMoves(options.tokenTtlS * 1_000, wallMs());
  const id = new Uint8Array(16);
  const sessions = new Sessions({
    gatewayId,
    door,
    clock,
    log,
    metrics,
    tokens,
    moves,
    rates: rates?.session ?? null,
    origins,
    connectionsPerAddress: options.connectionsPerAddress,
    wallMs,
    randomId: () => bytesToUuid(randomFillSync(id)),
  });
  const transport: Transport = uwsTransport<Session>(
    { path: REALTIME_PATH, setting: 'HEYBLUE_REALTIME_PORT', trustedProxyHops, log },
    sessions,
  );
  let phase: 'starting' | 'serving' | 'stopping' = 'starting';
  let rest: Rest | null = null;
  let admin: Admin | null = null;
  let sweeping: NodeJS.Timeout | null = null;

  const openRest = async (): Promise<number> => {
    rest = await createRest({
      door,
      directory: options.directory,
      idValidator: options.idValidator,
      tokens,
      moves,
      passwords: createPasswords(),
      log,
      rates: rates?.rest ?? null,
      origins,
      trustedProxyHops,
      wallMs,
      onDeviceMoved: (userId, deviceId) => {
        sessions.endOthers(userId, deviceId);
        const message: UserMessage = { type: 'deviceMoved', deviceId };
        door.tell({ kind: 'user', id: userId }, message);
      },
    });
    try {
      await rest.listen({ host: options.host, port: options.restPort });
    } catch (error) {
      throw listenProblem(error, options.host, options.restPort, 'HEYBLUE_REST_PORT');
    }
    return (rest.server.address() as { port: number }).port;
  };

  const closeAll = async (): Promise<void> => {
    if (sweeping !== null) clearInterval(sweeping);
    transport.close();
    await rest?.close();
    await admin?.close();
  };

  return {
    sink: sessions,
    start: async () => {
      try {
        admin = await startAdmin({
          port: options.adminPort,
          notReady: () => (phase === 'serving' ? (options.notReady?.() ?? []) : [phase]),
          started: () => phase !== 'starting',
          ...(exposeMetrics && {
            exposeMetrics: () => {
              sessions.tally.flush(sessions.size);
              return exposeMetrics();
            },
          }),
          ...(options.collectGarbage && { collectGarbage: options.collectGarbage }),
        });
        const restPort = await openRest();
        const realtimePort = await transport.listen(options.host, options.realtimePort);
        sweeping = setInterval(() => sessions.sweep(), LIMITS.sweepMs);
        phase = 'serving';
        return { restPort, realtimePort, adminPort: admin.port };
      } catch (error) {
        await closeAll();
        throw error;
      }
    },
    stop: async graceMs => {
      phase = 'stopping';
      transport.stopListening();
      sessions.sayGoodbye(graceMs);
      const pauseMs = 25;
      for (let leftMs = graceMs; leftMs > 0 && sessions.size > 0; leftMs -= pauseMs) {
        await new Promise(resolve => setTimeout(resolve, pauseMs));
      }
      sessions.closeAll();
      // Close frames leave in this turn of the event loop; what has not closed by the next one is cut.
      await new Promise(resolve => setTimeout(resolve, pauseMs));
      await closeAll();
    },
  };
};
