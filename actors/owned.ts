/**
 * Texts of one's own. The decoder of messages cuts its texts out of one long one, as parts that keep all of it alive: an id of
 * 36 letters that an actor keeps holds on to the whole message that it came in, and after a hand-over to what came beside it.
 * So whatever is kept for longer than a turn or two is copied first; a copy costs a quarter of a microsecond.
 */

/** The engine copies shorter texts anyway (V8: `SlicedString::kMinLength`). */
const CUT_MIN = 13;

/** The same text, which holds on to nothing. */
export const ownText = (text: string): string =>
  text.length < CUT_MIN ? text : (JSON.parse(JSON.stringify(text)) as string);

/** The same plain value with texts of its own; whatever is neither text, array nor plain object stays as it is. */
export function owned<T>(value: T): T {
  if (typeof value === 'string') return ownText(value) as T;
  if (Array.isArray(value)) return value.map(owned) as T;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  const own: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) own[name] = owned(part);
  return own as T;
}
