/** What revocations must do whatever store and bus are behind them. Run against memory, and against PostgreSQL and NATS. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { BusClient, BusTown } from '../nodes/contracts/bus.contract.ts';
import type { Bus, Revocation, RevocationStore } from '../nodes/ports.ts';
import type { TokenClaims } from './auth/revokedTokens.ts';
import { Revocations, revocationSubject } from './revocations.ts';
import { counting, silent } from './testing/town.ts';

export interface RevocationWorld {
  readonly buses: BusTown;
  /** A connection to the one store. */
  store(): Promise<RevocationStore>;
  close(): Promise<void>;
}

/** A busy machine may take its time; nobody waits longer than needed. */
const PATIENCE = { timeout: 20_000 };

/** A store whose connection may be cut. */
class Cuttable implements RevocationStore {
  cut = false;
  readonly #store: RevocationStore;
  constructor(store: RevocationStore) {
    this.#store = store;
  }
  add(revocations: readonly Revocation[]) {
    return this.#try(() => this.#store.add(revocations));
  }
  since(cursor: string | null) {
    return this.#try(() => this.#store.since(cursor));
  }
  prune() {
    return this.#try(() => this.#store.prune());
  }
  async #try<T>(work: () => Promise<T>): Promise<T> {
    if (this.cut) throw new Error('no connection');
    return work();
  }
}

interface Node {
  readonly revocations: Revocations;
  readonly store: Cuttable;
  readonly client: BusClient;
  changes: number;
}

/** Resolves when what a bus subscribed to before is heard: it hears itself on a later subject. */
const inForce = async (bus: Bus): Promise<void> => {
  const probe = `probe${randomUUID()}`;
  let isHeard = false;
  const silence = bus.subscribe(probe, () => {
    isHeard = true;
  });
  await expect
    .poll(() => {
      if (!isHeard) bus.publish(probe, new Uint8Array(1));
      return isHeard || !bus.connected;
    }, PATIENCE)
    .toBe(true);
  silence();
};

export function revocationsContract(name: string, open: () => Promise<RevocationWorld>): void {
  describe(`revocations: ${name}`, () => {
    let world: RevocationWorld;
    const subject = revocationSubject(`test${randomUUID()}`);
    beforeAll(async () => {
      world = await open();
    });
    afterAll(() => world.close());

    const start = async (client?: BusClient): Promise<Node> => {
      const at = client ?? (await world.buses.connect());
      const store = new Cuttable(await world.store());
      const revocations = new Revocations({
        store,
        bus: at.bus,
        subject,
        tokenLifeMs: 900_000,
        wallMs: Date.now,
        log: silent,
        metrics: counting(),
      });
      const node = { revocations, store, client: at, changes: 0 };
      revocations.onChange(() => {
        node.changes++;
      });
      await revocations.start();
      onTestFinished(() => revocations.stop());
      await inForce(at.bus);
      return node;
    };
    const claims = (change: Partial<TokenClaims> = {}): TokenClaims => ({
      userId: randomUUID(),
      deviceId: 'phone-1',
      tokenId: randomUUID(),
      issuedAtMs: Date.now() - 1_000,
      ...change,
    });
    const known = (node: Node, token: TokenClaims) =>
      expect.poll(() => node.revocations.covers(token), PATIENCE).toBe(true);

    it('ends every token of a user, here at once and at every other node; nobody else hears a thing', async () => {
      const [one, two] = [await start(), await start()];
      const [token, other] = [claims(), claims()];
      const done = one.revocations.user(token.userId);
      expect(one.revocations.covers(token)).toBe(true);
      expect(await done).toEqual({ stored: true });
      await known(two, token);
      await expect.poll(() => [one.changes > 0, two.changes > 0], PATIENCE).toEqual([true, true]);
      for (const node of [one, two]) {
        expect(node.revocations.covers(other)).toBe(false);
        expect(node.revocations.covers({ ...token, issuedAtMs: Date.now() + 1_000 })).toBe(false);
      }
    });

    it('ends one token and leaves the others of the user alone', async () => {
      const [one, two] = [await start(), await start()];
      const token = claims();
      await one.revocations.token(token.tokenId, token.userId);
      await known(two, token);
      expect(two.revocations.covers({ ...token, tokenId: randomUUID() })).toBe(false);
    });

    it('spares the device that the account moved to, and ends its old tokens when it moves on', async () => {
      const [one, two] = [await start(), await start()];
      const [old, fresh] = [claims(), claims({ deviceId: 'phone-2' })];
      const there = { ...fresh, userId: old.userId };
      await one.revocations.user(old.userId, 'phone-2');
      await known(two, old);
      expect(two.revocations.covers(there)).toBe(false);
      await two.revocations.user(old.userId, 'phone-1');
      await known(one, there);
    });

    it('while no store can be reached the bus does, and it is stored as soon as there is one', async () => {
      const [one, two] = [await start(), await start()];
      one.store.cut = true;
      two.store.cut = true;
      const token = claims();
      expect(await one.revocations.user(token.userId)).toEqual({ stored: false });
      expect(one.revocations.covers(token)).toBe(true);
      await known(two, token);
      one.store.cut = false;
      await one.revocations.look();
      const late = await start();
      expect(late.revocations.covers(token)).toBe(true);
    });

    it('a node that dies before it could store it: whoever heard of it does', async () => {
      const [one, two] = [await start(), await start()];
      one.store.cut = true;
      const token = claims();
      expect(await one.revocations.user(token.userId)).toEqual({ stored: false });
      one.revocations.stop();
      await known(two, token);
      await expect.poll(() => two.revocations.isUnstored(token), PATIENCE).toBe(false);
      const late = await start();
      expect(late.revocations.covers(token)).toBe(true);
    });

    it('asked for again it is stored, by whoever is asked; what is stored is not revoked again', async () => {
      const [one, two] = [await start(), await start()];
      for (const asked of [one, two]) {
        one.store.cut = two.store.cut = true;
        const token = claims();
        expect(await one.revocations.token(token.tokenId, token.userId)).toEqual({ stored: false });
        await known(two, token);
        expect(await asked.revocations.again(token, true)).toBeNull();
        expect(await asked.revocations.again(claims(), false)).toBeNull();
        expect(await asked.revocations.again(token, false)).toEqual({ stored: false });
        asked.store.cut = false;
        expect(await asked.revocations.again(token, false)).toEqual({ stored: true });
        expect(await asked.revocations.again(token, false)).toBeNull();
        const late = await start();
        expect(late.revocations.covers(token)).toBe(true);
      }
    });

    it('while the bus is cut the store does', async () => {
      const [one, two] = [await start(), await start()];
      await two.client.cut();
      const token = claims();
      await one.revocations.user(token.userId);
      await known(two, token);
      await two.client.heal();
    });

    it('a node that starts knows all of it before it lets anybody in; without a store it does not start', async () => {
      const one = await start();
      const token = claims();
      await one.revocations.token(token.tokenId);
      const two = await start();
      expect(two.revocations.covers(token)).toBe(true);
      const store = new Cuttable(await world.store());
      store.cut = true;
      const blind = new Revocations({
        store,
        bus: null,
        subject,
        tokenLifeMs: 1,
        wallMs: Date.now,
        log: silent,
        metrics: counting(),
      });
      await expect(blind.start()).rejects.toThrow('no connection');
    });

    it('rubbish on the bus is no revocation and stops nobody', async () => {
      const [one, two] = [await start(), await start()];
      const token = claims();
      const whole = {
        id: randomUUID(),
        userId: token.userId,
        tokenId: null,
        sparedDevice: null,
        issuedUntilMs: Date.now(),
        expiresAtMs: Date.now() + 60_000,
      };
      const rubbish = [
        '',
        'x',
        '[]',
        '{"v":2,"revocations":[]}',
        '{"v":1}',
        `{"v":1,"revocations":[{"id":"a","userId":"${token.userId}"}]}`,
        '{"v":1,"revocations":[null]}',
        `{"v":1,"revocations":[${JSON.stringify({ ...whole, id: 'not an id' })}]}`,
        `{"v":1,"revocations":[${JSON.stringify({ ...whole, expiresAtMs: 1e300 })}]}`,
        `{"v":1,"revocations":[${JSON.stringify({ ...whole, sparedDevice: 'x'.repeat(1_000) })}]}`,
      ];
      for (const text of rubbish) one.client.bus.publish(subject, new TextEncoder().encode(text));
      const next = claims();
      two.store.cut = true;
      await one.revocations.user(next.userId);
      await known(two, next);
      expect(two.revocations.covers(token)).toBe(false);
    });
  });
}
