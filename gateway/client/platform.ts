/**
 * What differs between browsers, Node and the engines of phones, in one place: clocks, chance, and values that may be
 * there now or later. Nothing of it may be missing anywhere: what an engine lacks has a plain replacement.
 */
import { uuidv7 } from '../../protocol/ids.ts';

/** Milliseconds that never go back; may stand still while the device sleeps. */
export const monotonicMs = (): number =>
  typeof performance === 'object' && typeof performance.now === 'function' ? performance.now() : Date.now();

/** Milliseconds since 1970 by this device's clock, which people and networks set. */
export const wallMs = (): number => Date.now();

/**
 * A fresh UUID (version 7: the server sees by its time that it is no repeat). Where there is no `crypto`, chance is good
 * enough: keys must differ, not be secret.
 */
export const freshUuid = (): string => {
  const bytes = new Uint8Array(10);
  if (typeof crypto === 'object' && typeof crypto.getRandomValues === 'function')
    crypto.getRandomValues(bytes);
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(Math.random() * 256);
  return uuidv7(wallMs(), bytes);
};

/** An error of the app that nobody catches: shown as one, without stopping what was going on. */
export const surface = (error: unknown): void => {
  const raise = () => {
    throw error;
  };
  if (typeof queueMicrotask === 'function') queueMicrotask(raise);
  else setTimeout(raise, 0);
};

/** Here now, or later. What is here now is used now: without a promise nothing waits for another turn. */
export type Maybe<T> = T | PromiseLike<T>;

/** A promise, or what looks like one. */
export const isLater = <T>(value: Maybe<T>): value is PromiseLike<T> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function';

/** `next` at once, or when the value has come. */
export const after = <T, R>(value: Maybe<T>, next: (value: T) => Maybe<R>): Maybe<R> =>
  isLater(value) ? value.then(next) : next(value);

/** The text of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
