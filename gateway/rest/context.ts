/** What the routes share. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DeviceBook } from '../../nodes/devicePort.ts';
import type { ActorDoor } from '../../nodes/gatewayPort.ts';
import type { GivingStore } from '../../nodes/givingPort.ts';
import type { MarketBook } from '../../nodes/marketPort.ts';
import type { Persons } from '../../nodes/personPort.ts';
import type { PlaceStore } from '../../nodes/placesPort.ts';
import type {
  AuditLog,
  Credential,
  Directory,
  IdValidator,
  Log,
  Metrics,
  Tracer,
} from '../../nodes/ports.ts';
import type { RulesPort } from '../../nodes/rules/port.ts';
import type { Explainer } from '../../nodes/rulesPort.ts';
import type { UsersDomain } from '../../nodes/usersDomainPort.ts';
import type { Result } from '../../protocol/errors.ts';
import { askActor } from '../askActor.ts';
import { identify, type Verifier } from '../auth/identify.ts';
import type { Passwords } from '../auth/passwords.ts';
import type { Services } from '../auth/services.ts';
import type { Identity, ServiceTokens, Tokens } from '../auth/tokens.ts';
import type { RestRates } from '../limits.ts';
import type { Revocations } from '../revocations.ts';
import type { TlsPair } from '../tls.ts';
import { refused } from './errors.ts';
import { traceOf } from './trace.ts';

export interface RestOptions {
  /** Explains movements; absent: nobody does. */
  readonly explainer?: Explainer;
  /** Says which entry a correction takes back; absent: nobody knows. */
  readonly auditLog?: Pick<AuditLog, 'newest'>;
  readonly door: ActorDoor;
  readonly directory: Directory;
  readonly idValidator: IdValidator;
  /** Who may receive points and what can be paid with them; absent: nobody and nothing. */
  readonly giving?: GivingStore;
  /** All that is kept of one person; absent: nobody asks. */
  readonly persons?: Persons;
  /** What the streams told of people; absent: nobody asks. */
  readonly usersDomain?: UsersDomain;
  /** Accounts of machines; absent: there are none. */
  readonly services?: Services;
  /** What rules say, for machines that ask what would be; absent: nobody knows. */
  readonly scoring?: RulesPort;
  /** Which devices were seen; absent: none. */
  readonly devices?: Pick<DeviceBook, 'devices'>;
  /** Lists and reports of the market; absent: there is no market. */
  readonly market?: MarketBook;
  /** Where offers may be handed over; absent: nowhere in particular. */
  readonly places?: Pick<PlaceStore, 'place'>;
  readonly tokens: Tokens & ServiceTokens;
  /** Which tokens are no good any more. */
  readonly revocations: Pick<Revocations, 'covers' | 'user' | 'token' | 'again' | 'isUnstored'>;
  readonly passwords: Passwords;
  readonly log: Log;
  /** Where requests are counted; absent: nowhere. */
  readonly metrics?: Metrics;
  /** Begins the trace of each request; absent: nobody follows them. */
  readonly tracer?: Tracer;
  /** Null switches rate limits off. */
  readonly rates: RestRates | null;
  readonly origins: readonly string[];
  readonly trustedProxyHops: number;
  /** Speaks TLS 1.3 with this; absent: plain. */
  readonly tls?: TlsPair;
  /** Unix milliseconds of the real clock. */
  readonly wallMs: () => number;
  /** An account lives on another device now: its actor is to hear of it. */
  readonly onDeviceMoved: (userId: string, deviceId: string) => void;
}

/** Whether the account is linked to this device. */
export const livesOn = (
  account: Pick<Credential, 'deviceId' | 'otherDevices'> | null,
  deviceId: string,
): boolean => account !== null && (account.deviceId === deviceId || account.otherDevices.includes(deviceId));

/** Who calls, by the bearer token. */
export const identityOf = (options: Verifier, request: FastifyRequest): Promise<Result<Identity>> =>
  identify(options, request.headers.authorization);

/** Routes that need a token: the answer is the identity, or null when the reply has been sent. */
export const requireIdentity = async (
  options: Verifier,
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
  askActor(options.door, { kind: 'user', id: userId }, message, { trace: traceOf(request) });
