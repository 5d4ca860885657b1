/** Asks an actor for whoever waits for the answer himself: as long as a command may take. */
import type { ActorDoor, Address, AskOptions } from '../nodes/gatewayPort.ts';
import type { Result } from '../protocol/errors.ts';
import { LIMITS } from './limits.ts';

/** @typeParam T what this actor answers to this message; never rejects (`ActorDoor`) */
export const askActor = <T>(
  door: Pick<ActorDoor, 'ask'>,
  to: Address,
  message: object,
  options: Omit<AskOptions, 'timeoutMs'> = {},
): Promise<Result<T>> =>
  new Promise(resolve => {
    const done = (result: Result<unknown>): void => resolve(result as Result<T>);
    door.ask(to, message, done, { timeoutMs: LIMITS.commandMs, ...options });
  });
