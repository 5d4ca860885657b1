/** Devices that were seen, in memory: the twin of the table for tests and for gateways that are alone. */
import { type DeviceBook, SEEN_DEVICES_MAX, type SeenDevice } from '../devicePort.ts';

const MINUTE_MS = 60_000;

export class MemoryDevices implements DeviceBook {
  readonly #byUser = new Map<string, Map<string, SeenDevice>>();
  readonly #wallMs: () => number;

  /** @param wallMs Unix milliseconds */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  saw(userId: string, deviceId: string, app: string | null): void {
    const mine = this.#byUser.get(userId) ?? new Map<string, SeenDevice>();
    this.#byUser.set(userId, mine);
    const before = mine.get(deviceId);
    const nowMs = this.#wallMs();
    if (before && nowMs < before.lastSeenMs + MINUTE_MS) return;
    const firstSeenMs = before?.firstSeenMs ?? nowMs;
    mine.set(deviceId, { deviceId, app: app ?? before?.app ?? null, firstSeenMs, lastSeenMs: nowMs });
  }

  async devices(userId: string): Promise<readonly SeenDevice[]> {
    const mine = [...(this.#byUser.get(userId)?.values() ?? [])];
    return mine.sort((a, b) => b.lastSeenMs - a.lastSeenMs).slice(0, SEEN_DEVICES_MAX);
  }

  async written(): Promise<void> {}
}
