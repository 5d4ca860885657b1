/**
 * All links of a node: what goes out at the end of the tick, what comes in and in which order, who must be told that we
 * have it, and what became of what we sent. No actor is known here.
 *
 * Nothing leaves while the lease has run out or the connection is away; it waits in its link then, and leaves afterwards
 * if it still makes sense.
 */
import type { Bus, Clock, Log, Metrics, Scheduler } from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { decodeBatch, encodeBatch, toWire } from './codec.ts';
import { type Ack, type Batch, type Envelope, gatewaySubject, nodeSubject } from './envelope.ts';
import { InLink } from './inLink.ts';
import { LINK } from './limits.ts';
import type { Fate, Letter, Outgoing } from './outgoing.ts';
import { OutLink, type Sent } from './outLink.ts';

export interface LinksOptions {
  readonly ref: string;
  readonly gatewayId: string;
  readonly bus: Bus;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly scheduler: Scheduler;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly serving: () => boolean;
  /** An envelope that is for us, in order. */
  readonly heard: (from: string, envelope: Envelope, link: InLink, bytes: number) => void;
  readonly fate: (out: Outgoing, fate: Fate, link: OutLink) => void;
  /** Nobody listens to this node. */
  readonly unheard: (ref: string) => void;
}

export class Links {
  readonly #options: LinksOptions;
  readonly #out = new Map<string, OutLink>();
  readonly #in = new Map<string, InLink>();
  /** Links with something to send. */
  readonly #dirty = new Set<OutLink>();
  /** Senders who wait for a sign. */
  readonly #due = new Set<InLink>();
  /** References that are gone: what still comes from them is of the dead. */
  readonly #gone = new Set<string>();
  #ref: string;
  #unsubscribe: (() => void)[] = [];
  #flushing = false;
  #acking = false;
  #watching = false;
  #stopped = false;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#ref = options.ref;
    this.#subscribe();
  }

  get ref(): string {
    return this.#ref;
  }

  isGone(ref: string): boolean {
    return this.#gone.has(ref);
  }

  post(name: string, gateway: boolean, out: Outgoing): void {
    const link = this.#link(name, gateway);
    out.queuedAtMs = this.#options.clock.monotonicMs();
    link.push(out);
    this.#dirty.add(link);
    if (link.queuedBytes >= LINK.fullBytes && this.#open()) this.#flushLink(link);
    else this.#flushSoon();
  }

  /** Lets go everything that waits, if anything may leave. */
  flush(): void {
    if (this.#dirty.size === 0 || !this.#open()) return;
    for (const link of this.#dirty) this.#flushLink(link);
  }

  /** Takes out a message that a node sent back; null when it is not among what was sent there. */
  takeSent(name: string, id: number): Letter | null {
    return this.#out.get(`n ${name}`)?.takeSent(id) ?? null;
  }

  /** A process is gone: its links are closed and nothing of it is heard any more. */
  gone(ref: string, gateway: string): void {
    this.#gone.add(ref);
    if (this.#gone.size > LINK.goneMax) this.#gone.delete(this.#gone.values().next().value!);
    for (const name of [`n ${ref}`, `g ${gateway}`]) {
      const link = this.#out.get(name);
      if (!link) continue;
      // The gateway may live on under another incarnation of its node: its numbers go on.
      if (!link.gateway) this.#out.delete(name);
      this.#dirty.delete(link);
      link.close((out, fate) => this.#options.fate(out, fate, link));
    }
    for (const name of [`n ${ref}`, `g ${ref}`]) {
      const link = this.#in.get(name);
      if (link) this.#due.delete(link);
      this.#in.delete(name);
    }
  }

  /** The connection is back: what was under way when it went may be lost. */
  reconnected(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#open()) return;
    for (const link of this.#out.values()) {
      for (const sent of link.unacked) this.#again(link, sent, nowMs);
      if (link.queued > 0) this.#dirty.add(link);
    }
    this.flush();
  }

  /** This node goes on under another reference: its links begin anew. */
  rename(ref: string, forget: (out: Outgoing) => void): void {
    for (const stop of this.#unsubscribe.splice(0)) stop();
    this.#ref = ref;
    for (const link of this.#out.values()) link.close(forget);
    this.#out.clear();
    this.#dirty.clear();
    // What is said to our sockets goes on: the gateway is the same.
    for (const [key, link] of this.#in) {
      if (link.gateway !== '') continue;
      this.#in.delete(key);
      this.#due.delete(link);
    }
    this.#subscribe();
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#unsubscribe.splice(0)) stop();
  }

  // --- out -----------------------------------------------------------------------------------------------------------

  #link(name: string, gateway: boolean): OutLink {
    const key = `${gateway ? 'g' : 'n'} ${name}`;
    let link = this.#out.get(key);
    if (!link) {
      link = new OutLink(name, gateway, gateway ? gatewaySubject(name) : nodeSubject(name));
      this.#out.set(key, link);
    }
    return link;
  }

  #open(): boolean {
    return !this.#stopped && this.#options.bus.connected && this.#options.serving();
  }

  #flushSoon(): void {
    if (this.#flushing || this.#stopped) return;
    this.#flushing = true;
    this.#watch();
    this.#options.scheduler.immediate(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  #flushLink(link: OutLink): void {
    this.#dirty.delete(link);
    const nowMs = this.#options.clock.monotonicMs();
    for (let sent = link.next(nowMs); sent !== null; sent = link.next(nowMs)) {
      if (!this.#publish(link, sent, nowMs)) break;
    }
    if (link.queued > 0) this.#dirty.add(link);
    this.#watch();
  }

  /** False when the bus did not take it; then it counts as sent all the same, and is sent again. */
  #publish(link: OutLink, sent: Sent, nowMs: number): boolean {
    const { bus, metrics } = this.#options;
    const envelopes = [];
    for (const out of sent.out) {
      const envelope = out.envelope(nowMs);
      if (envelope !== null) envelopes.push(toWire(envelope));
    }
    const acks = link.gateway ? [] : this.#acksFor(link.name);
    const bytes = encodeBatch(this.#ref, link.name, sent.number, acks, envelopes);
    metrics.count('heyblue_batches_total', OUT);
    metrics.count('heyblue_envelopes_total', OUT, envelopes.length);
    return bus.publish(link.subject, bytes, () => this.#unheard(link, sent));
  }

  #unheard(link: OutLink, sent: Sent): void {
    const known = this.#out.get(`${link.gateway ? 'g' : 'n'} ${link.name}`) === link;
    if (!known) return;
    if (!link.gateway) this.#options.unheard(link.name);
    link.unheard(sent, (out, fate) => this.#options.fate(out, fate, link));
  }

  #again(link: OutLink, sent: Sent, nowMs: number): void {
    sent.times++;
    sent.atMs = nowMs;
    this.#options.metrics.count('heyblue_batches_resent_total');
    this.#publish(link, sent, nowMs);
  }

  // --- in ------------------------------------------------------------------------------------------------------------

  #subscribe(): void {
    const { bus, gatewayId } = this.#options;
    this.#unsubscribe = [
      bus.subscribe(nodeSubject(this.#ref), bytes => this.#hear(bytes, false)),
      bus.subscribe(gatewaySubject(gatewayId), bytes => this.#hear(bytes, true)),
    ];
  }

  #refuse(why: string): void {
    this.#options.metrics.count('heyblue_envelopes_refused_total', { why });
  }

  #hear(bytes: Uint8Array, gateway: boolean): void {
    const batch = decodeBatch(bytes);
    if (typeof batch === 'string') return this.#refuse(batch);
    const { metrics, gatewayId } = this.#options;
    if (batch.to !== (gateway ? gatewayId : this.#ref)) return this.#refuse('incarnation');
    if (this.#gone.has(batch.from)) return this.#refuse('incarnation');
    metrics.count('heyblue_batches_total', IN);
    for (const why of batch.refused) this.#refuse(why);
    if (batch.number > 0) this.#take(batch, gateway, bytes.length);
    for (const ack of batch.acks) this.#acked(batch.from, ack);
  }

  #take(batch: Batch, gateway: boolean, bytes: number): void {
    const { metrics, heard } = this.#options;
    const key = `${gateway ? 'g' : 'n'} ${batch.from}`;
    let link = this.#in.get(key);
    if (!link) {
      link = new InLink(batch.from, gateway ? this.#options.gatewayId : '');
      this.#in.set(key, link);
    }
    const taken = link.take(batch.number);
    this.#due.add(link);
    if (link.since >= LINK.ackBatches) this.#ackNow(link);
    else this.#ackSoon();
    if (taken !== 'taken') return this.#refuse(taken);
    metrics.count('heyblue_envelopes_total', IN, batch.envelopes.length);
    const each = Math.ceil(bytes / Math.max(1, batch.envelopes.length));
    for (const envelope of batch.envelopes) heard(batch.from, envelope, link, each);
  }

  #acked(from: string, ack: Ack): void {
    const link = this.#out.get(ack.gateway === '' ? `n ${from}` : `g ${ack.gateway}`);
    if (!link) return;
    link.acked(ack, (out, fate) => this.#options.fate(out, fate, link));
    const nowMs = this.#options.clock.monotonicMs();
    // It is there again: what else was lost behind is repeated at once.
    for (const sent of link.unacked) {
      if (sent.times > 1 || nowMs - sent.atMs < LINK.resendMs || !this.#open()) break;
      this.#again(link, sent, nowMs);
    }
    if (link.queued > 0) {
      this.#dirty.add(link);
      this.#flushSoon();
    }
  }

  // --- signs that something arrived ----------------------------------------------------------------------------------

  #acksFor(ref: string): Ack[] {
    const acks: Ack[] = [];
    for (const key of [`n ${ref}`, `g ${ref}`]) {
      const link = this.#in.get(key);
      if (!link?.due) continue;
      acks.push(link.ack());
      this.#due.delete(link);
    }
    return acks;
  }

  #ackSoon(): void {
    if (this.#acking) return;
    this.#acking = true;
    this.#options.wheel.after(LINK.ackMs, () => {
      this.#acking = false;
      for (const link of [...this.#due]) this.#ackNow(link);
    });
  }

  #ackNow(link: InLink): void {
    if (!this.#open()) return;
    const acks = this.#acksFor(link.from);
    if (acks.length === 0) return;
    this.#options.bus.publish(nodeSubject(link.from), encodeBatch(this.#ref, link.from, 0, acks, []));
  }

  // --- what is not acknowledged --------------------------------------------------------------------------------------

  #watch(): void {
    if (this.#watching || this.#stopped) return;
    this.#watching = true;
    this.#options.wheel.after(LINK.lookMs, () => {
      this.#watching = false;
      let more = false;
      for (const link of this.#out.values()) {
        if (link.idle) continue;
        more = true;
        this.#look(link);
      }
      if (more) this.#watch();
    });
  }

  #look(link: OutLink): void {
    const { clock, fate } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#open()) {
      const oldest = link.unacked[0];
      if (oldest && nowMs - oldest.atMs >= LINK.resendMs) this.#again(link, oldest, nowMs);
      if (link.queued > 0) this.#flushLink(link);
      return;
    }
    const waiting = link.oldest;
    if (waiting && nowMs - waiting.queuedAtMs >= LINK.stuckMs) {
      for (const out of link.takeQueued()) fate(out, 'stuck', link);
    }
  }
}

const OUT = { dir: 'out' };
const IN = { dir: 'in' };
