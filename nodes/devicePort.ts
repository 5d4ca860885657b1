/** Which devices of a person were here, when, and with which version of the app. No place, no address. */

export interface SeenDevice {
  readonly deviceId: string;
  /** Name and version that the app gave of itself; null when it gave none. */
  readonly app: string | null;
  /** Unix milliseconds of the node's clock. */
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

/** Devices that are told of one person at most, the newest. */
export const SEEN_DEVICES_MAX = 100;

/** Kept behind the doors' backs: nobody waits for it, and what a crash takes is a minute of it. */
export interface DeviceBook {
  /** Returns at once, never throws. Written within seconds, at most once a minute and device. */
  saw(userId: string, deviceId: string, app: string | null): void;
  /** Newest first; what was seen a moment ago may be missing. Rejects when the store cannot be reached. */
  devices(userId: string): Promise<readonly SeenDevice[]>;
  /** Resolves when everything that was seen is written. */
  written(): Promise<void>;
}
