/** What every bus must do. Run against memory and NATS. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Bus } from '../ports.ts';

/** A client whose connection the suite may cut. */
export interface BusClient {
  readonly bus: Bus;
  /** Cuts the connection and keeps it from coming back. Resolves when the client knows. */
  cut(): Promise<void>;
  /** Lets it come back. Resolves when the client is connected and its subscriptions are back. */
  heal(): Promise<void>;
}

export interface BusTown {
  connect(): Promise<BusClient>;
  close(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (heard: Uint8Array): string => new TextDecoder().decode(heard);
/** A busy machine may take its time; nobody waits longer than needed. */
const PATIENCE = { timeout: 20_000 };

export function busContract(name: string, open: () => Promise<BusTown>): void {
  describe(`bus: ${name}`, () => {
    let town: BusTown;
    let one: BusClient;
    let two: BusClient;
    let made = 0;
    beforeAll(async () => {
      town = await open();
      one = await town.connect();
      two = await town.connect();
    });
    afterAll(() => town.close());
    const subject = (): string => `hb.n.contract${++made}.0123456789abcdef`;

    /** Collects what `client` hears on `at`; resolves when the server knows of it. */
    async function listen(client: BusClient, at: string): Promise<string[]> {
      const heard: string[] = [];
      let there = 0;
      const stop = client.bus.subscribe(at, received => {
        if (text(received) === 'there?') there++;
        else heard.push(text(received));
      });
      onTestFinished(stop);
      await known(client, at, () => there > 0);
      return heard;
    }
    const known = (client: BusClient, at: string, arrived: () => boolean): Promise<void> =>
      expect
        .poll(() => {
          client.bus.publish(at, bytes('there?'));
          return arrived();
        }, PATIENCE)
        .toBe(true);
    /** Everything that was published by `client` before has arrived at itself, so at the server. */
    async function flushed(client: BusClient): Promise<void> {
      await listen(client, subject());
    }

    it('carries bytes as they are, to everybody who listens to exactly that subject', async () => {
      const at = subject();
      const heard: Uint8Array[] = [];
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      onTestFinished(two.bus.subscribe(at, received => heard.push(received.slice())));
      const [also, other] = [await listen(two, at), await listen(two, `${at}x`)];
      heard.length = 0;
      expect(one.bus.publish(at, all)).toBe(true);
      expect(one.bus.publish(at, new Uint8Array())).toBe(true);
      await expect.poll(() => heard.filter(received => received.length !== 6), PATIENCE).toHaveLength(2);
      expect(heard.filter(received => received.length !== 6)).toEqual([all, new Uint8Array()]);
      expect(also).toHaveLength(2);
      expect(other).toEqual([]);
    });

    it('hears what it says itself', async () => {
      const at = subject();
      const heard = await listen(one, at);
      one.bus.publish(at, bytes('echo'));
      await expect.poll(() => heard, PATIENCE).toEqual(['echo']);
    });

    it('keeps the order from one to another', async () => {
      const at = subject();
      const heard = await listen(two, at);
      const sent = Array.from({ length: 1_000 }, (_, number) => String(number));
      for (const number of sent) one.bus.publish(at, bytes(number), () => {});
      await expect.poll(() => heard.length, PATIENCE).toBe(sent.length);
      expect(heard).toEqual(sent);
    });

    it('what the sender does with its bytes later changes nothing', async () => {
      const at = subject();
      const heard = await listen(two, at);
      const mine = bytes('mine');
      one.bus.publish(at, mine);
      mine.fill(0);
      await expect.poll(() => heard, PATIENCE).toEqual(['mine']);
    });

    it('says when nobody listened, and only then', async () => {
      const [empty, full] = [subject(), subject()];
      const heard = await listen(two, full);
      const unheard: string[] = [];
      one.bus.publish(full, bytes('a'), () => unheard.push('full'));
      one.bus.publish(empty, bytes('b'), () => unheard.push('empty'));
      one.bus.publish(empty, bytes('c'));
      one.bus.publish(empty, bytes('d'), () => unheard.push('again'));
      await expect.poll(() => unheard, PATIENCE).toEqual(['empty', 'again']);
      await flushed(one);
      expect(unheard).toEqual(['empty', 'again']);
      expect(heard).toEqual(['a']);
    });

    it('nobody listens any more after the last one stopped', async () => {
      const at = subject();
      let there = 0;
      const stop = two.bus.subscribe(at, () => there++);
      await known(two, at, () => there > 0);
      stop();
      stop();
      let unheard = false;
      await expect
        .poll(() => {
          one.bus.publish(at, bytes('x'), () => {
            unheard = true;
          });
          return unheard;
        }, PATIENCE)
        .toBe(true);
    });

    it('a listener that throws is no harm to others or to itself', async () => {
      const at = subject();
      let throws = 0;
      onTestFinished(
        two.bus.subscribe(at, () => {
          throws++;
          throw new Error('a test threw this');
        }),
      );
      const heard = await listen(two, at);
      one.bus.publish(subject(), bytes('x'), () => {
        throw new Error('a test threw this');
      });
      const before = throws;
      for (const number of ['1', '2', '3']) one.bus.publish(at, bytes(number));
      await expect.poll(() => heard, PATIENCE).toEqual(['1', '2', '3']);
      expect(throws).toBeGreaterThanOrEqual(before + 3);
      await flushed(one);
      expect([one.bus.connected, two.bus.connected]).toEqual([true, true]);
    });

    it('what is too large is not sent and harms nobody', async () => {
      const at = subject();
      const heard = await listen(two, at);
      expect(one.bus.bytesMax).toBeGreaterThanOrEqual(512 * 1024);
      expect(one.bus.publish(at, new Uint8Array(one.bus.bytesMax + 1))).toBe(false);
      expect(one.bus.publish(at, new Uint8Array(one.bus.bytesMax).fill(97), () => {})).toBe(true);
      await expect.poll(() => heard.map(received => received.length), PATIENCE).toEqual([one.bus.bytesMax]);
      expect(one.bus.connected).toBe(true);
    });

    it('sends nothing while it is not connected, and nothing of it arrives later', async () => {
      const at = subject();
      const client = await town.connect();
      const heard = await listen(two, at);
      const mine = await listen(client, subject());
      const changes: boolean[] = [];
      client.bus.watchConnection(connected => changes.push(connected));
      client.bus.watchConnection(() => {
        throw new Error('a test threw this');
      });
      await client.cut();
      expect(client.bus.connected).toBe(false);
      let unheard = 0;
      expect(client.bus.publish(at, bytes('stale'), () => unheard++)).toBe(false);
      expect(client.bus.publish(subject(), bytes('stale'), () => unheard++)).toBe(false);
      await client.heal();
      expect(client.bus.connected).toBe(true);
      expect(changes).toEqual([false, true]);
      expect(client.bus.publish(at, bytes('fresh'))).toBe(true);
      await expect.poll(() => heard, PATIENCE).toEqual(['fresh']);
      expect([unheard, mine]).toEqual([0, []]);
    });

    it('hears again what it listened to, after it was cut off, and proves its absence meanwhile', async () => {
      const [kept, late, stopped] = [subject(), subject(), subject()];
      const client = await town.connect();
      const heard = await listen(client, kept);
      const stop = client.bus.subscribe(stopped, () => heard.push('stopped'));
      await client.cut();
      stop();
      let unheard = false;
      await expect
        .poll(() => {
          two.bus.publish(kept, bytes('lost'), () => {
            unheard = true;
          });
          return unheard;
        }, PATIENCE)
        .toBe(true);
      const made: string[] = [];
      onTestFinished(client.bus.subscribe(late, received => made.push(text(received))));
      await client.heal();
      two.bus.publish(kept, bytes('back'));
      two.bus.publish(stopped, bytes('x'));
      two.bus.publish(late, bytes('new'));
      await expect.poll(() => made, PATIENCE).toEqual(['new']);
      expect(heard).toEqual(['back']);
    });
  });
}
