/** Everything that the doors are told when they are made. The composition root fills it in; nothing here has I/O. */

import type { DeadLetters } from '../nodes/deadLetterPort.ts';
import type { Drained } from '../nodes/departure.ts';
import type { DeviceBook } from '../nodes/devicePort.ts';
import type { ActorDoor } from '../nodes/gatewayPort.ts';
import type { GivingStore } from '../nodes/givingPort.ts';
import type { MarketBook } from '../nodes/marketPort.ts';
import type { Persons } from '../nodes/personPort.ts';
import type { AreaReader, PlaceStore } from '../nodes/placesPort.ts';
import type {
  AuditLog,
  Bus,
  Clock,
  ClusterView,
  Directory,
  IdValidator,
  Log,
  Metrics,
  RevocationStore,
  Tracer,
} from '../nodes/ports.ts';
import type { RulesPort } from '../nodes/rules/port.ts';
import type { Explainer, RuleKeeper } from '../nodes/rulesPort.ts';
import type { UsersDomain } from '../nodes/usersDomainPort.ts';
import type { ServiceAccount } from './auth/services.ts';
import type { SigningKeys } from './auth/tokens.ts';
import type { Rates } from './limits.ts';
import type { TlsFiles } from './tls.ts';

export interface GatewayOptions {
  /** Name of this gateway in every `SessionRef`: the node's name. */
  readonly gatewayId: string;
  readonly door: ActorDoor;
  readonly directory: Directory;
  readonly idValidator: IdValidator;
  /** Lists and reports of the market; absent: there is no market. */
  readonly market?: MarketBook;
  /** Where devices that were seen are kept; absent: nowhere. */
  readonly devices?: DeviceBook;
  /** Where revoked tokens are kept for every node. */
  readonly revocationStore: RevocationStore;
  /** Where accesses of operators are written; absent: nobody may look at people. */
  readonly auditLog?: AuditLog;
  /** Zip codes and places, for operators; absent: nobody may load them. */
  readonly places?: { readonly store: PlaceStore; readonly readAreas: AreaReader };
  /** Who may receive points and what can be paid with them; absent: nobody and nothing. */
  readonly giving?: GivingStore;
  /** What the streams told of people; absent: nobody asks. */
  readonly domain?: { readonly users: UsersDomain; readonly deadLetters: DeadLetters };
  /** All that is kept of one person; absent: nobody is shown a copy or erased. */
  readonly persons?: Persons;
  /** Accounts of machines; absent: there are none. */
  readonly services?: readonly ServiceAccount[];
  /** What rules say, for machines that ask what would be; absent: nobody knows. */
  readonly scoring?: RulesPort;
  /** The business rules, for operators and for who asks why points moved; absent: nobody may. */
  readonly rules?: { readonly keeper: RuleKeeper; readonly explainer: Explainer };
  /** The way to the other gateways; absent for a node that is alone. */
  readonly bus?: Bus;
  /** Name of the cluster: several may use the same bus. Default `heyblue`. */
  readonly clusterName?: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Begins the trace of each command and request; absent: nobody follows them. */
  readonly tracer?: Tracer;
  /** The first signs, all verify; a function where they change while the node runs. */
  readonly signingKeys: SigningKeys;
  /** Seconds that an access token lives. */
  readonly tokenTtlS: number;
  /** Address of the REST and realtime ports; the admin port listens on 127.0.0.1. Port 0 takes a free one. */
  readonly host: string;
  readonly restPort: number;
  readonly realtimePort: number;
  readonly adminPort: number;
  /** Port of the probes and metrics on `host`; 0 or absent: only the admin port has them. */
  readonly probePort?: number;
  /** Web origins that may call; `*` is every one, `loopback` those of the browser's own machine. */
  readonly origins: readonly string[];
  readonly connectionsPerAddress: number;
  /** Handshakes a second that this gateway takes, from everybody together. Default 1,000. */
  readonly handshakesPerS?: number;
  /** Files of the certificate and its key: REST and realtime speak TLS 1.3. Absent: plain, behind a proxy. */
  readonly tls?: TlsFiles;
  /** Seconds of silence after which a peer is given up, 8 to 960. Default 40, as promised; tests have less time. */
  readonly idleTimeoutS?: number;
  /** Proxies in front whose X-Forwarded-For is believed. */
  readonly trustedProxyHops: number;
  /** Null switches rate limits off, for benchmarks and replays. Default `RATES`. */
  readonly rates?: Rates | null;
  /** What keeps the node from serving, in words; empty when it serves. Default: nothing does. */
  readonly notReady?: () => readonly string[];
  /** False while this node is cut off from the others: nobody is asked then, and everybody told to try again. */
  readonly serving?: () => boolean;
  /** Realtime addresses of the other nodes, told to phones when this one stops. Absent: there never are others. */
  readonly elsewhere?: () => readonly string[];
  /** What `GET /admin/cluster` answers; absent it does not exist. */
  readonly cluster?: () => ClusterView;
  /** What `GET /admin/regions` answers: cells that are divided, and regions under load; absent it does not exist. */
  readonly regions?: () => object;
  /** What `POST /admin/drain` does; absent, or without an audit log, it does not exist. */
  readonly drain?: () => Promise<Drained>;
  /** What `/metrics` answers. */
  readonly exposeMetrics?: () => Promise<{ text: string; contentType: string }>;
  /** `POST /debug/gc` of the admin port, for memory benchmarks; absent it does not exist. */
  readonly collectGarbage?: () => void;
  /** Unix milliseconds of the real clock. Default `Date.now`. */
  readonly wallMs?: () => number;
}
