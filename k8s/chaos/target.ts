/**
 * What chaos does things to: a cluster with its servers, and the ways in which each may be broken. Two back ends stand
 * behind it, processes of this machine (processTarget.ts) and a Kubernetes cluster, so that a fault is written once.
 *
 * Nothing heals by itself: who breaks something mends it, and `mend` mends everything, whatever a fault left behind.
 * Each deed says what it touched, because a fault that touched nothing proves nothing.
 */
import type { NodeUrls } from '../../infra/embedded/town.ts';
import type { ClusterView } from '../../nodes/ports.ts';

/** What a node talks to through a wire of its own. */
export type Link = 'nats' | 'postgres';
/** Which way nothing gets through. */
export type Way = 'both' | 'toServer' | 'toNode';
/** `drop`: packets are lost and connections stand; `reset`: connections end and new ones are refused. */
export type Mode = 'drop' | 'reset';
export type Server = 'nats' | 'postgres';
export type CloudBehaviour = 'pass' | 'throttle' | 'outage' | 'loseAnswers';

/** What a fault touched. */
export interface Hit {
  /** Node ids, server names, user ids. */
  readonly targets: readonly string[];
  /** In words, for people. */
  readonly what: string;
  /** Figures of what it did, each above 0 when it did something: bytes held, connections closed, messages doubled. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface ChaosNode {
  readonly id: string;
  /** REST and realtime as phones reach them, through a door that chaos can slam; the admin port directly. */
  readonly urls: NodeUrls;
  readonly isRunning: boolean;
  /** Its page of metrics; null when it does not answer. */
  metrics(): Promise<string | null>;
  /** The cluster as this node sees it; null when it does not answer. */
  view(): Promise<ClusterView | null>;
}

/** The servers themselves, beside every wire that a fault may cut: for seeding and for reading at the end. */
export interface Stores {
  readonly databaseUrl: string;
  readonly dynamodbEndpoint: string;
  readonly kinesisEndpoint: string;
  readonly natsUrl: string;
  /** Region and credentials of the AWS clients, as environment variables. */
  readonly awsEnv: Readonly<Record<string, string>>;
  /** Where the signing keys lie, as `SeedTarget` wants it. */
  readonly dataDir: string;
}

export interface ChaosTarget {
  readonly nodes: readonly ChaosNode[];
  readonly stores: Stores;
  /** As `SeedTarget` of k8s/swarm/seed.ts, so that a target can be handed there. */
  readonly town: { readonly databaseUrl: string };
  readonly dataDir: string;
  /** Nodes that ended by themselves, in words. */
  readonly crashes: readonly string[];
  /** Milliseconds since the run began, never backwards: `t_ms` of history and timeline. */
  nowMs(): number;
  /** `Date.now()` at `nowMs() === 0`. */
  readonly beganAtMs: number;
  /** Why this back end cannot do that here, in one sentence; null when it can. */
  cannot(deed: Deed): string | null;

  kill(node: ChaosNode): Promise<Hit>;
  /** Starts a node that is gone and waits until it serves. */
  start(node: ChaosNode): Promise<void>;
  /** Starts a node again with less heap than it wants: whole megabytes of old space. */
  startSqueezed(node: ChaosNode, heapMb: number): Promise<Hit>;
  pause(node: ChaosNode): Hit;
  /** What PostgreSQL refused of it since it stands still, as that of an older owner: `staleRefused`. */
  wake(node: ChaosNode): Readonly<Record<string, number>>;
  /** SIGTERM to all of them at once, and waits for their ends. */
  drain(nodes: readonly ChaosNode[]): Promise<Hit>;

  partition(node: ChaosNode, link: Link, way: Way, mode: Mode): Hit;
  delay(node: ChaosNode, link: Link, ms: number): void;
  /** What the node says to PostgreSQL to commit stays on its wire until that is healed; what it reads comes through. */
  keepCommits(node: ChaosNode): void;
  /** Heals this link of the node. What it held and closed since the last healing. */
  heal(node: ChaosNode, link: Link): Promise<Readonly<Record<string, number>>>;
  /** Doubles this share of what NATS delivers to the node, and says some of it again later. 0 ends it. */
  repeat(node: ChaosNode, share: number): Readonly<Record<string, number>>;
  /** Nothing that these nodes say reaches a phone, until the doors are slammed; what phones say comes through. */
  muteDoors(nodes: readonly ChaosNode[]): void;
  /** Ends every socket of phones with these nodes at once, and what is on its way to them is lost. */
  slamDoors(nodes: readonly ChaosNode[]): Hit;

  restartServer(server: Server): Promise<Hit>;
  /** The server begins again empty; only of NATS, which holds nothing that matters. */
  loseData(server: 'nats'): Promise<Hit>;
  terminateBackends(): Promise<Hit>;
  fillDisk(): Promise<Hit>;
  freeDisk(): Promise<void>;
  /** How DynamoDB and Kinesis behave for everybody, until told otherwise. */
  cloud(behaviour: CloudBehaviour): Readonly<Record<string, number>>;
  /** Shifts the wall clock of a node by so much; its monotonic clock goes on. 0: the right time. */
  clockJump(node: ChaosNode, offsetMs: number): Hit;
  /** Bytes that nobody sends: to NATS subjects of a node, and through its doors. */
  poison(node: ChaosNode, messages: readonly PoisonMessage[]): Promise<Hit>;
  /** Burns processor time of the node's machine with so many busy processes, until told 0. */
  burn(processes: number): Hit;
  /** New passwords for servers, as an operator rotates them. */
  rotate(): Promise<Hit>;

  /** Ends every fault and starts every node that is gone. */
  mend(): Promise<void>;
  /** Waits until all nodes own all shards between them and agree about it. */
  steady(timeoutMs?: number): Promise<void>;
  /** Keeps what the nodes logged in this folder. */
  keepLogs(folder: string): void;
  stop(): Promise<void>;
}

/** What a back end may be unable to do. */
export type Deed =
  | 'startSqueezed'
  | 'pause'
  | 'partition'
  | 'delay'
  | 'keepCommits'
  | 'repeat'
  | 'slamDoors'
  | 'loseData'
  | 'fillDisk'
  | 'cloud'
  | 'clockJump'
  | 'poison'
  | 'burn'
  | 'rotate';

/** `subject`: published on a subject of the node; `frame`: sent through the realtime door, before any hello. */
export interface PoisonMessage {
  readonly to: 'subject' | 'frame';
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A line of the timeline: `timeline.jsonl` has one when a fault begins, and one when it is healed. */
export interface FaultRecord {
  readonly t_ms: number;
  /** Rises by one with each fault: the two lines of one share it. */
  readonly n: number;
  readonly fault: string;
  /** Row of the catalogue: '3a'. */
  readonly row: string;
  readonly phase: 'hit' | 'healed' | 'skipped';
  readonly targets: readonly string[];
  readonly what: string;
  readonly counts: Readonly<Record<string, number>>;
}

export interface Timeline {
  readonly seed: number;
  readonly faults: readonly FaultRecord[];
  /** What faults found wrong by themselves, in words: a drain that did not end, a balance that is not so. */
  readonly problems: readonly string[];
  /** Why the nodes did not agree about a settled cluster after the last fault was mended; null: they did. */
  readonly unsteady: string | null;
  /** Since when nothing is broken, and the end: the quiet phase in which everything must work again. */
  readonly quietFromMs: number;
  readonly endMs: number;
}
