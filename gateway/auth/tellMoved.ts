/**
 * An account moved to another device: its actor must hear of it, wherever it lives, or the old device's socket would stay
 * open and its codes valid. A word between nodes may be lost, so it is asked for an answer, and again until there is one.
 * Heard twice it does no harm: the actor reads the account anew each time.
 */
import type { ActorDoor, UserMessage } from '../../nodes/gatewayPort.ts';
import { LIMITS } from '../limits.ts';

export const tellMoved = (door: ActorDoor, userId: string, deviceId: string, attempt = 1): void => {
  const message: UserMessage = { type: 'deviceMoved', deviceId };
  const options = { timeoutMs: LIMITS.commandMs, keyed: true };
  door.ask(
    { kind: 'user', id: userId },
    message,
    result => {
      if (result.ok || !result.retryable || attempt >= LIMITS.movedAttempts) return;
      setTimeout(
        () => tellMoved(door, userId, deviceId, attempt + 1),
        Math.max(LIMITS.movedAgainMs, result.retryAfterMs),
      ).unref();
    },
    options,
  );
};
