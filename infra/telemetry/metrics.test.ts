import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { renderMetrics } from './document.ts';
import { METRICS, type MetricRow } from './metric-table.ts';
import { createMetrics } from './metrics.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('counts, observations and gauges appear under their names and labels', async () => {
  const metrics = createMetrics(false);
  metrics.count('heyblue_published_total', { target: 'balances' });
  metrics.count('heyblue_published_total', { target: 'balances' }, 4);
  metrics.count('heyblue_encounters_total', { method: 'qr' });
  metrics.observe('heyblue_commit_seconds', 0.004);
  metrics.gauge('heyblue_actors', 12, { kind: 'user' });
  metrics.sample('rt_half_open', () => 3);
  const { text, contentType } = await metrics.expose();
  expect(contentType).toMatch(/^text\/plain/);
  expect(text).toContain('heyblue_published_total{target="balances"} 5');
  expect(text).toContain('heyblue_encounters_total{method="qr"} 1');
  expect(text).toContain('heyblue_commit_seconds_bucket{le="0.005"} 1');
  expect(text).toContain('heyblue_actors{kind="user"} 12');
  expect(text).toContain('\nrt_half_open 3\n');
  expect((await metrics.expose()).text).toContain('heyblue_published_total{target="balances"} 5'); // looking does not count twice
});

test('what is counted begins at 0: an alert on its increase hears of the first time', async () => {
  const { text } = await createMetrics(false).expose();
  expect(text).toContain('\nrt_drain_phones_left_total 0\n');
  expect(text).toContain('\nheyblue_handoffs_total{outcome="lost"} 0\n');
  expect(text).not.toContain('rt_close_total{');
});

test('labels stay bounded, whatever values come from outside', async () => {
  const metrics = createMetrics(false);
  metrics.count('heyblue_encounters_total', { method: 'carrier pigeon' });
  for (let code = 0; code < 10_000; code++)
    metrics.count('rt_close_total', { code: String(code), initiator: 'server' });
  const { text } = await metrics.expose();
  expect(text).toContain('heyblue_encounters_total{method="other"} 1');
  const series = text.split('\n').filter(line => line.startsWith('rt_close_total{'));
  expect(series).toHaveLength(65);
  expect(text).toContain(`rt_close_total{code="other",initiator="server"} ${10_000 - 64}`);
});

test('a name that is not declared is counted, not thrown into the turn that used it', async () => {
  const metrics = createMetrics(false);
  metrics.count('heyblue_typo_total');
  metrics.observe('heyblue_published_total', 1);
  expect((await metrics.expose()).text).toContain('heyblue_metric_misuse_total 2');
});

test('the process tells about itself, with the delay of its event loop', async () => {
  const { text } = await createMetrics().expose();
  for (const name of [
    'process_cpu_user_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_p99_seconds',
  ])
    expect(text).toContain(name);
  const limit = Number(/^heyblue_heap_limit_bytes (\S+)$/m.exec(text)?.[1]);
  const used = Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)?.[1]);
  expect(limit).toBeGreaterThan(used);
});

test('the table keeps to the naming rules: totals count, seconds are histograms with rising buckets', () => {
  for (const [name, row] of Object.entries<MetricRow>(METRICS)) {
    expect(name).toMatch(/^(heyblue|rt)_[a-z_]+$/);
    expect(name.endsWith('_total'), name).toBe(row.kind === 'counter');
    expect(row.buckets !== undefined, name).toBe(row.kind === 'histogram');
    if (row.buckets) expect(row.buckets.toSorted((a, b) => a - b)).toEqual(row.buckets);
  }
});

/** What a gateway of this kind is expected to tell, and by which labels: names after Centrifugo's set. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  rt_connections: ['state', 'transport'],
  rt_sessions_by_presence: ['presence'],
  rt_handshake_seconds: [],
  rt_accept_rejected_total: ['reason'],
  rt_close_total: ['code', 'initiator'],
  rt_frames_total: ['dir', 'type'],
  rt_frame_bytes: ['dir'],
  rt_command_seconds: ['op', 'result'],
  rt_command_dedup_total: ['op'],
  rt_resume_total: ['result'],
  rt_replayed_events: [],
  rt_event_ack_lag_seconds: [],
  rt_outbox_ring_bytes: [],
  rt_conflated_total: ['kind'],
  rt_slow_ladder: ['level'],
  rt_buffered_bytes: [],
  rt_ping_rtt_seconds: [],
  rt_presence_edges_total: ['to'],
  rt_attach_inflight: [],
  rt_push_fanout_seconds: [],
  rt_bus_lag_seconds: [],
  rt_rate_limited_total: ['scope'],
  rt_drain_remaining: [],
  rt_drain_phones_left_total: [],
  rt_token_refresh_total: ['result'],
  rt_loop_delay_seconds: [],
  rt_decoder_rejects_total: ['why'],
};

test('what a realtime gateway is expected to tell is told, under these labels', () => {
  const told = METRICS as Record<string, MetricRow>;
  for (const [name, labels] of Object.entries(EXPECTED)) {
    expect(told[name], name).toBeDefined();
    expect(Object.keys(told[name]?.labels ?? {}).toSorted(), name).toEqual(labels);
  }
});

test('every metric that is declared is used somewhere', () => {
  const sources = ['actors', 'nodes', 'gateway', 'infra'].flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('metric-table.ts'))
      .map(file => readFileSync(join(ROOT, folder, file), 'utf8')),
  );
  const unused = Object.keys(METRICS).filter(name => !sources.some(source => source.includes(`'${name}'`)));
  expect(unused).toEqual([]);
});

test('the page of metrics is the one that the table makes', () => {
  const page = readFileSync(join(ROOT, 'gateway/METRICS.md'), 'utf8');
  expect(page, 'run: npx node infra/telemetry/render.ts').toBe(renderMetrics());
});

test('every metric that the sources use is declared, with that kind', () => {
  const kinds = { count: 'counter', observe: 'histogram', gauge: 'gauge' } as const;
  for (const folder of ['actors', 'nodes', 'gateway', 'infra']) {
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
      const source = readFileSync(join(ROOT, folder, file), 'utf8');
      for (const [, use, name] of source.matchAll(/\.(count|observe|gauge)\(\s*'((?:heyblue|rt)_\w+)'/g)) {
        const row = (METRICS as Record<string, MetricRow>)[name!];
        expect(row?.kind, `${folder}/${file} uses ${name}`).toBe(kinds[use as keyof typeof kinds]);
      }
    }
  }
});
