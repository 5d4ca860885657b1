/**
 * Everything that can be said over the socket: commands, durable events and volatile frames, each with its number.
 * Validators, TypeScript types, the protocol page, the AsyncAPI document and the golden vectors are generated from
 * this file. Numbers are never reused and tuples only grow at the tail (`since` tells when).
 */
import { type BodyOf, type Field, f } from './schema.ts';

/**
 * Who may use a command. A token carries the scopes of its account kind. `spend`: who may let points go, for goods or as a
 * gift; which of the two, his actor says. `merchant`: tills.
 */
export type Scope = 'session' | 'meet' | 'officer' | 'civilian' | 'spend' | 'merchant';
/** Named token buckets; the figures stand in `gateway/limits.ts`. */
export type RateClass = 'command' | 'auth' | 'qr';

export interface Command<
  B extends readonly Field[] = readonly Field[],
  R extends readonly Field[] = readonly Field[],
> {
  readonly code: number;
  readonly body: B;
  readonly result: R;
  /** Changes something: an idempotency key is required. */
  readonly mutates: boolean;
  readonly scope: Scope;
  readonly rate: RateClass;
  readonly since: number;
  readonly doc: string;
}

export interface Event<B extends readonly Field[] = readonly Field[], D extends boolean = boolean> {
  readonly code: number;
  readonly body: B;
  readonly durable: D;
  readonly since: number;
  readonly doc: string;
}

const command = <const B extends readonly Field[], const R extends readonly Field[]>(
  spec: Command<B, R>,
): Command<B, R> => spec;
const event = <const B extends readonly Field[], const D extends boolean>(spec: Event<B, D>): Event<B, D> =>
  spec;

export const METHODS = ['proximity', 'hey', 'qr'] as const;
/** How a meeting was proved, weakest first (DOMAIN rule 2). */
export type Method = (typeof METHODS)[number];

export const ACCOUNT_KINDS = [
  'civilian',
  'officer',
  'merchant',
  'charity',
  'family',
  'municipality',
  'operator',
] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];

/**
 * What a person lets others know of the place, from nothing to a position (proximity study 4.7). `off`: no position is
 * taken, codes only, and nothing of the town is told. `qr`: codes only. `hub`: the officer is at a community hub. `coarse`:
 * the 2 km cell. `precise`: positions.
 */
export const MODES = ['off', 'qr', 'hub', 'coarse', 'precise'] as const;
export type Mode = (typeof MODES)[number];

/**
 * Accounts that several devices may use at once, such as the tills of a merchant. Who meets people has one phone (DOMAIN
 * rule 8).
 */
export const hasSeveralDevices = (kind: AccountKind): boolean => kind !== 'civilian' && kind !== 'officer';

/** What becomes of a redemption. `confirmed`: at least a part was paid; `refunded`: all that was paid came back. */
export const REDEMPTION_STATES = ['reserved', 'confirmed', 'cancelled', 'expired', 'refunded'] as const;
export type RedemptionState = (typeof REDEMPTION_STATES)[number];

/** UTF-8 bytes of the title of an offer: 120 characters. */
const TITLE_BYTES = 480;

/** A redemption as a till sees it: what to hand over, never to whom. */
const atTheTill = [
  f.id('redemptionId', 'the redemption'),
  f.str('code', 16, 'what the customer shows'),
  f.id('offerId', 'of what'),
  f.str('title', TITLE_BYTES, 'title of the offer'),
  f.u16('quantity', 'units reserved; once it is paid, units paid'),
  f.points('points', 'for all of them'),
  f.enum('state', REDEMPTION_STATES, 'as it is now'),
  f.u32('expiresS', 'Unix second at which it is over by itself'),
] as const;

/** Accounts among which one gift may be split. */
export const GIFT_PARTS_MAX = 16;

const given = [
  f.id('transferId', 'the ledger entry'),
  f.points('points', 'negative: what left the account'),
  f.points('balance', "the caller's balance after it"),
] as const;

const outcome = [
  f.id('encounterId', 'the encounter that this settled'),
  f.points('points', 'what the caller earned'),
  f.points('balance', "the caller's balance after it"),
] as const;

export const COMMANDS = {
  'auth.refresh': command({
    code: 1,
    body: [f.str('token', 2048, 'a fresh access token of the same user and device')],
    result: [f.u32('ttlS', 'seconds that the new token lives')],
    mutates: false,
    scope: 'session',
    rate: 'auth',
    since: 1,
    doc: 'Renews the token of this connection in place.',
  }),
  'state.get': command({
    code: 2,
    body: [],
    result: [],
    mutates: false,
    scope: 'session',
    rate: 'command',
    since: 1,
    doc: 'Asks for the full state again: a `snapshot` event follows the empty reply.',
  }),
  'location.share': command({
    code: 10,
    body: [],
    result: [f.u32('untilS', 'Unix second at which sharing ends by itself; 0 when it does not')],
    mutates: true,
    scope: 'meet',
    rate: 'command',
    since: 1,
    doc: 'Starts sharing the position: `location.mode` with `precise`. An officer stops sharing by himself after 15 minutes.',
  }),
  'location.stop': command({
    code: 11,
    body: [],
    result: [],
    mutates: true,
    scope: 'meet',
    rate: 'command',
    since: 1,
    doc: 'Stops sharing: `location.mode` with `qr`. What is remembered of the position is wiped.',
  }),
  'location.mode': command({
    code: 13,
    body: [f.enum('mode', MODES, 'what others may know of the place from now on')],
    result: [
      f.enum('mode', MODES, 'as it is now'),
      f.u32('untilS', 'Unix second at which it ends by itself and `qr` begins; 0 when it does not'),
    ],
    mutates: true,
    scope: 'meet',
    rate: 'command',
    since: 1,
    doc: 'Chooses the privacy mode. What is remembered of the place in the mode before is wiped at once. `hub` is entered with `hub.checkIn`.',
  }),
  'instant.set': command({
    code: 12,
    body: [f.bool('on', 'whether a completed dwell counts without a tap')],
    result: [f.bool('on', 'as it is now')],
    mutates: true,
    scope: 'meet',
    rate: 'command',
    since: 1,
    doc: 'Instant match: counts only between two people who both switched it on. Off holds at once, on from the next position.',
  }),
  'hey.say': command({
    code: 20,
    body: [f.id('officerId', 'an officer named by an `area.officers` frame')],
    result: [f.id('heyId', 'this hey'), f.u32('expiresS', 'Unix second at which it is over')],
    mutates: true,
    scope: 'civilian',
    rate: 'command',
    since: 1,
    doc: 'A civilian greets an officer in the same area; the officer accepts or declines.',
  }),
  'hey.accept': command({
    code: 21,
    body: [f.id('heyId', 'the hey received')],
    result: outcome,
    mutates: true,
    scope: 'officer',
    rate: 'command',
    since: 1,
    doc: 'The officer accepts: fresh positions of both must agree. The reply leaves after the points are durable.',
  }),
  'hey.decline': command({
    code: 22,
    body: [f.id('heyId', 'the hey received')],
    result: [],
    mutates: true,
    scope: 'officer',
    rate: 'command',
    since: 1,
    doc: 'The officer declines; the civilian is told. 410 when the hey is over, 409 while an accept of it is under way.',
  }),
  'qr.show': command({
    code: 30,
    body: [],
    result: [
      f.str('token', 64, 'the HB1 text to draw as a QR code'),
      f.u32('expiresS', 'Unix second of its end'),
    ],
    mutates: false,
    scope: 'meet',
    rate: 'qr',
    since: 1,
    doc: 'A fresh code of the caller for the other side to scan; ask again each 15 s.',
  }),
  'qr.scan': command({
    code: 31,
    body: [f.str('token', 128, 'the text read from the other phone')],
    result: outcome,
    mutates: true,
    scope: 'meet',
    rate: 'qr',
    since: 1,
    doc: 'Face to face: settles an encounter with the person who showed the code.',
  }),
  'qr.upload': command({
    code: 32,
    body: [
      f.str('token', 128, 'the text read from the other phone'),
      f.u32('scannedAtS', "Unix second of the scan by the scanner's phone, at most 24 h ago"),
      f.str('proof', 32, "signed at the scan by the scanner's phone, with the key of its book of codes"),
    ],
    result: [
      f.id('encounterId', 'the encounter that this will be, if it counts'),
      f.u32('settlesS', 'Unix second at which it is settled at the latest'),
    ],
    mutates: true,
    scope: 'meet',
    rate: 'qr',
    since: 1,
    doc: 'A code that was scanned while the scanner had no network. The points come with `encounter.completed` when the phone of the other person has acknowledged `scan.pending` (by ACK, or by a resume behind it), or after 72 h; in a town that asks officers, when the officer has said `qr.confirm`; or `scan.refused` says why not.',
  }),
  'qr.confirm': command({
    code: 33,
    body: [f.id('scanId', 'as `scan.asked` named it')],
    result: [],
    mutates: true,
    scope: 'officer',
    rate: 'qr',
    since: 1,
    doc: 'The officer says that this civilian stands in front of him; her phone, which repeats its `qr.scan`, gets the outcome. Of a scan that was uploaded, that she stood there: it is settled. 410 when it is over.',
  }),
  'hub.checkIn': command({
    code: 34,
    body: [f.str('token', 192, 'the text of the code on the wall of the hub')],
    result: [
      f.id('hubId', 'the hub'),
      f.str('name', 320, 'as everybody knows it'),
      f.u32('untilS', 'Unix second at which the stay ends by itself'),
    ],
    mutates: true,
    scope: 'officer',
    rate: 'qr',
    since: 1,
    doc: 'The officer is at this hub: mode `hub`. 410 when the poster is out of date or withdrawn, 422 when it is no code of a hub.',
  }),
  'redeem.reserve': command({
    code: 50,
    body: [f.id('offerId', 'a published offer'), f.u16('quantity', 'units, at least 1')],
    result: [
      f.id('redemptionId', 'this redemption'),
      f.str('code', 16, 'to say or type at the till'),
      f.str('qr', 64, 'the HBR1 text to draw as a QR code: the same for the scanner of the till'),
      f.points('points', 'set aside for it'),
      f.u32('expiresS', 'Unix second at which it is over by itself'),
    ],
    mutates: true,
    scope: 'spend',
    rate: 'command',
    since: 1,
    doc: 'Sets points and stock aside together, for ten minutes at most; the till makes a sale of it.',
  }),
  'redeem.cancel': command({
    code: 51,
    body: [f.id('redemptionId', 'a reserved one of the caller')],
    result: [f.points('points', 'that are free again')],
    mutates: true,
    scope: 'spend',
    rate: 'command',
    since: 1,
    doc: 'Gives the reservation up: points and stock are free again. 409 when it is paid, 410 when it is over.',
  }),
  'till.open': command({
    code: 55,
    body: [f.str('till', 32, 'what this till is called, unique among the open tills of the merchant')],
    result: [
      f.list('waiting', atTheTill, 32, 'redemptions that wait at this merchant, the soonest over first'),
    ],
    mutates: false,
    scope: 'merchant',
    rate: 'command',
    since: 1,
    doc: 'This connection is this till from now on. 409 while another connection is; said again after each WELCOME.',
  }),
  'till.look': command({
    code: 56,
    body: [f.str('code', 64, 'as typed, in either case, or the HBR1 text that was scanned')],
    result: atTheTill,
    mutates: false,
    scope: 'merchant',
    rate: 'command',
    since: 1,
    doc: 'What a code stands for. 404 when it is no code that waits here; ten of them in a row, and the till waits a minute (429).',
  }),
  'till.confirm': command({
    code: 57,
    body: [
      f.optional(f.id('redemptionId', 'which one, or nil: `code` says it')),
      f.optional(f.str('code', 64, 'as `till.look` takes it, or nil')),
      f.optional(f.u16('quantity', 'units handed over, the rest goes back; nil for all')),
    ],
    result: [
      f.id('redemptionId', 'the redemption'),
      f.u16('quantity', 'units sold'),
      f.points('points', 'paid for them'),
    ],
    mutates: true,
    scope: 'merchant',
    rate: 'command',
    since: 1,
    doc: 'The goods are handed over: the points are paid when the reply comes. 409 when it is paid already, 410 when it was cancelled or is over.',
  }),
  'till.refuse': command({
    code: 58,
    body: [f.id('redemptionId', 'one that waits here')],
    result: [],
    mutates: true,
    scope: 'merchant',
    rate: 'command',
    since: 1,
    doc: 'The merchant does not hand it over: points and stock are free again.',
  }),
  'till.refund': command({
    code: 59,
    body: [
      f.id('redemptionId', 'one that was paid here'),
      f.optional(f.u16('quantity', 'units that come back; nil for all that did not yet')),
      f.bool('restock', 'they can be sold again'),
    ],
    result: [
      f.id('transferId', 'the entry that paid the points back'),
      f.u16('quantity', 'units that came back with it'),
      f.points('points', 'paid back for them'),
    ],
    mutates: true,
    scope: 'merchant',
    rate: 'command',
    since: 1,
    doc: 'Pays the customer back, whole or in part, never more than was paid (409).',
  }),
  'points.donate': command({
    code: 70,
    body: [
      f.list(
        'to',
        [f.id('userId', 'a charity or a family'), f.points('points', 'at least 1')] as const,
        GIFT_PARTS_MAX,
        'who gets how much; each account once',
      ),
    ],
    result: given,
    mutates: true,
    scope: 'spend',
    rate: 'command',
    since: 1,
    doc: 'Gives points to charities and families that are verified: to all of them in one entry, or to none.',
  }),
  'points.give': command({
    code: 71,
    body: [f.id('userId', 'another officer'), f.points('points', 'at least 1')],
    result: given,
    mutates: true,
    scope: 'officer',
    rate: 'command',
    since: 1,
    doc: 'An officer gives points to a fellow officer, up to a cap in 24 hours.',
  }),
  'fee.pay': command({
    code: 72,
    body: [f.id('feeId', 'a fine or fee that a municipality published')],
    result: given,
    mutates: true,
    scope: 'civilian',
    rate: 'command',
    since: 1,
    doc: 'Pays a fine or a fee with points, once. 404 when it is not published to the caller, 410 when it was withdrawn.',
  }),
} as const;

const encounterFields = [
  f.id('encounterId', 'the encounter'),
  f.enum('method', METHODS, 'how it was proved'),
  f.str('otherHandle', 64, 'display handle of the other person'),
  f.points('points', 'earned by this user'),
  f.u32('atS', 'Unix second of the database clock'),
] as const;

export const EVENTS = {
  'encounter.completed': event({
    code: 1,
    body: [
      ...encounterFields,
      f.points('balance', 'balance after it'),
      f.count('balanceVersion', 'rises with every movement of the account'),
      f.str('message', 200, 'a short positive sentence'),
    ],
    durable: true,
    since: 1,
    doc: 'A meeting counted, for both; the points are in the ledger.',
  }),
  'hey.received': event({
    code: 2,
    body: [
      f.id('heyId', 'to accept or decline'),
      f.str('civilianHandle', 64, 'display handle of the civilian'),
      f.u32('expiresS', 'Unix second at which it is over'),
    ],
    durable: true,
    since: 1,
    doc: 'To an officer: a civilian nearby says hey.',
  }),
  'hey.closed': event({
    code: 3,
    body: [f.id('heyId', 'the hey'), f.enum('reason', ['declined', 'expired', 'gone', 'refused'], 'why')],
    durable: true,
    since: 1,
    doc: 'To the civilian: the hey ended without a meeting.',
  }),
  'sharing.ended': event({
    code: 4,
    body: [f.enum('reason', ['timeout', 'stopped'], 'why')],
    durable: true,
    since: 1,
    doc: 'Mode `hub`, `coarse` or `precise` ended, and neither of them follows: nobody learns any more where you are. After `timeout` the mode is `qr`.',
  }),
  'points.changed': event({
    code: 5,
    body: [
      f.id('transferId', 'the ledger entry'),
      f.points('delta', 'signed change'),
      f.points('balance', 'balance after it'),
      f.count('balanceVersion', 'rises with every movement'),
      f.str('reason', 64, 'rule that moved the points'),
    ],
    durable: true,
    since: 1,
    doc: 'The balance moved for a reason other than an encounter.',
  }),
  'scan.pending': event({
    code: 6,
    body: [
      f.id('encounterId', 'the encounter that it will be, if it counts'),
      f.str('otherHandle', 64, 'display handle of who scanned'),
      f.u32('scannedAtS', 'Unix second of the scan'),
      f.u32('settlesS', 'Unix second at which it is settled at the latest'),
    ],
    durable: true,
    since: 1,
    doc: 'To who showed a code: somebody scanned it without network and has uploaded it. To acknowledge this event settles it.',
  }),
  'scan.refused': event({
    code: 7,
    body: [
      f.id('encounterId', 'as the answer to `qr.upload` named it'),
      f.enum('reason', ['duplicate', 'closed', 'refused'], 'why'),
    ],
    durable: true,
    since: 1,
    doc: 'To who scanned: an uploaded scan came to nothing. `duplicate`: these two had met within the day, or the code was used.',
  }),
  'scan.asked': event({
    code: 8,
    body: [
      f.id('scanId', 'to confirm'),
      f.str('civilianHandle', 64, 'display handle of the civilian'),
      f.u32('expiresS', 'Unix second at which it is over'),
    ],
    durable: true,
    since: 1,
    doc: 'To an officer whose code was scanned where no position says that the two stand together, in a town that asks: is it so? Of a scan that was uploaded later he is asked for 72 h, and without his word it is refused.',
  }),
  'encounter.held': event({
    code: 10,
    body: [
      f.id('encounterId', 'the encounter that it will be, if it counts'),
      f.enum('method', METHODS, 'how it was proved'),
      f.str('otherHandle', 64, 'display handle of the other person'),
      f.u32('atS', 'Unix second of the database clock'),
    ],
    durable: true,
    since: 1,
    doc: 'A meeting is looked at by an operator before it is paid. `encounter.completed` follows with the points, or `encounter.rejected`. The reply to the command names no points.',
  }),
  'encounter.rejected': event({
    code: 11,
    body: [f.id('encounterId', 'as `encounter.held` named it')],
    durable: true,
    since: 1,
    doc: 'A meeting that was held stays without points.',
  }),
  'redemption.changed': event({
    code: 20,
    body: [
      f.id('redemptionId', 'the redemption'),
      f.id('offerId', 'of what'),
      f.str('title', TITLE_BYTES, 'title of the offer'),
      f.enum('state', REDEMPTION_STATES, 'as it is now'),
      f.u16('quantity', 'units reserved; then those sold, or those that came back'),
      f.points('points', 'for them'),
      f.str('code', 16, 'to show at the till while it is reserved; else empty'),
      f.u32('expiresS', 'Unix second at which it is over by itself; 0 when it does not wait'),
      f.points('balance', 'balance after it'),
      f.count('balanceVersion', 'version of the balance'),
      f.points('reserved', 'of the balance, what is set aside for redemptions that wait'),
    ],
    durable: true,
    since: 1,
    doc: 'To the customer: a redemption was reserved, paid at the till, cancelled, refunded, or is over.',
  }),
  'till.redemption': event({
    code: 21,
    body: [
      ...atTheTill,
      f.str(
        'till',
        32,
        'of the till that changed it; empty when none did, or when that is not known any more',
      ),
    ],
    durable: true,
    since: 1,
    doc: 'To every till of the merchant: a redemption waits here, or does not any more.',
  }),
  'stock.low': event({
    code: 22,
    body: [
      f.id('offerId', 'the offer'),
      f.str('title', TITLE_BYTES, 'its title'),
      f.count('left', 'units that nobody has reserved'),
    ],
    durable: true,
    since: 1,
    doc: 'To the merchant: what is left of an offer fell to its low mark.',
  }),
  snapshot: event({
    code: 9,
    body: [
      f.id('userId', 'who'),
      f.enum('kind', ACCOUNT_KINDS, 'account kind'),
      f.str('handle', 64, 'display handle'),
      f.bool('sharing', 'positions are taken: mode `coarse` or `precise`'),
      f.u32('sharingUntilS', 'Unix second at which the mode ends by itself; 0 when it does not'),
      f.bool('instant', 'instant match is on'),
      f.points('balance', 'points now'),
      f.count('balanceVersion', 'version of the balance'),
      f.count('encounterCount', 'encounters ever'),
      f.list('encounters', encounterFields, 16, 'the newest encounters, newest first'),
      f.optional(f.enum('mode', MODES, 'privacy mode; its end is `sharingUntilS`')),
      f.optional(f.str('hub', 320, 'name of the hub in mode `hub`, else nil')),
      f.optional(f.points('reserved', 'of the balance, what is set aside for redemptions that wait')),
      f.optional(
        f.list(
          'redemptions',
          [
            f.id('redemptionId', 'the redemption'),
            f.id('offerId', 'of what'),
            f.str('title', TITLE_BYTES, 'title of the offer'),
            f.u16('quantity', 'units'),
            f.points('points', 'set aside'),
            f.str('code', 16, 'to show at the till'),
            f.u32('expiresS', 'Unix second at which it is over by itself'),
          ] as const,
          16,
          'redemptions of this user that wait, the soonest over first',
        ),
      ),
    ],
    durable: true,
    since: 1,
    doc: 'Full state; resets what the phone holds. Follows WELCOME when the session was not resumed.',
  }),
  'area.officers': event({
    code: 40,
    body: [
      f.str('cell', 16, 'the area, a fixed block of about 8 km; also the key of the frame'),
      f.list(
        'officers',
        [f.id('officerId', 'public id'), f.str('handle', 64, 'display handle')] as const,
        16,
        'officers who share in this area, never with a distance, bearing or coordinate',
      ),
    ],
    durable: false,
    since: 1,
    doc: 'To a civilian: which officers share in the area, when at least 3 people do. Every change is told 30 to 120 s late, to all at once. Latest wins.',
  }),
  'report.next': event({
    code: 41,
    body: [f.u16('periodS', 'report the next position after so many seconds')],
    durable: false,
    since: 1,
    doc: 'Answers each position, or the first and each that changes the period; its version is the sequence number of that position.',
  }),
  'officer.near': event({
    code: 43,
    body: [
      f.str('cell', 16, 'the area, as `area.officers` names it; also the key of the frame'),
      f.list(
        'officers',
        [f.id('officerId', 'public id'), f.str('handle', 64, 'display handle')] as const,
        16,
        'officers of this area of whom this phone was not notified in the last 30 min',
      ),
    ],
    durable: false,
    since: 1,
    doc: 'A notification for a civilian who does not drive: officers share in the area. At most once per 30 min and officer.',
  }),
  'area.hubs': event({
    code: 44,
    body: [
      f.str('cell', 16, 'the area, as `area.officers` names it; also the key of the frame'),
      f.list(
        'hubs',
        [f.id('hubId', 'the hub'), f.str('name', 320, 'its name')] as const,
        16,
        'hubs in this area where an officer is checked in: not who, and not how many',
      ),
    ],
    durable: false,
    since: 1,
    doc: 'To a civilian: which hubs are open in the area. Every change is told 30 to 120 s late, to all at once. Latest wins.',
  }),
  'place.here': event({
    code: 45,
    body: [
      f.id('placeId', 'the place; also the key of the frame'),
      f.str('name', 320, 'its name'),
      f.enum('kind', ['hub', 'merchant'], 'what it is'),
    ],
    durable: false,
    since: 1,
    doc: 'To a person who shares a position, and to nobody else: you are at this place. A nil body: not any more. Latest wins.',
  }),
  'peer.presence': event({
    code: 42,
    body: [
      f.enum('state', ['online', 'away', 'offline'], 'of the other person, over all devices'),
      f.u32('lastSeenMin', 'Unix minute at which the person was last online; 0 while online or not known'),
    ],
    durable: false,
    since: 1,
    doc: 'To both sides of an open hey, whose id is the key: the other one left, or is back. Without this frame the other is online. Latest wins.',
  }),
} as const;

export type CommandName = keyof typeof COMMANDS;
export type EventName = keyof typeof EVENTS;
export type CommandBody<N extends CommandName> = BodyOf<(typeof COMMANDS)[N]['body']>;
export type CommandResult<N extends CommandName> = BodyOf<(typeof COMMANDS)[N]['result']>;
export type EventBody<N extends EventName> = BodyOf<(typeof EVENTS)[N]['body']>;

export const SUBPROTOCOL = 'heyblue.v1.msgpack';
export const PROTOCOL_VERSION = 1;
