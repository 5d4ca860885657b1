/** What a client opens of what a server says: the catalogue applied to decoded frames. Needs no packer. */
import { decodeBody, type Opened } from './body.ts';
import {
  COMMANDS,
  type Command,
  type CommandName,
  type CommandResult,
  EVENTS,
  type Event,
  type EventBody,
  type EventName,
} from './catalogue.ts';
import type { ServerFrame } from './frames.ts';

export type DurableName = {
  [N in EventName]: (typeof EVENTS)[N]['durable'] extends true ? N : never;
}[EventName];
export type VolatileName = Exclude<EventName, DurableName>;

const eventByCode = new Map<number, { readonly name: EventName; readonly event: Event }>(
  Object.entries(EVENTS).map(([name, event]) => [event.code, { name: name as EventName, event }]),
);

/** The event or volatile frame that a number stands for. */
export const eventByKind = (kind: number): { readonly name: EventName; readonly event: Event } | undefined =>
  eventByCode.get(kind);

/** A client opens the result of its own command. */
export const openReply = <N extends CommandName>(
  name: N,
  result: readonly unknown[],
): Opened<CommandResult<N>> =>
  decodeBody((COMMANDS[name] as Command).result, result) as Opened<CommandResult<N>>;

export type OpenedEvent = { [N in EventName]: { readonly name: N; readonly body: EventBody<N> } }[EventName];
export type OpenedDurable = Extract<OpenedEvent, { name: DurableName }>;

/** A client opens an EVENT; null for one that it does not know or cannot read: acknowledge and ignore it. */
export const openEvent = (frame: ServerFrame & { type: 'event' }): OpenedDurable | null => {
  const known = eventByCode.get(frame.kind);
  if (known === undefined || !known.event.durable) return null;
  const body = decodeBody(known.event.body, frame.body);
  return body.ok ? ({ name: known.name, body: body.value } as OpenedDurable) : null;
};

export type OpenedVolatile = {
  [N in VolatileName]: { readonly name: N; readonly body: EventBody<N> | null };
}[VolatileName];

/** A client opens a VOLATILE frame; null for one that it does not know or cannot read. A null body means gone. */
export const openVolatile = (frame: ServerFrame & { type: 'volatile' }): OpenedVolatile | null => {
  const known = eventByCode.get(frame.kind);
  if (known === undefined || known.event.durable) return null;
  if (frame.body === null) return { name: known.name, body: null } as OpenedVolatile;
  const body = decodeBody(known.event.body, frame.body);
  return body.ok ? ({ name: known.name, body: body.value } as OpenedVolatile) : null;
};
