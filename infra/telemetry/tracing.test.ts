/** Trace context is read strictly and passed on; spans reach a real collector, or are counted; nothing is loaded for none. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { isSampled, traceIdOf, wellFormedTrace } from '../../protocol/trace.ts';
import { systemScheduler } from '../clock.ts';
import { systemRandom } from '../random.ts';
import { Collector } from './collector.ts';
import { BATCH_SPANS, SPANS_MAX, SpanQueue, type SpanQueueOptions } from './spanQueue.ts';
import { idTracer, openTracing, type Tracing } from './tracing.ts';

const PATIENCE = { timeout: 15_000, interval: 10 };
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const UNSAMPLED = '00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

describe('the trace context', () => {
  it.each([
    [PARENT, true],
    [UNSAMPLED, true],
    ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff', true],
    ['', false],
    [PARENT.toUpperCase(), false],
    [`${PARENT}-more`, false],
    [` ${PARENT}`, false],
    [`${PARENT},${PARENT}`, false],
    [PARENT.replace('00-', '01-'), false],
    [PARENT.replace('00-', 'ff-'), false],
    ['00-00000000000000000000000000000000-b7ad6b7169203331-01', false],
    ['00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', false],
    ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333\n-01', false],
    [undefined, false],
    [[PARENT], false],
  ])('%j: %s', (text, good) => {
    expect(wellFormedTrace(text)).toBe(good ? text : null);
  });

  it('nothing else gets in, whatever is sent', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 80 }), fc.stringMatching(/^[0-9a-f-]{50,60}$/)), text => {
        const taken = wellFormedTrace(text);
        if (taken === null) return;
        expect(taken).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
      }),
    );
  });

  it('sampled is the lowest bit', () => {
    const flags = (text: string) => isSampled(PARENT.slice(0, 53) + text);
    expect(['00', '01', '02', '03', '0a', '0b', 'fe', 'ff'].map(flags)).toEqual([
      false,
      true,
      false,
      true,
      false,
      true,
      false,
      true,
    ]);
  });

  it('without a collector: fresh ids, the trace of the parent, and its wish', () => {
    const tracer = idTracer(systemRandom());
    const root = tracer.begin('hey', null);
    expect(wellFormedTrace(root.trace)).toBe(root.trace);
    expect(isSampled(root.trace)).toBe(false);
    const child = tracer.begin('hey', PARENT);
    expect(wellFormedTrace(child.trace)).toBe(child.trace);
    expect(traceIdOf(child.trace)).toBe(traceIdOf(PARENT));
    expect(child.trace).not.toBe(PARENT);
    expect(isSampled(child.trace)).toBe(true);
    expect(isSampled(tracer.begin('hey', UNSAMPLED).trace)).toBe(false);
    const many = new Set(Array.from({ length: 1_000 }, () => tracer.begin('hey', null).trace));
    expect(many.size).toBe(1_000);
    expect(tracer.record('turn', PARENT)).toBeNull();
  });
});

const heard = () => {
  const lines: object[] = [];
  const log: Log = { debug() {}, info() {}, error() {}, warn: fields => lines.push(fields) };
  const counts: Record<string, number> = {};
  const metrics: Metrics = {
    count: (_, labels = {}, by = 1) => {
      counts[labels.result!] = (counts[labels.result!] ?? 0) + by;
    },
    observe() {},
    gauge() {},
  };
  return { lines, log, counts, metrics };
};

describe('spans', () => {
  const collectors: Collector[] = [];
  const tracings: Tracing[] = [];
  afterEach(async () => {
    await Promise.all(tracings.splice(0).map(one => one.close(100)));
    await Promise.all(collectors.splice(0).map(one => one.stop()));
  });
  const start = async (behaviour: Collector['behaviour'] = 'take') => {
    const collector = await new Collector().start();
    collector.behaviour = behaviour;
    collectors.push(collector);
    const told = heard();
    const tracing = await openTracing({
      endpoint: collector.url,
      node: 'n1',
      version: '0.1.0',
      random: systemRandom(),
      scheduler: systemScheduler,
      ...told,
    });
    tracings.push(tracing);
    return { collector, tracing, tracer: tracing.tracer, ...told };
  };

  it('reach a collector with parents, links, failures and who we are, and are flushed on stop', async () => {
    const { collector, tracing, tracer, counts } = await start();
    const command = tracer.begin('hey.send', PARENT);
    const turn = tracer.record('turn user', command.trace);
    turn?.end();
    const other = tracer.begin('hey.send', null);
    const commit = tracer.record('ledger.commit', [command.trace, null, UNSAMPLED, other.trace]);
    commit?.set('heyblue.entries', 4);
    commit?.end('unknown');
    command.end();
    other.end();
    await tracing.close(5_000);
    expect([...collector.paths]).toEqual(['POST /v1/traces application/json']);
    expect(collector.resource).toMatchObject({
      'service.name': 'heyblue',
      'service.instance.id': 'n1',
      'service.version': '0.1.0',
    });
    const [sent] = collector.named('turn user');
    const commands = collector.named('hey.send');
    const first = commands.find(one => one.traceId === traceIdOf(PARENT));
    const second = commands.find(one => one !== first);
    expect(first).toMatchObject({ parentSpanId: PARENT.slice(36, 52), spanId: command.trace.slice(36, 52) });
    expect(second?.parentSpanId ?? '').toBe('');
    expect(sent).toMatchObject({ traceId: first?.traceId, parentSpanId: first?.spanId });
    expect(collector.named('ledger.commit')).toMatchObject([
      {
        traceId: first?.traceId,
        parentSpanId: first?.spanId,
        status: { code: 2, message: 'unknown' },
        links: [{ traceId: second?.traceId, spanId: second?.spanId }],
      },
    ]);
    expect(counts).toEqual({ sent: 4 });
  });

  it('are not made where the caller wants none', async () => {
    const { collector, tracing, tracer } = await start();
    const command = tracer.begin('hey.send', UNSAMPLED);
    expect(traceIdOf(command.trace)).toBe(traceIdOf(UNSAMPLED));
    expect(isSampled(command.trace)).toBe(false);
    for (const nothing of [command.trace, null, undefined, [], [null, UNSAMPLED]]) {
      expect(tracer.record('turn', nothing)).toBeNull();
    }
    command.end();
    await tracing.close(5_000);
    expect(collector.requests).toBe(0);
  });

  it('that a collector refuses are counted, and told once', async () => {
    const { collector, tracing, tracer, counts, lines } = await start('refuse');
    for (let i = 0; i < BATCH_SPANS; i++) tracer.begin('hey.send', null).end();
    await expect.poll(() => counts.failed, PATIENCE).toBe(BATCH_SPANS);
    collector.behaviour = 'take';
    tracer.begin('hey.send', null).end();
    await tracing.close(5_000);
    expect(collector.spans).toHaveLength(1);
    expect(counts).toEqual({ failed: BATCH_SPANS, sent: 1 });
    expect(lines).toHaveLength(1);
  });

  it('wait for a collector that hangs in bounded memory, and a stop does not wait for it', async () => {
    const { collector, tracing, tracer, counts, lines } = await start('hang');
    const many = SPANS_MAX + 3 * BATCH_SPANS;
    for (let i = 0; i < many; i++) tracer.begin('hey.send', null).end();
    await expect.poll(() => collector.requests, PATIENCE).toBe(1);
    expect(counts.dropped).toBe(2 * BATCH_SPANS);
    await tracing.close(20);
    // what is under way has no outcome yet; everything else is accounted for
    expect(counts.dropped).toBe(many - BATCH_SPANS);
    expect(lines).toHaveLength(1);
  });

  it('losses are told once a minute', () => {
    let minute = () => {};
    const scheduler: Scheduler = {
      immediate: run => run(),
      after: (ms, run) => {
        if (ms === 60_000) minute = run;
        return () => {};
      },
    };
    const { lines, log, metrics } = heard();
    const exporter = { export: (_: unknown, done: (result: { code: number }) => void) => done({ code: 1 }) };
    const queue = new SpanQueue({
      exporter: exporter as unknown as SpanQueueOptions['exporter'],
      log,
      metrics,
      scheduler,
    });
    const lose = () => {
      for (let i = 0; i < BATCH_SPANS; i++) queue.onEnd({} as Parameters<SpanQueue['onEnd']>[0]);
    };
    lose();
    lose();
    lose();
    expect(lines).toMatchObject([{ spans: BATCH_SPANS }]);
    minute();
    lose();
    expect(lines).toMatchObject([{ spans: BATCH_SPANS }, { spans: 3 * BATCH_SPANS }]);
  });
});

describe('what is loaded', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  /** Runs a script that sees which modules were asked for, and prints those of OpenTelemetry. */
  const loads = (script: string): Promise<string[]> => {
    const spy = `
      import { registerHooks } from 'node:module';
      const seen = new Set();
      registerHooks({ resolve: (name, context, next) => {
        const found = next(name, context);
        // prom-client brings the empty interface (@opentelemetry/api) along, whatever we do
        const ours = !/prom-client|@opentelemetry.api/.test(context.parentURL ?? '');
        if (ours && /opentelemetry/.test(found.url)) seen.add(name);
        return found;
      } });
      process.on('exit', () => process.stdout.write('\\n' + JSON.stringify([...seen]) + '\\n'));
      ${script}`;
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', spy],
        { cwd: root, env: { PATH: process.env.PATH } },
        (_error, stdout, stderr) => {
          const line = stdout.trim().split('\n').at(-1) ?? '';
          if (line.startsWith('[')) resolve(JSON.parse(line) as string[]);
          else reject(new Error(`${stdout}\n${stderr}`));
        },
      );
    });
  };
  const open = (endpoint: string) => `
    const { openTracing } = await import('./infra/telemetry/index.ts');
    const { systemRandom } = await import('./infra/random.ts');
    const quiet = () => {};
    await openTracing({ endpoint: '${endpoint}', node: 'n', version: '1', random: systemRandom(),
      log: { warn: quiet }, metrics: { count: quiet }, scheduler: { after: () => quiet } });`;

  it('without a collector nothing of OpenTelemetry, neither here nor by a whole node', async () => {
    expect(await loads(open(''))).toEqual([]);
    // a node without a database says so and ends; by then all that it is made of has been loaded
    expect(await loads("await import('./nodes/main.ts');")).toEqual([]);
  });

  it('with a collector the SDK', async () => {
    expect(await loads(open('http://127.0.0.1:9'))).toContain('@opentelemetry/sdk-trace-base');
  });
});
