/** What every audit log must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditEntry, AuditLog } from '../ports.ts';

export interface AuditTown {
  /** Two connections to the same log. */
  readonly one: AuditLog;
  readonly two: AuditLog;
  /** A new id, and the clock of this machine: the test has neither. */
  readonly uuid: () => string;
  readonly wallMs: () => number;
  close(): Promise<void>;
}

export function auditLogContract(name: string, open: () => Promise<AuditTown>): void {
  describe(`audit log: ${name}`, () => {
    let town: AuditTown;
    beforeAll(async () => {
      town = await open();
    });
    afterAll(() => town.close());

    const entry = (change: Partial<AuditEntry> = {}): AuditEntry => ({
      operatorId: town.uuid(),
      action: 'user.look',
      userId: town.uuid(),
      detail: {},
      ...change,
    });

    it('what one appends the other reads as it was, with the time of the store', async () => {
      const before = town.wallMs();
      const added = entry({
        action: 'trace.start',
        detail: { minutes: 5, all: true, why: 'it\'s "odd" \\ \u00e9' },
      });
      await town.one.append(added);
      const [read] = await town.two.newest(1);
      expect(read).toEqual({ ...added, number: expect.any(Number), atMs: expect.any(Number) });
      // one machine, two programs: their clocks are the same up to rounding
      expect(read!.atMs).toBeGreaterThanOrEqual(before - 1_000);
      expect(read!.atMs).toBeLessThanOrEqual(town.wallMs() + 1_000);
    });

    it('the newest come first, as many as are asked for, of everybody or of one user', async () => {
      const userId = town.uuid();
      for (const action of ['first', 'second', 'third']) await town.one.append(entry({ userId, action }));
      await town.two.append(entry({ action: 'other' }));
      expect((await town.one.newest(2, userId)).map(one => one.action)).toEqual(['third', 'second']);
      expect((await town.two.newest(2)).map(one => one.action)).toEqual(['other', 'third']);
      expect(await town.one.newest(5, town.uuid())).toEqual([]);
      const numbers = (await town.one.newest(4)).map(one => one.number);
      expect(numbers).toEqual(numbers.toSorted((a, b) => b - a));
    });

    it('the same twice is two entries; nobody in particular and nobody at all are fine', async () => {
      const again = entry({ operatorId: null, userId: null, action: 'operator.create' });
      const before = await town.one.newest(1_000);
      await Promise.all([town.one.append(again), town.two.append(again)]);
      const after = await town.two.newest(1_000);
      expect(after).toHaveLength(before.length + 2);
      expect(after[0]).toMatchObject({
        operatorId: null,
        userId: null,
        action: 'operator.create',
        detail: {},
      });
    });
  });
}
