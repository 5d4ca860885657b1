/**
 * Passwords as argon2id PHC strings with the parameters OWASP names (19 MiB, 2 passes, 1 lane). Each check takes
 * memory and a thread of the pool that files and keys use too, so only a few run at once and the queue is short: a
 * flood of sign-ins meets "try again", and everything else goes on.
 */
import { hash, type Options, verify } from '@node-rs/argon2';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';

/** The default algorithm of the library is argon2id. */
const OPTIONS: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export interface Passwords {
  hash(password: string): Promise<Result<string>>;
  /** `stored` null stands for an unknown person: takes as long, and answers false. */
  check(password: string, stored: string | null): Promise<Result<boolean>>;
}

export const createPasswords = (
  atOnce: number = LIMITS.hashing,
  waitingMax: number = LIMITS.hashingWaiting,
): Passwords => {
  let running = 0;
  const waiting: (() => void)[] = [];

  const limited = async <T>(work: () => Promise<T>): Promise<Result<T>> => {
    if (running >= atOnce) {
      if (waiting.length >= waitingMax) return refuse(ERROR.unavailable, 'too many sign-ins at once', 2_000);
      await new Promise<void>(resolve => waiting.push(resolve));
    } else running++;
    try {
      return ok(await work());
    } finally {
      // The place passes straight to the next one waiting.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };

  // Nobody knows this password: it is what an unknown handle is checked against.
  let nobody: Promise<string> | null = null;

  return {
    hash: password => limited(() => hash(password, OPTIONS)),
    check: (password, stored) =>
      limited(async () => {
        nobody ??= hash(crypto.randomUUID(), OPTIONS);
        const right = await verify(stored ?? (await nobody), password).catch(() => false);
        return right && stored !== null;
      }),
  };
};
