/**
 * All lines of a node (see `line.ts`): where a message for a shard goes now, what happens when it comes back, and when
 * it has waited long enough.
 */
import { ROUTING_LIMITS } from '../limits.ts';
import type { Clock, Coordinator, Owner } from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { BACK_OFF_MS } from './limits.ts';
import { Line } from './line.ts';
import type { Fate, Letter } from './outgoing.ts';

/** Why a message was never executed. */
export type Refusal = 'full' | 'waited' | 'hops' | 'overtaken' | 'void';

export interface LinesOptions {
  readonly coordinator: Pick<Coordinator, 'ref' | 'epochOf' | 'ownerOf' | 'mapRevision'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly wheel: TimerWheel;
  readonly queueMs?: number;
  /** Whether a node is known to be gone, though the map may not say so yet. */
  readonly isGone: (node: string) => boolean;
  /** On its way to this node. */
  readonly post: (node: string, letter: Letter) => void;
  /** To an actor here. */
  readonly deliver: (letter: Letter, epoch: number) => void;
  /** It is given up, and was never executed. */
  readonly refuse: (letter: Letter, why: Refusal) => void;
}

export class Lines {
  readonly #options: LinesOptions;
  readonly #lines: (Line | undefined)[] = [];
  /** Shards of this node for which older messages of this node are not settled. */
  readonly #detours = new Set<number>();

  constructor(options: LinesOptions) {
    this.#options = options;
  }

  get detours(): number {
    return this.#detours.size;
  }

  busy(shard: number): boolean {
    return this.#lines[shard]?.busy === true;
  }

  /** A new message. */
  join(letter: Letter): void {
    const line = (this.#lines[letter.shard] ??= new Line(letter.shard));
    line.join(letter);
    const owner = this.#ownerFor(line);
    const straight =
      line.queue.length === 0 &&
      owner !== null &&
      owner.node !== this.#options.coordinator.ref &&
      (line.underWay === 0 || line.dest === owner.node) &&
      !this.#isPaused(line, owner);
    if (straight) return this.#send(line, letter, owner);
    this.#wait(line, letter);
    this.#pump(line);
  }

  /** What became of one that was sent. */
  settled(letter: Letter, fate: Fate): void {
    const line = this.#lines[letter.shard]!;
    if (fate === 'unheard' && line.dest) {
      line.avoid = { node: line.dest, epoch: letter.epoch };
      this.#pause(line, letter);
    }
    const back = fate === 'missed' || fate === 'unheard';
    line.settled(letter, fate === 'arrived');
    if (back) this.#back(line, letter);
    else if (fate === 'stuck') this.#options.refuse(letter, 'waited');
    if (line.underWay === 0) this.#pump(line);
  }

  /** A node sent it back, and says who owns the shard. */
  bounced(letter: Letter, from: string, owner: Owner | null): void {
    const line = this.#lines[letter.shard]!;
    if (owner && owner.epoch > (line.hint?.epoch ?? 0)) line.hint = owner;
    line.avoid = { node: from, epoch: letter.epoch };
    this.#pause(line, letter);
    line.settled(letter, false);
    this.#back(line, letter);
    if (line.underWay === 0) this.#pump(line);
  }

  /** Once more, behind everything else: it carries a key, and a node was lost with it. */
  again(letter: Letter): void {
    const line = (this.#lines[letter.shard] ??= new Line(letter.shard));
    line.join(letter);
    if (letter.hops > ROUTING_LIMITS.hopsMax) return this.#options.refuse(letter, 'hops');
    this.#wait(line, letter);
    this.#pump(line);
  }

  /** Owners changed. */
  routed(shards: readonly number[]): void {
    for (const shard of shards) {
      const line = this.#lines[shard];
      if (line) this.#pump(line);
    }
  }

  /** This node serves the shard now: what it has said before comes first. */
  opened(shard: number): void {
    const line = this.#lines[shard];
    if (!line) return;
    if (line.busy) this.#detours.add(shard);
    this.#pump(line);
  }

  closed(shard: number): void {
    this.#detours.delete(shard);
  }

  /** Everything that waits, forgotten: this node begins anew. */
  clear(): Letter[] {
    const waiting = this.#lines.flatMap(line => line?.takeAll() ?? []);
    this.#lines.length = 0;
    this.#detours.clear();
    return waiting;
  }

  #ownerFor(line: Line): Owner | null {
    const { coordinator, isGone } = this.#options;
    const mine = coordinator.epochOf(line.shard);
    if (mine !== null) return { node: coordinator.ref, epoch: mine };
    const known = coordinator.ownerOf(line.shard);
    const { hint } = line;
    const newest = hint && hint.epoch > (known?.epoch ?? 0) ? hint : known;
    if (newest === null || newest.node === coordinator.ref || isGone(newest.node)) return null;
    return newest;
  }

  /** Whoever sent something back gets it again only after a while, unless it took the shard anew. */
  #isPaused(line: Line, owner: Owner): boolean {
    const { avoid } = line;
    if (avoid === null || avoid.node !== owner.node || avoid.epoch !== owner.epoch) return false;
    return this.#options.clock.monotonicMs() < line.notBeforeMs;
  }

  #pause(line: Line, letter: Letter): void {
    const pauseMs = BACK_OFF_MS[Math.min(letter.hops, BACK_OFF_MS.length - 1)]!;
    line.notBeforeMs = this.#options.clock.monotonicMs() + pauseMs;
  }

  #send(line: Line, letter: Letter, owner: Owner): void {
    line.sent(letter, owner.node, owner.epoch);
    letter.mapRevision = this.#options.coordinator.mapRevision;
    this.#options.post(owner.node, letter);
  }

  #back(line: Line, letter: Letter): void {
    line.returned = true;
    letter.hops++;
    if (letter.void) return this.#options.refuse(letter, 'void');
    if (letter.hops > ROUTING_LIMITS.hopsMax) return this.#options.refuse(letter, 'hops');
    this.#wait(line, letter);
  }

  #wait(line: Line, letter: Letter): void {
    if (!line.hasRoom(letter)) return this.#options.refuse(letter, 'full');
    line.wait(letter, this.#options.clock.monotonicMs());
  }

  /** Goes on as far as it can. */
  #pump(line: Line): void {
    if (line.underWay === 0) this.#goOn(line);
    if (!line.busy) this.#detours.delete(line.shard);
    else if (line.queue.length > 0) this.#arm(line);
  }

  #goOn(line: Line): void {
    const { coordinator, deliver, refuse } = this.#options;
    while (line.queue.length > 0) {
      const owner = this.#ownerFor(line);
      if (owner === null || this.#isPaused(line, owner)) return;
      line.begin();
      for (const letter of line.takeAll()) {
        if (line.isOvertaken(letter)) refuse(letter, 'overtaken');
        else if (owner.node === coordinator.ref) deliver(letter, owner.epoch);
        else this.#send(line, letter, owner);
      }
      if (line.underWay > 0) return;
    }
  }

  /** Looks again when a pause is over or something has waited too long. */
  #arm(line: Line): void {
    if (line.armed) return;
    line.armed = true;
    const nowMs = this.#options.clock.monotonicMs();
    const queueMs = this.#options.queueMs ?? ROUTING_LIMITS.shardQueueMs;
    let waitMs = queueMs;
    for (const one of line.queue) {
      waitMs = Math.min(waitMs, one.queuedAtMs + queueMs - nowMs, one.deadlineMs - nowMs);
    }
    if (line.notBeforeMs > nowMs) waitMs = Math.min(waitMs, line.notBeforeMs - nowMs);
    this.#options.wheel.after(Math.max(1, waitMs), () => {
      line.armed = false;
      const lookMs = this.#options.clock.monotonicMs();
      for (const late of line.takeLate(lookMs - queueMs, lookMs)) this.#options.refuse(late, 'waited');
      this.#pump(line);
    });
  }
}
