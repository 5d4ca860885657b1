/** The one family of errors: small numbers a client can act on, and the close codes of the socket. */

/** Error codes of replies, after HTTP. `retryable` in the frame is the contract; the number says why. */
export const ERROR = {
  malformed: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  gone: 410,
  tooLarge: 413,
  invalid: 422,
  rateLimited: 429,
  tokenExpired: 498,
  internal: 500,
  unavailable: 503,
  /** The deadline passed: the outcome is unknown, a retry with the same idempotency key is safe. */
  timeout: 504,
} as const;
export type ErrorCode = (typeof ERROR)[keyof typeof ERROR];

/** An error that a caller caused or must handle: a value, never thrown. */
export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number;
}
export type Result<T> = { readonly ok: true; readonly value: T } | Refusal;

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

/** A refusal; 429, 503 and 504 are retryable unless said otherwise. */
export const refuse = (code: ErrorCode, message: string, retryAfterMs = 0): Refusal => ({
  ok: false,
  code,
  message,
  retryable: code === ERROR.rateLimited || code === ERROR.unavailable || code === ERROR.timeout,
  retryAfterMs,
});

/** It was not executed this time; of an earlier time that says nothing. */
export const isUnavailable = (result: Result<unknown>): boolean =>
  !result.ok && result.code === ERROR.unavailable;

/**
 * Close codes; their range tells a client that does not know one what to do: 4000-4099 do not reconnect,
 * 4100-4199 reconnect with backoff, 4200-4299 reconnect soon.
 */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocol: 1002,
  textFrame: 1003,
  tooBig: 1009,
  restart: 1012,
  overloaded: 1013,
  malformed: 4000,
  unsupportedVersion: 4001,
  badToken: 4002,
  revoked: 4003,
  replaced: 4004,
  tooManySessions: 4005,
  origin: 4007,
  internal: 4100,
  tokenExpired: 4101,
  slowConsumer: 4102,
  rateLimited: 4103,
  heartbeatLost: 4104,
  resyncNeeded: 4105,
  helloTimeout: 4106,
  moved: 4200,
  rebalance: 4201,
} as const;
