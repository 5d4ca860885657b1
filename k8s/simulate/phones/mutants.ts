/** The mechanisms of the realtime side, each with what it looks like when it is missing, and who must notice. */
import type { Mutant } from '../mutants.ts';
import type { Invariant } from './invariants.ts';

export interface PhoneMutant extends Omit<Mutant, 'profile'> {
  /** The invariants that may say so. */
  readonly noticed: readonly Invariant[];
  /** Of scripts among which it shows soon. */
  readonly seed?: number;
}

export const PHONE_MUTANTS: readonly PhoneMutant[] = [
  {
    name: 'duplicates in the client',
    removes: 'an event that was taken before is given to the app again',
    patches: [
      {
        file: 'gateway/client/inbox.ts',
        find: "if (!snapshot && offset <= stream.offset) return 'fine';",
        replace: '',
      },
    ],
    noticed: ['a: offsets rise without a gap', 'e: deltas add up to the balance'],
  },
  {
    name: 'whole replay',
    removes: 'the newest missed event is left out of a resume',
    patches: [
      {
        file: 'actors/user/outbox.ts',
        find: 'missed.map(event => event.bytes)',
        replace: 'missed.map(event => event.bytes).slice(1)',
      },
    ],
    noticed: [
      'a: offsets rise without a gap',
      'b: state of every device is that of the actor',
      'resumed: never partial, never silent',
    ],
  },
  {
    name: 'probes after a take-over',
    removes: 'nobody asks whether an actor that was taken over knows its phones',
    patches: [
      {
        file: 'gateway/sessions.ts',
        find: 'if (shards === null || shards.has(session.shard)) this.probes.add(session);',
        replace: '',
      },
    ],
    noticed: ['b: state of every device is that of the actor', 'h: presence converges'],
  },
  {
    name: 'place after a take-over',
    removes: 'a phone whose actor was taken over is told that what it holds is wrong, and loses its place',
    patches: [
      {
        file: 'actors/user/sessions.ts',
        find: "turn.close([session], CLOSE.moved, 'this session is over, connect again');",
        replace: "turn.close([session], CLOSE.resyncNeeded, 'this session is over, connect again');",
      },
    ],
    noticed: ['an epoch outlives its node'],
  },
  {
    name: 'keys of commands',
    removes: 'a repeated key is something new to the actor and to the ledger',
    patches: [
      { file: 'actors/user/keyed.ts', find: 'if (repeated) return repeated;', replace: 'void repeated;' },
      {
        file: 'actors/user/points.ts',
        find: 'id: derivedId(GIVE, me, key),',
        replace: 'id: turn.newId(),',
      },
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: 'if (remembered && (',
        replace: 'if (false && remembered && (',
      },
    ],
    noticed: ['c: a key takes effect once'],
  },
  {
    name: 'answers of an earlier life',
    removes: 'an actor that starts anew knows no answer to a command that was',
    patches: [
      {
        file: 'actors/user/hydrated.ts',
        find: 'record.commands.filter(isTold).map(doneOf).reverse()',
        replace: '[]',
      },
    ],
    noticed: ['c: a key takes effect once'],
  },
  {
    name: 'one socket of a device',
    removes: 'the older socket of a device stays',
    patches: [
      {
        file: 'actors/user/sessions.ts',
        find: "if (older) turn.close([older.ref], CLOSE.replaced, 'replaced by a newer connection');",
        replace: '',
      },
    ],
    noticed: ['d: one live socket for a device'],
  },
  {
    name: 'late detaches',
    removes: 'the detach of a connection that was replaced ends the one that replaced it',
    patches: [
      {
        file: 'actors/user/sessions.ts',
        find: `  const session = sessionOf(state, ref);
  if (!session || (connSeq !== 0 && connSeq !== session.connSeq)) return state;
  // a connection that ended`,
        replace: `  const session = sessionOf(state, ref) ?? state.sessions[0];
  if (!session) return state;
  // a connection that ended`,
      },
    ],
    noticed: [
      'd: one live socket for a device',
      'b: state of every device is that of the actor',
      'h: presence converges',
    ],
  },
  {
    name: 'balance of an event',
    removes: 'an event says the balance without what it brings',
    patches: [
      {
        file: 'actors/user/stream.ts',
        find: '    const body = { transferId, delta, balance, balanceVersion: version, reason };',
        replace:
          '    const body = { transferId, delta, balance: balance - delta, balanceVersion: version, reason };',
      },
    ],
    noticed: ['e: deltas add up to the balance', 'b: state of every device is that of the actor'],
  },
  {
    name: 'sockets of revoked tokens',
    removes: 'a socket that is open stays open when its token is revoked',
    patches: [
      {
        file: 'gateway/sessions.ts',
        find: 'if (identity !== null && revocations.covers(identity)) {',
        replace: 'if (identity !== null && revocations === null) {',
      },
    ],
    noticed: ['f: nothing is told after a revocation'],
  },
  {
    name: 'revocations elsewhere',
    removes: 'a gateway knows only of what was revoked at itself',
    patches: [
      {
        file: 'gateway/revocations.ts',
        find: 'this.#keep(one, false);\n    this.#apply(revocations);',
        replace: 'this.#keep(one, false);\n    void revocations;',
      },
      {
        file: 'gateway/revocations.ts',
        find: 'entry.missed++;\n    this.#apply(revocations);',
        replace: 'entry.missed++;\n    void revocations;',
      },
    ],
    noticed: ['f: nothing is told after a revocation'],
  },
  {
    name: 'ladder',
    removes: 'a phone that does not read is never let go',
    patches: [
      {
        file: 'gateway/session.ts',
        find: 'if (this.choked && this.rung() === STOPPED) return this.letGo();',
        replace: '',
      },
      {
        file: 'gateway/delivery.ts',
        find: 'if (++stopped <= LIMITS.lettingGo) session.letGo();',
        replace: 'stopped++;',
      },
    ],
    noticed: ['g: what is buffered is bounded'],
  },
  {
    name: 'gateways that are gone',
    removes: 'actors keep the sessions of a gateway that died',
    patches: [
      {
        file: 'nodes/actorSystem.ts',
        find: "this.tell(activation.address, { type: 'detach', session, connSeq: 0 });",
        replace: 'void session;',
      },
    ],
    noticed: ['h: presence converges'],
  },
  {
    name: 'grace',
    removes: 'nobody looks again when grace is over',
    patches: [
      {
        file: 'actors/user/presence.ts',
        find: 'return sinceMs + graceMs;',
        replace: 'return null;',
      },
    ],
    noticed: ['h: presence converges'],
  },
  {
    name: 'time of grace',
    removes: 'who loses his socket for a moment is gone',
    patches: [
      {
        file: 'actors/user/presence.ts',
        find: "if (before.state === 'offline' || isGoodbye) return 'offline';",
        replace: "if (before.state !== 'grace') return 'offline';",
      },
    ],
    noticed: ['h: presence converges'],
  },
  {
    name: 'questions about a peer',
    removes:
      'nobody asks whether the other side of an open hey is there, when its actor died with what it was to say',
    patches: [
      {
        file: 'actors/user/peers.ts',
        find: "turn.timer(`peer:${heyId}`, ACTOR_LIMITS.peerAskMs, { type: 'peerAsk', heyId });",
        replace: 'void [heyId, turn];',
      },
    ],
    noticed: ['h: presence converges'],
  },
  {
    name: 'doors of a drain',
    removes: 'a node that drains lets phones in',
    patches: [
      { file: 'gateway/sessions.ts', find: 'if (this.leaving) {', replace: 'if (this.sockets < 0) {' },
    ],
    noticed: ['i: a node that drains lets nobody in'],
  },
  {
    name: 'milliseconds of the clock',
    removes: 'a WELCOME is read as if it had come with the full second',
    patches: [
      {
        file: 'protocol/reader.ts',
        find: 'const nowMs = w.int(0, U32) * 1000 + w.int(0, 999);',
        replace: 'const nowMs = w.int(0, U32) * 1000 + 0 * w.int(0, 999);',
      },
    ],
    noticed: ['j: decode and encode agree'],
  },
];

export const phoneMutant = (name: string): Mutant => {
  const found = PHONE_MUTANTS.find(one => one.name === name);
  if (!found) throw new Error(`there is no mutant "${name}"`);
  return { ...found, profile: 'calm' };
};
