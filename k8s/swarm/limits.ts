/** Every bound of the load generator: traffic to this machine only, bounded in count and time, and honest figures. */

export const WORKERS_MAX = 16;
/** A run ends by itself after this long, whatever it was told: a long soak with all that is around it. */
export const RUN_MS_MAX = 100 * 60_000;
/** A phone that has no WELCOME by then counts as failed. */
export const CONNECT_MS_MAX = 10_000;
/** Handshakes that one worker has under way at a time. */
export const CONNECTING_MAX = 64;
/** A command without an answer by then has an unknown outcome. */
export const COMMAND_MS_MAX = 5_000;

/** Above either of these the generator, not the server, may have set the figures (k6 asks for the same reserve). */
export const GENERATOR_ELU_MAX = 0.8;
export const GENERATOR_DELAY_P99_MS_MAX = 20;
/** How finely the generator looks at its own event loop. */
export const DELAY_RESOLUTION_MS = 5;
