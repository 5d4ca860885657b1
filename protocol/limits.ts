/** Every bound of what can be said, in one place. Receivers enforce them; the protocol page prints them. */

/** Bounds of one message. A walker refuses the first thing that is over one of them. */
export interface MessageLimits {
  /** Bytes of the whole WebSocket message. */
  readonly bytes: number;
  /** UTF-8 bytes of one text. */
  readonly textBytes: number;
  /** Bytes of one `bin`. */
  readonly binBytes: number;
  /** Items of one array. */
  readonly items: number;
  /** Entries of one map. */
  readonly entries: number;
  /** Containers inside each other; the frame itself is the first. */
  readonly depth: number;
}

/** What a server takes from a client (realtime study 4.6: 8 KB, closed with 1009 above it). */
export const INBOUND: MessageLimits = {
  bytes: 8_192,
  textBytes: 2_048,
  binBytes: 4_096,
  items: 64,
  entries: 16,
  depth: 8,
};

/** What a client takes from a server: snapshots may be longer. */
export const OUTBOUND: MessageLimits = { ...INBOUND, bytes: 65_536 };

/** Frames in one BATCH. */
export const BATCH_FRAMES_MAX = 16;
/** UTF-8 bytes of the device id that HELLO and sign-up carry; it may not be empty. */
export const DEVICE_ID_BYTES_MAX = 64;
/** UTF-8 bytes of the name and version of an app, free text for support. */
export const APP_BYTES_MAX = 128;
/** Accuracy of a position above which it says nothing, in decimetres: 100 km. */
export const ACCURACY_DM_MAX = 1_000_000;
/** A client that has not said HELLO after this long is closed with 4106. */
export const HELLO_TIMEOUT_MS = 5_000;
/** Shards for life: a power of two, never changed. */
export const SHARDS = 512;
