/** The words of a script and the frames of the protocol: what is said by name, and what was heard compared with it. */
import { encodeBody } from '../../protocol/body.ts';
import { COMMANDS, type Command, EVENTS, type Event } from '../../protocol/catalogue.ts';
import { encodeBatch, encodeServerFrame, pack } from '../../protocol/codec.ts';
import { refuse } from '../../protocol/errors.ts';
import type { ClientFrame } from '../../protocol/frames.ts';
import { exampleOf } from '../../protocol/golden.ts';
import { commandByCode, openCommand } from '../../protocol/messages.ts';
import { type Json, type JsonObject, type Saying, ScriptError } from './script.ts';

const events = EVENTS as Readonly<Record<string, Event>>;
const commands = COMMANDS as Readonly<Record<string, Command>>;

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
/** Epochs have letters in scripts. */
const epochId = (letter: string): string => `0190e90c-0000-7000-8000-${hex(letter.charCodeAt(0), 12)}`;
const epochLetter = (id: string): string => String.fromCharCode(Number.parseInt(id.slice(-4), 16) || 63);
/** Sessions have the number of their connection. */
export const sessionId = (nth: number): string => `01905e55-0000-7000-8000-${hex(nth, 12)}`;
/** The same event has the same id in every replay. */
const eventIdOf = (epoch: string, kind: number, offset: number): string =>
  `0190e7e1-0000-7000-8000-${hex(epoch.charCodeAt(0), 2)}${hex(kind, 4)}${hex(offset, 6)}`;

/** What was said so far, as far as frames need it. */
export interface Scene {
  readonly line: { readonly nth: number; epoch: string; saidOffset: number };
  /** The command that a label stands for on the newest connection. */
  readonly command: (label: string) => { readonly cid: number; readonly name: string };
}

/** `{"bin": "hex"}` is bytes; everything else is itself. */
const unplain = (value: Json): unknown => {
  if (Array.isArray(value)) return value.map(unplain);
  if (typeof value !== 'object' || value === null) return value;
  const { bin } = value as JsonObject;
  if (typeof bin !== 'string') throw new ScriptError('a tuple holds numbers, texts, nil and {"bin": hex}');
  return Uint8Array.from(Buffer.from(bin, 'hex'));
};

const bodyOf = (fields: Event['body'], given: Saying['body']): unknown[] =>
  Array.isArray(given)
    ? (unplain(given) as unknown[])
    : encodeBody(fields, { ...exampleOf(fields), ...(given as object) } as never);

const number = (value: Json | undefined, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;

const welcome = (scene: Scene, given: JsonObject): Uint8Array => {
  const { epoch = 'A', offset, resumed = false, now_s, ping_s, tokenTtl_s, jitter_ms } = given;
  scene.line.epoch = String(epoch);
  scene.line.saidOffset = number(offset, 0);
  return encodeServerFrame({
    type: 'welcome',
    version: 1,
    sessionId: sessionId(scene.line.nth),
    epoch: epochId(scene.line.epoch),
    offset: scene.line.saidOffset,
    resumed: resumed === true,
    nowMs: typeof now_s === 'number' ? now_s * 1_000 : Date.now(),
    config: {
      pingS: number(ping_s, 25),
      maxBytes: 8_192,
      tokenTtlS: number(tokenTtl_s, 900),
      reconnectJitterMs: number(jitter_ms, 300),
    },
  });
};

const event = (scene: Scene, saying: Saying, known: Event | undefined): Uint8Array => {
  const { kind = known?.code, key = '', version = 1, body } = saying;
  if (kind === undefined) throw new ScriptError(`${saying.say} needs a "kind"`);
  const durable = known?.durable ?? saying.say === 'EVENT';
  if (durable) {
    const offset = saying.offset ?? scene.line.saidOffset + 1;
    scene.line.saidOffset = Math.max(scene.line.saidOffset, offset);
    const eventId = eventIdOf(scene.line.epoch, kind, offset);
    return encodeServerFrame({ type: 'event', offset, kind, eventId, body: bodyOf(known?.body ?? [], body) });
  }
  const tuple = body === null ? null : bodyOf(known?.body ?? [], body);
  return encodeServerFrame({ type: 'volatile', kind, key, version, body: tuple });
};

/** Bytes of what a step says. Throws a ScriptError for what nobody can say. */
export const bytesOf = (scene: Scene, saying: Saying): Uint8Array => {
  const { say, with: given = {}, to = '' } = saying;
  switch (say) {
    case 'WELCOME':
      return welcome(scene, given);
    case 'REPLY': {
      const { cid, name } = scene.command(to);
      return encodeServerFrame({ type: 'reply', cid, result: bodyOf(commands[name]!.result, saying.body) });
    }
    case 'ERROR': {
      const cid = to === '' ? 0 : scene.command(to).cid;
      const { message = 'no', retryable, retryAfter_ms, code } = given;
      const refusal = refuse(number(code, 409) as never, String(message), number(retryAfter_ms, 0));
      return encodeServerFrame({
        type: 'error',
        cid,
        ...refusal,
        ...(retryable !== undefined && { retryable: retryable === true }),
      });
    }
    case 'PING':
    case 'PONG':
      return encodeServerFrame({ type: say === 'PING' ? 'ping' : 'pong', n: number(given.n, 1) });
    case 'GOAWAY': {
      const { reason = 'restart', deadline_ms, delayMin_ms, delayMax_ms, url = null } = given;
      return encodeServerFrame({
        type: 'goaway',
        reason: String(reason),
        deadlineMs: number(deadline_ms, 10_000),
        delayMinMs: number(delayMin_ms, 0),
        delayMaxMs: number(delayMax_ms, 200),
        url: url === null ? null : String(url),
      });
    }
    case 'TOKEN EXPIRING':
      return encodeServerFrame({ type: 'tokenExpiring', ttlS: number(given.ttl_s, 180) });
    case 'BATCH':
      return encodeBatch((saying.frames ?? []).map(one => bytesOf(scene, one)));
    case 'EVENT':
    case 'VOLATILE':
      return event(scene, saying, undefined);
    case 'TUPLE':
      return pack(unplain(saying.tuple ?? []) as unknown[]);
    case 'BYTES':
      return Uint8Array.from(Buffer.from(saying.hex ?? '', 'hex'));
    case 'TEXT':
      return Buffer.from(saying.text ?? 'text');
    default:
      if (!Object.hasOwn(events, say)) throw new ScriptError(`nobody can say ${say}`);
      return event(scene, saying, events[say]!);
  }
};

const NAMES: Readonly<Record<ClientFrame['type'], string>> = {
  hello: 'HELLO',
  command: 'COMMAND',
  ack: 'ACK',
  location: 'LOCATION',
  ping: 'PING',
  pong: 'PONG',
  clientState: 'CLIENT STATE',
  batch: 'BATCH',
};

export interface Heard {
  /** `HELLO`, `ACK`, …, or the name of the command. */
  readonly name: string;
  /** What a `where` is compared with. */
  readonly fields: JsonObject;
  readonly cid: number | null;
  readonly idem: string | null;
}

/** A frame of a client in the words of scripts. */
export const nameFrame = (frame: ClientFrame): Heard => {
  if (frame.type === 'command') {
    const opened = openCommand(frame);
    const name = commandByCode(frame.op)?.name ?? `COMMAND ${frame.op}`;
    const fields = (opened.ok ? opened.value.body : { refused: opened.message }) as JsonObject;
    return { name, fields, cid: frame.cid, idem: frame.idem };
  }
  const { type, ...rest } = frame;
  const fields = JSON.parse(JSON.stringify(rest)) as Record<string, Json>;
  if (frame.type === 'hello' && frame.resume !== null) {
    const { epoch, offset, sessionId: session } = frame.resume;
    fields.resume = { epoch: epochLetter(epoch), offset, session: Number.parseInt(session.slice(-12), 16) };
  }
  return { name: NAMES[type], fields, cid: null, idem: null };
};

/** Commands by their numbers are the only frames that are named after the catalogue. */
export const isCommand = (name: string): boolean =>
  Object.hasOwn(commands, name) || name.startsWith('COMMAND');
/** Frames that may come at any time, so that others are looked for behind them. */
export const mayComeAnyTime = (name: string): boolean => !isCommand(name) && name !== 'HELLO';

/** Why `value` is not what a `where` asks for; null when it is. */
export const differs = (value: Json | undefined, wanted: Json, at = ''): string | null => {
  const shown = (one: Json | undefined): string => (one === undefined ? 'nothing' : JSON.stringify(one));
  const no = (): string => `${at || 'it'} is ${shown(value)}, not ${shown(wanted)}`;
  if (typeof wanted !== 'object' || wanted === null) return value === wanted ? null : no();
  if (Array.isArray(wanted)) return JSON.stringify(value) === JSON.stringify(wanted) ? null : no();
  const asked = wanted as JsonObject;
  if ('oneOf' in asked)
    return (asked.oneOf as readonly Json[]).some(one => differs(value, one) === null) ? null : no();
  if ('atLeast' in asked || 'atMost' in asked) {
    const fits =
      typeof value === 'number' &&
      value >= number(asked.atLeast, -Infinity) &&
      value <= number(asked.atMost, Infinity);
    return fits ? null : no();
  }
  if (typeof value !== 'object' || value === null) return no();
  for (const [name, one] of Object.entries(asked)) {
    const why = differs((value as JsonObject)[name], one, at === '' ? name : `${at}.${name}`);
    if (why !== null) return why;
  }
  return null;
};
