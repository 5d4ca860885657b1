/** A sentence for each number that a client must act on; the compiler sees to it that none is missing. */
import type { CommandName, EventName } from '../catalogue.ts';
import type { CLOSE, ERROR } from '../errors.ts';

interface Explained {
  readonly meaning: string;
  readonly action: string;
}

export const ERROR_WORDS: Readonly<Record<keyof typeof ERROR, Explained>> = {
  malformed: {
    meaning: 'the body does not fit its tuple, or the key is missing',
    action: 'a bug of the client: fix it',
  },
  unauthorized: { meaning: 'no valid token', action: 'sign in' },
  forbidden: { meaning: 'this account may not do this', action: 'do not offer it' },
  notFound: { meaning: 'no such operation, person or thing', action: 'forget the id' },
  conflict: {
    meaning:
      'the state does not allow it: met within a day, not sharing, not close, a code or key used before, sequence number fell',
    action: 'show the message; ask `state.get` when in doubt',
  },
  gone: { meaning: 'over: an expired code, a hey that ended, a stale position', action: 'start again' },
  tooLarge: { meaning: 'too much at once', action: 'send less' },
  invalid: {
    meaning: 'well-formed and wrong: outside the globe, forged code, oneself',
    action: 'show the message',
  },
  rateLimited: { meaning: 'too fast', action: 'wait `retryAfter_ms`, then the same key' },
  tokenExpired: { meaning: 'the token is over', action: 'get a fresh one, send that' },
  internal: { meaning: 'our mistake', action: 'report it; the same key is safe' },
  unavailable: { meaning: 'not now: moving, overloaded, a store is away', action: 'wait, then the same key' },
  timeout: {
    meaning: 'no answer in time: **the outcome is unknown**',
    action: 'the same key again tells it',
  },
};

export const CLOSE_WORDS: Readonly<Record<keyof typeof CLOSE, Explained>> = {
  normal: { meaning: 'you or we ended it', action: 'nothing' },
  goingAway: { meaning: 'the app or the page left', action: 'nothing' },
  protocol: { meaning: 'WebSocket protocol error', action: 'do not repeat it unchanged' },
  textFrame: { meaning: 'a text frame came; frames are binary', action: 'do not repeat it unchanged' },
  tooBig: { meaning: 'a message over its size', action: 'do not repeat it unchanged' },
  restart: {
    meaning: 'the server restarts',
    action: 'reconnect after random 0 to `reconnectJitter_ms`, resume',
  },
  overloaded: { meaning: 'too many are arriving', action: 'reconnect after at least 5 s, with backoff' },
  malformed: { meaning: 'an undecodable frame, or a frame out of turn', action: 'stop: a bug of the client' },
  unsupportedVersion: { meaning: 'HELLO names a version not spoken here', action: 'stop: update the app' },
  badToken: { meaning: 'the token is not valid', action: 'sign in, then connect once' },
  revoked: { meaning: 'the account was blocked or moved to another device', action: 'stop: tell the user' },
  replaced: { meaning: 'the same device connected again', action: 'stop: the newer socket goes on' },
  tooManySessions: { meaning: 'too many sockets of this account', action: 'stop: tell the user' },
  origin: { meaning: 'this web origin may not connect', action: 'stop' },
  internal: { meaning: 'our mistake', action: 'reconnect with backoff' },
  tokenExpired: { meaning: 'the token was not renewed in time', action: 'renew it, then reconnect' },
  slowConsumer: { meaning: 'you read too slowly', action: 'reconnect with backoff, resume: nothing is lost' },
  rateLimited: { meaning: 'too fast, three times', action: 'reconnect with backoff, be slower' },
  heartbeatLost: {
    meaning: 'no sign of life; given by the client, a server cuts without a code',
    action: 'reconnect with backoff',
  },
  resyncNeeded: { meaning: 'what you hold may be wrong', action: 'reconnect without `resume`' },
  helloTimeout: { meaning: 'no HELLO in time', action: 'reconnect with backoff' },
  moved: { meaning: 'your actor moved', action: 'reconnect after random 0 to `reconnectJitter_ms`' },
  rebalance: { meaning: 'load is spread anew', action: 'reconnect after random 0 to `reconnectJitter_ms`' },
};

/**
 * What a client author has to know beyond the tuples. The figures belong to the actors, which may not be imported
 * here; `documents.test.ts` compares them.
 */
export const NOTES: Readonly<Partial<Record<CommandName | EventName, string>>> = {
  'location.share': 'A civilian shares already; for an officer it starts the 15 minutes anew.',
  'hey.say':
    'It waits 60 s. Your newest position must not be older than 90 s (409), the officer must share in your area (404), and no ' +
    'hey of yours may be waiting there (409).',
  'hey.accept':
    'Counted are your newest position and the one that the civilian had when saying hey: both at most 90 s old, at most 100 m ' +
    'plus both accuracies apart; else 409. 410 when the hey is over.',
  'qr.scan':
    'Points are set by a rule of the server that has a version; today a hey and a proximity meeting bring 10 to each side, a ' +
    'scan 20. Show what the frame says.',
  'area.officers':
    'Comes after the first position in reach of the cell, and by itself when an officer arrives or leaves later. A nil body: nobody is left in the ' +
    'cell, or it is out of reach. Versions rise per cell, also across reconnects and restarts (they look like Unix milliseconds; ' +
    'only compare them).',
  'report.next': 'The sequence is that of this connection, so forget its version at each WELCOME.',
};
