/** What the realtime side needs, and what its files share: prepared rates, shared answers, small rules. */
import type { ActorDoor } from '../nodes/gatewayPort.ts';
import type { Clock, Log, Metrics, Tracer } from '../nodes/ports.ts';
import { ERROR, type Refusal, refuse } from '../protocol/errors.ts';
import { encodeError } from '../protocol/messages.ts';
import type { DeviceMoves } from './auth/deviceMoves.ts';
import type { Tokens } from './auth/tokens.ts';
import type { SessionRates } from './limits.ts';
import { type Bucket, bucket } from './rate.ts';
import type { Session } from './session.ts';
import type { Tally } from './tally.ts';

export interface RealtimeOptions {
  /** Name of this gateway in every `SessionRef`. */
  readonly gatewayId: string;
  readonly door: ActorDoor;
  /** Town clock for WELCOME; monotonic clock for deadlines. */
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Begins the trace of each command; absent: nobody follows them. */
  readonly tracer?: Tracer;
  readonly tokens: Tokens;
  readonly moves: DeviceMoves;
  /** Null switches rate limits off, for benchmarks and replays. */
  readonly rates: SessionRates | null;
  /** Web origins that may connect; `*` is every one. Apps that are not web pages send none and are let in. */
  readonly origins: readonly string[];
  readonly connectionsPerAddress: number;
  /** Unix milliseconds of the real clock, for tokens. */
  readonly wallMs: () => number;
  /** Sixteen random bytes as UUID text. */
  readonly randomId: () => string;
  /** Realtime addresses of the other nodes, for phones that must go. Default: none. */
  readonly elsewhere?: () => readonly string[];
}

export type Buckets = { readonly [K in keyof SessionRates]: Bucket };

/** What a frame can reach while it is handled. */
export interface Hub {
  readonly options: RealtimeOptions;
  readonly buckets: Buckets | null;
  readonly tally: Tally;
  /** Rises with every attach, also over restarts. */
  nextConnSeq(): number;
  /** Makes a verified session reachable for pushes, under its present name. */
  register(session: Session): void;
  unregister(session: Session): void;
  /** Asks its actor again at this monotonic time. */
  attachAt(session: Session, atMs: number): void;
  /** Open sockets. */
  readonly size: number;
  /** This gateway stops: nobody comes in any more. */
  readonly leaving: boolean;
  /** Ends a session in which something was thrown. */
  broken(session: Session, error: unknown): void;
  /** Sessions whose actor was asked and has not answered. */
  attaching: number;
}

export const prepare = (rates: SessionRates | null): Buckets | null =>
  rates && {
    location: bucket(rates.location),
    command: bucket(rates.command),
    auth: bucket(rates.auth),
    qr: bucket(rates.qr),
    other: bucket(rates.other),
  };

/** Answers command `cid`, or a frame without one when it is 0. */
export const sendError = (session: Session, cid: number, refusal: Refusal): void =>
  session.send(encodeError(cid, refusal));

/** What a client may know of a bug of ours. */
export const INTERNAL = refuse(ERROR.internal, 'something went wrong on our side');
