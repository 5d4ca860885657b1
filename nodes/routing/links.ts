/**
 * All links of a node: what goes out at the end of the tick, what comes in and in which order, who must be told that we
 * have it, and what became of what we sent. No actor is known here.
 *
 * Nothing leaves while the lease has run out or the connection is away; it waits in its link then, and leaves afterwards
 * if it still makes sense.
 */
import type { Bus, Clock, Log, Metrics, Scheduler } from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { decodeBatch, encodeBatch } from './codec.ts';
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
  /** By the name of the other side: nodes, and gateways. */
  readonly #out = { node: new Map<string, OutLink>(), gateway: new Map<string, OutLink>() };
  /** By the sender: what it says to this node, and to its gateway. */
  readonly #in = { node: new Map<string, InLink>(), gateway: new Map<string, InLink>() };
  /** Links with something to send. */
  readonly #dirty = new Set<OutLink>();
  /** Senders who wait for a sign. */
  readonly #due = new Set<InLink>();
  /** References that are gone: what still comes from them is of the dead. */
  readonly #gone = new Set<string>();
  /** A batch left before the end of the tick: the sooner the event loop has its turn, the sooner it is there. */
  full = false;
  #ref: string;
  #unsubscribe: (() => void)[] = [];
  #flushing = false;
  #hurrying = false;
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

  /** Links in both directions. */
  get count(): number {
    return this.#in.node.size + this.#in.gateway.size + this.#out.node.size + this.#out.gateway.size;
  }

  isGone(ref: string): boolean {
    return this.#gone.has(ref);
  }

  post(name: string, gateway: boolean, out: Outgoing): void {
    const link = this.#link(name, gateway);
    const { patient } = link;
    link.push(out);
    if (link.queuedBytes >= LINK.fullBytes && this.#open()) {
      this.#flushLink(link);
      this.full = true;
    } else if (link.patient) this.#hurryLater();
    else {
      if (patient) this.#dirty.add(link);
      this.#flushSoon();
    }
  }

  /** Lets go everything that waits, if anything may leave. */
  flush(): void {
    this.full = false;
    if (this.#dirty.size === 0 || !this.#open()) return;
    for (const link of this.#dirty) this.#flushLink(link);
  }

  /** Lets go what may wait, too. */
  hurry(): void {
    for (const link of this.#all()) if (link.queued > 0) this.#dirty.add(link);
    this.flush();
  }

  /** Takes out a message that a node sent back; null when it is not among what was sent there. */
  takeSent(name: string, id: number): Letter | null {
    return this.#out.node.get(name)?.takeSent(id) ?? null;
  }

  /** A process is gone: its links are closed and nothing of it is heard any more. */
  gone(ref: string, gateway: string): void {
    this.#gone.add(ref);
    if (this.#gone.size > LINK.goneMax) this.#gone.delete(this.#gone.values().next().value!);
    // The gateway may live on under another incarnation of its node: its numbers go on.
    for (const link of [this.#out.node.get(ref), this.#out.gateway.get(gateway)]) {
      if (!link) continue;
      this.#dirty.delete(link);
      link.close((out, fate) => this.#options.fate(out, fate, link));
    }
    this.#out.node.delete(ref);
    for (const links of [this.#in.node, this.#in.gateway]) {
      const link = links.get(ref);
      if (link) this.#due.delete(link);
      links.delete(ref);
    }
  }

  /** The connection is back: what was under way when it went may be lost. */
  reconnected(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#open()) return;
    for (const link of this.#all()) for (const sent of link.unacked) this.#again(link, sent, nowMs);
    this.hurry();
  }

  /** This node goes on under another reference: its links begin anew. */
  rename(ref: string, forget: (out: Outgoing) => void): void {
    for (const stop of this.#unsubscribe.splice(0)) stop();
    this.#ref = ref;
    for (const link of this.#all()) link.close(forget);
    this.#out.node.clear();
    this.#out.gateway.clear();
    this.#dirty.clear();
    // What is said to our sockets goes on: the gateway is the same.
    for (const link of this.#in.node.values()) this.#due.delete(link);
    this.#in.node.clear();
    this.#subscribe();
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#unsubscribe.splice(0)) stop();
  }

  // --- out -----------------------------------------------------------------------------------------------------------

  #link(name: string, gateway: boolean): OutLink {
    const links = gateway ? this.#out.gateway : this.#out.node;
    let link = links.get(name);
    if (!link) {
      link = new OutLink(name, gateway, gateway ? gatewaySubject(name) : nodeSubject(name));
      links.set(name, link);
    }
    return link;
  }

  #all(): OutLink[] {
    return [...this.#out.node.values(), ...this.#out.gateway.values()];
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

  #hurryLater(): void {
    if (this.#hurrying || this.#stopped) return;
    this.#hurrying = true;
    this.#watch();
    this.#options.wheel.after(LINK.patientMs, () => {
      this.#hurrying = false;
      this.hurry();
    });
  }

  #flushLink(link: OutLink): void {
    this.#dirty.delete(link);
    link.stuckSinceMs = null;
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
    const parts = sent.out.filter(out => out.leaves(nowMs));
    // A message that is sent back must be known there before its batch counts as taken: signs ride on the last batch.
    const acks = link.gateway || link.queued > 0 ? [] : this.#acksFor(link.name);
    const bytes = encodeBatch(this.#ref, link.name, sent.number, link.oldest, acks, parts, nowMs);
    metrics.count('heyblue_batches_total', OUT);
    metrics.count('heyblue_envelopes_total', OUT, parts.length);
    return bus.publish(link.subject, bytes, () => this.#unheard(link, sent));
  }

  #unheard(link: OutLink, sent: Sent): void {
    const links = link.gateway ? this.#out.gateway : this.#out.node;
    if (links.get(link.name) !== link) return;
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
    const { metrics, heard, log } = this.#options;
    const links = gateway ? this.#in.gateway : this.#in.node;
    let link = links.get(batch.from);
    if (!link) {
      link = new InLink(batch.from, gateway ? this.#options.gatewayId : '');
      links.set(batch.from, link);
      if (links.size > LINK.othersMax) this.#forget(links);
    }
    const taken = link.take(batch.number, batch.oldest);
    if (taken === 'taken') {
      metrics.count('heyblue_envelopes_total', IN, batch.envelopes.length);
      const each = Math.ceil(bytes / Math.max(1, batch.envelopes.length));
      for (const envelope of batch.envelopes) {
        try {
          heard(batch.from, envelope, link, each);
        } catch (error) {
          log.error({ err: error, kind: envelope.kind }, 'a message of another node broke something');
        }
      }
    } else this.#refuse(taken);
    link.done();
    this.#due.add(link);
    link.due = true;
    if (link.since >= LINK.ackBatches) this.#ackNow(link);
    else this.#ackSoon();
  }

  #acked(from: string, ack: Ack): void {
    const link = ack.gateway === '' ? this.#out.node.get(from) : this.#out.gateway.get(ack.gateway);
    if (!link) return;
    if (!link.acked(ack, (out, fate) => this.#options.fate(out, fate, link))) this.#misled(link);
    const nowMs = this.#options.clock.monotonicMs();
    // It is there again: what else was lost behind is repeated at once.
    for (const sent of link.unacked) {
      if (sent.times > 1 || nowMs - sent.atMs < LINK.resendMs || !this.#open()) break;
      this.#again(link, sent, nowMs);
    }
    if (link.queued > 0 && (!link.patient || this.#dirty.has(link))) {
      this.#dirty.add(link);
      this.#flushSoon();
    }
  }

  #misled(link: OutLink): void {
    this.#refuse('misled');
    this.#options.log.warn({ to: link.name }, 'another node has heard a batch that this one never sent');
  }

  /** Nobody has so many neighbours: somebody makes up names. */
  #forget(links: Map<string, InLink>): void {
    const [oldest] = links;
    if (!oldest) return;
    links.delete(oldest[0]);
    this.#due.delete(oldest[1]);
  }

  // --- signs that something arrived ----------------------------------------------------------------------------------

  #acksFor(ref: string): Ack[] {
    const acks: Ack[] = [];
    if (this.#due.size === 0) return acks;
    for (const link of [this.#in.node.get(ref), this.#in.gateway.get(ref)]) {
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
    // What waits to go there carries the sign.
    if ((this.#out.node.get(link.from)?.queued ?? 0) > 0) return this.#ackSoon();
    const acks = this.#acksFor(link.from);
    if (acks.length === 0) return;
    this.#options.bus.publish(nodeSubject(link.from), encodeBatch(this.#ref, link.from, 0, 0, acks, [], 0));
  }

  // --- what is not acknowledged --------------------------------------------------------------------------------------

  #watch(): void {
    if (this.#watching || this.#stopped) return;
    this.#watching = true;
    this.#options.wheel.after(LINK.lookMs, () => {
      this.#watching = false;
      let more = false;
      for (const link of this.#all()) {
        if (link.idle) continue;
        more = true;
        this.#look(link);
      }
      for (const links of [this.#out.node, this.#out.gateway]) this.#tidy(links);
      if (more) this.#watch();
    });
  }

  /** With so many, most were names that somebody made up; what we answered them is done. */
  #tidy(links: Map<string, OutLink>): void {
    if (links.size <= LINK.othersMax) return;
    for (const [name, link] of links) if (link.idle) links.delete(name);
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
    if (link.queued === 0) return;
    link.stuckSinceMs ??= nowMs;
    if (nowMs - link.stuckSinceMs >= LINK.stuckMs - LINK.lookMs) {
      link.stuckSinceMs = null;
      for (const out of link.takeQueued()) fate(out, 'stuck', link);
    }
  }
}

const OUT = { dir: 'out' };
const IN = { dir: 'in' };
