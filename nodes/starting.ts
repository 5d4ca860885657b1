/**
 * How an actor comes to life: from what its former node packed, from the store, or from nothing. Messages that come
 * meanwhile wait in its mailbox; a store that fails or hangs is a refusal to them, and the next message tries again.
 *
 * An actor that was thrown away may leave operations under way, and the store may still carry them out. Its successor reads
 * the store only when the outcome of each is known: else it would go on from a state that is about to change.
 */
import type { Address } from '../actors/turn.ts';
import { ERROR, type Result, refuse } from '../protocol/errors.ts';
import { Activation } from './activation.ts';
import { Arrivals, type Arrived } from './arrivals.ts';
import type { Core } from './core.ts';

const nameOf = ({ kind, id }: Address): string => `${kind}/${id}`;

export class Starting {
  readonly #core: Core;
  /** Packed actors that came with their shards and have not had a message yet. */
  readonly arrivals = new Arrivals();
  #hydrating = 0;
  /** By address: activations that are gone and have operations under way, and what waits for these. */
  readonly #written = new Map<string, { left: number; readonly waiting: (() => void)[] }>();

  constructor(core: Core) {
    this.#core = core;
  }

  get full(): boolean {
    return this.#hydrating >= this.#core.limits.hydratingMax;
  }

  /** Not while `full`. The actor is in memory afterwards, unless it could not be created. */
  activate(address: Address, shard: number, epoch: number): Activation {
    const { options, residents } = this.#core;
    const activation = new Activation(address, options.behaviours[address.kind], shard, epoch);
    residents.add(activation);
    const arrived = this.arrivals.size > 0 ? this.arrivals.take(address, shard) : null;
    if (arrived === null || !this.#unpack(activation, arrived)) this.#hydrate(activation);
    return activation;
  }

  /** The activation is gone, and not all of its operations have an outcome. */
  awaitWritten({ address }: Activation): void {
    const before = this.#written.get(nameOf(address));
    if (before) before.left++;
    else this.#written.set(nameOf(address), { left: 1, waiting: [] });
  }

  /** The last operation of an activation that is gone has its outcome. */
  written({ address }: Activation): void {
    const before = this.#written.get(nameOf(address));
    if (!before || --before.left > 0) return;
    this.#written.delete(nameOf(address));
    for (const read of before.waiting) read();
  }

  #hydrate(activation: Activation): void {
    const { options, wheel, limits } = this.#core;
    const query = activation.behaviour.hydrate(activation.address.id);
    if (query === null) {
      this.#create(activation, null);
      return;
    }
    this.#hydrating++;
    let settled = false;
    const settle = (after: () => void): void => {
      if (settled) return;
      settled = true;
      this.#hydrating--;
      this.#core.whenServing(() => {
        if (activation.phase === 'hydrating') after();
      });
    };
    const failed = (): void =>
      settle(() =>
        this.#core.leaving.discard(
          activation,
          refuse(ERROR.unavailable, 'the store does not answer, try again', 1_000),
        ),
      );
    const deadline = wheel.after(limits.hydrateMs, failed);
    const read = (): void => {
      if (settled) return;
      options.queries.query(query).then(
        loaded => {
          wheel.cancel(deadline);
          settle(() => this.#create(activation, loaded));
        },
        error => {
          wheel.cancel(deadline);
          options.log.warn({ kind: activation.address.kind, err: error }, 'an actor could not be read');
          failed();
        },
      );
    };
    const before = this.#written.size > 0 ? this.#written.get(nameOf(activation.address)) : undefined;
    if (before) before.waiting.push(read);
    else read();
  }

  #create(activation: Activation, loaded: unknown): void {
    const { options, turn } = this.#core;
    turn.begin(activation.address, null, null);
    let created: Result<unknown>;
    try {
      created = activation.behaviour.create(activation.address.id, loaded, turn);
    } catch (error) {
      options.log.error({ kind: activation.address.kind, err: error }, 'an actor could not be created');
      created = refuse(ERROR.internal, 'the actor could not be started');
    }
    if (!created.ok) return this.#core.leaving.discard(activation, created);
    this.#begin(activation, created.value);
  }

  /** False when it must start from the store: its node was of another version, or the parcel was damaged. */
  #unpack(activation: Activation, { packed, owed }: Arrived): boolean {
    const { behaviour, address } = activation;
    const { options, turn } = this.#core;
    if (!behaviour.unpack) return false;
    turn.begin(address, null, null);
    let unpacked: Result<unknown>;
    try {
      unpacked = behaviour.unpack(address.id, packed, turn);
    } catch (error) {
      options.log.error({ kind: address.kind, err: error }, 'a packed actor could not be read');
      turn.take();
      return false;
    }
    if (!unpacked.ok) {
      options.log.warn({ kind: address.kind, why: unpacked.message }, 'a packed actor was not taken');
      turn.take();
      return false;
    }
    for (const to of owed) activation.owe(to);
    this.#begin(activation, unpacked.value);
    return true;
  }

  #begin(activation: Activation, state: unknown): void {
    activation.state = state;
    activation.phase = 'active';
    activation.lastMessageMs = Math.trunc(this.#core.options.clock.monotonicMs());
    this.#core.outputs.apply(activation, null);
    if (activation.phase !== 'active') return;
    this.#core.leaving.watchIdleness(activation);
    if (activation.mailbox && activation.mailbox.size > 0) this.#core.turns.ready(activation);
  }
}
