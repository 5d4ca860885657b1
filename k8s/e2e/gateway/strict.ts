/**
 * Whether a kill may cost a phone its place in the stream (a snapshot in place of the events). True forbids it: streams
 * are rebuilt from what is durable.
 */
export const STRICT = true;
