/**
 * Messages between nodes over NATS.
 *
 * Every message that asks for it is published with a reply subject: when nobody listens, the server itself answers with
 * an empty 503 there, at once. That costs one small message in the bad case and nothing in the good one. The replies of
 * all messages come in on one subscription; a token tells which message it was.
 */
import { createInbox, type Msg } from 'nats';
import type { Bus, Log, Metrics } from '../../nodes/ports.ts';
import { NATS_LIMITS } from './limits.ts';
import { type NatsLink, plain } from './link.ts';

const NOBODY = 503;

export class NatsBus implements Bus {
  readonly #link: NatsLink;
  readonly #log: Log;
  readonly #metrics: Pick<Metrics, 'count'>;
  readonly #inbox = createInbox();
  /** Messages by token; the older half goes when the younger one is full or old enough. */
  #young = new Map<string, () => void>();
  #old = new Map<string, () => void>();
  #turnedAtMs = 0;
  #tokens = 0;

  constructor(link: NatsLink, log: Log, metrics: Pick<Metrics, 'count'> = { count() {} }) {
    this.#link = link;
    this.#log = log;
    this.#metrics = metrics;
    link.subscribe(`${this.#inbox}.*`, message => this.#answered(message));
    link.watch(connected => {
      if (!connected) this.#forget();
    });
  }

  get connected(): boolean {
    return this.#link.connected;
  }

  get bytesMax(): number {
    return this.#link.bytesMax;
  }

  /** Messages that may still come back as unheard. */
  get open(): number {
    return this.#young.size + this.#old.size;
  }

  publish(subject: string, bytes: Uint8Array, unheard?: () => void): boolean {
    if (!this.connected) return false;
    if (bytes.length > this.bytesMax) return this.#notSent('too_large', { subject, bytes: bytes.length });
    if (this.#link.backlogBytes > NATS_LIMITS.backlogBytes) return this.#notSent('backlog', { subject });
    const reply = unheard && this.#expect(unheard);
    try {
      // the client keeps the bytes until the end of the turn of the event loop
      this.#link.client.publish(subject, bytes.slice(), reply ? { reply: `${this.#inbox}.${reply}` } : {});
      return true;
    } catch (error) {
      if (reply) this.#young.delete(reply);
      return this.#notSent('refused', { subject, error });
    }
  }

  subscribe(subject: string, heard: (bytes: Uint8Array) => void): () => void {
    return this.#link.subscribe(subject, message => heard(plain(message.data)));
  }

  watchConnection(changed: (connected: boolean) => void): void {
    this.#link.watch(changed);
  }

  #notSent(reason: 'too_large' | 'backlog' | 'refused', fields: object): false {
    this.#metrics.count('heyblue_nats_not_sent_total', { reason });
    // a full socket refuses many, and ends within seconds
    if (reason !== 'backlog') this.#log.error({ ...fields, reason }, 'a message cannot be sent over NATS');
    return false;
  }

  #expect(unheard: () => void): string {
    const nowMs = performance.now();
    const full = this.#young.size >= NATS_LIMITS.unheardMessages;
    if (full || nowMs - this.#turnedAtMs > NATS_LIMITS.unheardMs) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#turnedAtMs = nowMs;
    }
    const token = (this.#tokens++).toString(36);
    this.#young.set(token, unheard);
    return token;
  }

  #answered(message: Msg): void {
    if (message.data.length > 0 || message.headers?.code !== NOBODY) return;
    const token = message.subject.slice(this.#inbox.length + 1);
    const unheard = this.#young.get(token) ?? this.#old.get(token);
    this.#young.delete(token);
    this.#old.delete(token);
    unheard?.();
  }

  /** The connection broke: what was on its way is unknown, nobody is told anything. */
  #forget(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
