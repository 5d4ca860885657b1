/** What operators did, in memory: the twin of the table for tests and for gateways that are alone. */
import type { AuditEntry, AuditLog, AuditRecord } from '../ports.ts';

export class MemoryAudit implements AuditLog {
  readonly #all: AuditRecord[] = [];
  readonly #wallMs: () => number;

  /** @param wallMs Unix milliseconds */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  async append({ operatorId, action, userId, detail }: AuditEntry): Promise<void> {
    const [number, atMs] = [this.#all.length + 1, this.#wallMs()];
    this.#all.push({ number, atMs, operatorId, action, userId, detail: { ...detail } });
  }

  async newest(limit: number, userId: string | null = null): Promise<readonly AuditRecord[]> {
    const all = this.#all.filter(one => userId === null || one.userId === userId);
    return all.reverse().slice(0, limit);
  }
}
