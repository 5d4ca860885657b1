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

/** Who says a code. `nobody`: we do not, but libraries and proxies may, and the number is taken. */
type Speaker = 'server' | 'client' | 'both' | 'nobody';

export const CLOSE_WORDS: Readonly<Record<keyof typeof CLOSE, Explained & { readonly by: Speaker }>> = {
  normal: { by: 'client', meaning: 'goodbye: the user leaves', action: 'stop' },
  goingAway: {
    by: 'client',
    meaning: 'goodbye of a page that is closed; a proxy that stops may say it to you',
    action: 'heard: reconnect with backoff, resume',
  },
  protocol: {
    by: 'nobody',
    meaning: 'WebSocket protocol error; this server cuts without a code',
    action: 'do not repeat it unchanged',
  },
  textFrame: {
    by: 'server',
    meaning: 'a text message came; messages are binary',
    action: 'do not repeat it unchanged',
  },
  tooBig: {
    by: 'server',
    meaning: 'a message over its size; far above it the server cuts without a code',
    action: 'do not repeat it unchanged',
  },
  restart: {
    by: 'server',
    meaning: 'the server stops',
    action: 'reconnect after random 0 to `reconnectJitter_ms`, resume',
  },
  overloaded: {
    by: 'server',
    meaning: 'too many are arriving, or your actor could not be asked',
    action: 'reconnect after at least 5 s, with backoff',
  },
  malformed: {
    by: 'server',
    meaning: 'an undecodable frame, or a frame out of turn',
    action: 'stop: a bug of the client',
  },
  unsupportedVersion: {
    by: 'server',
    meaning: 'HELLO names a version not spoken here',
    action: 'stop: update the app',
  },
  badToken: {
    by: 'server',
    meaning: 'the token is not valid, or is of another device',
    action: 'get another token, connect once; again: stop',
  },
  revoked: {
    by: 'server',
    meaning: 'the token was revoked: signed out, blocked, or the account moved to another device',
    action: 'stop: tell the user',
  },
  replaced: {
    by: 'server',
    meaning: 'the same device connected again',
    action: 'stop: the newer socket goes on',
  },
  tooManySessions: {
    by: 'server',
    meaning: 'too many devices of this account are connected',
    action: 'stop: tell the user',
  },
  origin: {
    by: 'nobody',
    meaning: 'this web origin may not connect; said with HTTP 403 before there is a socket',
    action: 'stop',
  },
  internal: { by: 'server', meaning: 'our mistake', action: 'reconnect with backoff, resume' },
  tokenExpired: {
    by: 'server',
    meaning: 'the token was not renewed in time, or was over when HELLO came',
    action: 'get another token, reconnect with backoff, resume',
  },
  slowConsumer: {
    by: 'both',
    meaning: 'you read too slowly; you say it when your app does not keep up',
    action: 'reconnect with backoff, resume: nothing is lost',
  },
  rateLimited: {
    by: 'server',
    meaning: 'too fast, three times',
    action: 'reconnect with backoff, resume, be slower',
  },
  heartbeatLost: {
    by: 'client',
    meaning: 'no answer to a PING; the server cuts a silent connection without a code',
    action: 'reconnect with backoff, resume',
  },
  resyncNeeded: {
    by: 'client',
    meaning: 'what is held may be wrong: a frame that cannot be read, an event where the snapshot belongs',
    action: 'reconnect with backoff, HELLO with `resume` nil until a snapshot came',
  },
  helloTimeout: {
    by: 'both',
    meaning: 'no HELLO in time; you say it when no WELCOME comes',
    action: 'reconnect with backoff, resume',
  },
  moved: {
    by: 'both',
    meaning:
      'your actor moved and does not know this connection, or this node is cut off from the others; you say it when an event is missing, or another socket goes on',
    action: 'reconnect after random 0 to `reconnectJitter_ms`, resume',
  },
  rebalance: {
    by: 'server',
    meaning: 'this connection is old; the end after a GOAWAY with the reason `rebalance`',
    action: 'reconnect after random 0 to `reconnectJitter_ms`, resume',
  },
};

/**
 * What a client author has to know beyond the tuples. The figures belong to the actors, which may not be imported
 * here; `documents.test.ts` compares them.
 */
export const NOTES: Readonly<Partial<Record<CommandName | EventName, string>>> = {
  'location.share': 'A civilian shares already; for an officer it starts the 15 minutes anew.',
  'location.mode':
    '`off` and `qr` last until you choose another; so do `coarse` and `precise` of a civilian. Those of an officer end after 15 ' +
    'minutes, the same again begins them anew. 422 for `hub` of who is not checked in.',
  'hub.checkIn':
    'For 8 hours, or until another mode is chosen. Civilians in the area learn that the hub is open (`area.hubs`), not who is there, while ' +
    'your phone is connected and for 15 minutes after it was lost. While the mode lasts, a meeting by code is kept with the coarse cell of the hub, and 409 ' +
    'answers a scan by or of somebody who shares a position elsewhere; scans that are uploaded later are without a place.',
  'hey.say':
    'It waits 60 s. Your newest position must not be older than 90 s (409), your areas must tell of the officer (404, whatever ' +
    'else is so), and no hey of yours may be waiting there (409). The answer says nothing of where he is by now: who has left ' +
    'since, or is not to be reached, does not answer.',
  'hey.accept':
    'Counted are your newest position and the one that the civilian had when saying hey: both at most 90 s old, at most 100 m ' +
    'plus both accuracies (of each 30 m at the most) apart; else 409. They are compared once: after a 409 with a fresh position ' +
    'of yours the hey is over, and the civilian is told (`refused`) and may say another. 410 when the hey is over.',
  'qr.scan':
    'Points are set by a rule of the server that has a version; today a hey and a proximity meeting bring 10 to each side, a ' +
    'scan 20. Show what the frame says.',
  'redeem.reserve':
    'Civilians, families and charities; 403 for officers. The price in points is set by a rule of the server when you ask. 409 ' +
    'when the points are not there, when nothing is left, or when you had as many as one person may have; 410 when the offer is ' +
    'closed or withdrawn. `code` and `qr` say the same.',
  'till.open':
    'Other commands of tills answer 409 before it. A merchant has five devices at the most, and a till ends with its connection.',
  'till.look':
    'The letters I and L are the digit 1, O is 0, blanks and dashes count for nothing. 404 as well for what names another merchant, was paid, or is over.',
  'till.confirm':
    'By the id or by the code. Points of a part are its share. The customer hears of it in the same moment (`redemption.changed`), the other tills too (`till.redemption`).',
  'redemption.changed':
    'Points of `reserved` are part of the balance and cannot be spent. `confirmed` and `refunded` come instead of `points.changed`.',
  'points.donate':
    'Of civilians and officers, as far as the rules let them. 403 when this kind of account may not give to that one, 404 when there is ' +
    'none, 409 when it is not verified or the points are not there, 410 when an account is closed, 422 when points are not positive, an account is ' +
    'named twice, or is your own. Who gets points hears of it by `points.changed`.',
  'points.give': 'Answers as `points.donate` does; 409 also when it is more than may be given in 24 hours.',
  'fee.pay':
    'What it costs stands with the fee (`GET /v1/fees`). 409 when it was paid already, or the points are not there. A fee that everybody may pay can be ' +
    'paid by each person once.',
  'area.officers':
    'Comes after the first position in reach of the cell, and by itself when an officer arrives or leaves later. A nil body: nobody is left in the ' +
    'cell, or it is out of reach. Versions rise per cell, also across reconnects and restarts (they look like Unix milliseconds; ' +
    'only compare them).',
  'area.hubs':
    'Comes like `area.officers`, with versions of its own. A nil body: no hub is open in the area, or it is out of reach. Two officers or one less ' +
    'at a hub that stays open are no news.',
  'place.here':
    'You may be at several places at once. It is not stored, and ends with sharing: with the second position in a row outside, 25 m beyond the circle of the place.',
  'report.next': 'The sequence is that of this connection, so forget its version at each WELCOME.',
};
