/** Frames by name: the catalogue applied to the codec. What actors, gateways and clients call. */
import { decodeBody, encodeBody, wireText, writeBody } from './body.ts';
import {
  COMMANDS,
  type Command,
  type CommandBody,
  type CommandName,
  type CommandResult,
  EVENTS,
  type Event,
  type EventBody,
} from './catalogue.ts';
import { encodeClientFrame, encodeServerFrame, writer } from './codec.ts';
import { ERROR, type Refusal, type Result, refuse } from './errors.ts';
import { type ClientFrame, FRAME } from './frames.ts';
import type { DurableName, VolatileName } from './opening.ts';

export {
  type DurableName,
  eventByKind,
  type OpenedDurable,
  type OpenedEvent,
  type OpenedVolatile,
  openEvent,
  openReply,
  openVolatile,
  type VolatileName,
} from './opening.ts';

export interface NamedCommand {
  readonly name: CommandName;
  readonly command: Command;
}

const byCode = new Map<number, NamedCommand>(
  Object.entries(COMMANDS).map(([name, command]) => [command.code, { name: name as CommandName, command }]),
);

/** The command that a number stands for; undefined for a number that was never given out. */
export const commandByCode = (code: number): NamedCommand | undefined => byCode.get(code);

/** A command whose body is checked: a union, so that `switch (opened.name)` narrows the body. */
export type OpenedCommand = {
  [N in CommandName]: { readonly name: N; readonly command: Command; readonly body: CommandBody<N> };
}[CommandName];

/**
 * Opens a decoded COMMAND: 404 for an unknown operation, 400 for a body that does not fit its tuple or a missing
 * idempotency key. Scope, rate and state are for the receiver to judge.
 */
export const openCommand = (frame: ClientFrame & { type: 'command' }): Result<OpenedCommand> => {
  const known = byCode.get(frame.op);
  if (known === undefined) return refuse(ERROR.notFound, `there is no operation ${frame.op}`);
  const { name, command } = known;
  const body = decodeBody(command.body, frame.body);
  if (!body.ok) return refuse(ERROR.malformed, `${name}: ${body.why}`);
  if (command.mutates && frame.idem === null) {
    return refuse(ERROR.malformed, `${name}: an idempotency key is required`);
  }
  return { ok: true, value: { name, command, body: body.value } as OpenedCommand };
};

/** Bytes of a COMMAND. `idem` is a UUID, required when the command changes something, else null. */
export const encodeCommand = <N extends CommandName>(
  name: N,
  cid: number,
  body: CommandBody<N>,
  idem: string | null,
): Uint8Array => {
  const { code, body: fields } = COMMANDS[name] as Command;
  return encodeClientFrame({ type: 'command', cid, op: code, body: encodeBody(fields, body), idem });
};

/** A frame of so many items, its type first. */
const begin = (items: number, type: number): void => {
  writer.begin().array(items);
  writer.int(type);
};

/** Bytes of a durable EVENT. `offset` is its place in the user's outbox, `eventId` its identity in every replay. */
export const encodeEvent = <N extends DurableName>(
  name: N,
  offset: number,
  eventId: string,
  body: EventBody<N>,
): Uint8Array => {
  const { code, body: fields } = EVENTS[name] as Event;
  begin(5, FRAME.event);
  writer.int(offset);
  writer.int(code);
  if (!writer.id(eventId)) throw new RangeError('not a UUID');
  writeBody(writer, fields, body);
  return writer.take();
};

/** Bytes of a VOLATILE frame: the latest `version` of (name, key) wins; a null body says that the thing is gone. */
export const encodeVolatile = <N extends VolatileName>(
  name: N,
  key: string,
  version: number,
  body: EventBody<N> | null,
): Uint8Array => {
  const { code, body: fields } = EVENTS[name] as Event;
  begin(5, FRAME.volatile);
  writer.int(code);
  writer.text(wireText(key));
  writer.int(version);
  if (body === null) writer.nil();
  else writeBody(writer, fields, body);
  return writer.take();
};

/** Bytes of the REPLY to command `cid` of operation `name`. */
export const encodeReply = <N extends CommandName>(
  name: N,
  cid: number,
  result: CommandResult<N>,
): Uint8Array => {
  const { result: fields } = COMMANDS[name] as Command;
  begin(4, FRAME.command);
  writer.int(cid);
  writer.int(0);
  writeBody(writer, fields, result);
  return writer.take();
};

/** Bytes of the ERROR that answers command `cid`; 0 answers a position or a frame without one. */
export const encodeError = (cid: number, refusal: Refusal): Uint8Array => {
  const { code, message, retryable, retryAfterMs } = refusal;
  return encodeServerFrame({ type: 'error', cid, code, message, retryable, retryAfterMs });
};
