/** One node audits, and says what it found; it seals and prunes besides. Whoever does not own the shard does none of it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { AUDIT_SHARD, AuditJob } from './job.ts';
import { LEAD_MS, PRUNE_MS, SEAL_LOOK_MS, SETTLE_LOOK_MS } from './limits.ts';
import { type AuditedTown, auditedTown, type Copy } from './testTown.ts';

const PATIENCE = { timeout: 30_000, interval: 20 };
const INTERVAL_MS = 3_600_000;

let town: AuditedTown;
let copy: Copy;
let job: AuditJob;
let owned: number | null;
/** What was counted or measured last, `name value-of-its-label`. */
let figures: Map<string, number>;
let lines: { level: string; fields: Record<string, unknown>; message: string }[];
/** What waits, by its pause. */
let waiting: Map<number, () => void>;

beforeAll(async () => {
  town = await auditedTown();
  copy = await town.copy();
});
afterAll(async () => {
  await copy.drop();
  await town.close();
});
beforeEach(() => {
  owned = null;
  figures = new Map();
  lines = [];
  waiting = new Map();
  const { databaseUrl: _, ...stores } = copy.stores;
  job = new AuditJob({
    ownerUrl: copy.ownerUrl,
    appUrl: copy.appUrl,
    auditUrl: '',
    stores,
    cooldownS: 86_400,
    archiveBoundS: 600,
    intervalMs: INTERVAL_MS,
    wallMs: () => 7 * INTERVAL_MS,
    coordinator: { epochOf: shard => (shard === AUDIT_SHARD ? owned : null) },
    scheduler,
    log,
    metrics,
  });
});
afterEach(() => job.close());

const figure = (name: string, labels: Record<string, string> = {}): string =>
  [name, ...Object.values(labels)].join(' ');
const metrics: Metrics = {
  count: (name, labels, by = 1) => {
    figures.set(figure(name, labels), (figures.get(figure(name, labels)) ?? 0) + by);
  },
  observe() {},
  gauge: (name, value, labels) => {
    figures.set(figure(name, labels), value);
  },
};
const say =
  (level: string) =>
  (fields: object, message: string): void => {
    lines.push({ level, fields: fields as Record<string, unknown>, message });
  };
const log: Log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
const scheduler: Scheduler = {
  immediate: setImmediate,
  after: (delayMs, run) => {
    waiting.set(delayMs, run);
    return () => {
      if (waiting.get(delayMs) === run) waiting.delete(delayMs);
    };
  },
};
/** The pause is over. */
const over = (pauseMs: number): void => {
  const run = waiting.get(pauseMs);
  waiting.delete(pauseMs);
  run?.();
};
const counted = (name: string) => vi.waitFor(() => expect(figures.get(name)).toBeGreaterThan(0), PATIENCE);

describe('the node that owns the shard', () => {
  beforeEach(() => {
    owned = 7;
    over(LEAD_MS);
    expect(figures.get('heyblue_audit_leading')).toBe(1);
  });

  it('finds nothing where nothing is wrong, and looks again', async () => {
    over(INTERVAL_MS);
    await counted('heyblue_audits_total clean');
    expect(figures.get('heyblue_audit_differences')).toBe(0);
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([]);
    await vi.waitFor(() => expect(waiting.has(INTERVAL_MS)).toBe(true), PATIENCE);
  });

  it('says what is wrong, and whom it concerns', async () => {
    const { officer } = town.story;
    await copy.sql('update ledger.account set balance = balance + 1 where account_id = $1', [officer]);
    over(INTERVAL_MS);
    await counted('heyblue_audits_total wrong');
    expect(figures.get('heyblue_audit_differences')).toBe(3);
    expect(lines).toContainEqual({
      level: 'error',
      fields: expect.objectContaining({
        check: 'account-balance',
        found: [expect.objectContaining({ id: officer })],
      }),
      message: 'the audit found differences',
    });
    await copy.sql('update ledger.account set balance = balance - 1 where account_id = $1', [officer]);
  });

  it('seals the days that are over, when there are any', async () => {
    over(SEAL_LOOK_MS);
    await vi.waitFor(() => expect(waiting.has(SEAL_LOOK_MS)).toBe(true), PATIENCE);
    expect(figures.get('heyblue_sealed_days_total')).toBeUndefined();
    await copy.sql(`update ledger.transfer set at = at - interval '3 days'`);
    over(SEAL_LOOK_MS);
    await counted('heyblue_sealed_days_total');
    const [seals] = await copy.sql(
      'select count(*)::int as n from ledger.day_seal where sealed_at is not null',
    );
    expect(seals?.n).toBeGreaterThanOrEqual(2);
  });

  it('closes the days of merchants that are over, once', async () => {
    await copy.sql(`update market.redemption set settled_at = settled_at - interval '3 days'`);
    await copy.sql(`update market.refund set at = at - interval '3 days'`);
    const kept = () => copy.sql('select merchant, report from market.settlement');
    expect(await kept()).toEqual([]);
    over(SETTLE_LOOK_MS);
    await counted('heyblue_settled_days_total');
    const days = await kept();
    expect(days.map(({ merchant }) => merchant)).toContain(town.story.merchant);
    await copy.sql('update market.redemption set sold_points = 6 where sold_points > 0');
    await vi.waitFor(() => expect(waiting.has(SETTLE_LOOK_MS)).toBe(true), PATIENCE);
    over(SETTLE_LOOK_MS);
    await vi.waitFor(() => expect(waiting.has(SETTLE_LOOK_MS)).toBe(true), PATIENCE);
    expect(await kept()).toEqual(days);
  });

  it('lets go of what is too old', async () => {
    await copy.sql(`update ops.idempotency set created_at = now() - interval '2 days'`);
    over(PRUNE_MS);
    await counted('heyblue_pruned_total keys');
    expect(await copy.sql('select from ops.idempotency')).toEqual([]);
  });

  it('stands by when another one takes the shard', async () => {
    owned = null;
    over(LEAD_MS);
    expect(figures.get('heyblue_audit_leading')).toBe(0);
    await vi.waitFor(() => expect([...waiting.keys()]).toEqual([LEAD_MS]), PATIENCE);
  });
});

it('any other node only looks whether it is the one', () => {
  over(LEAD_MS);
  expect([...waiting.keys()]).toEqual([LEAD_MS]);
  expect(figures.get('heyblue_audit_leading')).toBe(0);
});
