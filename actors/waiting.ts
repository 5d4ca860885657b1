/**
 * What waits in an actor, by an id. The state of an actor is replaced and never changed, so each of these gives a new map. Not
 * an object with a field for each id: every id would be another shape of object to the engine, which keeps tables of them.
 */
export type WaitingBy<T> = ReadonlyMap<string, T>;

/** One for all actors: most of them wait for nothing. */
export const NOTHING_WAITS: WaitingBy<never> = new Map<string, never>();

export const withOne = <T>(waiting: WaitingBy<T>, id: string, one: T): WaitingBy<T> =>
  new Map(waiting).set(id, one);

/** The others, when what this id stood for has come. */
export function without<T>(waiting: WaitingBy<T>, id: string): WaitingBy<T> {
  if (!waiting.has(id)) return waiting;
  if (waiting.size === 1) return NOTHING_WAITS;
  const others = new Map(waiting);
  others.delete(id);
  return others;
}
