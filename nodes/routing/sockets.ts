/**
 * Bytes for sockets that another node's gateway holds. A gateway is addressed by its own id, which lives as long as its
 * process, so a push needs no map.
 *
 * A push is never lost silently: when the gateway does not hear us, does not know the socket, or nobody can say whether
 * it heard, the user actor is told that the socket is gone, and the socket, if it is there, is closed so that its phone
 * comes back and resumes.
 */
import type { Address, SessionRef } from '../../actors/turn.ts';
import { CLOSE } from '../../protocol/errors.ts';
import type { Output } from '../effects.ts';
import type { Metrics, PushSink } from '../ports.ts';
import type { Budget } from './budget.ts';
import { type CloseEnvelope, KIND, type PushEnvelope } from './envelope.ts';
import { type Fate, Note, OVERHEAD_BYTES } from './outgoing.ts';
import { Slice } from './slice.ts';

export interface SocketsOptions {
  readonly gatewayId: string;
  readonly sink: PushSink;
  readonly budget: Budget;
  readonly metrics: Metrics;
  readonly post: (gateway: string, note: Note) => void;
  readonly tell: (to: Address, message: object) => void;
}

export class Sockets {
  readonly #options: SocketsOptions;

  constructor(options: SocketsOptions) {
    this.#options = options;
  }

  /** From a user actor to its sockets, on whichever gateways they are. */
  push(from: Address, output: Output & { k: 'push' | 'close' }): void {
    const { gatewayId, sink } = this.#options;
    const byGateway = new Map<string, SessionRef[]>();
    for (const session of output.sessions) {
      const there = byGateway.get(session.gateway);
      if (there) there.push(session);
      else byGateway.set(session.gateway, [session]);
    }
    for (const [gateway, sessions] of byGateway) {
      if (gateway !== gatewayId) this.#send(from, gateway, sessions, output);
      else if (output.k === 'push') sink.push(sessions, output.bytes, output.kind);
      else sink.close(sessions, output.code, output.reason);
    }
  }

  /** From another node's actor, to sockets here. */
  heard(envelope: PushEnvelope | CloseEnvelope): void {
    const { sink, gatewayId } = this.#options;
    const sessions = envelope.sessions.map(id => ({ gateway: gatewayId, id }));
    const dead = sink.knows ? sessions.filter(session => !sink.knows!(session)) : [];
    if (dead.length > 0) this.#detach({ kind: 'user', id: envelope.userId }, dead);
    if (envelope.kind === KIND.push) {
      sink.push(sessions, envelope.bytes.view(), envelope.volatile ? 'volatile' : 'durable');
    } else sink.close(sessions, envelope.code, envelope.reason);
  }

  /** Something that a phone should have heard did not arrive, as far as anybody knows. */
  lost(note: Note, what: PushEnvelope | CloseEnvelope, fate: Fate): void {
    const { metrics, post } = this.#options;
    metrics.count('heyblue_pushes_lost_total', { why: fate });
    if (what.kind === KIND.close || (what.volatile && fate !== 'unheard')) return;
    this.#detach({ kind: 'user', id: what.userId }, note.sessions);
    if (fate === 'unheard' || note.dest === null) return;
    const { userId, sessions } = what;
    const reason = 'something was lost, connect again';
    const close: CloseEnvelope = { kind: KIND.close, userId, sessions, code: CLOSE.moved, reason };
    post(note.dest, new Note(close, 0));
  }

  #send(
    from: Address,
    gateway: string,
    sessions: readonly SessionRef[],
    output: Output & { k: 'push' | 'close' },
  ): void {
    const { budget, metrics, post } = this.#options;
    const bytes = output.k === 'push' ? output.bytes.length : 0;
    if (!budget.hasRoom(bytes + OVERHEAD_BYTES)) {
      metrics.count('heyblue_shed_total', { what: 'push_out' });
      if (output.k === 'push' && output.kind === 'durable') this.#detach(from, sessions);
      return;
    }
    const to = { userId: from.id, sessions: sessions.map(session => session.id) };
    const what: PushEnvelope | CloseEnvelope =
      output.k === 'push'
        ? { kind: KIND.push, ...to, volatile: output.kind === 'volatile', bytes: new Slice(output.bytes) }
        : { kind: KIND.close, ...to, code: output.code, reason: output.reason };
    post(gateway, new Note(what, bytes, sessions));
  }

  /** The user actor is told that these sockets are not there (any more). */
  #detach(user: Address, sessions: readonly SessionRef[]): void {
    for (const session of sessions) this.#options.tell(user, { type: 'detach', session, connSeq: 0 });
  }
}
