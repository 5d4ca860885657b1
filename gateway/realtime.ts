/** What the realtime side needs, and what its files share: prepared rates, shared answers, small rules. */
import type { DeviceBook } from '../nodes/devicePort.ts';
import type { ActorDoor } from '../nodes/gatewayPort.ts';
import type { Clock, Log, Metrics, Tracer } from '../nodes/ports.ts';
import { ERROR, type Refusal, refuse } from '../protocol/errors.ts';
import { encodeError } from '../protocol/messages.ts';
import type { Admission } from './admission.ts';
import type { Again } from './again.ts';
import type { AttachQueue } from './attachQueue.ts';
import type { Tokens } from './auth/tokens.ts';
import type { Delivery } from './delivery.ts';
import type { SessionRates } from './limits.ts';
import type { Spending } from './meters.ts';
import type { RoundTrips } from './operator/roundTrips.ts';
import type { Revocations } from './revocations.ts';
import type { Session } from './session.ts';
import type { SessionIds } from './sessionIds.ts';
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
  /** Which tokens are no good any more. */
  readonly revocations: Pick<Revocations, 'covers'>;
  /** Null switches rate limits off, for benchmarks and replays. */
  readonly rates: SessionRates | null;
  /** Web origins that may connect (`origins.ts`). Apps that are not web pages send none, or ours, and are let in. */
  readonly origins: readonly string[];
  /** Sockets that one address may hold; its other bounds follow from it (limits.ts). */
  readonly connectionsPerAddress: number;
  /** Handshakes a second that this gateway takes. Default 1,000. */
  readonly handshakesPerS?: number;
  /** Proxies in front whose X-Forwarded-For is believed. Default 0. */
  readonly trustedProxyHops?: number;
  /** Unix milliseconds of the real clock, for tokens. */
  readonly wallMs: () => number;
  readonly sessionIds: SessionIds;
  /** Its sockets speak TLS. */
  readonly secure?: boolean;
  /** Who is told of devices that come and go; absent: nobody. */
  readonly devices?: Pick<DeviceBook, 'saw'>;
  /** Realtime addresses of the other nodes, for phones that must go. Default: none. */
  readonly elsewhere?: () => readonly string[];
  /** False while this node is cut off from the others and may ask nobody's actor. Default: it never is. */
  readonly serving?: () => boolean;
}

/** What a frame can reach while it is handled. */
export interface Hub {
  readonly options: RealtimeOptions;
  /** Null: nothing is limited. */
  readonly spending: Spending | null;
  readonly admission: Admission;
  readonly attaches: AttachQueue<Session>;
  readonly tally: Tally;
  readonly delivery: Delivery;
  readonly again: Again;
  readonly roundTrips: RoundTrips;
  /** The name of an app, kept once for all phones that have it. */
  appOf(name: string): string;
  /** The device of this session is here. */
  saw(session: Session): void;
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
}

/** Answers command `cid`, or a frame without one when it is 0. */
export const sendError = (
  { tally, delivery }: Pick<Hub, 'tally' | 'delivery'>,
  session: Session,
  cid: number,
  refusal: Refusal,
): void => {
  tally.told('error');
  delivery.say(session, encodeError(cid, refusal));
};

/** What a client may know of a bug of ours. */
export const INTERNAL = refuse(ERROR.internal, 'something went wrong on our side');
