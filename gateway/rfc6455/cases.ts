/**
 * What a server of WebSockets is told and what it must do about it, after RFC 6455 (there is no Autobahn here). `rfc` lists
 * every outcome that the RFC allows; `ours` is what uWebSockets.js under `gateway/uws.ts` really does. Where they differ, `why` says
 * what that means. `README.md` is written from this file and both columns are checked by running them.
 */
import { LIMITS } from '../limits.ts';
import { type ClientWsFrame, clientFrame, KEY, type RawClient, upgradeRequest } from './rawClient.ts';

export interface Case {
  readonly section: string;
  readonly what: string;
  /** Outcomes that the RFC allows. */
  readonly rfc: readonly string[];
  /** What our transport does. */
  readonly ours: string;
  /** What the `ws` package does, with the same limits. */
  readonly ws: string;
  /** Of a deviation: what it means. */
  readonly why?: string;
  readonly play: (client: RawClient) => Promise<void> | void;
}

const bytes = (size: number): Uint8Array => new Uint8Array(size).fill(0x61);
const text = (value: string): Uint8Array => Buffer.from(value);
const write =
  (...frames: readonly ClientWsFrame[]) =>
  (client: RawClient): void =>
    client.write(Buffer.concat(frames.map(clientFrame)));
const trickle =
  (...frames: readonly ClientWsFrame[]) =>
  (client: RawClient): Promise<void> =>
    client.trickle(Buffer.concat(frames.map(clientFrame)));
const data = (size: number, more: Partial<ClientWsFrame> = {}): ClientWsFrame => ({
  opcode: 2,
  payload: bytes(size),
  ...more,
});
const ping = (size: number): ClientWsFrame => ({ opcode: 9, payload: bytes(size) });
const closing = (code: number, reason: Uint8Array = new Uint8Array(0)): ClientWsFrame => ({
  opcode: 8,
  payload: Buffer.concat([Uint8Array.of(code >> 8, code & 255), reason]),
});

/** Close frame 1002, or the connection failed (RFC 6455, 7.1.7) without one: the client sees 1006. */
const FAILED = ['close 1002'];
const NO_FRAME = 'the connection ends without the close frame that says why: a client sees 1006';
const EMPTY = 'answered by a close without a code: a client sees 1005';
const LIMIT = LIMITS.transportBytes;

const lengths: Case[] = [
  [0, 'in 7 bits'],
  [125, 'the most in 7 bits'],
  [126, 'the least in 16 bits'],
  [LIMIT, 'as much as we take'],
].map(([size, how]) => ({
  section: '5.2',
  what: `a message of ${size} bytes, ${how}`,
  rfc: [`message ${size}, open`],
  ours: `message ${size}, open`,
  ws: `message ${size}, open`,
  play: write(data(size as number)),
}));

const tooLong: Case[] = [LIMIT + 1, 65_535, 65_536].map(size => ({
  section: '7.4.1',
  what: `a message of ${size} bytes, more than we take`,
  rfc: ['close 1009'],
  ours: 'cut',
  ws: 'close 1009',
  why: `${NO_FRAME}; between 8,192 and 16,384 bytes the gateway says 1009 itself`,
  play: write(data(size)),
}));

/** `say N` makes the server of the suite send a message of N bytes. */
const answers: Case[] = [0, 125, 126, 65_535, 65_536].map(size => ({
  section: '5.2',
  what: `the server sends ${size} bytes`,
  rfc: [`message ${size}, open`],
  ours: `message ${size}, open`,
  ws: `message ${size}, open`,
  play: write({ opcode: 2, payload: text(`say ${size}`) }),
}));

const reserved: Case[] = [4, 2, 1].flatMap((bits, nth) => [
  {
    section: '5.2',
    what: `RSV${nth + 1} on a message, no extension agreed`,
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write(data(5, { reserved: bits })),
  },
  {
    section: '5.2',
    what: `RSV${nth + 1} on a ping`,
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write({ ...ping(2), reserved: bits }),
  },
]);

const opcodes: Case[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(opcode => ({
  section: '5.2',
  what: `reserved opcode ${opcode}`,
  rfc: FAILED,
  ours: 'cut',
  ws: 'close 1002',
  why: NO_FRAME,
  play: write({ opcode, payload: bytes(3) }),
}));

const closes: Case[] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 4000, 4999].map(code => ({
  section: '7.4',
  what: `close ${code}`,
  rfc: [`close ${code}`, 'close 1000'],
  ours: `close ${code}`,
  ws: `close ${code}`,
  play: write(closing(code)),
}));

const unechoed: Case[] = [3000, 3999].map(code => ({
  section: '7.4',
  what: `close ${code}`,
  rfc: [`close ${code}`, 'close 1000'],
  ours: 'close empty',
  ws: `close ${code}`,
  why: EMPTY,
  play: write(closing(code)),
}));

const illegalCloses: Case[] = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map(code => ({
  section: '7.4',
  what: `close ${code}, which may not be sent`,
  rfc: FAILED,
  ours: 'close empty',
  ws: 'close 1002',
  why: EMPTY,
  play: write(closing(code)),
}));

const others: Case[] = [
  {
    section: '5.2',
    what: 'a message of 5 bytes whose length stands in 16 bits',
    rfc: FAILED,
    ours: 'message 5, open',
    ws: 'message 5, open',
    why: 'a longer form than needed is read all the same',
    play: write(data(5, { form: 16 })),
  },
  {
    section: '5.2',
    what: 'a message of 5 bytes whose length stands in 64 bits',
    rfc: FAILED,
    ours: 'message 5, open',
    ws: 'message 5, open',
    why: 'a longer form than needed is read all the same',
    play: write(data(5, { form: 64 })),
  },
  {
    section: '5.2',
    what: 'a length of 2^63: the highest bit must be 0',
    rfc: ['close 1002', 'close 1009'],
    ours: 'cut',
    ws: 'close 1009',
    why: NO_FRAME,
    play: write(data(5, { claims: 2n ** 63n })),
  },
  {
    section: '5.1',
    what: 'a message that is not masked',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write(data(5, { masked: false })),
  },
  {
    section: '5.1',
    what: 'a ping that is not masked',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write({ ...ping(2), masked: false }),
  },
  {
    section: '5.4',
    what: 'a message in two fragments',
    rfc: ['message 7, open'],
    ours: 'message 7, open',
    ws: 'message 7, open',
    play: write(data(3, { final: false }), { opcode: 0, payload: bytes(4) }),
  },
  {
    section: '5.4',
    what: 'a message in four fragments, two of them empty, a ping between each two',
    rfc: ['pong 1, pong 2, pong 3, message 7, open'],
    ours: 'pong 1, pong 2, pong 3, message 7, open',
    ws: 'pong 1, pong 2, pong 3, message 7, open',
    play: write(
      data(0, { final: false }),
      ping(1),
      { opcode: 0, payload: bytes(3), final: false },
      ping(2),
      { opcode: 0, payload: bytes(4), final: false },
      ping(3),
      { opcode: 0 },
    ),
  },
  {
    section: '5.4',
    what: 'the same, one byte at a time',
    rfc: ['pong 1, pong 2, message 7, open'],
    ours: 'pong 1, pong 2, message 7, open',
    ws: 'pong 1, pong 2, message 7, open',
    play: trickle(
      data(3, { final: false }),
      ping(1),
      { opcode: 0, payload: bytes(4), final: false },
      ping(2),
      { opcode: 0 },
    ),
  },
  {
    section: '5.4',
    what: 'three hundred fragments of one byte',
    rfc: ['message 300, open'],
    ours: 'message 300, open',
    ws: 'message 300, open',
    play: write(
      data(1, { final: false }),
      ...Array.from({ length: 299 }, (_, i) => ({ opcode: 0, payload: bytes(1), final: i === 298 })),
    ),
  },
  {
    section: '5.4',
    what: 'fragments that are more than we take together',
    rfc: ['close 1009'],
    ours: 'cut',
    ws: 'close 1009',
    why: NO_FRAME,
    play: write(data(LIMIT, { final: false }), { opcode: 0, payload: bytes(1) }),
  },
  {
    section: '5.4',
    what: 'a continuation of nothing',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write({ opcode: 0, payload: bytes(3) }),
  },
  {
    section: '5.4',
    what: 'a continuation after a message that was finished',
    rfc: ['message 3, close 1002'],
    ours: 'cut',
    ws: 'message 3, close 1002',
    why: 'the answer to what came before in the same segment is lost with the connection',
    play: write(data(3), { opcode: 0, payload: bytes(3) }),
  },
  {
    section: '5.4',
    what: 'a new message inside of one that is not finished',
    rfc: FAILED,
    ours: 'message 6, open',
    ws: 'close 1002',
    why: 'it is taken as a continuation; as MessagePack the two together are refused with 4000',
    play: write(data(3, { final: false }), data(3)),
  },
  {
    section: '5.5',
    what: 'a ping in two fragments',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write({ ...ping(3), final: false }, { opcode: 0, payload: bytes(2) }),
  },
  {
    section: '5.5',
    what: 'a close in two fragments',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write({ ...closing(1000), final: false }, { opcode: 0, payload: bytes(2) }),
  },
  {
    section: '5.5.2',
    what: 'a ping of nothing',
    rfc: ['pong 0, open'],
    ours: 'pong 0, open',
    ws: 'pong 0, open',
    play: write(ping(0)),
  },
  {
    section: '5.5.2',
    what: 'a ping of 125 bytes',
    rfc: ['pong 125, open'],
    ours: 'pong 125, open',
    ws: 'pong 125, open',
    play: write(ping(125)),
  },
  {
    section: '5.5',
    what: 'a ping of 126 bytes',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write(ping(126)),
  },
  {
    section: '5.5.2',
    what: 'ten pings in one segment',
    rfc: [`${Array.from({ length: 10 }, (_, i) => `pong ${i}`).join(', ')}, open`, 'pong 9, open'],
    ours: `${Array.from({ length: 10 }, (_, i) => `pong ${i}`).join(', ')}, open`,
    ws: `${Array.from({ length: 10 }, (_, i) => `pong ${i}`).join(', ')}, open`,
    play: write(...Array.from({ length: 10 }, (_, i) => ping(i))),
  },
  {
    section: '5.5.3',
    what: 'a pong that nobody asked for',
    rfc: ['open'],
    ours: 'open',
    ws: 'open',
    play: write({ opcode: 10, payload: bytes(5) }),
  },
  {
    section: '5.5.1',
    what: 'a close without a code',
    rfc: ['close empty', 'close 1000'],
    ours: 'close empty',
    ws: 'close empty',
    play: write({ opcode: 8 }),
  },
  {
    section: '5.5.1',
    what: 'a close of one byte',
    rfc: FAILED,
    ours: 'close empty',
    ws: 'close 1002',
    why: EMPTY,
    play: write({ opcode: 8, payload: bytes(1) }),
  },
  {
    section: '5.5.1',
    what: 'a close with a reason of 123 bytes',
    rfc: ['close 1000'],
    ours: 'close 1000',
    ws: 'close 1000',
    play: write(closing(1000, bytes(123))),
  },
  {
    section: '5.5',
    what: 'a close with a reason of 124 bytes',
    rfc: FAILED,
    ours: 'cut',
    ws: 'close 1002',
    why: NO_FRAME,
    play: write(closing(1000, bytes(124))),
  },
  {
    section: '8.1',
    what: 'a close whose reason is not UTF-8',
    rfc: ['close 1002', 'close 1007'],
    ours: 'close empty',
    ws: 'close 1007',
    why: EMPTY,
    play: write(closing(1000, Uint8Array.of(0xce, 0xba, 0xed, 0xa0, 0x80))),
  },
  {
    section: '5.5.1',
    what: 'a message behind the close',
    rfc: ['close 1000'],
    ours: 'close 1000',
    ws: 'close 1000',
    play: write(closing(1000), data(5)),
  },
  {
    section: '5.5.1',
    what: 'a close inside of a message that is not finished',
    rfc: ['close 1000'],
    ours: 'close 1000',
    ws: 'close 1000',
    play: write(data(5, { final: false }), closing(1000)),
  },
  {
    section: '5.5.1',
    what: 'a close one byte at a time',
    rfc: ['close 4001'],
    ours: 'close 4001',
    ws: 'close 4001',
    play: trickle(closing(4001, text('bye'))),
  },
  {
    section: '7.1.1',
    what: 'the server closes, the client answers with its own close',
    rfc: ['close 4321'],
    ours: 'close 4321',
    ws: 'close 4321',
    play: async client => {
      client.write(clientFrame({ opcode: 2, payload: text('close 4321') }));
      await client.until(() => client.diary.includes('close 4321'));
      client.write(clientFrame(closing(4321)));
    },
  },
  {
    section: '5.6',
    what: 'a text message',
    rfc: ['close 1003', 'text 5, open'],
    ours: 'close 1003',
    ws: 'close 1003',
    play: write({ opcode: 1, payload: text('hello') }),
  },
  {
    section: '8.1',
    what: 'a text message that is not UTF-8',
    rfc: ['close 1007', 'close 1003'],
    ours: 'cut',
    ws: 'close 1007',
    why: NO_FRAME,
    play: write({ opcode: 1, payload: Uint8Array.of(0xc0, 0xaf) }),
  },
  {
    section: 'TCP',
    what: 'a message and the end of writing (half-close)',
    rfc: ['message 5, cut', 'message 5, close 1006', 'message 5, nothing', 'cut'],
    ours: 'message 5, cut',
    ws: 'message 5, cut',
    play: async client => {
      client.write(clientFrame(data(5)));
      client.halfClose();
      await client.until(() => false);
    },
  },
  {
    section: 'TCP',
    what: 'half a frame and the end of writing',
    rfc: ['cut', 'close 1002'],
    ours: 'cut',
    ws: 'cut',
    play: async client => {
      client.write(clientFrame(data(50)).subarray(0, 20));
      client.halfClose();
      await client.until(() => false);
    },
  },
];

export const CASES: readonly Case[] = [
  ...lengths,
  ...answers,
  ...tooLong,
  ...others,
  ...reserved,
  ...opcodes,
  ...closes,
  ...unechoed,
  ...illegalCloses,
];

export interface Handshake {
  readonly section: string;
  readonly what: string;
  readonly rfc: readonly string[];
  readonly ours: string;
  readonly ws: string;
  readonly why?: string;
  /** The request, in TCP segments. */
  readonly pieces: readonly string[];
}

const REFUSED = ['HTTP 400', 'HTTP 404', 'HTTP 405', 'HTTP 426', 'cut'];
const SPLIT =
  'a first line in several TCP segments is taken for another version of HTTP; a phone sends it in one, and comes back by itself if not';
const request = upgradeRequest();
const lines = request.indexOf('\r\n') + 2;

export const HANDSHAKES: readonly Handshake[] = [
  {
    section: '4.2',
    what: 'a proper upgrade',
    rfc: ['HTTP 101'],
    ours: 'HTTP 101',
    ws: 'HTTP 101',
    pieces: [request],
  },
  {
    section: '4.2',
    what: 'the first line at once, the headers one byte at a time',
    rfc: ['HTTP 101'],
    ours: 'HTTP 101',
    ws: 'HTTP 101',
    pieces: [request.slice(0, lines), ...request.slice(lines)],
  },
  {
    section: '4.2',
    what: 'the first line in two pieces',
    rfc: ['HTTP 101'],
    ours: 'HTTP 505',
    ws: 'HTTP 101',
    why: SPLIT,
    pieces: [request.slice(0, 14), request.slice(14)],
  },
  {
    section: '4.2',
    what: 'everything one byte at a time',
    rfc: ['HTTP 101'],
    ours: 'HTTP 505',
    ws: 'HTTP 101',
    why: SPLIT,
    pieces: [...request],
  },
  {
    section: '4.2.1',
    what: 'names and values of headers in other cases',
    rfc: ['HTTP 101'],
    ours: 'HTTP 101',
    ws: 'HTTP 101',
    pieces: [
      upgradeRequest({
        Upgrade: null,
        Connection: null,
        uPGRADE: 'WebSocket',
        CONNECTION: 'keep-alive, UPGRADE',
      }),
    ],
  },
  {
    section: '4.2.1',
    what: 'no Upgrade header',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 426',
    pieces: [upgradeRequest({ Upgrade: null })],
  },
  {
    section: '4.2.1',
    what: 'an upgrade to something else',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 400',
    pieces: [upgradeRequest({ Upgrade: 'h2c' })],
  },
  {
    section: '4.2.1',
    what: 'no Connection header',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 426',
    pieces: [upgradeRequest({ Connection: null })],
  },
  {
    section: '4.2.1',
    what: 'no key',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 400',
    pieces: [upgradeRequest({ 'Sec-WebSocket-Key': null })],
  },
  {
    section: '4.2.1',
    what: 'a key that is not 16 bytes',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 400',
    pieces: [upgradeRequest({ 'Sec-WebSocket-Key': KEY.slice(0, 12) })],
  },
  {
    section: '4.2.1',
    what: 'no version',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 400',
    pieces: [upgradeRequest({ 'Sec-WebSocket-Version': null })],
  },
  {
    section: '4.2.2',
    what: 'version 12',
    rfc: REFUSED,
    ours: 'HTTP 426',
    ws: 'HTTP 400',
    pieces: [upgradeRequest({ 'Sec-WebSocket-Version': '12' })],
  },
  {
    section: '4.2.1',
    what: 'POST',
    rfc: REFUSED,
    ours: 'HTTP 404',
    ws: 'HTTP 405',
    pieces: [upgradeRequest({}, { method: 'POST' })],
  },
  {
    section: '4.2.1',
    what: 'HTTP/1.0',
    rfc: [...REFUSED, 'HTTP 505'],
    ours: 'HTTP 505',
    ws: 'HTTP 101',
    pieces: [upgradeRequest({}, { version: 'HTTP/1.0' })],
  },
  {
    section: '4.2.1',
    what: 'no Host',
    rfc: REFUSED,
    ours: 'HTTP 400',
    ws: 'HTTP 101',
    pieces: [upgradeRequest({ Host: null })],
  },
  {
    section: '4.2.2',
    what: 'another path',
    rfc: ['HTTP 404', 'HTTP 400'],
    ours: 'HTTP 404',
    ws: 'HTTP 400',
    pieces: [upgradeRequest({}, { path: '/nothing' })],
  },
  {
    section: 'HTTP',
    what: 'a header of 64 KiB',
    rfc: ['HTTP 431', 'HTTP 400', 'cut'],
    ours: 'HTTP 431',
    ws: 'HTTP 431',
    pieces: [upgradeRequest({ 'X-Long': 'a'.repeat(65_536) })],
  },
  {
    section: 'HTTP',
    what: 'a thousand headers',
    rfc: ['HTTP 431', 'HTTP 400', 'cut'],
    ours: 'HTTP 431',
    ws: 'HTTP 431',
    pieces: [upgradeRequest(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`X-${i}`, 'a'])))],
  },
  {
    section: 'HTTP',
    what: 'something that is not HTTP',
    rfc: [...REFUSED, 'HTTP 505'],
    ours: 'HTTP 505',
    ws: 'HTTP 400',
    pieces: ['\x16\x03\x01 hello\r\n\r\n'],
  },
];
