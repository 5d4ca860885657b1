/** What the routes share. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ActorDoor } from '../../nodes/gatewayPort.ts';
import type { Directory, IdValidator, Log, Tracer } from '../../nodes/ports.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import type { DeviceMoves } from '../auth/deviceMoves.ts';
import type { Passwords } from '../auth/passwords.ts';
import type { Identity, Tokens } from '../auth/tokens.ts';
import type { RestRates } from '../limits.ts';
import { LIMITS } from '../limits.ts';
import { reaching, refused } from './errors.ts';
import { traceOf } from './trace.ts';

export interface RestOptions {
  readonly door: ActorDoor;
  readonly directory: Directory;
  readonly idValidator: IdValidator;
  readonly tokens: Tokens;
  readonly moves: DeviceMoves;
  readonly passwords: Passwords;
  readonly log: Log;
  /** Begins the trace of each request; absent: nobody follows them. */
  readonly tracer?: Tracer;
  /** Null switches rate limits off. */
  readonly rates: RestRates | null;
  readonly origins: readonly string[];
  readonly trustedProxyHops: number;
  /** Unix milliseconds of the real clock. */
  readonly wallMs: () => number;
  /** An account lives on another device now: its sockets on other devices end. */
  readonly onDeviceMoved: (userId: string, deviceId: string) => void;
}

const movedAway = refuse(ERROR.unauthorized, 'the account moved to another device');

/** Who calls, by the bearer token. */
export const identityOf = async (
  options: RestOptions,
  request: FastifyRequest,
): Promise<Result<Identity>> => {
  const match = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(request.headers.authorization ?? '');
  if (match === null) return refuse(ERROR.unauthorized, 'an access token is required: Authorization: Bearer');
  const verified = await options.tokens.verify(match[1]!);
  if (!verified.ok) return verified;
  const { userId, deviceId, issuedAtMs } = verified.value;
  if (options.moves.left(userId, deviceId)) return movedAway;
  if (options.moves.covers(issuedAtMs)) return ok(verified.value);
  const known = await reaching(options.log, () => options.directory.credentialById(userId));
  if (!known.ok) return known;
  return known.value?.deviceId === deviceId ? ok(verified.value) : movedAway;
};

/** Routes that need a token: the answer is the identity, or null when the reply has been sent. */
export const requireIdentity = async (
  options: RestOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Identity | null> => {
  const identity = await identityOf(options, request);
  if (identity.ok) return identity.value;
  refused(reply, identity);
  return null;
};

/** Asks the actor of a person. */
export const askUser = <T>(
  options: RestOptions,
  request: FastifyRequest,
  userId: string,
  message: object,
): Promise<Result<T>> =>
  new Promise(resolve => {
    options.door.ask({ kind: 'user', id: userId }, message, result => resolve(result as Result<T>), {
      timeoutMs: LIMITS.commandMs,
      trace: traceOf(request),
    });
  });
