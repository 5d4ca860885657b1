/**
 * The W3C trace context, as far as we carry it (www.w3.org/TR/trace-context, level 1): version, trace id, span id and
 * flags in one text of 55 characters. It comes from outside, so it is read strictly: what is not exactly that text does
 * not exist. `tracestate` is nobody's business here and is not passed on.
 */

/** Version 00 with lower-case digits; a later version may have more behind, of which we may not know what it means. */
const FORM = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The text itself when it is a `traceparent`, else null. */
export const wellFormedTrace = (text: unknown): string | null =>
  typeof text === 'string' && text.length === 55 && FORM.test(text) ? text : null;

/** The trace id for a log line: 32 digits. */
export const traceIdOf = (trace: string | null | undefined): string | undefined => trace?.slice(3, 35);

/** Whether whoever began the trace wants it recorded: the lowest bit of the flags. */
export const isSampled = (trace: string): boolean => '13579bdf'.includes(trace[54] ?? '');
