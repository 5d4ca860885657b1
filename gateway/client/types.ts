/** What an application sees of the client. Runs in browsers, phones and Node alike: nothing here is of one of them. */
import type {
  CommandBody,
  CommandName,
  CommandResult,
  EventBody,
  EventName,
} from '../../protocol/catalogue.ts';
import type { Refusal, Result } from '../../protocol/errors.ts';
import type { Resume } from '../../protocol/frames.ts';
import type { VolatileName } from '../../protocol/opening.ts';
import type { Storage } from './storage.ts';

/** The part of the standard WebSocket that the client uses. */
export interface SocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}
export type SocketConstructor = new (url: string, protocols: string) => SocketLike;

/**
 * Why a token is needed. After `refused` the last one did not work, or no longer: to answer with the same one again, as
 * an app with one fixed token does, ends the client.
 */
export type TokenReason = 'connect' | 'expiring' | 'refused';

/** Throw it from `getToken` when nobody is signed in: the client closes and stays closed. Any other error is retried. */
export class Unauthorized extends Error {
  constructor(message = 'nobody is signed in') {
    super(message);
    this.name = 'Unauthorized';
  }
}

export interface ClientOptions {
  /**
   * Realtime address, `ws://host:8081/v1/ws`; or those of several nodes: the first is chosen by chance, and after a
   * failure the next one is tried.
   */
  readonly url: string | readonly string[];
  /** The only source of tokens; asked at every connect and when one is about to expire. No token is Unauthorized. */
  readonly getToken: (reason: TokenReason) => Promise<string> | string;
  /** The device that the account is linked to. */
  readonly deviceId: string;
  /** Name and version of the app, for support. */
  readonly app?: string;
  /** Where the place in the stream and unanswered commands outlive the process; one for each account. Default: nowhere. */
  readonly storage?: Storage;
  /** Where an earlier run of the app stopped (`client.position`), for apps that keep it themselves. */
  readonly resume?: Resume;
  /** Positions leave at most this often, milliseconds; the newest wins. Default 500, the server's limit. */
  readonly locationIntervalMs?: number;
  /**
   * Which positions `report.next` answers: each (default), or only those that change the period, and the first of a
   * connection: then a phone in a pocket is not woken to hear what it knows.
   */
  readonly locationAnswers?: 'each' | 'changes';
  /** Default: the global one. */
  readonly WebSocket?: SocketConstructor;
  /** 0 to 1, spreads reconnects. Default `Math.random`. */
  readonly random?: () => number;
}

export type State =
  /** `connect` was not called */
  | 'idle'
  /** opening a socket, or waiting for WELCOME */
  | 'connecting'
  /** also while it moves to another node: the new socket is there before the old one goes */
  | 'connected'
  /** no connection; the client comes back by itself */
  | 'suspended'
  /** over: `close` was called, or the server said not to come back */
  | 'closed';

export interface StateChange {
  readonly state: State;
  /** Close code of the socket that was lost; 0 when there was none. */
  readonly code: number;
  readonly reason: string;
  /** Milliseconds until the next attempt; null when there is none. */
  readonly willRetryInMs: number | null;
}

/** A position as phones know it: degrees, metres. */
export interface Position {
  readonly lat: number;
  readonly lng: number;
  /** Horizontal accuracy (68 %), metres. */
  readonly accuracyM: number;
  readonly headingDeg?: number | null;
  readonly speedMps?: number | null;
  /** When it was taken, Unix milliseconds by the server's clock. Left out: now. */
  readonly takenAtMs?: number | null;
  /** The operating system says that the position is simulated: say so, it is looked at before points are paid. */
  readonly simulated?: boolean;
}

/** A durable event or a volatile frame, by name. A volatile body is null when the thing is gone. */
export type Message<N extends EventName = EventName> = {
  [K in N]: K extends VolatileName
    ? { readonly name: K; readonly body: EventBody<K> | null; readonly key: string; readonly version: number }
    : { readonly name: K; readonly body: EventBody<K>; readonly eventId: string; readonly offset: number };
}[N];

/** What a listener may need to store an event together with its effect. */
export interface Delivery {
  /**
   * What the storage holds once this event is done: write it there in the transaction that writes the effect, and the
   * event is not given again after a kill. For a volatile frame: what it holds now.
   */
  record(): string;
}

/** The end of a command that an earlier run of the app began. */
export type Outcome = {
  [N in CommandName]: {
    readonly name: N;
    readonly body: CommandBody<N>;
    readonly idem: string;
    readonly result: Result<CommandResult<N>>;
  };
}[CommandName];

/**
 * What `on` takes: the name of an event, or one of the others. A listener may answer with a promise: the next durable
 * event comes when it is over. One that throws or rejects has had its event: the error surfaces as an uncaught one.
 */
export type Handlers = {
  [N in EventName]: (body: Message<N>['body'], message: Message<N>, delivery: Delivery) => unknown;
} & {
  /** Every event and volatile frame. */
  event: (message: Message, delivery: Delivery) => unknown;
  /** Everything that was known may be wrong: this is what is true. Comes first, before listeners of `snapshot`. */
  resync: (snapshot: EventBody<'snapshot'>, delivery: Delivery) => unknown;
  /** The other person of an open hey (`key` is its id) is online, away or gone: the same as `peer.presence`. */
  presence: (presence: Message<'peer.presence'>['body'], message: Message<'peer.presence'>) => unknown;
  state: (change: StateChange) => unknown;
  /** A command that an earlier run began was answered, or its time is over. */
  outcome: (outcome: Outcome) => unknown;
  /** The server refused something that has no answer of its own (a position), or the storage failed. */
  problem: (refusal: Refusal) => unknown;
};

export interface CommandOptions {
  /** Milliseconds until the outcome counts as unknown (504). Default 5,000, at most 300,000. */
  readonly timeoutMs?: number;
  /**
   * UUID that makes a repeat harmless. Default: a fresh one for every command that changes something; while a listener of
   * an event runs, one that is the same when the event is given again after a kill.
   */
  readonly idem?: string;
}

export type CommandOutcome<N extends CommandName> = Promise<Result<CommandResult<N>>>;
export type { CommandBody, CommandName, CommandResult };
