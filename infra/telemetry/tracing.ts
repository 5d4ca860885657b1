/**
 * Following a request from the door to the commit.
 *
 * Its ids travel always: they cost about a microsecond for a command, and logs and stream records can be put together by
 * them. Spans are made and sent only when OTEL_EXPORTER_OTLP_ENDPOINT names a collector; until then nothing of
 * OpenTelemetry is even loaded (`tracingExport.ts` is imported here, when it is needed, and nowhere else).
 */
import type { Log, Metrics, Scheduler, Span, Tracer } from '../../nodes/ports.ts';
import { isSampled } from '../../protocol/trace.ts';
import type { SystemRandom } from '../random.ts';

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what waits, at most for `budgetMs`. */
  close(budgetMs: number): Promise<void>;
}

export interface TracingOptions {
  /** Base URL of a collector that speaks OTLP over HTTP, `http://host:4318`; empty: none. */
  readonly endpoint: string;
  /** Name and version of this node among the others. */
  readonly node: string;
  readonly version: string;
  readonly random: Pick<SystemRandom, 'bytes'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export async function openTracing(options: TracingOptions): Promise<Tracing> {
  if (options.endpoint === '') return { tracer: idTracer(options.random), close: async () => {} };
  const { exportTraces } = await import('./tracingExport.ts');
  return exportTraces(options);
}

/** A span that nobody sees: only its name in the trace goes on. */
class UnseenSpan implements Span {
  readonly trace: string;
  constructor(trace: string) {
    this.trace = trace;
  }
  set(): void {}
  end(): void {}
}

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;

/** Makes ids and no spans. A trace that begins here is not sampled; one that comes from outside keeps its flag. */
export function idTracer(random: Pick<SystemRandom, 'bytes'>): Tracer {
  const hex = (count: number): string => {
    const { buffer, byteOffset, length } = random.bytes(count);
    return Buffer.from(buffer, byteOffset, length).toString('hex');
  };
  return {
    begin: (_name, parent) => {
      if (parent === null) {
        const ids = hex(TRACE_BYTES + SPAN_BYTES);
        return new UnseenSpan(`00-${ids.slice(0, 32)}-${ids.slice(32)}-00`);
      }
      return new UnseenSpan(`${parent.slice(0, 36)}${hex(SPAN_BYTES)}-${isSampled(parent) ? '01' : '00'}`);
    },
    record: () => null,
  };
}
