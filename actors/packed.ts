/**
 * Reading what a behaviour packed on another node: perhaps by the previous version of this program, perhaps damaged.
 * Each reader takes a value of unknown shape and gives one of the right type, or throws {@link Unreadable}, which
 * {@link reading} turns into a refusal: then the actor starts from what is durable.
 */
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Insisted, Insisting } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import { ACTOR_KINDS, type Address, type ReplyTo } from './turn.ts';
import { NOTHING_WAITS } from './waiting.ts';

class Unreadable extends Error {}

const unreadable = (what: string): never => {
  throw new Unreadable(what);
};

/** What `read` gives, or why it cannot be read. */
export function reading<T>(read: () => T): Result<T> {
  try {
    return ok(read());
  } catch (error) {
    if (error instanceof Unreadable)
      return refuse(ERROR.invalid, `packed by another version: ${error.message}`);
    throw error;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return unreadable('not an object');
  return value as Fields;
}

/** The fields of something that was packed as one of these versions. */
export function versioned(value: unknown, ...versions: readonly number[]): Fields {
  const read = fields(value);
  return versions.includes(read.v as number) ? read : unreadable(`version ${String(read.v)}`);
}

export const text = (value: unknown, max = 512): string =>
  typeof value === 'string' && value.length <= max ? value : unreadable('not a text');

export const textOrNull = (value: unknown): string | null => (value === null ? null : text(value));

export const flag = (value: unknown): boolean =>
  typeof value === 'boolean' ? value : unreadable('not a flag');

export const number = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : unreadable('not a number');

export const whole = (value: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): number =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
    ? (value as number)
    : unreadable('not a whole number in its range');

export const oneOf = <T extends string>(value: unknown, words: readonly T[]): T =>
  words.includes(value as T) ? (value as T) : unreadable('not one of its words');

/** A copy: what an actor keeps must not hold on to the bytes in which it came. */
export const bytes = (value: unknown, max: number): Uint8Array =>
  value instanceof Uint8Array && value.length <= max ? Uint8Array.from(value) : unreadable('not bytes');

export function list<T>(value: unknown, max: number, read: (item: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > max) return unreadable('not a list, or too long');
  return value.map(read);
}

export function address(value: unknown): Address {
  const { kind, id } = fields(value);
  return { kind: oneOf(kind, ACTOR_KINDS), id: text(id) };
}

export function replyTo(value: unknown): ReplyTo {
  const { node, askId } = fields(value);
  return { node: text(node), askId: whole(askId) };
}

/** As rows, because keys are the actor's own. */
export const packInsisting = (all: Insisting): unknown =>
  [...all].map(([key, { to, message, attempt }]) => ({ key, to, message, attempt }));

export function insisting(value: unknown): Insisting {
  const read = list(value, ACTOR_LIMITS.insisting, (item): [string, Insisted] => {
    const { key, to, message, attempt } = fields(item);
    const said = fields(message);
    text(said.type);
    return [
      text(key),
      { to: address(to), message: said as { readonly type: string } & Fields, attempt: whole(attempt) },
    ];
  });
  return read.length > 0 ? new Map(read) : NOTHING_WAITS;
}
