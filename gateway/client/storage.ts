/**
 * Where the client keeps one record over the life of a process: where it is in the stream of events, and the commands
 * that wait for an answer. Any key-value store will do; give each account of a device a record of its own.
 *
 * The contract, in three sentences. In one run every event is given once and in order, whatever the network does. After
 * a kill the event whose handler had not finished is given again, with the same `eventId` and offset, and no other.
 * Exactly once over kills as well: write `delivery.record()` into this storage in the same transaction as what the event
 * means to the app; then the event is either done and not given again, or neither.
 */
import { type Maybe, wallMs } from './platform.ts';

/** One record. `set(null)` removes it. Both may answer at once or with a promise; each `set` replaces all. */
export interface Storage {
  get(): Maybe<string | null | undefined>;
  set(record: string | null): Maybe<unknown>;
}

/** Survives nothing: for tests, and for showing what is kept. */
export const memoryStorage = (record: string | null = null): Storage & { record: string | null } => ({
  record,
  get() {
    return this.record;
  },
  set(next) {
    this.record = next;
  },
});

/** The part of the Web Storage API that is needed. */
interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/**
 * The browser's localStorage, or what looks like it.
 * @param key one for each account: `heyblue:USER_ID`
 */
export const browserStorage = (
  key: string,
  web: WebStorage = (globalThis as unknown as { localStorage: WebStorage }).localStorage,
): Storage => ({
  get: () => web.getItem(key),
  set: record => (record === null ? web.removeItem(key) : web.setItem(key, record)),
});

/** A store with promises under a key, such as React Native's AsyncStorage. */
export const keyedStorage = (
  key: string,
  store: {
    getItem(key: string): Promise<string | null>;
    setItem(key: string, value: string): Promise<unknown>;
    removeItem(key: string): Promise<unknown>;
  },
): Storage => ({
  get: () => store.getItem(key),
  set: record => (record === null ? store.removeItem(key) : store.setItem(key, record)),
});

/** A command of which the record knows. */
export interface KeptCommand {
  readonly name: string;
  readonly body: unknown;
  readonly idem: string;
  /** Wall clock: a process that begins later than this gives it up. */
  readonly deadlineMs: number;
}

export interface Kept {
  readonly position: { readonly sessionId: string; readonly epoch: string; readonly offset: number } | null;
  readonly commands: readonly KeptCommand[];
  /** Mode `coarse`, of which a resume tells nothing; left out when it is not. */
  readonly coarse?: boolean;
}

const VERSION = 1;

export const writeRecord = (deviceId: string, { position, commands, coarse }: Kept): string =>
  JSON.stringify({ v: VERSION, deviceId, savedMs: wallMs(), position, commands, ...(coarse && { coarse }) });

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value);

/** What a record says; null for none, for one of another device or version, and for anything that is not a record. */
export const readRecord = (text: string | null | undefined, deviceId: string): Kept | null => {
  if (!text) return null;
  try {
    const { v, deviceId: of, position, commands, coarse } = JSON.parse(text) as Record<string, unknown>;
    if (v !== VERSION || of !== deviceId) return null;
    const at = position as Kept['position'];
    const placed =
      at !== null &&
      isUuid(at.sessionId) &&
      isUuid(at.epoch) &&
      Number.isSafeInteger(at.offset) &&
      at.offset >= 0;
    return {
      ...(coarse === true && { coarse }),
      position: placed ? { sessionId: at.sessionId, epoch: at.epoch, offset: at.offset } : null,
      commands: (Array.isArray(commands) ? (commands as KeptCommand[]) : []).filter(
        one => typeof one?.name === 'string' && isUuid(one.idem) && Number.isFinite(one.deadlineMs),
      ),
    };
  } catch {
    return null;
  }
};
