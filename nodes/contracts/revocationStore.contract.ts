/** What every store of revocations must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Revocation, RevocationStore } from '../ports.ts';

export interface RevocationTown {
  /** Two connections to the same store. */
  readonly one: RevocationStore;
  readonly two: RevocationStore;
  uuid(): string;
  /** Unix milliseconds of the real clock. */
  nowMs(): number;
  /** How many it keeps. */
  kept(): Promise<number>;
  close(): Promise<void>;
}

export function revocationStoreContract(name: string, open: () => Promise<RevocationTown>): void {
  describe(`revocation store: ${name}`, () => {
    let town: RevocationTown;
    beforeAll(async () => {
      town = await open();
    });
    afterAll(() => town.close());

    const revocation = (change: Partial<Revocation> = {}): Revocation => ({
      id: town.uuid(),
      userId: town.uuid(),
      tokenId: null,
      sparedDevice: null,
      issuedUntilMs: town.nowMs(),
      expiresAtMs: town.nowMs() + 3_600_000,
      ...change,
    });
    const ids = (seen: { revocations: readonly Revocation[] }): string[] =>
      seen.revocations.map(one => one.id);

    it('what one adds the other reads as it was', async () => {
      const all = [
        revocation({ sparedDevice: "the phone's \\ \u00e9" }),
        revocation({ userId: null, tokenId: town.uuid() }),
        revocation({ tokenId: town.uuid() }),
      ];
      await town.one.add(all);
      const { revocations } = await town.two.since(null);
      for (const one of all) expect(revocations).toContainEqual(one);
    });

    it('a cursor leaves nothing out that was added after it was given', async () => {
      const { cursor } = await town.two.since(null);
      const [first, second] = [revocation(), revocation()];
      await town.one.add([first]);
      const seen = await town.two.since(cursor);
      expect(ids(seen)).toContain(first.id);
      await town.one.add([second]);
      expect(ids(await town.two.since(seen.cursor))).toContain(second.id);
      expect(ids(await town.two.since(null))).toEqual(expect.arrayContaining([first.id, second.id]));
    });

    it('a repeat changes nothing, and none at all is fine', async () => {
      const one = revocation();
      await town.one.add([one]);
      await town.two.add([one, one]);
      await town.two.add([]);
      expect(ids(await town.one.since(null)).filter(id => id === one.id)).toHaveLength(1);
    });

    it('what has expired is not told, and is forgotten', async () => {
      const over = revocation({ expiresAtMs: town.nowMs() - 1_000 });
      const before = await town.kept();
      await town.one.add([over]);
      expect(ids(await town.one.since(null))).not.toContain(over.id);
      await town.two.prune();
      expect(await town.kept()).toBe(before);
    });
  });
}
