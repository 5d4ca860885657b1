/**
 * `generated/asyncapi.json`: the protocol as an AsyncAPI 3 document. Payloads are positional tuples, which draft-07 says
 * as `items: [...]` with `additionalItems: true`, because receivers ignore what a later version appends.
 */
import { COMMANDS, type Command, EVENTS, type Event, PROTOCOL_VERSION, SUBPROTOCOL } from '../catalogue.ts';
import { CLOSE, ERROR, refuse } from '../errors.ts';
import { FRAME } from '../frames.ts';
import { BATCH_FRAMES_MAX, DEVICE_ID_BYTES_MAX } from '../limits.ts';
import { bin16, int, is, type Json, orNil, schemaOf, text, tuple, U32 } from './jsonSchema.ts';
import { CLOSE_WORDS, ERROR_WORDS } from './words.ts';

const cid = int('id of the command on this connection', 1, U32);
const CORRELATION = { correlationId: { location: '$message.payload#/1', description: 'cid of the command' } };
interface Message {
  readonly summary: string;
  readonly payload: Json;
  readonly correlationId?: Json;
}

const clientMessages: Readonly<Record<string, Message>> = {
  hello: {
    summary: 'First frame of a client, within 5 s.',
    payload: tuple(
      [
        is(FRAME.hello, 'HELLO'),
        int('protocol version', 0, 65_535),
        text('access token'),
        text('device id of the account', DEVICE_ID_BYTES_MAX),
        text('name and version of the app', 128),
        {
          ...orNil(tuple([bin16('session id'), bin16('epoch'), int('offset of the last event seen')])),
          description: 'where to resume; nil for a fresh start',
        },
      ],
      5,
    ),
  },
  location: {
    summary:
      'Position. Answered by report.next (with bit 1 of its flags only when the period is another), or by an error with cid 0.',
    payload: tuple(
      [
        is(FRAME.volatile, 'LOCATION'),
        int('sequence number, rising on this connection'),
        int('latitude, degrees times 10^7', -900_000_000, 900_000_000),
        int('longitude, degrees times 10^7', -1_800_000_000, 1_800_000_000),
        int('accuracy, decimetres', 0, U32),
        orNil(int('heading, degrees', 0, 360)),
        orNil(int('speed, decimetres per second', 0, 65_535)),
        orNil(int('Unix second of the fix', 0, U32)),
        orNil(int('milliseconds of the fix', 0, 999)),
        orNil(
          int(
            'flags; bit 0: the phone says that the position is simulated; bit 1: no answer is needed while the period stays',
            0,
            U32,
          ),
        ),
      ],
      5,
    ),
  },
  ack: {
    summary: 'Cumulative acknowledgement of events.',
    payload: tuple([is(FRAME.event, 'ACK'), int('offset of the last event kept')]),
  },
  clientState: {
    summary: 'Whether the app is in front.',
    payload: tuple([is(FRAME.clientState, 'CLIENT STATE'), int('0 background, 1 foreground', 0, 1)]),
  },
};

const bothMessages: Readonly<Record<string, Message>> = {
  ping: {
    summary: 'Asks for a PONG with the same number.',
    payload: tuple([is(FRAME.ping, 'PING'), int('any number')]),
  },
  pong: { summary: 'Answers a PING.', payload: tuple([is(FRAME.pong, 'PONG'), int('its number')]) },
  batch: {
    summary: `Up to ${BATCH_FRAMES_MAX} frames in one message, no BATCH among them.`,
    payload: tuple([
      is(FRAME.batch, 'BATCH'),
      { type: 'array', maxItems: BATCH_FRAMES_MAX, items: { type: 'array' }, description: 'frames' },
    ]),
  },
};

const serverMessages: Readonly<Record<string, Message>> = {
  welcome: {
    summary: 'Answers HELLO.',
    payload: tuple([
      is(FRAME.hello, 'WELCOME'),
      int('protocol version', 0, 65_535),
      bin16('session id'),
      bin16('epoch of the event offsets'),
      int('offset of the newest event'),
      { type: 'boolean', description: 'false: a snapshot follows; true: the missed events follow' },
      int('server time, Unix seconds', 0, U32),
      int('server time, milliseconds', 0, 999),
      tuple([
        int('ping_s: be silent no longer', 0, U32),
        int('maxBytes of a message to the server', 0, U32),
        int('tokenTtl_s: seconds that the token still lives', 0, U32),
        int('reconnectJitter_ms', 0, U32),
      ]),
    ]),
  },
  error: {
    summary: 'Refuses a command; cid 0 refuses a frame that was none.',
    payload: tuple(
      [
        is(FRAME.command, 'REPLY or ERROR'),
        int('cid of the command or 0', 0, U32),
        int('error code', 1, 65_535),
        text('a sentence'),
        { type: 'boolean', description: 'retryable: the same key may be sent again' },
        int('retryAfter_ms', 0, U32),
        { type: ['object', 'array', 'null'], description: 'detail, reserved' },
      ],
      6,
    ),
    ...CORRELATION,
  },
  goaway: {
    summary: 'Connect anew after a random delay, resume, then close this socket.',
    payload: tuple(
      [
        is(FRAME.goaway, 'GOAWAY'),
        text('reason'),
        int('deadline_ms from now', 0, U32),
        int('delayMin_ms', 0, U32),
        int('delayMax_ms', 0, U32),
        orNil(text('where to connect')),
      ],
      5,
    ),
  },
  tokenExpiring: {
    summary: 'Renew the token and send auth.refresh.',
    payload: tuple([is(FRAME.tokenExpiring, 'TOKEN EXPIRING'), int('seconds that it still lives', 0, U32)]),
  },
};

const commandMessage = ({ code, body, doc, mutates }: Command): Message => ({
  summary: doc,
  payload: tuple(
    [
      is(FRAME.command, 'COMMAND'),
      cid,
      is(code, 'operation'),
      schemaOf(body),
      mutates ? bin16('idempotency key') : orNil(bin16('idempotency key')),
    ],
    mutates ? 5 : 4,
  ),
  ...CORRELATION,
});
const replyMessage = (name: string, { result }: Command): Message => ({
  summary: `Reply to ${name}.`,
  payload: tuple([is(FRAME.command, 'REPLY'), cid, is(0, 'success'), schemaOf(result)]),
  ...CORRELATION,
});
const eventMessage = ({ code, body, doc, durable }: Event): Message => ({
  summary: doc,
  payload: durable
    ? tuple([is(FRAME.event, 'EVENT'), int('offset'), is(code, 'kind'), bin16('event id'), schemaOf(body)])
    : tuple(
        [
          is(FRAME.volatile, 'VOLATILE'),
          is(code, 'kind'),
          text('key'),
          int('version: drop what is older'),
          { ...orNil(schemaOf(body)), description: 'nil: the thing is gone' },
        ],
        4,
      ),
});

const messages = (): Readonly<Record<string, Message>> => ({
  ...clientMessages,
  ...bothMessages,
  ...serverMessages,
  ...Object.fromEntries(
    Object.entries(COMMANDS as Readonly<Record<string, Command>>).flatMap(([name, command]) => [
      [`command.${name}`, commandMessage(command)],
      [`reply.${name}`, replyMessage(name, command)],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(EVENTS as Readonly<Record<string, Event>>).map(([name, event]) => [
      `event.${name}`,
      eventMessage(event),
    ]),
  ),
});

const CHANNEL = '#/channels/realtime';
const inChannel = (name: string): Json => ({ $ref: `${CHANNEL}/messages/${name}` });
const operation = (
  action: 'send' | 'receive',
  name: string,
  summary: string,
  replies: readonly string[] = [],
): Json => ({
  action,
  channel: { $ref: CHANNEL },
  summary,
  messages: [inChannel(name)],
  ...(replies.length > 0 && { reply: { channel: { $ref: CHANNEL }, messages: replies.map(inChannel) } }),
});

const operations = (all: Readonly<Record<string, Message>>): Json => {
  const out: Record<string, Json> = {};
  const add = (action: 'send' | 'receive', name: string, replies?: readonly string[]): void => {
    out[`${action}.${name}`] = operation(action, name, all[name]!.summary, replies);
  };
  add('receive', 'hello', ['welcome']);
  add('receive', 'location', ['event.report.next', 'error']);
  add('receive', 'ack');
  add('receive', 'clientState');
  for (const name of Object.keys(COMMANDS)) add('receive', `command.${name}`, [`reply.${name}`, 'error']);
  for (const name of Object.keys(bothMessages)) {
    add('receive', name);
    add('send', name);
  }
  for (const name of ['goaway', 'tokenExpiring', ...Object.keys(EVENTS).map(event => `event.${event}`)])
    add('send', name);
  return out;
};

/** The whole file. */
export const asyncapi = (): string => {
  const all = messages();
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'HeyBlue realtime protocol',
      version: `${PROTOCOL_VERSION}.0.0`,
      description:
        'Generated from protocol/catalogue.ts by `npm run generate`. Actions are seen from the server: it receives what clients send. Words, bytes and rules: PROTOCOL.md.',
      license: { name: 'Apache-2.0' },
      'x-error-codes': Object.entries(ERROR).map(([name, code]) => ({
        code,
        name,
        retryable: refuse(code, '').retryable,
        ...ERROR_WORDS[name as keyof typeof ERROR],
      })),
      'x-close-codes': Object.entries(CLOSE).map(([name, code]) => ({
        code,
        name,
        ...CLOSE_WORDS[name as keyof typeof CLOSE],
      })),
    },
    defaultContentType: 'application/x-msgpack',
    servers: {
      local: {
        host: 'localhost:8081',
        protocol: 'ws',
        description: `Subprotocol ${SUBPROTOCOL}; one message is one frame`,
      },
    },
    channels: {
      realtime: {
        address: '/v1/ws',
        servers: [{ $ref: '#/servers/local' }],
        bindings: {
          ws: {
            method: 'GET',
            headers: {
              type: 'object',
              required: ['Sec-WebSocket-Protocol'],
              properties: {
                'Sec-WebSocket-Protocol': {
                  type: 'string',
                  pattern: `^${SUBPROTOCOL.replaceAll('.', '\\.')}(, bearer\\.[A-Za-z0-9_-]+)?$`,
                  description: 'The subprotocol; behind it, if wanted, the access token in base64url.',
                },
                Origin: { type: 'string', description: 'Sent by browsers; only listed origins may connect.' },
                traceparent: { type: 'string', description: 'W3C Trace Context, version 00.' },
              },
            },
            bindingVersion: '0.1.0',
          },
        },
        messages: Object.fromEntries(
          Object.keys(all).map(name => [name, { $ref: `#/components/messages/${name}` }]),
        ),
      },
    },
    operations: operations(all),
    components: {
      messages: Object.fromEntries(
        Object.entries(all).map(([name, message]) => [
          name,
          { name, contentType: 'application/x-msgpack', ...message },
        ]),
      ),
    },
  };
  return `${JSON.stringify(document, null, 1)}\n`;
};
